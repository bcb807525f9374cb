/**
 * Whether a line can be passed on unread: no word in it begins or announces a secret, no number could be a card's, and
 * no stream that it is a piece of is left open at its end. Looks at the bytes as they stand in JSON; a string in which
 * plain characters are escaped is not judged here.
 */
import { typeOf } from '../../stream/head.js';
import { findCard, LEAST_DIGITS } from './cards.js';
import { TRIGGERS, worthLook } from './find.js';

/** Of these the pieces are inside of a message: always read. */
const MESSAGES = new Set(['sse_event', 'ws_message', 'eventstream_message']);
const STREAMS = new Set(['ssl_data', 'http_body', 'malformed']);
/** These end a stream. */
const ENDS = new Set(['ssl_close', 'http_end']);

/** What closes any word: the same as in find.ts, and in JSON `\n`, `\r`, `\t` and `\"`. */
const CLOSES = new Uint8Array(256);
for (const char of " `<>(){},|'") CLOSES[char.charCodeAt(0)] = 1;

/** Digits and what may part them. */
const IN_CARD = new Uint8Array(256);
for (const char of '0123456789 -') IN_CARD[char.charCodeAt(0)] = 1;
const MOST_PLACES = 24;

/** A head of the shortest names: what is before its end names the event, and is not looked at. */
const LEAST_HEAD = '{"id":"","timestamp":1,"source":"","event_type":""'.length;

/** The table of ./triggers.ts by the place of a state's row in it, which saves a multiplication for each byte. */
const CLASS = TRIGGERS.classOf;
const ROWS = Uint16Array.from(TRIGGERS.next, (state) => state * TRIGGERS.classes);
const HIT = new Uint8Array(TRIGGERS.next.length);
if (TRIGGERS.next.length > 0xffff) throw new Error('the table of triggers has outgrown its rows');
for (const [state, word] of TRIGGERS.ends.entries()) if (word !== 0) HIT[state * TRIGGERS.classes] = 1;

/** @param streamsWait something is remembered of a stream: its pieces have to be read */
export function isClean(buf: Buffer, start: number, end: number, streamsWait: boolean): boolean {
  const type = typeOf(buf, start, end);
  if (type === undefined || MESSAGES.has(type)) return false;
  const isPiece = STREAMS.has(type);
  if (streamsWait && (isPiece || ENDS.has(type))) return false;
  // A text payload is the last string, and `"}}` ends the line.
  const payloadEnd = isPiece ? end - 3 : end;
  if (isPiece && (buf[end - 1] !== 0x7d || buf[end - 2] !== 0x7d || buf[end - 3] !== 0x22 || !closed(buf, payloadEnd))) return false;
  let row = 0;
  for (let i = start + LEAST_HEAD; i < payloadEnd; i++) {
    row = ROWS[row + (CLASS[buf[i] as number] as number)] as number;
    if (HIT[row] === 1 && worthLook(row / TRIGGERS.classes, i + 1 < end ? (buf[i + 1] as number) : -1)) return false;
  }
  // No word has a line end or a quote in it, but some begin with the letter of its escape.
  const begun = isPiece && (TRIGGERS.depth[row / TRIGGERS.classes] as number) !== 0 && buf[payloadEnd - 2] !== 0x5c;
  return !begun && !hasCard(buf, start, end);
}

/** Whether the payload that ends before `at` is closed there. */
function closed(buf: Buffer, at: number): boolean {
  const last = buf[at - 1] as number;
  const escaped = buf[at - 2] === 0x5c && buf[at - 3] !== 0x5c;
  if (escaped) return last === 0x6e || last === 0x72 || last === 0x74 || last === 0x22;
  // A blank may stand between the groups of a card's number.
  return CLOSES[last] === 1 && !(last === 0x20 && ((buf[at - 2] as number) - 0x30) >>> 0 < 10);
}

function hasCard(buf: Buffer, from: number, end: number): boolean {
  for (let at = from + LEAST_DIGITS - 1; at < end; at += LEAST_DIGITS) {
    if (IN_CARD[buf[at] as number] === 0) continue;
    let start = at;
    while (start > from && at - start < MOST_PLACES && IN_CARD[buf[start - 1] as number] === 1) start--;
    let stop = at + 1;
    while (stop < end && stop - at < MOST_PLACES && IN_CARD[buf[stop] as number] === 1) stop++;
    if (stop - start < LEAST_DIGITS) continue;
    // With its surroundings, which may say that it is a part of something else.
    const text = buf.toString('latin1', Math.max(from, start - 4), Math.min(end, stop + 4));
    if (findCard(text, 0, text.length)) return true;
  }
  return false;
}
