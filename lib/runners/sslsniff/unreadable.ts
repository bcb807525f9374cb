/**
 * Why nothing is seen of a process: TLS that this sensor cannot read, found by the libraries that are mapped or by what
 * is written in the program's file.
 */
import { FileWindow } from '../../elf/window.js';
import type { Mapping } from '../proc.js';

const LIBRARIES: readonly (readonly [RegExp, string])[] = [
  [/^libgnutls\.so/, 'GnuTLS'],
  [/^libssl3\.so/, 'NSS'],
  [/^libmbedtls\.so/, 'Mbed TLS'],
  [/^libwolfssl\.so/, 'wolfSSL'],
  [/^libs2n\.so/, 's2n'],
  [/^libbotan-\d/, 'Botan'],
  [/^libjsse|^libjvm\.so/, "Java's own TLS"],
];

/** The TLS library that a mapped file is and that cannot be read. */
export function unreadableLibrary(mapping: Mapping): string | undefined {
  const name = mapping.path.slice(mapping.path.lastIndexOf('/') + 1);
  const found = LIBRARIES.find(([pattern]) => pattern.test(name));
  return found === undefined ? undefined : `${found[1]} (${name})`;
}

/** What is written in programs that have TLS linked in, even when their symbols are stripped. In the order of weight. */
const MARKS: readonly (readonly [string, string])[] = [
  ['crypto/tls.(*Conn).Write', "Go's own TLS"],
  ['boringssl/src/ssl/', 'BoringSSL, linked in'],
  ['BORINGSSL', 'BoringSSL, linked in'],
  ['rustls::', 'rustls'],
  ['/rustls-0.', 'rustls'],
  ['ssl/ssl_lib.c', 'OpenSSL, linked in without symbols'],
  ['ssl/record/rec_layer', 'OpenSSL, linked in without symbols'],
  ['mbedtls_ssl_', 'Mbed TLS, linked in'],
  ['wolfSSL_', 'wolfSSL, linked in'],
  ['_gnutls_', 'GnuTLS, linked in'],
];

const PIECE_BYTES = 4 * 1024 * 1024;
const MOST_BYTES = 512 * 1024 * 1024;
const LONGEST_MARK = 64;

/** The TLS that is linked into a program file; undefined when there is no sign of any. Reads the whole file, in pieces. */
export function linkedTls(path: string): string | undefined {
  let file: FileWindow;
  try {
    file = new FileWindow(path);
  } catch {
    return undefined;
  }
  try {
    let best = MARKS.length;
    const size = Math.min(file.size, MOST_BYTES);
    for (let at = 0; at < size && best > 0; at += PIECE_BYTES) {
      const piece = file.read(at, Math.min(PIECE_BYTES + LONGEST_MARK, size - at));
      for (let i = 0; i < best; i++) {
        if (piece.includes((MARKS[i] as readonly [string, string])[0], 0, 'latin1')) best = i;
      }
    }
    return MARKS[best]?.[1];
  } finally {
    file.close();
  }
}
