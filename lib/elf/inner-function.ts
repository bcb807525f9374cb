/** The local function that OpenSSL's public variants share, found by shape and checked register by register. */
import { functionCode, isPltStub, outsideBranches } from './call-targets.js';
import type { ArgumentLayout, CodeImage } from './code-image.js';
import { decode } from './x86-64.js';
import { ARGUMENT_REGISTERS, registerWritten } from './x86-64-writes.js';

export interface InnerQuestion {
  direction: 'read' | 'write';
  /** The public functions that the file has, with their own layouts. */
  present: readonly { name: string; layout: ArgumentLayout }[];
  siblings: readonly string[];
  early: string;
}

export interface Inner {
  address: number;
  layout: 'out4' | 'out5';
  /** SSL_read_early_data or SSL_write_early_data reaches it without passing a public function. */
  earlyData: boolean;
  evidence: string[];
}

/** Why there is none, as a sentence. */
export interface NoInner {
  reason: string;
}

/**
 * Public functions that only hand over to another public one, which therefore must not be probed as well: SSL_write_ex
 * of OpenSSL 3.3 jumps to SSL_write_ex2; LibreSSL's SSL_read_ex calls SSL_read.
 */
export function forwardingFunctions(image: CodeImage, names: readonly string[]): Set<string> {
  const forwarding = new Set<string>();
  for (const name of names) {
    const code = functionCode(image, name);
    if (!code) continue;
    const outside = outsideBranches(image, code).filter((branch) => branch.kind !== 'conditional');
    for (const other of names) {
      const address = image.symbol(other)?.address;
      if (other === name || address === undefined) continue;
      const direct = outside.some((branch) => branch.target === address);
      // Built without -Bsymbolic, the jump goes through the linkage table, which does not say where to.
      const [only] = outside;
      const tail = name === 'SSL_write_ex' && other === 'SSL_write_ex2' && outside.length === 1 && only !== undefined;
      if (direct || (tail && only.kind === 'jump' && isPltStub(image, only.target))) forwarding.add(name);
    }
  }
  return forwarding;
}

/** Finds the inner function, or says why it cannot be trusted. */
export function findInner(image: CodeImage, question: InnerQuestion, forwarding: ReadonlySet<string>): Inner | NoInner {
  if (image.machine !== 'x86_64') return { reason: 'inner functions are looked for on x86-64 only' };
  const callers = question.present.filter(({ name }) => !forwarding.has(name));
  if (callers.length < 2) return { reason: 'there are no two public functions that could share an inner one' };

  const publics = new Set(question.present.map(({ name }) => image.symbol(name)?.address));
  let shared: Set<number> | undefined;
  for (const { name } of callers) {
    const targets = targetsOf(image, name);
    for (const address of publics) if (address !== undefined) targets.delete(address);
    shared = shared === undefined ? targets : new Set([...shared].filter((target) => targets.has(target)));
  }
  const foreign = new Set(question.siblings.flatMap((name) => [...targetsOf(image, name)]));
  const candidates = [...(shared ?? [])].filter((target) => !foreign.has(target) && !isPltStub(image, target));
  const [address] = candidates;
  const names = callers.map(({ name }) => name);
  if (candidates.length !== 1 || address === undefined) {
    return { reason: `${names.join(' and ')} share ${candidates.length} inner functions, not one` };
  }

  const layouts = callers.map(({ name, layout }) => ({ name, layout: layoutAtCall(image, name, layout, address) }));
  const unclear = layouts.find(({ layout }) => layout === undefined);
  if (unclear) return { reason: `how ${unclear.name} hands its arguments to the inner function is not clear` };
  const layout = layouts[0]?.layout;
  if (layout === undefined || layouts.some((other) => other.layout !== layout)) {
    return { reason: `${names.join(' and ')} hand different arguments to the inner function` };
  }
  const early = targetsOf(image, question.early);
  return {
    address,
    layout,
    earlyData: early.has(address),
    evidence: [
      `the one function that ${names.join(' and ')} both call and ${question.siblings[0]} does not`,
      `the byte count is returned through argument ${layout === 'out4' ? 4 : 5}`,
    ],
  };
}

function targetsOf(image: CodeImage, name: string): Set<number> {
  const code = functionCode(image, name);
  if (!code) return new Set();
  return new Set(
    outsideBranches(image, code)
      .filter((branch) => branch.kind !== 'conditional')
      .map((branch) => branch.target),
  );
}

const [SSL, BUFFER, LENGTH, FOURTH, FIFTH] = ARGUMENT_REGISTERS;
/** Instructions and forks followed from the function's start to the call; SSL_write of a debug build takes 30. */
const MAX_STEPS = 200;

/**
 * How `name`, whose own layout is `own`, passes the out-pointer to `target`, or undefined when that is not plain.
 *
 * All paths from the first instruction to the call are followed. Session and buffer must reach it untouched. A `count`
 * function makes the out-pointer itself (a local variable) and widens the length; the others pass theirs through.
 */
function layoutAtCall(image: CodeImage, name: string, own: ArgumentLayout, target: number): 'out4' | 'out5' | undefined {
  const start = functionCode(image, name);
  if (!start) return undefined;
  const answers = new Set<'out4' | 'out5' | 'unclear'>();
  const seen = new Set<number>();
  const paths: { at: number; written: Map<number, boolean> }[] = [{ at: 0, written: new Map() }];
  for (let path = paths.pop(), steps = 0; path && steps < MAX_STEPS; path = paths.pop()) {
    let at = path.at;
    const written = path.written;
    while (steps++ < MAX_STEPS && at >= 0 && at < start.code.length) {
      const instruction = decode(start.code, at);
      if (!instruction) break;
      const next = at + instruction.length;
      const { branch } = instruction;
      if (branch) {
        const to = next + branch.displacement;
        if (start.address + to === target) {
          answers.add(layoutOf(own, written));
          break;
        }
        if (branch.kind === 'call') break;
        if (branch.kind === 'jump') {
          if (seen.has(to)) break;
          seen.add(to);
          at = to;
          continue;
        }
        if (!seen.has(to)) {
          seen.add(to);
          paths.push({ at: to, written: new Map(written) });
        }
      } else {
        const write = registerWritten(start.code, at, instruction);
        if (write === 'unknown') break;
        if (write !== 'none') written.set(write.register, write.zero);
      }
      at = next;
    }
  }
  const [answer] = answers;
  return answers.size === 1 && answer !== 'unclear' ? answer : undefined;
}

/** `written`: register → whether zero, of those that were written on the way to the call. */
function layoutOf(own: ArgumentLayout, written: ReadonlyMap<number, boolean>): 'out4' | 'out5' | 'unclear' {
  if (written.has(SSL) || written.has(BUFFER)) return 'unclear';
  if (own === 'count') {
    if (written.get(FOURTH) === false && !written.has(FIFTH)) return 'out4';
    if (written.get(FIFTH) === false && written.get(FOURTH) === true) return 'out5';
    return 'unclear';
  }
  if (written.has(LENGTH) || written.has(FOURTH) || written.has(FIFTH)) return 'unclear';
  return own;
}
