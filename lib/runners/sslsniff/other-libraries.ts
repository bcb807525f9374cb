/** Libraries with an interface of their own, known by their symbols, and the programs of bpf/ssl-others.h for them. */

import { SslDirection, SslFunction, TlsLibrary } from '../../bpf/records.gen.js';
import type { Library } from '../../stream/event.js';
import { type FunctionProbe, siteOf } from './functions.js';

export interface OtherLibrary {
  library: Library;
  /** A file that defines all of these is the library, or a part of it. */
  defines: readonly string[];
  probes: readonly FunctionProbe[];
  /** A function whose calls come through another one that is probed, when that is there: from old to new versions. */
  instead?: Readonly<Record<string, string>>;
  /** A local function with the same arguments that a function hands over to, for where the kernel refuses a probe on that. */
  within?: Readonly<Record<string, string>>;
}

const { LIBRARY_GNUTLS, LIBRARY_S2N, LIBRARY_MBEDTLS } = TlsLibrary;
const { SSL_READ, SSL_WRITE } = SslDirection;

const called = (symbol: string, enter: string): FunctionProbe => ({ symbol, enter, leave: 'ssl_call_return' });
const counted = (symbol: string, library: TlsLibrary, direction: SslDirection, fn: SslFunction): FunctionProbe => ({
  ...called(symbol, 'counted_call'),
  site: siteOf(fn, library, direction),
});

export const OTHER_LIBRARIES: readonly OtherLibrary[] = [
  {
    library: 'gnutls',
    defines: ['gnutls_record_recv', 'gnutls_init'],
    probes: [
      counted('gnutls_record_recv', LIBRARY_GNUTLS, SSL_READ, SslFunction.GNUTLS_FN_RECV),
      counted('gnutls_record_recv_seq', LIBRARY_GNUTLS, SSL_READ, SslFunction.GNUTLS_FN_RECV_SEQ),
      counted('gnutls_record_recv_early_data', LIBRARY_GNUTLS, SSL_READ, SslFunction.GNUTLS_FN_RECV_EARLY),
      called('gnutls_record_send', 'gnutls_send'),
      called('gnutls_record_send2', 'gnutls_send'),
      counted('gnutls_record_send_early_data', LIBRARY_GNUTLS, SSL_WRITE, SslFunction.GNUTLS_FN_SEND_EARLY),
      counted('gnutls_record_send_range', LIBRARY_GNUTLS, SSL_WRITE, SslFunction.GNUTLS_FN_SEND_RANGE),
      { symbol: 'gnutls_record_uncork', enter: 'gnutls_uncork', leave: 'gnutls_uncork_return' },
      { symbol: 'gnutls_init', enter: 'session_begin', leave: 'gnutls_begin_return' },
      { symbol: 'gnutls_deinit', enter: 'session_free' },
      { symbol: 'gnutls_bye', enter: 'ssl_shutdown' },
      { symbol: 'gnutls_transport_set_int2', enter: 'session_set_fd' },
      { symbol: 'gnutls_transport_set_ptr', enter: 'session_set_fd' },
      { symbol: 'gnutls_transport_set_ptr2', enter: 'session_set_fd' },
    ],
    // Since 3.6.3 gnutls_record_send is a jump into it.
    instead: { gnutls_record_send: 'gnutls_record_send2' },
  },
  {
    library: 'nss',
    defines: ['SSL_ImportFD', 'SSL_ResetHandshake'],
    probes: [
      { symbol: 'SSL_ImportFD', leave: 'nss_import_return' },
      { symbol: 'SSL_ResetHandshake', enter: 'nss_reset_handshake' },
    ],
  },
  {
    // NSPR carries what NSS encrypts: only descriptors that SSL_ImportFD made are looked at.
    library: 'nss',
    defines: ['PR_Read', 'PR_Write', 'PR_GetDescType'],
    probes: [
      called('PR_Read', 'nspr_read'),
      called('PR_Recv', 'nspr_recv'),
      called('PR_Write', 'nspr_write'),
      called('PR_Send', 'nspr_send'),
      { symbol: 'PR_Close', enter: 'session_free' },
      { symbol: 'PR_Shutdown', enter: 'ssl_shutdown' },
    ],
  },
  {
    library: 's2n',
    defines: ['s2n_recv', 's2n_connection_new'],
    probes: [
      counted('s2n_recv', LIBRARY_S2N, SSL_READ, SslFunction.S2N_FN_RECV),
      counted('s2n_send', LIBRARY_S2N, SSL_WRITE, SslFunction.S2N_FN_SEND),
      { symbol: 's2n_connection_new', enter: 'session_begin', leave: 's2n_begin_return' },
      { symbol: 's2n_connection_free', enter: 'session_free' },
      { symbol: 's2n_connection_wipe', enter: 'session_renew', site: BigInt(LIBRARY_S2N << 8) },
      { symbol: 's2n_shutdown', enter: 'ssl_shutdown' },
      { symbol: 's2n_connection_set_fd', enter: 'session_set_fd' },
    ],
    // Builds that pad branches begin functions with segment prefixes, which the kernel does not take.
    within: { s2n_recv: 's2n_recv_impl' },
  },
  {
    library: 'mbedtls',
    defines: ['mbedtls_ssl_read', 'mbedtls_ssl_setup'],
    probes: [
      counted('mbedtls_ssl_read', LIBRARY_MBEDTLS, SSL_READ, SslFunction.MBEDTLS_FN_READ),
      counted('mbedtls_ssl_write', LIBRARY_MBEDTLS, SSL_WRITE, SslFunction.MBEDTLS_FN_WRITE),
      { symbol: 'mbedtls_ssl_setup', enter: 'session_renew', site: BigInt(LIBRARY_MBEDTLS << 8) },
      { symbol: 'mbedtls_ssl_session_reset', enter: 'session_renew', site: BigInt(LIBRARY_MBEDTLS << 8) },
      { symbol: 'mbedtls_ssl_free', enter: 'session_free' },
      { symbol: 'mbedtls_ssl_close_notify', enter: 'ssl_shutdown' },
    ],
  },
];

/** What receives inside of GnuTLS, where it was found (lib/elf/gnutls-inner.ts), and the functions that it stands for. */
export const GNUTLS_INNER: FunctionProbe = called('_gnutls_recv_int', 'gnutls_recv_inner');
export const GNUTLS_PUBLIC: readonly string[] = ['gnutls_record_recv', 'gnutls_record_recv_seq'];

/** Every name that tells one of them. */
export const OTHER_NAMES: readonly string[] = OTHER_LIBRARIES.flatMap((other) => [
  ...other.defines,
  ...other.probes.map((probe) => probe.symbol),
  ...Object.values(other.within ?? {}),
]);

/** The libraries that a file defines, by a look-up of symbols, and of those on which the kernel refuses a probe. */
export function otherLibrariesIn(
  defined: (symbol: string) => boolean,
  refused: (symbol: string) => boolean = () => false,
): { library: Library; probes: FunctionProbe[] }[] {
  return OTHER_LIBRARIES.filter((other) => other.defines.every(defined)).map(({ library, probes, instead, within }) => ({
    library,
    probes: probes.flatMap((probe) => {
      const [better, inner] = [instead?.[probe.symbol], within?.[probe.symbol]];
      if (!defined(probe.symbol) || (better !== undefined && defined(better))) return [];
      return inner !== undefined && defined(inner) && refused(probe.symbol) ? [{ ...probe, symbol: inner }] : [probe];
    }),
  }));
}
