import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import test from 'tape';
import { bodyOf, bytesOf, fitsText, payloadOf, textField, textListField } from '../../lib/stream/payload.js';

/** The rule "Bytes" of docs/events.md, word by word. */
function rule(bytes: Buffer): boolean {
  if (!isUtf8(bytes) || bytes.includes(0)) return false;
  return Buffer.byteLength(JSON.stringify(bytes.toString('utf8'))) - 2 <= bytes.toString('base64').length;
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary', maxLength: 64 }).map((text) => Buffer.from(text)),
  fc
    .array(fc.constantFrom('a', '"', '\\', '\n', '\u0001', '\u007f', 'é', '€', '😀', '\u2028'), { maxLength: 64 })
    .map((parts) => Buffer.from(parts.join(''))),
);

test('payload: text exactly when the contract says so', (t) => {
  fc.assert(
    fc.property(bytes, (some) => fitsText(some) === rule(some)),
    { numRuns: 20_000 },
  );
  for (const length of [4095, 4096, 4097, 20_000]) {
    for (const fill of ['x', '"', '\n', '\u0001', 'é']) {
      const some = Buffer.alloc(length, fill);
      t.equal(fitsText(some), rule(some), `${length} × ${JSON.stringify(fill)}`);
    }
    // On the border: just as many escapes as base64 leaves room for, and one more.
    const spare = 4 * Math.ceil(length / 3) - length;
    t.ok(fitsText(Buffer.concat([Buffer.alloc(length - spare, 'x'), Buffer.alloc(spare, '"')])), `${length}: ${spare} quotes fit`);
    t.notOk(
      fitsText(Buffer.concat([Buffer.alloc(length - spare - 1, 'x'), Buffer.alloc(spare + 1, '"')])),
      `${length}: ${spare + 1} do not`,
    );
  }
  t.end();
});

test('payload: the bytes come back', (t) => {
  fc.assert(fc.property(bytes, (some) => bytesOf(JSON.parse(JSON.stringify(payloadOf(some))))?.equals(some) === true));
  t.equal(bytesOf({}), undefined, 'an event without payload has none');
  t.deepEqual(payloadOf(Buffer.alloc(0)), { payload: '' }, 'no bytes are an empty text');
  t.deepEqual(payloadOf(Buffer.from([0])), { payload_b64: 'AA==' });
  t.deepEqual(bodyOf(Buffer.from([0xff])), { body_b64: '/w==' });
  t.deepEqual(bodyOf(Buffer.from('é')), { body: 'é' });
  t.end();
});

test('payload: names that are not UTF-8 stand as base64, a list stands whole', (t) => {
  t.deepEqual(textField('comm', Buffer.from('bash')), { comm: 'bash' });
  t.deepEqual(textField('comm', Buffer.from([0x62, 0xff])), { comm_b64: 'Yv8=' });
  t.deepEqual(textListField('args', [Buffer.from('a'), Buffer.from('b')]), { args: ['a', 'b'] });
  t.deepEqual(textListField('args', [Buffer.from('a'), Buffer.from([0xff])]), { args_b64: ['YQ==', '/w=='] });
  t.end();
});
