/** Kept answers: believed only where they are ours, whole, and about this very file. */
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { ElfImage } from '../../lib/elf/image.js';
import { findTlsCached } from '../../lib/elf/tls-cache.js';
import { opensslFile } from '../support/openssl-file.js';

const KERNEL = { major: 6, minor: 1 };
const directory = mkdtempSync(join(tmpdir(), 'tracer-cache-'));
test.onFinish(() => rmSync(directory, { recursive: true }));

/** Large enough to be kept, and long unchanged. */
const file = opensslFile(directory);

function ask(cache: string, path: string = file) {
  const image = ElfImage.open(path);
  try {
    return findTlsCached(image, KERNEL, cache);
  } finally {
    image.close();
  }
}

test('cache: the second answer is the first, from a private file in a private directory', (t) => {
  const cache = join(directory, 'a');
  const first = ask(cache);
  const second = ask(cache);
  t.deepEqual([first.fromCache, second.fromCache], [false, true]);
  t.deepEqual(second.findings, first.findings);
  const names = readdirSync(cache);
  t.equal(names.length, 1, 'nothing is left over');
  t.deepEqual([lstatSync(cache).mode & 0o777, lstatSync(join(cache, names[0] ?? '')).mode & 0o777], [0o700, 0o600]);
  t.end();
});

test('cache: an entry that is not whole, not ours or not about this file is not believed', (t) => {
  const cache = join(directory, 'b');
  const truth = ask(cache).findings;
  const path = join(cache, readdirSync(cache)[0] ?? '');
  const good = readFileSync(path, 'utf8');
  const bad: Record<string, string> = {
    empty: '',
    'no JSON': good.slice(0, -1),
    null: 'null',
    'another file': good.replace(/file \d+:/, 'file 1:'),
    'another kind of library': good.replace('"openssl"', '"constructor"'),
    'a place outside of the code': good.replace(/"address":\d+/, '"address":8'),
    'an offset that is not that of the address': good.replace(/"offset":\d+/, '"offset":4096'),
    'a field too many': good.replace('"foundBy"', '"x":1,"foundBy"'),
    'a refused probe': good.replace('"cost":"emulated"', '"cost":"refused"'),
    'too long': good.replace('"evidence":[', `"evidence":["${'x'.repeat(300_000)}",`),
  };
  for (const [name, text] of Object.entries(bad)) {
    t.notEqual(text, good, `${name}: is another text`);
    writeFileSync(path, text);
    chmodSync(path, 0o600);
    t.deepEqual(ask(cache), { findings: truth, fromCache: false }, name);
    t.equal(readFileSync(path, 'utf8'), good, `${name}: put right`);
  }
  chmodSync(path, 0o666);
  t.equal(ask(cache).fromCache, false, 'anybody may have written it');
  const elsewhere = join(directory, 'elsewhere');
  renameSync(path, elsewhere);
  symlinkSync(elsewhere, path);
  t.equal(ask(cache).fromCache, false, 'a link');
  t.ok(lstatSync(path).isFile(), 'is replaced');
  t.end();
});

test('cache: a directory that others may write, or a link to one, is left alone', (t) => {
  const open = mkdtempSync(join(directory, 'open-'));
  chmodSync(open, 0o777);
  t.equal(ask(open).fromCache, false);
  const link = join(directory, 'link');
  symlinkSync(mkdtempSync(join(directory, 'own-')), link);
  t.equal(ask(link).fromCache, false);
  t.equal(ask('/proc/nowhere').fromCache, false);
  t.deepEqual([readdirSync(open), readdirSync(link)], [[], []]);
  t.end();
});

test('cache: a small file, and one that was just changed, are searched each time', (t) => {
  const cache = join(directory, 'c');
  const fresh = join(directory, 'fresh');
  writeFileSync(fresh, readFileSync(file).subarray(0, 64));
  truncateSync(fresh, 8 * 1024 * 1024);
  // The time that a file says of itself does not matter, only the kernel's.
  utimesSync(fresh, 1, 1);
  ask(cache, fresh);
  ask(cache, '/bin/ls');
  t.notOk(existsSync(cache), 'nothing was kept');
  t.end();
});
