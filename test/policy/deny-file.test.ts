/** Lines of a deny-file: what each means, and what is said of those that mean nothing. */
import fc from 'fast-check';
import tape from 'tape';
import { parseDenyFile } from '../../lib/policy/deny-file.js';
import type { EgressEntry, FileEntry } from '../../lib/policy/entry.js';

function one(line: string): string {
  const { entries, errors } = parseDenyFile(Buffer.from(line));
  const error = errors[0];
  if (error !== undefined) return `${error.line}:${error.column}: ${error.message}`;
  const [entry] = entries;
  return entry === undefined ? 'nothing' : entry.kind === 'egress' ? egress(entry) : file(entry);
}

function egress({ target, ports, protocol }: EgressEntry): string {
  const place =
    target.kind === 'net'
      ? `${target.address.toString('hex')}/${target.bits}`
      : target.kind === 'name'
        ? `${target.below ? 'below ' : ''}${target.name}`
        : target.kind === 'provider'
          ? `provider ${target.provider}`
          : 'any';
  return [place, ports === undefined ? '' : `ports ${ports.from}-${ports.to}`, protocol ?? ''].filter(Boolean).join(' ');
}

function file({ verbs, pattern }: FileEntry): string {
  return `${verbs?.join() ?? 'all'} ${pattern.toString('latin1')}`;
}

const GOOD: readonly (readonly [string, string])[] = [
  ['', 'nothing'],
  ['   # only a comment', 'nothing'],
  ['1.2.3.4', '01020304/32'],
  ['  1.2.3.4  # with a reason', '01020304/32'],
  ['\ufeff1.2.3.4\r', '01020304/32'],
  ['10.0.0.0/8', '0a000000/8'],
  ['10.0.0.0/8:443/tcp', '0a000000/8 ports 443-443 tcp'],
  ['0.0.0.0/0', '00000000/0'],
  ['1.2.3.4:8000-8999/udp', '01020304/32 ports 8000-8999 udp'],
  ['2001:db8::1', '20010db8000000000000000000000001/128'],
  ['2001:db8::/32', '20010db8000000000000000000000000/32'],
  ['[2001:db8::1]:443', '20010db8000000000000000000000001/128 ports 443-443'],
  ['[2001:db8::/32]:53/udp', '20010db8000000000000000000000000/32 ports 53-53 udp'],
  ['[2001:db8::]/32', '20010db8000000000000000000000000/32'],
  ['::1', '00000000000000000000000000000001/128'],
  ['::ffff:1.2.3.4', '01020304/32'],
  ['::ffff:1.2.3.0/120', '01020300/24'],
  ['64:ff9b::1.2.3.4', '0064ff9b000000000000000001020304/128'],
  ['api.openai.com', 'api.openai.com'],
  ['API.OpenAI.com.', 'api.openai.com'],
  ['*.example.com:443', 'below example.com ports 443-443'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['localhost', 'localhost'],
  ['*', 'any'],
  ['*:25/tcp', 'any ports 25-25 tcp'],
  ['provider:anthropic', 'provider anthropic'],
  ['provider:aws.bedrock:443/tcp', 'provider aws.bedrock ports 443-443 tcp'],
  ['/etc/shadow', 'all /etc/shadow'],
  ['/home/*/.ssh/**', 'all /home/*/.ssh/**'],
  ['/My Documents/a b # why', 'all /My Documents/a b'],
  ['/odd\\ \\#name\\ ', 'all /odd\\ \\#name\\ '],
  ['/c#', 'all /c#'],
  ['exec /usr/bin/curl', 'exec /usr/bin/curl'],
  ['read,write /x', 'open_read,open_write /x'],
  ['delete rename\t/srv/{a,b}/[!x]', 'unlink,rename /srv/{a,b}/[!x]'],
];

const BAD: readonly (readonly [string, string])[] = [
  ['1.2.3', '1:1: "1.2.3" is no IPv4 address'],
  ['010.0.0.1', '1:1: "010.0.0.1" is no IPv4 address'],
  ['0x7f.0.0.1', '1:1: "0x7f.0.0.1" is no IPv4 address'],
  ['2130706433', '1:1: "2130706433" is no IPv4 address'],
  ['256.1.1.1', '1:1: "256.1.1.1" is no IPv4 address'],
  ['10.0.0.1/8', '1:1: "10.0.0.1/8" has bits behind its prefix'],
  ['10.0.0.0/33', '1:10: "33" is no length of a prefix'],
  ['fe80::1%eth0', '1:8: an address with a zone'],
  ['2001:db8::1::2', '1:1: "2001:db8::1::2" is no IPv6 address'],
  ['[1.2.3.4]:80', '1:2: "1.2.3.4" is no IPv6 address'],
  ['example.com:99999', '1:13: "99999" is no range of ports'],
  ['example.com:20-10', '1:13: "20-10" is no range of ports'],
  ['example.com:https', '1:13: "https" is no port'],
  ['https://example.com/v1', '1:1: is a URL'],
  ['example.com/v1', '1:12: "/v1" behind a name'],
  ['a.*.example.com', '1:3: a * stands for whole labels at the start only'],
  ['ex ample.com', '1:3: there is more than one word'],
  ['-x.example.com', '1:1: "-x.example.com" is no host name'],
  ['provider:nobody', '1:10: there is no provider "nobody"'],
  ['reed /etc/shadow', '1:1: "reed" is no verb'],
  ['/a/../b', '1:4: ".." is no part of a canonical path'],
  ['/a/[b', '1:4: this [ has no ]'],
  ['/a/{b,{c}}', '1:7: braces stand in braces'],
  ['/a/{b', '1:4: this { has no }'],
  ['/a\\', '1:3: ends with a backslash'],
  ['é /x', '1:1: "é" is no verb'],
  ['ok.example\né x', '2:2: there is more than one word'],
];

tape('deny-file: what lines mean', (t) => {
  for (const [line, meaning] of GOOD) t.equal(one(line), meaning, JSON.stringify(line));
  t.end();
});

tape('deny-file: what is wrong, and where', (t) => {
  for (const [line, error] of BAD) t.equal(one(line), error, JSON.stringify(line));
  for (const [line] of BAD) t.ok((parseDenyFile(Buffer.from(line)).errors[0]?.next.length ?? 0) > 5, 'and what to do');
  t.end();
});

tape('deny-file: files that A3S Observer reads', (t) => {
  const { entries, errors } = parseDenyFile(Buffer.from('# hosts\n1.1.1.1\n\n  api.example.com\n8.8.8.8\n/etc/shadow\n'));
  t.deepEqual(errors, []);
  t.deepEqual(
    entries.map(({ line, text }) => `${line} ${text}`),
    ['2 1.1.1.1', '4 api.example.com', '5 8.8.8.8', '6 /etc/shadow'],
  );
  t.end();
});

tape('deny-file: never throws, whatever the bytes; each line is an entry, an error or nothing', (t) => {
  const piece = fc.oneof(
    fc.constantFrom(
      '1.2.3.4',
      '::',
      '[',
      ']',
      '/',
      ':',
      '*',
      'provider:',
      '#',
      ' ',
      '\n',
      '\r',
      '\\',
      '-',
      '443',
      'read',
      '{',
      '}',
      '\0',
      'é',
      '.',
    ),
    fc.string({ maxLength: 4 }),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.uint8Array({ maxLength: 8 }), (pieces, bytes) => {
      const { entries, errors } = parseDenyFile(Buffer.concat([Buffer.from(pieces.join('')), Buffer.from(bytes)]));
      for (const { column, line } of errors) if (column < 1 || line < 1) throw new Error('no such place');
      return entries.every((entry) => entry.text !== '');
    }),
    { numRuns: 20_000 },
  );
  t.pass('20,000 files');
  t.end();
});
