/** A recorded session gives the same bytes, however the pipe cuts it, as a command's stage and in the middle of others. */
import { readFileSync } from 'node:fs';
import tape from 'tape';
import { chunkMerger } from '../../lib/analyzers/chunk-merger.js';
import { httpParser } from '../../lib/analyzers/http.js';
import { Batch } from '../../lib/stream/batch.js';
import { compose, keeping, passAll } from '../../lib/stream/compose.js';
import { LineFilter } from '../../lib/stream/line-filter.js';
import type { Stage } from '../../lib/stream/stage.js';
import { root } from '../support/paths.js';
import { assertValid, eventsOf } from '../support/validate.js';

const RECORDED = readFileSync(`${root}/test/fixtures/model-curl.ndjson`);

function filter(stage: Stage, cut: (at: number) => number): Buffer {
  const batch = new Batch();
  const lines = new LineFilter(stage, batch, { warn: (sentence) => tape.skip(sentence) });
  const out: Buffer[] = [];
  for (let at = 0; at < RECORDED.length; ) {
    const n = Math.max(1, cut(at));
    lines.feed(Buffer.from(RECORDED.subarray(at, at + n)));
    out.push(...batch.take().map((part) => Buffer.from(part)));
    at += n;
  }
  lines.end();
  out.push(...batch.take());
  return Buffer.concat(out);
}

const CUTS: Record<string, (at: number) => number> = {
  'a byte at a time': () => 1,
  'pieces of 7': () => 7,
  'pieces of all sizes': (at) => 1 + ((at * 7919) % 613),
  'a page at a time': () => 4096,
};

for (const [name, make] of Object.entries<() => Stage>({
  http: () => httpParser(),
  'http --keep': () => keeping(httpParser()),
  'http --stream-all': () => httpParser({ streamAll: true }),
  'http in a pipeline': () => compose([passAll, httpParser(), passAll]),
  chunks: () => chunkMerger(),
  'chunks | http': () => compose([chunkMerger(), httpParser()]),
})) {
  tape(`${name}: the same bytes at every cut`, (t) => {
    const whole = filter(make(), () => RECORDED.length);
    for (const [cutting, cut] of Object.entries(CUTS)) t.ok(filter(make(), cut).equals(whole), cutting);
    assertValid(t, eventsOf(whole.toString()));
    t.end();
  });
}

tape('chunks in between change nothing but what is counted in events', (t) => {
  const facts = (bytes: Buffer): string =>
    eventsOf(bytes.toString())
      .filter((event) => (event as { source: string }).source === 'http')
      .map((event) =>
        JSON.stringify((event as { data: Record<string, unknown> }).data, (key, value) => (key.endsWith('_ms') ? undefined : value)),
      )
      .join('\n');
  t.equal(facts(filter(compose([chunkMerger(), httpParser()]), () => 4096)), facts(filter(httpParser(), () => 4096)));
  t.end();
});
