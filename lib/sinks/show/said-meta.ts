/** One line for each event of `source: meta`: what the sensors say about themselves, their losses first. */
import { type Facts, facts, get, list, num, sizeOf, str, strings } from './facts.js';
import { bad, commandLine, commas, type Describe, dim, labelled, lasted, type Said, say, size, strong, tally, tone, warn } from './said.js';
import { bytes, count, duration, grouped } from './units.js';

function scopeOf(scope: Facts): string | undefined {
  if (get(scope, 'all') === true) return 'every process';
  const command = commandLine(strings(scope, 'command'));
  const parts = [
    command,
    ...(['pids', 'comms', 'cgroups', 'uids'] as const).map((name) => {
      const items = list(get(scope, name)).filter((item) => typeof item === 'string' || typeof item === 'number');
      return items.length === 0 ? undefined : `${name.slice(0, -1)} ${items.slice(0, 10).join(', ')}`;
    }),
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? undefined : parts.join('; ');
}

function start(data: Facts): Said {
  const probes = list(get(data, 'probes')).map(facts);
  const attached = probes.filter((probe) => str(probe, 'state') === 'attached').length;
  const broken = probes.filter((probe) => str(probe, 'state') === 'failed').length;
  const blind = list(get(data, 'not_covered')).length;
  return say(
    tone('sensor', 'name'),
    strong(str(data, 'sensor')),
    'watches',
    ...commas(
      [scopeOf(facts(get(data, 'scope'))) ?? '?', labelled('on', str(data, 'host'))].filter((part) => part !== undefined).join(' '),
      dim(labelled('kernel', str(data, 'kernel'))),
      probes.length === 0 ? undefined : dim(count(attached, 'probe')),
      broken > 0 ? bad(`${broken} failed`) : undefined,
      blind > 0 ? dim(count(blind, 'known gap')) : undefined,
    ),
  );
}

function lossOf(lost: unknown): string | undefined {
  const places = tally(lost);
  return places === undefined ? undefined : `lost: ${places}`;
}

function heartbeat(data: Facts): Said {
  return say(
    dim('heartbeat'),
    dim(str(data, 'sensor')),
    dim(tally(get(data, 'counts')) ?? 'nothing happened'),
    bad(lossOf(get(data, 'lost'))),
    dim(labelled('memory', size(data, 'rss_bytes'))),
  );
}

function end(data: Facts): Said {
  const command = facts(get(data, 'command'));
  const code = num(command, 'exit_code');
  const signal = str(command, 'signal');
  const reason = str(data, 'reason');
  const emitted = num(data, 'emitted');
  return say(
    tone('sensor', 'name'),
    strong(str(data, 'sensor')),
    'ends',
    labelled('after', lasted(data, 'duration_ms')),
    ...commas(
      dim(reason === undefined ? undefined : `(${reason})`),
      bad(lossOf(get(data, 'lost'))),
      code === undefined ? signal : `exit status ${code}`,
      emitted === undefined ? undefined : `${grouped(emitted)} of ${grouped(num(data, 'seen') ?? 0)} events delivered`,
    ),
  );
}

export const META: Record<string, Describe> = {
  sensor_start: start,
  heartbeat,
  sensor_end: end,
  loss: (data) =>
    say(
      bad(count(num(data, 'lost') ?? 0, 'event')),
      bad('lost'),
      size(data, 'lost_bytes'),
      str(data, 'kind'),
      labelled('in', str(data, 'where')),
      labelled('within', lasted(data, 'since_ms')),
    ),
  blind: (data) =>
    say(
      warn('cannot see into'),
      strong(str(data, 'exe')),
      `${bytes(num(data, 'tls_bytes') ?? 0)} of TLS, ${bytes(num(data, 'plaintext_bytes') ?? 0)} of it in the clear.`,
      str(data, 'hint'),
    ),
  throttle: (data) => say(warn('throttled'), count(num(data, 'suppressed') ?? 0, 'event'), labelled('by', str(data, 'rule'))),
  clock_sync: (data) =>
    say(dim('the clock was set'), dim(labelled('by', num(data, 'step_us') === undefined ? undefined : stepOf(num(data, 'step_us') ?? 0)))),
  malformed: (data) =>
    say(
      bad('malformed line'),
      num(data, 'line')?.toString(),
      str(data, 'reason'),
      sizeOf(data, 'payload') === undefined ? undefined : bytes(sizeOf(data, 'payload') ?? 0),
    ),
};

function stepOf(us: number): string {
  return `${us < 0 ? '-' : '+'}${duration(Math.abs(us) / 1000)}`;
}
