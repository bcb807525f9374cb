// SPDX-License-Identifier: MIT
/*
 * HTTPS sessions that go from thread to thread:  relay REPORT CERT KEY PORT OPERATION...
 * where an operation is down:BYTES or up:BYTES, of /bytes/BYTES and /upload on 127.0.0.1:PORT. Each has a session of its
 * own, all at once; and of each session every slice is moved by another thread, one after the other.
 */
#define _GNU_SOURCE
#include "sides.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLICES 8

struct session {
	struct side side;
	const char *operation;
	int port;
	size_t left; /* of the body */
	int slices;
};

static void *slice(void *arg)
{
	struct session *s = arg;
	size_t n = s->left / s->slices;
	unsigned char *p = need(malloc(1 << 18), "buffer");

	while (n) {
		size_t chunk = n < 1 << 18 ? n : 1 << 18;

		if (s->operation[0] == 'u') {
			fill(&s->side, p, chunk);
			put(&s->side, p, chunk);
		} else {
			get(&s->side, chunk, 50000);
		}
		n -= chunk;
		s->left -= chunk;
	}
	free(p);
	return NULL;
}

/* Reads byte by byte up to the empty line behind a header; the value of Content-Length. */
static size_t header(struct side *s)
{
	char buf[4096];
	size_t n = 0;
	char *length;

	while (n < 4 || memcmp(buf + n - 4, "\r\n\r\n", 4)) {
		if (n == sizeof(buf) - 1 || SSL_read(s->ssl, buf + n, 1) != 1)
			die("header");
		side_count(s, READ, buf + n, 1);
		n++;
	}
	buf[n] = 0;
	length = strcasestr(buf, "\ncontent-length:");
	return length ? strtoull(length + 16, NULL, 10) : 0;
}

static void *session(void *arg)
{
	struct session *s = arg;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(s->port) };
	const char *size = strchr(s->operation, ':') + 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char request[300];
	int n;

	if (fd < 0 || connect(fd, (void *)&a, sizeof(a)))
		die("connect");
	SSL_set_fd(s->side.ssl, fd);
	if (SSL_connect(s->side.ssl) != 1)
		die("SSL_connect");
	if (s->operation[0] == 'u')
		n = snprintf(request, sizeof(request), "POST /upload?tag HTTP/1.1\r\nHost: localhost\r\nContent-Length: %s\r\n\r\n", size);
	else
		n = snprintf(request, sizeof(request), "GET /bytes/%s?tag HTTP/1.1\r\nHost: localhost\r\n\r\n", size);
	put(&s->side, request, n);
	s->left = s->operation[0] == 'u' ? strtoull(size, NULL, 10) : header(&s->side);
	for (s->slices = SLICES; s->slices; s->slices--) {
		pthread_t t;

		if (pthread_create(&t, NULL, slice, s))
			die("pthread_create");
		pthread_join(t, NULL);
	}
	if (s->operation[0] == 'u')
		get(&s->side, header(&s->side), 1000);
	SSL_shutdown(s->side.ssl);
	side_report(&s->side);
	side_free(&s->side);
	close(fd);
	return NULL;
}

int main(int argc, char **argv)
{
	struct session *sessions = need(calloc(argc, sizeof(*sessions)), "sessions");
	pthread_t *threads = need(calloc(argc, sizeof(*threads)), "threads");

	if (argc < 6)
		return 64;
	signal(SIGPIPE, SIG_IGN);
	sides_init(argv[1], argv[2], argv[3]);
	for (int i = 5; i < argc; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "relay%d", i - 5);
		side_init(&sessions[i].side, need(SSL_new(client_context()), "SSL_new"), tag);
		sessions[i].operation = argv[i];
		sessions[i].port = atoi(argv[4]);
		if (pthread_create(&threads[i], NULL, session, &sessions[i]))
			die("pthread_create");
	}
	for (int i = 5; i < argc; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
