/** The self-test of probe sites tells right ones from wrong ones, and runs nobody's library but root's. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { ElfImage } from '../../lib/elf/image.js';
import { chooseSslSites, type SslSite } from '../../lib/elf/ssl-sites.js';
import { decode } from '../../lib/elf/x86-64.js';
import { selfTest } from '../../lib/runners/sslsniff/self-test.js';
import { skip } from '../support/skip.js';

const LIBSSL = '/usr/lib/x86_64-linux-gnu/libssl.so.3';
const KERNEL = { major: 6, minor: 1 };

function sitesOf(path: string, publicOnly = false): SslSite[] {
  const image = ElfImage.open(path);
  try {
    const { read, write } = chooseSslSites(image, KERNEL, { publicOnly });
    return [...read, ...write];
  } finally {
    image.close();
  }
}

function unable(t: test.Test): boolean {
  if (process.getuid?.() !== 0) skip(t, 'uprobes need root');
  else if (!existsSync(LIBSSL)) skip(t, `there is no ${LIBSSL}`);
  else return false;
  return true;
}

test('the sites chosen for this machine’s libssl pass, at the cost that was foretold', async (t) => {
  if (unable(t)) return;
  for (const publicOnly of [false, true]) {
    const sites = sitesOf(LIBSSL, publicOnly);
    const verdicts = await selfTest(LIBSSL, sites);
    for (const [i, site] of sites.entries())
      t.deepEqual(verdicts[i], { state: 'passed', cost: site.cost }, `${site.function}: ${site.cost}`);
  }
});

test('wrong sites are found out', async (t) => {
  if (unable(t)) return;
  const [read, write] = sitesOf(LIBSSL) as [SslSite, SslSite];
  const wrong = async (site: SslSite): Promise<string> => {
    const [verdict] = await selfTest(LIBSSL, [site]);
    return verdict?.state === 'failed' ? verdict.reason : `not found out: ${JSON.stringify(verdict)}`;
  };
  t.match(await wrong({ ...read, arguments: read.arguments === 'out4' ? 'out5' : 'out4' }), /taken/, 'another argument for the count');
  t.match(await wrong({ ...write, arguments: 'count' }), /taken/, 'the result for the count');
  t.match(await wrong({ ...read, direction: 'write' }), /SSL_write: 0 entries/, 'the other direction');
  t.match(await wrong({ ...read, offset: sitesOf(LIBSSL, true)[0]?.offset ?? 0 }), /entries|taken/, 'a public function for the inner one');
  const image = ElfImage.open(LIBSSL);
  const peek = image.fileOffset(image.symbol('SSL_peek')?.address ?? 0) ?? 0;
  const free = image.fileOffset(image.symbol('SSL_free')?.address ?? 0) ?? 0;
  image.close();
  t.match(await wrong({ ...read, offset: peek }), /SSL_peek came through/, 'SSL_peek');
  t.match(await wrong({ ...read, offset: free }), /0 entries/, 'a function that is not called');
  // Behind the first push the return address is no longer where a return probe looks for it.
  const image2 = ElfImage.open(LIBSSL);
  const length = decode(image2.bytes(read.address, 16) ?? Buffer.alloc(0), 0)?.length ?? 0;
  image2.close();
  t.match(
    await wrong({ ...read, offset: read.offset + length }),
    /ended with|entries|arguments|taken/,
    'the second instruction of the function',
  );
});

test('only what root alone can have put there is run', async (t) => {
  if (unable(t)) return;
  const folder = mkdtempSync(join(tmpdir(), 'tracer-self-test-'));
  const copy = join(folder, 'libssl.so.3');
  copyFileSync(LIBSSL, copy);
  const [verdict] = await selfTest(copy, sitesOf(copy));
  t.equal(verdict?.state, 'untested');
  t.match(verdict?.state === 'untested' ? verdict.reason : '', /\/tmp can be written by others|belongs to uid/, 'a library below /tmp');
  const root = spawn(
    'unshare',
    ['-m', '--propagation', 'private', 'sh', '-c', `mount --bind ${copy} ${LIBSSL} && echo ready && read line`],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  );
  await once(root.stdout, 'data');
  const [other] = await selfTest(`/proc/${root.pid}/root${LIBSSL}`, sitesOf(LIBSSL));
  t.deepEqual(other, { state: 'untested', reason: 'the library is in another mount namespace' });
  root.stdin.end('\n');
  const [missing] = await selfTest(LIBSSL, sitesOf(LIBSSL), { helper: '/nowhere' });
  t.deepEqual(missing, { state: 'untested', reason: '/nowhere is missing' });
  rmSync(folder, { recursive: true });
});
