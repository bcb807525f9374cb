/**
 * Finds secrets in a text that may still go on: what the end leaves open is said (`undecided`), so that a text cut
 * anywhere gives what the whole one gives. One pass for the words that announce or begin a secret (./triggers.ts); at
 * each, a look at its surroundings of a bounded length. Nothing here looks back further than {@link LOOK_BACK}.
 */
import { card, findCard } from './cards.js';
import { type Found, LOOK_BACK, type Look, type Memo, more, NO, type Place, type Rest, yes } from './look.js';
import { findEmail, findPassword } from './mail.js';
import { findNamed } from './named.js';
import { NAME_ENDS } from './names.js';
import { SHAPES, type Shape } from './tokens.js';
import { buildTriggers } from './triggers.js';
import { isWordUnit, startsWord } from './units.js';

const MAIL_SIGNS = ['@', '%40', '\\u0040'];
const PEM = '-----begin ';
const SCHEMES = ['bearer ', 'basic '];

type Looker = (place: Place) => Look;
const words: string[] = [];
const lookers: Looker[] = [];
const isName: boolean[] = [];
function add(word: string, looker: Looker, name = false): void {
  const same = words.indexOf(word.toLowerCase());
  if (same >= 0) throw new Error(`two meanings of ${word}`);
  words.push(word.toLowerCase());
  lookers.push(looker);
  isName.push(name);
}
for (const shape of SHAPES) for (const begin of shape.begins) add(begin, (place) => lookAtShape(place, shape, begin));
for (const sign of MAIL_SIGNS) add(sign, lookAtSign);
for (const end of NAME_ENDS) add(end, findNamed, true);
for (const scheme of SCHEMES) add(scheme, lookAtScheme);
add(PEM, lookAtPem);
// Not secret: but a line that has them has to be decoded before it can be judged (./clean.ts).
for (const undecoded of ['_b64"', '\\u002', '\\u003', '\\u004', '\\u005', '\\u006', '\\u007']) add(undecoded, () => NO);

export const TRIGGERS = buildTriggers(words);

/** What may stand right behind a name that announces a value, or begin what does. */
const AFTER_NAME = new Uint8Array(256);
for (const char of '=:"\'\\%] \t') AFTER_NAME[char.charCodeAt(0)] = 1;

/** Whether the word that ends in `state` at `next` (the unit behind it, -1 at the end) is worth a look. */
export function worthLook(state: number, next: number): boolean {
  for (let s = state; s !== 0; s = TRIGGERS.shorter[s] as number) {
    const word = TRIGGERS.ends[s] as number;
    if (word !== 0 && (isName[word - 1] !== true || next < 0 || AFTER_NAME[next] === 1)) return true;
  }
  return false;
}

export interface FindResult {
  found: Found[];
  /** From here on the text has to go on before it can be decided; its length when nothing is open. */
  undecided: number;
  /** Where an open secret would begin, if one is in sight, and what it would go on with. */
  open: { start: number; rest: Rest } | undefined;
}

/**
 * Looks through `text[from..]`. `final`: it does not go on.
 */
export function findSecrets(text: string, from: number, final: boolean): FindResult {
  const found: Found[] = [];
  const { next, classes, classOf, ends, shorter, depth } = TRIGGERS;
  const length = text.length;
  let undecided = length;
  let stopped = false;
  let open: FindResult['open'];
  let floor = from;
  const memo: Memo = { runs: new Map(), refused: new Map() };
  let state = 0;
  let i = from;
  scan: while (i < length) {
    const unit = text.charCodeAt(i++);
    state = unit < 256 ? (next[state * classes + (classOf[unit] as number)] as number) : 0;
    if (ends[state] === 0) continue;
    for (let s = state; s !== 0; s = shorter[s] as number) {
      const word = (ends[s] as number) - 1;
      if (word < 0) break;
      if (isName[word] === true && i < length) {
        const after = text.charCodeAt(i);
        if (after > 255 || AFTER_NAME[after] === 0) continue;
      }
      const at = i - (words[word] as string).length;
      if (at < floor) continue;
      const look = (lookers[word] as Looker)({ text, at, after: i, floor, final, memo });
      if (look.verdict === 'no') continue;
      if (look.verdict === 'more') {
        undecided = Math.max(floor, look.start);
        if (look.end < length) open = { start: Math.max(floor, look.end), rest: look.rest };
        stopped = true;
        break scan;
      }
      found.push({ start: look.start, end: look.end, rest: look.rest });
      floor = look.end;
      i = look.end;
      state = 0;
      break;
    }
  }
  if (final) return { found: withCards(text, from, found, true), undecided: length, open };
  if (!stopped) undecided = Math.min(undecided, length - (depth[state] as number));
  // What was found stays found; the rest of an open word is read again.
  undecided = Math.max(floor, Math.min(undecided, openEnd(text, from)));
  const all = withCards(text, from, found, false);
  for (const { start, end } of all) if (start < undecided && end > undecided) undecided = end;
  return { found: all.filter(({ end }) => end <= undecided), undecided, open };
}

/** With the numbers of cards that are not inside of something else. One at the end of a text that goes on is not known to be one. */
function withCards(text: string, from: number, found: Found[], final: boolean): Found[] {
  let at = from;
  let i = 0;
  const cards: Found[] = [];
  while (findCard(text, at, text.length)) {
    const { start, end } = card;
    at = end;
    while (i < found.length && (found[i] as Found).end <= start) i++;
    if (i < found.length && (found[i] as Found).start < end) continue;
    if (final || !/^(?:[ .-]\d{0,3})?$/.test(text.slice(end, end + 6))) cards.push({ start, end, rest: 'word' });
  }
  return cards.length === 0 ? found : [...found, ...cards].sort((a, b) => a.start - b.start);
}

/** Characters that no look, back or ahead, goes across. */
const CLOSES = new Uint8Array(128);
for (const char of ' \t\n\r"\'`<>(){},|') CLOSES[char.charCodeAt(0)] = 1;

/** Where the open end of a text begins: a word, an address, a number that may go on. Its length when it is closed. */
function openEnd(text: string, from: number): number {
  const least = Math.max(from, text.length - LOOK_BACK);
  let at = text.length;
  while (at > least) {
    const unit = text.charCodeAt(at - 1);
    if (unit >= 128 || CLOSES[unit] === 1) break;
    at--;
  }
  // A card's groups, and what a name at the very end announces with a blank.
  let digits = text.length;
  while (digits > least && text.length - digits < 32 && /[\d .-]/.test(text.charAt(digits - 1))) digits--;
  if (digits < text.length && /\d/.test(text.slice(digits))) at = Math.min(at, digits);
  return at;
}

function lookAtShape(place: Place, shape: Shape, begin: string): Look {
  const { text, at, after, final } = place;
  if (!text.startsWith(begin, at) || (shape.alone === true && !startsWord(text, at))) return NO;
  const end = runEnd(place, shape.rest);
  const run = end - after;
  const most = shape.most ?? LONGEST_WORD;
  if (end === text.length && !final && run <= most) return more(at, at);
  if (run < shape.least || run > most || place.memo.refused.get(shape) === end) return NO;
  const whole = shape.check === undefined || shape.check(text.slice(at, end));
  if (whole && !(shape.most !== undefined && isWordUnit(text.charCodeAt(end)))) return yes(at, end);
  // Later beginnings in the same run are not tried: each would cost as much again.
  place.memo.refused.set(shape, end);
  return NO;
}

/** Where the run of `pattern` from `after` on ends. A run is walked once, however many words begin in it. */
function runEnd({ text, after, memo }: Place, pattern: RegExp): number {
  const known = memo.runs.get(pattern);
  if (known !== undefined && known.start <= after && after <= known.end) return known.end;
  pattern.lastIndex = after;
  const end = after + (pattern.exec(text)?.[0].length ?? 0);
  memo.runs.set(pattern, { start: after, end });
  return end;
}

function lookAtSign(place: Place): Look {
  const password = findPassword(place);
  return password.verdict === 'no' ? findEmail(place) : password;
}

const CREDENTIAL = /[A-Za-z0-9_.~+/=-]*/y;

/** `Bearer …` and `Basic …`, wherever they stand: a long word with a digit in it, or a name and a password. */
function lookAtScheme(place: Place): Look {
  const { text, at, after, final } = place;
  if (!startsWord(text, at)) return NO;
  const end = runEnd(place, CREDENTIAL);
  if (end === text.length && !final) return more(at, after);
  const value = text.slice(after, end);
  if (/^basic/i.test(text.slice(at, at + 5))) {
    const isPair =
      value.length >= 8 &&
      /^[A-Za-z0-9+/_-]+={0,2}$/.test(value) &&
      /^[\x20-\x7e]*:[\x20-\x7e]*$/.test(Buffer.from(value, 'base64').toString('latin1'));
    return isPair ? yes(after, end) : NO;
  }
  return value.length >= 16 && /\d/.test(value) ? yes(after, end) : NO;
}

const PEM_BEGIN = /-----BEGIN (?:[A-Z0-9]{1,16} ){0,4}PRIVATE KEY(?: BLOCK)?-----/y;
/** The longest that a secret known by its first word is. */
const LONGEST_WORD = 16 * 1024;

const PEM_LABEL_MOST = 100;
/** The longest private key, in characters. */
const PEM_MOST = 64 * 1024;
const PEM_END = /-----END [A-Z0-9 ]{1,80}-----/;
const PEM_BODY = /[A-Za-z0-9+/=\s\\:,.()-]*/y;

/** A private key, from its first line to its last, as it is or with its line ends escaped. */
function lookAtPem(place: Place): Look {
  const { text, at, final } = place;
  PEM_BEGIN.lastIndex = at;
  const begin = PEM_BEGIN.exec(text);
  if (begin === null) {
    const label = /^-----BEGIN [A-Z0-9 ]*-{0,4}$/.test(text.slice(at, at + PEM_LABEL_MOST));
    return !final && label && text.length - at < PEM_LABEL_MOST ? more(at, at, 'pem') : NO;
  }
  const body = at + begin[0].length;
  PEM_BODY.lastIndex = body;
  const run = (PEM_BODY.exec(text) as RegExpExecArray)[0].slice(0, PEM_MOST);
  const end = PEM_END.exec(run);
  if (end !== null) return yes(at, body + end.index + end[0].length, 'pem');
  if (!final && body + run.length === text.length && run.length < PEM_MOST) return more(at, at, 'pem');
  return yes(at, body + run.length, 'pem');
}
