/**
 * JSON of strangers: the arguments of tool calls, kept exactly; values cut out of a stream; depth under a limit, because
 * what is printed again must not exhaust the stack.
 */

/** Nesting of a value that is carried in an event as it is. */
export const MOST_DEPTH = 64;

/** Whether `value` nests no deeper than `left` levels. */
export function isShallow(value: unknown, left = MOST_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return true;
  if (left === 0) return false;
  if (Array.isArray(value)) return value.every((item) => isShallow(item, left - 1));
  for (const key in value) if (!isShallow((value as Record<string, unknown>)[key], left - 1)) return false;
  return true;
}

/** The value, or a word in its place when it nests too deep. */
export function bounded(value: unknown): unknown {
  return isShallow(value) ? value : `(nested deeper than ${MOST_DEPTH})`;
}

/** The value of a JSON text; undefined when it is none. */
export function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export interface Arguments {
  arguments?: unknown;
  arguments_raw?: string;
  arguments_error?: string;
}

/** Arguments given as JSON text. No text at all is a call without arguments. */
export function argumentsOf(raw: string): Arguments {
  if (raw.trim() === '') return { arguments: {} };
  let value: unknown;
  try {
    value = JSON.parse(raw);
  } catch {
    return { arguments_raw: raw, arguments_error: 'not JSON' };
  }
  if (!isShallow(value)) return { arguments_raw: raw, arguments_error: `nested deeper than ${MOST_DEPTH}` };
  return isFaithful(raw) ? { arguments: value } : { arguments: value, arguments_raw: raw };
}

const SPACE = /[ \t\r\n]/;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/** Whether a parsed and printed JSON text means the same: no number loses digits, no name stands twice in an object. */
export function isFaithful(json: string): boolean {
  const names: (Set<string> | undefined)[] = [];
  let last = '';
  for (let i = 0; i < json.length; ) {
    const char = json.charAt(i);
    if (char === '"') {
      const end = stringEnd(json, i);
      last = json.slice(i, end);
      i = end;
    } else if (char === '{' || char === '[') {
      names.push(char === '{' ? new Set() : undefined);
      i++;
    } else if (char === '}' || char === ']') {
      names.pop();
      i++;
    } else if (char === ':') {
      const known = names.at(-1);
      const name = last.includes('\\') ? String(parsed(last)) : last.slice(1, -1);
      if (known?.has(name)) return false;
      known?.add(name);
      i++;
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      NUMBER.lastIndex = i;
      const token = NUMBER.exec(json)?.[0] ?? char;
      if (token.length > 15 && !sameNumber(token)) return false;
      if (token.length <= 15 && /[eE]/.test(token) && !Number.isFinite(Number(token))) return false;
      i += token.length;
    } else i++;
  }
  return true;
}

function sameNumber(token: string): boolean {
  const value = Number(token);
  return Number.isFinite(value) && decimal(token) === decimal(String(value));
}

/** Sign, digits without zeros around them, and the power of ten: the same for `1.50e3` and `1500`. */
function decimal(token: string): string {
  const [, sign, whole = '', fraction = '', power = '0'] = /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(token) ?? [];
  const digits = (whole + fraction).replace(/^0+/, '');
  const kept = digits.replace(/0+$/, '');
  if (kept === '') return '0';
  return `${sign}${kept}e${Number(power) - fraction.length + (digits.length - kept.length)}`;
}

/** Position after the string that begins at `at`. */
function stringEnd(json: string, at: number): number {
  let from = at + 1;
  for (;;) {
    const quote = json.indexOf('"', from);
    if (quote < 0) return json.length;
    let slashes = 0;
    while (json.charAt(quote - 1 - slashes) === '\\') slashes++;
    if (slashes % 2 === 0) return quote + 1;
    from = quote + 1;
  }
}

/** The text of the value at `path` of a valid JSON text; undefined when nothing is there. Of a name that stands twice the last counts. */
export function rawAt(json: string, path: readonly (string | number)[]): string | undefined {
  let at = passSpace(json, 0);
  for (const step of path) {
    const found = typeof step === 'number' ? elementAt(json, at, step) : memberAt(json, at, step);
    if (found === undefined) return undefined;
    at = found;
  }
  return json.slice(at, valueEnd(json, at));
}

function passSpace(json: string, at: number): number {
  let i = at;
  while (SPACE.test(json.charAt(i))) i++;
  return i;
}

/** Position after the value that begins at `at`. */
function valueEnd(json: string, at: number): number {
  let depth = 0;
  for (let i = at; i < json.length; ) {
    const char = json.charAt(i);
    if (char === '"') {
      i = stringEnd(json, i);
      if (depth === 0) return i;
      continue;
    }
    if (char === '{' || char === '[') depth++;
    else if (char === '}' || char === ']') {
      if (depth === 0) return i;
      if (--depth === 0) return i + 1;
    } else if (depth === 0 && (char === ',' || SPACE.test(char))) return i;
    i++;
  }
  return json.length;
}

function elementAt(json: string, at: number, index: number): number | undefined {
  if (json.charAt(at) !== '[') return undefined;
  let i = passSpace(json, at + 1);
  for (let n = 0; i < json.length && json.charAt(i) !== ']'; n++) {
    if (n === index) return i;
    i = passSpace(json, valueEnd(json, i));
    if (json.charAt(i) === ',') i = passSpace(json, i + 1);
  }
  return undefined;
}

function memberAt(json: string, at: number, name: string): number | undefined {
  if (json.charAt(at) !== '{') return undefined;
  let found: number | undefined;
  let i = passSpace(json, at + 1);
  while (json.charAt(i) === '"') {
    const end = stringEnd(json, i);
    const key = parsed(json.slice(i, end));
    const value = passSpace(json, passSpace(json, end) + 1);
    if (key === name) found = value;
    i = passSpace(json, valueEnd(json, value));
    if (json.charAt(i) === ',') i = passSpace(json, i + 1);
  }
  return found;
}

/** Bytes of one value of a stream that are held. */
const VALUE_LIMIT = 8 * 1024 * 1024;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * Cuts the JSON objects out of a stream of bytes in any pieces: lines of JSON, the elements of an array that is streamed
 * (Gemini), one object alone. What is between them is skipped.
 */
export class ObjectCutter {
  /** A value was too long, and is left out. */
  limited = false;
  private depth = 0;
  /** Depth at which objects are cut out: 1 inside a streamed array. */
  private base: number | undefined;
  private inString = false;
  private escaped = false;
  private inObject = false;
  private pieces: Buffer[] = [];
  private length = 0;

  get heldBytes(): number {
    return this.length;
  }

  push(bytes: Buffer, emit: (json: string) => void): void {
    let start = this.inObject ? 0 : -1;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] as number;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) this.inString = false;
        continue;
      }
      if (byte === QUOTE) this.inString = this.depth > 0;
      else if (byte === 0x7b || byte === 0x5b) {
        if (this.base === undefined) {
          this.base = byte === 0x5b ? 1 : 0;
        }
        if (byte === 0x7b && this.depth === this.base && !this.inObject) {
          this.inObject = true;
          start = i;
        }
        this.depth++;
      } else if (byte === 0x7d || byte === 0x5d) {
        if (this.depth > 0) this.depth--;
        if (this.inObject && this.depth === this.base) {
          this.inObject = false;
          this.hold(bytes.subarray(start, i + 1));
          if (this.pieces.length > 0) emit(Buffer.concat(this.pieces).toString('utf8'));
          this.clear();
          start = -1;
        }
      }
    }
    if (this.inObject && start >= 0) this.hold(Buffer.from(bytes.subarray(start)));
  }

  /** Bytes are missing: what is open cannot be told any more. Believes the next line. */
  gap(): void {
    this.clear();
    this.inObject = false;
    this.inString = false;
    this.escaped = false;
    this.depth = this.base ?? 0;
  }

  private hold(piece: Buffer): void {
    this.length += piece.length;
    if (this.length > VALUE_LIMIT) {
      this.limited = true;
      this.pieces = [];
      return;
    }
    this.pieces.push(piece);
  }

  private clear(): void {
    this.pieces = [];
    this.length = 0;
  }
}
