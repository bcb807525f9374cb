/**
 * The analyzers for people who write Node programs: `import { http } from 'tracer-filters/analyzers'`. Each can be given
 * to `addAnalyzer`, and has `stream()` for pipelines of split2, through2 and ndjson.
 */

import { AgentTable } from '../match/agents.js';
import { type Analyzer, analyzer } from '../stream/through.js';
import { chunkMerger as chunksStage } from './chunk-merger.js';
import { type HttpOptions, httpParser as httpStage } from './http.js';
import { identity as identityStage } from './identity.js';
import { type LlmOptions, llm as llmStage } from './llm.js';
import { type Find, provider as providerStage } from './provider.js';
import { type RedactOptions, redactor as redactStage } from './redact.js';
import { tlsHello as tlsStage } from './tls-hello.js';

export type { Analyzer } from '../stream/through.js';
export type { HttpOptions } from './http.js';
export type { LlmOptions } from './llm.js';
export type { RedactOptions } from './redact.js';

/** `ssl_data` events to HTTP messages, as `tracer-http` does it. */
export function httpParser(options: HttpOptions = {}): Analyzer {
  return analyzer(httpStage(options));
}

/** The same as {@link httpParser}, by its command's name. */
export const http = httpParser;

/** `ssl_data` events to fewer and larger ones, as `tracer-chunks` does it. */
export function chunkMerger(): Analyzer {
  return analyzer(chunksStage());
}

/** The same as {@link chunkMerger}, by its command's name. */
export const chunks = chunkMerger;

/** Any events to the same without secrets, as `tracer-redact` does it. */
export function redactor(options: RedactOptions = {}): Analyzer {
  return analyzer(redactStage(options));
}

/** The same as {@link redactor}, by its command's name. */
export const redact = redactor;
/** HTTP messages to calls of models, as `tracer-llm` does it. Without `provider` and `prices` it knows neither. */
export function llm(options: LlmOptions = {}): Analyzer {
  return analyzer(llmStage(options));
}

/** Adds the provider of models, as `tracer-provider` does it. */
export function provider(find: Find): Analyzer {
  return analyzer(providerStage(find));
}

/** Adds what a ClientHello says, as `tracer-tls` does it. */
export function tlsHello(): Analyzer {
  return analyzer(tlsStage());
}

/** The same as {@link tlsHello}, by its command's name. */
export const tls = tlsHello;

/** Adds who a process works for and where it runs, as `tracer-identity` does it. */
export function identity(agents: AgentTable = new AgentTable()): Analyzer {
  return analyzer(identityStage(agents));
}
