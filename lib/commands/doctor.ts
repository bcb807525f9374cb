/** `tracer doctor`: what this kernel and host can and cannot do, and what to do about it. */
import picocolors from 'picocolors';
import { smallestSets } from '../runners/doctor/caps.js';
import { capsText } from '../runners/doctor/caps-text.js';
import { examine, layOut } from '../runners/doctor/report.js';
import type { ToolCommand } from '../stream/command.js';
import { EXIT } from '../stream/exit.js';
import { say } from '../stream/say.js';
import { print } from './print.js';

function paint() {
  const { green, yellow, red, dim, bold } = picocolors.createColors(process.stdout.isTTY === true && !process.env.NO_COLOR);
  return { good: green, warn: yellow, bad: red, faint: dim, bold };
}

export const command: ToolCommand = {
  kind: 'tool',
  name: 'doctor',
  summary: 'say what this host can do, and what to do about the rest',
  description:
    'Looks at the kernel and tries each kind of program that sensors and guards use: small ones, for a moment, watching nobody but itself. For each thing that is missing it names the remedy.\n\nThe exit status is 0 when TLS can be watched, 77 when only privileges are missing, else 69.\n\nWith --caps it finds, by trying, the smallest sets of capabilities with which a command works for an ordinary user, and prints them for setpriv(1) and setcap(8). That takes some seconds and needs root.',
  options: [
    { flags: '--json', type: 'boolean', description: 'Print one JSON object.' },
    {
      flags: '--caps <command>',
      type: 'string',
      description: 'Find the smallest set of capabilities that this command needs: ssl, http, show …',
    },
    {
      flags: '-v, --verbose',
      type: 'boolean',
      description: 'With --caps: say on stderr which sets were tried, and whether they were enough.',
    },
  ],
  examples: [
    { run: 'sudo tracer doctor', shows: 'what works here' },
    {
      run: 'tracer doctor --json | jq -r \'.sections[].checks[] | select(.state=="missing") | .name\'',
      shows: 'what is missing, for a script',
    },
    { run: 'sudo tracer doctor --caps ssl', shows: 'how to run tracer-ssl without root' },
  ],
  async run(options) {
    if (typeof options.caps === 'string') {
      const tell = options.verbose === true ? (sentence: string) => say('tracer doctor', sentence) : () => {};
      const result = await smallestSets(options.caps, tell);
      print(options.json === true ? `${JSON.stringify(result)}\n` : capsText(result));
      return EXIT.ok;
    }
    const report = examine();
    print(options.json === true ? `${JSON.stringify(report)}\n` : layOut(report, paint()));
    if (report.ok) return EXIT.ok;
    return report.privileges_missing ? EXIT.permission : EXIT.unavailable;
  },
};
