/** Reads facts out of events that may hold anything: what is missing or of another type is absent. */

import { type Facts, get } from '../../stream/facts.js';

export { type Facts, facts, get, isFacts, list, num } from '../../stream/facts.js';

/** A string, or its `_b64` form when the bytes are not UTF-8. */
export function str(data: Facts, name: string): string | undefined {
  const value = get(data, name);
  if (typeof value === 'string') return value;
  const coded = get(data, `${name}_b64`);
  return typeof coded === 'string' ? Buffer.from(coded, 'base64').toString('utf8') : undefined;
}

/** A list of strings, or its `_b64` form. */
export function strings(data: Facts, name: string): string[] | undefined {
  const value = get(data, name);
  if (Array.isArray(value)) return value.filter((item) => typeof item === 'string');
  const coded = get(data, `${name}_b64`);
  return Array.isArray(coded)
    ? coded.map((item) => (typeof item === 'string' ? Buffer.from(item, 'base64').toString('utf8') : ''))
    : undefined;
}

/** Decoded length of `<name>` or `<name>_b64` in bytes. */
export function sizeOf(data: Facts, name: string): number | undefined {
  const value = get(data, name);
  if (typeof value === 'string') return Buffer.byteLength(value);
  const coded = get(data, `${name}_b64`);
  return typeof coded === 'string' ? Buffer.byteLength(coded, 'base64') : undefined;
}
