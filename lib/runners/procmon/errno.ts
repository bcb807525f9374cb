/** Names of errors and signals, as the kernel's numbers have them on this machine. */
import { constants } from 'node:os';

const ERRNO = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
// EWOULDBLOCK has EAGAIN's number.
ERRNO.set(constants.errno.EAGAIN, 'EAGAIN');
const SIGNALS = new Map(Object.entries(constants.signals).map(([name, number]) => [number, name]));
SIGNALS.set(constants.signals.SIGABRT, 'SIGABRT');
SIGNALS.set(constants.signals.SIGIO, 'SIGIO');

/** `{ errno }` of a system call's result; nothing when it succeeded. */
export function errnoField(result: number): { errno?: string } {
  return result >= 0 ? {} : { errno: ERRNO.get(-result) ?? `E${-result}` };
}

/** Real-time signals have no names of their own: `SIGRTMIN+3`. */
export function signalName(signal: number): string {
  return SIGNALS.get(signal) ?? (signal >= 34 && signal <= 64 ? `SIGRTMIN${signal === 34 ? '' : `+${signal - 34}`}` : `SIG${signal}`);
}
