/**
 * x86-64 instruction lengths, and what a uprobe on an instruction costs.
 *
 * A length decoder, no disassembler: it knows where an instruction ends, whether it is a direct branch and where to, and
 * nothing of its operands. It follows the opcode maps of the Intel SDM (volume 2, appendix A) and AMD's XOP map in
 * 64-bit mode, as compilers use them; what it does not know is `undefined`, never a guess.
 */

/** How the operands of an opcode are laid out: one letter per opcode in the maps below. */
const MAP_0 =
  /*    0123456789abcdef */
  /* 0 */ 'mmmmbz--mmmmbz--' +
  /* 1 */ 'mmmmbz--mmmmbz--' +
  /* 2 */ 'mmmmbz--mmmmbz--' +
  /* 3 */ 'mmmmbz--mmmmbz--' +
  /* 4 */ '----------------' +
  /* 5 */ '................' +
  /* 6 */ '---m----zZbB....' +
  /* 7 */ 'jjjjjjjjjjjjjjjj' +
  /* 8 */ 'BZ-Bmmmmmmmmmmmm' +
  /* 9 */ '..........-.....' +
  /* a */ 'oooo....bz......' +
  /* b */ 'bbbbbbbbvvvvvvvv' +
  /* c */ 'BBw.--BZe.w..b-.' +
  /* d */ 'mmmm---.mmmmmmmm' +
  /* e */ 'jjjjbbbbJJ-j....' +
  /* f */ '-.--..67......mm';

const MAP_1 =
  /*    0123456789abcdef */
  /* 0 */ 'mmmm-.....-.-m.B' +
  /* 1 */ 'mmmmmmmmmmmmmmmm' +
  /* 2 */ 'mmmm----mmmmmmmm' +
  /* 3 */ '......-.--------' +
  /* 4 */ 'mmmmmmmmmmmmmmmm' +
  /* 5 */ 'mmmmmmmmmmmmmmmm' +
  /* 6 */ 'mmmmmmmmmmmmmmmm' +
  /* 7 */ 'BBBBmmm.xm--mmmm' +
  /* 8 */ 'JJJJJJJJJJJJJJJJ' +
  /* 9 */ 'mmmmmmmmmmmmmmmm' +
  /* a */ '...mBmmm...mBmmm' +
  /* b */ 'mmmmmmmmmmBmmmmm' +
  /* c */ 'mmBmBBBm........' +
  /* d */ 'mmmmmmmmmmmmmmmm' +
  /* e */ 'mmmmmmmmmmmmmmmm' +
  /* f */ 'mmmmmmmmmmmmmmmm';

/** A direct branch: its target is the address after the instruction plus `displacement`. */
export interface Branch {
  kind: 'call' | 'jump' | 'conditional';
  displacement: number;
}

export interface Instruction {
  /** Bytes, 1 to 15. */
  length: number;
  /** 0: one-byte opcodes, 1: `0f`, 2: `0f 38`, 3: `0f 3a`; as VEX, EVEX and XOP number them beyond. */
  map: number;
  /** The opcode byte in its map. */
  opcode: number;
  /** Where the opcode (with its escape) begins: the number of prefix bytes. */
  prefixes: number;
  encoding: 'legacy' | 'vex' | 'evex' | 'xop';
  modrm?: number;
  branch?: Branch;
}

/** No instruction is longer (Intel SDM 2.3.11). */
const MAX_LENGTH = 15;

function isLegacyPrefix(byte: number): boolean {
  switch (byte) {
    case 0x26:
    case 0x2e:
    case 0x36:
    case 0x3e:
    case 0x64:
    case 0x65:
    case 0x66:
    case 0x67:
    case 0xf0:
    case 0xf2:
    case 0xf3:
      return true;
    default:
      return false;
  }
}

/** Bytes of ModRM, SIB and displacement at `at`; undefined past `end`. Address size 32 (`67`) has the same layout. */
function memoryLength(code: Uint8Array, at: number, end: number): number | undefined {
  if (at >= end) return undefined;
  const modrm = code[at] as number;
  const mod = modrm >> 6;
  if (mod === 3) return 1;
  let length = 1;
  let base = modrm & 7;
  if (base === 4) {
    if (at + 1 >= end) return undefined;
    base = (code[at + 1] as number) & 7;
    length++;
  }
  if (mod === 1) length += 1;
  else if (mod === 2 || base === 5) length += 4;
  return length;
}

function signed(code: Uint8Array, at: number, bytes: number): number {
  if (bytes === 1) return ((code[at] as number) << 24) >> 24;
  return (
    ((code[at] as number) | ((code[at + 1] as number) << 8) | ((code[at + 2] as number) << 16) | ((code[at + 3] as number) << 24)) >> 0
  );
}

/**
 * The instruction at `at`, or undefined when the bytes are none that a compiler emits, or end before it does.
 * Never reads past `end` (by default the end of `code`) and never throws.
 */
export function decode(code: Uint8Array, at: number, end: number = code.length): Instruction | undefined {
  const limit = Math.min(end, code.length, at + MAX_LENGTH);
  if (at < 0) return undefined;
  let i = at;
  let operand16 = false;
  let address32 = false;
  let repeat = 0;
  let rex = 0;
  for (; i < limit; i++) {
    const byte = code[i] as number;
    if (isLegacyPrefix(byte)) {
      // A REX that does not stand right before the opcode is ignored (Intel SDM 2.2.1).
      rex = 0;
      if (byte === 0x66) operand16 = true;
      else if (byte === 0x67) address32 = true;
      else if (byte === 0xf2 || byte === 0xf3) repeat = byte;
    } else if (byte >= 0x40 && byte <= 0x4f) rex = byte;
    else break;
  }
  if (i >= limit) return undefined;
  const prefixes = i - at;
  const wide = (rex & 8) !== 0;
  let opcode = code[i++] as number;

  if (opcode === 0xc4 || opcode === 0xc5 || opcode === 0x62 || (opcode === 0x8f && i < limit && ((code[i] as number) & 0x1f) >= 8)) {
    // 66, f2, f3, lock and REX before these are undefined (Intel SDM 2.3).
    if (rex !== 0 || operand16 || repeat !== 0) return undefined;
    return decodeVector(code, at, prefixes, limit);
  }

  let map = 0;
  let kind = MAP_0[opcode];
  if (opcode === 0x0f) {
    if (i >= limit) return undefined;
    opcode = code[i++] as number;
    map = 1;
    kind = MAP_1[opcode];
    if (opcode === 0x38 || opcode === 0x3a) {
      map = opcode === 0x38 ? 2 : 3;
      if (i >= limit) return undefined;
      opcode = code[i++] as number;
      kind = map === 2 ? 'm' : 'B';
    }
  }

  const instruction: Instruction = { length: 0, map, opcode, prefixes, encoding: 'legacy' };
  const immediate = operand16 && !wide ? 2 : 4;
  let tail = 0;
  let hasModrm = false;
  switch (kind) {
    case '.':
      break;
    case 'm':
      hasModrm = true;
      break;
    case 'B':
      hasModrm = true;
      tail = 1;
      break;
    case 'Z':
      hasModrm = true;
      tail = immediate;
      break;
    case '6':
    case '7':
      // TEST has an immediate, its neighbours in the group have none.
      hasModrm = true;
      if (i < limit && ((code[i] as number) & 0x38) <= 8) tail = kind === '6' ? 1 : immediate;
      break;
    case 'x':
      // vmread; with 66 or f2 it is SSE4a's extrq and insertq, which take two byte immediates.
      hasModrm = true;
      tail = operand16 || repeat === 0xf2 ? 2 : 0;
      break;
    case 'b':
      tail = 1;
      break;
    case 'w':
      tail = 2;
      break;
    case 'e':
      tail = 3;
      break;
    case 'z':
      tail = immediate;
      break;
    case 'v':
      tail = wide ? 8 : immediate;
      break;
    case 'o':
      tail = address32 ? 4 : 8;
      break;
    case 'j':
      tail = 1;
      break;
    case 'J':
      // With 66 alone Intel reads four bytes and AMD two: nobody emits it.
      if (operand16 && !wide) return undefined;
      tail = 4;
      break;
    default:
      return undefined;
  }
  if (hasModrm) {
    // Moves from and to control and debug registers take the register form whatever `mod` says (Intel SDM, MOV CR).
    const length = map === 1 && opcode >= 0x20 && opcode <= 0x23 ? 1 : memoryLength(code, i, limit);
    if (length === undefined || i >= limit) return undefined;
    instruction.modrm = code[i] as number;
    i += length;
  }
  if (i + tail > limit) return undefined;
  if (kind === 'j' || kind === 'J') {
    instruction.branch = { kind: branchKind(map, opcode), displacement: signed(code, i, tail) };
  }
  instruction.length = i + tail - at;
  return instruction;
}

function branchKind(map: number, opcode: number): Branch['kind'] {
  if (map === 0 && opcode === 0xe8) return 'call';
  if (map === 0 && (opcode === 0xe9 || opcode === 0xeb)) return 'jump';
  return 'conditional';
}

/** VEX (`c5`, `c4`), EVEX (`62`) and XOP (`8f`). `at` is the start of the instruction, `prefixes` its legacy prefixes. */
function decodeVector(code: Uint8Array, at: number, prefixes: number, limit: number): Instruction | undefined {
  let i = at + prefixes;
  const lead = code[i] as number;
  const size = lead === 0xc5 ? 2 : lead === 0x62 ? 4 : 3;
  if (i + size >= limit) return undefined;
  const second = code[i + 1] as number;
  let map = 1;
  if (lead === 0x62) {
    // Bits that must be fixed; where they differ it is APX (extended EVEX), which is not decoded.
    if ((second & 0x08) !== 0 || ((code[i + 2] as number) & 0x04) === 0) return undefined;
    map = second & 7;
  } else if (lead !== 0xc5) map = second & 0x1f;
  i += size;
  const opcode = code[i++] as number;
  const encoding = lead === 0x62 ? 'evex' : lead === 0x8f ? 'xop' : 'vex';
  const tail = vectorImmediate(encoding, map, opcode);
  if (tail === undefined) return undefined;
  const instruction: Instruction = { length: 0, map, opcode, prefixes, encoding };
  // vzeroupper and vzeroall are the only ones without operands.
  if (!(encoding === 'vex' && map === 1 && opcode === 0x77)) {
    const length = memoryLength(code, i, limit);
    if (length === undefined) return undefined;
    instruction.modrm = code[i] as number;
    i += length;
  }
  if (i + tail > limit) return undefined;
  instruction.length = i + tail - at;
  return instruction;
}

/** Bytes of immediate after the operands; undefined for maps that do not exist. */
function vectorImmediate(encoding: 'vex' | 'evex' | 'xop', map: number, opcode: number): number | undefined {
  if (encoding === 'xop') return map === 8 ? 1 : map === 9 ? 0 : map === 10 ? 4 : undefined;
  switch (map) {
    case 1:
      if (opcode >= 0x80 && opcode <= 0x8f) return undefined;
      return (opcode >= 0x70 && opcode <= 0x73) || opcode === 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6) ? 1 : 0;
    case 2:
      return 0;
    case 3:
      return 1;
    case 5:
    case 6:
      return encoding === 'evex' ? 0 : undefined;
    default:
      return undefined;
  }
}

/** `endbr64`, the landing pad that CET builds put before each function that may be called indirectly. */
export function isEndbr64(code: Uint8Array, at: number): boolean {
  return code[at] === 0xf3 && code[at + 1] === 0x0f && code[at + 2] === 0x1e && code[at + 3] === 0xfa;
}

/** True where control does not go on to the next byte: ret, jmp (direct or not), ud2, hlt, int3. */
export function endsFlow(instruction: Instruction): boolean {
  const { map, opcode, modrm = 0, encoding } = instruction;
  if (encoding !== 'legacy') return false;
  if (map === 1) return opcode === 0x0b;
  if (map !== 0) return false;
  if (opcode === 0xff) return ((modrm >> 3) & 7) === 4 || ((modrm >> 3) & 7) === 5;
  return opcode === 0xc2 || opcode === 0xc3 || opcode === 0xcb || opcode === 0xe9 || opcode === 0xeb || opcode === 0xcc || opcode === 0xf4;
}

/** True for a jump through memory or a register: what a PLT stub is made of. */
export function isIndirectJump(instruction: Instruction): boolean {
  return (
    instruction.encoding === 'legacy' && instruction.map === 0 && instruction.opcode === 0xff && (((instruction.modrm ?? 0) >> 3) & 7) === 4
  );
}
