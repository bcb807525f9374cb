// As much of tape as the tests of pure code use: tests are collected, and the first assertion that does not hold throws.
import assert from 'node:assert/strict';

export const collected = [];

const assertions = {
  equal: (a, b, message) => assert.ok(Object.is(a, b) || a === b, message),
  notEqual: (a, b, message) => assert.ok(a !== b, message),
  deepEqual: (a, b, message) => assert.deepEqual(plain(a), plain(b), message),
  notDeepEqual: (a, b, message) => assert.notDeepEqual(plain(a), plain(b), message),
  ok: (value, message) => assert.ok(value, message),
  notOk: (value, message) => assert.ok(!value, message),
  match: (text, pattern, message) => assert.match(text, pattern, message),
  throws: (f, expected, message) => assert.throws(f, expected, message),
  fail: (message) => assert.fail(message),
  error: (error, message) => assert.ok(!error, message),
  pass: () => {},
  comment: () => {},
};

/** tape compares what is in objects, not their prototypes. */
function plain(value) {
  if (Buffer.isBuffer(value)) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object' || ![Object.prototype, null].includes(Object.getPrototypeOf(value))) return value;
  return Object.fromEntries(Object.entries(value).map(([key, its]) => [key, plain(its)]));
}

export default function tape(name, f) {
  const run = () =>
    new Promise((resolve, reject) => {
      const returned = f({ ...assertions, end: resolve });
      if (returned?.then) returned.then(resolve, reject);
    });
  collected.push({ name, run });
}
tape.skip = () => {};
tape.test = tape;
