/** The decoder generator: the class that it writes reads what the C struct holds. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import ts from 'typescript';
import { type Btf, objectBtf } from '../../lib/elf/btf.js';
import { generate } from '../../scripts/decoders.js';
import { objectPath, scratch } from '../bpf/target.js';

const btf = objectBtf(readFileSync(objectPath));
const text = generate([{ path: 'loader.bpf.o', btf }]);

/** The generated module, compiled as the build compiles it. */
async function load(source: string) {
  const js = ts.transpileModule(source, { compilerOptions: { module: ts.ModuleKind.ES2022, target: ts.ScriptTarget.ES2022 } });
  const path = join(scratch(), `records-${Math.random()}.mjs`);
  writeFileSync(path, js.outputText);
  return import(path);
}

/** A `struct rec_call` as the compiler lays it out, at an odd place of a larger buffer. */
function sample(at: number): Buffer {
  const bytes = Buffer.alloc(at + 88 + 8, 0xee);
  const put = bytes.subarray(at);
  put.writeUInt32LE(4_000_000_000, 0);
  put.writeInt32LE(-5, 4);
  put.writeBigUInt64LE(2n ** 53n + 1n, 8);
  put.writeBigUInt64LE(2n ** 64n - 1n, 16);
  put.write('curl\0left over  ', 24, 'latin1');
  put.set([1, 2, 3, 4], 40);
  put.writeUInt32LE(10, 44);
  put.writeUInt32LE(20, 48);
  put.writeUInt32LE(30, 52);
  put.writeUInt16LE(65535, 56);
  put.writeInt16LE(-2, 58);
  put.writeBigUInt64LE(7n, 64);
  put.writeBigUInt64LE(0x123456789abcdef0n, 72);
  put.set([1, 0], 80);
  put.write('the data', 88, 'latin1');
  return bytes;
}

test('every field kind, read at any place', async (t) => {
  const { RecCall } = await load(text);
  for (const at of [0, 8, 13]) {
    const bytes = sample(at);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const call = new RecCall().at(bytes, view, at);
    t.equal(RecCall.size, 88);
    t.equal(call.pid, 4_000_000_000);
    t.equal(call.signed_number, -5);
    t.equal(call.number_exact, 2n ** 53n + 1n);
    t.equal(call.cookie_exact, 2n ** 64n - 1n);
    t.equal(call.comm.toString('latin1'), 'curl');
    t.same([...call.raw], [1, 2, 3, 4]);
    t.same(
      [0, 1, 2].map((i) => call.list(i)),
      [10, 20, 30],
    );
    t.equal(call.inner_small, 65535);
    t.equal(call.inner_signed_small, -2);
    t.equal(call.wide(0), 7);
    t.equal(call.wide_exact(1), 0x123456789abcdef0n);
    t.equal(call.yes, true);
    t.equal(call.at_return, 0);
    t.equal(call.data(8).toString('latin1'), 'the data');
    t.throws(() => call.at(bytes, view, at + 9), RangeError, 'cut off');
    t.throws(() => call.at(bytes, view, -1), RangeError);
  }
});

test('a name without NUL has its full length', async (t) => {
  const { RecCall } = await load(text);
  const bytes = sample(0);
  bytes.write('0123456789abcdef', 24, 'latin1');
  t.equal(
    new RecCall().at(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0).comm.toString('latin1'),
    '0123456789abcdef',
  );
});

test('enums are objects by name', async (t) => {
  const { RecKind } = await load(text);
  t.equal(RecKind.REC_EXECUTED, 2);
  t.end();
});

test('the same records in two objects are written once; records that differ are an error', (t) => {
  t.equal(
    generate([
      { path: 'a', btf },
      { path: 'b', btf },
    ]),
    text,
  );
  const types = structuredClone(btf.types) as Btf['types'][number][];
  for (const type of types)
    if (type.kind === 'struct' && type.name === 'rec_call')
      for (const member of type.members) if (member.name === 'cookie') member.name = 'biscuit';
  const changed = Object.assign(Object.create(Object.getPrototypeOf(btf)), { types });
  t.throws(
    () =>
      generate([
        { path: 'a', btf },
        { path: 'b', btf: changed },
      ]),
    /rec_call differs between a and b/,
  );
  t.end();
});

test('a bit field is refused: its place is not portable', (t) => {
  const types = structuredClone(btf.types) as Btf['types'][number][];
  for (const type of types)
    if (type.kind === 'struct' && type.name === 'rec_call') for (const member of type.members) if (member.name === 'pid') member.bits = 3;
  const changed = Object.assign(Object.create(Object.getPrototypeOf(btf)), { types });
  t.throws(() => generate([{ path: 'a', btf: changed }]), /no bit fields/);
  t.end();
});
