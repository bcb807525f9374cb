/**
 * Which TLS implementations are in a program file, and where plaintext passes in each: the evidence is tried in the order
 * of its strength, and a role without exactly one candidate is refused. No release of any program is known by name here.
 *
 * A file without TLS costs its read-only data once: some milliseconds for all but the largest.
 */
import { findBoringSsl } from './boringssl.js';
import { findGoTls } from './go-tls.js';
import type { ElfImage, LoadRange } from './image.js';
import { findOpenSsl } from './openssl-strings.js';
import type { KernelVersion } from './probe-cost.js';
import { Code } from './referring-functions.js';
import { findAwsLc, findRing, type RustlsMarks, ringLocations } from './rustls.js';
import { findBytes } from './scan.js';
import type { TlsFinding } from './tls-finding.js';
import { findBySymbols } from './tls-symbols.js';

/** Strings that libraries leave in programs; one of the first four is in every program with a library that is found by strings. */
const STRINGS = {
  sslLib: 'ssl_lib.c',
  writeInternal: 'ssl_write_internal\0',
  awsLcAead: 'cipher/aead.c\0',
  ringAead: '/src/aead/algorithm.rs',
} as const;
const MORE_STRINGS = {
  readInternal: 'ssl_read_internal\0',
  handshake: 'SSL_do_handshake\0',
  openSsl1: 'OpenSSL 1.',
  openSsl3: 'OpenSSL 3.',
  openSsl4: 'OpenSSL 4.',
  rustlsPath: '/rustls-',
  rustlsError: 'received corrupt message',
} as const;

/** In each library whose names may be in a compressed symbol table. */
const HINTS = { openSsl: 'ssl_lib.c', gnutls: 'gnutls', s2n: 's2n_', mbedtls: 'mbedtls' } as const;

/** A path in a program is not longer. */
const MAX_PATH = 512;
/** Copies of one source path in one program. More are no evidence. */
const MAX_COPIES = 16;

export interface FinderOptions {
  /** Does as if the file had no symbols: for tests, which compare the answers. */
  ignoreSymbols?: boolean;
}

/** Every TLS implementation in the file, each with its probe sites on a kernel of this version. Throws what reading throws. */
export function findTls(image: ElfImage, kernel: KernelVersion, options: FinderOptions = {}): TlsFinding[] {
  const findings = options.ignoreSymbols === true ? [] : findBySymbols(image, kernel);
  if (options.ignoreSymbols !== true && findings.length === 0) findings.push(...findInDebugData(image, kernel));
  const go = findGoTls(image, kernel);
  if (go !== undefined) findings.push(go);
  if (image.machine === 'x86_64') findings.push(...findByStrings(image, kernel, new Set(findings.map(({ library }) => library))));
  return findings;
}

/** Unpacking takes a process, so something must speak for a library. Without xz nothing is said: strings may still tell. */
function findInDebugData(image: ElfImage, kernel: KernelVersion): TlsFinding[] {
  if (image.section('.gnu_debugdata') === undefined) return [];
  const hints = search(image, stringRanges(image), HINTS);
  if (Object.values(hints).every((places) => places.length === 0)) return [];
  return image.readDebugData() === true ? findBySymbols(image, kernel) : [];
}

function findByStrings(image: ElfImage, kernel: KernelVersion, known: ReadonlySet<string>): TlsFinding[] {
  const ranges = stringRanges(image);
  if (ranges.length === 0) return [];
  const first = search(image, ranges, STRINGS);
  const sslLib = paths(image, first.sslLib, STRINGS.sslLib.length);
  const aead = paths(image, first.awsLcAead, STRINGS.awsLcAead.length - 1);
  const rings = ringPaths(image, first.ringAead);
  const wanted = {
    boringSsl: known.has('boringssl') ? new Set<number>() : sslLib.cc,
    openSsl: !known.has('openssl') && (first.writeInternal.length > 0 || sslLib.c.size > 0),
    awsLc: aead.c,
    ring: rings.length > 0,
  };
  if (wanted.boringSsl.size === 0 && !wanted.openSsl && wanted.awsLc.size === 0 && !wanted.ring) return [];

  const nothing = { readInternal: [], handshake: [], openSsl1: [], openSsl3: [], openSsl4: [], rustlsPath: [], rustlsError: [] };
  const more = wanted.openSsl || wanted.awsLc.size > 0 || wanted.ring ? search(image, ranges, MORE_STRINGS) : nothing;
  const rustls = rustlsMarks(image, more.rustlsPath, more.rustlsError);
  const locations = wanted.ring && rustls !== undefined ? ringLocations(image, rings) : [];
  const openSsl = {
    writeInternal: names(image, wanted.openSsl ? first.writeInternal : []),
    readInternal: names(image, wanted.openSsl ? more.readInternal : []),
    handshake: names(image, wanted.openSsl ? more.handshake : []),
    path: wanted.openSsl ? sslLib.c : new Set<number>(),
    version: wanted.openSsl ? openSslVersion(image, [...more.openSsl1, ...more.openSsl3, ...more.openSsl4]) : undefined,
  };
  const awsLc = rustls === undefined ? new Set<number>() : wanted.awsLc;
  const code = new Code(image);
  code.look([
    ...new Set([
      ...wanted.boringSsl,
      ...openSsl.writeInternal,
      ...openSsl.readInternal,
      ...openSsl.handshake,
      ...openSsl.path,
      ...awsLc,
      ...locations,
    ]),
  ]);
  const findings: (TlsFinding | undefined)[] = [findBoringSsl(code, kernel, wanted.boringSsl)];
  if (wanted.openSsl) findings.push(findOpenSsl(code, kernel, openSsl));
  if (rustls !== undefined) {
    findings.push(findAwsLc(code, kernel, awsLc, rustls));
    if (locations.length > 0) findings.push(findRing(code, kernel, new Set(locations), rustls));
  }
  return findings.filter((finding) => finding !== undefined);
}

/** Where strings are: data that is not written; in a program linked into one segment, the code too. */
function stringRanges(image: ElfImage): LoadRange[] {
  const constant = image.loads.filter(({ executable, writable }) => !executable && !writable);
  return constant.length > 0 ? constant : image.loads.filter(({ writable }) => !writable);
}

function search<T extends Record<string, string>>(image: ElfImage, ranges: readonly LoadRange[], strings: T): Record<keyof T, number[]> {
  const keys = Object.keys(strings) as (keyof T)[];
  const found = findBytes(
    image,
    ranges,
    keys.map((key) => Buffer.from(strings[key] as string, 'latin1')),
  );
  return Object.fromEntries(keys.map((key, i) => [key, found[i] as number[]])) as Record<keyof T, number[]>;
}

/** Of places where a name stands, those where it is the whole string. */
function names(image: ElfImage, places: readonly number[]): Set<number> {
  return new Set(places.filter((place) => image.bytes(place - 1, 1)?.[0] === 0).slice(0, MAX_COPIES));
}

/** Where the strings begin that end with a file name which `places` are in, `.c` and `.cc` apart. */
function paths(image: ElfImage, places: readonly number[], length: number): { c: Set<number>; cc: Set<number> } {
  const starts = { c: new Set<number>(), cc: new Set<number>() };
  for (const place of places) {
    const ending = image.bytes(place + length, 2)?.toString('latin1') ?? '';
    const kind = ending.startsWith('\0') ? 'c' : ending === 'c\0' ? 'cc' : undefined;
    if (kind === undefined || starts[kind].size >= MAX_COPIES) continue;
    const text = textBefore(image, place, MAX_PATH);
    const nul = text.lastIndexOf(0);
    if (nul >= 0 || text.length < MAX_PATH) starts[kind].add(place - text.length + nul + 1);
  }
  return starts;
}

/** At most `length` bytes that stand before `place` in its segment. */
function textBefore(image: ElfImage, place: number, length: number): Buffer {
  const load = image.loads.find(({ address, bytes }) => place >= address && place < address + bytes);
  const before = Math.min(length, place - (load?.address ?? place));
  return image.bytes(place - before, before) ?? Buffer.alloc(0);
}

/** Where paths end that are `…/ring-0.17.14/src/aead/algorithm.rs`. Rust's strings stand one behind the other, without ends. */
function ringPaths(image: ElfImage, places: readonly number[]): number[] {
  return places
    .filter((place) => /[/-]?ring(-\d[\w.+-]*)?$/.test(textBefore(image, place, 32).toString('latin1')))
    .map((place) => place + STRINGS.ringAead.length)
    .slice(0, MAX_COPIES);
}

function rustlsMarks(image: ElfImage, pathPlaces: readonly number[], errorPlaces: readonly number[]): RustlsMarks | undefined {
  const versions = new Set<string>();
  for (const place of pathPlaces) {
    const version = /^\/rustls-(\d+\.\d+\.\d+[\w.+-]*)\/src\//.exec(image.bytes(place, 64)?.toString('latin1') ?? '')?.[1];
    if (version !== undefined) versions.add(version);
  }
  if (versions.size > 0) {
    const [version] = versions;
    return {
      version: versions.size === 1 ? version : undefined,
      evidence: `panic locations name rustls-${[...versions].slice(0, 4).join(', rustls-')}`,
    };
  }
  return errorPlaces.length > 0 ? { version: undefined, evidence: "it has rustls's error texts" } : undefined;
}

/** OPENSSL_VERSION_TEXT: `OpenSSL 3.6.4 1 Sep 2026`. Undefined when there is not exactly one. */
function openSslVersion(image: ElfImage, places: readonly number[]): string | undefined {
  const versions = new Set<string>();
  for (const place of places) {
    const text = image.bytes(place, 64)?.toString('latin1') ?? '';
    const version = /^OpenSSL (\d+\.\d+\.\d+[a-z]*)[\w+.-]*(?: +FIPS)? +\d{1,2} [A-Z][a-z]{2} \d{4}/.exec(text)?.[1];
    if (version !== undefined) versions.add(version);
  }
  const [version] = versions;
  return versions.size === 1 ? version : undefined;
}
