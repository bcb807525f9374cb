/**
 * Reads the left edge of a line, `{"id":"…","timestamp":…,"source":"…","event_type":"…"`, in the contract's field order and
 * without spaces, so that most lines need not be parsed. A line that is written otherwise has no head here and is parsed.
 */

/** What {@link readHead} found: valid until its next call. */
export const head = { id: '', timestamp: 0, type: '' };

const ID = Buffer.from('{"id":"');
const TIMESTAMP = Buffer.from('","timestamp":');
const SOURCE = Buffer.from(',"source":"');
const TYPE = Buffer.from('","event_type":"');

function follows(buf: Buffer, at: number, text: Buffer): boolean {
  for (let k = 0; k < text.length; k++) if (buf[at + k] !== text[k]) return false;
  return true;
}

/** The end of a string of plain characters that begins at `at`; -1 when it has an escape or is longer than any name. */
function wordEnd(buf: Buffer, at: number, end: number): number {
  const stop = Math.min(end, at + 64);
  for (let i = at; i < stop; i++) {
    const byte = buf[i] as number;
    if (byte === 0x22) return i;
    if (byte === 0x5c || byte < 0x20 || byte > 0x7e) return -1;
  }
  return -1;
}

/** Positions of the last head found. */
let idEnd = 0;
let numberStart = 0;
let numberEnd = 0;

/** The event type's range as `start * 64 + length`, or -1. */
function findType(buf: Buffer, start: number, end: number): number {
  if (!follows(buf, start, ID)) return -1;
  idEnd = wordEnd(buf, start + 7, end);
  if (idEnd < 0 || !follows(buf, idEnd, TIMESTAMP)) return -1;
  numberStart = idEnd + 14;
  let i = numberStart;
  const stop = Math.min(end, i + 32);
  for (; i < stop; i++) {
    const byte = buf[i] as number;
    if ((byte < 0x30 || byte > 0x39) && byte !== 0x2e) break;
  }
  numberEnd = i;
  if (numberEnd === numberStart || !follows(buf, i, SOURCE)) return -1;
  i = wordEnd(buf, i + 11, end);
  if (i < 0 || !follows(buf, i, TYPE)) return -1;
  const typeStart = i + 16;
  const typeEnd = wordEnd(buf, typeStart, end);
  return typeEnd < 0 ? -1 : typeStart * 64 + (typeEnd - typeStart);
}

/** The last type met, as bytes and text: lines of one type come in runs. */
let lastBytes = Buffer.alloc(0);
let lastText = '';

/** The event type of the line `buf[start..end)`, or undefined when it is not written in the contract's order. */
export function typeOf(buf: Buffer, start: number, end: number): string | undefined {
  const found = findType(buf, start, end);
  if (found < 0) return undefined;
  const at = Math.floor(found / 64);
  const length = found % 64;
  if (length === lastBytes.length && follows(buf, at, lastBytes)) return lastText;
  lastBytes = Buffer.from(buf.subarray(at, at + length));
  lastText = lastBytes.toString('latin1');
  return lastText;
}

/** Fills {@link head} from a line; false when it is not written in the contract's order. */
export function readHead(buf: Buffer, start: number, end: number): boolean {
  const type = typeOf(buf, start, end);
  if (type === undefined) return false;
  head.type = type;
  head.id = buf.toString('latin1', start + 7, idEnd);
  head.timestamp = Number(buf.toString('latin1', numberStart, numberEnd));
  return true;
}
