/** When the tokens came: first, and the time between two. */

/** Gaps that are kept; then every second one, every fourth … */
const MOST_GAPS = 4096;

export class Timing {
  first: number | undefined;
  #last = 0;
  #gaps: number[] = [];
  #seen = 0;
  #stride = 1;

  /** Something that bears content came at `now`, in ms. */
  token(now: number): void {
    if (this.first === undefined) this.first = now;
    else if (this.#seen++ % this.#stride === 0) {
      this.#gaps.push(Math.max(0, now - this.#last));
      if (this.#gaps.length >= MOST_GAPS) {
        this.#gaps = this.#gaps.filter((_, at) => at % 2 === 0);
        this.#stride *= 2;
      }
    }
    this.#last = now;
  }

  /** The gaps that such shares of all do not exceed (nearest rank); undefined when there was none. */
  quantiles(...shares: number[]): number[] | undefined {
    if (this.#gaps.length === 0) return undefined;
    const sorted = Float64Array.from(this.#gaps).sort();
    return shares.map((share) => milliseconds(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] as number));
  }
}

/** With three decimals, never below zero. */
export function milliseconds(ms: number): number {
  return Math.max(0, Math.round(ms * 1000) / 1000);
}
