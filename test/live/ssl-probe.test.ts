/** `tracer ssl-probe --pid`: the TLS of a living process, against the plaintext that is seen of it. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rustProgram } from '../support/built.js';
import { type Bench, live } from '../support/live.js';
import { bin, python } from '../support/paths.js';
import { Running } from '../support/processes.js';

interface Report {
  final: boolean;
  processes: {
    pid: number;
    verdict: string;
    says: string;
    libraries: string[];
    probes: { attached: number };
    exited: boolean;
    tls_read_bytes: number;
    tls_write_bytes: number;
    tls_bytes_before: number;
    plaintext_read_bytes: number;
    plaintext_write_bytes: number;
  }[];
}

/** A python that asks again and again, from its start or from when it is told. */
function asking(bench: Bench, first: number): Running {
  const script = join(bench.dir, `asking${first}.py`);
  writeFileSync(
    script,
    `import socket, ssl, sys, time
context = ssl.create_default_context(cafile='${bench.certificate.ca}')
def ask(s, times):
    for _ in range(times):
        s.sendall(b'GET /bytes/5000?probe HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')
        got = b''
        while len(got.partition(b'\\r\\n\\r\\n')[2]) < 5000: got += s.recv(65536)
s = context.wrap_socket(socket.create_connection(('127.0.0.1', ${bench.server.port})), server_hostname='localhost')
ask(s, ${first})
print('ready', flush=True)
while True:
    time.sleep(2.5 if ${first} == 0 else 0.2)
    ask(s, 1)
    if ${first} == 0: break
time.sleep(3 if ${first} == 0 else 60)
`,
  );
  return new Running(python, [script]);
}

function reports(stdout: Buffer): Report[] {
  return stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Report);
}

live('once: a process whose plaintext arrives, joined in the middle', async (t, bench) => {
  const client = asking(bench, 20);
  await client.until((r) => r.stdout.includes('ready'), 'its first answers');
  const probe = new Running(bin('tracer'), ['ssl-probe', '--pid', `${client.pid}`, '--seconds', '2', '--json']);
  const { stdout, status, stderr } = await probe.done;
  t.equal(status, 0, stderr.slice(-500));
  const [report, ...rest] = reports(stdout);
  t.equal(rest.length, 0, 'one report');
  const one = report?.processes[0];
  t.equal(one?.pid, client.pid, 'of whom');
  t.equal(one?.verdict, 'seen', one?.says);
  t.deepEqual(one?.libraries, ['openssl'], 'what was found');
  t.ok((one?.tls_bytes_before ?? 0) > 20 * 5000, `bytes before it began: ${one?.tls_bytes_before}`);
  t.ok((one?.plaintext_read_bytes ?? 0) >= 5000 && (one?.plaintext_read_bytes ?? 0) < 20 * 5000, 'plaintext since');
  t.ok((one?.tls_read_bytes ?? 0) > (one?.plaintext_read_bytes ?? 0), 'which is less than its TLS');
  client.signal('SIGKILL');
  await client.done;
});

live('--watch: until the process has ended', async (t, bench) => {
  const client = asking(bench, 0);
  const probe = new Running(bin('tracer'), ['ssl-probe', '--pid', `${client.pid}`, '--watch']);
  const { stdout, status } = await probe.done;
  t.equal(status, 0);
  t.match(stdout.toString(), /has ended: plaintext arrives/, 'what it says last');
});

live(
  'a program whose TLS cannot be found: said, with status 69',
  async (t, bench) => {
    const built = await rustProgram('ring');
    if ('missing' in built) {
      t.pass('left out', { skip: built.missing } as object);
      return;
    }
    const bytes = readFileSync(built.path);
    const mark = Buffer.from('/src/aead/algorithm.rs');
    for (let at = bytes.indexOf(mark); at >= 0; at = bytes.indexOf(mark, at + 1)) bytes.write('/xyz', at);
    const altered = join(bench.dir, 'altered');
    writeFileSync(altered, bytes, { mode: 0o755 });
    const operations = Array.from({ length: 12 }, () => 'get:/bytes/30000000?tag');
    const client = new Running(altered, [bench.certificate.ca, String(bench.server.port), ...operations]);
    const probe = new Running(bin('tracer'), ['ssl-probe', '--pid', `${client.pid}`, '--watch', '--json']);
    const { stdout, status } = await probe.done;
    await client.done;
    t.equal(status, 69, 'the status');
    const one = reports(stdout).at(-1)?.processes[0];
    t.equal(one?.verdict, 'blind', one?.says);
    t.ok((one?.tls_read_bytes ?? 0) > 64 * 1024, `TLS: ${one?.tls_read_bytes}`);
    t.equal((one?.plaintext_read_bytes ?? -1) + (one?.plaintext_write_bytes ?? 0), 0, 'no plaintext');
  },
  300,
);
