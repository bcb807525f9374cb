/**
 * OpenSSL linked into a program, without symbols.
 *
 * OpenSSL 3 records an error with the name of the function that met it (ERR_set_debug), so the one function that refers
 * to the string `ssl_write_internal` is that function. All public entries, plain and _ex, come through it. OpenSSL 1.1
 * and 1.0 record numbers instead (ERR_put_error(20, function, reason, file, line); include/openssl/sslerr.h), beside the
 * path of ssl_lib.c.
 */
import type { KernelVersion } from './probe-cost.js';
import type { Code, ReferringFunction } from './referring-functions.js';
import { type RoleCandidates, sitesOf } from './role-sites.js';
import type { TlsAbi, TlsFinding } from './tls-finding.js';
import { decode } from './x86-64.js';

/** Where the strings begin that code refers to. */
export interface OpenSslStrings {
  writeInternal: ReadonlySet<number>;
  readInternal: ReadonlySet<number>;
  handshake: ReadonlySet<number>;
  /** `…/ssl_lib.c` */
  path: ReadonlySet<number>;
  /** `3.6.4`, when the file says exactly one. */
  version: string | undefined;
}

/** Instructions that are looked at for a use of the fifth argument. */
const MAX_STEPS = 128;
const R_UNINITIALIZED = 276;
const R_CONNECTION_TYPE_NOT_SET = 144;
const F_SSL_WRITE_INTERNAL = 524;
const F_SSL_READ_INTERNAL = 523;
const F_SSL_WRITE = 208;
const F_SSL_READ = 223;
const F_SSL_DO_HANDSHAKE = 180;

export function findOpenSsl(code: Code, kernel: KernelVersion, strings: OpenSslStrings): TlsFinding | undefined {
  return byNames(code, kernel, strings) ?? byNumbers(code, kernel, strings);
}

function byNames(code: Code, kernel: KernelVersion, strings: OpenSslStrings): TlsFinding | undefined {
  const writes = code.referringTo(strings.writeInternal);
  const reads = code.referringTo(strings.readInternal);
  if (writes.length + reads.length === 0) return undefined;
  const names = new Set(reads.map(({ start }) => start));
  const [write] = writes;
  const layout = write === undefined ? undefined : writeLayout(write, strings.version);
  const { sites, refused } = sitesOf(code.image, kernel, [
    {
      role: 'read',
      abi: 'ssl_out4',
      function: 'ssl_read_internal',
      candidates: reads,
      evidence: 'the only function that refers to its name',
    },
    ...(layout === undefined
      ? []
      : [
          {
            role: 'write',
            abi: layout,
            function: 'ssl_write_internal',
            candidates: writes,
            evidence: `the only function that refers to its name; ${layout === 'ssl_out5' ? 'it takes flags before the byte count' : 'its byte count is the fourth argument'}`,
          } as const,
        ]),
    {
      role: 'handshake',
      abi: 'session',
      function: 'SSL_do_handshake',
      candidates: code.referringTo(strings.handshake).filter(({ start }) => !names.has(start) && start !== write?.start),
      evidence: 'the only function that refers to its name',
      optional: true,
    },
  ]);
  if (write === undefined) refused.push('write: no function refers to the name ssl_write_internal');
  else if (layout === undefined) refused.push('write: whether ssl_write_internal takes flags (OpenSSL 3.3) is not clear');
  return finding(strings.version, sites, refused, 'functions refer to the names that OpenSSL 3 gives its errors');
}

/** OpenSSL 3.3 put a flags argument before the out-pointer. The file's version and the function's own code must agree. */
function writeLayout(write: ReferringFunction, version: string | undefined): TlsAbi | undefined {
  const shape = savesFifthArgument(write) ? 'ssl_out5' : 'ssl_out4';
  const numbers = /^(\d+)\.(\d+)\./.exec(version ?? '');
  if (numbers === null) return shape;
  const said = Number(numbers[1]) > 3 || (Number(numbers[1]) === 3 && Number(numbers[2]) >= 3) ? 'ssl_out5' : 'ssl_out4';
  return said === shape ? shape : undefined;
}

/**
 * Whether r8 is read before it is written or lost to a call: only then is there a fifth argument. In the order of the
 * bytes, past jumps: what is needed later is saved before the first call on every path.
 */
function savesFifthArgument({ code }: ReferringFunction): boolean {
  for (let at = 0, steps = 0; at < code.length && steps < MAX_STEPS; steps++) {
    const instruction = decode(code, at);
    if (instruction === undefined) return false;
    const { map, opcode, modrm, prefixes, branch, encoding } = instruction;
    if (branch?.kind === 'call') return false;
    const last = prefixes > 0 ? (code[at + prefixes - 1] as number) : 0;
    const rex = last >= 0x40 && last <= 0x4f ? last : 0;
    if (encoding === 'legacy' && map === 0 && modrm !== undefined && (opcode === 0x89 || opcode === 0x8b)) {
      const reg = ((modrm >> 3) & 7) | ((rex & 4) << 1);
      const rm = modrm >> 6 === 3 ? (modrm & 7) | ((rex & 1) << 3) : -1;
      const [source, target] = opcode === 0x89 ? [reg, rm] : [rm, reg];
      if (source === 8) return true;
      if (target === 8) return false;
    }
    at += instruction.length;
  }
  return false;
}

function byNumbers(code: Code, kernel: KernelVersion, strings: OpenSslStrings): TlsFinding | undefined {
  const functions = code.referringTo(strings.path);
  const having = (...numbers: number[]): ReferringFunction[] =>
    functions.filter((each) => numbers.every((number) => each.constants.has(number)));
  const inner = having(F_SSL_WRITE_INTERNAL, R_UNINITIALIZED).length > 0;
  const [read, write] = inner ? [F_SSL_READ_INTERNAL, F_SSL_WRITE_INTERNAL] : [F_SSL_READ, F_SSL_WRITE];
  const abi = inner ? 'ssl_out4' : 'ssl_count';
  const evidence = (number: number): string => `the only function that gives error ${number} with reason ${R_UNINITIALIZED}`;
  const roles: RoleCandidates<ReferringFunction>[] = [
    {
      role: 'read',
      abi,
      function: inner ? 'ssl_read_internal' : 'SSL_read',
      candidates: having(read, R_UNINITIALIZED),
      evidence: evidence(read),
    },
    {
      role: 'write',
      abi,
      function: inner ? 'ssl_write_internal' : 'SSL_write',
      candidates: having(write, R_UNINITIALIZED),
      evidence: evidence(write),
    },
    {
      role: 'handshake',
      abi: 'session',
      function: 'SSL_do_handshake',
      candidates: having(F_SSL_DO_HANDSHAKE, R_CONNECTION_TYPE_NOT_SET),
      evidence: 'the only function that gives error 180 with reason 144',
      optional: true,
    },
  ];
  if (roles.slice(0, 2).every(({ candidates }) => candidates.length === 0)) return undefined;
  const { sites, refused } = sitesOf(code.image, kernel, roles);
  return finding(strings.version, sites, refused, `${functions.length} functions refer to ssl_lib.c`);
}

function finding(version: string | undefined, sites: TlsFinding['sites'], refused: string[], evidence: string): TlsFinding {
  const whole = sites.some(({ role }) => role === 'read') && sites.some(({ role }) => role === 'write');
  return {
    library: 'openssl',
    ...(version === undefined ? {} : { version }),
    foundBy: 'strings',
    confidence: whole && version !== undefined ? 'certain' : 'likely',
    sites,
    evidence: [evidence, ...(version === undefined ? [] : [`the file says OpenSSL ${version}`])],
    refused,
  };
}
