/** Exit status, as sysexits(3) has it, and the error that carries one. */
export const EXIT = {
  ok: 0,
  usage: 64,
  malformed: 65,
  unavailable: 69,
  io: 74,
  permission: 77,
  config: 78,
  /** With `-- COMMAND`, as env(1) and timeout(1) have it. */
  commandFailed: 125,
  commandNotExecutable: 126,
  commandNotFound: 127,
} as const;

/** An error for a person: what happened, where, and the next step. The harness prints it as one line on stderr and ends with `status`. */
export class CommandError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** What to do about it, as a sentence. */
    readonly next?: string,
  ) {
    super(message);
    this.name = 'CommandError';
  }
}
