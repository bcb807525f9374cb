/** Sentences for the person at the terminal, on stderr. Text from outside cannot steer the terminal. */
import { writeSync } from 'node:fs';

/** `text` with control characters (C0 but newline and tab, DEL, C1) and bidirectional overrides made visible as `\x1b`. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what this is about
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (char) => {
    const code = char.charCodeAt(0);
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16)}`;
  });
}

/** Writes `<program>: <sentence>` and a newline to stderr. Never throws: stderr may be gone. */
export function say(program: string, sentence: string): void {
  const bytes = Buffer.from(`${program}: ${printable(sentence)}\n`);
  let at = 0;
  try {
    while (at < bytes.length) at += writeSync(2, bytes, at);
  } catch {
    // Nobody to tell.
  }
}
