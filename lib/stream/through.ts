/**
 * The face for people who write Node pipelines: a stage as a through2 stream of event objects.
 *
 *     process.stdin.pipe(split2(JSON.parse)).pipe(http().stream()).pipe(ndjson.stringify()).pipe(process.stdout)
 *
 * The commands do not use it: one call per event through a stream costs more than their work (docs/decisions/0001).
 */
import type { Transform } from 'node:stream';
import { objectTransform } from 'through2';
import { consumesType } from './compose.js';
import type { AnyEvent } from './event.js';
import type { Stage } from './stage.js';

/** A stage that can also be piped. */
export interface Analyzer extends Stage {
  /** A new object stream that does what the stage does. A stage has one state, so take one stream of each analyzer. */
  stream(): Transform;
}

/** An object stream of events through `stage`. */
export function streamOf(stage: Stage): Transform {
  const stream = objectTransform(
    {},
    (event: AnyEvent, _encoding, done) => {
      const push = (each: AnyEvent): void => {
        stream.push(each);
      };
      try {
        if (consumesType(stage, event)) stage.transform(event, push);
        else push(event);
      } catch (error) {
        done(error as Error);
        return;
      }
      done();
    },
    (done) => {
      try {
        stage.flush((event) => {
          stream.push(event);
        });
      } catch (error) {
        done(error as Error);
        return;
      }
      done();
    },
  ) as unknown as Transform;
  return stream;
}

/** Adds {@link Analyzer.stream} to a stage. */
export function analyzer(stage: Stage): Analyzer {
  return Object.assign(stage, { stream: () => streamOf(stage) });
}
