/** The BTF reader: right on real objects and on this kernel, and never anything but a clear error on damaged ones. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import test from 'tape';
import { type Btf, BtfError, elfSection, objectBtf, parseBtf } from '../../lib/elf/btf.js';
import { root } from '../support/paths.js';
import { skip } from '../support/skip.js';

const object = readFileSync(join(root, 'dist/test/bpf/loader.bpf.o'));

function struct(btf: Btf, name: string) {
  const type = btf.types.find((candidate) => candidate.kind === 'struct' && candidate.name === name);
  if (type?.kind !== 'struct') throw new Error(`no struct ${name}`);
  return type;
}

test('a struct of an object: names, places, sizes', (t) => {
  const btf = objectBtf(object);
  const call = struct(btf, 'rec_call');
  const places = Object.fromEntries(call.members.map((member) => [member.name, member.bitOffset / 8]));
  t.same(places, {
    pid: 0,
    signed_number: 4,
    number: 8,
    cookie: 16,
    comm: 24,
    raw: 40,
    list: 44,
    inner: 56,
    wide: 64,
    yes: 80,
    at_return: 81,
    pad1: 82,
    data: 88,
  });
  t.equal(call.size, 88);
  t.same(
    call.members.map((member) => btf.size(member.type)),
    [4, 4, 8, 8, 16, 4, 12, 8, 16, 1, 1, 6, 0],
  );
  t.end();
});

test('an enum, negative values too', (t) => {
  const kind = objectBtf(object).types.find((type) => type.kind === 'enum' && type.name === 'rec_kind');
  t.equal(kind?.kind, 'enum');
  if (kind?.kind !== 'enum') return t.end();
  t.same(
    kind.values.map(({ name, value }) => [name, BigInt.asIntN(32, value)]),
    [
      ['REC_CALL', 1n],
      ['REC_EXECUTED', 2n],
      ['REC_NEGATIVE', -3n],
    ],
  );
  t.end();
});

test('global variables stand in their sections', (t) => {
  const btf = objectBtf(object);
  const section = (name: string) => {
    const found = btf.types.find((type) => type.kind === 'datasec' && type.name === name);
    return found?.kind === 'datasec' ? found.variables.map(({ type }) => (btf.type(type) as { name: string }).name) : [];
  };
  t.ok(section('.bss').includes('ring_wanted'));
  t.ok(section('.rodata').includes('only_pid'));
  t.end();
});

test('the kernel’s own types are read whole', (t) => {
  if (!existsSync('/sys/kernel/btf/vmlinux')) return skip(t, 'this kernel has no BTF, or /sys is not mounted here');
  const btf = parseBtf(readFileSync('/sys/kernel/btf/vmlinux'));
  t.ok(btf.types.length > 10000, `${btf.types.length} types`);
  const task = struct(btf, 'task_struct');
  const pid = task.members.find((member) => member.name === 'pid');
  t.ok(pid && btf.size(pid.type) === 4);
  for (const type of btf.types) if (type.kind === 'struct') for (const member of type.members) btf.type(member.type);
  t.end();
});

test('sections', (t) => {
  t.equal(elfSection(object, '.nonesuch'), undefined);
  t.equal(elfSection(object, 'license')?.length, 'Dual MIT/GPL'.length + 1);
  t.throws(() => elfSection(Buffer.from('#!/bin/sh\n'.repeat(20)), '.BTF'), BtfError);
  t.throws(() => objectBtf(readFileSync(process.execPath).subarray(0, 5000)), BtfError);
  t.throws(() => parseBtf(Buffer.alloc(0)), BtfError);
  t.throws(() => parseBtf(Buffer.from([0xeb, 0x9f, 1, 0])), /big-endian/);
  t.end();
});

/** Reads everything there is to read. Anything but a BtfError is a fault. */
function survives(bytes: Uint8Array): boolean {
  try {
    const btf = objectBtf(bytes);
    for (const type of btf.types) {
      try {
        btf.resolve(type.id);
        btf.size(type.id);
      } catch (error) {
        if (!(error instanceof BtfError)) throw error;
      }
    }
  } catch (error) {
    if (!(error instanceof BtfError)) throw error;
  }
  return true;
}

test('damaged files: bytes changed, cut, moved', (t) => {
  const place = fc.integer({ min: 0, max: object.length - 1 });
  const section = elfSection(object, '.BTF') as Buffer;
  const start = section.byteOffset - object.byteOffset;
  const inBtf = fc.integer({ min: start, max: start + section.length - 1 });
  const header = fc.integer({ min: 0, max: 63 });
  const change = fc.record({ at: fc.oneof(place, inBtf, header), value: fc.oneof(fc.constantFrom(0, 1, 0x7f, 0x80, 0xff), fc.nat(255)) });
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 12 }), fc.option(place), (changes, cut) => {
      const bytes = Buffer.from(object);
      for (const { at, value } of changes) bytes[at] = value;
      return survives(cut === null ? bytes : bytes.subarray(0, cut));
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(inBtf, fc.nat(0xffffffff), (at, value) => {
      const bytes = Buffer.from(object);
      if (at + 4 <= bytes.length) bytes.writeUInt32LE(value >>> 0, at);
      return survives(bytes);
    }),
    { numRuns: 3000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => survives(bytes)),
    { numRuns: 500 },
  );
  t.pass('6500 damaged files');
  t.end();
});

/** BTF with the given types (already encoded) and strings. */
function craft(types: number[], strings = '\0'): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt16LE(0xeb9f);
  head[2] = 1;
  head.writeUInt32LE(24, 4);
  head.writeUInt32LE(types.length * 4, 12);
  head.writeUInt32LE(types.length * 4, 16);
  head.writeUInt32LE(strings.length, 20);
  return Buffer.concat([head, Buffer.from(new Uint32Array(types).buffer), Buffer.from(strings, 'latin1')]);
}

test('types that refer to themselves or to nothing', (t) => {
  const TYPEDEF = 8 << 24;
  const ARRAY = 3 << 24;
  const loop = parseBtf(craft([0, TYPEDEF, 2, 0, TYPEDEF, 1]));
  t.throws(() => loop.resolve(1), /refers to itself/);
  t.throws(() => loop.size(1), /refers to itself/);
  const arrays = parseBtf(craft([0, ARRAY, 0, 1, 1, 5]));
  t.throws(() => arrays.size(1), /refers to itself/);
  t.throws(() => parseBtf(craft([0, TYPEDEF, 99])).size(1), /does not exist/);
  t.throws(() => parseBtf(craft([0, 31 << 24, 0])), /unknown kind 31/);
  t.throws(() => parseBtf(craft([0, (4 << 24) | 0xffff, 8])), /truncated/);
  t.throws(() => parseBtf(craft([77, TYPEDEF, 0])), /outside of the strings/);
  t.throws(() => parseBtf(craft([1, TYPEDEF, 0], '\0unfinished')), /no end/);
  t.end();
});
