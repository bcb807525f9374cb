/** The library functions that are probed, and the programs of bpf/sslsniff.bpf.c for them. */
import { type SslDirection, SslFunction, TlsLibrary } from '../../bpf/records.gen.js';
import type { Library } from '../../stream/event.js';

/** What `function` of an `ssl_data` says. An inner function stands for the whole family of calls that go through it. */
export const FUNCTION_NAMES: Readonly<Record<number, string>> = {
  [SslFunction.SSL_FN_READ]: 'SSL_read',
  [SslFunction.SSL_FN_READ_EX]: 'SSL_read_ex',
  [SslFunction.SSL_FN_READ_EARLY]: 'SSL_read_early_data',
  [SslFunction.SSL_FN_WRITE]: 'SSL_write',
  [SslFunction.SSL_FN_WRITE_EX]: 'SSL_write_ex',
  [SslFunction.SSL_FN_WRITE_EARLY]: 'SSL_write_early_data',
  [SslFunction.SSL_FN_SENDFILE]: 'SSL_sendfile',
  [SslFunction.GNUTLS_FN_RECV]: 'gnutls_record_recv',
  [SslFunction.GNUTLS_FN_RECV_SEQ]: 'gnutls_record_recv_seq',
  [SslFunction.GNUTLS_FN_RECV_EARLY]: 'gnutls_record_recv_early_data',
  [SslFunction.GNUTLS_FN_SEND]: 'gnutls_record_send',
  [SslFunction.GNUTLS_FN_SEND_EARLY]: 'gnutls_record_send_early_data',
  [SslFunction.GNUTLS_FN_SEND_RANGE]: 'gnutls_record_send_range',
  [SslFunction.NSPR_FN_READ]: 'PR_Read',
  [SslFunction.NSPR_FN_RECV]: 'PR_Recv',
  [SslFunction.NSPR_FN_WRITE]: 'PR_Write',
  [SslFunction.NSPR_FN_SEND]: 'PR_Send',
  [SslFunction.S2N_FN_RECV]: 's2n_recv',
  [SslFunction.S2N_FN_SEND]: 's2n_send',
  [SslFunction.MBEDTLS_FN_READ]: 'mbedtls_ssl_read',
  [SslFunction.MBEDTLS_FN_WRITE]: 'mbedtls_ssl_write',
  [SslFunction.GO_FN_READ]: 'crypto/tls.(*Conn).Read',
  [SslFunction.GO_FN_WRITE]: 'crypto/tls.(*Conn).Write',
  [SslFunction.AEAD_FN_OPEN]: 'EVP_AEAD_CTX_open',
  [SslFunction.AEAD_FN_SEAL]: 'EVP_AEAD_CTX_seal',
  [SslFunction.RING_FN_OPEN]: 'ring::aead::open',
  [SslFunction.RING_FN_SEAL]: 'ring::aead::seal',
  [SslFunction.SOCKET_FN_READ]: 'read',
  [SslFunction.SOCKET_FN_READV]: 'readv',
  [SslFunction.SOCKET_FN_RECVFROM]: 'recvfrom',
  [SslFunction.SOCKET_FN_RECVMSG]: 'recvmsg',
  [SslFunction.SOCKET_FN_WRITE]: 'write',
  [SslFunction.SOCKET_FN_WRITEV]: 'writev',
  [SslFunction.SOCKET_FN_SENDTO]: 'sendto',
  [SslFunction.SOCKET_FN_SENDMSG]: 'sendmsg',
  [SslFunction.SOCKET_FN_SENDFILE]: 'sendfile',
};

/** What `library` says, by the kernel's number for it. OpenSSL's may be BoringSSL that has the same symbols: the file tells. */
export const LIBRARY_NAMES: Readonly<Record<number, Library>> = {
  [TlsLibrary.LIBRARY_OPENSSL]: 'openssl',
  [TlsLibrary.LIBRARY_BORINGSSL]: 'boringssl',
  [TlsLibrary.LIBRARY_GNUTLS]: 'gnutls',
  [TlsLibrary.LIBRARY_NSS]: 'nss',
  [TlsLibrary.LIBRARY_GO]: 'go',
  [TlsLibrary.LIBRARY_RUSTLS]: 'rustls',
  [TlsLibrary.LIBRARY_S2N]: 's2n',
  [TlsLibrary.LIBRARY_MBEDTLS]: 'mbedtls',
  [TlsLibrary.LIBRARY_PLAIN]: 'plain',
};

/** Where a function's first instruction is probed, and its return. */
export interface FunctionProbe {
  symbol: string;
  /** At entry. */
  enter?: string;
  /** At return. */
  leave?: string;
  /** What the program at entry needs to know besides ({@link siteOf}). */
  site?: bigint;
}

/** What a probe carries for `counted_call` of bpf/ssl-others.h: function, library, direction. */
export function siteOf(fn: SslFunction, library: TlsLibrary, direction: SslDirection): bigint {
  return BigInt(fn | (library << 8) | (direction << 16));
}

/** Calls that carry bytes, besides those that lib/elf/ssl-sites chooses. */
export const OTHER_CALLS: readonly FunctionProbe[] = [
  { symbol: 'SSL_read_early_data', enter: 'ssl_read_early_data', leave: 'ssl_call_return' },
  { symbol: 'SSL_write_early_data', enter: 'ssl_write_early_data', leave: 'ssl_call_return' },
  { symbol: 'SSL_sendfile', enter: 'ssl_sendfile', leave: 'ssl_call_return' },
];

/** The life of a session. Those whose absence matters come first. */
export const LIFE_CALLS: readonly FunctionProbe[] = [
  { symbol: 'SSL_new', leave: 'ssl_new' },
  { symbol: 'SSL_free', enter: 'ssl_free' },
  { symbol: 'SSL_up_ref', enter: 'ssl_up_ref' },
  { symbol: 'SSL_set_connect_state', enter: 'ssl_set_connect_state' },
  { symbol: 'SSL_set_accept_state', enter: 'ssl_set_accept_state' },
  { symbol: 'SSL_connect', enter: 'ssl_connect' },
  { symbol: 'SSL_accept', enter: 'ssl_accept' },
  { symbol: 'SSL_shutdown', enter: 'ssl_shutdown' },
  { symbol: 'SSL_clear', enter: 'ssl_clear' },
  { symbol: 'SSL_set_fd', enter: 'ssl_set_fd' },
  { symbol: 'SSL_set_rfd', enter: 'ssl_set_fd' },
  { symbol: 'SSL_set_wfd', enter: 'ssl_set_fd' },
];
