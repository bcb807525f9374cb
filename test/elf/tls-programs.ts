/** Programs with TLS libraries in miniature, compiled for the finder's tests: what they record in errors is as in the real ones. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** BoringSSL's ssl_lib.cc as far as errors go. With `peekCalled`, SSL_read calls SSL_peek instead of having it inlined. */
export function boringSsl({ peekCalled = false, twoWrites = false } = {}): string {
  const no = '__attribute__((noinline,noclone,noipa))';
  const write = (name: string): string => `${no} int ${name}(struct ssl *s, const void *b, int n) {
  if (s->quic) { put(16, 0, 66, PATH, 1003); return -1; }
  if (!s->io) { put(16, 0, 226, PATH, 1008); return -1; }
  if (s->state) { int r = SSL_do_handshake(s); if (r == 0) { put(16, 0, 215, PATH, 1020); return -1; } }
  if (n < 0) { put(16, 0, 111, PATH, 1030); return -1; }
  return s->io(s, (void *)b, n); }`;
  return `
struct ssl { int (*io)(struct ssl *, void *, int); char *buffer; unsigned long length; int quic, state; };
${no} void put(int lib, int unused, int reason, const char *file, unsigned line) { __asm__ volatile("" :: "r"(lib), "r"(unused), "r"(reason), "r"(file), "r"(line) : "memory"); }
${no} void copy(void *to, const void *from, unsigned long n) { __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) :: "memory"); }
static const char PATH[] = "../../vendor/boringssl/ssl/ssl_lib.cc";
${no} void *SSL_new(void *ctx) { if (!ctx) { put(16, 0, 185, PATH, 600); return 0; } put(16, 0, 65, PATH, 601); return ctx; }
${no} int SSL_do_handshake(struct ssl *s) { if (!s->io) { put(16, 0, 134, PATH, 750); return -1; } s->state = 0; return s->io(s, 0, 0); }
${no} int ssl_read_impl(struct ssl *s) {
  if (!s->io) { put(16, 0, 226, PATH, 880); return -1; }
  while (s->length == 0) { if (s->state && SSL_do_handshake(s) == 0) { put(16, 0, 215, PATH, 890); return -1; } if (s->io(s, s->buffer, 1) <= 0) return -1; }
  return 1; }
${peekCalled ? no : 'static inline __attribute__((always_inline))'} int peek(struct ssl *s, void *b, int n) {
  if (s->quic) { put(16, 0, 66, PATH, 960); return -1; }
  int r = ssl_read_impl(s); if (r <= 0) return r; if (n <= 0) return n;
  unsigned long most = (unsigned long)n < s->length ? (unsigned long)n : s->length; copy(b, s->buffer, most); return (int)most; }
${no} int SSL_read(struct ssl *s, void *b, int n) { int r = peek(s, b, n); if (r <= 0) return r; s->buffer += r; s->length -= r; return r; }
${peekCalled ? '' : `${no} int SSL_peek(struct ssl *s, void *b, int n) { return peek(s, b, n); }`}
${write('SSL_write')}
${twoWrites ? write('SSL_write_again') : ''}
${no} int SSL_shutdown(struct ssl *s) { if (!s->io) { put(16, 0, 226, PATH, 1100); return -1; } return s->io(s, 0, 2); }
int main(int argc, char **argv) { struct ssl s = {0}; SSL_new(argv); ${peekCalled ? '' : 'SSL_peek(&s, argv, argc);'} ${twoWrites ? 'SSL_write_again(&s, argv, argc);' : ''} return SSL_read(&s, argv, argc) + SSL_write(&s, argv, argc) + SSL_shutdown(&s); }
`;
}

/** OpenSSL 3: function names in errors. The layout of the write is that of the version unless `flags` says otherwise. */
export function openSsl3(version: string, flags: boolean): string {
  const no = '__attribute__((noinline,noclone,noipa))';
  return `
typedef unsigned long size_t;
struct ssl { long (*io)(struct ssl *, const void *, size_t, size_t *, unsigned long); int quiet, state; };
${no} void ERR_set_debug(const char *file, int line, const char *func) { __asm__ volatile("" :: "r"(file), "r"(line), "r"(func) : "memory"); }
const char VERSION[] __attribute__((used)) = "OpenSSL ${version} 1 Sep 2026";
${no} int ssl_read_internal(struct ssl *s, void *b, size_t n, size_t *done) {
  if (!s->io) { ERR_set_debug("ssl/ssl_lib.c", 2200, "ssl_read_internal"); return -1; }
  if (s->quiet) { s->state = 1; return 0; } return (int)s->io(s, b, n, done, 0); }
${no} int ssl_write_internal(struct ssl *s, const void *b, size_t n, ${flags ? 'unsigned long flags, ' : ''}size_t *done) {
  if (!s->io) { ERR_set_debug("ssl/ssl_lib.c", 2400, "ssl_write_internal"); return -1; }
  s->state = 3; return (int)s->io(s, b, n, done, ${flags ? 'flags' : '0'}) + (int)*done; }
${no} int SSL_do_handshake(struct ssl *s) { if (!s->io) { ERR_set_debug("ssl/ssl_lib.c", 4700, "SSL_do_handshake"); return -1; } s->state = 2; return 1; }
int main(int argc, char **argv) { struct ssl s = {0}; size_t n; return ssl_read_internal(&s, argv, argc, &n) + ssl_write_internal(&s, argv, argc, ${flags ? '0, ' : ''}&n) + SSL_do_handshake(&s); }
`;
}

/** OpenSSL 1.1.1: numbers of functions and reasons in errors. */
export const openSsl111 = `
typedef unsigned long size_t;
struct ssl { long (*io)(struct ssl *, const void *, size_t, size_t *); int quiet, state; };
#define NO __attribute__((noinline,noclone,noipa))
NO void ERR_put_error(int lib, int func, int reason, const char *file, int line) { __asm__ volatile("" :: "r"(lib), "r"(func), "r"(reason), "r"(file), "r"(line) : "memory"); }
const char VERSION[] __attribute__((used)) = "OpenSSL 1.1.1w  11 Sep 2023";
static const char PATH[] = "ssl/ssl_lib.c";
NO int ssl_read_internal(struct ssl *s, void *b, size_t n, size_t *done) { if (!s->io) { ERR_put_error(20, 523, 276, PATH, 1726); return -1; } s->state = 1; return (int)s->io(s, b, n, done); }
NO int ssl_write_internal(struct ssl *s, const void *b, size_t n, size_t *done) { if (!s->io) { ERR_put_error(20, 524, 276, PATH, 1888); return -1; } s->state = 2; return (int)s->io(s, b, n, done); }
NO int SSL_read(struct ssl *s, void *b, int n) { size_t d; if (n < 0) { ERR_put_error(20, 223, 271, PATH, 1763); return -1; } return ssl_read_internal(s, b, n, &d); }
NO int SSL_do_handshake(struct ssl *s) { if (!s->io) { ERR_put_error(20, 180, 144, PATH, 3600); return -1; } s->state = 3; return 1; }
int main(int argc, char **argv) { struct ssl s = {0}; size_t n; return SSL_read(&s, argv, argc) + ssl_write_internal(&s, argv, argc, &n) + SSL_do_handshake(&s); }
`;

/** Compiles to a program that keeps its symbols, and a stripped twin of the same addresses. */
export function compileTwins(
  directory: string,
  name: string,
  source: string,
  flags: readonly string[],
): { named: string; stripped: string } {
  const named = join(directory, name);
  writeFileSync(`${named}.c`, source);
  execFileSync('gcc', ['-O2', ...flags, '-o', named, `${named}.c`], { stdio: ['ignore', 'ignore', 'pipe'] });
  const stripped = `${named}.stripped`;
  execFileSync('strip', ['-o', stripped, named]);
  return { named, stripped };
}
