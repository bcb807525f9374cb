// Runs in the guest: tracer-proc, tracer-net, and tracer-net while the clock is put forward an hour; their events on stdout.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { Worker } from 'node:worker_threads';

const here = new URL('.', import.meta.url).pathname;
execFileSync('openssl', [
  ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '1'],
  ...['-keyout', '/tmp/key.pem', '-out', '/tmp/cert.pem', '-subj', '/CN=hello.test'],
]);
const workerData = { key: readFileSync('/tmp/key.pem'), cert: readFileSync('/tmp/cert.pem') };
const server = new Worker(new URL('net-server.mjs', import.meta.url), { workerData });
await new Promise((resolve, reject) => server.once('message', resolve).once('error', reject));

let worst = 0;
function say(status, stdout, stderr) {
  process.stdout.write(stdout);
  process.stdout.write(`${stderr.trimEnd().replace(/^/gm, 'stderr: ')}\n`);
  if (status !== 0) {
    process.stdout.write(`status: ${status}\n`);
    worst = 1;
  }
}

function run(...words) {
  const { status, stdout, stderr } = spawnSync(words[0], words.slice(1), { encoding: 'utf8', timeout: 180_000, maxBuffer: 64e6 });
  say(status, stdout, stderr);
}

const deeds = `cd /tmp
mkdir -p box/below
echo text > box/a
mv box/a box/b
ln box/b box/c
cat no-such-file box/b
rm box/b box/c
rmdir box/below
/bin/busybox false
/bin/busybox sh -c 'kill -9 $$'
exit 0`;
run('bin/procmon', '--files', '--', '/bin/busybox', 'sh', '-c', deeds);
run('bin/netmon', '--', 'node', `${here}net-client.mjs`);

// Its own process is watched: it connects, puts the clock forward, connects again.
const sensor = spawn('bin/netmon', ['-p', String(process.pid)]);
let [stdout, stderr] = ['', ''];
sensor.stdout.setEncoding('utf8').on('data', (text) => {
  stdout += text;
});
sensor.stderr.setEncoding('utf8').on('data', (text) => {
  stderr += text;
});
const ended = new Promise((resolve) => sensor.on('close', resolve));
async function says(what) {
  for (let i = 0; i < 2000 && !stdout.includes(what); i++) await new Promise((resolve) => setTimeout(resolve, 50));
}
const once = (port) =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end());
    socket
      .on('data', () => {})
      .on('close', resolve)
      .on('error', resolve);
  });
await says('"sensor_start"');
await once(7777);
await says('"net_close"');
execFileSync('date', ['-s', `@${Math.floor(Date.now() / 1000) + 3600}`]);
await says('"clock_sync"');
await once(1);
await says('"ECONNREFUSED"');
sensor.kill('SIGINT');
say(await ended, stdout, stderr);
process.exit(worst);
