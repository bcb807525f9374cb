/** Paths joined from a place and a name. */
import test from 'tape';
import { joinPath } from '../../../lib/runners/procmon/paths.js';

const join = (base: string, name: string): string => joinPath(Buffer.from(base, 'latin1'), Buffer.from(name, 'latin1')).toString('latin1');

test('paths: a name below its place', (t) => {
  t.equal(join('/home/a', 'b/c'), '/home/a/b/c');
  t.equal(join('', 'b'), '/b', 'below the root');
  t.equal(join('/home/a', './b//c/'), '/home/a/b/c');
  t.equal(join('/home/a', '../b'), '/home/b');
  t.equal(join('/home/a', '../../../../b'), '/b', 'never above the root');
  t.equal(join('/home/a', '.hidden'), '/home/a/.hidden');
  t.equal(join('/home/a', '...'), '/home/a/...');
  t.equal(join('/home/a', '.'), '/home/a');
  t.equal(join('/home/a', ''), '/home/a');
  t.end();
});

test('paths: an absolute name is seen from the process’s root', (t) => {
  t.equal(join('', '/etc/passwd'), '/etc/passwd');
  t.equal(join('', '/'), '/');
  t.equal(join('/jail', '/etc/passwd'), '/jail/etc/passwd', 'in a chroot');
  t.equal(join('/jail', '/../../etc'), '/jail/etc', 'and does not lead out of it');
  t.equal(join('/jail', '/..'), '/jail');
  t.end();
});

test('paths: bytes that are no text stay as they are', (t) => {
  t.equal(join('/\xff', '\xfe/../\xfd'), '/\xff/\xfd');
  t.end();
});
