/** Fuzzing of the ClientHello: damaged ones are named, never thrown over, and say the same however they lie in records. */
import { ja3, ja4 } from '../../lib/protocols/client-fingerprint.js';
import { MAX_HELLO_BYTES, readClientHello } from '../../lib/protocols/client-hello.js';
import { CHROME, helloMessage, records } from '../protocols/hello-maker.js';
import { type Next, random } from './random.js';

function damage(bytes: Buffer, next: Next): Buffer {
  let out = Buffer.from(bytes);
  for (let n = next(6); n > 0; n--) {
    const at = next(out.length + 1);
    const kind = next(4);
    if (kind === 0 && at < out.length) out[at] = next(256);
    else if (kind === 1) out = Buffer.concat([out.subarray(0, at), out.subarray(Math.min(out.length, at + next(9)))]);
    else if (kind === 2) out = Buffer.concat([out.subarray(0, at), Buffer.alloc(next(9), next(256)), out.subarray(at)]);
    else if (at + 2 <= out.length) out.writeUInt16BE([0, 1, 0xffff, 0x7fff, out.length][next(5)] as number, at);
  }
  return out;
}

/** What is not true of the input of a seed. */
export function wrongWithHello(seed: number): string | undefined {
  const next = random(seed);
  const message = damage(helloMessage(next(8) === 0 ? { ciphers: [1, 2] } : CHROME), next);
  const [one, many] = [records(message), records(message, next(message.length + 1), next(message.length + 1), 1 + next(8))];
  const [whole, cut] = [readClientHello(one), readClientHello(many)];
  if (whole.hello !== undefined) {
    const { hash } = ja4(whole.hello);
    if (!/^t(\d\d|s\d)[di]\d{4}.{2}_[0-9a-f]{12}_[0-9a-f]{12}$/s.test(hash)) return `a strange JA4: ${hash}`;
    if (!/^[0-9a-f]{32}$/.test(ja3(whole.hello).hash)) return 'a strange JA3';
  }
  if (message.length > 4 && JSON.stringify(whole) !== JSON.stringify(cut)) return 'cut into other records it says something else';
  // Records damaged as well: anything may come out, but it has to come.
  const { hello } = readClientHello(damage(many, next));
  return (hello?.ciphers.length ?? 0) > MAX_HELLO_BYTES ? 'more ciphers than bytes' : undefined;
}
