/** tracer-run: a command under guard, as the user who asked, and nothing of it left. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tape from 'tape';
import { cgroup2Mount } from '../support/cgroup.js';
import { bin, python } from '../support/paths.js';
import { Running } from '../support/processes.js';

function inTemp(name: string, body: (t: tape.Test, dir: string) => Promise<void>): void {
  tape(name, { timeout: 90_000 }, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'tracer-run-'));
    try {
      await body(t, dir);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
}

/** A zombie does not: who adopts it here may never ask for its end. */
function lives(pid: string): boolean {
  return existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
}

function ours(): string[] {
  return readdirSync(cgroup2Mount()).filter((name) => name.startsWith('tracer-run.'));
}

const CONNECT = `import socket, sys
for host in ('127.0.0.2', '127.0.0.3'):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try: s.connect((host, 9)); print(host, 'ok')
    except PermissionError: print(host, 'refused')
print(open('/proc/self/status').read())
print(sys.stdin.read())
sys.exit(7)`;

inTemp('stdin, stdout and status are the command’s; refusals are lines on stderr; no privileges; the cgroup goes', async (t, dir) => {
  const before = ours();
  const file = join(dir, 'egress.deny');
  writeFileSync(file, '127.0.0.2\n');
  const child = spawn(bin('run'), ['--egress', file, '--', python, '-c', CONNECT], {
    env: { ...process.env, SUDO_UID: '65534', SUDO_GID: '65534' },
  });
  let [out, err] = ['', ''];
  child.stdout.on('data', (bytes) => {
    out += bytes;
  });
  child.stderr.on('data', (bytes) => {
    err += bytes;
  });
  child.stdin.end('what was asked\n');
  const status = await new Promise((resolve) => child.once('close', resolve));
  t.equal(status, 7, err);
  t.match(out, /^127\.0\.0\.2 refused\n127\.0\.0\.3 ok\n/);
  t.match(out, /what was asked/);
  t.match(out, /^Uid:\t65534\t65534\t65534\t65534$/m, 'who');
  t.match(out, /^Groups:\t(?:65534 )?\s*$/m, 'no groups of root');
  t.match(out, /^NoNewPrivs:\t1$/m);
  for (const set of ['CapEff', 'CapPrm', 'CapInh', 'CapBnd', 'CapAmb']) t.match(out, new RegExp(`^${set}:\t0+$`, 'm'), set);
  t.match(err, /python3?\S*\[\d+\].*127\.0\.0\.2:9/, 'the refusal, for a person');
  t.notOk(out.includes('event_type'), 'no events on stdout');
  t.deepEqual(ours(), before, 'no cgroup is left');
});

inTemp('what it left running ends with it; -o has the events', async (t, dir) => {
  const before = ours();
  const [file, pid, events] = [join(dir, 'only.allow'), join(dir, 'pid'), join(dir, 'events.ndjson')];
  writeFileSync(file, '127.0.0.3\n');
  const line = `setsid sleep 300 >/dev/null 2>&1 & echo $! > ${pid}; ${python} -c "import socket
try: socket.create_connection(('127.0.0.2', 9))
except PermissionError: print('refused')"`;
  const run = await new Running(bin('run'), ['--allow-egress', file, '-o', events, '--', 'sh', '-c', line], { timeout: 60_000 }).done;
  t.equal(run.status, 0, run.stderr);
  t.equal(run.stdout.toString(), 'refused\n');
  t.notOk(lives(readFileSync(pid, 'utf8').trim()), 'the background process');
  t.deepEqual(ours(), before);
  t.match(readFileSync(events, 'utf8'), /"event_type":"guard_deny".*"reason":"not on the allow-list"/);
});

inTemp('killed, it leaves a cgroup that --gc takes away', async (t, dir) => {
  const before = ours();
  const file = join(dir, 'egress.deny');
  writeFileSync(file, '');
  const run = new Running(bin('run'), ['--egress', file, '--', 'sh', '-c', 'echo up; sleep 300'], { timeout: 60_000 });
  await run.says('up');
  run.signal('SIGKILL');
  const left = ours().filter((name) => !before.includes(name));
  t.equal(left.length, 1, 'its cgroup');
  const gc = await new Running(bin('run'), ['--gc'], { timeout: 30_000 }).done;
  t.equal(gc.status, 0, gc.stderr);
  t.match(gc.stderr, /took .*tracer-run\./);
  t.deepEqual(ours(), before);
  await run.done.catch(() => {});
});

inTemp('what cannot be: said, with a status of its own', async (t, dir) => {
  const file = join(dir, 'egress.deny');
  writeFileSync(file, 'not a host!\n');
  const before = ours();
  const bad = await new Running(bin('run'), ['--egress', file, '--', 'true'], { timeout: 30_000 }).done;
  t.equal(bad.status, 125, bad.stderr);
  t.match(bad.stderr, /egress\.deny:1:4: there is more than one word/);
  writeFileSync(file, '');
  t.equal((await new Running(bin('run'), ['--egress', file, '--', 'no-such-command'], { timeout: 30_000 }).done).status, 127);
  t.equal((await new Running(bin('run'), ['--', 'true'], { timeout: 30_000 }).done).status, 64);
  t.deepEqual(ours(), before, 'and nothing is left');
});
