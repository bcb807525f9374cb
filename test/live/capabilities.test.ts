/** `tracer doctor --caps ssl` names the smallest set: an ordinary user with it can watch, with one less cannot. */
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { agree, live } from '../support/live.js';
import { bin } from '../support/paths.js';
import { type Finished, Running, run, sh } from '../support/processes.js';
import { program } from '../support/programs.js';
import { copyTree } from '../support/readable-tree.js';
import { faults, Sensor } from '../support/sensor.js';
import { reported } from '../support/truth.js';

const uid = 61000 + (process.pid % 4000);

/** setpriv arguments: this user, these capabilities, nothing more. */
function as(caps: readonly string[]): string[] {
  const set = ['-all', ...caps.map((c) => `+${c}`)].join(',');
  return [
    '--reuid',
    String(uid),
    '--regid',
    String(uid),
    '--clear-groups',
    `--inh-caps=${set}`,
    `--ambient-caps=${set}`,
    `--bounding-set=${set}`,
  ];
}

/** doctor tries each set, which takes its time: asked once. */
let said: Promise<Finished> | undefined;

/** The set that doctor prints below the heading that holds `what`, as setpriv writes it: `CAP_BPF` → `bpf`. */
async function needed(what: RegExp): Promise<string[]> {
  said ??= run(bin('tracer'), ['doctor', '--caps', 'ssl'], { timeout: 60000 });
  const lines = (await said).stdout.toString().split('\n');
  const set = lines[lines.findIndex((line) => what.test(line)) + 1] ?? '';
  return (set.match(/CAP_[A-Z_]+/g) ?? []).map((c) => c.slice(4).toLowerCase());
}

live('an ordinary user with the capabilities that doctor names for his own programs, and with one less', async (t, bench) => {
  const caps = await needed(/command that it starts/);
  t.ok(caps.length > 0, caps.join(' '));
  t.notOk(caps.includes('sys_admin'), 'CAP_SYS_ADMIN is not asked for');
  const tracer = join(copyTree(bench.dir), 'bin/sslsniff');
  const box = bench.box('tlsbox', 'plain', '20000', '500');
  const result = await new Sensor(['--', ...box], {}, ['setpriv', ...as(caps), tracer]).end();
  t.equal(result.status, 0, result.stderr.slice(-800));
  agree(t, faults(result, bench.truth(), bench.unrelated), result);
  for (const less of caps) {
    const { status, stdout, stderr } = await run('setpriv', [...as(caps.filter((c) => c !== less)), tracer, '--', ...box]);
    t.equal(status, 125, `without ${less}: ${stderr.trimEnd().split('\n').at(-1)}`);
    t.equal(stdout.length, 0, 'and nothing on stdout');
  }
});

live('the command of an ordinary user with capabilities gets none of them', async (t, bench) => {
  const caps = await needed(/command that it starts/);
  const tracer = join(copyTree(bench.dir), 'bin/sslsniff');
  const ask = ['--', 'grep', '-E', '^Cap(Prm|Eff|Amb)', '/proc/self/status'];
  const { status, stderr } = await run('setpriv', [...as(caps), tracer, ...ask]);
  t.equal(status, 0);
  t.equal((stderr.match(/^Cap...:\t0+$/gm) ?? []).length, 3, stderr);
});

live("an ordinary user with the capabilities that doctor names for everybody's programs, and with one less", async (t, bench) => {
  const caps = await needed(/every user/);
  const tracer = join(copyTree(bench.dir), 'bin/sslsniff');
  // A libssl that no list of likely ones has: it is found by looking at the process.
  const lib = join(bench.dir, 'lib');
  mkdirSync(lib);
  await sh(`cp "$(ldd '${program('tlsbox')}' | awk '/libssl/ {print $3}')" '${lib}/'`);
  const watchOther = async (set: readonly string[]) => {
    rmSync(bench.report, { force: true });
    const box = bench.box('tlsbox', 'hold', '20000');
    const other = new Running(box[0] ?? '', box.slice(1), { uid: uid + 1, gid: uid + 1, env: { LD_LIBRARY_PATH: lib } });
    await reported(bench.report, 'ready');
    const sensor = new Sensor(['-p', String(other.pid)], {}, ['setpriv', ...as(set), tracer]);
    const attached = await sensor.attached().then(
      () => true,
      () => false,
    );
    other.say('go');
    await other.done;
    return attached ? await sensor.stop() : undefined;
  };
  const whole = await watchOther(caps);
  t.equal(whole?.status, 0, 'with all of them');
  if (whole) agree(t, faults(whole, bench.truth(), bench.unrelated), whole);
  for (const less of caps) {
    const result = await watchOther(caps.filter((c) => c !== less));
    t.notOk(result && faults(result, bench.truth()).length === 0, `without ${less} it does not see everything`);
  }
});
