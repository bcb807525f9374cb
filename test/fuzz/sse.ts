/** Fuzzing of server-sent events: streams with holes and a small limit must say the same however they are cut. */
import { type SseMessage, SseParser } from '../../lib/protocols/sse.js';
import { cut, cutSizes, mutateText, type Next, pick, random } from './random.js';

const STREAMS = [
  'event: message_start\ndata: {"type":"message_start"}\n\n: ping\n\nid: 3\ndata: one\ndata: two\n\n',
  '\xef\xbb\xbfdata: first\r\n\r\nretry: 500\r\nid: a\r\ndata:second\r\n\r\ndata\r\n\r\n',
  'data: a\r\rdata: b\revent: c\rid\r\runknown: field\rdata: [DONE]\r\r',
  'id: no\0thing\nretry: 12x\nevent:\ndata: \xe2\x82\xac\n\ndatas: no\ndat\n\n',
];
const TOKENS = [
  '\n',
  '\r',
  '\r\n',
  '\n\n',
  'data: ',
  'data:',
  'data',
  'event: x\n',
  'id: 1\n',
  'retry: 5\n',
  ': c\n',
  '\xef\xbb\xbf',
  '\0',
  'x'.repeat(70),
];

type Piece = Buffer | 'gap';

function parse(pieces: readonly Piece[], limit: number | undefined): string {
  const parser = new SseParser(limit);
  const said: string[] = [];
  const emit = ({ data, ...rest }: SseMessage): void => {
    said.push(JSON.stringify([rest, data.toString('base64')]));
    if (limit !== undefined && data.length > limit) said.push('larger than the limit');
  };
  for (const piece of pieces) {
    if (piece === 'gap') parser.gap();
    else parser.push(piece, emit);
  }
  if (limit !== undefined && parser.heldBytes > 4 * limit + 128) said.push(`${parser.heldBytes} bytes are held`);
  return `${said.join('\n')} idle ${parser.idle}`;
}

function inputOf(next: Next): Piece[] {
  const pieces: Piece[] = [];
  for (let i = 1 + next(3); i > 0; i--) {
    let text = pick(STREAMS, next);
    for (let k = next(5); k > 0; k--) text = mutateText(text, TOKENS, next);
    pieces.push(Buffer.from(text, 'latin1'));
    if (next(6) === 0) pieces.push('gap');
  }
  return pieces;
}

/** What is not true of the input of a seed. */
export function wrongWithSse(seed: number): string | undefined {
  const next = random(seed);
  const pieces = inputOf(next);
  const limit = next(3) === 0 ? 8 + next(60) : undefined;
  const whole = parse(pieces, limit);
  const cutUp = parse(
    pieces.flatMap((piece): Piece[] => (piece === 'gap' ? [piece] : cut(piece, cutSizes(piece.length, next)))),
    limit,
  );
  if (whole.includes('larger than') || whole.includes('are held')) return whole;
  return whole === cutUp ? undefined : `cut differently, it says something else:\n${whole}\n${cutUp}`;
}
