/** Stages put together: several as one, for `tracer pipe`; and `--keep`. */
import type { Batch } from './batch.js';
import type { AnyEvent, SslDataEvent } from './event.js';
import type { Push, SsePiece, Stage, TextSink } from './stage.js';

/** Whether the stage looks at events of this type. Others pass it by. */
export function consumesType(stage: Stage, event: AnyEvent): boolean {
  return stage.consumes === undefined || (typeof event.event_type === 'string' && stage.consumes.has(event.event_type));
}

/** A stage that passes everything on. */
export const passAll: Stage = {
  name: 'pass',
  consumes: new Set(),
  transform(event, push) {
    push(event);
  },
  flush() {},
};

/** The stages one after the other, as if they were separate filters in a pipe: the same events in the same order. */
export function compose(stages: readonly Stage[]): Stage {
  const [first, ...rest] = stages;
  if (first === undefined) return passAll;
  if (rest.length === 0) return first;
  const second = compose(rest);
  const all = stages.every((stage) => stage.consumes !== undefined);
  const consumes = all ? new Set(stages.flatMap((stage) => [...(stage.consumes ?? [])])) : undefined;
  let out: Push = () => {};
  let isNewer: ((event: AnyEvent) => boolean) | undefined;
  const takes = (stage: Stage, event: AnyEvent): boolean =>
    consumesType(stage, event) && (isNewer === undefined || stage.readsAnyVersion === true || !isNewer(event));
  const between: Push = (event) => {
    if (takes(second, event)) second.transform(event, out);
    else out(event);
  };
  // Bytes that the first stage reads without JSON.parse, where none behind it wants the events whole.
  const lean = first.transformData !== undefined && second.consumes !== undefined && !second.consumes.has('ssl_data');
  if (second.transformSse !== undefined) first.giveSse?.((piece) => second.transformSse?.(piece, out) === true);
  return {
    ...(first.transformSse === undefined
      ? {}
      : {
          transformSse(piece: SsePiece, push: Push): boolean {
            out = push;
            return first.transformSse?.(piece, between) === true;
          },
        }),
    ...(lean
      ? {
          transformData(event: SslDataEvent, payload: Buffer, push: Push): void {
            out = push;
            first.transformData?.(event, payload, between);
          },
        }
      : {}),
    name: stages.map((stage) => stage.name).join(' | '),
    ...(consumes === undefined ? {} : { consumes }),
    readsAnyVersion: stages.some((stage) => stage.readsAnyVersion === true),
    meetNewer(tells) {
      isNewer = tells;
      second.meetNewer?.(tells);
    },
    get holds() {
      return stages.some((stage) => stage.holds === true);
    },
    transform(event, push) {
      out = push;
      if (takes(first, event)) first.transform(event, between);
      else between(event);
    },
    flush(push) {
      out = push;
      first.flush(between);
      second.flush(push);
    },
  };
}

/** `--keep`: events that the stage turns into others are passed on as well, before what is made of them. */
export function keeping(stage: Stage): Stage {
  if (stage.adds === true) return stage;
  /** What has passed already, and may come out of the stage later. */
  const passed = new WeakSet<AnyEvent>();
  let out: Push = () => {};
  const others: Push = (event) => {
    if (!passed.has(event)) out(event);
  };
  return {
    ...(stage.consumes === undefined ? {} : { consumes: stage.consumes }),
    ...(stage.readsAnyVersion === undefined ? {} : { readsAnyVersion: stage.readsAnyVersion }),
    name: stage.name,
    transform(event, push) {
      push(event);
      passed.add(event);
      out = push;
      stage.transform(event, others);
    },
    flush(push) {
      out = push;
      stage.flush(others);
    },
  };
}

/** A sink as the last stage: what it writes goes into `batch` as text, and nothing is pushed. */
export function sinkStage(sink: TextSink, batch: Batch): Stage {
  const write = (text: string): void => batch.text(text);
  return {
    name: sink.name,
    transform(event) {
      sink.transform(event, write);
    },
    flush() {
      sink.flush(write);
    },
  };
}
