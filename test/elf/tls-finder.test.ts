/** The TLS finder on stripped programs whose unstripped twins tell the truth, on Go's, on this system's, and on files that lie. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import test from 'tape';
import { ElfImage, NotElf } from '../../lib/elf/image.js';
import { findTls } from '../../lib/elf/tls-finder.js';
import type { TlsFinding } from '../../lib/elf/tls-finding.js';
import { skip } from '../support/skip.js';
import { openImage } from './image.js';
import { boringSsl, compileTwins, openSsl3, openSsl111 } from './tls-programs.js';

const KERNEL = { major: 6, minor: 1 };
const directory = mkdtempSync(join(tmpdir(), 'tracer-finder-'));
test.onFinish(() => rmSync(directory, { recursive: true }));

const runs = (command: string, argument: string): boolean => {
  try {
    execFileSync(command, [argument], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const x86 = process.arch === 'x64';
const noGcc: string | false = !x86 || !runs('gcc', '--version') ? 'needs gcc on x86-64' : false;
const noGo: string | false = !x86 || !runs('go', 'version') ? 'needs go on x86-64' : false;

function find(path: string, ignoreSymbols = false): TlsFinding[] {
  const image = ElfImage.open(path);
  try {
    return findTls(image, KERNEL, { ignoreSymbols });
  } finally {
    image.close();
  }
}

/** `write SSL_write@1234` … of a finding, with the address before what was skipped. */
const places = ({ sites }: TlsFinding): string[] =>
  sites.map(({ role, function: name, address, skipped }) => `${role} ${name}@${address - skipped}`).sort();
const truth = (path: string, roles: Record<string, string>): string[] => {
  const image = openImage(path);
  return Object.entries(roles)
    .map(([role, name]) => `${role} ${name}@${image.symbol(name)?.address}`)
    .sort();
};

/** How a program can be linked: with references as offsets or as numbers, with unwinding tables or without. */
const LINKS: Readonly<Record<string, string[]>> = {
  pie: ['-pie', '-fPIE'],
  fixed: ['-no-pie', '-fno-pie'],
  'no unwinding tables': ['-no-pie', '-fno-pie', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables', '-falign-functions=16'],
  'for size': ['-pie', '-fPIE', '-Os', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables', '-falign-functions=1'],
  'one segment': ['-pie', '-fPIE', '-Wl,-z,noseparate-code', '-Wl,--no-rosegment'],
  'landing pads': ['-pie', '-fPIE', '-fcf-protection=full'],
};
const BORING = { write: 'SSL_write', read: 'SSL_read', handshake: 'SSL_do_handshake', new: 'SSL_new' };

for (const [link, flags] of Object.entries(LINKS)) {
  test(`BoringSSL without names (${link}): SSL_read and SSL_write, not SSL_peek`, (t) => {
    if (noGcc) return skip(t, noGcc);
    for (const peekCalled of [false, true]) {
      const usable = flags.filter((flag) => flag !== '-Wl,--no-rosegment');
      const { named, stripped } = compileTwins(
        directory,
        `boring-${link.replaceAll(' ', '-')}-${peekCalled}`,
        boringSsl({ peekCalled }),
        usable,
      );
      const [finding, ...more] = find(stripped);
      t.equal(more.length, 0);
      t.equal(finding?.library, 'boringssl');
      t.deepEqual(
        finding && places(finding),
        truth(named, BORING),
        peekCalled ? 'SSL_peek is a function of its own' : 'SSL_peek is inlined',
      );
      t.deepEqual(finding?.refused, []);
      t.ok(finding?.sites.every(({ abi, cost }) => abi !== undefined && cost !== 'refused'));
    }
    t.end();
  });
}

test('BoringSSL: two functions that could be SSL_write are none', (t) => {
  if (noGcc) return skip(t, noGcc);
  const { stripped } = compileTwins(directory, 'twice', boringSsl({ twoWrites: true }), LINKS.pie ?? []);
  const [finding] = find(stripped);
  t.ok(finding?.sites.every(({ role }) => role !== 'write'));
  t.match(finding?.refused.join() ?? '', /^write: 2 functions could be SSL_write/);
  t.equal(finding?.confidence, 'likely');
  t.end();
});

test('a stripped program with a compressed symbol table, as Fedora makes them: the names in it tell', (t) => {
  const missing = noGcc || (!runs('xz', '--version') ? 'needs xz' : false) || (!runs('objcopy', '--version') ? 'needs objcopy' : false);
  if (missing) return skip(t, missing);
  const { named, stripped } = compileTwins(directory, 'debugdata', boringSsl(), LINKS.pie ?? []);
  const [debug, mini, packed] = ['debug', 'mini', 'packed'].map((name) => join(directory, `debugdata-${name}`)) as [string, string, string];
  execFileSync('objcopy', ['--only-keep-debug', named, debug]);
  execFileSync('objcopy', ['--strip-debug', '--remove-section', '.comment', debug, mini]);
  execFileSync('xz', ['--keep', '--force', mini]);
  execFileSync('objcopy', ['--add-section', `.gnu_debugdata=${mini}.xz`, stripped, packed]);
  const [byNames] = find(named);
  const [finding] = find(packed);
  t.deepEqual([byNames?.foundBy, finding?.foundBy], ['symbols', 'gnu_debugdata']);
  t.deepEqual(finding?.sites, byNames?.sites, 'the same places as by the names themselves');
  t.match(finding?.evidence.join() ?? '', /gnu_debugdata/);
  const bytes = readFileSync(packed);
  const at = bytes.indexOf(readFileSync(`${mini}.xz`).subarray(0, 64));
  bytes.fill(0x55, at + 32, at + 200);
  const damaged = join(directory, 'debugdata-damaged');
  writeFileSync(damaged, bytes);
  t.equal(find(damaged)[0]?.foundBy, 'strings', 'where it is damaged, strings tell');
  t.end();
});

test('OpenSSL 3 without names: the layout of the write is that of the version', (t) => {
  if (noGcc) return skip(t, noGcc);
  const roles = { read: 'ssl_read_internal', write: 'ssl_write_internal', handshake: 'SSL_do_handshake' };
  for (const [version, flags, abi] of [
    ['3.0.19', false, 'ssl_out4'],
    ['3.6.4', true, 'ssl_out5'],
  ] as const) {
    const { named, stripped } = compileTwins(directory, `openssl-${version}`, openSsl3(version, flags), LINKS.pie ?? []);
    const [finding] = find(stripped);
    t.deepEqual([finding?.library, finding?.version, finding?.confidence, finding?.foundBy], ['openssl', version, 'certain', 'strings']);
    t.deepEqual(finding && places(finding), truth(named, roles));
    t.equal(finding?.sites.find(({ role }) => role === 'write')?.abi, abi);
    t.equal(finding?.sites.find(({ role }) => role === 'read')?.abi, 'ssl_out4');
  }
  const { stripped } = compileTwins(directory, 'openssl-odd', openSsl3('3.6.4', false), LINKS.pie ?? []);
  const [odd] = find(stripped);
  t.match(odd?.refused.join() ?? '', /^write: /, 'a function that does not fit its version is refused');
  t.end();
});

test('OpenSSL 1.1.1 without names: by the numbers of its functions', (t) => {
  if (noGcc) return skip(t, noGcc);
  const { named, stripped } = compileTwins(directory, 'openssl-111', openSsl111, LINKS.pie ?? []);
  const [finding] = find(stripped);
  t.deepEqual([finding?.library, finding?.version], ['openssl', '1.1.1w']);
  t.deepEqual(
    finding && places(finding),
    truth(named, { read: 'ssl_read_internal', write: 'ssl_write_internal', handshake: 'SSL_do_handshake' }),
  );
  t.end();
});

test("this system's libssl: strings tell the same as symbols", (t) => {
  const path = ['/usr/lib/x86_64-linux-gnu/libssl.so.3', '/lib64/libssl.so.3', '/usr/lib/libssl.so.3'].find((each) => existsSync(each));
  if (path === undefined) {
    return skip(t, 'needs OpenSSL 3 as libssl.so.3');
  }
  const [named] = find(path);
  const [unnamed] = find(path, true);
  t.deepEqual([named?.foundBy, unnamed?.foundBy], ['dynsym', 'strings']);
  const inner = named?.sites.filter(({ function: name }) => name.endsWith('_internal')) ?? [];
  for (const { role, address, abi } of inner) {
    const other = unnamed?.sites.find((site) => site.role === role);
    t.deepEqual([other?.address, other?.abi], [address, abi], role);
  }
  t.equal(
    unnamed?.sites.find(({ role }) => role === 'handshake')?.address,
    named?.sites.find(({ role }) => role === 'handshake')?.address,
    'handshake',
  );
  t.end();
});

test('Go: plain, stripped, position-independent, and without section headers', (t) => {
  if (noGo) return skip(t, noGo);
  const source = join(directory, 'main.go');
  writeFileSync(source, 'package main\nimport ("net/http"; "os")\nfunc main() { http.Get(os.Args[1]) }\n');
  const build = (name: string, flags: string[]): string => {
    const path = join(directory, name);
    execFileSync('go', ['build', ...flags, '-o', path, source], {
      cwd: directory,
      env: { ...process.env, GO111MODULE: 'off', GOFLAGS: '' },
      stdio: 'ignore',
    });
    return path;
  };
  const plain = build('go-plain', []);
  const image = openImage(plain);
  const [named] = find(plain);
  for (const [role, name] of [
    ['write', 'crypto/tls.(*Conn).writeRecordLocked'],
    ['read', 'crypto/tls.(*Conn).Read'],
    ['client_handshake', 'crypto/tls.(*Conn).clientHandshake'],
    ['close', 'crypto/tls.(*Conn).Close'],
  ] as const) {
    const symbol = image.symbol(name);
    const site = named?.sites.find((each) => each.role === role);
    t.equal(site && site.address - site.skipped, symbol?.address, name);
    t.ok(site !== undefined && symbol !== undefined && site.skipped < symbol.size, 'inside the function');
    t.equal(site?.cost, 'emulated');
  }
  // Go 1.19, Debian 12's, moves its stack pointer in one instruction; newer ones push.
  t.match(named?.sites.find(({ role }) => role === 'write')?.abi ?? '', /^go_record_(push|jbe)$/);
  t.ok((named?.sites.find(({ role }) => role === 'read')?.params?.conn_slot ?? 0) > 0);
  const headless = join(directory, 'go-headless');
  const bytes = readFileSync(build('go-stripped', ['-ldflags=-s -w']));
  bytes.fill(0, 40, 48);
  bytes.fill(0, 58, 64);
  writeFileSync(headless, bytes);
  for (const path of [join(directory, 'go-stripped'), headless, build('go-pie', ['-buildmode=pie', '-ldflags=-s -w'])]) {
    const [finding] = find(path);
    t.deepEqual([finding?.library, finding?.sites.map(({ role }) => role)], ['go', ['write', 'read', 'client_handshake', 'close']], path);
    t.deepEqual(
      finding?.sites.map(({ skipped, params }) => [skipped, params]),
      named?.sites.map(({ skipped, params }) => [skipped, params]),
      'the same places in the functions',
    );
  }
  t.end();
});

test('programs without TLS: nothing, and strings alone are nothing', (t) => {
  if (noGcc) return skip(t, noGcc);
  t.deepEqual(find('/bin/ls'), []);
  const words = [
    '../ssl/ssl_lib.cc',
    'ssl/ssl_lib.c',
    'ssl_write_internal',
    'ssl_read_internal',
    'x/cipher/aead.c',
    '/ring-0.17.14/src/aead/algorithm.rs',
  ];
  const source = `const char *words[] = {${words.map((word) => JSON.stringify(word)).join(',')}, "/rustls-0.23.1/src/lib.rs", "\\xfa\\xff\\xff\\xff\\0\\0\\1\\10"}; int main(int n, char **v) { (void)v; return words[n & 7][0]; }`;
  const { stripped } = compileTwins(directory, 'words', source, LINKS.pie ?? []);
  for (const finding of find(stripped)) t.deepEqual(finding.sites, [], finding.library);
  t.end();
});

test('files that lie: cut short or changed anywhere, they are refused or searched, within bounds', (t) => {
  if (noGcc) return skip(t, noGcc);
  const { stripped } = compileTwins(directory, 'liar', boringSsl(), LINKS.pie ?? []);
  const original = readFileSync(stripped);
  const path = join(directory, 'changed');
  const survives = (bytes: Buffer): boolean => {
    writeFileSync(path, bytes);
    try {
      const findings = find(path);
      return findings.every(({ sites }) => sites.every(({ offset, address }) => offset < bytes.length && address >= 0));
    } catch (error) {
      return error instanceof NotElf;
    }
  };
  for (let length = 0; length < original.length; length += 397) if (!survives(original.subarray(0, length))) t.fail(`cut to ${length}`);
  const start = performance.now();
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.oneof(fc.nat(1024), fc.nat(original.length - 1)), fc.oneof(fc.nat(255), fc.constant(255))), {
        minLength: 1,
        maxLength: 8,
      }),
      (changes) => {
        const bytes = Buffer.from(original);
        for (const [at, value] of changes) bytes[at] = value;
        return survives(bytes);
      },
    ),
    { numRuns: 400 },
  );
  t.ok(performance.now() - start < 120_000, 'in bounded time');

  const crowd = Buffer.alloc(64 + 1024 * 56 + original.length);
  original.copy(crowd, 0, 0, 64);
  original.copy(crowd, 64 + 1024 * 56);
  crowd.writeBigUInt64LE(64n, 32);
  crowd.writeUInt16LE(0xffff, 56);
  for (let i = 0; i < 1024; i++) {
    const at = 64 + i * 56;
    crowd.writeUInt32LE(1, at);
    crowd.writeUInt32LE(i % 2 === 0 ? 5 : 4, at + 4);
    crowd.writeBigUInt64LE(0n, at + 8);
    crowd.writeBigUInt64LE(BigInt(i) << 20n, at + 16);
    crowd.writeBigUInt64LE(0x7fffffffffffffffn, at + 32);
  }
  const before = performance.now();
  t.ok(survives(crowd), 'a thousand segments over the same bytes');
  t.ok(performance.now() - before < 5000);
  t.end();
});
