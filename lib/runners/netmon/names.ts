/** Names of addresses, as answers of DNS told them: what was asked for, not what a chain of CNAMEs ended at. */

const MOST_ADDRESSES = 16_384;

export class Names {
  readonly #names = new Map<string, string>();

  learn(name: string, addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#names.delete(address);
      this.#names.set(address, name);
      if (this.#names.size <= MOST_ADDRESSES) continue;
      const [oldest] = this.#names.keys();
      if (oldest !== undefined) this.#names.delete(oldest);
    }
  }

  of(address: string): string | undefined {
    return this.#names.get(address);
  }
}
