/** What is read from /proc. */
import { spawn } from 'node:child_process';
import test from 'tape';
import { executableMappings, factsOf, mappingsOf, pathsToMapping, splitAtNul } from '../../lib/runners/proc.js';

const MAPS = `55e8c0a00000-55e8c0a50000 r--p 00000000 fd:01 247070                     /usr/bin/curl
55e8c0a50000-55e8c0ab0000 r-xp 00050000 fd:01 247070                     /usr/bin/curl
7f0000000000-7f0000010000 rw-p 00000000 00:00 0                          [heap]
7f0000100000-7f0000200000 r-xp 00000000 fd:01 99                         /opt/a b/libssl.so.3
7f0000300000-7f0000400000 r-xp 00010000 fd:01 99                         /opt/a b/libssl.so.3
7f0000500000-7f0000600000 r-xp 00000000 00:2e 100                        /tmp/gone.so (deleted)
7f0000700000-7f0000800000 rwxp 00000000 00:00 0 
7f0000900000-7f0000a00000 r-xp 00000000 fd:01 101                        /tmp/line\\012break.so
7f0000b00000-7f0000c00000 --xp 00000000 fd:01 102                        /usr/lib/secret.so
7f0000d00000-7f0000e00000 r-xs 00000000 00:01 103                        /memfd:jit (deleted)
7ffc00000000-7ffc00001000 r-xp 00000000 00:00 0                          [vdso]
garbage line
`;

test('files mapped as code are named once each, with what makes them the same file', (t) => {
  const found = executableMappings(MAPS);
  t.deepEqual(
    found.map(({ device, inode, path, deleted }) => [device, inode, path, deleted]),
    [
      ['fd:01', 247070, '/usr/bin/curl', false],
      ['fd:01', 99, '/opt/a b/libssl.so.3', false],
      ['00:2e', 100, '/tmp/gone.so', true],
      ['fd:01', 101, '/tmp/line\nbreak.so', false],
      ['fd:01', 102, '/usr/lib/secret.so', false],
      ['00:01', 103, '/memfd:jit', true],
    ],
  );
  t.end();
});

test('a deleted file is opened through the mapping, any other through its process first', (t) => {
  const [curl, , gone] = executableMappings(MAPS);
  t.ok(curl && gone);
  if (curl !== undefined && gone !== undefined) {
    t.deepEqual(pathsToMapping(7, curl).map(String), ['/proc/7/root/usr/bin/curl', '/proc/7/map_files/55e8c0a50000-55e8c0ab0000']);
    t.deepEqual(pathsToMapping(7, gone).map(String), ['/proc/7/map_files/7f0000500000-7f0000600000']);
  }
  t.end();
});

test('strings that end with NUL keep their boundaries, empty ones too', (t) => {
  t.deepEqual(splitAtNul(Buffer.from('a\0\0b c\0')).map(String), ['a', '', 'b c']);
  t.deepEqual(splitAtNul(Buffer.from('cut of')).map(String), ['cut of']);
  t.deepEqual(splitAtNul(Buffer.alloc(0)), []);
  t.end();
});

test('a living process tells its facts, and of its environment only what is on the list', async (t) => {
  const env = { ...process.env, TRACEPARENT: '00-ab-cd-01', SECRET_TOKEN: 'x' };
  const child = spawn('sleep', ['20'], { env, cwd: '/' });
  await new Promise((resolve) => child.once('spawn', resolve));
  await new Promise((resolve) => setTimeout(resolve, 100));
  const facts = factsOf(child.pid as number);
  t.match(facts.exe ?? '', /\/(sleep|busybox|coreutils)$/);
  t.deepEqual(facts.args, ['sleep', '20']);
  t.equal(facts.cwd, '/');
  t.match(facts.exe_file_id ?? '', /^\d+:\d+:\d+$/);
  t.deepEqual(facts.env, { TRACEPARENT: '00-ab-cd-01' });
  t.ok(mappingsOf(child.pid as number)?.some((mapping) => mapping.path === facts.exe));
  child.kill();
  await new Promise((resolve) => child.once('exit', resolve));
  t.deepEqual(factsOf(child.pid as number), {}, 'an ended process has none, and absent is absent');
  t.equal(mappingsOf(child.pid as number), undefined);
  t.end();
});
