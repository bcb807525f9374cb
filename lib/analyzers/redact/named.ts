/** Secrets that are known by the name before them: `x-api-key: …`, `"password": "…"`, `?key=…`, `TOKEN=…`, `--password …`. */
import { isKeyLike } from '../http/secrets.js';
import { type Look, more, NO, type Place, yes } from './look.js';
import { type Announced, announcedBy, isPlaceholder, looksSecret } from './names.js';
import { escapeLength } from './units.js';

const LONGEST_NAME = 64;
/** The longest value in quotes, in characters; what a longer one holds beyond is looked at like any text. */
const LONGEST_VALUE = 16 * 1024;
/** So much of a value without quotes says whether it is secret. */
const JUDGED = 160;

const SCHEME =
  /^(?:bearer|basic|token|digest|negotiate|ntlm|aws4-hmac-sha256|apikey|api-key|key|oauth|hawk|dpop|signature|googlelogin|sapisidhash) +/i;

const PEM = '-----BEGIN';
const BLANKS = /[ \t]*/y;
const QUOTE = /\\*["'`]/y;
const BACKSLASHES = /\\+$/;
/** What a value without quotes is made of. */
const QUERY_VALUE = /(?:[^&\s"'`#<>\\;%]|%(?!26|23))*/y;
const LINE_VALUE = /[^\r\n"'`\\]*/y;
const WORD_VALUE = /[^\s"'`;|&<>()\\,{}]*/y;

function run(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return at + (pattern.exec(text)?.[0].length ?? 0);
}

/** The part of a whole value that is secret, by what its name announces. */
export function secretPart(announced: Announced, value: string): { start: number; end: number } | undefined {
  if (announced === 'no' || isPlaceholder(value)) return undefined;
  const all = { start: 0, end: value.length };
  if (announced === 'scheme') {
    const start = SCHEME.exec(value)?.[0].length ?? 0;
    return isPlaceholder(value.slice(start)) ? undefined : { start, end: value.length };
  }
  if (announced === 'perhaps') return looksSecret(value) ? all : undefined;
  return all;
}

/** Where the name that ends at `after` begins. */
function nameStart(text: string, at: number): number {
  let start = at;
  while (start > 0 && at - start < LONGEST_NAME && /[\w.%~[-]/.test(text.charAt(start - 1))) start--;
  start += escapeLength(text.slice(start, at), text.charAt(start - 1));
  // `%26api_key`: the name begins behind what an address encodes.
  const encoded = text.slice(start, at).lastIndexOf('%');
  return encoded >= 0 ? Math.min(at, start + encoded + 3) : start;
}

const IN_QUERY = /(?:[?&;]|%26|%3[fF]|\\u0026)$/;

export function findNamed(place: Place): Look {
  const { text, at, after, final } = place;
  if (after === text.length) return final ? NO : more(at);
  const start = nameStart(text, at);
  const name = text.slice(start, after);
  const equals = run(/(?:\]|%5[dD])*/y, text, after);
  if (equals >= text.length) return final ? NO : more(at);
  const encoded = text.startsWith('%3D', equals);
  if ((text.charAt(equals) === '=' || encoded) && IN_QUERY.test(text.slice(Math.max(0, start - 6), start)) && isKeyLike(name)) {
    const from = equals + (encoded ? 3 : 1);
    return settle(place, from, QUERY_VALUE, (value) => !isPlaceholder(value) && !value.startsWith('='));
  }
  if (!final && /^%(?:3|5|$)?$/.test(text.slice(equals))) return more(at);
  const announced = announcedBy(name.replace(/^[-.]+/, ''));
  return announced === 'no' ? NO : findValue(place, name, announced);
}

/** Decides on the run of `pattern` from `from` on by its beginning. */
function settle({ text, at, final, floor }: Place, from: number, pattern: RegExp, accept: (value: string) => boolean): Look {
  const head = run(pattern, text.slice(0, from + JUDGED), from);
  if (head === text.length && !final) return more(at, from);
  if (head <= from || from < floor || !accept(text.slice(from, head))) return NO;
  const to = head === from + JUDGED ? run(pattern, text, from) : head;
  return to === text.length && !final ? more(at, from) : yes(from, to);
}

function findValue(place: Place, name: string, announced: Announced): Look {
  const { text, at, after, final } = place;
  const open = final ? NO : more(at);
  let p = run(QUOTE, text, after);
  const quoted = p > after;
  if (!quoted && BACKSLASHES.test(text.slice(after, after + 16))) return open;
  const blanks = run(BLANKS, text, p);
  const spaced = blanks > p;
  p = blanks;
  if (p >= text.length) return open;
  const sign = text.charAt(p);
  if (sign !== ':' && sign !== '=') return !quoted && spaced && name.startsWith('--') ? optionValue(place, p, announced) : NO;
  p++;
  if (p >= text.length) return open;
  if (text.charAt(p) === '>' || (sign === ':' && text.charAt(p) === '=')) p++;
  else if (text.charAt(p) === '=') return NO;
  const from = run(BLANKS, text, p);
  if (from >= text.length) return open;
  const opened = run(QUOTE, text, from);
  if (opened > from) return quotedValue(place, opened, text.slice(from, opened), announced);
  if (text.charAt(from) === '\\' && /^\\+$/.test(text.slice(from, from + 64))) return open;
  // A private key has more than one line: it is found by itself.
  if (quoted || text.startsWith(PEM, from)) return NO;
  if (sign === ':' && (announced === 'scheme' || /cookie|-/i.test(name))) return headerValue(place, from, name, announced);
  const tight = sign === '=' && !spaced && from === p;
  return settle(place, from, WORD_VALUE, (value) => isAssigned(value, name, announced, tight, text.charAt(from + value.length)));
}

/** Up to the quote that opened it, as often escaped as that. */
function quotedValue(place: Place, from: number, quote: string, announced: Announced): Look {
  const { text, at, final } = place;
  const near = text.slice(0, from + LONGEST_VALUE + quote.length);
  let end = near.indexOf(quote, from);
  while (end > from && near.charAt(end - 1) === '\\') end = near.indexOf(quote, end + 1);
  if (end < 0) {
    if (!final && text.length - from <= LONGEST_VALUE) return more(at, from, 'line');
    end = Math.min(from + LONGEST_VALUE, run(LINE_VALUE, text, from));
  }
  // `log('password:', password)`: the quote closed.
  if (/^(?:, |\)[;,)])/.test(text.slice(from, from + 2))) return NO;
  const part = secretPart(announced, text.slice(from, end));
  return part === undefined || from + part.start < place.floor ? NO : yes(from + part.start, from + part.end, 'line');
}

const HEADER_WORD = /[^\s"'`\\]*/y;

/** To the end of the line: a header as it is sent. A sentence with a colon in it is none. */
function headerValue(place: Place, from: number, name: string, announced: Announced): Look {
  const { text, at, final } = place;
  const head = text.slice(from, from + JUDGED);
  const secret = from + (announced === 'scheme' ? (SCHEME.exec(head)?.[0].length ?? 0) : 0);
  const wholeLine = secret > from || /^[^\s=;,"]{1,256}=/.test(head);
  const word = run(HEADER_WORD, text.slice(0, secret + JUDGED), secret);
  if (word === text.length && !final) return more(at, from, 'line');
  if (isPlaceholder(text.slice(secret, word)) || text.startsWith(PEM, secret)) return NO;
  if (!wholeLine && (word - from < 6 || word === secret + JUDGED || !/^ *(?:[\r\n"'`\\]|$)/.test(text.slice(word, word + 8)))) return NO;
  if (/cookie/i.test(name) && !wholeLine) return NO;
  if (announced === 'perhaps' && !looksSecret(text.slice(secret, word))) return NO;
  let to = run(LINE_VALUE, text, secret);
  if (to === text.length && !final && to - from <= LONGEST_VALUE) return more(at, from, 'line');
  to = Math.min(to, from + LONGEST_VALUE);
  while (to > secret && text.charAt(to - 1) === ' ') to--;
  return secret < place.floor ? NO : yes(secret, to, 'line');
}

/** `--password VALUE` */
function optionValue(place: Place, from: number, announced: Announced): Look {
  const { text, at, final } = place;
  const opened = run(QUOTE, text, from);
  if (opened > from) return quotedValue(place, opened, text.slice(from, opened), announced);
  if (!final && /^\\+$/.test(text.slice(from, from + 64))) return more(at);
  if (text.startsWith(PEM, from)) return NO;
  return settle(
    place,
    from,
    WORD_VALUE,
    (value) => !value.startsWith('-') && !isPlaceholder(value) && (announced !== 'perhaps' || looksSecret(value, 8)),
  );
}

/** What is assigned without quotes may be code: a variable, a call, a type. */
function isAssigned(value: string, name: string, announced: Announced, tight: boolean, next: string): boolean {
  if (isPlaceholder(value) || value.toLowerCase() === name.toLowerCase()) return false;
  if (announced === 'perhaps') return looksSecret(value);
  if (!tight || '(),'.includes(next === '' ? ' ' : next)) return looksSecret(value, 6) && next !== '(';
  if (/^[A-Za-z_][A-Za-z_.]*$/.test(value) && announcedBy(value) !== 'no') return false;
  return value.length >= 4;
}
