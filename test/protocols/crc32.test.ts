/** CRC-32: the value that everybody checks it by, and what zlib writes behind each of its members. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import tape from 'tape';
import { crc32 } from '../../lib/protocols/crc32.js';

tape('CRC-32', (t) => {
  t.equal(crc32(Buffer.from('123456789')), 0xcbf43926, 'the check value');
  t.equal(crc32(Buffer.alloc(0)), 0, 'of nothing');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => crc32(bytes) === gzipSync(bytes).readUInt32LE(gzipSync(bytes).length - 8)),
    { numRuns: 100 },
  );
  t.pass('as gzip has it');
  t.end();
});
