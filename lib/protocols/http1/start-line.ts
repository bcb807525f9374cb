/**
 * Start lines of HTTP/1 messages (RFC 9112 §3 and §4), and the search for one in a stream that was joined midway or has
 * a hole. Text here is latin1: one character per byte.
 */

export interface RequestLine {
  method: string;
  /** As sent: origin, absolute, authority or asterisk form. */
  target: string;
  /** `1.0`, `1.1`. */
  version: string;
}

export interface StatusLine {
  version: string;
  status: number;
  reason: string;
}

export type Kind = 'request' | 'response';

/** The longest start line that is waited for, in bytes. A longer one is not taken for HTTP. */
export const START_LINE_LIMIT = 32 * 1024;

// Classes of bytes, as the sources of regular expressions: token characters, a target without and with blanks in it
// (some clients do not encode them), a reason phrase.
const TCHAR = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]";
const VISIBLE = '[^\\0-\\x20\\x7f]';
const PRINTABLE = '[^\\0-\\x1f\\x7f]';
const REASON = '[^\\0-\\x08\\x0a-\\x1f\\x7f]';

const REQUEST = new RegExp(`^(${TCHAR}{1,64}) +(${VISIBLE}${PRINTABLE}*?) +HTTP/(1\\.\\d) *$`);
const RESPONSE = new RegExp(`^HTTP/(1\\.\\d) (\\d{3})(?: (${REASON}*))?$`);

/** Reads a request line without its line end; undefined when it is none. */
export function parseRequestLine(line: string): RequestLine | undefined {
  if (!line.includes(' HTTP/1.')) return undefined;
  const match = REQUEST.exec(line);
  return match ? { method: match[1] as string, target: match[2] as string, version: match[3] as string } : undefined;
}

/** Reads a status line without its line end; undefined when it is none. */
export function parseStatusLine(line: string): StatusLine | undefined {
  if (!line.startsWith('HTTP/1.')) return undefined;
  const match = RESPONSE.exec(line);
  return match ? { version: match[1] as string, status: Number(match[2]), reason: (match[3] ?? '').trim() } : undefined;
}

/** What HTTP/2 begins with where no upgrade came before it (RFC 9113 §3.4), up to its first line end. */
export const HTTP2_LINE = 'PRI * HTTP/2.0';

const REQUEST_BEGIN = new RegExp(`^${TCHAR}{1,64}(?: +(?:${VISIBLE}${PRINTABLE}*)?)?$`);
const RESPONSE_BEGIN = new RegExp(`^HTTP/1\\.\\d(?: (?:\\d{1,3}|\\d{3} ${REASON}*)?)?$`);

/** True while an unfinished line (a CR at its end allowed) may still become a start line of that kind. */
export function mayBeStartLine(text: string, kind: Kind): boolean {
  if (text.length > START_LINE_LIMIT) return false;
  const line = text.endsWith('\r') ? text.slice(0, -1) : text;
  if (line === '') return true;
  if (kind === 'request') return REQUEST_BEGIN.test(line);
  return 'HTTP/1.'.startsWith(line) || RESPONSE_BEGIN.test(line);
}

// In a search, a start line must be followed by a field: text that quotes HTTP is not enough.
const NEXT = `\\r?\\n${TCHAR}+:`;
const METHODS = 'GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|CONNECT|TRACE|PROPFIND|PROPPATCH|MKCOL|COPY|MOVE|LOCK|UNLOCK|REPORT|SEARCH|QUERY';
/** Right after a hole or at the first byte seen, any method is believed. */
const ANY_METHOD = `(?:${METHODS}|^[A-Z][A-Z-]{1,23})`;
const STATUS = `HTTP/1\\.[01] \\d{3}(?: ${REASON}{0,512})?`;
// The end of a text that may go on to be a start line: the longest is looked for.
const NEXT_BEGIN = `\\r?(?:\\n${TCHAR}{0,256})?`;
const HTTP_BEGIN = ` (?:H(?:T(?:T(?:P(?:/(?:1(?:\\.(?:[01]${NEXT_BEGIN})?)?)?)?)?)?)?)?`;
const STATUS_BEGIN = `HTTP/1\\.(?:[01](?: (?:\\d{0,2}|\\d{3}(?: ${REASON}{0,512})?${NEXT_BEGIN}))?)?`;

function patterns(method: string): { find: RegExp; tail: RegExp } {
  return {
    find: new RegExp(`(?:${method}) ${VISIBLE}{1,8192} HTTP/1\\.[01]${NEXT}`),
    tail: new RegExp(`(?:${method}) (?:${VISIBLE}{1,8192}(?:${HTTP_BEGIN})?)?$`),
  };
}
const REQUEST_ANYWHERE = patterns(METHODS);
const REQUEST_ANCHORED = patterns(ANY_METHOD);
const RESPONSE_ANYWHERE = { find: new RegExp(STATUS + NEXT), tail: new RegExp(`${STATUS_BEGIN}$`) };
const WORDS = { request: METHODS.split('|'), response: ['HTTP/1.'] };
const WORD_ANCHORED = /^[A-Z][A-Z-]{0,23}$/;
/** Longer than the longest text that `tail` can match. */
const TAIL_BYTES = 9000;

/**
 * Looks for the first start line in text from the middle of a stream. `at` is where it begins. `hold` is where text
 * begins that may still become one: the length of the text when there is none. `anchored`: the text begins right after a
 * hole or is the first that was seen.
 */
export function findStartLine(text: string, kind: Kind, anchored: boolean): { at?: number; hold: number } {
  const { find, tail } = kind === 'response' ? RESPONSE_ANYWHERE : anchored ? REQUEST_ANCHORED : REQUEST_ANYWHERE;
  const found = find.exec(text);
  if (found) return { at: found.index, hold: text.length };
  if (anchored && kind === 'request' && WORD_ANCHORED.test(text)) return { hold: 0 };
  const end = text.length > TAIL_BYTES ? text.slice(-TAIL_BYTES) : text;
  const begun = tail.exec(end);
  if (begun) return { hold: text.length - begun[0].length };
  for (let n = Math.min(10, text.length); n > 0; n--) {
    const word = text.slice(-n);
    if (WORDS[kind].some((known) => known.startsWith(word))) return { hold: text.length - n };
  }
  return { hold: text.length };
}
