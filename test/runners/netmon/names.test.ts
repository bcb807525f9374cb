import test from 'tape';
import { Names } from '../../../lib/runners/netmon/names.js';

test('names: what a process asked itself goes before what others asked', (t) => {
  const names = new Names();
  t.equal(names.of('1.1', '192.0.2.1'), undefined);
  names.learn('1.1', 'a.test', ['192.0.2.1', '192.0.2.2']);
  names.learn('2.2', 'b.test', ['192.0.2.1']);
  t.deepEqual(names.of('1.1', '192.0.2.1'), { name: 'a.test', by: 'dns' }, 'though another one asked later');
  t.deepEqual(names.of('2.2', '192.0.2.1'), { name: 'b.test', by: 'dns' });
  t.deepEqual(names.of('3.3', '192.0.2.1'), { name: 'b.test', by: 'dns_other' }, 'who asked nothing gets the latest');
  t.deepEqual(names.of('2.2', '192.0.2.2'), { name: 'a.test', by: 'dns_other' });
  names.learn('1.1', 'c.test', ['192.0.2.1']);
  t.equal(names.of('1.1', '192.0.2.1')?.name, 'c.test', 'its own latest');
  t.end();
});

test('names: bounded, the oldest goes first', (t) => {
  const names = new Names();
  for (let n = 0; n < 20_000; n++) names.learn('1.1', `n${n}.test`, [`address ${n}`]);
  t.equal(names.of('1.1', 'address 0'), undefined);
  t.equal(names.of('1.1', 'address 19999')?.name, 'n19999.test');
  t.end();
});
