/** What the targets share that read one direction of a connection: bytes with holes in them, and what is said of these. */
import { readFileSync } from 'node:fs';
import { root } from '../support/paths.js';
import type { Piece } from '../support/tls-session.js';
import { cut, cutSizes, type Next } from './random.js';

/** The recorded sessions of a corpus. */
export function sessionsOf(target: string): Piece[][] {
  return readFileSync(`${root}/test/fuzz/corpus/${target}.ndjson`, 'utf8')
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { pieces: ['read' | 'write', string][] }).pieces)
    .map((pieces) => pieces.map(([direction, bytes]): Piece => [direction, Buffer.from(bytes, 'base64')]));
}

export function sideOf(pieces: readonly Piece[], direction: 'read' | 'write'): Buffer {
  return Buffer.concat(pieces.filter((piece) => piece[0] === direction).map((piece) => piece[1] as Buffer));
}

/** Bytes; so many bytes that are missing; or memory runs short. */
export type Given = Buffer | number | 'shed';

/** Takes bytes out of the middle, and what is held is given up now and then. */
export function withHoles(bytes: Buffer, holes: number, next: Next): Given[] {
  const given: Given[] = [];
  let rest = bytes;
  for (let i = 0; i < holes; i++) {
    const at = next(rest.length + 1);
    given.push(rest.subarray(0, at));
    rest = rest.subarray(at);
    if (next(6) === 0) given.push('shed');
    else {
      const n = next(4) === 0 ? next(rest.length + 50) : 1 + next(20);
      given.push(n);
      rest = rest.subarray(n);
    }
  }
  return [...given, rest];
}

/** The same, its bytes in smaller pieces. */
export function cutUp(given: readonly Given[], next: Next): Given[] {
  return given.flatMap((piece): Given[] => (Buffer.isBuffer(piece) ? cut(piece, cutSizes(piece.length, next)) : [piece]));
}

/** A list with one of its members left out, doubled, or moved. */
export function mutateList<T>(list: readonly T[], next: Next): T[] {
  const at = next(list.length + 1);
  const member = list.slice(at, at + 1);
  switch (next(3)) {
    case 0:
      return [...list.slice(0, at), ...list.slice(at + 1)];
    case 1:
      return [...list.slice(0, at), ...member, ...list.slice(at)];
    default: {
      const rest = [...list.slice(0, at), ...list.slice(at + 1)];
      const to = next(rest.length + 1);
      return [...rest.slice(0, to), ...member, ...rest.slice(to)];
    }
  }
}
