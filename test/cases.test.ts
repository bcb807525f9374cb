/**
 * Tests as data: each directory test/cases/<command>/<case>/ holds
 * - `cmd`: a shell line, run there with tracer-* on PATH; `#` lines say what it is about
 * - `in.ndjson`: its stdin (else empty), `out.ndjson` (`out.txt` where it is text for people): its whole stdout, to
 *   the byte (else not looked at)
 * - `err`: each line stands somewhere on stderr, as text or as /regular expression/; an empty file means a silent stderr
 * - `exit`: its status (else 0)
 * `UPDATE=1 node dist/test/cases.test.js [FILTER]` writes each out.ndjson that is there anew: read the difference before it is committed.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { ROOT, runProgram } from './support/harness.js';
import { eventsOf, problemsOf } from './support/validate.js';

const CASES = `${ROOT}test/cases`;
const filter = process.argv[2] ?? '';

/** The commands under the names that they are installed by. */
const path = mkdtempSync(join(tmpdir(), 'tracer-bin-'));
const { bin } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as { bin: Record<string, string> };
for (const [name, file] of Object.entries(bin)) symlinkSync(ROOT + file, join(path, name));
test.onFinish(() => rmSync(path, { recursive: true }));

function optional(file: string): Buffer | undefined {
  return existsSync(file) ? readFileSync(file) : undefined;
}

/** The first line in which two texts differ, for people. */
function firstDifference(actual: Buffer, expected: Buffer): string {
  const [a, b] = [actual.toString().split('\n'), expected.toString().split('\n')];
  const at = a.findIndex((line, i) => line !== b[i]);
  const place = at < 0 ? a.length : at;
  return `line ${place + 1}: ${JSON.stringify(a[place]?.slice(0, 400))} instead of ${JSON.stringify(b[place]?.slice(0, 400))}`;
}

for (const command of existsSync(CASES) ? readdirSync(CASES) : []) {
  for (const name of readdirSync(join(CASES, command))) {
    const directory = join(CASES, command, name);
    if (!`${command}/${name}`.includes(filter) || !existsSync(join(directory, 'cmd'))) continue;
    test(`case ${command}/${name}`, async (t) => {
      const line = readFileSync(join(directory, 'cmd'), 'utf8');
      const { stdout, stderr, code, signal } = await runProgram('/bin/sh', ['-c', line], {
        cwd: directory,
        input: optional(join(directory, 'in.ndjson')) ?? '',
        env: { PATH: `${path}:${process.env.PATH}`, LC_ALL: 'C.UTF-8', TZ: 'UTC' },
      });
      const status = signal ?? code;
      t.equal(status, Number(optional(join(directory, 'exit'))?.toString() ?? 0), `exit status, stderr: ${stderr.slice(0, 500)}`);
      const text = join(directory, 'out.txt');
      const outFile = existsSync(text) ? text : join(directory, 'out.ndjson');
      if (process.env.UPDATE === '1' && existsSync(outFile)) writeFileSync(outFile, stdout);
      const expected = optional(outFile);
      if (expected !== undefined) t.ok(stdout.equals(expected), stdout.equals(expected) ? 'stdout' : firstDifference(stdout, expected));
      const errors = optional(join(directory, 'err'))?.toString();
      if (errors === '') t.equal(stderr, '', 'stderr is silent');
      for (const wanted of errors?.split('\n').filter((each) => each !== '') ?? []) {
        const pattern = /^\/(.*)\/$/.exec(wanted)?.[1];
        t.ok(
          pattern === undefined ? stderr.includes(wanted) : new RegExp(pattern, 'm').test(stderr),
          `stderr has ${wanted}${stderr.includes(wanted) ? '' : `: ${stderr}`}`,
        );
      }
      for (const event of ours(stdout)) {
        const problems = problemsOf(event);
        if (problems.length > 0) t.fail(`${JSON.stringify(event).slice(0, 200)}: ${problems.join('; ')}`);
      }
      t.end();
    });
  }
}

/** The events of an output that Tracer made: not the made-up ones that pass through. */
function ours(stdout: Buffer): unknown[] {
  try {
    return eventsOf(stdout.toString()).filter((event) => {
      const { event_type, id } = (event ?? {}) as { event_type?: unknown; id?: unknown };
      return /^(http_|sse_event|malformed|llm_)/.test(String(event_type)) && !String(id).startsWith('aaaaaaaaaa-');
    });
  } catch {
    return [];
  }
}
