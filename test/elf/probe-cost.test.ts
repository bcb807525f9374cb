import test from 'tape';
import { parseKernelVersion, probeCost } from '../../lib/elf/probe-cost.js';

const cost = (hex: string, kernel = '6.1'): string | undefined =>
  probeCost('x86_64', Buffer.from(hex.replaceAll(' ', ''), 'hex'), 0, parseKernelVersion(kernel) ?? { major: 0, minor: 0 });

test('push, jumps, calls and nop are emulated on every kernel', (t) => {
  for (const hex of [
    '55',
    '41 57',
    '90',
    'f3 90',
    'eb 00',
    'e9 00 00 00 00',
    'f2 e9 00 00 00 00',
    'e8 00 00 00 00',
    '74 00',
    '0f 8f 00 00 00 00',
  ]) {
    t.equal(cost(hex), 'emulated', hex);
  }
  t.end();
});

test('ordinary instructions are stepped', (t) => {
  for (const hex of [
    'f3 0f 1e fa',
    '48 83 ec 18',
    '31 c0',
    '48 89 e5',
    'c3',
    '40 55',
    '66 55',
    '6a 00',
    'ff 34 24',
    'e3 00',
    '64 48 8b 04 25 28 00 00 00',
  ]) {
    t.equal(cost(hex), 'stepped', hex);
  }
  t.end();
});

test('refused ones, and those that the kernel would carry out wrongly', (t) => {
  for (const hex of ['66 eb 00', '2e 90', '3e ff e0', 'f0 48 83 0c 24 00', 'cc', 'f4', 'e4 00', '0f 05', '0f 0b', '8e d0'])
    t.equal(cost(hex), 'refused', hex);
  t.equal(cost('c5 f8 77'), 'refused', 'vzeroupper, which is carried out as ja');
  t.equal(cost('41 90'), 'refused', 'xchg r8d,eax, which is carried out as nop');
  t.equal(cost('9c'), 'refused', 'pushf, which would push the single-step flag');
  t.equal(cost('06'), undefined, 'no instruction');
  t.end();
});

test('the longer nops are emulated from Linux 6.16 on', (t) => {
  for (const hex of ['0f 1f 44 00 00', '0f 1f 84 00 00 00 00 00']) {
    t.equal(cost(hex, '6.15.9'), 'stepped', `${hex} on 6.15`);
    t.equal(cost(hex, '6.16.0-rc1'), 'emulated', `${hex} on 6.16`);
    t.equal(cost(hex, '7.2.12+deb14-amd64'), 'emulated', `${hex} on 7.2`);
  }
  t.equal(cost('66 90', '6.1'), 'emulated', 'the nop of two bytes always was');
  t.equal(cost('66 0f 1f 84 00 00 00 00 00', '6.18'), 'stepped', 'nine bytes are none of the kernel’s');
  t.equal(parseKernelVersion('nonsense'), undefined);
  t.end();
});

test('AArch64: what the kernel simulates, steps and refuses', (t) => {
  const arm = (word: number, kernel = '6.1'): string | undefined => {
    const code = Buffer.alloc(4);
    code.writeUInt32LE(word >>> 0);
    return probeCost('aarch64', code, 0, parseKernelVersion(kernel) ?? { major: 0, minor: 0 });
  };
  const simulated = {
    b: 0x14000010,
    bl: 0x97fffff0,
    'b.eq': 0x54000040,
    cbz: 0xb4000040,
    tbnz: 0x37080040,
    ret: 0xd65f03c0,
    br: 0xd61f0220,
    adrp: 0x90000010,
  };
  for (const [name, word] of Object.entries(simulated)) t.equal(arm(word), 'emulated', name);
  const stepped = {
    'stp x29,x30,[sp,-32]!': 0xa9be7bfd,
    'sub sp,sp,32': 0xd10083ff,
    paciasp: 0xd503233f,
    'bti c': 0xd503245f,
    'mov x29,sp': 0x910003fd,
    ldar: 0xc8dffc00,
  };
  for (const [name, word] of Object.entries(stepped)) t.equal(arm(word), 'stepped', name);
  const refused = {
    'ldr x0,=': 0x58000040,
    ldxr: 0xc85f7c00,
    stxr: 0xc8007c00,
    svc: 0xd4000001,
    brk: 0xd4200000,
    retaa: 0xd65f0bff,
    wfi: 0xd503207f,
  };
  for (const [name, word] of Object.entries(refused)) t.equal(arm(word), 'refused', name);
  t.equal(arm(0xd503201f, '6.12'), 'stepped', 'nop on 6.12');
  t.equal(arm(0xd503201f, '6.13'), 'emulated', 'nop on 6.13');
  t.end();
});
