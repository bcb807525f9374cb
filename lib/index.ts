/** The package's public face: `import { … } from 'tracer-filters'`. */
export * from './analyzers/index.js';
export { AgentRunner, type AgentRunnerOptions } from './runners/agent/runner.js';
export { EnforceRunner } from './runners/enforce/runner.js';
export type { EnforceOptions } from './runners/enforce/sensor.js';
export { NetRunner, type NetRunnerOptions } from './runners/netmon/runner.js';
export { ProcessRunner, type ProcessRunnerOptions } from './runners/procmon/runner.js';
export { SslRunner, type SslRunnerOptions } from './runners/sslsniff/runner.js';
export type { Contact, Policy, Verdict } from './sinks/controller/policy.js';
export { openReplay } from './sources/replay.js';
export { Derived } from './stream/derive.js';
export type * from './stream/event.js';
export { CONTRACT, isEvent, MAX_LINE_BYTES } from './stream/event.js';
export { CommandError, EXIT } from './stream/exit.js';
export { bytesOf, payloadOf } from './stream/payload.js';
export { Runner } from './stream/runner.js';
export type { Outlet, Source as EventSource } from './stream/source.js';
export type { Push, Stage, TextSink } from './stream/stage.js';
export { analyzer, streamOf } from './stream/through.js';
