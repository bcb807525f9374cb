/**
 * Adds fields to the end of an event that is passed on, or of its data. A stage that only adds must not have the line printed anew: the
 * harness writes the line as it came, with the fields before the brace that closes.
 */
import type { AnyEvent } from './event.js';

/** Under these names an event carries what its line lacks, at its end and at the end of its data. JSON does not print them. */
const APPENDED = Symbol('appended');
const APPENDED_DATA = Symbol('appended to data');

interface Appendable {
  [APPENDED]?: string;
  [APPENDED_DATA]?: string;
}

/** Adds the field, unless the event has one of that name. */
export function append(event: AnyEvent, name: string, value: unknown): void {
  if (Object.hasOwn(event, name)) return;
  const it = event as Appendable & Record<string, unknown>;
  it[name] = value;
  it[APPENDED] = `${it[APPENDED] ?? ''},${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

/** What has been added, as JSON; undefined when nothing was. */
export function appended(event: AnyEvent): string | undefined {
  return (event as Appendable)[APPENDED];
}

/** Adds fields to the end of the event's data, except those that it has. An event without data stays as it is. */
export function appendData(event: AnyEvent, fields: Readonly<Record<string, unknown>>): void {
  const { data } = event;
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return;
  const it = data as Record<string, unknown>;
  const empty = Object.keys(it).length === 0;
  let added = '';
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined || Object.hasOwn(it, name)) continue;
    it[name] = value;
    added += `,${JSON.stringify(name)}:${JSON.stringify(value)}`;
  }
  const before = (event as Appendable)[APPENDED_DATA];
  (event as Appendable)[APPENDED_DATA] = before === undefined && empty ? added.slice(1) : `${before ?? ''}${added}`;
}

/** What has been added to the data, as JSON; undefined when nothing was. */
export function appendedData(event: AnyEvent): string | undefined {
  const added = (event as Appendable)[APPENDED_DATA];
  return added === '' ? undefined : added;
}
