/** The addon's lines of file_open are, byte for byte, those that are made as events. */
import fc from 'fast-check';
import test from 'tape';
import { FileOperation, PathFact, RecFile, RecType } from '../../../lib/bpf/records.gen.js';
import { Emitter } from '../../../lib/runners/emitter.js';
import { ProcessEvents } from '../../../lib/runners/procmon/events.js';

const { places } = RecFile;

interface Open {
  base: Buffer;
  name: Buffer;
  flags: number;
  mode: number;
  result: number;
  facts: number;
  inode: bigint;
  device: number;
}

/** A batch of the ring with these records in it. */
function batchOf(opens: readonly Open[]): Buffer {
  return Buffer.concat(
    opens.map(({ base, name, flags, mode, result, facts, inode, device }, n) => {
      const text = Buffer.concat([base, name]);
      const length = RecFile.size + text.length;
      const bytes = Buffer.alloc(8 + ((length + 7) & ~7));
      bytes.writeUInt32LE(length, 0);
      const record = bytes.subarray(8);
      record.writeUInt16LE(RecType.REC_FILE, places.type);
      record.writeUInt32LE(text.length, places.len);
      record.writeBigUInt64LE(BigInt(5_000_000_000 + n * 1_234_567), places.ts);
      record.writeUInt32LE(77 + (n % 3), places.pid);
      record.writeUInt32LE(77 + (n % 3), places.tid);
      record.writeBigUInt64LE(4_000_000_000n, places.start_ns);
      record.write(n % 3 === 2 ? 'q"\\\u0001ü' : 'agent', places.comm);
      record.write(n % 3 === 2 ? 'q"\\\u0001ü' : 'agent', places.thread);
      record.writeBigUInt64LE(inode, places.inode);
      record.writeUInt32LE(device, places.device);
      record.writeUInt32LE(7, places.generation);
      record.writeInt32LE(result, places.result);
      record.writeUInt32LE(flags, places.open_flags);
      record.writeUInt32LE(mode, places.mode);
      record.writeUInt16LE(FileOperation.FILE_OPEN, places.operation);
      record.writeUInt16LE(facts, places.facts);
      record.writeUInt16LE(base.length, places.base_len);
      record.writeUInt16LE(name.length, places.name_len);
      text.copy(record, places.text);
      return bytes;
    }),
  );
}

/** What comes out: as lines by the addon, or as events. */
function told(batch: Buffer, prefersLines: boolean): string {
  let out = '';
  const emitter = new Emitter({ queueBytes: 1e9, clockOffsetUs: 1_795_000_000_000_000 });
  Object.defineProperty(emitter, 'stream', { value: 'streamstre' });
  emitter.open({
    prefersLines,
    push: (event) => {
      out += `${JSON.stringify(event)}\n`;
    },
    pushLines: (lines) => {
      out += lines.toString('utf8');
    },
    queuedBytes: () => 0,
    drained: () => Promise.resolve(),
  });
  const events = new ProcessEvents(emitter, { envNames: new Set(), minDurationNs: 0, dedup: false });
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  for (let at = 0; at < batch.length; at += 8 + ((view.getUint32(at, true) + 7) & ~7)) {
    const ts = Number(batch.readBigUInt64LE(at + 8 + places.ts));
    events.record(batch, view, at + 8, ts);
  }
  emitter.flush();
  return out;
}

const piece = fc.oneof(
  { weight: 6, arbitrary: fc.stringMatching(/^[a-z.]{1,12}$/).map((text) => Buffer.from(text)) },
  {
    weight: 2,
    arbitrary: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 9 }).map((text) => Buffer.from(text.replace(/[/\0]/g, '_'))),
  },
  { weight: 1, arbitrary: fc.constantFrom(Buffer.from([0xff, 0x41]), Buffer.from('"\\\n\u001f'), Buffer.from('..'), Buffer.from('.')) },
);
const path = fc
  .array(piece, { maxLength: 6 })
  .map((pieces) => Buffer.from(pieces.map((one) => `/${one.toString('latin1')}`).join(''), 'latin1'));
const open: fc.Arbitrary<Open> = fc.record({
  base: path,
  name: fc.oneof(
    fc.constant(Buffer.alloc(0)),
    path,
    path.map((bytes) => bytes.subarray(1)),
    path.map((bytes) => Buffer.concat([bytes, Buffer.from('/')])),
  ),
  flags: fc.constantFrom(0, 1, 2, 0o100, 0o101, 0o2000000, 0o10000000, 0o20200000, 0o1102, 0xffffffff),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  result: fc.constantFrom(3, 0, -2, -13, -999),
  facts: fc.constantFrom(0, PathFact.HAS_FILE, PathFact.HAS_FILE | PathFact.FILE_CREATED, PathFact.PATH_CUT),
  inode: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  device: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
});
/** The kernel's own facts: a file, when it was opened; an error, when not. */
const consistent = open.map((one): Open => {
  if (one.result < 0) return { ...one, facts: one.facts & PathFact.PATH_CUT };
  return { ...one, name: one.facts & PathFact.PATH_CUT ? one.name : Buffer.alloc(0) };
});

test('file_open: lines of the addon are those of JSON.stringify, whatever the path', (t) => {
  let files = 0;
  fc.assert(
    fc.property(fc.array(consistent, { minLength: 1, maxLength: 12 }), (opens) => {
      const batch = batchOf(opens);
      const lines = told(batch, true);
      files += opens.length;
      if (lines !== told(batch, false)) {
        t.equal(lines, told(batch, false));
        return false;
      }
      return true;
    }),
    { numRuns: 1500 },
  );
  t.pass(`${files} opens`);
  t.end();
});

test('file_open: a path as long as they come, and more of them than fit at once', (t) => {
  const long = Buffer.from(`/${'x"'.repeat(4000)}`);
  const one = { name: Buffer.alloc(0), flags: 0, mode: 0, result: 3, facts: PathFact.HAS_FILE, inode: 1n, device: 0x100002 };
  const batch = batchOf(Array.from({ length: 300 }, () => ({ ...one, base: long })));
  t.equal(told(batch, true), told(batch, false));
  const many = batchOf(Array.from({ length: 9000 }, (_, n) => ({ ...one, base: Buffer.from(`/f${n}`), flags: n, inode: BigInt(n) })));
  t.equal(told(many, true), told(many, false), 'more kinds of flags than are kept');
  t.end();
});
