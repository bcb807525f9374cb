/** A damaged BPF object is an error with a next step, however it is damaged; libbpf never gets to see it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import test from 'tape';
import { BpfError, BpfObject } from '../../lib/bpf/index.js';
import { objectPath, scratch } from './target.js';

const whole = readFileSync(objectPath);
const path = join(scratch(), 'object.bpf.o');

/** What opening these bytes says; undefined when it opens. */
function refusal(bytes: Uint8Array): BpfError | undefined {
  writeFileSync(path, bytes);
  try {
    BpfObject.open(path).close();
    return undefined;
  } catch (error) {
    if (error instanceof BpfError) return error;
    throw error;
  }
}

test('a whole object opens', (t) => {
  t.equal(refusal(whole), undefined);
  t.end();
});

test('changed, cut, lengthened, replaced: damaged, and what to do', (t) => {
  const place = fc.integer({ min: 0, max: whole.length - 1 });
  fc.assert(
    fc.property(place, fc.integer({ min: 1, max: 255 }), (at, flip) => {
      const bytes = Buffer.from(whole);
      bytes[at] = (bytes[at] ?? 0) ^ flip;
      return /damaged/.test(refusal(bytes)?.message ?? '');
    }),
    { numRuns: 300 },
  );
  fc.assert(
    fc.property(place, (length) => /damaged/.test(refusal(whole.subarray(0, length))?.message ?? '')),
    { numRuns: 100 },
  );
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.concat([whole, Buffer.from('\n')]),
    Buffer.from('garbage\n'.repeat(100)),
    readFileSync('/bin/sh'),
  ]) {
    const error = refusal(bytes);
    t.match(error?.message ?? '', /object\.bpf\.o: the file is damaged/);
    t.match(error?.next ?? '', /Install the package anew/);
  }
  t.end();
});

test('no such file', (t) => {
  t.throws(
    () => BpfObject.open(join(scratch(), 'nothing')),
    (error: unknown) => error instanceof BpfError && error.errno === 'ENOENT' && /scripts\/build/.test(error.next ?? ''),
  );
  t.end();
});
