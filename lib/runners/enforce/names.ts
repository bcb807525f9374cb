/** Which names an address was given for: by answers of DNS to the watched processes, and by our own resolver. */
import { lookup } from 'node:dns/promises';
import { addressBytes } from '../../match/address.js';

const MOST_ADDRESSES = 32_768;
const NAMES_OF_ONE = 16;
/** Names of entries are looked up anew so often, so that a deny-list holds before anybody asks. */
const RESOLVE_MS = 60_000;
const AT_ONCE = 8;

export class AddressNames {
  readonly byAddress = new Map<string, Set<string>>();

  learn(name: string, addresses: readonly Buffer[]): void {
    for (const address of addresses) {
      const key = address.toString('hex');
      const names = this.byAddress.get(key) ?? new Set();
      names.delete(name);
      names.add(name);
      if (names.size > NAMES_OF_ONE) names.delete([...names][0] as string);
      this.byAddress.delete(key);
      this.byAddress.set(key, names);
      if (this.byAddress.size > MOST_ADDRESSES) this.byAddress.delete(this.byAddress.keys().next().value as string);
    }
  }

  /** The one that was told last. */
  of(address: Buffer): string | undefined {
    return [...(this.byAddress.get(address.toString('hex')) ?? [])].at(-1);
  }
}

/** Looks names up now and then, for those that no watched process has asked for yet. */
export class Resolver {
  #names: readonly string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #round = 0;
  readonly #found: (name: string, addresses: Buffer[]) => void;

  constructor(found: (name: string, addresses: Buffer[]) => void) {
    this.#found = found;
  }

  follow(names: readonly string[]): void {
    this.#names = names;
    void this.#look(++this.#round);
  }

  stop(): void {
    this.#round++;
    clearTimeout(this.#timer);
  }

  async #look(round: number): Promise<void> {
    clearTimeout(this.#timer);
    const rest = [...this.#names];
    const worker = async (): Promise<void> => {
      for (let name = rest.shift(); name !== undefined && round === this.#round; name = rest.shift()) {
        try {
          const found = await lookup(name, { all: true });
          if (round === this.#round)
            this.#found(
              name,
              found.map(({ address }) => addressBytes(address)),
            );
        } catch {
          // No such name, or nobody to ask: then nobody else gets an address for it here either.
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, rest.length) }, worker));
    if (round !== this.#round || this.#names.length === 0) return;
    this.#timer = setTimeout(() => void this.#look(round), RESOLVE_MS);
    this.#timer.unref();
  }
}
