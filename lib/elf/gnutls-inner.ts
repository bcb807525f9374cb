/**
 * GnuTLS's gnutls_record_recv often begins with an instruction that the kernel single-steps. It and gnutls_record_recv_seq
 * jump to one local function, in the source `_gnutls_recv_int(session, type, data, size, …)`, which begins with a push; with
 * kernel TLS gnutls_record_recv calls another one with the same arguments. They are found by the hand-over of arguments.
 */
import { type FunctionCode, functionCode, isPltStub, outsideBranches } from './call-targets.js';
import type { CodeImage } from './code-image.js';
import type { KernelVersion } from './probe-cost.js';
import { probePlace } from './probe-place.js';

const PUBLIC = ['gnutls_record_recv', 'gnutls_record_recv_seq'] as const;
/** mov rcx,rdx; mov rdx,rsi; mov esi,23 (the type of application data): size, data and type move up one place each. */
const MOVES = ['4889d1', '4889f2', 'be17000000'].map((code) => Buffer.from(code, 'hex'));
const TYPE = MOVES[2] as Buffer;

/**
 * Addresses of the functions through which both public ones receive, all of them; undefined where the public ones cost as
 * little, or the code has another shape. x86-64 only.
 */
export function gnutlsReceivers(image: CodeImage, kernel: KernelVersion): number[] | undefined {
  if (image.machine !== 'x86_64') return undefined;
  const [plain, sequenced] = PUBLIC.map((name) => functionCode(image, name));
  if (plain === undefined || sequenced === undefined) return undefined;
  if ([plain, sequenced].every(({ address }) => probePlace(image, kernel, address)?.cost === 'emulated')) return undefined;
  if (!movesUp(plain) || !movesUp(sequenced)) return undefined;
  const jumps = ({ address, code }: FunctionCode): number[] =>
    outsideBranches(image, { address, code })
      .filter(({ kind, target }) => kind === 'jump' && !isPltStub(image, target))
      .map(({ target }) => target);
  const [inner, ...more] = new Set(jumps(sequenced));
  if (inner === undefined || more.length > 0 || new Set(jumps(plain)).size !== 1 || !jumps(plain).includes(inner)) return undefined;
  if (probePlace(image, kernel, inner)?.cost !== 'emulated') return undefined;
  const calls = outsideBranches(image, plain).filter(({ kind, target }) => kind === 'call' && !isPltStub(image, target));
  // What else it calls with that type is the same for kernel TLS; anything more is another version than those known.
  const alike = calls.filter(({ at }) => Buffer.from(plain.code.subarray(at - TYPE.length, at)).equals(TYPE));
  return alike.length > 1 ? undefined : [inner, ...alike.map(({ target }) => target)];
}

function movesUp({ code }: FunctionCode): boolean {
  const bytes = Buffer.from(code);
  const [size, data, type] = MOVES.map((move) => bytes.indexOf(move));
  return size !== undefined && data !== undefined && type !== undefined && size >= 0 && size < data && data < type;
}
