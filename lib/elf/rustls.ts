/**
 * rustls, which has no stable function of its own to probe: its reads and writes are inlined, and its connections move.
 * What stays in place is the AEAD of the library that it encrypts with, one call per TLS record.
 *
 * aws-lc records errors as BoringSSL does; the reasons beside the path of cipher/aead.c tell its functions. ring has no
 * errors, but panic locations of aead/algorithm.rs; its seal and open are called through two pointers that stand next to
 * each other in an `aead::Algorithm`, which is why they are functions at all.
 */

import type { ElfImage } from './image.js';
import { findPointers } from './pointers.js';
import type { KernelVersion } from './probe-cost.js';
import { type Code, calls, type ReferringFunction } from './referring-functions.js';
import { type RoleCandidates, sitesOf } from './role-sites.js';
import type { TlsFinding } from './tls-finding.js';

const BAD_DECRYPT = 101;
const BUFFER_TOO_SMALL = 103;
const CTRL_NOT_IMPLEMENTED = 104;
const INVALID_OPERATION = 112;
const OUTPUT_ALIASES_INPUT = 115;
const TOO_LARGE = 117;

export interface RustlsMarks {
  /** `0.23.46`; undefined when the program says no version, or several. */
  version: string | undefined;
  evidence: string;
}

/** `paths`: where the strings `…/crypto/fipsmodule/cipher/aead.c` begin. */
export function findAwsLc(code: Code, kernel: KernelVersion, paths: ReadonlySet<number>, rustls: RustlsMarks): TlsFinding | undefined {
  let best: TlsFinding | undefined;
  for (const rule of ['aligned', 'called'] as const) {
    const functions = code.referringTo(paths, rule);
    const having = (yes: number[], no: number[] = []): ReferringFunction[] =>
      functions.filter(({ constants }) => yes.every((each) => constants.has(each)) && !no.some((each) => constants.has(each)));
    const role = (
      name: RoleCandidates['role'],
      abi: RoleCandidates['abi'],
      candidates: ReferringFunction[],
      reasons: string,
    ): RoleCandidates<ReferringFunction> => ({
      role: name,
      abi,
      function: `EVP_AEAD_CTX_${name}`,
      candidates,
      evidence: `the only function that gives reasons ${reasons}`,
      optional: name === 'seal_scatter' || name === 'open_gather',
    });
    const { sites, refused, places } = sitesOf(code.image, kernel, [
      role('seal', 'aws_lc_seal', having([TOO_LARGE, OUTPUT_ALIASES_INPUT, BUFFER_TOO_SMALL]), '117, 115 and 103'),
      role('open', 'aws_lc_open', having([BAD_DECRYPT, BUFFER_TOO_SMALL, OUTPUT_ALIASES_INPUT]), '101, 103 and 115'),
      role(
        'seal_scatter',
        'aws_lc_seal_scatter',
        having([INVALID_OPERATION, OUTPUT_ALIASES_INPUT], [BAD_DECRYPT, TOO_LARGE]),
        '112 and 115',
      ),
      role(
        'open_gather',
        'aws_lc_open_gather',
        having([CTRL_NOT_IMPLEMENTED, OUTPUT_ALIASES_INPUT], [BAD_DECRYPT]),
        '104 and 115, not 101',
      ),
    ]);
    if (functions.length === 0) continue;
    const finding = rustlsFinding(
      'aws-lc',
      rustls,
      withoutDetour(sites, places),
      refused,
      `${functions.length} functions refer to cipher/aead.c of aws-lc, with bounds from ${[...new Set(functions.map(({ by }) => by))].join(' and ')}`,
    );
    if (best === undefined || sites.length > best.sites.length) best = finding;
    if (best.confidence === 'certain') break;
  }
  return best;
}

/**
 * EVP_AEAD_CTX_open calls EVP_AEAD_CTX_open_gather, unless the cipher has an `open` of its own, which those of rustls have
 * not. Where that call was not inlined, one probe for each record is enough.
 */
function withoutDetour(sites: TlsFinding['sites'], places: ReadonlyMap<string, ReferringFunction>): TlsFinding['sites'] {
  const [open, gather] = [places.get('open'), places.get('open_gather')];
  if (open === undefined || gather === undefined || !calls(open, gather)) return sites;
  return sites.flatMap((site) => {
    if (site.role === 'open') return [];
    if (site.role !== 'open_gather') return [site];
    return [{ ...site, role: 'open' as const, evidence: [...site.evidence, 'EVP_AEAD_CTX_open hands its records on to it'] }];
  });
}

/** No path in a panic location is longer. */
const MAX_PATH = 512;

/** Where the panic locations of ring's aead/algorithm.rs are; `pathEnds`: where this path ends. */
export function ringLocations(image: ElfImage, pathEnds: readonly number[]): number[] {
  const starts = new Set<number>();
  for (const end of pathEnds) for (let length = 1; length <= MAX_PATH && length <= end; length++) starts.add(end - length);
  // core::panic::Location: pointer and length of the path, line, column.
  return findPointers(image, starts)
    .filter(({ at, to }) => {
      const length = image.bytes(at + 8, 8);
      return length !== undefined && length.length === 8 && pathEnds.some((end) => to + Number(length.readBigUInt64LE(0)) === end);
    })
    .map(({ at }) => at);
}

/** `locations`: what {@link ringLocations} gave, already looked for in the code. */
export function findRing(code: Code, kernel: KernelVersion, locations: ReadonlySet<number>, rustls: RustlsMarks): TlsFinding | undefined {
  let best: TlsFinding | undefined;
  for (const rule of ['aligned', 'called'] as const) {
    const functions = new Map(code.referringTo(locations, rule).map((each) => [each.start, each]));
    const pointers = findPointers(code.image, new Set(functions.keys()));
    const pairs = new Map<string, [ReferringFunction, ReferringFunction]>();
    const places = new Map(pointers.map(({ at, to }) => [at, to]));
    for (const { at, to } of pointers) {
      const next = places.get(at + 8);
      // Exactly two in a row: a table of more functions is something else.
      if (next === undefined || next === to || places.has(at - 8) || places.has(at + 16)) continue;
      pairs.set(`${to} ${next}`, [functions.get(to) as ReferringFunction, functions.get(next) as ReferringFunction]);
    }
    const roles: RoleCandidates<ReferringFunction>[] = [...pairs.values()].flatMap(([seal, open]) => [
      {
        role: 'seal',
        abi: 'ring_seal',
        function: 'ring aead seal',
        candidates: [seal],
        evidence: 'the first of two functions with panic locations in aead/algorithm.rs whose addresses stand side by side',
      },
      {
        role: 'open',
        abi: 'ring_open',
        function: 'ring aead open',
        candidates: [open],
        evidence: 'the second of two functions with panic locations in aead/algorithm.rs whose addresses stand side by side',
      },
    ]);
    // AES-GCM and ChaCha20-Poly1305.
    const tooMany = pairs.size > 2;
    const { sites, refused } = sitesOf(code.image, kernel, tooMany ? [] : roles);
    if (pairs.size === 0) refused.push("seal, open: no two functions of ring's aead/algorithm.rs stand side by side in data");
    if (tooMany) refused.push(`seal, open: ${pairs.size} pairs of functions could be ring's, where two are expected`);
    const finding = rustlsFinding(
      'ring',
      rustls,
      sites,
      refused,
      `${functions.size} functions have panic locations in ring's aead/algorithm.rs`,
    );
    if (best === undefined || sites.length > best.sites.length) best = finding;
    if (best.sites.length > 0) break;
  }
  // Rust promises no calling convention: what was true for the releases tried may not be for the next.
  return best === undefined ? undefined : { ...best, confidence: 'likely' };
}

function rustlsFinding(
  provider: 'aws-lc' | 'ring',
  { version, evidence }: RustlsMarks,
  sites: TlsFinding['sites'],
  refused: string[],
  how: string,
): TlsFinding {
  const whole = sites.some(({ role }) => role === 'seal') && sites.some(({ role }) => role === 'open');
  return {
    library: 'rustls',
    provider,
    ...(version === undefined ? {} : { version }),
    foundBy: 'strings',
    confidence: whole ? 'certain' : 'likely',
    sites,
    evidence: [evidence, how],
    refused,
  };
}
