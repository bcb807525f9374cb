/** Chance that is the same for a seed, everywhere and always. */
export type Next = (below: number) => number;

/** mulberry32. */
export function random(seed: number): Next {
  let a = seed | 0;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

export function pick<T>(list: readonly T[], next: Next): T {
  return list[next(list.length)] as T;
}

/** Sizes to cut `length` bytes by, over and over: small ones where that does not make too many pieces. */
export function cutSizes(length: number, next: Next): number[] {
  const least = Math.ceil(length / 120);
  return Array.from({ length: 1 + next(4) }, () => least + next(pick([2, 20, 300], next)));
}

/** Cuts bytes at the given sizes, over and over. */
export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] as number;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** Changes a text (of one character per byte) where it has structure. `tokens`: what such texts are made of. */
export function mutateText(text: string, tokens: readonly string[], next: Next): string {
  const at = next(text.length + 1);
  const n = next(12);
  const token = pick(tokens, next);
  switch (next(8)) {
    case 0:
      return text.slice(0, at) + String.fromCharCode(next(256)) + text.slice(at + 1);
    case 1:
      return text.slice(0, at) + text.slice(at + n);
    case 2:
      return text.slice(0, at) + text.slice(at, at + n).repeat(2 + next(3)) + text.slice(at + n);
    case 3:
      return text.slice(0, at) + token + text.slice(at);
    case 4: {
      // At the beginning of a line, where most tokens belong.
      const line = text.indexOf('\n', at) + 1;
      return text.slice(0, line) + token + text.slice(line);
    }
    case 5:
      return text.replace(pick(tokens, next), token);
    case 6:
      return text.replace(/\d+/g, (number) => (next(4) === 0 ? String(next(300)) : number));
    default:
      return text.replace(/\r\n/g, (end) => (next(6) === 0 ? '\n' : end));
  }
}

/** Changes bytes that have no text in them; `other`: more of their kind. */
export function mutateBytes(bytes: Buffer, other: Buffer, next: Next): Buffer {
  const at = next(bytes.length + 1);
  const n = 1 + next(12);
  switch (next(7)) {
    case 0:
    case 1: {
      const changed = Buffer.from(bytes);
      if (at < changed.length) changed[at] = (changed[at] as number) ^ (1 << next(8));
      return changed;
    }
    case 2: {
      // The beginning is where headers are.
      const changed = Buffer.from(bytes);
      const early = next(Math.min(24, changed.length + 1));
      if (early < changed.length) changed[early] = next(256);
      return changed;
    }
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + n)]);
    case 4:
      return Buffer.concat([bytes.subarray(0, at), Buffer.alloc(n, next(256)), bytes.subarray(at)]);
    case 5:
      return bytes.subarray(0, at);
    default: {
      const from = next(other.length + 1);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(from, from + 1 + next(200))]);
    }
  }
}
