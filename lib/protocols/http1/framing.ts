/** Where a message ends: RFC 9112 §6.3, as an onlooker has to apply it. */
import type { FieldReader } from './fields.js';

export type Framing =
  | { by: 'none' }
  | { by: 'length'; length: number }
  | { by: 'chunked' }
  /** Ends with the connection. */
  | { by: 'close' }
  /** No HTTP/1 follows, in either direction (101; a successful CONNECT). */
  | { by: 'tunnel' }
  /** Fields that contradict each other, or a transfer coding of a request that does not end in chunked. */
  | { by: 'unknown' };

/** Items of a comma-separated list, lower-case, without parameters and empty ones. */
export function listItems(values: readonly string[]): string[] {
  const items: string[] = [];
  for (const value of values) {
    for (const part of value.split(',')) {
      const semicolon = part.indexOf(';');
      const item = (semicolon < 0 ? part : part.slice(0, semicolon)).trim().toLowerCase();
      if (item !== '') items.push(item);
    }
  }
  return items;
}

/** `undefined`: not there; `NaN`: there, but no number or two different ones. */
function contentLength(fields: FieldReader): number | undefined {
  let length: number | undefined;
  for (const value of fields.all('content-length')) {
    for (const part of value.split(',')) {
      const text = part.trim();
      if (!/^\d{1,30}$/.test(text)) return Number.NaN;
      const n = Number(text);
      if (length !== undefined && n !== length) return Number.NaN;
      length = n;
    }
  }
  return length;
}

function byLength(fields: FieldReader): Framing | undefined {
  const length = contentLength(fields);
  if (length === undefined) return undefined;
  if (Number.isNaN(length)) return { by: 'unknown' };
  return length === 0 ? { by: 'none' } : { by: 'length', length };
}

/** Transfer codings as sent, without `identity` (which RFC 7230 withdrew). */
export function transferCodings(fields: FieldReader): string[] {
  return listItems(fields.all('transfer-encoding')).filter((coding) => coding !== 'identity');
}

export function requestFraming(fields: FieldReader): Framing {
  const named = listItems(fields.all('transfer-encoding'));
  if (named.length > 0 && named.some((coding) => coding !== 'identity'))
    return named.at(-1) === 'chunked' ? { by: 'chunked' } : { by: 'unknown' };
  return byLength(fields) ?? { by: 'none' };
}

/** `method` is that of the request it answers, where that is known. */
export function responseFraming(fields: FieldReader, status: number, method: string | undefined): Framing {
  if (status === 101) return { by: 'tunnel' };
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') return { by: 'none' };
  if (method === 'CONNECT' && status < 300) return { by: 'tunnel' };
  const named = listItems(fields.all('transfer-encoding'));
  if (named.length > 0 && named.some((coding) => coding !== 'identity'))
    return named.at(-1) === 'chunked' ? { by: 'chunked' } : { by: 'close' };
  return byLength(fields) ?? { by: 'close' };
}
