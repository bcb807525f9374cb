import fc from 'fast-check';
import test from 'tape';
import { Paper } from '../../../lib/sinks/show/paper.js';
import { textWidth } from '../../../lib/sinks/show/width.js';

const plain = { color: false, columns: 0, showSecrets: false };

function note(columns: number, ...pieces: string[]): string {
  const paper = new Paper({ ...plain, columns });
  paper.begin('user');
  for (const piece of pieces) paper.say(piece);
  paper.end();
  return paper.take();
}

test('paper: a paragraph hangs below its text', (t) => {
  t.equal(note(0, 'one\ntwo\n\n  three\n\n'), '  user        one\n              two\n\n                three\n');
  t.end();
});

test('paper: words are wrapped, long ones are broken, wide ones count double', (t) => {
  t.equal(
    note(50, `${'word '.repeat(12)}end`),
    '  user        word word word word word word word\n              word word word word word end\n',
  );
  t.equal(note(50, 'x'.repeat(40)), `  user        ${'x'.repeat(36)}\n              xxxx\n`);
  t.equal(note(50, '日'.repeat(20)), `  user        ${'日'.repeat(18)}\n              日日\n`);
  t.end();
});

test('paper: on a narrow terminal the label stands alone', (t) => {
  t.equal(note(30, 'hello there'), '  user\n    hello there\n');
  t.end();
});

test('paper: a line is cut at the width, with a sign that it was', (t) => {
  const paper = new Paper({ ...plain, columns: 30 });
  paper.line([{ text: 'GET ' }, { text: 'a'.repeat(40) }]);
  paper.line([{ text: 'b'.repeat(30) }]);
  t.equal(paper.take(), `GET ${'a'.repeat(25)}…\n${'b'.repeat(30)}\n`);
  t.end();
});

test('paper: a flood of empty lines does not push the text away', (t) => {
  t.equal(note(0, `a${'\n'.repeat(5000)}b`), `  user        a\n\n\n${' '.repeat(14)}b\n`);
  t.end();
});

test('paper: colour is closed at the end of what is handed out', (t) => {
  const paper = new Paper({ ...plain, color: true });
  paper.line([{ text: 'bad', tone: 'bad' }, { text: ' plain' }]);
  t.equal(paper.take(), '\x1b[31mbad\x1b[39m plain\n');
  t.end();
});

test('paper: the same text however it is cut into pieces', (t) => {
  const alphabet = fc.constantFrom(
    'a',
    'B',
    ' ',
    '\n',
    '\r',
    '\t',
    '日',
    '😀',
    '\ud83d',
    '\x1b',
    '\u202e',
    'Authorization: ',
    'Bearer ',
    'Cookie: ',
    'sk-ant-aaaaaaaaaaaaaaaaaaaa',
    '=',
    '"',
  );
  fc.assert(
    fc.property(
      fc.array(alphabet, { maxLength: 60 }),
      fc.array(fc.nat(200), { maxLength: 20 }),
      fc.constantFrom(0, 40, 60),
      (parts, cuts, columns) => {
        const text = parts.join('');
        const at = [...new Set(cuts.map((cut) => cut % (text.length + 1)))].sort((a, b) => a - b);
        const pieces = [0, ...at].map((from, n) => text.slice(from, at[n] ?? text.length));
        return note(columns, ...pieces) === note(columns, text);
      },
    ),
    { numRuns: 500 },
  );
  t.pass('500 texts');
  t.end();
});

test('paper: a long word in many pieces is cut at the same places', (t) => {
  const text = `${'x'.repeat(4999)}😀${'y'.repeat(3000)} end`;
  t.equal(note(60, ...text.split('')), note(60, text));
  t.end();
});

test('paper: no line is wider than the terminal', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 300 }), fc.integer({ min: 60, max: 100 }), (text, columns) =>
      note(columns, text)
        .split('\n')
        .every((line) => textWidth(line) <= columns),
    ),
    { numRuns: 300 },
  );
  t.pass('300 texts');
  t.end();
});
