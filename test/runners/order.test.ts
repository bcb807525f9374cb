/** Records of several CPUs come out in the order of their times, however they are cut into batches. */
import fc from 'fast-check';
import test from 'tape';
import { RecStamp } from '../../lib/bpf/records.gen.js';
import { TimeOrder } from '../../lib/runners/order.js';

const LENGTH = RecStamp.size + 4;

/** One record as the ring gives it: header, stamp, and its number. */
function record(n: number, ts: number, floor: number): Buffer {
  const bytes = Buffer.alloc(8 + ((LENGTH + 7) & ~7));
  bytes.writeUInt32LE(LENGTH, 0);
  bytes.writeBigUInt64LE(BigInt(ts), 8 + 8);
  bytes.writeBigUInt64LE(BigInt(floor), 8 + 16);
  bytes.writeUInt32LE(n, 8 + RecStamp.size);
  return bytes;
}

test('what is above the horizon waits for what may still come before it', (t) => {
  const given: number[] = [];
  const order = new TimeOrder((bytes, view, at, ts) => {
    t.equal(view.getUint32(at + RecStamp.size, true), bytes.readUInt32LE(at + RecStamp.size));
    given.push(ts);
  });
  // The ring holds more: a record that was reserved later may have an earlier time than 110, but not than its floor 100.
  order.batch(Buffer.concat([record(0, 90, 80), record(1, 110, 100)]), { now: () => 500, pending: () => 64 });
  t.deepEqual(given, [90]);
  t.equal(order.horizon, 100);
  order.batch(record(2, 105, 101), { now: () => 500, pending: () => 0 });
  t.deepEqual(given, [90, 105, 110]);
  t.equal(order.horizon, 500, 'the ring was empty at 500');
  order.empty(700);
  t.equal(order.horizon, 700);
  t.end();
});

/** CPUs that reserve places in one ring, and take their time some time after. */
const cpus = fc.array(
  fc.record({ gap: fc.integer({ min: 1, max: 20 }), before: fc.integer({ min: 0, max: 15 }), after: fc.integer({ min: 0, max: 40 }) }),
  {
    minLength: 1,
    maxLength: 60,
  },
);

test('the order is that of the times for any interleaving and any batches', (t) => {
  fc.assert(
    fc.property(cpus, fc.array(fc.integer({ min: 1, max: 7 })), (records, cuts) => {
      let reserve = 100;
      const all = records.map(({ gap, before, after }, n) => {
        reserve += gap;
        return { n, reserve, floor: reserve - before, ts: reserve + after };
      });
      const given: number[] = [];
      const numbers: number[] = [];
      const order = new TimeOrder((_bytes, view, at, ts) => {
        given.push(ts);
        numbers.push(view.getUint32(at + RecStamp.size, true));
      });
      let at = 0;
      for (let turn = 0; at < all.length; turn++) {
        const some = all.slice(at, at + (cuts[turn] ?? 3));
        at += some.length;
        // A record is only drained when it is committed, which is after its time.
        const clock = Math.max(...all.slice(0, at).map((one) => one.ts)) + 1;
        const unseen = all.slice(at).filter((one) => one.reserve < clock);
        const before = order.horizon;
        order.batch(Buffer.concat(some.map((one) => record(one.n, one.ts, one.floor))), {
          now: () => clock,
          pending: () => unseen.length * 64,
        });
        if (order.horizon < before) return false;
        // Nothing that is still to come may be below the horizon.
        if (all.slice(at).some((one) => one.ts < order.horizon)) return false;
      }
      order.empty(1e9);
      const sorted = [...given].sort((a, b) => a - b);
      return given.length === all.length && new Set(numbers).size === all.length && given.every((ts, i) => ts === sorted[i]);
    }),
    { numRuns: 2000 },
  );
  t.pass('2000 interleavings');
  t.end();
});

test('several rings are one order: what one may still bring holds up the others, and an empty one does not', (t) => {
  const given: [number, number][] = [];
  const handler =
    (ring: number) =>
    (_bytes: Buffer, _view: DataView, _at: number, ts: number): void => {
      given.push([ring, ts]);
    };
  const order = new TimeOrder(handler(0), handler(1), handler(2));
  const pending = [0, 64, 0];
  const clock = { now: () => 500, pending: (ring: number) => pending[ring] as number };
  order.batch(Buffer.concat([record(0, 90, 80), record(1, 110, 100)]), clock, 0);
  t.deepEqual(given, [], 'the second ring has something that may be earlier');
  pending[1] = 0;
  order.batch(record(2, 100, 95), clock, 1);
  t.deepEqual(
    given,
    [
      [0, 90],
      [1, 100],
      [0, 110],
    ],
    'each with the handler of its ring',
  );
  order.batch(record(3, 120, 115), { now: () => 510, pending: () => 0 }, 2);
  t.deepEqual(given.at(-1), [2, 120], 'the others are empty, so it is given at once');
  pending[0] = 8;
  order.batch(record(4, 700, 600), { now: () => 800, pending: (ring) => pending[ring] as number }, 1);
  t.equal(order.horizon, 510, 'up to there all are through');
  pending[0] = 0;
  order.look({ now: () => 800, pending: (ring) => pending[ring] as number });
  t.deepEqual(given.at(-1), [1, 700], 'a look at the rings is enough');
  t.end();
});
