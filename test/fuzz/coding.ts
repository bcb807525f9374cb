/** Fuzzing of content codings: coded bodies of test/fuzz/corpus, damaged, must say the same however they are cut. */
import { readFileSync } from 'node:fs';
import { CODINGS_LIMIT, CodingChain, RATIO_FREE_BYTES, RATIO_LIMIT } from '../../lib/protocols/coding/chain.js';
import { root } from '../support/paths.js';
import { cut, cutSizes, mutateBytes, type Next, pick, random } from './random.js';

interface Coded {
  codings: string[];
  bytes: Buffer;
}

const CORPUS: Coded[] = readFileSync(`${root}/test/fuzz/corpus/coding.ndjson`, 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as { codings: string[]; coded: string })
  .map(({ codings, coded }) => ({ codings, bytes: Buffer.from(coded, 'base64') }));

function inputOf(next: Next): Coded {
  const { codings, bytes } = pick(CORPUS, next);
  let mutated = bytes;
  for (let k = next(4); k > 0; k--) mutated = mutateBytes(mutated, pick(CORPUS, next).bytes, next);
  return { codings: next(40) === 0 ? pick(CORPUS, next).codings : codings, bytes: mutated };
}

/** Bytes that are kept to be compared; more are only counted. */
const COMPARED_BYTES = 100_000;

interface Result {
  state: string;
  out: Buffer;
  bytes: number;
  /** Held after its end. */
  held: number;
}

function decode(codings: readonly string[], pieces: readonly Buffer[], most: number): Result | undefined {
  const chain = CodingChain.for(codings);
  if (!chain) return undefined;
  const out: Buffer[] = [];
  let bytes = 0;
  const take = (piece: Buffer): boolean => {
    const taken = piece.subarray(0, most - bytes);
    if (bytes < COMPARED_BYTES) out.push(Buffer.from(taken.subarray(0, COMPARED_BYTES - bytes)));
    bytes += taken.length;
    return taken.length === piece.length;
  };
  let state: string = 'ok';
  for (const piece of pieces) if (state === 'ok') state = chain.push(piece, take);
  if (state === 'ok') state = chain.end(take);
  chain.close();
  return { state, out: Buffer.concat(out), bytes, held: chain.heldBytes };
}

/** What is not true of the input of a seed. */
export function wrongWithCoding(seed: number): string | undefined {
  const next = random(seed);
  const { codings, bytes } = inputOf(next);
  // Bombs are stopped early most times: they cost the most.
  const most = next(2000) === 0 ? Number.POSITIVE_INFINITY : COMPARED_BYTES;
  const whole = decode(codings, [bytes], most);
  const pieces = decode(codings, cut(bytes, cutSizes(bytes.length, next)), most);
  if (!whole || !pieces) return codings.length <= CODINGS_LIMIT && !codings.includes('compress') ? `${codings} is not known` : undefined;
  if (whole.bytes > Math.max(RATIO_FREE_BYTES, RATIO_LIMIT * (bytes.length + 1024))) return `${whole.bytes} of ${bytes.length} bytes`;
  if (whole.held + pieces.held > 0) return `${whole.held} and ${pieces.held} bytes are held after the end`;
  const same = whole.state === pieces.state && whole.bytes === pieces.bytes && whole.out.equals(pieces.out);
  return same ? undefined : `${codings}, cut differently: ${whole.state}, ${whole.bytes} bytes; ${pieces.state}, ${pieces.bytes} bytes`;
}
