/**
 * Names of addresses, as answers of DNS told them: what was asked for, not what a chain of CNAMEs ended at. One address
 * may have many names, so what a process asked itself goes before what others did.
 */

const MOST_ADDRESSES = 16_384;

export interface NameOf {
  name: string;
  /** `dns`: the process that connects got the answer; `dns_other`: another one that is watched did. */
  by: 'dns' | 'dns_other';
}

/** Remembers so many; the oldest goes first. */
class Latest {
  readonly #names = new Map<string, string>();

  set(key: string, name: string): void {
    this.#names.delete(key);
    this.#names.set(key, name);
    if (this.#names.size <= MOST_ADDRESSES) return;
    const [oldest] = this.#names.keys();
    if (oldest !== undefined) this.#names.delete(oldest);
  }

  get(key: string): string | undefined {
    return this.#names.get(key);
  }

  get empty(): boolean {
    return this.#names.size === 0;
  }
}

export class Names {
  readonly #own = new Latest();
  readonly #all = new Latest();

  /** `process`: a text that no other process has. */
  learn(process: string, name: string, addresses: readonly string[]): void {
    for (const address of addresses) {
      this.#own.set(`${process} ${address}`, name);
      this.#all.set(address, name);
    }
  }

  of(process: string, address: string): NameOf | undefined {
    if (this.#all.empty) return undefined;
    const own = this.#own.get(`${process} ${address}`);
    if (own !== undefined) return { name: own, by: 'dns' };
    const other = this.#all.get(address);
    return other === undefined ? undefined : { name: other, by: 'dns_other' };
  }
}
