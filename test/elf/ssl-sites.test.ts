/** The choice of sites, on small libraries compiled here whose symbol table tells the truth, and on the machine's OpenSSL. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { ElfImage } from '../../lib/elf/image.js';
import { chooseSslSites, type SslSite, type SslSites } from '../../lib/elf/ssl-sites.js';
import { skip } from '../support/skip.js';
import { openImage } from './image.js';

const KERNEL = { major: 6, minor: 1 };

/** OpenSSL's shape in miniature. `write_internal` takes flags from 3.3 on. */
function library(options: { flags: boolean; extra?: string; peekShares?: boolean }): string {
  const flags = options.flags;
  return `
typedef unsigned long size_t;
struct ssl { int (*io)(struct ssl *, void *, size_t, size_t *, int); int shutdown, error; };
void ERR_new(void); void ERR_set(int);
__attribute__((noinline,noclone,noipa)) int ssl_read_internal(struct ssl *s, void *buf, size_t num, size_t *readbytes) {
  if (!s->io) { ERR_new(); ERR_set(1); return -1; }
  if (s->shutdown) { s->error = 1; return 0; }
  int r = s->io(s, buf, num, readbytes, 0);
  s->error = r + (int)*readbytes;
  return r;
}
__attribute__((noinline,noclone,noipa)) int ssl_peek_internal(struct ssl *s, void *buf, size_t num, size_t *readbytes) {
  int r = s->io(s, buf, num, readbytes, 1);
  s->error = r; return r;
}
__attribute__((noinline,noclone,noipa)) int ssl_write_internal(struct ssl *s, const void *buf, size_t num, ${flags ? 'unsigned long flags, ' : ''}size_t *written) {
  if (!s->io) { ERR_new(); ERR_set(2); return -1; }
  int r = s->io(s, (void *)buf, num, written, 2${flags ? ' + (int)flags' : ''});
  s->error = r + (int)*written;
  return r;
}
#define INT(name, inner, c, ...) int name(struct ssl *s, c void *buf, int num) { size_t n; int r; \\
  if (num < 0) { ERR_new(); ERR_set(3); return -1; } \\
  r = inner(s, buf, (size_t)num, ##__VA_ARGS__, &n); if (r > 0) r = (int)n; return r; }
INT(SSL_read, ssl_read_internal, )
INT(SSL_peek, ${options.peekShares ? 'ssl_read_internal' : 'ssl_peek_internal'}, )
int SSL_read_ex(struct ssl *s, void *buf, size_t num, size_t *n) { int r = ssl_read_internal(s, buf, num, n); if (r < 0) r = 0; return r; }
int SSL_peek_ex(struct ssl *s, void *buf, size_t num, size_t *n) { int r = ssl_peek_internal(s, buf, num, n); if (r < 0) r = 0; return r; }
${
  flags
    ? `INT(SSL_write, ssl_write_internal, const, 0)
int SSL_write_ex2(struct ssl *s, const void *buf, size_t num, unsigned long flags, size_t *n) { int r = ssl_write_internal(s, buf, num, flags, n); if (r < 0) r = 0; return r; }
int SSL_write_ex(struct ssl *s, const void *buf, size_t num, size_t *n) { return SSL_write_ex2(s, buf, num, 0, n); }`
    : `INT(SSL_write, ssl_write_internal, const)
int SSL_write_ex(struct ssl *s, const void *buf, size_t num, size_t *n) { int r = ssl_write_internal(s, buf, num, n); if (r < 0) r = 0; return r; }`
}
${options.extra ?? ''}
`;
}

let folder = '';
let built = 0;
function compile(source: string, flags: string[]): string {
  const path = join(folder, `lib${++built}.so`);
  writeFileSync(`${path}.c`, source);
  execFileSync('gcc', ['-shared', '-fPIC', '-nostdlib', '-Wl,-Bsymbolic', ...flags, '-o', path, `${path}.c`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return path;
}

function sitesOf(path: string, options: { publicOnly?: boolean } = {}): SslSites {
  const image = ElfImage.open(path);
  try {
    return chooseSslSites(image, KERNEL, options);
  } finally {
    image.close();
  }
}

const brief = (sites: SslSite[]): string[] => sites.map((site) => `${site.function} ${site.arguments}`);

/** Whether gcc can build x86-64 libraries here; otherwise the test is left out. */
function able(t: test.Test): boolean {
  if (process.arch !== 'x64' || !existsSync('/usr/bin/gcc')) {
    skip(t, 'this needs gcc on x86-64');
    return false;
  }
  folder ||= mkdtempSync(join(tmpdir(), 'tracer-ssl-sites-'));
  return true;
}

const BUILDS = {
  'as Debian builds (stack protector, no landing pads)': ['-O2', '-fcf-protection=none', '-fstack-protector-all'],
  'with landing pads': ['-O2', '-fcf-protection=full', '-fstack-protector-all'],
  'with frame pointers, as Ubuntu builds': ['-O2', '-fcf-protection=full', '-fno-omit-frame-pointer', '-mno-omit-leaf-frame-pointer'],
  'for size': ['-Os', '-fcf-protection=none'],
  'at -O3': ['-O3', '-fcf-protection=full'],
};

for (const [name, flags] of Object.entries(BUILDS)) {
  for (const write of [false, true]) {
    test(`the inner functions of a library built ${name}, ${write ? 'since' : 'before'} SSL_write_ex2`, (t) => {
      if (!able(t)) return;
      const path = compile(library({ flags: write }), flags);
      const truth = openImage(path);
      const sites = sitesOf(path);
      t.deepEqual(brief(sites.read), ['ssl_read_internal out4']);
      t.deepEqual(brief(sites.write), [`ssl_write_internal ${write ? 'out5' : 'out4'}`]);
      for (const site of [...sites.read, ...sites.write]) {
        t.equal(site.address - site.skipped, truth.symbol(site.function)?.address, `${site.function} is where the symbol table has it`);
        t.equal(site.cost, 'emulated');
        t.equal(site.offset, truth.fileOffset(site.address));
        t.equal(site.skipped, flags.includes('-fcf-protection=full') ? 4 : 0, 'behind the landing pad');
      }
      t.end();
    });
  }
}

test('an unoptimised build reloads its arguments: the public functions are taken', (t) => {
  if (!able(t)) return;
  const sites = sitesOf(compile(library({ flags: true }), ['-O0', '-fcf-protection=none']));
  t.deepEqual(brief(sites.read), ['SSL_read count', 'SSL_read_ex out4']);
  t.deepEqual(brief(sites.write), ['SSL_write count', 'SSL_write_ex2 out5'], 'SSL_write_ex only hands over to SSL_write_ex2');
  t.ok(
    sites.read.every((site) => site.cost === 'emulated'),
    'which begin with a push',
  );
  t.end();
});

test('asked for public functions only', (t) => {
  if (!able(t)) return;
  const sites = sitesOf(compile(library({ flags: false }), BUILDS['as Debian builds (stack protector, no landing pads)']), {
    publicOnly: true,
  });
  t.deepEqual(brief(sites.read), ['SSL_read count', 'SSL_read_ex out4']);
  t.deepEqual(brief(sites.write), ['SSL_write count', 'SSL_write_ex out4']);
  t.ok(sites.read.every((site) => site.cost === 'stepped'));
  t.end();
});

test('an inner function that SSL_peek shares would count peeked bytes: refused, with the reason', (t) => {
  if (!able(t)) return;
  const sites = sitesOf(
    compile(library({ flags: false, peekShares: true }), BUILDS['as Debian builds (stack protector, no landing pads)']),
  );
  t.deepEqual(brief(sites.read), ['SSL_read count', 'SSL_read_ex out4']);
  t.match(sites.read[0]?.evidence.join('; ') ?? '', /share 0 inner functions, not one/);
  t.deepEqual(brief(sites.write), ['ssl_write_internal out4'], 'the write side is not concerned');
  t.end();
});

test('arguments in another order than OpenSSL’s: refused', (t) => {
  if (!able(t)) return;
  const source = library({ flags: false })
    .replace('int ssl_read_internal(struct ssl *s, void *buf,', 'int ssl_read_internal(void *buf, struct ssl *s,')
    .replaceAll('ssl_read_internal(s, buf,', 'ssl_read_internal(buf, s,')
    .replace('r = inner(s, buf,', 'r = inner(buf, s,')
    .replaceAll('int ssl_peek_internal(struct ssl *s, void *buf,', 'int ssl_peek_internal(void *buf, struct ssl *s,')
    .replaceAll('ssl_peek_internal(s, buf,', 'ssl_peek_internal(buf, s,')
    .replace('int ssl_write_internal(struct ssl *s, const void *buf,', 'int ssl_write_internal(const void *buf, struct ssl *s,')
    .replaceAll('ssl_write_internal(s, buf,', 'ssl_write_internal(buf, s,');
  const sites = sitesOf(compile(source, BUILDS['as Debian builds (stack protector, no landing pads)']));
  t.deepEqual(brief(sites.read), ['SSL_read count', 'SSL_read_ex out4']);
  t.match(sites.read[0]?.evidence.join('; ') ?? '', /not clear/);
  t.end();
});

test('a library with SSL_read alone, and a file with neither', (t) => {
  if (!able(t)) return;
  const alone = sitesOf(compile('int SSL_read(void *s, void *b, int n) { return n; }', ['-O2']));
  t.deepEqual([brief(alone.read), brief(alone.write)], [['SSL_read count'], []]);
  const neither = sitesOf(compile('int other(int n) { return n; }', ['-O2']));
  t.deepEqual(neither, { read: [], write: [] });
  t.end();
});

test('SSL_read_ex that calls SSL_read, as LibreSSL has it, is not probed as well', (t) => {
  if (!able(t)) return;
  const sites = sitesOf(
    compile(
      `typedef unsigned long size_t; int inner(void *, void *, int);
int SSL_read(void *s, void *b, int n) { if (n < 0) return -1; return inner(s, b, n) + 1; }
int SSL_read_ex(void *s, void *b, size_t n, size_t *out) { int r = SSL_read(s, b, (int)n); if (r < 0) r = 0; *out = (size_t)r; return r > 0; }`,
      ['-O1', '-fno-inline', '-fno-optimize-sibling-calls'],
    ),
  );
  t.deepEqual(brief(sites.read), ['SSL_read count']);
  t.end();
});

test('the OpenSSL of this machine and that inside node give a site for each direction', (t) => {
  const libraries = ['/usr/lib/x86_64-linux-gnu/libssl.so.3', '/usr/lib/aarch64-linux-gnu/libssl.so.3', '/usr/lib64/libssl.so.3'].filter(
    existsSync,
  );
  for (const path of [...libraries, process.execPath]) {
    const sites = sitesOf(path);
    if (path === process.execPath && sites.read.length === 0) continue;
    for (const direction of ['read', 'write'] as const) {
      t.ok(sites[direction].length > 0, `${path}: ${brief(sites[direction]).join(', ')}`);
      t.ok(sites[direction].every((site) => site.cost !== 'refused'));
    }
  }
  t.end();
});

test.onFinish(() => {
  if (folder) rmSync(folder, { recursive: true });
});
