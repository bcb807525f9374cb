/** One line for each event of the sensors `ssl`, `process`, `file`, `net`, `dns`, `tls`, and of the guards. */
import { type Facts, facts, get, num, str, strings } from './facts.js';
import {
  bad,
  commandLine,
  type Describe,
  dim,
  failed,
  incomplete,
  labelled,
  lasted,
  peer,
  plainFacts,
  say,
  size,
  strong,
  tone,
  warn,
  yes,
} from './said.js';
import { bytes } from './units.js';

const SSL: Record<string, Describe> = {
  ssl_open: (data) =>
    say(
      'TLS session',
      yes(data, 'from_start') ? 'begins' : 'joined midway',
      labelled('with', peer(data)),
      dim([str(data, 'library'), str(data, 'version'), str(data, 'alpn'), str(data, 'role')].filter((x) => x !== undefined).join(', ')),
    ),
  // The payload stays unseen: these are raw bytes, with every secret still in them.
  ssl_data: (data) => {
    const total = num(data, 'total_bytes') ?? num(data, 'captured_bytes') ?? 0;
    const captured = num(data, 'captured_bytes');
    return say(
      str(data, 'direction') === 'write' ? { text: '→', tone: 'out' } : { text: '←', tone: 'in' },
      bytes(total),
      'of plaintext',
      labelled('at', num(data, 'offset') === undefined ? undefined : String(num(data, 'offset'))),
      captured !== undefined && captured < total ? warn(`${bytes(total - captured)} not captured`) : undefined,
      dim(str(data, 'function')),
    );
  },
  ssl_peer: (data) => say('TLS session', labelled('goes to', peer(data)), dim(labelled('by', str(data, 'peer_by')))),
  ssl_close: (data) =>
    say(
      'TLS session ends',
      dim(str(data, 'reason')),
      labelled('→', size(data, 'write_bytes')),
      labelled('←', size(data, 'read_bytes')),
      lasted(data, 'duration_ms'),
      bad(num(data, 'lost_bytes') ? `${size(data, 'lost_bytes')} lost` : undefined),
    ),
};

const PROCESS: Record<string, Describe> = {
  process_info: (data) => {
    const args = commandLine(strings(data, 'args')) ?? str(data, 'exe');
    return say('runs', strong(args), dim(labelled('in', str(data, 'cwd'))), dim(labelled('uid', num(data, 'uid')?.toString())));
  },
  process_fork: (data) => say('forks', labelled('child', num(data, 'child_pid')?.toString())),
  process_exec: (data) =>
    say(
      'exec',
      strong(commandLine(strings(data, 'args')) ?? str(data, 'filename') ?? '?'),
      yes(data, 'truncated') ? warn('arguments cut') : undefined,
      yes(data, 'memfd') ? warn('from memory') : undefined,
      yes(data, 'deleted') ? warn('its file is deleted') : undefined,
      dim(labelled('by', str(data, 'interpreter'))),
      dim(labelled('in', str(data, 'cwd'))),
      failed(data),
    ),
  process_exit: (data) => {
    const code = num(data, 'exit_code');
    const signal = str(data, 'signal');
    return say(
      'exits',
      signal !== undefined ? bad(signal) : code === undefined ? undefined : { text: String(code), tone: code === 0 ? 'good' : 'bad' },
      yes(data, 'core_dumped') ? bad('core dumped') : undefined,
      labelled('after', lasted(data, 'duration_ns')),
      labelled('peak memory', size(data, 'max_rss_bytes')),
    );
  },
  security_action: (data) =>
    say(warn('security'), strong(str(data, 'kind')), plainFacts(facts(get(data, 'detail')), new Set()), failed(data)),
};

/** `deletes /x`, `renames /x → /y`. */
function file(verb: string): Describe {
  return (data) =>
    say(
      verb,
      strong(pathOf(data)),
      labelled(yes(data, 'exchanged') ? '↔' : '→', str(data, 'new_path')),
      size(data, 'size_bytes'),
      dim(modeOf(get(data, 'mode'))),
      failed(data),
    );
}

/** With a mark where its beginning is not known. */
function pathOf(data: Facts): string | undefined {
  const path = str(data, 'path');
  return path !== undefined && yes(data, 'path_partial') ? `…/${path}` : path;
}

function modeOf(mode: unknown): string | undefined {
  if (typeof mode === 'string') return mode;
  return typeof mode === 'number' && Number.isInteger(mode) && mode >= 0 ? `0${mode.toString(8)}` : undefined;
}

const FILE: Record<string, Describe> = {
  file_open: (data) =>
    say(
      yes(data, 'created') ? 'creates' : 'opens',
      strong(pathOf(data)),
      labelled('to', str(data, 'access')?.replace('_', ' and ')),
      dim(strings(data, 'flags')?.slice(0, 12).join('|')),
      failed(data),
    ),
  file_delete: file('deletes'),
  file_rename: file('renames'),
  file_link: file('links'),
  file_symlink: file('makes a symbolic link'),
  file_truncate: file('truncates'),
  file_chmod: file('changes the mode of'),
  dir_create: file('makes the directory'),
  dir_delete: file('removes the directory'),
  cwd_change: file('changes directory to'),
};

const NET: Record<string, Describe> = {
  net_connect: (data) =>
    say('connects to', strong(peer(data)), dim(str(data, 'protocol')), lasted(data, 'handshake_ms'), failed(data), incomplete(data)),
  net_accept: (data) => say('accepts', strong(peer(data)), labelled('on', str(data, 'local')), dim(str(data, 'protocol')), failed(data)),
  net_listen: (data) => say('listens on', strong(str(data, 'local')), dim(str(data, 'protocol')), failed(data)),
  net_close: (data) =>
    say(
      'closes',
      strong(peer(data) ?? str(data, 'socket')),
      labelled('→', size(data, 'tx_bytes')),
      labelled('←', size(data, 'rx_bytes')),
      lasted(data, 'duration_ms'),
    ),
  dns_query: (data) => say('asks for', strong(str(data, 'name')), dim(str(data, 'qtype')), dim(labelled('at', str(data, 'server')))),
  dns_answer: (data) => {
    const rcode = str(data, 'rcode');
    return say(
      'is told',
      strong(str(data, 'name')),
      dim(str(data, 'qtype')),
      strings(data, 'addresses')?.slice(0, 8).join(', '),
      rcode === undefined || rcode === 'NOERROR' ? undefined : bad(rcode),
      dim(labelled('by', str(data, 'server'))),
    );
  },
  tls_client_hello: (data) =>
    say(
      'TLS client hello',
      labelled('to', strong(str(data, 'sni') ?? peer(data))?.text),
      dim(strings(data, 'alpn')?.slice(0, 8).join(', ')),
      dim(labelled('ja4', str(data, 'ja4'))),
    ),
};

function guard(what: string, how: 'bad' | 'warn'): Describe {
  return (data) => {
    const rule = facts(get(data, 'rule'));
    const line = num(rule, 'line');
    const place = str(rule, 'file') === undefined ? undefined : `${str(rule, 'file')}${line === undefined ? '' : `:${line}`}`;
    return say(
      tone(what, how),
      str(data, 'operation'),
      strong(str(data, 'target')),
      labelled('named', str(data, 'name')),
      dim(labelled('by', place)),
      dim(str(data, 'reason')),
    );
  };
}

const GUARD: Record<string, Describe> = {
  guard_deny: guard('denied', 'bad'),
  guard_audit: guard('would deny', 'warn'),
  guard_notify: guard('notes', 'warn'),
  guard_kill: guard('killed for', 'bad'),
  guard_reload: (data) => {
    const error = facts(get(data, 'error'));
    const refused = str(data, 'outcome') === 'refused';
    return say(
      'policy',
      strong(str(data, 'file')),
      refused ? bad('refused') : str(data, 'outcome'),
      refused
        ? bad(`line ${num(error, 'line') ?? '?'}: ${str(error, 'message') ?? '?'}`)
        : labelled('entries', num(data, 'entries')?.toString()),
    );
  },
  guard_timeout: (data) =>
    say(
      warn('undecided in time'),
      str(data, 'operation'),
      strong(str(data, 'target')),
      labelled('answered', str(data, 'answered')),
      labelled('after', lasted(data, 'waited_ms')),
    ),
  guard_gap: (data) => say(bad('guard was away'), str(data, 'guard'), labelled('for', lasted(data, 'gap_ms')), dim(str(data, 'cause'))),
};

export const HOST: Record<string, Describe> = { ...SSL, ...PROCESS, ...FILE, ...NET, ...GUARD };
