/** `tracer ssl-probe FILE`: its answers and its exit status. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { runBin } from '../support/harness.js';
import { opensslFile } from '../support/openssl-file.js';

const directory = mkdtempSync(join(tmpdir(), 'tracer-probe-'));
test.onFinish(() => rmSync(directory, { recursive: true }));
const probe = (...args: string[]) => runBin('tracer', ['ssl-probe', '--no-cache', ...args]);

test('ssl-probe: an OpenSSL, as text and as JSON', async (t) => {
  const file = opensslFile(directory);
  const { code, stdout, stderr } = await probe(file);
  t.deepEqual([code, stderr], [0, '']);
  t.match(stdout.toString(), /^OpenSSL .*certain, by /);
  t.match(stdout.toString(), /\n {2}write +(SSL_write|ssl_write_internal).* \+0x[0-9a-f]+ {2}(emulated|stepped) /);
  const json = await probe('--json', file);
  const report = JSON.parse(json.stdout.toString()) as { findings: { library: string; sites: { role: string; offset: number }[] }[] };
  t.equal(report.findings[0]?.library, 'openssl');
  t.ok(report.findings[0]?.sites.every(({ offset }) => offset > 0));
  t.end();
});

test('ssl-probe: what it says of a file without TLS, of a script, of text and of nothing', async (t) => {
  const script = join(directory, 'script');
  writeFileSync(script, '#!/bin/sh\n');
  for (const [path, status, said] of [
    ['/bin/ls', 69, /no TLS found inside/],
    [script, 65, /a script\. Its TLS is in the program that runs it/],
    ['/etc/passwd', 65, /not an ELF file/],
    [join(directory, 'nothing'), 74, /ENOENT/],
    [directory, 74, /not a regular file/],
  ] as const) {
    const { code, stdout, stderr } = await probe(path);
    t.equal(code, status, path);
    t.match(`${stdout}${stderr}`, said);
  }
  t.end();
});
