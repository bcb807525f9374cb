/** `tracer ssl-probe --pid PID`: does plaintext arrive for the TLS that goes through a process's sockets? */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import picocolors from 'picocolors';
import type { Account, Verdict } from '../runners/sslsniff/account.js';
import { SslSensor } from '../runners/sslsniff/sensor.js';
import { CommandError, EXIT } from '../stream/exit.js';
import { say } from '../stream/say.js';
import type { Outlet } from '../stream/source.js';
import { print } from './print.js';

/** Between two looks. */
const STEP_MS = 250;
/** With --watch: between two reports at least. */
const REPORT_MS = 1000;
const PROGRAM = 'tracer ssl-probe';

/** Nothing of what is read is kept: only the figures count. */
const NOWHERE: Outlet = {
  push() {},
  pushLines() {},
  queuedBytes: () => 0,
  drained: async () => {},
  prefersLines: true,
};

const SENTENCES: Readonly<Record<Verdict, string>> = {
  seen: 'plaintext arrives',
  silent: 'attached but silent: TLS passes, and no plaintext of it is seen',
  blind: 'not seen: TLS passes, and no place to read it was found',
  begins: 'TLS begins: too little has passed to tell',
  idle: 'no TLS has passed',
};

export interface LiveOptions {
  pids: readonly number[];
  watch: boolean;
  seconds: number;
  json: boolean;
}

/** Resolves with the exit status: 0 when plaintext was seen of all that send TLS, 69 when not, or when nothing is attached. */
export async function watchProcesses({ pids, watch, seconds, json }: LiveOptions): Promise<number> {
  const sensor = new SslSensor({ pids, accounts: true, ownProcess: true, say: (sentence) => say(PROGRAM, sentence) });
  let stopped = false;
  let failure: unknown;
  const stop = (): void => {
    stopped = true;
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  const over = sensor.run(NOWHERE).catch((error: unknown) => {
    failure = error;
    stopped = true;
  });
  const begun = performance.now();
  let reported = begun;
  let before = '';
  while (!stopped && pids.some((pid) => existsSync(`/proc/${pid}`)) && (watch || performance.now() - begun < seconds * 1000)) {
    await sleep(STEP_MS);
    const now = performance.now();
    if (!watch || now - reported < REPORT_MS) continue;
    const report = reportOf(sensor, begun, false);
    const text = JSON.stringify(report.processes);
    if (text !== before) print(json ? `${JSON.stringify(report)}\n` : layOutLive(report));
    before = text;
    reported = now;
  }
  if (failure !== undefined) throw failure;
  const report = reportOf(sensor, begun, true);
  sensor.stop('stop');
  await over;
  print(json ? `${JSON.stringify(report)}\n` : layOutLive(report));
  if (report.processes.length === 0) throw new CommandError(EXIT.unavailable, `process ${pids.join(', ')} has ended`);
  const bad = report.processes.some(({ verdict }) => verdict === 'silent' || verdict === 'blind');
  return !bad && report.processes.some(({ probes }) => probes.attached > 0) ? EXIT.ok : EXIT.unavailable;
}

interface Report {
  final: boolean;
  seconds: number;
  processes: (Account & { says: string })[];
}

function reportOf(sensor: SslSensor, begun: number, final: boolean): Report {
  const processes = sensor.accounts().map((account) => ({ ...account, says: SENTENCES[account.verdict] }));
  return { final, seconds: Math.round((performance.now() - begun) / 100) / 10, processes };
}

function number(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** Names come from processes: nothing in them drives a terminal. */
function safe(text: string): string {
  return [...text].map((character) => ((character.codePointAt(0) ?? 0) < 32 || character === '\x7f' ? '?' : character)).join('');
}

function layOutLive({ final, seconds, processes }: Report): string {
  const { bold, dim, green, red, yellow } = picocolors.createColors(process.stdout.isTTY === true && !process.env.NO_COLOR);
  const tones: Readonly<Record<Verdict, (text: string) => string>> = { seen: green, silent: red, blind: red, begins: yellow, idle: dim };
  const lines = [dim(`${final ? 'in all, ' : ''}after ${seconds.toFixed(1)} s`)];
  for (const one of processes) {
    lines.push(`${bold(`${safe(one.comm)} (${one.pid})`)}${one.exited ? ' has ended' : ''}: ${tones[one.verdict](one.says)}`);
    if (one.exe !== undefined) lines.push(dim(`  ${safe(one.exe)}`));
    const failed = one.probes.failed > 0 ? `, ${one.probes.failed} failed` : '';
    lines.push(
      `  found     ${one.libraries.length === 0 ? 'no TLS library' : one.libraries.join(', ')}; ${one.probes.attached} probes attached${failed}`,
    );
    for (const reason of one.refused.slice(0, 4)) lines.push(`  refused   ${safe(reason)}`);
    lines.push(`  written   ${number(one.tls_write_bytes)} B of TLS, ${number(one.plaintext_write_bytes)} B of plaintext seen`);
    lines.push(`  read      ${number(one.tls_read_bytes)} B of TLS, ${number(one.plaintext_read_bytes)} B of plaintext seen`);
    if (one.tls_bytes_before > 0) lines.push(dim(`  before    ${number(one.tls_bytes_before)} B had passed its sockets before this began`));
  }
  return `${lines.join('\n')}\n`;
}
