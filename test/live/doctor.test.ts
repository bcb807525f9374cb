/** `tracer doctor`: what it says is so, and its exit status can be relied on. */
import { spawnSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import type { CapsResult } from '../../lib/runners/doctor/caps.js';
import type { Report } from '../../lib/runners/doctor/check.js';
import { scratch } from '../bpf/target.js';
import { bin, root } from '../support/paths.js';
import { copyTree } from '../support/readable-tree.js';

/** Where nobody can read it: a clone may lie in a home that is closed to others. */
let readable: string | undefined;
function forNobody(): string {
  chmodSync(scratch(), 0o755);
  readable ??= join(copyTree(scratch()), 'bin/tracer');
  return readable;
}

function doctor(args: string[], options: { as?: string[]; env?: Record<string, string> } = {}) {
  const tracer = options.as === nobody ? forNobody() : bin('tracer');
  const [file = '', ...rest] = [...(options.as ?? []), process.execPath, tracer, 'doctor', ...args];
  return spawnSync(file, rest, { encoding: 'utf8', env: { ...process.env, ...options.env } });
}

const nobody = ['setpriv', '--reuid', '65534', '--regid', '65534', '--clear-groups', '--inh-caps=-all', '--bounding-set=-all'];

function checksOf(report: Report) {
  return new Map(report.sections.flatMap((section) => section.checks).map((check) => [check.name, check]));
}

test('as root, where the other live tests run, the basics work', (t) => {
  const { status, stdout } = doctor(['--json']);
  const report: Report = JSON.parse(stdout);
  t.equal(status, 0, JSON.stringify(report.sections[0]?.checks.filter((check) => check.state !== 'ok')));
  t.equal(report.ok, true);
  const checks = checksOf(report);
  for (const name of ['addon', 'btf', 'uprobe_fires', 'object_sslsniff', 'ring_buffer']) t.equal(checks.get(name)?.state, 'ok', name);
  for (const check of checks.values()) {
    t.match(check.state, /^(ok|limited|missing|untried)$/, check.name);
    if (check.state === 'missing' && report.sections.find((section) => section.checks.includes(check))?.basic)
      t.ok(check.remedy, `${check.name} has a remedy`);
  }
  t.equal(stdout.split('\n').length, 2, 'one line');
  t.end();
});

test('for people: every check on a line, no colours in a pipe', (t) => {
  const { status, stdout } = doctor([]);
  t.equal(status, 0);
  t.match(stdout, /^ {2}ok +addon/m);
  t.match(stdout, /µs on an instruction that the kernel emulates/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
  t.notOk(/\x1b/.test(stdout));
  t.end();
});

test('an ordinary user: 77, and what to do', (t) => {
  const { status, stdout, stderr } = doctor([], { as: nobody });
  t.equal(status, 77, stderr);
  t.match(stdout, /missing +privileges +uid 65534 without CAP_BPF and CAP_PERFMON/);
  t.match(stdout, /run sudo tracer doctor/);
  const report: Report = JSON.parse(doctor(['--json'], { as: nobody }).stdout);
  t.equal(report.privileges_missing, true);
  t.end();
});

test('without BTF, without /sys: 69, and what to do', (t) => {
  const wrong = doctor([], { env: { TRACER_BTF: '/nonexistent' } });
  t.equal(wrong.status, 69);
  t.match(wrong.stdout, /TRACER_BTF names \/nonexistent/);
  // Private first, so that nobody else loses theirs.
  const hide = 'mount --make-rprivate /sys && mount -t tmpfs none /sys && exec "$@"';
  const hidden = doctor([], { as: ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', hide, 'sh'] });
  t.equal(hidden.status, 69, hidden.stderr);
  t.match(hidden.stdout, /\/sys is not mounted here/);
  t.match(hidden.stdout, /mount -t sysfs sysfs \/sys/);
  t.end();
});

test('an addon that does not load is a sentence, not a stack', (t) => {
  const script = `Object.defineProperty(process, 'arch', { value: 'sparc' });
    const { command } = await import(${JSON.stringify(join(root, 'dist/lib/commands/doctor.js'))});
    process.exitCode = await command.run({}, []);`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  t.equal(status, 69);
  t.match(stdout, /missing +addon +cannot load the addon \S+linux-sparc/);
  t.match(stdout, /Linux on x64 or arm64/);
  t.end();
});

test('--caps: filters need nothing, unknown commands are named, ordinary users cannot try', (t) => {
  t.match(doctor(['--caps', 'http']).stdout, /tracer-http needs no capabilities/);
  t.equal(doctor(['--caps', 'nonesuch']).status, 64);
  const refused = doctor(['--caps', 'ssl'], { as: nobody });
  t.equal(refused.status, 77);
  t.match(refused.stderr, /sudo/);
  t.end();
});

test('--caps ssl --json: both reaches, without CAP_SYS_ADMIN', (t) => {
  // That a user with these can watch, and with one less cannot: capabilities.test.ts.
  const { status, stdout, stderr } = doctor(['--caps', 'ssl', '--json', '-v']);
  t.equal(status, 0, stderr);
  const result: CapsResult = JSON.parse(stdout);
  const [own = [], everybody = []] = result.sets.map((set) => set.capabilities);
  t.ok(own.includes('CAP_BPF') && own.includes('CAP_PERFMON'), own.join(' '));
  t.ok(everybody.includes('CAP_SYS_PTRACE'), everybody.join(' '));
  t.notOk([...own, ...everybody].includes('CAP_SYS_ADMIN'), 'not the one that is as good as root');
  t.match(stderr, /CAP_PERFMON: not enough/);
  t.end();
});
