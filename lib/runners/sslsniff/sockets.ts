/**
 * Looking at the system calls of watched processes (bpf/ssl-calls.h): every call of this host pays some 0.1 µs for it, so
 * it is done only while somebody needs it, and a little longer.
 */
import type { BpfObject, Link } from '../../bpf/index.js';
import { SocketBy } from '../../bpf/records.gen.js';

/** What `peer_by` says. */
export const SOCKET_BY: Readonly<Record<number, string>> = {
  [SocketBy.SOCKET_BY_RECORD]: 'system_call',
  [SocketBy.SOCKET_BY_CALL]: 'system_call',
  [SocketBy.SOCKET_BY_DESCRIPTOR]: 'descriptor',
  [SocketBy.SOCKET_ITSELF]: 'socket',
  [SocketBy.SOCKET_BY_LENGTH]: 'record_length',
};

/** Beats in a row in which nobody needed it: then it ends. */
const PATIENCE_BEATS = 5;

export class SocketWatch {
  readonly #object: BpfObject;
  readonly #say: (sentence: string) => void;
  #link: Link | undefined;
  #always = false;
  #failed = false;
  #idle = 0;

  constructor(object: BpfObject, say: (sentence: string) => void) {
    this.#object = object;
    this.#say = say;
  }

  get attached(): boolean {
    return this.#link !== undefined;
  }

  /** From now on, at least for a while. */
  need(): void {
    this.#idle = 0;
    if (this.#link !== undefined || this.#failed) return;
    try {
      this.#object.global('sockets_watched').write(Buffer.from([1, 0, 0, 0]));
      this.#link = this.#object.attachRawTracepoint('socket_call', 'sys_exit');
    } catch (error) {
      this.#failed = true;
      this.#say(
        `system calls cannot be looked at, so rustls connections come as two and what is missed is not noticed: ${(error as Error).message}`,
      );
    }
  }

  /** From now on, for good. */
  needAlways(): void {
    this.#always = true;
    this.need();
  }

  /** Once per heartbeat: is somebody there who needs it? */
  beat(needed: boolean): void {
    if (needed || this.#always) {
      this.need();
      return;
    }
    if (this.#link === undefined || ++this.#idle < PATIENCE_BEATS) return;
    this.#object.global('sockets_watched').write(Buffer.alloc(4));
    this.#link.close();
    this.#link = undefined;
  }
}
