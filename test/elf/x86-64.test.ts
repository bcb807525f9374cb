import { existsSync } from 'node:fs';
import fc from 'fast-check';
import test from 'tape';
import { decode, endsFlow, isEndbr64, isIndirectJump } from '../../lib/elf/x86-64.js';
import { openImage } from './image.js';
import { disassemble, objdumpVersion } from './objdump.js';

const bytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex');

test('the length of an instruction, by encoding', (t) => {
  const cases: [hex: string, length: number, text: string][] = [
    ['90', 1, 'nop'],
    ['55', 1, 'push rbp'],
    ['41 57', 2, 'push r15'],
    ['f3 0f 1e fa', 4, 'endbr64'],
    ['48 83 ec 18', 4, 'sub rsp,0x18'],
    ['48 81 ec 00 10 00 00', 7, 'sub rsp,0x1000'],
    ['66 81 c1 34 12', 5, 'add cx,0x1234'],
    ['66 48 81 c1 34 12 00 00', 8, 'REX.W wins over 66'],
    ['48 b8 00 11 22 33 44 55 66 77', 10, 'movabs rax'],
    ['66 b8 34 12', 4, 'mov ax,0x1234'],
    ['48 a1 00 11 22 33 44 55 66 77', 10, 'movabs rax,[moffs64]'],
    ['67 a1 00 11 22 33', 6, 'mov eax,[moffs32]'],
    ['64 48 8b 04 25 28 00 00 00', 9, 'mov rax,fs:0x28: SIB without base'],
    ['48 8b 05 00 00 00 00', 7, 'mov rax,[rip+0]'],
    ['8b 44 24 08', 4, 'mov eax,[rsp+8]'],
    ['f6 05 00 00 00 00 01', 7, 'test byte [rip+0],1'],
    ['f7 d8', 2, 'neg eax: group 3 without immediate'],
    ['f7 c0 01 00 00 00', 6, 'test eax,1'],
    ['c8 10 00 00', 4, 'enter'],
    ['c2 08 00', 3, 'ret 8'],
    ['66 66 48 e8 00 00 00 00', 8, 'the padded call of a TLS access'],
    ['66 66 2e 0f 1f 84 00 00 00 00 00', 11, 'nop of eleven bytes'],
    ['0f 38 f0 07', 4, 'movbe'],
    ['66 0f 3a 0f c1 08', 6, 'palignr'],
    ['0f 0f c1 b4', 4, '3DNow! pfmul'],
    ['c5 f8 77', 3, 'vzeroupper'],
    ['c5 f9 70 c1 1b', 5, 'vpshufd'],
    ['c4 e3 7d 19 c1 01', 6, 'vextractf128'],
    ['c4 e2 7d 58 05 00 00 00 00', 9, 'vpbroadcastd [rip]'],
    ['62 f1 7d 48 ef c0', 6, 'vpxord zmm'],
    ['62 f3 fd 48 25 c0 ff', 7, 'vpternlogq'],
    ['62 f1 7c 48 10 44 24 01', 8, 'vmovups with a scaled byte of displacement'],
    ['8f e9 78 80 c0', 5, 'XOP vfrczps'],
    ['8f 04 24', 3, 'pop [rsp] is no XOP'],
    ['66 0f 78 c0 04 02', 6, 'extrq'],
  ];
  for (const [hex, length, text] of cases) t.equal(decode(bytes(hex), 0)?.length, length, text);
  t.end();
});

test('what is no instruction is undefined', (t) => {
  const cases = [
    '06',
    '0e',
    '60',
    '82 c0 01',
    '9a 00 00 00 00 00 00',
    'd4 0a',
    'ea',
    '0f 04',
    '0f 24 c0',
    '66 c5 f8 77',
    '48 c5 f8 77',
    '62 f9 7d 48 ef c0',
    'd5 00 90',
  ];
  for (const hex of cases) t.equal(decode(bytes(hex), 0), undefined, hex);
  t.equal(decode(bytes('e8 00 00 00'), 0), undefined, 'cut off in its displacement');
  t.equal(decode(bytes('8b 44 24'), 0), undefined, 'cut off in its memory operand');
  t.equal(decode(bytes('66'.repeat(20)), 0), undefined, 'nothing but prefixes');
  t.equal(decode(bytes(`${'66'.repeat(15)}90`), 0), undefined, 'longer than 15 bytes');
  t.equal(decode(bytes('66 e8 00 00 00 00'), 0), undefined, 'a branch on whose length processors differ');
  t.end();
});

test('direct branches say where they go', (t) => {
  t.deepEqual(decode(bytes('e8 fb ff ff ff'), 0)?.branch, { kind: 'call', displacement: -5 });
  t.deepEqual(decode(bytes('eb fe'), 0)?.branch, { kind: 'jump', displacement: -2 });
  t.deepEqual(decode(bytes('0f 84 00 01 00 00'), 0)?.branch, { kind: 'conditional', displacement: 256 });
  t.deepEqual(decode(bytes('e3 05'), 0)?.branch, { kind: 'conditional', displacement: 5 }, 'jrcxz');
  t.equal(decode(bytes('ff 25 00 00 00 00'), 0)?.branch, undefined, 'an indirect one has no target');
  const stub = decode(bytes('f2 ff 25 00 00 00 00'), 0);
  t.ok(stub && isIndirectJump(stub), 'but is known as the jump of a PLT stub');
  const ends = (hex: string): boolean => {
    const instruction = decode(bytes(hex), 0);
    return instruction !== undefined && endsFlow(instruction);
  };
  t.deepEqual(['c3', 'f3 c3', 'eb 00', 'ff e0', '0f 0b', 'c5 f8 77', 'ff d0', '74 00'].map(ends), [
    true,
    true,
    true,
    true,
    true,
    false,
    false,
    false,
  ]);
  t.ok(isEndbr64(bytes('90 f3 0f 1e fa'), 1));
  t.notOk(isEndbr64(bytes('f3 0f 1e'), 0), 'cut off');
  t.end();
});

test('any bytes at all: an answer within 15 bytes and within the buffer, or none', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer({ min: -2, max: 45 }), (code, at) => {
      const instruction = decode(code, at);
      if (!instruction) return true;
      const { length, prefixes, branch } = instruction;
      return (
        length >= 1 && length <= 15 && at + length <= code.length && prefixes < length && (!branch || Number.isInteger(branch.displacement))
      );
    }),
    { numRuns: 20_000 },
  );
  t.pass();
  t.end();
});

/** Debian's own libraries, hand-written assembly in libcrypto included, and what V8 ships. */
const LIBRARY_DIRECTORIES = ['/usr/lib/x86_64-linux-gnu', '/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib'];
const LIBRARIES = ['libssl.so.3', 'libcrypto.so.3', 'libc.so.6', 'libm.so.6', 'libstdc++.so.6'];

test('lengths agree with objdump over whole libraries', async (t) => {
  if (!objdumpVersion()) {
    if (process.env.CI === 'true') t.fail('objdump (binutils) is missing');
    else t.comment('objdump (binutils) is missing: not compared');
    return;
  }
  let found = 0;
  for (const name of LIBRARIES) {
    const path = LIBRARY_DIRECTORIES.map((directory) => `${directory}/${name}`).find(existsSync);
    if (!path) continue;
    found++;
    await compare(t, path);
  }
  t.ok(found > 0, 'at least one library was compared');
});

test('lengths agree with objdump over samples of the node binary', async (t) => {
  if (!objdumpVersion()) {
    t.comment('objdump (binutils) is missing: not compared');
    return;
  }
  const image = openImage(process.execPath);
  if (image.machine !== 'x86_64') return;
  const names = [
    'SSL_read',
    'SSL_write',
    'SSL_do_handshake',
    'inflate',
    'deflate',
    'uv_run',
    'sqlite3_step',
    'ZSTD_decompress',
    'EVP_CipherUpdate',
    'napi_create_object',
  ];
  for (const name of names) {
    const symbol = image.symbol(name);
    if (symbol) await compare(t, process.execPath, { start: symbol.address, stop: symbol.address + 64 * 1024 });
  }
});

/** What objdump prints for bytes that are no code: unknown ones, prefixes without an instruction, REX before VEX, 16-bit branches. */
const PREFIX = String.raw`(?:data16|addr32|rex(?:\.\w+)?|[cdefgs]s|lock|repn?z|repz?|bnd|notrack|xacquire|xrelease)`;
const DATA = [/\(bad\)/, new RegExp(`^${PREFIX}(?: ${PREFIX})*$`), /^rex(?:\.\w+)? v/, /^(?:\S+ )*(?:jmpw|callw|j\w+w)\b/];

async function compare(t: test.Test, path: string, range?: { start: number; stop: number }): Promise<void> {
  let count = 0;
  const wrong: string[] = [];
  for await (const { address, bytes: code, text } of disassemble(path, range)) {
    // libcrypto keeps tables between its functions; decoded as code they give what no compiler emits and this refuses.
    if (text === '' || text.startsWith('.byte') || DATA.some((pattern) => pattern.test(text))) continue;
    // It counts a wait in with the x87 instruction that follows.
    const at = code[0] === 0x9b && code.length > 1 ? 1 : 0;
    count++;
    const length = decode(code, at)?.length;
    if (length !== code.length - at && wrong.length < 10) wrong.push(`${address.toString(16)}: ${code.toString('hex')} ${text}: ${length}`);
  }
  t.deepEqual(wrong, [], `${path}${range ? ` at ${range.start.toString(16)}` : ''}: ${count} instructions`);
  t.ok(count > 100, 'and there were some');
}
