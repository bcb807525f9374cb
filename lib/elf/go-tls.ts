/**
 * Go's crypto/tls. Go grows stacks by moving them, which breaks a program whose return address was replaced, so there is
 * no return probe: what is written is taken at the entry of the function that makes records of it (a first Write makes the
 * handshake before), what is read where it is copied to the caller's buffer. Connections begin with their handshake.
 * Arguments are in registers since Go 1.17 (src/cmd/compile/abi-internal.md): rax, rbx, rcx, rdi.
 */
import { type GoFunction, goFunctions } from './go-functions.js';
import type { ElfImage } from './image.js';
import { type KernelVersion, probeCost } from './probe-cost.js';
import type { SiteRole, TlsFinding, TlsSite } from './tls-finding.js';
import { decode, type Instruction } from './x86-64.js';

const WRITE = 'crypto/tls.(*Conn).writeRecordLocked';
const READ = 'crypto/tls.(*Conn).Read';
const MEMMOVE = 'runtime.memmove';
/** A program that is never a server has no function for it. */
const LIFE: readonly (readonly [SiteRole, string])[] = [
  ['client_handshake', 'crypto/tls.(*Conn).clientHandshake'],
  ['server_handshake', 'crypto/tls.(*Conn).serverHandshake'],
  ['close', 'crypto/tls.(*Conn).Close'],
];
/** A function of some hundred bytes. */
const MAX_BYTES = 16 * 1024;
/** The check for room on the stack is among these. */
const CHECK_INSTRUCTIONS = 4;
const SPILL_INSTRUCTIONS = 24;

interface Place {
  at: number;
  instruction: Instruction;
}

export function findGoTls(image: ElfImage, kernel: KernelVersion): TlsFinding | undefined {
  if (image.machine !== 'x86_64') return undefined;
  const functions = goFunctions(image, [WRITE, READ, MEMMOVE, ...LIFE.map(([, name]) => name)]);
  const write = functions?.get(WRITE);
  const read = functions?.get(READ);
  if (functions === undefined || (write === undefined && read === undefined)) return undefined;
  const sites: TlsSite[] = [];
  const refused: string[] = [];
  const answers = [
    entrySite(image, kernel, 'write', WRITE, write),
    readSite(image, kernel, read, functions.get(MEMMOVE)),
    // Behind the bytes: a connection that is seen to begin must not be read before its bytes are.
    ...LIFE.filter(([, name]) => functions.has(name)).map(([role, name]) => entrySite(image, kernel, role, name, functions.get(name))),
  ];
  for (const answer of answers) {
    if (typeof answer === 'string') refused.push(answer);
    else sites.push(answer);
  }
  const bytes = sites.filter(({ role }) => role === 'write' || role === 'read');
  const version = goVersion(image);
  return {
    library: 'go',
    ...(version === undefined ? {} : { version }),
    foundBy: 'pclntab',
    confidence: bytes.length === 2 ? 'certain' : 'likely',
    sites,
    evidence: ["Go's own table of functions names crypto/tls.(*Conn)"],
    refused,
  };
}

function codeOf(image: ElfImage, { address, end }: GoFunction): Buffer | undefined {
  return image.bytes(address, Math.min(end - address, MAX_BYTES));
}

/** Where arguments are in place and the stack has room: behind the check for it, or at its branch where nothing cheap follows. */
function entrySite(image: ElfImage, kernel: KernelVersion, role: SiteRole, name: string, found: GoFunction | undefined): TlsSite | string {
  const code = found && codeOf(image, found);
  if (found === undefined || code === undefined) return `${role}: the table has no ${name}`;
  const check = stackCheck(code);
  if (check === undefined) return `${role}: ${name} does not begin with Go's check for room on the stack (Go before 1.17?)`;
  const after = check.at + check.instruction.length;
  const push = code[after] === 0x55;
  const site = siteAt(image, kernel, code, found, push ? after : check.at);
  if (typeof site === 'string') return `${role}: ${site}`;
  const kind = role === 'write' ? 'go_record' : 'go_conn';
  return {
    role,
    abi: `${kind}_${push ? 'push' : 'jbe'}`,
    function: name,
    ...site,
    evidence: [push ? 'the push behind the check for room on the stack' : 'the branch of the check for room on the stack'],
  };
}

function readSite(image: ElfImage, kernel: KernelVersion, read: GoFunction | undefined, memmove: GoFunction | undefined): TlsSite | string {
  const code = read && codeOf(image, read);
  if (read === undefined || code === undefined) return `read: the table has no ${READ}`;
  if (memmove === undefined) return `read: the table has no ${MEMMOVE}`;
  const copies: number[] = [];
  let slot: number | undefined;
  let count = 0;
  for (const { at, instruction } of instructions(code)) {
    const { branch } = instruction;
    if (branch?.kind === 'call' && read.address + at + instruction.length + branch.displacement === memmove.address) copies.push(at);
    // The first thing done with the connection is to put it into its place in the caller's frame.
    if (slot === undefined && count++ < SPILL_INSTRUCTIONS && branch?.kind !== 'call') slot = spillOfRax(code, at, instruction);
  }
  const [copy] = copies;
  if (copies.length !== 1 || copy === undefined) return `read: ${READ} calls ${MEMMOVE} at ${copies.length} places, not one`;
  if (stackCheck(code) === undefined) return `read: ${READ} does not begin with Go's check for room on the stack (Go before 1.17?)`;
  if (slot === undefined) return `read: where ${READ} keeps its connection is not clear`;
  const site = siteAt(image, kernel, code, read, copy);
  if (typeof site === 'string') return `read: ${site}`;
  return {
    role: 'read',
    abi: 'go_read_memmove',
    function: READ,
    ...site,
    params: { conn_slot: slot },
    evidence: [
      `its only call of ${MEMMOVE}, which copies plaintext to the caller`,
      `the connection is kept at [rsp+0x${slot.toString(16)}]`,
    ],
  };
}

function siteAt(
  image: ElfImage,
  kernel: KernelVersion,
  code: Buffer,
  { address }: GoFunction,
  skipped: number,
): Pick<TlsSite, 'address' | 'offset' | 'skipped' | 'cost'> | string {
  const cost = probeCost(image.machine, code, skipped, kernel) ?? 'refused';
  const offset = image.fileOffset(address + skipped);
  if (cost === 'refused' || offset === undefined) return 'the kernel refuses a probe there';
  return { address: address + skipped, offset, skipped, cost };
}

function* instructions(code: Buffer): Generator<Place> {
  for (let at = 0; at < code.length; ) {
    const instruction = decode(code, at);
    if (instruction === undefined) return;
    yield { at, instruction };
    at += instruction.length;
  }
}

/** The `jbe` of `cmp rsp,[r14+16]; jbe …`, or of the same with r12 for a large frame. r14 is the goroutine since Go 1.17. */
function stackCheck(code: Buffer): Place | undefined {
  let compared = false;
  let count = 0;
  for (const { at, instruction } of instructions(code)) {
    const { map, opcode, prefixes, branch } = instruction;
    if (branch !== undefined) {
      const belowOrEqual = (map === 0 && opcode === 0x76) || (map === 1 && opcode === 0x86);
      return compared && belowOrEqual ? { at, instruction } : undefined;
    }
    const rex = prefixes === 1 ? code[at] : 0;
    // 49 3b 66 10: cmp rsp,[r14+16]; 4d 3b 66 10: cmp r12,[r14+16]. Spills of arguments do not come before.
    compared = (rex === 0x49 || rex === 0x4d) && map === 0 && opcode === 0x3b && code[at + 2] === 0x66 && code[at + 3] === 0x10;
    if (++count > CHECK_INSTRUCTIONS) return undefined;
  }
  return undefined;
}

/** X of `mov [rsp+X],rax`. */
function spillOfRax(code: Buffer, at: number, { prefixes, map, opcode, length }: Instruction): number | undefined {
  if (prefixes !== 1 || code[at] !== 0x48 || map !== 0 || opcode !== 0x89 || code[at + 3] !== 0x24) return undefined;
  if (code[at + 2] === 0x44 && length === 5) return code.readInt8(at + 4);
  if (code[at + 2] === 0x84 && length === 8) return code.readInt32LE(at + 4);
  return undefined;
}

const BUILD_INFO = Buffer.from('\xff Go buildinf:', 'latin1');

/** The version that the build left in `.go.buildinfo` (since Go 1.18 as a string in place; src/debug/buildinfo). */
function goVersion(image: ElfImage): string | undefined {
  const section = image.section('.go.buildinfo');
  const bytes = section && image.bytes(section.address, Math.min(section.bytes, 256));
  if (bytes === undefined || bytes.length < 34 || !bytes.subarray(0, 14).equals(BUILD_INFO) || ((bytes[15] as number) & 2) === 0)
    return undefined;
  const text = bytes.toString('latin1', 33, 33 + Math.min(bytes[32] as number, 127));
  return /^go(\d+\.\d+[\w.]*)/.exec(text)?.[1];
}
