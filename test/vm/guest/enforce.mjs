// Runs in the guest: a cgroup under tracer-enforce, python has none here, so curl tries. The guard's events on stdout.
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

const cgroup = '/sys/fs/cgroup/agent';
mkdirSync(cgroup);
const server = createServer((_request, response) => response.end('reached'));
await new Promise((resolve) => server.listen(8080, '::', resolve));

const file = '/tmp/egress.deny';
writeFileSync(file, '127.0.0.2\n[::1]:8080/tcp\n');
const guard = spawn('bin/enforce', ['--cgroup', cgroup, file], { stdio: ['ignore', 'pipe', 'inherit'] });
let said = '';
guard.stdout.on('data', (bytes) => {
  said += bytes;
  process.stdout.write(bytes);
});
const until = async (text) => {
  for (let i = 0; i < 900 && !said.includes(text); i++) await new Promise((resolve) => setTimeout(resolve, 100));
  if (!said.includes(text)) throw new Error(`the guard never said ${text}`);
};
await until('"sensor_start"');

/** What curl's end says of a URL, from inside the cgroup or beside it. Asynchronous: the server is in this process. */
const ask = (url, inside) =>
  new Promise((resolve) => {
    const line = `${inside ? `echo $$ > ${cgroup}/cgroup.procs; ` : ''}curl -sS -m 20 '${url}'`;
    const child = spawn('sh', ['-c', line], { stdio: ['ignore', 'pipe', 'ignore'] });
    let out = '';
    child.stdout.on('data', (bytes) => (out += bytes));
    child.on('close', () => resolve(out === 'reached'));
  });
let tries = '';
const tell = async (name, url, inside) => {
  tries += `try: ${name}: ${await ask(url, inside)}\n`;
};

await tell('allowed', 'http://127.0.0.1:8080/', true);
await tell('denied', 'http://127.0.0.2:8080/', true);
await tell('denied mapped', 'http://[::ffff:127.0.0.2]:8080/', true);
await tell('denied v6', 'http://[::1]:8080/', true);
await tell('outsider', 'http://127.0.0.2:8080/', false);
writeFileSync(`${file}.new`, '127.0.0.1\n');
renameSync(`${file}.new`, file);
await until('"guard_reload"');
await tell('denied since', 'http://127.0.0.1:8080/', true);
await tell('allowed since', 'http://127.0.0.2:8080/', true);
guard.kill('SIGINT');
await new Promise((resolve) => guard.on('close', resolve));
await tell('after its end', 'http://127.0.0.1:8080/', true);
spawnSync('rmdir', [cgroup]);
process.stdout.write(tries);
process.exit(0);
