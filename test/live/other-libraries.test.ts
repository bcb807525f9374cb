/** Programs whose TLS is neither OpenSSL's nor has its interface: the same truth, byte for byte. */
import { live } from '../support/live.js';
import { program } from '../support/programs.js';

live('wget (GnuTLS): a page, an upload', async (t, bench) => {
  const wget = ['wget', '-q', `--ca-certificate=${bench.certificate.ca}`, '-O', '/dev/null'];
  const line = [
    [...wget, `${bench.server.url}/bytes/300000?tag`, `${bench.server.url}/v1/models?tag`],
    [...wget, `--post-data=${'größer '.repeat(5000)}`, `${bench.server.url}/upload?tag`],
  ];
  const run = await bench.watch(t, ['--', 'sh', '-c', line.map((words) => words.map((w) => `'${w}'`).join(' ')).join(' && ')], () =>
    bench.server.clientTruth('tag'),
  );
  t.equal(run.status, 0, 'the status of wget');
  const sessions = [...run.reading.sessions.values()];
  t.deepEqual([...new Set(sessions.map((s) => s.open?.library))], ['gnutls'], 'the library');
  for (const s of sessions) {
    t.equal(s.open?.from_start, true, 'seen from its start');
    t.equal(s.open?.role, 'client', 'its role');
  }
  const data = run.events.flatMap((event) => (event.event_type === 'ssl_data' ? [event.data] : []));
  t.ok(
    data.every(({ fd }) => (fd ?? -1) > 2),
    'its descriptor',
  );
  t.deepEqual([...new Set(data.map((d) => d.function))].sort(), ['gnutls_record_recv', 'gnutls_record_send'], 'the functions');
});

live('git (libcurl on GnuTLS)', async (t, bench) => {
  const env = { GIT_SSL_CAINFO: bench.certificate.ca, GIT_TERMINAL_PROMPT: '0' };
  const run = await bench.watch(t, ['--', 'git', 'ls-remote', `${bench.server.url}/tag/x`], () => bench.server.clientTruth('tag'), { env });
  t.equal(run.status, 0, 'the status of git');
  t.equal([...run.reading.sessions.values()][0]?.open?.library, 'gnutls', 'the library');
  // curl gives GnuTLS functions of its own, so only the system call within tells.
  const peers = run.events.flatMap((event) =>
    event.event_type === 'ssl_open' || event.event_type === 'ssl_peer' ? [event.data.peer] : [],
  );
  t.ok(peers.includes(`127.0.0.1:${bench.server.port}`), 'whom it talks to');
});

live('a client on Mbed TLS: three connections of one object', async (t, bench) => {
  const paths = ['/bytes/200000?tag', '/close?tag', '/v1/models?tag'];
  const run = await bench.watch(t, ['--', program('mbedtls'), String(bench.server.port), ...paths], () => bench.server.clientTruth('tag'));
  t.equal(run.status, 0, 'the status of the command');
  const sessions = [...run.reading.sessions.values()].filter(({ read }) => read.next > 0);
  t.equal(sessions.length, 3, 'each connection is one');
  for (const { open } of sessions) t.deepEqual([open?.library, open?.from_start], ['mbedtls', true], 'the library, from its start');
});

live('a client on NSS', async (t, bench) => {
  const command = [program('nss'), String(bench.server.port), '/bytes/200000?tag'];
  const run = await bench.watch(t, ['--', ...command], () => bench.server.clientTruth('tag'));
  t.equal(run.status, 0, 'the status of the command');
  t.equal(run.reading.sessions.size, 1, 'the descriptor of a file is no session');
  const open = [...run.reading.sessions.values()][0]?.open;
  t.equal(open?.library, 'nss', 'the library');
  t.equal(open?.role, 'client', 'its role');
});
