// Tests that import tape get the one of mutate-tape.mjs, whose tests can be run over and over; and fast-check with fewer cases.
const INSTEAD = { tape: './mutate-tape.mjs', 'fast-check': './mutate-fast-check.mjs' };

export function resolve(specifier, context, next) {
  const own = Object.hasOwn(INSTEAD, specifier) ? INSTEAD[specifier] : undefined;
  return own ? { url: new URL(own, import.meta.url).href, shortCircuit: true } : next(specifier, context);
}
