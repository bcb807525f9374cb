/** Mistakes in a line of a policy, while it is read. */

/** A mistake at `at`, an index into the line's bytes. */
export class Wrong extends Error {
  constructor(
    readonly at: number,
    message: string,
    readonly next: string,
  ) {
    super(message);
  }
}

/** UTF-8 of a string with a character for each byte. */
export function utf8(latin1: string): string {
  return Buffer.from(latin1, 'latin1').toString('utf8');
}
