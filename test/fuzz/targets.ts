/** What is fuzzed. A parser joins by one more line here: CI, the nightly command and the measure of coverage all go by it. */
import { wrongWithHello } from './client-hello.js';
import { wrongWithCoding } from './coding.js';
import { wrongWithDns } from './dns.js';
import { wrongWithEventstream } from './eventstream.js';
import { wrongWithHpack } from './hpack.js';
import { wrongWithHttp1 } from './http1.js';
import { wrongWithHttp2 } from './http2.js';
import { wrongWithSse } from './sse.js';
import { wrongWithWebSocket } from './websocket.js';
import { wrongWithZstd } from './zstd.js';

export interface Target {
  name: string;
  /** Sources whose branches it must reach, for scripts/coverage --fuzz. */
  reaches: string;
  /** What is not true of the input that follows from the seed; undefined when all is. It may throw, which is a fault, too. */
  wrongWith(seed: number): string | undefined;
}

export const TARGETS: readonly Target[] = [
  { name: 'http1', reaches: 'lib/protocols/http1/**', wrongWith: wrongWithHttp1 },
  { name: 'coding', reaches: 'lib/protocols/coding/**', wrongWith: wrongWithCoding },
  { name: 'client-hello', reaches: 'lib/protocols/client-*.ts', wrongWith: wrongWithHello },
  { name: 'dns', reaches: 'lib/protocols/dns.ts', wrongWith: wrongWithDns },
  { name: 'sse', reaches: 'lib/protocols/sse.ts', wrongWith: wrongWithSse },
  { name: 'hpack', reaches: 'lib/protocols/hpack/**', wrongWith: wrongWithHpack },
  { name: 'http2', reaches: 'lib/protocols/http2/**', wrongWith: wrongWithHttp2 },
  { name: 'websocket', reaches: 'lib/protocols/websocket/**', wrongWith: wrongWithWebSocket },
  { name: 'eventstream', reaches: 'lib/protocols/eventstream.ts', wrongWith: wrongWithEventstream },
  { name: 'zstd', reaches: 'lib/protocols/coding/zstd*.ts', wrongWith: wrongWithZstd },
];
