/**
 * Where to probe OpenSSL's read and write: the cheapest instruction at which every plaintext byte passes once.
 *
 * The public functions always work, but a distribution's SSL_read may begin with an instruction that the kernel has to
 * single-step (10 µs a call). SSL_read and SSL_read_ex both call one inner function, in OpenSSL's source
 * `ssl_read_internal(s, buf, num, &readbytes)`; it usually begins with a push, which costs 0.7 µs. It is a local function without a symbol, so it is found by shape: the one function that both
 * public ones call directly, SSL_peek does not, and that is handed their arguments unchanged. Everything is checked in
 * the code itself; where one check fails, the public functions are the answer. Where the inner function is there and
 * costs no more, it is preferred: an SSL BIO (BIO_read, BIO_write) and early data reach it past the public functions.
 */
import type { ArgumentLayout, CodeImage, ProbeCost } from './code-image.js';
import { findInner, forwardingFunctions, type Inner, type NoInner } from './inner-function.js';
import type { KernelVersion } from './probe-cost.js';
import { probePlace } from './probe-place.js';

export interface SslSite {
  direction: 'read' | 'write';
  /** The function that the site is in: `SSL_read`, or `ssl_read_internal`. */
  function: string;
  /** The public function that it was reached from, or itself. */
  symbol: string;
  /** Virtual address and file offset of the probed instruction. */
  address: number;
  offset: number;
  /** Bytes from the function's first instruction: 4 behind an endbr64. Arguments and return address are still in place there. */
  skipped: number;
  cost: ProbeCost;
  arguments: ArgumentLayout;
  /** Why this site, as sentences for `-v` and `sensor_start`. */
  evidence: string[];
}

export interface SslSites {
  read: SslSite[];
  write: SslSite[];
}

interface Family {
  direction: 'read' | 'write';
  publics: readonly [{ name: string; layout: ArgumentLayout }, ...{ name: string; layout: ArgumentLayout }[]];
  /** Functions that must not lead to the same inner function. */
  siblings: readonly string[];
  early: string;
  inner: string;
}

const READ: Family = {
  direction: 'read',
  publics: [
    { name: 'SSL_read', layout: 'count' },
    { name: 'SSL_read_ex', layout: 'out4' },
  ],
  siblings: ['SSL_peek', 'SSL_peek_ex'],
  early: 'SSL_read_early_data',
  inner: 'ssl_read_internal',
};

const WRITE: Family = {
  direction: 'write',
  publics: [
    { name: 'SSL_write', layout: 'count' },
    { name: 'SSL_write_ex', layout: 'out4' },
    // OpenSSL 3.3: a flags argument before the out-pointer.
    { name: 'SSL_write_ex2', layout: 'out5' },
  ],
  siblings: ['SSL_peek', 'SSL_peek_ex', 'SSL_read', 'SSL_read_ex'],
  early: 'SSL_write_early_data',
  inner: 'ssl_write_internal',
};

/**
 * The probe sites of OpenSSL in `image`, on a kernel of this version. A list is empty when the file has none of the
 * functions; with `publicOnly` the inner functions are not looked for (the fallback when a self-test failed).
 */
export function chooseSslSites(image: CodeImage, kernel: KernelVersion, options: { publicOnly?: boolean } = {}): SslSites {
  return { read: chooseFamily(image, kernel, READ, options), write: chooseFamily(image, kernel, WRITE, options) };
}

function chooseFamily(image: CodeImage, kernel: KernelVersion, family: Family, options: { publicOnly?: boolean }): SslSite[] {
  const present = family.publics.filter(({ name }) => image.symbol(name) !== undefined);
  const forwarding = forwardingFunctions(
    image,
    present.map(({ name }) => name),
  );
  const publicSites: SslSite[] = [];
  for (const { name, layout } of present) {
    const address = image.symbol(name)?.address;
    if (address === undefined || forwarding.has(name)) continue;
    const site = siteAt(image, kernel, address, { direction: family.direction, function: name, symbol: name, arguments: layout });
    if (site) publicSites.push(site);
  }
  if (options.publicOnly === true || present.length === 0) return publicSites;

  const inner = findInner(image, { ...family, present }, forwarding);
  const innerSite = innerSiteOf(image, kernel, family, inner);
  const publicStepped = publicSites.some((site) => site.cost !== 'emulated');
  if ('reason' in inner || !innerSite) {
    if (publicStepped && 'reason' in inner) for (const site of publicSites) site.evidence.push(inner.reason);
    return publicSites;
  }
  if (innerSite.cost === 'emulated' || publicStepped) {
    if (publicStepped) innerSite.evidence.push('the public functions begin with an instruction that the kernel single-steps');
    if (inner.earlyData) innerSite.evidence.push(`${family.early} calls it past the public functions`);
    return [innerSite];
  }
  for (const site of publicSites) site.evidence.push(`the inner function is ${innerSite.cost}`);
  return publicSites;
}

function innerSiteOf(image: CodeImage, kernel: KernelVersion, family: Family, inner: Inner | NoInner): SslSite | undefined {
  if ('reason' in inner) return undefined;
  const site = siteAt(image, kernel, inner.address, {
    direction: family.direction,
    function: family.inner,
    symbol: family.publics[0].name,
    arguments: inner.layout,
  });
  site?.evidence.unshift(...inner.evidence);
  return site;
}

function siteAt(
  image: CodeImage,
  kernel: KernelVersion,
  address: number,
  site: Pick<SslSite, 'direction' | 'function' | 'symbol' | 'arguments'>,
): SslSite | undefined {
  const place = probePlace(image, kernel, address);
  return place && { ...site, ...place };
}
