/** The text that a rule's pattern cannot do without: where it is not there, the pattern finds nothing. */
import fc from 'fast-check';
import { RE2JS } from 're2js';
import tape from 'tape';
import { literalOf } from '../../../lib/analyzers/redact/rules.js';

const PLAIN: [string, string][] = [
  ['TICKET-\\d{4,8}', 'TICKET-'],
  ['emp_[a-z0-9]{8}', 'emp_'],
  ['\\b([a-z0-9-]+)\\.corp\\.example\\b', '.corp.example'],
  ['a\\.?bc', 'bc'],
  ['ab\\.{2}', 'ab'],
  ['key=(one|two);', 'key='],
  ['x(?:yz)?abc', 'abc'],
  ['(?P<name>x)abc', 'abc'],
  ['\\\\abc', '\\abc'],
  ['\\[x\\]', '[x]'],
  ['[\\w.-]+@corp', '@corp'],
  ['ab+c*d', 'ab'],
  ['colou?r', 'colo'],
];
/** Nothing in these is plain to see. */
const NONE = [
  'a|b',
  'abc|abd',
  'xa{|b',
  'a}|bcd',
  '(?i)abc',
  '\\x41bc',
  '\\pLbc',
  '\\Qa|b\\E',
  '[[:digit:]]abc',
  '[]a]abc',
  '\\d+',
  '[A-Z]{2}',
];

tape('what a pattern cannot do without', (t) => {
  for (const [pattern, literal] of PLAIN) t.equal(literalOf(pattern), literal, pattern);
  for (const pattern of NONE) t.equal(literalOf(pattern), '', pattern);
  t.end();
});

tape('whatever a pattern finds has it', (t) => {
  const piece = fc.constantFrom(
    ...[
      'a',
      'b',
      'ab',
      '\\d',
      '\\b',
      '\\.',
      '\\\\',
      '[ab]',
      '[^a]',
      '[\\w-]',
      '(ab)',
      '(a|b)',
      '(?:b)',
      '.',
      '^',
      '$',
      '1',
      'é',
      '|',
      '{',
      '}',
      '\\{',
      '-',
      '\\-',
    ],
  );
  const repeat = fc.constantFrom('', '', '', '?', '*', '+', '{2}', '{0,1}');
  const pattern = fc.array(fc.tuple(piece, repeat), { minLength: 1, maxLength: 6 }).map((each) => each.flat().join(''));
  const text = fc
    .array(fc.constantFrom('a', 'b', '1', '.', '-', '\\', 'é', '{', '}', 'ab', ' '), { maxLength: 12 })
    .map((each) => each.join(''));
  let found = 0;
  fc.assert(
    fc.property(pattern, text, (source, given) => {
      let compiled: RE2JS;
      try {
        compiled = RE2JS.compile(source);
      } catch {
        return true;
      }
      if (!compiled.matcher(given).find()) return true;
      found++;
      return given.includes(literalOf(source));
    }),
    { numRuns: 8000 },
  );
  t.ok(found > 500, `${found} matches`);
  t.end();
});
