/**
 * Fingerprints of a ClientHello: JA3 (Salesforce, 2017) and JA4 (FoxIO, "technical details of JA4", TLS client part, BSD
 * 3-clause). The other fingerprints of the JA4+ family are not free and are not here.
 */
import { createHash } from 'node:crypto';
import { type ClientHello, isGrease } from './client-hello.js';

export interface Fingerprint {
  hash: string;
  /** What was hashed, for JA4 with the lists in full. */
  raw: string;
}

/** Number by number, as sent, without GREASE: MD5 of `version,ciphers,extensions,groups,point formats`. */
export function ja3(hello: ClientHello): Fingerprint {
  const lists = [hello.ciphers, hello.extensions, hello.groups, hello.pointFormats.filter((format) => !isGrease(format))];
  const raw = [hello.legacyVersion, ...lists.map((list) => list.filter((value) => !isGrease(value)).join('-'))].join(',');
  return { hash: createHash('md5').update(raw).digest('hex'), raw };
}

const EMPTY = '000000000000';

/** JA4 of a hello over TCP. `raw` is FoxIO's JA4_r: sorted lists instead of their hashes. */
export function ja4(hello: ClientHello): Fingerprint {
  const ciphers = hex(hello.ciphers).sort();
  const extensions = hello.extensions.filter((type) => !isGrease(type));
  const kind = [
    't',
    versionOf(hello),
    extensions.includes(0) ? 'd' : 'i',
    count(ciphers.length),
    count(extensions.length),
    alpnOf(hello.alpn[0]),
  ].join('');
  // The name and ALPN are told in front, and change with where a client goes.
  const sorted = hex(extensions.filter((type) => type !== 0x0000 && type !== 0x0010)).sort();
  const signatures = hex(hello.signatureAlgorithms);
  const suites = ciphers.join(',');
  const rest = signatures.length === 0 ? sorted.join(',') : `${sorted.join(',')}_${signatures.join(',')}`;
  return {
    hash: `${kind}_${ciphers.length === 0 ? EMPTY : sha(suites)}_${rest === '' ? EMPTY : sha(rest)}`,
    raw: `${kind}_${suites}_${rest}`,
  };
}

/** Versions that a hello offers, newest first, without GREASE. */
export function versionsOf(hello: ClientHello): number[] {
  const offered = hello.supportedVersions?.filter((version) => !isGrease(version)) ?? [];
  return offered.length === 0 ? [hello.legacyVersion] : [...new Set(offered)].sort((a, b) => b - a);
}

const SHORT: Readonly<Record<number, string>> = { 772: '13', 771: '12', 770: '11', 769: '10', 768: 's3', 2: 's2' };

function versionOf(hello: ClientHello): string {
  return SHORT[versionsOf(hello)[0] as number] ?? '00';
}

function count(n: number): string {
  return String(Math.min(n, 99)).padStart(2, '0');
}

/** First and last character of the first protocol; of its hexadecimal form where one is neither letter nor digit. */
function alpnOf(name: Buffer | undefined): string {
  if (name === undefined || name.length === 0) return '00';
  const [first, last] = [name[0] as number, name[name.length - 1] as number];
  if (isAlphanumeric(first) && isAlphanumeric(last)) return String.fromCharCode(first, last);
  const digits = name.toString('hex');
  return `${digits[0]}${digits[digits.length - 1]}`;
}

function isAlphanumeric(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x5a) || (byte >= 0x61 && byte <= 0x7a);
}

function hex(values: readonly number[]): string[] {
  return values.filter((value) => !isGrease(value)).map((value) => value.toString(16).padStart(4, '0'));
}

function sha(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 12);
}
