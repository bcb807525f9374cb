/** The lines of data: as events, or printed by the addon from the record itself, around texts that many lines share. */
import type { RecordLines, SharedText } from '../../bpf/record-lines.js';
import type { RecSslData } from '../../bpf/records.gen.js';
import type { Who } from '../../stream/event.js';
import { payloadOf } from '../../stream/payload.js';
import type { Emitter } from '../emitter.js';
import type { WhoSaid } from '../processes.js';
import { FUNCTION_NAMES } from './functions.js';
import type { Process, Session } from './model.js';

/** The data of an ssl_data. {@link headText} and {@link tailText} print the same for the addon, which fills in the rest. */
function dataOf(process: Process, session: Session, record: RecSslData): object {
  const { offset, total, len, direction } = record;
  return {
    ...process.who?.who,
    conn: session.conn,
    direction: direction === 0 ? 'read' : 'write',
    offset,
    total_bytes: total,
    captured_bytes: len,
    call: record.call,
    call_bytes: record.call_bytes,
    latency_ns: record.latency,
    library: session.library,
    function: FUNCTION_NAMES[record.function] ?? 'unknown',
    ...(session.fd === undefined ? {} : { fd: session.fd }),
    ...payloadOf(record.data(len)),
  };
}

/** From behind the timestamp to the offset. */
function headText(who: Who, session: Session, record: RecSslData): string {
  const direction = record.direction === 0 ? 'read' : 'write';
  const data = JSON.stringify({ ...who, conn: session.conn, direction });
  return `,"source":"ssl","event_type":"ssl_data","data":${data.slice(0, -1)},"offset":`;
}

/** What stands between the latency and the payload. */
function tailText(session: Session, record: RecSslData): string {
  const fields = {
    library: session.library,
    function: FUNCTION_NAMES[record.function] ?? 'unknown',
    ...(session.fd === undefined ? {} : { fd: session.fd }),
  };
  return `,${JSON.stringify(fields).slice(1, -1)}`;
}

export class DataPrinter {
  readonly #emitter: Emitter;

  constructor(emitter: Emitter) {
    this.#emitter = emitter;
  }

  /** The record at `at` of `bytes`; false when nobody takes it. */
  print(process: Process, session: Session, record: RecSslData, bytes: Buffer, at: number, ts: number): boolean {
    const { lines } = this.#emitter;
    const { len, total } = record;
    return lines === undefined
      ? this.#emitter.emit('ssl', 'ssl_data', dataOf(process, session, record), ts, total)
      : this.#emitter.line(lines, bytes, at, len, this.#texts(lines, process, session, record), ts, total);
  }

  /** What the lines of this session, thread and direction have in common. */
  #texts(lines: RecordLines, process: Process, session: Session, record: RecSslData): { head: SharedText; tail: SharedText } {
    const kept = session.heads[record.direction === 0 ? 0 : 1];
    const said = process.who as WhoSaid;
    if (kept.who !== said || kept.head?.age !== lines.age) {
      kept.who = said;
      kept.head = this.#emitter.share(lines, headText(said.who, session, record));
    }
    let tail = session.tails.get(record.function);
    if (tail === undefined || tail.fd !== session.fd || tail.text.age !== lines.age) {
      tail = { fd: session.fd, text: this.#emitter.share(lines, tailText(session, record)) };
      session.tails.set(record.function, tail);
    }
    // Room for the tail may have been made by forgetting all texts, the head's too.
    if (kept.head?.age !== lines.age) return this.#texts(lines, process, session, record);
    return { head: kept.head as SharedText, tail: tail.text };
  }
}
