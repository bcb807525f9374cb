/** ELF files as windows: symbols from both tables, and files that lie. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import test from 'tape';
import { ElfImage, NotElf } from '../../lib/elf/image.js';

const folder = mkdtempSync(join(tmpdir(), 'tracer-elf-'));
const NAMES = ['SSL_read', 'SSL_write', 'hidden_function', 'not_there', '_write'];

function compile(name: string, flags: string[]): string {
  const source = join(folder, `${name}.c`);
  const output = join(folder, `${name}.so`);
  writeFileSync(
    source,
    `int SSL_read(int a) { return a + 1; }
int SSL_write(int a) { return a + 2; }
int prefix_SSL_write(int a) { return a + 4; }
static __attribute__((noinline, used)) int hidden_function(int a) { return a + 3; }
int caller(int a) { return hidden_function(a); }
extern int puts(const char *); int other(void) { return puts("x"); }
int SSL_data = 5;
`,
  );
  execFileSync('cc', ['-shared', '-fPIC', '-O1', '-o', output, source, ...flags]);
  return output;
}

/** Addresses of functions as nm has them. */
function fromNm(path: string, dynamic: boolean): Map<string, number> {
  const text = execFileSync('nm', [...(dynamic ? ['-D'] : []), '--defined-only', path], { encoding: 'utf8' });
  const rows = text.split('\n').map((line) => line.split(/\s+/));
  return new Map(rows.filter((row) => /^[tT]$/.test(row[1] ?? '')).map((row) => [row[2] ?? '', Number.parseInt(row[0] ?? '', 16)]));
}

test('functions are found in the dynamic symbols, by either kind of hash, and in the symbol table', (t) => {
  for (const style of ['gnu', 'sysv', 'both']) {
    const path = compile(style, [`-Wl,--hash-style=${style}`]);
    const image = ElfImage.open(path);
    const all = fromNm(path, false);
    image.lookUp(NAMES);
    for (const name of NAMES) t.equal(image.symbol(name)?.address, all.get(name), `${style}: ${name}`);
    t.equal(image.exported('hidden_function'), undefined, 'a local function is not among the dynamic symbols');
    t.equal(image.exported('puts'), undefined, 'a function that is only used is not defined here');
    t.equal(image.symbol('SSL_data'), undefined, 'a variable is no function');
    t.equal(image.machine, process.arch === 'arm64' ? 'aarch64' : 'x86_64');
    image.close();
  }
  t.end();
});

test('a stripped library still shows its dynamic symbols, and no others', (t) => {
  const path = compile('stripped', ['-s']);
  const image = ElfImage.open(path);
  t.equal(image.symbol('SSL_write')?.address, fromNm(path, true).get('SSL_write'));
  t.equal(image.symbol('hidden_function'), undefined);
  t.notOk(image.hasSymbolTable());
  image.close();
  t.end();
});

test('code at a symbol is what the file has at its offset', (t) => {
  const path = compile('code', []);
  const image = ElfImage.open(path);
  const symbol = image.symbol('SSL_write');
  t.ok(symbol);
  if (symbol !== undefined) {
    const offset = image.fileOffset(symbol.address);
    const bytes = execFileSync('dd', [`if=${path}`, 'bs=1', `skip=${offset}`, 'count=8', 'status=none']);
    t.deepEqual(image.bytes(symbol.address, 8), bytes);
    t.ok(image.isCode(symbol.address));
  }
  t.equal(image.fileOffset(0x7fff_ffff_0000), undefined);
  t.deepEqual(image.needed(), ['libc.so.6']);
  image.close();
  t.end();
});

test('what is no ELF file is refused by name', (t) => {
  const cases: [string, Buffer][] = [
    ['empty', Buffer.alloc(0)],
    ['short', Buffer.from('\x7fELF')],
    ['script', Buffer.from(`#!/bin/sh\n${'#'.repeat(100)}`)],
    ['32 bits', Buffer.concat([Buffer.from([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]), Buffer.alloc(100)])],
  ];
  for (const [name, bytes] of cases) {
    const path = join(folder, 'not-elf');
    writeFileSync(path, bytes);
    t.throws(() => ElfImage.open(path), NotElf, name);
  }
  t.throws(() => ElfImage.open('/dev/zero'), /regular/, 'a device is not read');
  t.throws(() => ElfImage.open('/nonexistent'), /ENOENT/);
  t.end();
});

test('a file that lies in any field is looked at in bounded time and never throws', (t) => {
  const original = Buffer.from(execFileSync('cat', [compile('fuzz', [])]));
  const path = join(folder, 'fuzzed');
  let opened = 0;
  const change = fc.record({
    // Headers, dynamic section and hash tables are at the front; section headers at the end.
    at: fc.oneof(
      fc.integer({ min: 0, max: 0x1000 }),
      fc.integer({ min: 0, max: original.length - 1 }),
      fc.integer({ min: original.length - 0x800, max: original.length - 8 }),
    ),
    value: fc.oneof(
      fc.constantFrom(0n, 1n, 0xffn, 0xffffffffn, 0x7fffffffffffffffn, 0xffffffffffffffffn),
      fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
    ),
    bytes: fc.constantFrom(1, 2, 4, 8),
  });
  fc.assert(
    fc.property(
      fc.array(change, { minLength: 1, maxLength: 12 }),
      fc.option(fc.integer({ min: 64, max: original.length })),
      (changes, cut) => {
        const bytes = Buffer.from(original);
        for (const { at, value, bytes: size } of changes) {
          for (let i = 0; i < size && at + i < bytes.length; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
        }
        writeFileSync(path, bytes.subarray(0, cut ?? bytes.length));
        let image: ElfImage;
        try {
          image = ElfImage.open(path);
        } catch (error) {
          return error instanceof NotElf;
        }
        opened++;
        const before = performance.now();
        image.lookUp(NAMES);
        image.needed();
        image.searchPath();
        image.interpreter();
        image.hasSymbolTable();
        const symbol = image.symbol('SSL_write');
        if (symbol !== undefined) image.bytes(symbol.address, 64);
        image.close();
        return performance.now() - before < 5000;
      },
    ),
    { numRuns: 400 },
  );
  t.ok(opened > 100, `most of them open (${opened})`);
  t.end();
});

test.onFinish(() => rmSync(folder, { recursive: true, force: true }));
