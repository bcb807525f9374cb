/** Everything that `tracer doctor` looks at, in order, and how it is laid out for people. */
import { arch, release } from 'node:os';
import { packageVersion } from '../host.js';
import { type Check, check, type Report, type Section } from './check.js';
import * as host from './host.js';
import * as trials from './trials.js';

/** Looks at this host. Loads small BPF programs for a moment, watches nobody. */
export function examine(): Report {
  const addon = host.addonCheck();
  const start = [host.kernelCheck(), addon, host.typesCheck()];
  const sections: Section[] =
    addon.state === 'ok' ? everything(start) : [{ title: 'Watching TLS: tracer-ssl', basic: true, checks: start }];
  const basics = sections.filter((section) => section.basic).flatMap((section) => section.checks);
  const bad = basics.filter((one) => one.state === 'missing' || one.state === 'untried');
  const system = host.systemName();
  return {
    ok: bad.length === 0,
    privileges_missing: bad.length > 0 && bad.every((one) => one.state === 'untried' || one.name === 'privileges'),
    kernel: release(),
    arch: arch(),
    ...(system ? { system } : {}),
    version: packageVersion(),
    sections,
  };
}

function everything(start: Check[]): Section[] {
  const privileges = host.privilegesCheck();
  const permitted = privileges.state !== 'missing';
  const basics = [...start, privileges, host.lockdownCheck(), host.memlockCheck(), trials.ringCheck(permitted)];
  if (permitted) basics.push(...trials.uprobeChecks(), trials.objectCheck('sslsniff', 'tracer-ssl'));
  else basics.push(check('uprobe_fires', 'uprobe', 'untried', 'not permitted for this user', 'Run it with sudo.'));
  return [
    // Lockdown that cannot be read is no obstacle by itself: the trials tell.
    { title: 'Watching TLS: tracer-ssl', basic: true, checks: basics.filter((one) => one.name !== 'lockdown' || one.state !== 'untried') },
    {
      title: 'Sensors: kinds of programs',
      basic: false,
      checks: [host.tracefsCheck(), ...trials.SENSOR_TRIALS.map((kind) => trials.trial(kind, permitted)), trials.kprobeCheck()],
    },
    {
      title: 'Guards and the network',
      basic: false,
      checks: [host.cgroupCheck(), ...trials.GUARD_TRIALS.map((kind) => trials.trial(kind, permitted))],
    },
  ];
}

const MARKS = { ok: 'ok', limited: 'limited', missing: 'missing', untried: 'not tried' } as const;

export interface Paint {
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
  faint(text: string): string;
  bold(text: string): string;
}

/** The report as lines for people. */
export function layOut(report: Report, paint: Paint): string {
  const lines = [`Tracer ${report.version} on Linux ${report.kernel}, ${report.arch}${report.system ? `, ${report.system}` : ''}`];
  const colours = { ok: paint.good, limited: paint.warn, missing: paint.bad, untried: paint.faint };
  for (const section of report.sections) {
    lines.push('', paint.bold(section.title));
    for (const one of section.checks) {
      lines.push(`  ${colours[one.state](MARKS[one.state].padEnd(9))} ${one.title.padEnd(22)} ${one.detail}`);
      if (one.remedy && one.state !== 'ok') lines.push(`  ${' '.repeat(9)} ${' '.repeat(22)} ${paint.faint(`→ ${one.remedy}`)}`);
    }
  }
  lines.push('', verdict(report));
  return `${lines.join('\n')}\n`;
}

function verdict(report: Report): string {
  if (report.ok) return 'TLS can be watched on this host. Try: sudo tracer-ssl -- curl -s https://example.org | tracer-http | tracer-show';
  const first = report.sections
    .filter((section) => section.basic)
    .flatMap((section) => section.checks)
    .find((one) => one.state === 'missing');
  if (report.privileges_missing) return 'This user may not watch anything: run sudo tracer doctor.';
  return `TLS cannot be watched on this host: ${first?.title ?? 'see above'}.${first?.remedy ? ` ${first.remedy}` : ''}`;
}
