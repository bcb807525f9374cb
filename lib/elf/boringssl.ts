/**
 * BoringSSL in a program that has no names for it: an error is recorded by a call whose arguments are a reason number, the
 * path of the source file and a line. The functions that name ssl_lib.cc are few, and the reasons in each tell which it is.
 *
 * SSL_write: 226 (uninitialized), 215 (handshake failure), 111 (bad length). ssl_read_impl: 226 and 215. SSL_read: 66
 * (should not have been called), and it calls ssl_read_impl. SSL_do_handshake: 134 (connection type not set). The numbers
 * are public API (include/openssl/ssl.h, "Error codes") and the same in all trees.
 */
import type { KernelVersion } from './probe-cost.js';
import { type Code, calls, type ReferringFunction, type StartRule } from './referring-functions.js';
import { type RoleCandidates, sitesOf } from './role-sites.js';
import type { TlsFinding } from './tls-finding.js';
import { decode } from './x86-64.js';

const UNINITIALIZED = 226;
const HANDSHAKE_FAILURE = 215;
const BAD_LENGTH = 111;
const NOT_TO_BE_CALLED = 66;
const CONNECTION_TYPE_NOT_SET = 134;
const NULL_SSL_CTX = 185;
/** SSL_read calls SSL_peek where that is not inlined; both stand together in the source, and it does little else. */
const NEIGHBOURHOOD = 64 * 1024;
const MAX_WRAPPER = 512;

/** `paths`: where the strings `…/ssl/ssl_lib.cc` begin that code refers to. */
export function findBoringSsl(code: Code, kernel: KernelVersion, paths: ReadonlySet<number>): TlsFinding | undefined {
  let best: TlsFinding | undefined;
  for (const rule of ['aligned', 'called'] satisfies StartRule[]) {
    const finding = byRule(code, kernel, paths, rule);
    if (finding !== undefined && (best === undefined || finding.sites.length > best.sites.length)) best = finding;
    if (best !== undefined && best.confidence === 'certain') break;
  }
  return best;
}

function byRule(code: Code, kernel: KernelVersion, paths: ReadonlySet<number>, rule: StartRule): TlsFinding | undefined {
  const functions = code.referringTo(paths, rule);
  if (functions.length === 0) return undefined;
  const has = (each: ReferringFunction, ...constants: number[]): boolean => constants.every((constant) => each.constants.has(constant));

  const writes = functions.filter((each) => has(each, UNINITIALIZED, HANDSHAKE_FAILURE, BAD_LENGTH));
  const inner = functions.filter((each) => has(each, UNINITIALIZED, HANDSHAKE_FAILURE) && !has(each, BAD_LENGTH));
  const [readImpl] = inner;
  let reads: ReferringFunction[] = [];
  let readEvidence = 'the only function that gives reason 66, calls ssl_read_impl (reasons 226, 215) and changes the session';
  if (inner.length === 1 && readImpl !== undefined) {
    const peekLike = functions.filter(
      (each) => has(each, NOT_TO_BE_CALLED) && !has(each, UNINITIALIZED) && !has(each, HANDSHAKE_FAILURE) && calls(each, readImpl),
    );
    // SSL_peek gives the same reason and makes the same call, but takes nothing out of the session's buffer.
    reads = peekLike.filter((each) => storesOutsideStack(each) > 0);
    const [peek] = peekLike;
    if (reads.length === 0 && peekLike.length === 1 && peek !== undefined) {
      reads = code
        .callersOf(peek, rule)
        .filter(
          (each) =>
            Math.abs(each.start - peek.start) < NEIGHBOURHOOD && each.end - each.start < MAX_WRAPPER && storesOutsideStack(each) > 0,
        );
      readEvidence = 'the only function beside SSL_peek (reason 66, calls ssl_read_impl) that calls it and changes the session';
    }
  }
  const roles: RoleCandidates<ReferringFunction>[] = [
    {
      role: 'write',
      abi: 'ssl_count',
      function: 'SSL_write',
      candidates: writes,
      evidence: 'the only function that gives reasons 226, 215 and 111',
    },
    {
      role: 'read',
      abi: 'ssl_count',
      function: 'SSL_read',
      candidates: reads,
      evidence: readEvidence,
    },
    {
      role: 'handshake',
      abi: 'session',
      function: 'SSL_do_handshake',
      candidates: functions.filter((each) => has(each, CONNECTION_TYPE_NOT_SET) && !has(each, NOT_TO_BE_CALLED)),
      evidence: 'the only function that gives reason 134 and not 66',
    },
    {
      role: 'new',
      abi: 'session_result',
      function: 'SSL_new',
      candidates: functions.filter((each) => has(each, NULL_SSL_CTX)),
      evidence: 'the only function that gives reason 185',
      optional: true,
    },
  ];
  const { sites, refused, places } = sitesOf(code.image, kernel, roles);
  const evidence = [
    `${functions.length} functions refer to ssl_lib.cc, with bounds from ${[...new Set(functions.map((each) => each.by))].join(' and ')}`,
  ];
  const inOrder = ascending([places.get('handshake'), readImpl, places.get('read'), places.get('write')]);
  if (inOrder) evidence.push('source lines ascend as in the source: SSL_do_handshake, ssl_read_impl, SSL_read, SSL_write');
  const whole = places.has('read') && places.has('write');
  return { library: 'boringssl', foundBy: 'strings', confidence: whole && inOrder ? 'certain' : 'likely', sites, evidence, refused };
}

/** Lines of ssl_lib.cc that can be meant: reasons are smaller, and the file has some 3,000 lines. */
const FIRST_LINE = 400;
const LAST_LINE = 5000;

function ascending(functions: readonly (ReferringFunction | undefined)[]): boolean {
  let last = 0;
  for (const each of functions) {
    if (each === undefined) return false;
    const lines = [...each.constants].filter((constant) => constant >= FIRST_LINE && constant <= LAST_LINE);
    // Inlined neighbours bring lines of their own, so the largest is not to be trusted; the smallest is near the head.
    const line = Math.max(...lines.filter((each) => each > last).slice(0, 1), 0);
    if (line === 0) return false;
    last = line;
  }
  return true;
}

const MAKE_FRAME = Buffer.from('4889e5', 'hex');
const FRAME_BYTES = 16;

/** Stores to memory that is neither on the stack nor a global: to the session that the function was given. */
function storesOutsideStack({ code }: ReferringFunction): number {
  let stores = 0;
  // rbp points into the stack where the function makes a frame (mov rbp,rsp); else it is a register like others.
  const frame = code.subarray(0, FRAME_BYTES).includes(MAKE_FRAME);
  for (let at = 0; at < code.length; ) {
    const instruction = decode(code, at);
    if (instruction === undefined) break;
    const { map, opcode, modrm, encoding, prefixes } = instruction;
    if (modrm !== undefined && encoding === 'legacy' && modrm >> 6 !== 3 && isStore(map, opcode, modrm)) {
      const modrmAt = at + prefixes + (map === 0 ? 1 : 2);
      const rex = prefixes > 0 ? (code[at + prefixes - 1] as number) : 0;
      const extended = rex >= 0x40 && rex <= 0x4f && (rex & 1) === 1;
      const low = (modrm & 7) === 4 ? (code[modrmAt + 1] as number) & 7 : modrm & 7;
      const rip = modrm >> 6 === 0 && (modrm & 7) === 5;
      if (!rip && (extended || (low !== 4 && !(frame && low === 5)))) stores++;
    }
    at += instruction.length;
  }
  return stores;
}

function isStore(map: number, opcode: number, modrm: number): boolean {
  if (map === 1) return opcode === 0x11 || opcode === 0x29 || opcode === 0x7f || opcode === 0xd6;
  if (map !== 0) return false;
  if (opcode < 0x38) return (opcode & 7) <= 1;
  if (opcode === 0x80 || opcode === 0x81 || opcode === 0x83) return ((modrm >> 3) & 7) !== 7;
  return opcode === 0x88 || opcode === 0x89 || opcode === 0xc6 || opcode === 0xc7;
}
