/** tracer-proc --security: each kind, with its outcome as the program that did it wrote it down. */
import { chmodSync, chownSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import tape from 'tape';
import { ledger, of, processSensor } from '../support/process-sensor.js';
import { program } from '../support/programs.js';
import { skip } from '../support/skip.js';

const ERRNO = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));

/** What the workload calls the deed. */
function detailOf(kind: string, detail: Record<string, unknown>): string {
  if (kind === 'setuid_root') return String(detail['call']);
  if (kind === 'ptrace') return String(detail['request']);
  if (kind === 'listen') return String(detail['port'] ?? 0);
  if (kind === 'mount') return String(detail['type']);
  if (kind === 'bpf') return String(detail['command']);
  if (kind === 'module_load') return String(detail['call']);
  if (kind === 'setns' || kind === 'unshare') return String((detail['namespaces'] as string[] | undefined)?.join(','));
  if (kind === 'memfd_exec') return String(detail['exe']);
  return '-';
}

/** The program once more, as root's and set-user-id. */
function suidProgram(dir: string): string {
  const copy = join(dir, 'suid');
  copyFileSync(program('securitybox'), copy);
  chownSync(copy, 0, 0);
  chmodSync(copy, 0o4755);
  return copy;
}

tape('proc --security: what a program did, each once, with its outcome', async (t) => {
  if (process.getuid?.() !== 0) return skip(t, 'needs root');
  const dir = mkdtempSync(join(tmpdir(), 'tracer-security-'));
  try {
    chmodSync(dir, 0o755);
    const run = await processSensor(['--security', '--', program('securitybox')], {
      cwd: dir,
      env: { DIR: dir, SUID: suidProgram(dir) },
    }).end();
    t.equal(run.status, 0, run.stderr.slice(-500));
    t.deepEqual(ledger(run), []);
    const probes = of(run, 'sensor_start')[0]?.data.probes ?? [];
    const isThere = (name: string): boolean => probes.some((probe) => probe.name === name && probe.state === 'attached');
    const told = [...run.stderr.matchAll(/^([a-z_]+) (\S+) (\d+)$/gm)]
      // A kernel without modules has no such call to look at, and says so.
      .filter(([, kind, call]) => kind !== 'module_load' || isThere(`security_${call}`))
      .map(([, kind, detail, errno]) => [kind, detail, ERRNO.get(Number(errno)) ?? 'done'].join(' '));
    t.ok(told.length >= 20, `${told.length} deeds`);
    const actions = of(run, 'security_action').filter(({ data }) => data.kind !== 'capability' && data.detail['target'] !== '/');
    const seen = actions.map(({ data }) => [data.kind, detailOf(data.kind, data.detail), data.errno ?? 'done'].join(' '));
    t.deepEqual(seen.sort(), told.sort(), 'what was seen is what was done');
    const detail = (kind: string, call?: string): Record<string, unknown> =>
      actions.find(({ data }) => data.kind === kind && (call === undefined || detailOf(kind, data.detail) === call))?.data.detail ?? {};
    t.equal(detail('setuid_root', 'setuid')['from_uid'], 12345);
    t.equal(detail('listen')['backlog'], 7);
    t.equal(detail('listen')['family'], 'ipv4');
    t.deepEqual([detail('mount', 'tmpfs')['source'], detail('mount', 'tmpfs')['target']], ['security-test', dir]);
    t.equal(detail('bpf', 'BPF_PROG_LOAD')['name'], 'sectest');
    t.equal(detail('process_vm_read')['bytes'], 64);
    const capabilities = of(run, 'security_action').filter(({ data }) => data.kind === 'capability');
    if (isThere('security_capability')) {
      const asked = (capability: string, errno?: string): boolean =>
        capabilities.some(({ data }) => data.detail['capability'] === capability && data.errno === errno);
      t.ok(asked('CAP_SETUID') && asked('CAP_SETUID', 'EPERM'), 'a capability that was granted, and one that was not');
      const keys = capabilities.map(({ data }) => `${data.pid} ${data.start_us} ${JSON.stringify(data.detail)} ${data.errno}`);
      t.equal(new Set(keys).size, keys.length, 'each once');
    } else {
      t.ok(
        of(run, 'sensor_start')[0]?.data.not_covered.some((sentence) => sentence.includes('capabilities')),
        'that it is not shown is said',
      );
    }
    t.equal(
      of(await processSensor(['--', program('securitybox')], { cwd: dir, env: { DIR: dir } }).end(), 'security_action').length,
      0,
      'without --security nothing of it is told',
    );
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
