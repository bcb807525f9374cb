/** The checker that all live tests lean on must itself notice each kind of fault. */
import { createHash } from 'node:crypto';
import test from 'tape';
import type { TracerEvent } from '../../lib/stream/event.js';
import { compare, readSessions } from './sessions.js';
import type { SessionTruth } from './truth.js';

type Loose = { id: string; timestamp: number; source: string; event_type: string; data: Record<string, unknown> };

const who = { pid: 7, tid: 7, start_us: 100 };
const conn = '7.100.1';

function event(n: number, source: string, event_type: string, data: Record<string, unknown>): Loose {
  return { id: `abcdefghij-${n}`, timestamp: 1000 + n, source, event_type, data };
}

function sslData(n: number, direction: string, offset: number, text: string, more: Record<string, unknown> = {}): Loose {
  const sizes = { total_bytes: text.length, captured_bytes: text.length };
  return event(n, 'ssl', 'ssl_data', { ...who, conn, direction, offset, ...sizes, ...more, payload: text });
}

/** A run without a fault. */
function good(): Loose[] {
  return [
    event(1, 'meta', 'sensor_start', { clock_offset_us: 5 }),
    event(2, 'process', 'process_info', { ...who, args: ['x'], origin: 'snapshot' }),
    event(3, 'ssl', 'ssl_open', { ...who, conn, library: 'openssl', from_start: true }),
    sslData(4, 'write', 0, 'hello ', { call: 1, call_bytes: 11 }),
    sslData(5, 'write', 6, 'world', { call: 1, call_bytes: 11 }),
    sslData(6, 'read', 0, 'yes', { call: 2, call_bytes: 3 }),
    event(7, 'ssl', 'ssl_close', { ...who, conn, reason: 'free', read_bytes: 3, write_bytes: 11, duration_ms: 1 }),
    event(8, 'meta', 'sensor_end', { sensor: 'ssl', reason: 'x', seen: 3, emitted: 3, lost: {}, duration_ms: 1 }),
  ];
}

const sha = (text: string) => createHash('sha256').update(text).digest('hex');
const truth: SessionTruth = {
  conn: 'c',
  pid: 7,
  read: { bytes: 3, sha256: sha('yes') },
  write: { bytes: 11, sha256: sha('hello world') },
};

function problems(events: Loose[], truths = [truth]): string[] {
  const reading = readSessions(events as unknown as TracerEvent[]);
  return [...reading.problems, ...compare(reading, truths)];
}

/** The good run with one thing changed. */
function spoilt(change: (events: Loose[]) => void): string {
  const events = good();
  change(events);
  return problems(events).join('\n');
}

const set = (n: number, fields: Record<string, unknown>) => (events: Loose[]) => {
  const e = events[n - 1];
  if (e) e.data = { ...e.data, ...fields };
};

test('a run without fault has none', (t) => {
  t.same(problems(good()), []);
  t.end();
});

test('each kind of fault is noticed', (t) => {
  const drop = (n: number) => (events: Loose[]) => events.splice(n - 1, 1);
  t.match(spoilt(drop(5)), /is event 5 of/, 'a hole in the ids');
  t.match(spoilt(drop(2)), /before its process_info/, 'no process_info');
  t.match(spoilt(drop(3)), /before its ssl_open/, 'no ssl_open');
  t.match(spoilt(drop(8)), /the last event is ssl_close/, 'no sensor_end');
  t.match(spoilt(drop(1)), /the first event is process_info/, 'no sensor_start');
  t.match(spoilt(drop(5)), /9 bytes came .* ssl_close says/, 'bytes missing at the end of a session');
  t.match(spoilt(drop(5)), /is not among the events/, 'bytes missing against the workload');
  t.match(
    spoilt((e) => {
      if (e[4]) e[4].timestamp = 900;
    }),
    /before the event ahead/,
    'time going back',
  );
  t.match(
    spoilt((e) => {
      const { data = {}, ...rest } = e[4] ?? {};
      e[4] = { data, ...rest } as Loose;
    }),
    /order of fields/,
    'order of fields',
  );
  t.match(spoilt(set(5, { offset: 4 })), /bytes were there already/, 'overlap');
  t.match(spoilt(set(5, { captured_bytes: 9 })), /captured_bytes 9/, 'wrong captured_bytes');
  t.match(spoilt(set(5, { payload: undefined, payload_b64: Buffer.from('world').toString('base64') })), /wrong form/, 'text as base64');
  t.match(spoilt(set(5, { payload_b64: 'eA==' })), /not exactly one payload/, 'two payloads');
  t.match(spoilt(set(5, { call_bytes: 6 })), /call 1 of/, 'more bytes than the call had');
  t.match(spoilt(set(5, { payload: 'wurld' })), /is not among the events[\s\S]*is nobody's/, 'another byte');
  t.match(spoilt(set(5, { pid: 8 })), /is used by 8 and by 7/, 'a session with two processes');
  t.match(spoilt(set(7, { write_bytes: 12 })), /ssl_close says/, 'a wrong sum at the end of a session');
  t.match(spoilt(set(8, { seen: 4 })), /seen 4, but emitted 3/, 'seen does not add up');
  t.match(spoilt(set(8, { seen: 4, emitted: 4 })), /emitted 4, but 3 ssl_data/, 'emitted is not what is there');
  t.match(spoilt(set(8, { seen: 5, lost: { ring: 2 } })), /loss events state \{\}/, 'a loss that was not said');
  t.match(problems(good(), []).join(), /is nobody's/, 'a session that nobody had');
  t.match(problems(good(), [truth, { ...truth, conn: 'd' }]).join(), /d of 7/, 'a session twice in truth and once in events');
  t.end();
});

test('a gap is kept apart from what came', (t) => {
  const events = good();
  set(5, { offset: 16 })(events);
  const session = readSessions(events as unknown as TracerEvent[]).sessions.get(conn);
  t.same(session?.write.gaps, [{ offset: 6, bytes: 10 }]);
  t.equal(session?.write.captured, 11);
  t.equal(session?.write.missing(), 10);
  t.end();
});
