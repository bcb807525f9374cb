/** The outcome of `tracer doctor --caps` for people: the sets, and how to use them. */
import type { CapsResult } from './caps.js';
import { privList, sensorPath } from './trial-run.js';

/** Lines for a terminal. */
export function capsText(result: CapsResult): string {
  const name = `tracer-${result.command}`;
  if (result.uid === undefined) return `${name} needs no capabilities.\n`;
  const lines = [
    `The smallest sets with which ${name} does all its work for an ordinary user (tried as uid ${result.uid} on Linux ${result.kernel}):`,
  ];
  for (const { reach, capabilities } of result.sets) lines.push('', `  To watch ${reach}:`, `    ${capabilities.join(' ')}`);
  const widest = result.sets.at(-1)?.capabilities ?? [];
  const list = privList(widest).replace('-all,', '');
  const lower = widest.map((capability) => capability.toLowerCase()).join(',');
  lines.push(
    '',
    'For one run, from root:',
    `  setpriv --reuid USER --regid USER --init-groups --inh-caps ${list} --ambient-caps ${list} -- ${name} ...`,
    '',
    'For good: capabilities belong to an executable, and that is node. Give them to a copy of it that only that user may run:',
    `  install -o USER -m 0700 ${process.execPath} /usr/local/bin/node-tracer`,
    `  setcap ${lower}=ep /usr/local/bin/node-tracer`,
    `  node-tracer ${sensorPath} ...`,
    '',
    'A systemd service: AmbientCapabilities= and CapabilityBoundingSet= with',
    `  ${widest.join(' ')}`,
    '',
    'CAP_DAC_READ_SEARCH besides, where programs lie in directories that are closed to that user (a node below /root).',
  );
  return `${lines.join('\n')}\n`;
}
