/**
 * Writes schema/event.schema.json from lib/stream/event.ts; with `--check` it only says whether the file is up to date
 * (exit status 1 when not). Run by scripts/check.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createGenerator } from 'ts-json-schema-generator';

const root = new URL('../../', import.meta.url);
const file = new URL('schema/event.schema.json', root);

const schema = createGenerator({
  path: new URL('lib/stream/event.ts', root).pathname,
  tsconfig: new URL('tsconfig.json', root).pathname,
  type: 'TracerEvent',
  skipTypeCheck: true,
  additionalProperties: true,
  topRef: true,
  encodeRefs: false,
  sortProps: false,
}).createSchema('TracerEvent');

schema.$id = 'tracer-filters/schema/event.schema.json';
schema.title = 'Tracer event, contract version 1';
schema.$comment = 'Generated from lib/stream/event.ts by scripts/schema.ts. Fields may be added to data at any time.';
const text = `${JSON.stringify(schema, null, 2)}\n`;

if (process.argv.includes('--check')) {
  let now = '';
  try {
    now = readFileSync(file, 'utf8');
  } catch {
    // Absent counts as out of date.
  }
  if (now !== text) {
    console.error('schema/event.schema.json is not what lib/stream/event.ts says. Run: node dist/scripts/schema.js');
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
}
