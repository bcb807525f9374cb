import test from 'tape';
import type { AnalyzerCommand, OptionSpec, SourceCommand } from '../../lib/stream/command.js';
import { CommandError } from '../../lib/stream/exit.js';
import { keyOf, parseArguments, parseBytes, variableOf } from '../../lib/stream/options.js';

const options: OptionSpec[] = [
  { flags: '-p, --pid <pid...>', type: 'pids', description: 'p' },
  { flags: '-c, --comm <name...>', type: 'list', description: 'c' },
  { flags: '--body-limit <bytes>', type: 'bytes', default: 8388608, description: 'b' },
  { flags: '--depth <n>', type: 'count', description: 'd' },
  { flags: '--color <when>', type: 'string', choices: ['auto', 'never'], default: 'auto', description: 'w' },
  { flags: '--no-children', type: 'boolean', description: 'n' },
  { flags: '-v, --verbose', type: 'boolean', description: 'v' },
];
const page = { name: 'try', summary: '', description: '', options, examples: [] };
const filter = { ...page, kind: 'analyzer' } as unknown as AnalyzerCommand;
const sensor = { ...page, kind: 'source', takesCommand: true } as unknown as SourceCommand;

const parse = (argv: string[], env: NodeJS.ProcessEnv = {}, command: AnalyzerCommand | SourceCommand = filter) =>
  parseArguments(command, options, argv, env);

/** The message of the refusal. */
async function refused(argv: string[], env: NodeJS.ProcessEnv = {}, command: AnalyzerCommand | SourceCommand = filter): Promise<string> {
  try {
    await parse(argv, env, command);
  } catch (error) {
    if (error instanceof CommandError && error.status === 64) return `${error.message}. ${error.next ?? ''}`;
    throw error;
  }
  return 'not refused';
}

test('options: defaults, lists, switches', async (t) => {
  t.deepEqual((await parse([])).options, { bodyLimit: 8388608, color: 'auto', children: true, verbose: false });
  const argv = ['-p', '1,2', '--pid=3', '-p4', '-c', 'a', '-c', 'b,c', '--body-limit', '64k', '--depth', '5', '--no-children', '-v'];
  t.deepEqual((await parse(argv)).options, {
    pid: [1, 2, 3, 4],
    comm: ['a', 'b', 'c'],
    bodyLimit: 65536,
    depth: 5,
    color: 'auto',
    children: false,
    verbose: true,
  });
  t.end();
});

test('options: the environment is under the command line and above the default', async (t) => {
  const env = { TRACER_PID: '7,8', TRACER_BODY_LIMIT: '1MiB', TRACER_NO_CHILDREN: '1', TRACER_VERBOSE: 'no', TRACER_COLOR: '' };
  t.deepEqual((await parse([], env)).options, { pid: [7, 8], bodyLimit: 1048576, color: 'auto', children: false, verbose: false });
  t.deepEqual((await parse(['-p', '1', '--body-limit', '1'], env)).options.pid, [1], 'a list on the command line replaces it');
  t.match(await refused([], { TRACER_VERBOSE: 'maybe' }), /^environment variable TRACER_VERBOSE: "maybe" is neither 1 nor 0/);
  t.end();
});

test('options: refusals say what is wrong and what to write', async (t) => {
  t.match(await refused(['--body-limit', 'huge']), /"huge" is not a size\. Write it like 65536, 64k or 8MiB/);
  t.match(await refused(['--depth', '-1']), /is not a whole number|argument missing/);
  t.match(await refused(['-p', 'bash']), /"bash" is not a process id\. To choose by name use -c/);
  t.match(await refused(['-p', '0']), /not a process id/);
  t.match(await refused(['--color', 'pink']), /"pink" is none of auto, never/);
  t.match(await refused(['--colour', 'auto']), /unknown option '--colour' \(Did you mean --color\?\)/);
  t.match(await refused(['--pid']), /argument missing/);
  t.match(await refused(['-p', ',']), /needs a process id/);
  t.match(await refused(['word']), /unexpected argument "word"/);
  t.match(await refused(['curl', 'x'], {}, sensor), /Write|To run a command under watch write -- before it: tracer-try -- curl x/);
  t.match(await refused(['--'], {}, sensor), /no command after --/);
  t.end();
});

test('options: everything after -- is the command, untouched', async (t) => {
  const { args, options: parsed } = await parse(['-p', '3', '--', 'curl', '-v', '--help', '--', '-p', '9'], {}, sensor);
  t.deepEqual(args, ['curl', '-v', '--help', '--', '-p', '9']);
  t.deepEqual([parsed.pid, parsed.verbose], [[3], false]);
  t.equal((await parse(['--help', '--', 'x'], {}, sensor)).wants, 'help');
  t.end();
});

test('options: sizes', async (t) => {
  const sizes: [string, number | undefined][] = [
    ['0', 0],
    ['4096', 4096],
    ['64k', 65536],
    ['64K', 65536],
    ['8MiB', 8388608],
    ['8 MB', 8388608],
    ['1.5G', 1610612736],
    ['2T', 2199023255552],
    ['10b', 10],
    ['', undefined],
    ['k', undefined],
    ['-1', undefined],
    ['1e3', undefined],
    ['8XB', undefined],
    ['99999999T', undefined],
  ];
  for (const [text, bytes] of sizes) t.equal(parseBytes(text), bytes, JSON.stringify(text));
  t.end();
});

test('options: names', async (t) => {
  t.deepEqual(options.map(keyOf), ['pid', 'comm', 'bodyLimit', 'depth', 'color', 'children', 'verbose']);
  t.equal(variableOf(options[5] as OptionSpec), 'TRACER_NO_CHILDREN');
  t.end();
});
