/** Records of sockets into events: printed or as objects they are the same; and who says what when processes come and go. */
import test from 'tape';
import { RecHead, RecNet, RecType } from '../../../lib/bpf/records.gen.js';
import { Emitter } from '../../../lib/runners/emitter.js';
import { NetEvents } from '../../../lib/runners/netmon/events.js';
import { Batch } from '../../../lib/stream/batch.js';
import { LineWriter } from '../../../lib/stream/line-writer.js';
import type { Outlet } from '../../../lib/stream/source.js';
import { assertValid } from '../../support/validate.js';

interface Facts {
  type: number;
  pid?: number;
  comm?: string;
  family?: number;
  protocol?: number;
  error?: number;
  established?: number;
  peer?: Buffer;
  data?: Buffer;
  ts?: number;
}

/** An event, its fields by name. */
interface Line {
  id: string;
  event_type: string;
  data: Record<string, unknown>;
}

/** No process has this number. */
const PID = 2 ** 22 + 5;

function record({
  type,
  pid = PID,
  comm = 'agent',
  family = 2,
  protocol = 6,
  error = 0,
  established = 2e9,
  peer,
  data,
  ts = 3e9,
}: Facts): Buffer {
  const at = RecNet.places;
  const bytes = Buffer.alloc(RecNet.size + (data?.length ?? 0));
  bytes.writeUInt16LE(type, at.type);
  bytes.writeUInt32LE(data?.length ?? 0, at.len);
  bytes.writeBigUInt64LE(BigInt(ts), at.ts);
  for (const field of [at.pid, at.tid, at.ns_pid]) bytes.writeUInt32LE(pid, field);
  bytes.writeBigUInt64LE(1_000_000n, at.start_ns);
  bytes.write(comm, at.comm);
  bytes.write(comm, at.thread);
  bytes.writeBigUInt64LE(77n, at.cookie);
  bytes.writeBigUInt64LE(5n, at.inode);
  bytes.writeBigUInt64LE(1_000_123_000n, at.began);
  bytes.writeBigUInt64LE(BigInt(established), at.established);
  bytes.writeBigUInt64LE(BigInt(established + 1_500_000), at.first);
  bytes.writeBigUInt64LE(123n, at.tx);
  bytes.writeInt32LE(error, at.error);
  bytes.writeUInt32LE(data?.length ?? 0, at.full);
  bytes.writeUInt16LE(family, at.family);
  bytes.writeUInt16LE(protocol, at.protocol);
  bytes.writeUInt16LE(1, at.kind);
  bytes.writeUInt16LE(4321, at.local_port);
  bytes.writeUInt16LE(443, at.peer_port);
  (peer ?? Buffer.of(192, 0, 2, 1)).copy(bytes, at.peer);
  data?.copy(bytes, RecNet.size);
  return bytes;
}

function exit(pid: number): Buffer {
  const bytes = record({ type: RecType.REC_EXIT, pid });
  return bytes.subarray(0, Math.max(RecHead.size + 16, RecNet.size));
}

/** What comes of these records: as lines, or as objects. */
function eventsOf(records: readonly Buffer[], lines: boolean): Line[] {
  const events: Line[] = [];
  const batch = new Batch();
  const writer = new LineWriter(batch);
  const printed = (): void => {
    for (const line of Buffer.concat(batch.take()).toString().split('\n')) if (line !== '') events.push(JSON.parse(line) as Line);
  };
  const outlet: Outlet = {
    push: (event) => {
      printed();
      events.push(JSON.parse(JSON.stringify(event)) as Line);
    },
    pushLines() {},
    beginLine: (most) => (writer.begin(most) ? writer : undefined),
    prefersLines: lines,
    queuedBytes: () => 0,
    drained: () => Promise.resolve(),
  };
  const emitter = new Emitter({ queueBytes: 1e6, clockOffsetUs: 1_764_000_000_000_000 });
  emitter.open(outlet);
  const net = new NetEvents(emitter);
  for (const bytes of records)
    net.record(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.length), 0, Number(bytes.readBigUInt64LE(8)));
  printed();
  return events.map((event) => ({ ...event, id: event.id.replace(/^.*-/, 'aaaaaaaaaa-') }));
}

const mapped = Buffer.from('00000000000000000000ffffc0000201', 'hex');
const { REC_NET_CONNECT, REC_NET_ACCEPT, REC_NET_LISTEN, REC_NET_CLOSE } = RecType;
const ALL = [
  record({ type: REC_NET_CONNECT }),
  record({ type: REC_NET_CONNECT, error: 111 }),
  record({ type: REC_NET_CONNECT, established: 0, comm: 'quote"\\' }),
  record({ type: REC_NET_CONNECT, family: 10, peer: mapped }),
  record({ type: REC_NET_CONNECT, family: 10, peer: Buffer.alloc(16, 1), protocol: 17 }),
  record({ type: REC_NET_CONNECT, family: 1, data: Buffer.from('\x01\0/run/"quoted"\0rest', 'latin1') }),
  record({ type: REC_NET_CONNECT, family: 1, data: Buffer.from('\x01\0\0abs\0tract', 'latin1') }),
  record({ type: REC_NET_CONNECT, family: 1, data: Buffer.from('\x01\0/\xff', 'latin1') }),
  record({ type: REC_NET_ACCEPT, family: 1, data: Buffer.from('\x01\0/run/box', 'latin1') }),
  record({ type: REC_NET_ACCEPT }),
  record({ type: REC_NET_LISTEN, family: 10, peer: Buffer.alloc(16) }),
  record({ type: REC_NET_CLOSE, ts: 3_000_000_500 }),
];

test('net events: lines and objects are the same, and valid', (t) => {
  const [lines, objects] = [eventsOf(ALL, true), eventsOf(ALL, false)];
  t.deepEqual(lines, objects);
  t.deepEqual(
    lines.map((event) => JSON.stringify(event)),
    objects.map((event) => JSON.stringify(event)),
    'to the order of fields',
  );
  assertValid(t, lines);
  const peers = lines.filter(({ event_type }) => event_type === 'net_connect').map(({ data }) => data['peer'] ?? data['peer_b64']);
  t.deepEqual(peers, [
    ...['192.0.2.1:443', '192.0.2.1:443', '192.0.2.1:443', '192.0.2.1:443', '[101:101:101:101:101:101:101:101]:443'],
    ...['unix:/run/"quoted"', 'unix:@abs@tract', Buffer.from('unix:/\xff', 'latin1').toString('base64')],
  ]);
  const close = lines.at(-1)?.data;
  t.deepEqual([close?.['tx_bytes'], close?.['rx_bytes'], close?.['first_byte_ms'], close?.['duration_ms']], [123, 0, 1.5, 1000.001]);
  t.end();
});

test('net events: a process is announced once, and a close after its end is still told of it', (t) => {
  const events = eventsOf(
    [record({ type: REC_NET_CONNECT }), exit(PID), record({ type: REC_NET_CLOSE }), record({ type: REC_NET_CLOSE })],
    true,
  );
  t.deepEqual(
    events.map(({ event_type }) => event_type),
    ['process_info', 'net_connect', 'net_close', 'net_close'],
  );
  t.deepEqual(
    events.map(({ data }) => data['pid']),
    [PID, PID, PID, PID],
  );
  t.end();
});
