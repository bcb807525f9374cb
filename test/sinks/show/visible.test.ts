import test from 'tape';
import { head, visible } from '../../../lib/sinks/show/visible.js';

test('visible: plain text in any script stays as it is', (t) => {
  for (const text of ['', 'GET /v1/models', 'naïve café', '今日は', 'می‌خواهم', 'क्‍ष', '👩‍👩‍👧', '❤️', '1️⃣', '👍🏽', '\\x1b'])
    t.equal(visible(text), text, text);
  t.end();
});

test('visible: what drives a terminal, turns the order round or hides is shown by its code', (t) => {
  const cases: [string, string][] = [
    ['\x1b[31mred\x1b[0m', '\\x1b[31mred\\x1b[0m'],
    ['\x9b31m', '\\x9b31m'],
    ['a\0b\x7f', 'a\\x00b\\x7f'],
    ['a\nb\tc\rd', 'a\\nb\\tc\\rd'],
    ['user\u202etxt.exe', 'user\\u202etxt.exe'],
    ['\u2066a\u2069\u200f\u061c', '\\u2066a\\u2069\\u200f\\u061c'],
    ['zero\u200bwidth\ufeff\u00ad\u2060', 'zero\\u200bwidth\\ufeff\\xad\\u2060'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['\u{e0041}\u{e0042}', '\\u{e0041}\\u{e0042}'],
    ['a\ufe0fb\u{e0100}', 'a\\ufe0fb\\u{e0100}'],
    ['\u3164\u115f', '\\u3164\\u115f'],
    ['a\u200d', 'a\\u200d'],
    ['\ud800x\udc00', '\\ud800x\\udc00'],
  ];
  for (const [text, shown] of cases) t.equal(visible(text), shown, shown);
  t.end();
});

test('visible: a pile of marks on one letter is cut, and counted', (t) => {
  t.equal(visible(`Z${'\u0301'.repeat(30)}!`), `Z${'\u0301'.repeat(8)}[+22 marks]!`);
  t.end();
});

test('head: never ends in half a character', (t) => {
  t.equal(head('ab😀c', 3), 'ab');
  t.equal(head('ab😀c', 4), 'ab😀');
  t.equal(head('abc', 9), 'abc');
  t.end();
});
