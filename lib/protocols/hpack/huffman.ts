/** The Huffman code of HPACK (RFC 7541 §5.2 and appendix B), four bits at a time. */

/**
 * Bits of the code of each symbol, 0–255 and EOS. The code is canonical: codes of one length are consecutive, in the
 * order of their symbols, so its lengths are all of appendix B.
 */
// biome-ignore format: 32 a row
const LENGTHS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
];
const EOS = 256;

const SYMBOL = 1 << 16;
const FAIL = 1 << 17;

/** State × 16 + four bits → next state (low 8 bits), symbol (next 8 bits) with SYMBOL where one is complete; or FAIL. */
const STEPS = new Int32Array(256 * 16);
/** States in which a string may end: at most 7 bits, all ones, of a symbol that does not follow. */
const MAY_END = new Uint8Array(256);
build();

function build(): void {
  // A node's children: another node, or the symbol s as -1 - s.
  const nodes: [number, number][] = [[0, 0]];
  const order = LENGTHS.map((length, symbol) => ({ length, symbol })).sort((a, b) => a.length - b.length || a.symbol - b.symbol);
  let code = 0;
  let before = 0;
  for (const { length, symbol } of order) {
    code *= 2 ** (length - before);
    before = length;
    let node = 0;
    for (let bit = length - 1; bit >= 0; bit--) {
      const side = Math.floor(code / 2 ** bit) % 2;
      const children = nodes[node] as [number, number];
      if (bit === 0) children[side] = -1 - symbol;
      else {
        if (children[side] === 0) children[side] = nodes.push([0, 0]) - 1;
        node = children[side] as number;
      }
    }
    code++;
  }
  for (let state = 0; state < nodes.length; state++) {
    for (let four = 0; four < 16; four++) STEPS[state * 16 + four] = step(nodes, state, four);
  }
  let node = 0;
  for (let ones = 0; ones <= 7; ones++) {
    MAY_END[node] = 1;
    node = (nodes[node] as [number, number])[1];
  }
}

function step(nodes: readonly [number, number][], state: number, four: number): number {
  let node = state;
  let symbol = 0;
  for (let bit = 3; bit >= 0; bit--) {
    const child = (nodes[node] as [number, number])[(four >> bit) & 1] as number;
    if (child < 0) {
      if (-1 - child === EOS) return FAIL;
      symbol = SYMBOL | ((-1 - child) << 8);
      node = 0;
    } else node = child;
  }
  return symbol | node;
}

let scratch = Buffer.allocUnsafeSlow(4096);

/** Latin-1 text of a coded string; undefined when it is none: EOS in it, or an end that is no padding. */
export function huffmanText(bytes: Buffer, from: number, to: number): string | undefined {
  // The shortest code has 5 bits.
  const most = Math.ceil(((to - from) * 8) / 5);
  if (scratch.length < most) scratch = Buffer.allocUnsafeSlow(most);
  const out = scratch;
  let n = 0;
  let state = 0;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    let entry = STEPS[(state << 4) | (byte >> 4)] as number;
    if (entry >= SYMBOL) {
      if (entry >= FAIL) return undefined;
      out[n++] = entry >> 8;
    }
    entry = STEPS[((entry & 0xff) << 4) | (byte & 15)] as number;
    if (entry >= SYMBOL) {
      if (entry >= FAIL) return undefined;
      out[n++] = entry >> 8;
    }
    state = entry & 0xff;
  }
  return MAY_END[state] === 1 ? out.toString('latin1', 0, n) : undefined;
}
