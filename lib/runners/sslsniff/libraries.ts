/**
 * The files in which TLS was found, each examined and probed once, whoever maps it: a probe belongs to the file, and
 * the programs let everybody pass who is not in scope.
 */
import { release } from 'node:os';
import { type BpfObject, bootTimeNs, closeLinks, type Link } from '../../bpf/index.js';
import { gnutlsReceivers } from '../../elf/gnutls-inner.js';
import { ElfImage, NotElf } from '../../elf/image.js';
import { type KernelVersion, parseKernelVersion, probeCost } from '../../elf/probe-cost.js';
import { probePlace } from '../../elf/probe-place.js';
import { chooseSslSites, type SslSite } from '../../elf/ssl-sites.js';
import { carriesBytes, type TlsFinding, type TlsSite } from '../../elf/tls-finding.js';
import type { Library, Probe } from '../../stream/event.js';
import { Finder, findNow } from './finder.js';
import { needsSockets, programsFor, type SitePrograms } from './found-sites.js';
import { type FunctionProbe, LIFE_CALLS, OTHER_CALLS } from './functions.js';
import { besideFile } from './likely.js';
import { GNUTLS_INNER, GNUTLS_PUBLIC, OTHER_NAMES, otherLibrariesIn } from './other-libraries.js';
import { selfTest } from './self-test.js';

const SITE_PROGRAMS: Readonly<Record<string, string>> = {
  'read count': 'ssl_read',
  'read out4': 'ssl_read_inner4',
  'read out5': 'ssl_read_inner5',
  'write count': 'ssl_write',
  'write out4': 'ssl_write_inner4',
  'write out5': 'ssl_write_inner5',
  SSL_read_ex: 'ssl_read_ex',
  SSL_write_ex: 'ssl_write_ex',
};

/** What is known of one file. */
export interface Examined {
  /** As the first process that mapped it sees it. */
  path: string;
  /** The TLS in it that can be read. */
  libraries: Library[];
  /** Boot time in nanoseconds since which all its probes are in place. */
  since: number;
  /** What was found and could not be probed, as sentences. */
  refused: string[];
  /** It is being searched for TLS that no symbol tells. */
  search?: Promise<void> | undefined;
  probes: Probe[];
}

/** Larger ones are searched beside the event loop. */
const SMALL_FILE_BYTES = 4 * 1024 * 1024;

const TITLES: Readonly<Record<Library, string>> = {
  openssl: 'OpenSSL',
  boringssl: 'BoringSSL',
  gnutls: 'GnuTLS',
  nss: 'NSS',
  go: "Go's TLS",
  rustls: 'rustls',
  s2n: 's2n',
  mbedtls: 'Mbed TLS',
  plain: 'no TLS',
};

/** For people. */
export function libraryTitles(file: Examined): string {
  return [...new Set(file.libraries)].map((library) => TITLES[library]).join(' and ');
}

function bootNow(): number {
  return Number(bootTimeNs());
}

export interface LibrariesOptions {
  say?: (sentence: string) => void;
  /** Sites may be tested by a process of ours: nobody takes its calls for those of a watched one. */
  mayTest?: boolean;
  /** Only the records of something are seen: system calls tell which socket carries them. */
  needSockets?: () => void;
  verbose?: boolean;
}

export class Libraries {
  /** Probes put in place: entries and returns counted each. */
  attached = 0;
  readonly #say: (sentence: string) => void;
  readonly #mayTest: boolean;
  readonly #needSockets: () => void;
  readonly #verbose: boolean;
  #started = false;
  #stopped = false;
  readonly #finder = new Finder();
  readonly #searches = new Set<Promise<void>>();
  readonly #places = new Map<number, bigint>();
  /** Self-tests that run; each ends by itself. */
  readonly #tests = new Set<Promise<void>>();
  readonly #object: BpfObject;
  readonly #kernel: KernelVersion;
  readonly #files = new Map<string, Examined>();

  constructor(object: BpfObject, options: LibrariesOptions = {}) {
    this.#object = object;
    this.#say = options.say ?? (() => {});
    this.#mayTest = options.mayTest ?? false;
    this.#needSockets = options.needSockets ?? (() => {});
    this.#verbose = options.verbose ?? false;
    this.#kernel = parseKernelVersion(release()) ?? { major: 5, minor: 10 };
  }

  /** Everything that TLS was found in, in the order it was found. */
  found(): Examined[] {
    return [...this.#files.values()].filter((file) => file.probes.length > 0);
  }

  known(key: string): Examined | undefined {
    return this.#files.get(key);
  }

  /**
   * Looks at a file and probes it where there is TLS in it.
   * @param key what makes it the same file: device and inode
   * @param paths ways to open it, best first
   * @param name its path for people
   * @param inode when given, paths that lead to another inode are tried last
   */
  examine(key: string, paths: readonly (string | Buffer)[], name: string, inode?: number): Examined {
    const known = this.#files.get(key);
    if (known !== undefined) return known;
    let trouble = '';
    // Some file systems (overlays) give a mapping another inode number than its file: then the mapping itself is believed.
    const attempts = [...paths.map((path) => ({ path, exact: true })), ...paths.toReversed().map((path) => ({ path, exact: false }))];
    for (const { path, exact } of attempts) {
      const text = typeof path === 'string' ? path : path.toString('latin1');
      try {
        const image = ElfImage.open(path);
        try {
          if (exact && inode !== undefined && image.ino !== inode) continue;
          const examined = this.#probe(image, text, name);
          this.#files.set(key, examined);
          this.#tell(examined);
          if (examined.libraries.length === 0) this.#search(image, examined);
          const root = text.endsWith(name) ? text.slice(0, -name.length) : '';
          for (const file of besideFile(image, name, root)) this.examine(file.key, [file.path], file.path.slice(root.length));
          return examined;
        } finally {
          image.close();
        }
      } catch (error) {
        trouble = error instanceof NotElf ? error.message : ((error as NodeJS.ErrnoException).code ?? String(error));
      }
    }
    const examined: Examined = { path: name, libraries: [], refused: [], since: bootNow(), probes: [] };
    // A file that could not be opened may be opened through the next process.
    if (trouble === '' || trouble.startsWith('not ')) this.#files.set(key, examined);
    return examined;
  }

  /** Resolves when the sites chosen so far are tested. */
  async tested(): Promise<void> {
    await Promise.all(this.#tests);
  }

  /** Resolves when the files met so far are searched. */
  async searched(): Promise<void> {
    await Promise.all(this.#searches);
  }

  /** What no symbol tells. Before the start at once, so that a command's first byte is seen; later beside the event loop. */
  #search(image: ElfImage, file: Examined): void {
    if (!this.#started || image.size <= SMALL_FILE_BYTES) {
      this.#attachFound(image, file, findNow(image.descriptorPath));
      return;
    }
    const kept = ElfImage.open(image.descriptorPath);
    const search = this.#finder
      .find(kept.descriptorPath)
      .then((findings) => {
        if (!this.#stopped) this.#attachFound(kept, file, findings);
      })
      .finally(() => {
        kept.close();
        file.search = undefined;
        this.#searches.delete(search);
      });
    file.search = search;
    this.#searches.add(search);
  }

  #attachFound(image: ElfImage, file: Examined, findings: readonly TlsFinding[]): void {
    const before = file.probes.length;
    for (const finding of findings) {
      // By symbols it is probed already.
      if (file.libraries.includes(finding.library) && finding.foundBy !== 'strings') continue;
      for (const refused of finding.refused) file.refused.push(`${TITLES[finding.library]}: ${refused}`);
      const attached = finding.sites.filter((site) => this.#attachFoundSite(image, file, finding, site));
      if (attached.length === 0) continue;
      file.libraries.push(finding.library);
      if (needsSockets(finding)) this.#needSockets();
    }
    file.since = bootNow();
    if (file.probes.length > before) this.#tell(file);
  }

  #attachFoundSite(image: ElfImage, file: Examined, finding: TlsFinding, site: TlsSite): boolean {
    const programs = programsFor(finding, site);
    if (programs === undefined) return false;
    const made: Probe = { name: site.function, target: file.path, site: `0x${site.offset.toString(16)}`, state: 'attached' };
    if (site.cost !== 'refused') made.cost = site.cost;
    this.#attachPrograms(image, site.offset, programs, made);
    file.probes.push(made);
    return made.state === 'attached' && carriesBytes(site);
  }

  /** Entry before return, as everywhere. A failure stands in `made`. */
  #attachPrograms(image: ElfImage, offset: number, programs: SitePrograms, made: Probe): void {
    const path = image.descriptorPath;
    try {
      if (programs.enter !== undefined) {
        this.#attachEntry(path, offset, programs.enter, programs.site);
        this.attached++;
      }
      if (programs.leave !== undefined) {
        this.#object.attachUprobe(programs.leave, { path, offset, ret: true });
        this.attached++;
      }
    } catch (error) {
      made.state = 'failed';
      made.reason = (error as Error).message.replace(path, made.target);
    }
  }

  #attachEntry(path: string, offset: number, program: string, site: bigint | undefined): void {
    if (site === undefined || this.#hasCookies()) {
      this.#object.attachUprobe(program, { path, offset, ...(site === undefined ? {} : { cookie: site }) });
      return;
    }
    // bpf/ssl-others.h: site_params.
    const place = offset & 4095;
    const known = this.#places.get(place);
    if (known !== undefined && known !== site) throw new Error(`another site of another kind is at the same place of its page (${place})`);
    const key = Buffer.alloc(4);
    key.writeUInt32LE(place);
    const value = Buffer.alloc(8);
    value.writeBigUInt64LE(site);
    this.#object.map('site_params').update(key, value);
    this.#places.set(place, site);
    this.#object.attachUprobe(program, { path, offset });
  }

  #hasCookies(): boolean {
    const { major, minor } = this.#kernel;
    return major > 5 || (major === 5 && minor >= 15);
  }

  /** No more searches. */
  stop(): void {
    this.#stopped = true;
    this.#finder.stop();
  }

  /**
   * Sites inside a library are found by the shape of its code: a throw-away process proves that they report what they
   * should. Where they do not, the public functions are probed instead.
   */
  #test(path: string, name: string, sites: readonly SslSite[], links: readonly Link[], probes: Probe[]): void {
    const inner = sites.filter((site) => site.function !== site.symbol);
    if (!this.#mayTest || inner.length === 0) return;
    const test = selfTest(path, sites).then((verdicts) => {
      const failed = verdicts.find((verdict) => verdict.state === 'failed');
      verdicts.forEach((verdict, index) => {
        const probe = probes.find((made) => made.name === sites[index]?.function);
        if (probe !== undefined && verdict.state === 'untested') probe.reason = `not tested: ${verdict.reason}`;
        if (probe !== undefined && verdict.state === 'passed') probe.cost = verdict.cost;
      });
      if (failed?.state === 'failed') this.#fallBack(path, name, links, probes, failed.reason);
    });
    this.#tests.add(test);
    void test.finally(() => this.#tests.delete(test));
  }

  #fallBack(path: string, name: string, links: readonly Link[], probes: Probe[], reason: string): void {
    let image: ElfImage;
    try {
      image = ElfImage.open(path);
    } catch {
      return;
    }
    try {
      closeLinks([...links]);
      for (const probe of probes.filter((made) => made.name.endsWith('_internal'))) {
        probe.state = 'failed';
        probe.reason = reason;
      }
      const sites = chooseSslSites(image, this.#kernel, { publicOnly: true });
      for (const site of [...sites.write, ...sites.read]) this.#attachSite(image, name, site, probes);
      this.#say(`${name}: the inner functions failed their test (${reason}); the public functions are probed from now on`);
    } finally {
      image.close();
    }
  }

  /** From now on, what is found is told to the person: sensor_start has been said. */
  started(): void {
    this.#started = true;
  }

  /** What sensor_start does not say, or what nobody must miss. */
  #tell(file: Examined): void {
    if (file.probes.length === 0) return;
    if (this.#started && this.#verbose) this.#say(`found ${libraryTitles(file)} in ${file.path}`);
    const failed = file.probes.filter((probe) => probe.state === 'failed');
    if (failed.length > 0)
      this.#say(`${file.path}: ${failed.map((probe) => probe.name).join(', ')} could not be probed: ${failed[0]?.reason}`);
  }

  #probe(image: ElfImage, path: string, name: string): Examined {
    const probes: Probe[] = [];
    if (image.exported('_dl_debug_state') !== undefined && image.exported('SSL_write') === undefined) {
      this.#attach(image, name, { symbol: '_dl_debug_state', enter: 'linker_changed' }, probes);
      return { path: name, libraries: [], refused: [], since: bootNow(), probes: [] };
    }
    const names = ['SSL_read', 'SSL_write', 'SSL_read_ex', 'SSL_write_ex', 'SSL_CTX_new', 'SSL_peek', 'SSL_peek_ex'];
    // Symbol tables of programs are only searched when the cheap look at the dynamic symbols has not decided it.
    image.lookUp([...names, ...[...OTHER_CALLS, ...LIFE_CALLS].map((probe) => probe.symbol), ...OTHER_NAMES]);
    const refused = (symbol: string): boolean => probePlace(image, this.#kernel, image.symbol(symbol)?.address ?? 0)?.cost === 'refused';
    const others = otherLibrariesIn((symbol) => image.symbol(symbol) !== undefined, refused);
    for (const other of others) {
      const inner = other.library === 'gnutls' ? gnutlsReceivers(image, this.#kernel) : undefined;
      for (const address of inner ?? []) this.#attach(image, name, GNUTLS_INNER, probes, address);
      const left = inner === undefined ? other.probes : other.probes.filter(({ symbol }) => !GNUTLS_PUBLIC.includes(symbol));
      for (const probe of left) this.#attach(image, name, probe, probes);
    }
    if (image.symbol('SSL_write') === undefined || image.symbol('SSL_CTX_new') === undefined) {
      return { path: name, probes, refused: [], since: bootNow(), libraries: others.map(({ library }) => library) };
    }
    const sites = chooseSslSites(image, this.#kernel);
    const chosen = [...sites.write, ...sites.read];
    const links = chosen.flatMap((site) => this.#attachSite(image, name, site, probes));
    this.#test(path, name, chosen, links, probes);
    for (const probe of [...LIFE_CALLS, ...OTHER_CALLS]) this.#attach(image, name, probe, probes);
    const boring = image.exported('SSL_CTX_set_grease_enabled') !== undefined || image.exported('BORINGSSL_self_test') !== undefined;
    return {
      path: name,
      libraries: [boring ? 'boringssl' : 'openssl', ...others.map(({ library }) => library)],
      refused: [],
      since: bootNow(),
      probes,
    };
  }

  /** Entry before return: a call between the two leaves a note that nobody fetches; the other way round it would be missed. */
  #attachSite(image: ElfImage, name: string, site: SslSite, probes: Probe[]): Link[] {
    const program = SITE_PROGRAMS[site.function] ?? SITE_PROGRAMS[`${site.direction} ${site.arguments}`] ?? '';
    const made: Probe = { name: site.function, target: name, site: `${site.function}+0x${site.skipped.toString(16)}`, state: 'attached' };
    if (site.cost !== 'refused') made.cost = site.cost;
    const links: Link[] = [];
    try {
      links.push(this.#object.attachUprobe(program, { path: image.descriptorPath, offset: site.offset }));
      links.push(this.#object.attachUprobe('ssl_call_return', { path: image.descriptorPath, offset: site.offset, ret: true }));
    } catch (error) {
      made.state = 'failed';
      made.reason = (error as Error).message.replace(image.descriptorPath, name);
    }
    probes.push(made);
    this.attached += links.length;
    return links;
  }

  #attach(image: ElfImage, name: string, probe: FunctionProbe, probes: Probe[], at = image.symbol(probe.symbol)?.address): void {
    const offset = at === undefined ? undefined : image.fileOffset(at);
    if (at === undefined || offset === undefined) return;
    const made: Probe = { name: probe.symbol, target: name, site: `${probe.symbol}+0x0`, state: 'attached' };
    const code = image.bytes(at, 16);
    const cost = code === undefined ? undefined : probeCost(image.machine, code, 0, this.#kernel);
    if (cost === 'emulated' || cost === 'stepped') made.cost = cost;
    this.#attachPrograms(image, offset, probe, made);
    probes.push(made);
  }
}
