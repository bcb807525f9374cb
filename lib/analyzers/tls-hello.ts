/**
 * `tracer-tls`: reads the ClientHello in `tls_client_hello` events and adds to their data what it says: the name asked
 * for, protocols, versions, and the fingerprints JA3 and JA4.
 */
import { ja3, ja4, versionsOf } from '../protocols/client-fingerprint.js';
import { type ClientHello, isGrease, MAX_HELLO_BYTES, readClientHello } from '../protocols/client-hello.js';
import { appendData } from '../stream/append.js';
import type { AnyEvent, Partial as PartialCause } from '../stream/event.js';
import { facts, get, text } from '../stream/facts.js';
import { textField, textListField } from '../stream/payload.js';
import type { Push, Stage } from '../stream/stage.js';

/** Sockets whose hello is not whole yet; the least recently met goes first. */
const MOST_UNFINISHED = 1024;
/** Events of one of them: more pieces are no client's doing, and joining them again and again would cost too much. */
const MOST_PIECES = 64;
/** Bytes of all of them. */
const MOST_UNFINISHED_BYTES = 8 * 1024 * 1024;

const VERSIONS: Readonly<Record<number, string>> = {
  772: '1.3',
  771: '1.2',
  770: '1.1',
  769: '1.0',
  768: 'ssl3.0',
  2: 'ssl2.0',
};

/** The stage. */
export function tlsHello(): Stage {
  const unfinished = new Unfinished();
  return {
    name: 'tls',
    adds: true,
    consumes: new Set(['tls_client_hello', 'net_close']),
    transform(event: AnyEvent, push: Push): void {
      const data = facts(event.data);
      const socket = text(data, 'socket');
      if (event.event_type === 'net_close') {
        if (socket !== undefined) unfinished.forget(socket);
        push(event);
        return;
      }
      const coded = text(data, 'hello_b64');
      // Somebody has read it before.
      if (coded !== undefined && get(data, 'ja4') === undefined && coded.length <= 2 * MAX_HELLO_BYTES) {
        const bytes = Buffer.from(coded, 'base64');
        const before = socket === undefined ? undefined : unfinished.get(socket);
        let found = readClientHello(bytes);
        // A hello that is whole stands for itself: it may be another one of the same socket.
        if (found.state !== 'whole' && before !== undefined) {
          const joined = Buffer.concat([before.bytes, bytes]);
          found = readClientHello(joined);
          if (socket !== undefined) unfinished.keep(socket, found.state === 'short' ? joined : undefined, before.pieces + 1);
        } else if (socket !== undefined) {
          unfinished.keep(socket, found.state === 'short' ? bytes : undefined, 1);
        }
        if (found.hello !== undefined) appendData(event, factsOf(found.hello, found.state === 'whole'));
      }
      push(event);
    },
    flush() {},
  };
}

/** What a hello says, in the contract's order. One that is not whole says what stands before its fault, and has no fingerprint. */
function factsOf(hello: ClientHello, whole: boolean): Record<string, unknown> {
  const partial: PartialCause[] = ['gap'];
  return {
    ...(hello.serverName === undefined ? {} : textField('sni', hello.serverName)),
    ...(hello.alpn.length === 0 ? {} : textListField('alpn', hello.alpn)),
    ...(whole || hello.supportedVersions !== undefined
      ? { versions: versionsOf(hello).map((version) => VERSIONS[version] ?? `0x${version.toString(16).padStart(4, '0')}`) }
      : {}),
    ...(hello.encrypted ? { ech: true } : {}),
    ...(whole ? fingerprintsOf(hello) : { partial }),
  };
}

function fingerprintsOf(hello: ClientHello): Record<string, unknown> {
  const lists = [hello.ciphers, hello.extensions, hello.groups, hello.supportedVersions ?? []];
  const [three, four] = [ja3(hello), ja4(hello)];
  return {
    grease: lists.some((list) => list.some(isGrease)),
    ja3: three.hash,
    ja3_raw: three.raw,
    ja4: four.hash,
    ja4_raw: four.raw,
  };
}

interface Held {
  bytes: Buffer;
  pieces: number;
}

/** The bytes of hellos that are not whole, by socket. */
class Unfinished {
  readonly #held = new Map<string, Held>();
  #total = 0;

  get(socket: string): Held | undefined {
    return this.#held.get(socket);
  }

  keep(socket: string, bytes: Buffer | undefined, pieces: number): void {
    this.forget(socket);
    if (bytes === undefined || bytes.length > MAX_HELLO_BYTES || pieces > MOST_PIECES) return;
    this.#held.set(socket, { bytes, pieces });
    this.#total += bytes.length;
    for (const [oldest] of this.#held) {
      if (this.#held.size <= MOST_UNFINISHED && this.#total <= MOST_UNFINISHED_BYTES) break;
      this.forget(oldest);
    }
  }

  forget(socket: string): void {
    this.#total -= this.#held.get(socket)?.bytes.length ?? 0;
    this.#held.delete(socket);
  }
}
