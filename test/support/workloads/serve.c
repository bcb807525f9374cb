// SPDX-License-Identifier: MIT
/*
 * An HTTPS server on libssl:  serve REPORT CERT KEY CONNECTIONS
 * Listens on a port of 127.0.0.1 that it says in the report, answers each request on each connection (one after the
 * other, keep-alive) with its number, and reports every session's bytes when the client has closed it.
 */
#define _GNU_SOURCE
#include "sides.h"

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Reads on until the buffer holds a whole request; its length, or 0 at the end of the session. */
static size_t request(struct side *s, char *buf, size_t size, size_t *have)
{
	for (;;) {
		char *end;
		int n;

		buf[*have] = 0;
		end = strstr(buf, "\r\n\r\n");
		if (end) {
			char *length = strcasestr(buf, "\ncontent-length:");
			size_t whole = end + 4 - buf + (length && length < end ? strtoul(length + 16, NULL, 10) : 0);

			if (*have >= whole)
				return whole;
		}
		n = SSL_read(s->ssl, buf + *have, size - *have - 1);
		if (n <= 0)
			return 0;
		side_count(s, READ, buf + *have, n);
		*have += n;
	}
}

static void serve(int fd, int number)
{
	static char buf[1 << 16];
	char tag[32], answer[300], body[100];
	size_t have = 0, n;
	struct side s;

	snprintf(tag, sizeof(tag), "serve%d", number);
	side_init(&s, need(SSL_new(server_context()), "SSL_new"), tag);
	SSL_set_fd(s.ssl, fd);
	if (SSL_accept(s.ssl) == 1) {
		for (int i = 1; (n = request(&s, buf, sizeof(buf), &have)); i++) {
			int length = snprintf(body, sizeof(body), "{\"connection\":%d,\"request\":%d,\"bytes\":%zu}", number, i, n);
			int all = snprintf(answer, sizeof(answer),
					   "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
					   length, body);

			put(&s, answer, all);
			memmove(buf, buf + n, have - n);
			have -= n;
		}
		SSL_shutdown(s.ssl);
	}
	side_report(&s);
	side_free(&s);
	close(fd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int l, count = argc > 4 ? atoi(argv[4]) : 1;

	if (argc < 4)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	sides_init(argv[1], argv[2], argv[3]);
	l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (l < 0 || bind(l, (void *)&a, sizeof(a)) || listen(l, 16) || getsockname(l, (void *)&a, &n))
		die("listen");
	say("{\"pid\":%d,\"port\":%d}", getpid(), ntohs(a.sin_port));
	for (int i = 0; i < count; i++) {
		int fd = accept(l, NULL, NULL);

		if (fd < 0)
			die("accept");
		serve(fd, i);
	}
	return 0;
}
