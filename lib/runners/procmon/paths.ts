/** Absolute paths from a place and a name, as bytes: what the kernel knows of the place, and what the program said. */

const SLASH = 0x2f;
const DOT = 0x2e;

/** No `.`, `..`, `//` or `/` at the end in it: most names are so, and need no work. */
export function isPlain(name: Buffer): boolean {
  let before = SLASH;
  for (const byte of name) {
    if (before === SLASH && (byte === SLASH || byte === DOT)) return false;
    before = byte;
  }
  return before !== SLASH;
}

/**
 * The path of `name` seen from `base`, an absolute path without end slash ('' is the root itself). `..` is joined by the
 * text, and never leads above the base when the name is absolute: the base is the process's root then.
 */
export function joinPath(base: Buffer, name: Buffer): Buffer {
  if (name.length === 0) return base.length === 0 ? Buffer.from('/') : Buffer.from(base);
  const absolute = name[0] === SLASH;
  if (isPlain(absolute ? name.subarray(1) : name)) return Buffer.concat(absolute ? [base, name] : [base, Buffer.from('/'), name]);
  const text = name.toString('latin1');
  const parts = absolute ? [] : base.toString('latin1').split('/').slice(1);
  for (const part of text.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') parts.pop();
    else parts.push(part);
  }
  const joined = `/${parts.join('/')}`;
  if (!absolute) return Buffer.from(joined, 'latin1');
  return base.length === 0 ? Buffer.from(joined, 'latin1') : Buffer.concat([base, Buffer.from(joined === '/' ? '' : joined, 'latin1')]);
}
