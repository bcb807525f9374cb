/**
 * Keeps secrets off the screen. tracer-http has already replaced the values of secret headers; a view for people
 * looks once more, because arguments of programs, tool results and raw text hold keys as well.
 *
 * Works word by word with a little memory, so text may arrive in pieces cut anywhere between words.
 */

export const HIDDEN = '[hidden]';

/** Values that are secret by their shape: the prefixes that providers give their keys. */
const SHAPES =
  /\b(?:sk-[A-Za-z0-9_-]{16,}|gh[opusr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|(?:AKIA|ASIA)[0-9A-Z]{16}|AIza[0-9A-Za-z_-]{30,}|hf_[A-Za-z0-9]{20,}|npm_[A-Za-z0-9]{30,}|eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)/g;

const NAME =
  '(?:x-)?(?:goog-)?api[-_]?key|access[-_]?token|auth[-_]?token|refresh[-_]?token|client[-_]?secret|secret[-_]?(?:access[-_]?)?key|passw(?:or)?d';
/** `api_key=…`, `"password":"…"` within a word, also with a prefix: `OPENAI_API_KEY=…`. */
const NAMED = new RegExp(`((?:${NAME})\\\\?["']?[=:]\\\\?["']?)([^&"'\\\\,;\\s]{4,})`, 'gi');
/** `?key=…&token=…` of an address, `--token=…`. */
const QUERY = /((?:[?&](?:key|sig|signature|token)|--(?:token|secret))=)([^&"'\\#\s]{4,})/gi;
/** `https://user:password@host`. */
const USERINFO = /(:\/\/[^\s/:@]*:)([^\s/@]+)(@)/g;
/** A word after which the next one is secret: a header's name, an option. */
const NAMES_NEXT = new RegExp(
  `(?:^|[^A-Za-z0-9])(?:(?:proxy-)?authorization["']?[:=]["']?|(?:${NAME})["']?[:=]["']?|--?(?:${NAME}|token|secret|oauth2-bearer))$`,
  'i',
);
const SCHEME = /^["']?(?:bearer|basic|token|digest|negotiate)$/i;
/** Behind a bare "Bearer" a long word is a token, a short one is English. */
const BEARER = /(?:^|[^A-Za-z0-9])[Bb]earer$/;
const COOKIE = /(?:^|["'])(?:set-)?cookie["']?:$/i;
const PEM_BEGIN = /-----BEGIN$/;
const PEM_END = /-----END\b/;

export interface Masker {
  /** One word, without white space. */
  word(word: string): string;
  /** A line ends here: what a header's name announced ends with it. */
  newline(): void;
}

/** One per text. */
export function masker(): Masker {
  let next: 'plain' | 'value' | 'long' | 'line' = 'plain';
  let pem: 'no' | 'begins' | 'inside' = 'no';
  return {
    newline(): void {
      next = 'plain';
    },
    word(word: string): string {
      if (pem !== 'no') return inPem(word);
      if (PEM_BEGIN.test(word)) {
        pem = 'begins';
        return word;
      }
      const expected = next;
      if (expected === 'line') return HIDDEN;
      next = expectedAfter(word, expected);
      if (expected === 'value' && next !== 'value') return hidden(word);
      if (expected === 'long' && word.length >= 16) return hidden(word);
      return hideShapes(word);
    },
  };

  /** `-----BEGIN RSA PRIVATE KEY-----`, then everything up to `-----END`; certificates are no secret. */
  function inPem(word: string): string {
    if (pem === 'begins') {
      if (/^PRIVATE$/.test(word)) pem = 'inside';
      else if (word.includes('-----')) pem = 'no';
      return word;
    }
    if (PEM_END.test(word)) {
      pem = 'no';
      return HIDDEN;
    }
    return /^KEY-----$/.test(word) ? word : HIDDEN;
  }
}

function expectedAfter(word: string, expected: string): 'plain' | 'value' | 'long' | 'line' {
  if (expected === 'value' && SCHEME.test(word)) return 'value';
  if (COOKIE.test(word)) return 'line';
  if (NAMES_NEXT.test(word)) return 'value';
  return BEARER.test(word) ? 'long' : 'plain';
}

/** Quotes and brackets around the word stay; so does what tracer-http has written in place of a secret: equal ones can be told by it. */
function hidden(word: string): string {
  let start = 0;
  let end = word.length;
  while (start < end && '"\'[({'.includes(word.charAt(start))) start++;
  while (end > start && '"\'])},;'.includes(word.charAt(end - 1))) end--;
  if (start === end || word.startsWith('redacted:', start)) return word;
  return `${word.slice(0, start)}${HIDDEN}${word.slice(end)}`;
}

function hideShapes(word: string): string {
  if (word.length < 6) return word;
  const keep = (_: string, name: string, value: string, after?: unknown): string =>
    `${name}${value.startsWith('redacted:') ? value : HIDDEN}${typeof after === 'string' ? after : ''}`;
  return word
    .replace(NAMED, (all, name: string, value: string) => keep(all, name, value))
    .replace(QUERY, (all, name: string, value: string) => keep(all, name, value))
    .replace(USERINFO, (all, name: string, value: string, after: string) => keep(all, name, value, after))
    .replace(SHAPES, HIDDEN);
}

/** A whole text with its secrets hidden. */
export function hideSecrets(text: string): string {
  const mask = masker();
  return text.replace(/[^ \t\r\n]+|\n/g, (token) => {
    if (token !== '\n') return mask.word(token);
    mask.newline();
    return token;
  });
}
