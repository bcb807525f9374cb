/** The dynamic linker's cache, as glibc writes it, and one that lies. */
import fc from 'fast-check';
import test from 'tape';
import { librariesInCache } from '../../lib/runners/ld-cache.js';

/** A cache of these libraries; `before` is what stands in front of it, as an old-format part does. */
function cacheOf(libraries: readonly (readonly [string, string])[], before = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(48);
  header.write('glibc-ld.so.cache1.1');
  header.writeUInt32LE(libraries.length, 20);
  const entries = Buffer.alloc(libraries.length * 24);
  const strings: Buffer[] = [];
  let at = header.length + entries.length;
  const put = (text: string): number => {
    const bytes = Buffer.from(`${text}\0`);
    strings.push(bytes);
    at += bytes.length;
    return at - bytes.length;
  };
  libraries.forEach(([name, path], i) => {
    entries.writeUInt32LE(put(name), i * 24 + 4);
    entries.writeUInt32LE(put(path), i * 24 + 8);
  });
  return Buffer.concat([before, header, entries, ...strings]);
}

const LIBRARIES = [
  ['libssl.so.3', '/lib/x/libssl.so.3'],
  ['libssl3.so', '/lib/x/libssl3.so'],
  ['libz.so.1', '/lib/x/libz.so.1'],
  ['libssl.so.1.1', '/opt/y/libssl.so.1.1'],
] as const;

test('libraries are found by the beginning of their name', (t) => {
  t.deepEqual(librariesInCache(cacheOf(LIBRARIES), 'libssl.so'), ['/lib/x/libssl.so.3', '/opt/y/libssl.so.1.1']);
  t.deepEqual(
    librariesInCache(cacheOf(LIBRARIES, Buffer.from('ld.so-1.7.0\0....')), 'libz'),
    ['/lib/x/libz.so.1'],
    'behind an old-format part',
  );
  t.deepEqual(librariesInCache(Buffer.from('something else'), 'libssl.so'), []);
  t.end();
});

test('a damaged cache is read in bounds', (t) => {
  const original = cacheOf(LIBRARIES);
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: original.length - 4 }),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.integer({ min: 0, max: original.length }),
      (at, value, cut) => {
        const bytes = Buffer.from(original);
        bytes.writeUInt32LE(value >>> 0, at);
        return Array.isArray(librariesInCache(bytes.subarray(0, cut), 'libssl.so'));
      },
    ),
  );
  t.pass('never throws');
  t.end();
});
