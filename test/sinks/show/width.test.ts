import test from 'tape';
import { fit, textWidth } from '../../../lib/sinks/show/width.js';

test('textWidth: wide characters take two columns, marks none', (t) => {
  const cases: [string, number][] = [
    ['', 0],
    ['abc', 3],
    ['今日', 4],
    ['ｶﾞ', 2],
    ['é', 1],
    ['e\u0301', 1],
    ['👩‍👩‍👧', 2],
    ['❤️', 2],
    ['→ 200', 5],
    ['…', 1],
    ['한글', 4],
  ];
  for (const [text, columns] of cases) t.equal(textWidth(text), columns, text);
  t.end();
});

test('fit: whole characters only', (t) => {
  t.deepEqual(fit('abcdef', 4), { text: 'abcd', columns: 4 });
  t.deepEqual(fit('今日は', 5), { text: '今日', columns: 4 });
  t.deepEqual(fit('a👩‍👩‍👧b', 2), { text: 'a', columns: 1 });
  t.deepEqual(fit('abc', 0), { text: '', columns: 0 });
  t.end();
});
