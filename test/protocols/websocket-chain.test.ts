/** Whether bytes are frames of a WebSocket: what counts as evidence, and what is none. */
import fc from 'fast-check';
import tape from 'tape';
import { ENOUGH, FrameChain } from '../../lib/protocols/websocket/chain.js';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

/** A frame: first byte, then its length and, where it is masked, its mask. */
function frame(first: number, payload: string | Buffer, mask?: readonly number[]): Buffer {
  const bytes = Buffer.from(payload as string);
  const bit = mask ? 0x80 : 0;
  const { length } = bytes;
  const long =
    length >= 65_536
      ? [127, 0, 0, 0, 0, length >>> 24, (length >> 16) & 255, (length >> 8) & 255, length & 255]
      : [126, length >> 8, length & 255];
  const size = length < 126 ? [length] : long;
  const body = mask ? bytes.map((byte, at) => byte ^ (mask[at & 3] as number)) : bytes;
  return Buffer.concat([Buffer.from([first, bit | (size[0] as number), ...size.slice(1), ...(mask ?? [])]), body]);
}

const MASK = [0x37, 0xfa, 0x21, 0x3d];

/** Evidence of the bytes, and of them with a pause behind; undefined when they are no frames. */
function seen(bytes: Buffer, masked?: boolean): [number, number] | undefined {
  const chain = new FrameChain(masked);
  if (!chain.push(bytes)) return undefined;
  const before = chain.evidence;
  chain.pause();
  return [before, chain.evidence];
}

tape('texts: JSON and a mask say much, a short word nothing', (t) => {
  t.deepEqual(seen(frame(0x81, '{"a":"b"}', MASK)), [3, 4], 'masked JSON is enough');
  t.equal(ENOUGH, 3);
  t.deepEqual(seen(frame(0x81, '["a","b"]')), [2, 3], 'of a server it has to end where it should');
  t.deepEqual(seen(frame(0x81, 'hello there', MASK)), [2, 3]);
  t.deepEqual(seen(frame(0x81, 'hello there')), [1, 2]);
  t.deepEqual(seen(frame(0x81, '{"a":1}')), [0, 1], 'seven bytes tell nothing');
  t.deepEqual(seen(frame(0x81, '{"a":12}')), [2, 3], 'eight do');
  t.deepEqual(seen(frame(0x81, '2')), [0, 1]);
  t.equal(seen(frame(0x81, 'tab\tcr\rlf\n é'))?.[0], 1, 'white space and letters of any language');
  for (const control of ['\0', '\x08', '\x0b', '\x0c', '\x0e', '\x1f'])
    t.equal(seen(frame(0x81, `a text${control} more`)), undefined, 'controls are none');
  t.equal(seen(frame(0x81, Buffer.from('c328c328c328c328', 'hex'))), undefined, 'this is no UTF-8');
  t.deepEqual(seen(frame(0xc1, Buffer.from('c328c328c328c328', 'hex'))), [0, 1], 'compressed it may be anything');
  t.deepEqual(seen(frame(0x82, Buffer.from('c328c328c328c328', 'hex'))), [0, 1], 'binary, too');
  t.end();
});

tape('a long text is judged by its beginning, which may end within a character', (t) => {
  const long = frame(0x81, `{"a":"${'é'.repeat(400)}"}`);
  const chain = new FrameChain(undefined);
  t.ok(chain.push(long.subarray(0, 4 + 255)));
  t.equal(chain.evidence, 0, 'not yet');
  t.ok(chain.push(long.subarray(4 + 255, 4 + 256)));
  t.equal(chain.evidence, 2);
  t.deepEqual(seen(frame(0x81, `${'x'.repeat(255)}€`)), [1, 2]);
  t.deepEqual(
    seen(frame(0x81, Buffer.concat([Buffer.from('x'.repeat(300)), Buffer.from([0, 0xff])]))),
    [1, 2],
    'what follows is not looked at',
  );
  t.equal(
    seen(frame(0x81, Buffer.concat([Buffer.from('x'.repeat(250)), Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80])]))),
    undefined,
  );
  t.end();
});

tape('frames go on where the one before them ends', (t) => {
  const one = frame(0x82, 'binary');
  t.deepEqual(seen(Buffer.concat([one, one, one])), [2, 3]);
  t.deepEqual(seen(Buffer.concat([one, one.subarray(0, 1)])), [0, 0], 'a header that is not whole confirms nothing');
  t.deepEqual(seen(Buffer.concat([one, one.subarray(0, 5)])), [1, 1], 'nor does a pause within a frame');
  t.equal(seen(Buffer.concat([one, Buffer.from('xx')])), undefined);
  const chain = new FrameChain(undefined);
  chain.push(one);
  chain.pause();
  chain.pause();
  t.equal(chain.evidence, 1, 'each counts once');
  t.end();
});

tape('masks: all or none, and as the end has it', (t) => {
  const [masked, plain] = [frame(0x82, 'binary', MASK), frame(0x82, 'binary')];
  t.equal(seen(Buffer.concat([masked, plain])), undefined);
  t.equal(seen(Buffer.concat([plain, masked])), undefined);
  t.equal(seen(masked, false), undefined);
  t.equal(seen(plain, true), undefined);
  t.deepEqual(seen(masked, true), [0, 1]);
  const chain = new FrameChain(undefined);
  chain.push(masked);
  t.equal(chain.masked, true);
  t.end();
});

tape('fragments: a message that goes on is not begun anew, and is not empty', (t) => {
  const [begin, go, end] = [frame(0x02, 'one'), frame(0x00, 'two'), frame(0x80, 'three')];
  t.deepEqual(seen(Buffer.concat([begin, go, end, begin])), [3, 4]);
  t.deepEqual(seen(Buffer.concat([go, end])), [1, 2], 'its beginning may not have been seen');
  t.equal(seen(Buffer.concat([begin, begin])), undefined);
  t.equal(seen(Buffer.concat([frame(0x82, 'x'), go])), undefined);
  t.equal(seen(Buffer.concat([begin, end, end])), undefined);
  t.deepEqual(seen(Buffer.concat([begin, frame(0x89, ''), end])), [2, 3], 'a ping may come between');
  t.equal(seen(frame(0x02, '')), undefined, 'zeros are no fragments');
  t.equal(seen(hex('00 00')), undefined);
  t.deepEqual(seen(frame(0x80, '')), [0, 1], 'but the last one may be empty');
  t.end();
});

tape('headers that no software sends', (t) => {
  for (const first of [0x91, 0xa1, 0xb2, 0x83, 0x87, 0x8b, 0x8f, 0x09, 0xc9, 0x48, 0x40, 0xc0])
    t.equal(seen(Buffer.from([first, 2, 65, 65])), undefined, first.toString(16));
  t.equal(seen(hex('89 7e 00 80')), undefined, 'a long ping');
  t.equal(seen(hex('82 7e 00 7d')), undefined, 'a length that is too long for what it says');
  t.equal(seen(hex('82 7f 00 00 00 00 04 00 00 01')), undefined, 'more than 64 MiB');
  t.deepEqual(seen(hex('82 7f 00 00 00 00 04 00 00 00')), [0, 0]);
  t.end();
});

tape('the same at any cut; what is held is small', (t) => {
  const frames = Buffer.concat([
    frame(0x81, '{"hello":"there"}', MASK),
    frame(0x8a, 'x', MASK),
    frame(0xc2, 'binary', MASK),
    frame(0x81, 'é'.repeat(300), MASK),
  ]);
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }), (sizes) => {
      const chain = new FrameChain(undefined);
      for (let at = 0, i = 0; at < frames.length; i++) {
        const size = sizes[i % sizes.length] as number;
        if (!chain.push(frames.subarray(at, at + size)) || chain.heldBytes > 1024) return false;
        at += size;
      }
      return chain.evidence === 3 + 3 + 2;
    }),
  );
  t.end();
});
