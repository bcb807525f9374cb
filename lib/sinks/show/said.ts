/** The pieces that the sentences about events are made of. */
import { type Facts, get, isFacts, num, str, strings } from './facts.js';
import type { Segment, Tone } from './paper.js';
import { bytes, count, duration } from './units.js';

/** What happened, as the pieces of one line. */
export type Said = Segment[];
/** Makes the sentence of one event type. Must bear any data. */
export type Describe = (data: Facts) => Said;

export type Word = string | Segment | undefined;

/** Words with a space between; absent ones leave none. */
export function say(...words: Word[]): Said {
  const said: Said = [];
  for (const word of words) {
    const segment = typeof word === 'string' ? { text: word } : word;
    if (segment === undefined || segment.text === '') continue;
    if (said.length > 0) said.push({ text: ' ' });
    said.push(segment);
  }
  return said;
}

/** Words with a comma behind each but the last, to stand in {@link say}. */
export function commas(...words: Word[]): Segment[] {
  const there = words.flatMap((word) => {
    const segment = typeof word === 'string' ? { text: word } : word;
    return segment === undefined || segment.text === '' ? [] : [segment];
  });
  return there.map((word, at) => (at === there.length - 1 ? word : { ...word, text: `${word.text},` }));
}

export function tone(text: string | undefined, name: Tone): Segment | undefined {
  return text === undefined ? undefined : { text, tone: name };
}

export const strong = (text: string | undefined): Segment | undefined => tone(text, 'strong');
export const dim = (text: string | undefined): Segment | undefined => tone(text, 'dim');
export const bad = (text: string | undefined): Segment | undefined => tone(text, 'bad');
export const warn = (text: string | undefined): Segment | undefined => tone(text, 'warn');

/** `label text`, or nothing without a text. */
export function labelled(label: string, text: string | undefined): string | undefined {
  return text === undefined || text === '' ? undefined : `${label} ${text}`;
}

export function size(data: Facts, name: string): string | undefined {
  const value = num(data, name);
  return value === undefined ? undefined : bytes(value);
}

export function lasted(data: Facts, name: string): string | undefined {
  const value = num(data, name);
  return value === undefined ? undefined : duration(name.endsWith('_ns') ? value / 1e6 : value);
}

/** `failed: EACCES`. */
export function failed(data: Facts): Segment | undefined {
  const errno = str(data, 'errno');
  return errno === undefined ? undefined : { text: `failed: ${errno}`, tone: 'bad' };
}

/** `incomplete: gap, eof`. */
export function incomplete(data: Facts): Segment | undefined {
  const causes = strings(data, 'partial');
  return causes === undefined || causes.length === 0 ? undefined : { text: `incomplete: ${causes.join(', ')}`, tone: 'warn' };
}

/** `#3/2` of `1841.8123456.3/2`: the connection's number in its process, and the exchange on it. */
export function tag(id: string | undefined): string | undefined {
  if (id === undefined) return undefined;
  return `#${id.slice(0, 200).split('.').at(-1) ?? ''}`;
}

/** Arguments as one would type them; only what needs quotes has them. */
export function commandLine(args: readonly string[] | undefined): string | undefined {
  if (args === undefined || args.length === 0) return undefined;
  const shown = args
    .slice(0, 200)
    .map((arg) => (arg !== '' && /^[^\s'"$`\\|&;<>(){}*?!#~]+$/.test(arg) ? arg : `'${arg.replaceAll("'", "'\\''")}'`));
  return shown.join(' ') + (args.length > 200 ? ` … ${count(args.length - 200, 'argument')} more` : '');
}

/** `a 1, b 2` of an object of numbers; zeros are left out. */
export function tally(value: unknown): string | undefined {
  if (!isFacts(value)) return undefined;
  const parts = Object.entries(value)
    .filter(([, n]) => typeof n === 'number' && n !== 0)
    .slice(0, 20)
    .map(([name, n]) => `${name} ${String(n)}`);
  return parts.length === 0 ? undefined : parts.join(', ');
}

/** `pid=1 path=/x`: the plain facts of an event that nobody has a sentence for. */
export function plainFacts(data: Facts, except: ReadonlySet<string>): string | undefined {
  const parts: string[] = [];
  for (const [name, value] of Object.entries(data)) {
    if (except.has(name) || name.endsWith('_b64')) continue;
    if (name === 'payload' || name === 'body') continue;
    const type = typeof value;
    if (type === 'number' || type === 'boolean') parts.push(`${name}=${String(value)}`);
    else if (typeof value === 'string') parts.push(`${name}=${value.length > 120 ? `${value.slice(0, 119)}…` : value}`);
    else if (Array.isArray(value)) parts.push(`${name}[${value.length}]`);
    else if (isFacts(value)) parts.push(`${name}{${Object.keys(value).length}}`);
    if (parts.length === 12) break;
  }
  return parts.length === 0 ? undefined : parts.join(' ');
}

/** The name of whom a connection goes to, as well as it is known. */
export function peer(data: Facts): string | undefined {
  const address = str(data, 'peer');
  const name = str(data, 'name') ?? str(data, 'sni');
  if (name === undefined || name === address) return address;
  return address === undefined ? name : `${name} (${address})`;
}

export function yes(data: Facts, name: string): boolean {
  return get(data, name) === true;
}
