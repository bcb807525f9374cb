/** The contract's rule "Bytes": how bytes from outside stand in an event, without ever being replaced or re-encoded. */
import { isAscii, isUtf8 } from 'node:buffer';

/** Bytes that JSON prints longer than they are: 1 more for `\n` and its like, 5 more for `\u0001` and its like. */
const EXTRA = new Uint8Array(256);
EXTRA.fill(5, 0, 0x20);
for (const escaped of '\b\t\n\f\r"\\') EXTRA[escaped.charCodeAt(0)] = 1;

/** How many bytes longer than `bytes` its form in JSON is (without the quotes), or `limit + 1` as soon as it is more than `limit`. */
function jsonExtra(bytes: Uint8Array, limit: number): number {
  const end = bytes.length;
  let extra = 0;
  for (let i = 0; i < end; ) {
    // Unrolled: long stretches of plain text decide nothing, and this is the hot loop of every payload.
    const stop = Math.min(end, i + 4096);
    for (; i + 4 <= stop; i += 4) {
      extra +=
        (EXTRA[bytes[i] as number] as number) +
        (EXTRA[bytes[i + 1] as number] as number) +
        (EXTRA[bytes[i + 2] as number] as number) +
        (EXTRA[bytes[i + 3] as number] as number);
    }
    for (; i < stop; i++) extra += EXTRA[bytes[i] as number] as number;
    if (extra > limit) return limit + 1;
  }
  return extra;
}

/** Whether `bytes` may stand as text: valid UTF-8 without NUL, and no longer as JSON than as base64. */
export function fitsText(bytes: Buffer): boolean {
  if (bytes.includes(0) || !isUtf8(bytes)) return false;
  const spare = 4 * Math.ceil(bytes.length / 3) - bytes.length;
  return jsonExtra(bytes, spare) <= spare;
}

/** The text of bytes that are known to be UTF-8. Plain ASCII decodes several times faster as Latin-1. */
export function utf8Text(bytes: Buffer): string {
  return isAscii(bytes) ? bytes.toString('latin1') : bytes.toString('utf8');
}

/** `{ payload }` or `{ payload_b64 }`. Spread it last into `data`. */
export function payloadOf(bytes: Buffer): { payload: string } | { payload_b64: string } {
  return fitsText(bytes) ? { payload: utf8Text(bytes) } : { payload_b64: bytes.toString('base64') };
}

/** `{ body }` or `{ body_b64 }`, by the same rule as a payload. Spread it last into `data`. */
export function bodyOf(bytes: Buffer): { body: string } | { body_b64: string } {
  return fitsText(bytes) ? { body: utf8Text(bytes) } : { body_b64: bytes.toString('base64') };
}

/** The bytes of an event that carries a payload; undefined when it has none. A new Buffer: it may be kept. */
export function bytesOf(data: { payload?: unknown; payload_b64?: unknown }): Buffer | undefined {
  if (typeof data.payload === 'string') return Buffer.from(data.payload, 'utf8');
  if (typeof data.payload_b64 === 'string') return Buffer.from(data.payload_b64, 'base64');
  return undefined;
}

/**
 * A short string from outside (`path`, `comm`, `filename` …): `{ [name]: text }`, or `{ [name + '_b64']: base64 }`
 * when the bytes are not UTF-8.
 */
export function textField<N extends string>(name: N, bytes: Buffer): { [K in N | `${N}_b64`]?: string } {
  const field = isUtf8(bytes) ? { [name]: utf8Text(bytes) } : { [`${name}_b64`]: bytes.toString('base64') };
  return field as { [K in N | `${N}_b64`]?: string };
}

/** A list of strings from outside (`args`): `{ [name]: texts }`, or whole as `{ [name + '_b64']: base64s }` when one is not UTF-8. */
export function textListField<N extends string>(name: N, items: readonly Buffer[]): { [K in N | `${N}_b64`]?: string[] } {
  const field = items.every((item) => isUtf8(item))
    ? { [name]: items.map(utf8Text) }
    : { [`${name}_b64`]: items.map((item) => item.toString('base64')) };
  return field as { [K in N | `${N}_b64`]?: string[] };
}
