/**
 * The package as somebody else's project sees it: packed, unpacked into a project of its own, compiled against with
 * strict TypeScript (its .d.ts files too), and run. The examples are compiled and run there as well.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { ROOT, runProgram } from '../support/harness.js';

const project = mkdtempSync(join(tmpdir(), 'tracer-consumer-'));
test.onFinish(() => rmSync(project, { recursive: true }));

const CONSUMER = `
import { createReadStream } from 'node:fs';
import split2 from 'split2';
import { bytesOf, Derived, EXIT, isEvent, openReplay, Runner, type Push, type Stage, type TracerEvent } from 'tracer-filters';
import { analyzer } from 'tracer-filters';
import { http, httpParser, type HttpOptions } from 'tracer-filters/analyzers';
import type { SslDataEvent } from 'tracer-filters/types';

const options: HttpOptions = { sseMerge: true };
const lengths: Stage = {
  name: 'lengths',
  consumes: new Set(['ssl_data']),
  transform(event, push: Push) {
    if (isEvent(event, 'ssl_data')) {
      const one: SslDataEvent = event;
      const direction: 'read' | 'write' = one.data.direction;
      console.error(direction, bytesOf(one.data)?.length);
    }
    push(event);
  },
  flush() {},
};
// @ts-expect-error a misspelt event type is found by the compiler
const wrong: TracerEvent['event_type'] = 'ssl_dat';
void wrong;
void new Derived('mine');

const [file] = process.argv.slice(2) as [string];
new Runner(() => openReplay([file])).addAnalyzer(lengths).addAnalyzer(httpParser(options)).pipe(process.stdout).on('finish', () => process.exit(EXIT.ok));
createReadStream(file).pipe(split2(JSON.parse)).pipe(analyzer(lengths).stream()).pipe(http(options).stream()).on('data', () => {});
`;

const LINES = [
  {
    id: 'aaaaaaaaaa-1',
    timestamp: 1764000000001.5,
    source: 'http',
    event_type: 'http_response',
    data: { pid: 1, exchange: 'c/1', status: 200, headers: {} },
  },
  {
    id: 'aaaaaaaaaa-2',
    timestamp: 1764000000002.25,
    source: 'http',
    event_type: 'http_response',
    data: { pid: 1, exchange: 'c/2', status: 404, note: 'é \u2028 🦓' },
  },
  { id: 'aaaaaaaaaa-3', timestamp: 1764000000003, source: 'meta', event_type: 'heartbeat', data: {} },
].map((event) => JSON.stringify(event));
// As another program may write it: what passes keeps its bytes.
LINES.push('{"event_type": "http_response", "n": 1.0, "data": {"status": 5e2}}');
const input = `${LINES.join('\n')}\n`;
const failed = `${LINES[1]}\n${LINES[3]}\n`;

test('a TypeScript project compiles against the packed package, and runs', (t) => {
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', project], {
    cwd: ROOT,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const modules = join(project, 'node_modules');
  const home = join(modules, 'tracer-filters');
  mkdirSync(home, { recursive: true });
  execFileSync('tar', ['xzf', join(project, packed.trim().split('\n').pop() as string), '-C', home, '--strip-components=1']);
  // Its dependencies, as npm would put them there; nothing is fetched.
  for (const name of readdirSync(`${ROOT}node_modules`))
    if (!name.startsWith('.') && name !== 'tracer-filters') symlinkSync(`${ROOT}node_modules/${name}`, join(modules, name));

  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module' }));
  writeFileSync(join(project, 'consumer.ts'), CONSUMER);
  writeFileSync(join(project, 'failed.ts'), readFileSync(`${ROOT}examples/failed.ts`));
  writeFileSync(join(project, 'in.ndjson'), input);
  const compilerOptions = {
    target: 'es2022',
    module: 'nodenext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    skipLibCheck: false,
    types: ['node'],
    outDir: '.',
  };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts', 'failed.ts'] }));
  const tsc = spawnSync(process.execPath, [`${ROOT}node_modules/typescript/bin/tsc`, '-p', project], { encoding: 'utf8' });
  t.equal(tsc.status, 0, tsc.stdout.slice(0, 2000));
  const run = spawnSync(process.execPath, [join(project, 'consumer.js'), join(project, 'in.ndjson')], { encoding: 'utf8' });
  t.deepEqual([run.status, run.stdout, run.stderr], [0, input, '']);
  t.end();
});

test('examples: the same filter in four languages gives the same bytes', async (t) => {
  const programs: [string, string[]][] = [
    ['sh', [`${ROOT}examples/failed.sh`]],
    ['python3', [`${ROOT}examples/failed.py`]],
    [process.execPath, [`${ROOT}examples/failed.mjs`]],
    [process.execPath, [join(project, 'failed.js')]],
  ];
  for (const [file, args] of programs) {
    const { stdout, stderr, code } = await runProgram(file, args, { input });
    t.deepEqual([code, stdout.toString(), stderr], [0, failed, ''], args[0]?.split('/').pop());
  }
  for (const [file, args] of programs) {
    const { stdout, stderr } = await runProgram('/bin/bash', [
      '-c',
      `yes '${LINES[3]}' | head -50000 | "$@" | head -n 1`,
      'x',
      file,
      ...args,
    ]);
    t.deepEqual([stdout.toString(), stderr], [`${LINES[3]}\n`, ''], `${args[0]?.split('/').pop()} ends quietly when its reader is gone`);
  }
  t.end();
});
