/** From ssl_data to llm_call: against a plain Node loop and jq, in several processes against one, and a session that sends its history anew with every turn. */
import { createReadStream, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.js';
import { peers } from '../peers.js';
import { recordedStream, sessionStream } from '../recorded.js';
import { digits } from '../stats.js';
import type { Row } from '../table.js';
import { type Contender, PLAIN, plainLoop, race, rowAgainst } from './filters.js';
import { filterMemory } from './resources.js';

const CHAIN = "tracer pipe 'http | llm'";
const ONE = 'in one process';
const PIPED = 'four piped commands';
const TURNS = 300;
const node = process.execPath;
const tracer = (...words: string[]): string[] => [node, join('bin', 'tracer'), ...words];

export async function llmRows(bench: Bench): Promise<Row[]> {
  const found = peers();
  const input = await recordedStream(bench.streamBytes);
  const size = `${digits(bench.streamBytes / 1e6)} MB`;
  const contenders: Contender[] = [{ name: CHAIN, command: tracer('pipe', 'http | llm') }, plainLoop];
  if (found.jq) contenders.push({ name: 'jq', command: [found.jq, '-c', '.'] });
  const chain = await race(bench, 'ssl_data to llm_call', contenders, input);

  const piped = `${node} bin/replay - | ${node} bin/chunks | ${node} bin/http | ${node} bin/llm`;
  const both: Contender[] = [
    { name: ONE, command: tracer('pipe', 'replay - | chunks | http | llm') },
    { name: PIPED, command: ['bash', '-o', 'pipefail', '-c', piped] },
  ];
  const ways = await race(bench, 'replay, chunks, http, llm', both, input);

  const ours = chain.get(CHAIN) ?? [];
  const rows = [
    rowAgainst(`ssl_data to llm_call in one process, ${size}`, ours, PLAIN, chain.get(PLAIN), 0.7),
    rowAgainst('the same', ours, 'jq 1.8 -c .', chain.get('jq'), 2),
    rowAgainst(`replay, chunks, http and llm as four piped commands, ${size}`, ways.get(PIPED) ?? [], ONE, ways.get(ONE), 0.35),
    ...(await sessionRows(bench)),
  ];
  if (rows[0]) rows[0].note = 'megabytes of input for a second of CPU time, all processes; output to /dev/null';
  return rows;
}

/** Output and memory of a session whose requests hold all of its history. */
async function sessionRows(bench: Bench): Promise<Row[]> {
  const input = await sessionStream(TURNS);
  bench.say(`a session of ${TURNS} turns, ${digits(statSync(input).size / 1e6)} MB`);
  const some = await filterMemory(tracer('pipe', 'http | llm --messages new'), createReadStream(input), bench);
  const all = await filterMemory(tracer('pipe', 'http | llm --messages all'), createReadStream(input), bench);
  const share = some.bytes / all.bytes;
  const megabytes = some.peak / 1e6;
  const what = `a session of ${TURNS} turns with growing history`;
  return [
    {
      what: `${what}: output`,
      against: '--messages all',
      ours: `${digits(some.bytes / 1e6)} MB`,
      theirs: `${digits(all.bytes / 1e6)} MB`,
      ratio: `1/${digits(1 / share)}`,
      bar: '≤ 1/20',
      met: share <= 1 / 20,
    },
    {
      what: `${what}: most memory of 'http | llm'`,
      against: '–',
      ours: `${digits(megabytes)} MB`,
      theirs: '–',
      ratio: `${digits(megabytes)} MB`,
      bar: '≤ 120 MB',
      met: megabytes <= 120,
    },
  ];
}
