/** Latin1 text of a head (one character per byte) as event text: UTF-8 where the bytes are, else Latin-1 as it stands. */
import { isUtf8 } from 'node:buffer';
import type { FieldReader } from '../../protocols/http1/fields.js';
import type { Fields } from '../../stream/event.js';
import { type Redact, redactField } from './secrets.js';

const NOT_ASCII = /[\x80-\xff]/;

/** Header text as an event has it. */
export function headText(text: string): string {
  if (!NOT_ASCII.test(text)) return text;
  const bytes = Buffer.from(text, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : text;
}

/** Fields as an event has them: a repeated one is an array. */
export function fieldsOf(reader: FieldReader, redact: Redact | undefined): Fields {
  const fields: Fields = {};
  for (const [rawName, rawValue] of reader.list) {
    const name = headText(rawName);
    const text = headText(rawValue);
    const value = redact ? redactField(rawName, text, redact) : text;
    const before = Object.hasOwn(fields, name) ? fields[name] : undefined;
    if (before === undefined) {
      // Not by assignment: `__proto__` is a name like any other.
      if (name === '__proto__') Object.defineProperty(fields, name, { value, enumerable: true, configurable: true, writable: true });
      else fields[name] = value;
    } else if (typeof before === 'string') fields[name] = [before, value];
    else before.push(value);
  }
  return fields;
}

/** Milliseconds between two event times; undefined when one is not known or the clock went back. */
export function elapsed(from: number | undefined, to: number | undefined): number | undefined {
  if (from === undefined || to === undefined) return undefined;
  const ms = Math.round((to - from) * 1000) / 1000;
  return ms >= 0 ? ms : undefined;
}
