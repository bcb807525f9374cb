/**
 * Records for tests, as the kernel would write them. Where a field lies is found by trying with the generated decoder, so
 * that these follow bpf/records.h, too.
 */
import { RecStamp } from '../../../lib/bpf/records.gen.js';

interface Decoder {
  at(bytes: Buffer, view: DataView, start: number): unknown;
}

interface RecordClass {
  readonly size: number;
  new (): Decoder;
}

export type Fields = Record<string, number | bigint | string | readonly number[]>;

const places = new Map<string, number>();

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** What a decoder says of a field: a number, text, or an element of an array. */
function fieldOf(decoder: Decoder, name: string, index?: number): unknown {
  const value = (decoder as unknown as Record<string, unknown>)[name];
  if (typeof value === 'function') return (value as (index: number) => unknown).call(decoder, index ?? 0);
  return Buffer.isBuffer(value) ? value.length : value;
}

/** The first byte of a field: the only one that, set to 1, makes it 1. */
function placeOf(Class: RecordClass, name: string, index?: number): number {
  const key = `${Class.name} ${name} ${index ?? ''}`;
  const known = places.get(key);
  if (known !== undefined) return known;
  for (let at = 0; at < Class.size; at++) {
    const bytes = Buffer.alloc(Class.size);
    bytes[at] = 1;
    if (fieldOf(new Class().at(bytes, viewOf(bytes), 0) as Decoder, name, index) !== 1) continue;
    places.set(key, at);
    return at;
  }
  throw new Error(`${Class.name} has no field ${name}`);
}

/** Width of a field: how far a 1 may move until the decoder no longer sees it. */
function widthOf(Class: RecordClass, name: string, index?: number): number {
  const at = placeOf(Class, name, index);
  let width = 1;
  for (; width < 8 && at + width < Class.size; width++) {
    const bytes = Buffer.alloc(Class.size);
    bytes[at + width] = 1;
    if (!fieldOf(new Class().at(bytes, viewOf(bytes), 0) as Decoder, name, index)) break;
  }
  return width;
}

function put(Class: RecordClass, bytes: Buffer, name: string, value: number | bigint | string, index?: number): void {
  const at = placeOf(Class, name, index);
  if (typeof value === 'string') {
    bytes.write(value, at, 'utf8');
    return;
  }
  let rest = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < widthOf(Class, name, index); i++, rest >>= 8n) bytes[at + i] = Number(rest & 0xffn);
}

/** One record of that kind; `data` stands at its end, and in its `len`. */
export function encode(Class: RecordClass, fields: Fields, data: Buffer = Buffer.alloc(0)): Buffer {
  const bytes = Buffer.alloc(Class.size);
  for (const [name, value] of Object.entries(fields)) {
    if (Array.isArray(value)) for (const [index, item] of value.entries()) put(Class, bytes, name, item as number, index);
    else put(Class, bytes, name, value as number);
  }
  if (data.length > 0) put(Class, bytes, 'len', data.length);
  return Buffer.concat([bytes, data]);
}

/** Sets the time of a record of any kind. */
export function stamp(record: Buffer, ts: number): void {
  put(RecStamp, record, 'ts', ts);
}

/** As the ring gives records: length, nothing, record, padding. */
export function batchOf(records: readonly Buffer[]): Buffer {
  return Buffer.concat(
    records.flatMap((record) => {
      const header = Buffer.alloc(8);
      header.writeUInt32LE(record.length, 0);
      return [header, record, Buffer.alloc((8 - (record.length % 8)) % 8)];
    }),
  );
}
