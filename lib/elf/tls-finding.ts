/** What the finder (tls-finder.ts) says of a program file: which TLS implementations are in it, and where to probe them. */
import type { ProbeCost } from './code-image.js';

const LIBRARIES = ['openssl', 'boringssl', 'gnutls', 'nss', 'go', 'rustls', 's2n', 'mbedtls'] as const;
export type TlsLibrary = (typeof LIBRARIES)[number];

const BYTES = ['read', 'write', 'seal', 'open', 'seal_scatter', 'open_gather'] as const;
const LIVES = ['handshake', 'client_handshake', 'server_handshake', 'new', 'free', 'close'] as const;
const ROLES = [...BYTES, ...LIVES] as const;
/**
 * What a probed function does. `read`, `write` and what tells of lives act on a session object; `seal` and `open` on one
 * TLS record, of which only the cipher's context and the nonce are known.
 */
export type SiteRole = (typeof ROLES)[number];

/** Plaintext passes there; else only the beginning or end of a session is seen. */
export function carriesBytes({ role }: { role: SiteRole }): boolean {
  return (BYTES as readonly SiteRole[]).includes(role);
}

const ABIS = [
  'ssl_count',
  'ssl_out4',
  'ssl_out5',
  'session',
  'session_result',
  'gnutls',
  'nspr',
  's2n',
  'mbedtls',
  'aws_lc_seal',
  'aws_lc_seal_scatter',
  'aws_lc_open',
  'aws_lc_open_gather',
  'ring_seal',
  'ring_open',
  'go_record_push',
  'go_record_jbe',
  'go_read_memmove',
  'go_conn_push',
  'go_conn_jbe',
] as const;
/**
 * How arguments and results lie at the probed instruction, one name per layout. Registers are of the System V calling
 * convention of x86-64 (`rdi rsi rdx rcx r8 r9`, on arm64 `x0…x5`), `[rsp+8]` is the first stack argument; [rsp] is the
 * return address wherever a return probe is meant.
 *
 * | abi | at entry | at return |
 * |---|---|---|
 * | `ssl_count` | session, buffer, length (32 bits) | result > 0: so many bytes |
 * | `ssl_out4` | session, buffer, length, `size_t *done` | result > 0: `*done` bytes |
 * | `ssl_out5` | session, buffer, length, flags, `size_t *done` | result > 0: `*done` bytes |
 * | `session` | session only: handshake, free | |
 * | `session_result` | (new) | result: the session |
 * | `gnutls` | session, buffer, length (64 bits) | result > 0: so many bytes (64 bits, signed) |
 * | `nspr` | PRFileDesc, buffer, length (32 bits) | result > 0: so many bytes (32 bits, signed) |
 * | `s2n` | connection, buffer, length (64 bits), blocked | result > 0: so many bytes (64 bits, signed) |
 * | `mbedtls` | context, buffer, length (64 bits) | result > 0: so many bytes (32 bits, signed) |
 * | `aws_lc_seal` | rdi context, r8 nonce, r9 nonce length, `[rsp+8]` plaintext, `[rsp+16]` its length, `[rsp+24]` AAD, `[rsp+32]` its length | result 1: it was sealed |
 * | `aws_lc_seal_scatter` | rdi context, r9 nonce, `[rsp+8]` nonce length, `[rsp+16]` plaintext, `[rsp+24]` its length, `[rsp+32]` extra plaintext, `[rsp+40]` its length, `[rsp+48]` AAD, `[rsp+56]` its length | result 1 |
 * | `aws_lc_open` | rdi context, rsi out, rdx `size_t *out_len`, rcx room, r8 nonce, r9 nonce length, `[rsp+24]` AAD, `[rsp+32]` its length | result 1: plaintext at the saved rsi, `*out_len` bytes |
 * | `aws_lc_open_gather` | rdi context, rsi out, rdx nonce, rcx nonce length, r8 ciphertext, r9 its length, `[rsp+24]` AAD, `[rsp+32]` its length | result 1: plaintext at the saved rsi, as long as the ciphertext |
 * | `ring_seal` | rsi key, rdx → nonce, r8 AAD length, r9 buffer, `[rsp+8]` its length | |
 * | `ring_open` | rdi result, rsi key, rdx → nonce, r8 AAD length, r9 buffer, `[rsp+8]` its length, `[rsp+16]` where the ciphertext starts | byte `*rdi` 0: plaintext at the saved r9, length less start |
 * | `go_record_push`, `go_record_jbe` | rax conn, bl type of record, rcx pointer, rdi length; no return probe. `jbe`: also reached with CF or ZF set when the stack must grow, and then again | |
 * | `go_conn_push`, `go_conn_jbe` | rax conn; the same | |
 * | `go_read_memmove` | rbx plaintext, rcx length, conn at `[rsp + params.conn_slot]`; no return probe | |
 */
export type TlsAbi = (typeof ABIS)[number];

export interface TlsSite {
  role: SiteRole;
  abi: TlsAbi;
  /** The function that the site is in, by the name that its source has: `SSL_write`, `ssl_read_internal`, `EVP_AEAD_CTX_seal`. */
  function: string;
  /** Virtual address in the file's own numbering, and file offset, of the probed instruction. */
  address: number;
  offset: number;
  /** Bytes between the function's first instruction and the probed one. */
  skipped: number;
  cost: ProbeCost;
  /** What an abi needs to know besides: `conn_slot` for Go's read. */
  params?: Record<string, number>;
  /** Why this is the place, as sentences. */
  evidence: string[];
}

const WAYS = ['symbols', 'dynsym', 'gnu_debugdata', 'pclntab', 'strings', 'pattern'] as const;
export type FoundBy = (typeof WAYS)[number];

export interface TlsFinding {
  library: TlsLibrary;
  /** Which code does the cryptography, where that decides the sites: rustls on `aws-lc` or on `ring`. */
  provider?: 'aws-lc' | 'ring';
  version?: string;
  foundBy: FoundBy;
  confidence: 'certain' | 'likely';
  /** May be empty: the library is there, and nothing in it can be probed (`refused` says why). */
  sites: TlsSite[];
  evidence: string[];
  /** Roles without a site, with the reason, as sentences. */
  refused: string[];
}

type Check = (value: unknown) => boolean;
const MAX_ITEMS = 64;
const MAX_TEXT = 1000;

const text: Check = (value) => typeof value === 'string' && value.length <= MAX_TEXT;
const place: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const oneOf =
  (list: readonly string[]): Check =>
  (value) =>
    list.includes(value as string);
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= MAX_ITEMS && value.every(check);
const perhaps =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const object =
  (shape: Readonly<Record<string, Check>>): Check =>
  (value) =>
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).every((key) => Object.hasOwn(shape, key)) &&
    Object.entries(shape).every(([key, check]) => check(Object.hasOwn(value, key) ? (value as Record<string, unknown>)[key] : undefined));

const isSite = object({
  role: oneOf(ROLES),
  abi: oneOf(ABIS),
  function: text,
  address: place,
  offset: place,
  skipped: place,
  cost: oneOf(['emulated', 'stepped']),
  params: perhaps(object({ conn_slot: (value) => Number.isInteger(value) && Math.abs(value as number) < 65_536 })),
  evidence: listOf(text),
});
const isFinding = object({
  library: oneOf(LIBRARIES),
  provider: perhaps(oneOf(['aws-lc', 'ring'])),
  version: perhaps(text),
  foundBy: oneOf(WAYS),
  confidence: oneOf(['certain', 'likely']),
  sites: listOf(isSite),
  evidence: listOf(text),
  refused: listOf(text),
});

/** Whether something that was read is a finding in every field, with nothing besides. */
export function isTlsFinding(value: unknown): value is TlsFinding {
  return isFinding(value);
}
