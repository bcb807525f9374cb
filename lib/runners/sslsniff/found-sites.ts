/** The programs of bpf/ssl-sites.h for the sites that lib/elf/tls-finder chose in files whose symbols do not tell. */
import { SiteAbi, SslDirection, SslFunction, TlsLibrary } from '../../bpf/records.gen.js';
import type { TlsFinding, TlsSite } from '../../elf/tls-finding.js';
import { siteOf } from './functions.js';

/** What is attached at one instruction. */
export interface SitePrograms {
  enter?: string;
  leave?: string;
  /** Known to the program at entry. */
  site?: bigint;
}

const AEAD: Readonly<Record<string, SiteAbi>> = {
  aws_lc_seal: SiteAbi.SITE_AWS_LC_SEAL,
  aws_lc_seal_scatter: SiteAbi.SITE_AWS_LC_SEAL_SCATTER,
  aws_lc_open: SiteAbi.SITE_AWS_LC_OPEN,
  aws_lc_open_gather: SiteAbi.SITE_AWS_LC_OPEN_GATHER,
  ring_seal: SiteAbi.SITE_RING_SEAL,
  ring_open: SiteAbi.SITE_RING_OPEN,
};

const GO: Readonly<Record<string, SiteAbi>> = {
  go_record_push: SiteAbi.SITE_GO_WRITE,
  go_record_jbe: SiteAbi.SITE_GO_WRITE_JBE,
  go_read_memmove: SiteAbi.SITE_GO_READ,
};

const GO_LIFE: Readonly<Record<string, SiteAbi>> = {
  client_handshake: SiteAbi.SITE_GO_CLIENT,
  server_handshake: SiteAbi.SITE_GO_SERVER,
  close: SiteAbi.SITE_GO_CLOSE,
};

/** OpenSSL's inner functions: the result counts nothing, a pointer does. */
const OUT: Readonly<Record<string, string>> = {
  'read ssl_out4': 'ssl_read_inner4',
  'read ssl_out5': 'ssl_read_inner5',
  'write ssl_out4': 'ssl_write_inner4',
  'write ssl_out5': 'ssl_write_inner5',
};

/** Undefined for a site that nothing here is made for. */
export function programsFor(finding: TlsFinding, site: TlsSite): SitePrograms | undefined {
  const boring = finding.library === 'boringssl';
  if (!boring && finding.library !== 'openssl' && finding.library !== 'rustls' && finding.library !== 'go') return undefined;
  const go = GO[site.abi];
  if (go !== undefined) return { enter: 'site_now', site: BigInt(go) | (BigInt(site.params?.conn_slot ?? 0) << 8n) };
  const life = finding.library === 'go' ? GO_LIFE[site.role] : undefined;
  if (life !== undefined) return { enter: 'site_go_life', site: BigInt(life) };
  const aead = AEAD[site.abi];
  if (aead !== undefined) {
    return site.abi.includes('open')
      ? { enter: 'site_open', leave: 'ssl_call_return', site: BigInt(aead) }
      : { enter: 'site_now', site: BigInt(aead) };
  }
  if (site.abi === 'ssl_count') {
    const library = boring ? TlsLibrary.LIBRARY_BORINGSSL : TlsLibrary.LIBRARY_OPENSSL;
    const [fn, direction] =
      site.role === 'read' ? [SslFunction.SSL_FN_READ, SslDirection.SSL_READ] : [SslFunction.SSL_FN_WRITE, SslDirection.SSL_WRITE];
    return { enter: 'counted_call', leave: 'ssl_call_return', site: siteOf(fn, library, direction) };
  }
  const out = OUT[`${site.role} ${site.abi}`];
  if (out !== undefined) return { enter: out, leave: 'ssl_call_return' };
  if (site.abi === 'session' && site.role === 'handshake')
    return { enter: 'handshake_enter', leave: boring ? 'boring_handshake_return' : 'openssl_handshake_return' };
  if (site.abi === 'session' && site.role === 'free') return { enter: 'ssl_free' };
  return undefined;
}

/** Only records are seen of it: which socket they go through is learnt from system calls. */
export function needsSockets(finding: TlsFinding): boolean {
  return finding.sites.some((site) => site.abi in AEAD);
}
