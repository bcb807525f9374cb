/** TLS libraries by the names of their functions: shared libraries export them, unstripped programs keep them. */
import type { ArgumentLayout } from './code-image.js';
import type { ElfImage, SymbolSource } from './image.js';
import type { KernelVersion } from './probe-cost.js';
import { probePlace } from './probe-place.js';
import { chooseSslSites } from './ssl-sites.js';
import type { SiteRole, TlsAbi, TlsFinding, TlsLibrary, TlsSite } from './tls-finding.js';

interface NamedSite {
  name: string;
  /** A local function with the same arguments that it hands over to, for where the kernel refuses a probe on it. */
  within?: string;
  role: SiteRole;
  abi: TlsAbi;
}

interface Family {
  library: TlsLibrary;
  /** Its presence is the library's. */
  mark: string;
  sites: readonly NamedSite[];
}

const FAMILIES: readonly Family[] = [
  {
    library: 'gnutls',
    mark: 'gnutls_record_send',
    sites: [
      { name: 'gnutls_record_send', role: 'write', abi: 'gnutls' },
      { name: 'gnutls_record_recv', role: 'read', abi: 'gnutls' },
      { name: 'gnutls_handshake', role: 'handshake', abi: 'session' },
      { name: 'gnutls_deinit', role: 'free', abi: 'session' },
    ],
  },
  {
    library: 's2n',
    mark: 's2n_send',
    sites: [
      { name: 's2n_send', role: 'write', abi: 's2n' },
      { name: 's2n_recv', within: 's2n_recv_impl', role: 'read', abi: 's2n' },
      { name: 's2n_negotiate', role: 'handshake', abi: 'session' },
      { name: 's2n_connection_free', role: 'free', abi: 'session' },
    ],
  },
  {
    library: 'mbedtls',
    mark: 'mbedtls_ssl_write',
    sites: [
      { name: 'mbedtls_ssl_write', role: 'write', abi: 'mbedtls' },
      { name: 'mbedtls_ssl_read', role: 'read', abi: 'mbedtls' },
      { name: 'mbedtls_ssl_handshake', role: 'handshake', abi: 'session' },
      { name: 'mbedtls_ssl_free', role: 'free', abi: 'session' },
    ],
  },
  {
    // NSS has no reads and writes of its own: it makes a descriptor of NSPR a TLS one.
    library: 'nss',
    mark: 'SSL_ImportFD',
    sites: [{ name: 'SSL_ImportFD', role: 'new', abi: 'session_result' }],
  },
  {
    library: 'nss',
    mark: 'PR_GetDescType',
    sites: [
      { name: 'PR_Write', role: 'write', abi: 'nspr' },
      { name: 'PR_Send', role: 'write', abi: 'nspr' },
      { name: 'PR_Read', role: 'read', abi: 'nspr' },
      { name: 'PR_Recv', role: 'read', abi: 'nspr' },
      { name: 'PR_Close', role: 'free', abi: 'session' },
    ],
  },
];

const OPENSSL_MARKS = ['SSL_read', 'SSL_write'];
/** Functions that BoringSSL (and its offspring AWS-LC) has and OpenSSL has not. */
const BORINGSSL_MARKS = ['SSL_CTX_set_grease_enabled', 'SSL_set_permute_extensions'];
const OPENSSL_SESSIONS: readonly NamedSite[] = [
  { name: 'SSL_do_handshake', role: 'handshake', abi: 'session' },
  { name: 'SSL_new', role: 'new', abi: 'session_result' },
  { name: 'SSL_free', role: 'free', abi: 'session' },
];
const LAYOUTS: Readonly<Record<ArgumentLayout, TlsAbi>> = { count: 'ssl_count', out4: 'ssl_out4', out5: 'ssl_out5' };

const EVIDENCE: Readonly<Record<SymbolSource, (mark: string) => string>> = {
  dynsym: (mark) => `it exports ${mark}`,
  symbols: (mark) => `its symbol table has ${mark}`,
  gnu_debugdata: (mark) => `its compressed symbol table (.gnu_debugdata) has ${mark}`,
};

/** Every library whose functions the file defines by name. */
export function findBySymbols(image: ElfImage, kernel: KernelVersion): TlsFinding[] {
  // One pass over the symbol table for the marks; most files have none, and then the rest is not asked for.
  image.lookUp([...OPENSSL_MARKS, ...FAMILIES.map(({ mark }) => mark)]);
  const findings: TlsFinding[] = [];
  const openSsl = findOpenSsl(image, kernel);
  if (openSsl !== undefined) findings.push(openSsl);
  for (const { library, mark, sites } of FAMILIES) {
    if (image.symbol(mark) === undefined) continue;
    image.lookUp(sites.map(({ name }) => name));
    findings.push(finding(image, library, mark, namedSites(image, kernel, sites)));
  }
  return findings;
}

function findOpenSsl(image: ElfImage, kernel: KernelVersion): TlsFinding | undefined {
  if (!OPENSSL_MARKS.every((name) => image.symbol(name) !== undefined)) return undefined;
  // GnuTLS's imitation of OpenSSL's functions calls GnuTLS, which is probed itself.
  if (image.needed().some((name) => name.startsWith('libgnutls.so'))) return undefined;
  const { read, write } = chooseSslSites(image, kernel);
  if (read.length + write.length === 0) return undefined;
  image.lookUp([...BORINGSSL_MARKS, ...OPENSSL_SESSIONS.map(({ name }) => name)]);
  const boring = BORINGSSL_MARKS.find((name) => image.symbol(name) !== undefined);
  const data = [...read, ...write].map(
    ({ direction, arguments: layout, function: name, address, offset, skipped, cost, evidence }): TlsSite => ({
      role: direction,
      abi: LAYOUTS[layout],
      function: name,
      address,
      offset,
      skipped,
      cost,
      evidence,
    }),
  );
  const found = finding(image, boring === undefined ? 'openssl' : 'boringssl', 'SSL_read', namedSites(image, kernel, OPENSSL_SESSIONS));
  found.sites.unshift(...data.filter(({ cost }) => cost !== 'refused'));
  if (boring !== undefined) found.evidence.push(`it has ${boring}, as BoringSSL and not OpenSSL has`);
  return found;
}

function namedSites(image: ElfImage, kernel: KernelVersion, named: readonly NamedSite[]): { sites: TlsSite[]; refused: string[] } {
  const sites: TlsSite[] = [];
  const refused: string[] = [];
  for (const { name, within, role, abi } of named) {
    const candidates = [name, ...(within === undefined ? [] : [within])];
    const places = candidates.flatMap((each) => {
      const symbol = image.symbol(each);
      const place = symbol && probePlace(image, kernel, symbol.address);
      return place === undefined || place.cost === 'refused' ? [] : [{ function: each, ...place }];
    });
    const [place] = places;
    if (place !== undefined) sites.push({ role, abi, ...place });
    else if (image.symbol(name) !== undefined) refused.push(`${role}: the kernel refuses a probe on ${name}`);
  }
  return { sites, refused };
}

function finding(
  image: ElfImage,
  library: TlsLibrary,
  mark: string,
  { sites, refused }: { sites: TlsSite[]; refused: string[] },
): TlsFinding {
  const foundBy: SymbolSource = image.sourceOf(mark) ?? 'symbols';
  return {
    library,
    foundBy,
    confidence: 'certain',
    sites,
    evidence: [EVIDENCE[foundBy](mark)],
    refused,
  };
}
