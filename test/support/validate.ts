/** Holds events against schema/ and against the rules of the contract that a schema cannot say. Every test that makes events uses it. */
import { readFileSync } from 'node:fs';
import { Ajv, type ValidateFunction } from 'ajv';
import type { Test } from 'tape';

const SCHEMA_FILE = new URL('../../../schema/event.schema.json', import.meta.url);
const schema = JSON.parse(readFileSync(SCHEMA_FILE, 'utf8')) as { definitions: Record<string, Node> };

interface Node {
  properties?: Record<string, { const?: string }>;
  additionalProperties?: unknown;
}

const ajv = new Ajv({ allErrors: true, strict: false });
const validators = new Map<string, ValidateFunction>();
closeObjects(schema.definitions);
// Fields that later filters append to any event.
const APPENDED = { identity: { type: 'object' }, provider: { type: 'string' } };
for (const [name, definition] of Object.entries(schema.definitions)) {
  const type = definition.properties?.event_type?.const;
  if (type === undefined) continue;
  Object.assign(definition.properties as object, APPENDED);
  validators.set(type, ajv.compile({ ...schema, $id: `test/${name}`, $ref: `#/definitions/${name}` }));
}

/** Our own events have no field that the types do not know. (The published schema allows more.) */
function closeObjects(node: unknown): void {
  if (typeof node !== 'object' || node === null) return;
  const object = node as Node;
  if (typeof object.properties === 'object' && !Array.isArray(object.properties) && typeof object.additionalProperties !== 'object') {
    object.additionalProperties = false;
  }
  for (const child of Object.values(node)) closeObjects(child);
}

const ORDER = ['id', 'timestamp', 'source', 'event_type', 'data', 'from', 'from_count', 'identity', 'provider'];
const WITH_PAYLOAD = new Set(['ssl_data', 'ws_message', 'eventstream_message', 'http_body', 'malformed']);

/** What is wrong with an event, as sentences; empty when nothing is. */
export function problemsOf(event: unknown): string[] {
  if (typeof event !== 'object' || event === null) return ['not an object'];
  const { event_type: type, data, timestamp } = event as { event_type?: unknown; data?: unknown; timestamp?: unknown };
  const validate = typeof type === 'string' ? validators.get(type) : undefined;
  if (validate === undefined) return [`unknown event_type ${JSON.stringify(type)}`];
  const problems: string[] = [];
  if (!validate(event)) {
    for (const error of validate.errors ?? []) problems.push(`${error.instancePath} ${error.message} ${JSON.stringify(error.params)}`);
  }
  if (typeof timestamp === 'number' && (String(timestamp).split('.')[1]?.length ?? 0) > 3) {
    problems.push('timestamp has more than three decimals');
  }
  const keys = Object.keys(event);
  const places = keys.map((key) => ORDER.indexOf(key));
  if (places.some((place, i) => i > 0 && place <= (places[i - 1] as number))) problems.push(`fields stand in the order ${keys.join(', ')}`);
  problems.push(...payloadProblems(type as string, data));
  return problems;
}

function payloadProblems(type: string, data: unknown): string[] {
  if (typeof data !== 'object' || data === null) return [];
  const problems: string[] = [];
  const keys = Object.keys(data);
  const { payload, payload_b64 } = data as { payload?: unknown; payload_b64?: unknown };
  if (WITH_PAYLOAD.has(type) && (payload === undefined) === (payload_b64 === undefined))
    problems.push('needs exactly one of payload and payload_b64');
  for (const name of ['payload', 'payload_b64', 'body', 'body_b64']) {
    if (name in data && keys[keys.length - 1] !== name) problems.push(`${name} is not the last field of data`);
  }
  if (typeof payload_b64 === 'string') {
    const bytes = Buffer.from(payload_b64, 'base64');
    if (bytes.toString('base64') !== payload_b64) problems.push('payload_b64 is not base64');
    const text = bytes.toString('utf8');
    if (!text.includes('\0') && Buffer.from(text).equals(bytes) && Buffer.byteLength(JSON.stringify(text)) - 2 <= payload_b64.length) {
      problems.push('payload_b64 could stand as text');
    }
  }
  if (typeof payload === 'string') {
    const bytes = Buffer.from(payload);
    if (payload.includes('\0')) problems.push('payload has a NUL');
    if (bytes.toString('utf8') !== payload) problems.push('payload has half a surrogate pair');
    if (Buffer.byteLength(JSON.stringify(payload)) - 2 > 4 * Math.ceil(bytes.length / 3))
      problems.push('payload is longer as text than as base64');
  }
  for (const key of keys) if ((data as Record<string, unknown>)[key] === undefined) problems.push(`data.${key} is there and undefined`);
  return problems;
}

/**
 * Asserts that every event obeys the contract: one assertion for all, with the first faults in its message. Without a
 * test, `assertValid(event)` throws instead.
 */
export function assertValid(events: unknown): void;
export function assertValid(t: Test, events: unknown, message?: string): void;
export function assertValid(first: unknown, second?: unknown, message?: string): void {
  const [t, events] = second === undefined ? [undefined, first] : [first as Test, second];
  const all: readonly unknown[] = Array.isArray(events) ? events : [events];
  const faults: string[] = [];
  for (const event of all) {
    const problems = problemsOf(event);
    if (problems.length > 0) faults.push(`${JSON.stringify(event).slice(0, 300)}: ${problems.join('; ')}`);
  }
  const sentence = `${faults.length} of ${all.length} events break the contract: ${faults.slice(0, 3).join(' | ')}`;
  if (t === undefined) {
    if (faults.length > 0) throw new Error(sentence);
  } else if (faults.length > 0) t.fail(sentence);
  else t.pass(`${message ?? 'every event obeys the contract'} (${all.length})`);
}

/** Parses NDJSON text. */
export function eventsOf(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}
