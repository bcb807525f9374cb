import fc from 'fast-check';
import test from 'tape';
import { DnsStreams, Hellos } from '../../../lib/runners/netmon/pieces.js';
import { framed, message, name } from '../../protocols/dns-maker.js';
import { CHROME, helloMessage, records } from '../../protocols/hello-maker.js';

const hello = records(helloMessage(CHROME), 100);

/** Gives a hello in these pieces; what came out. */
function assemble(pieces: readonly Buffer[]): string[] {
  const hellos = new Hellos();
  let offset = 0;
  return pieces.flatMap((piece) => {
    const whole = hellos.add('1', offset, piece, false);
    offset += piece.length;
    return whole === undefined ? [] : [whole.toString('hex')];
  });
}

test('hellos: whole, wherever they were cut, without what stands behind', (t) => {
  const more = Buffer.from('170303000178', 'hex');
  for (let cut = 1; cut < hello.length; cut++) {
    const [whole, ...rest] = assemble([hello.subarray(0, cut), Buffer.concat([hello.subarray(cut), more])]);
    if (whole !== hello.toString('hex') || rest.length > 0) t.fail(`cut at ${cut}`);
  }
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: hello.length - 1 }), { maxLength: 8 }), (cuts) => {
      const places = [0, ...[...new Set(cuts)].sort((a, b) => a - b), hello.length];
      const pieces = places.slice(1).map((end, i) => hello.subarray(places[i], end));
      return assemble(pieces).join() === hello.toString('hex');
    }),
    { seed: 3 },
  );
  t.end();
});

test('hellos: a piece that comes again, one that is missing, and one that is none', (t) => {
  const hellos = new Hellos();
  t.equal(hellos.add('1', 0, hello.subarray(0, 50), false), undefined);
  t.equal(hellos.add('1', 20, hello.subarray(20, 60), false), undefined, 'a part was sent again');
  t.ok(hellos.add('1', 60, hello.subarray(60), false)?.equals(hello));
  t.equal(hellos.add('2', 0, hello.subarray(0, 50), false), undefined);
  t.equal(hellos.add('2', 90, hello.subarray(90), false)?.length, 50, 'a hole: what was there before it');
  t.equal(hellos.add('3', 90, hello.subarray(90), false), undefined, 'without a beginning');
  t.equal(hellos.add('4', 0, Buffer.from('GET / HTTP/1.1'), false), undefined);
  t.ok(hellos.add('5', 0, hello.subarray(0, 50), true)?.equals(hello.subarray(0, 50)), 'cut by the record: no other piece will do');
  t.equal(hellos.forget('4'), undefined);
  t.end();
});

test('hellos: what nobody completes is given up, and counted', (t) => {
  const hellos = new Hellos();
  for (let n = 0; n < 5000; n++) hellos.add(String(n), 0, hello.subarray(0, 50), false);
  t.equal(hellos.givenUp, 5000 - 4096);
  t.equal(hellos.forget('0'), undefined, 'the oldest');
  t.equal(hellos.forget('4999')?.length, 50);
  const dns = new DnsStreams();
  for (let n = 0; n < 1000; n++) dns.add(String(n), Buffer.alloc(60000, 0xff), false);
  t.ok(dns.givenUp > 800, `bounded by bytes as well: ${dns.givenUp} given up`);
  t.end();
});

test('DNS over TCP: the same messages, wherever the stream is cut', (t) => {
  const messages = ['a.test', 'b.test', 'long'.repeat(10)].map((host, id) => message({ id, question: name(host) }));
  const stream = framed(...messages);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 10 }), (sizes) => {
      const streams = new DnsStreams();
      const got: Buffer[] = [];
      for (let at = 0, i = 0; at < stream.length; i++) {
        const size = sizes[i % sizes.length] as number;
        got.push(...streams.add('1', stream.subarray(at, at + size), false));
        at += size;
      }
      return got.length === 3 && got.every((bytes, i) => bytes.equals(messages[i] as Buffer));
    }),
    { seed: 5 },
  );
  const streams = new DnsStreams();
  t.deepEqual(streams.add('1', stream.subarray(0, 10), true), [], 'bytes are missing behind it');
  t.equal(streams.add('1', stream, false).length, 3, 'so it begins anew');
  t.deepEqual(
    streams.add('2', Buffer.alloc(4), false).map(({ length }) => length),
    [0, 0],
    'empty ones',
  );
  t.end();
});
