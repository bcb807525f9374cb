// SPDX-License-Identifier: MIT
#include "sides.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int use_ex;
static int report_fd = -1;
static SSL_CTX *contexts[2];

void die(const char *what)
{
	fprintf(stderr, "workload: %s: %m\n", what);
	ERR_print_errors_fp(stderr);
	_exit(99);
}

void *need(void *p, const char *what)
{
	if (!p)
		die(what);
	return p;
}

void say(const char *format, ...)
{
	char line[1024];
	va_list list;
	int n;

	va_start(list, format);
	n = vsnprintf(line, sizeof(line) - 1, format, list);
	va_end(list);
	line[n++] = '\n';
	/* One write to a file opened for appending: lines of several processes never mix. */
	if (write(report_fd, line, n) != n)
		die("report");
}

void sides_init(const char *report, const char *cert, const char *key)
{
	report_fd = open(report, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	if (report_fd < 0)
		die(report);
	contexts[0] = need(SSL_CTX_new(TLS_client_method()), "client context");
	contexts[1] = need(SSL_CTX_new(TLS_server_method()), "server context");
	if (SSL_CTX_use_certificate_chain_file(contexts[1], cert) != 1 ||
	    SSL_CTX_use_PrivateKey_file(contexts[1], key, SSL_FILETYPE_PEM) != 1)
		die("certificate");
}

SSL_CTX *client_context(void)
{
	return contexts[0];
}

SSL_CTX *server_context(void)
{
	return contexts[1];
}

static EVP_MD_CTX *hash_new(void)
{
	EVP_MD_CTX *h = need(EVP_MD_CTX_new(), "hash");

	EVP_DigestInit_ex(h, EVP_sha256(), NULL);
	return h;
}

void side_init(struct side *s, SSL *ssl, const char *tag)
{
	memset(s, 0, sizeof(*s));
	s->ssl = ssl;
	snprintf(s->tag, sizeof(s->tag), "%s", tag);
	for (int d = READ; d <= WRITE; d++)
		s->hash[d] = hash_new();
}

void side_reset(struct side *s)
{
	for (int d = READ; d <= WRITE; d++) {
		s->bytes[d] = 0;
		EVP_DigestInit_ex(s->hash[d], EVP_sha256(), NULL);
	}
}

void side_count(struct side *s, int direction, const void *p, size_t n)
{
	s->bytes[direction] += n;
	EVP_DigestUpdate(s->hash[direction], p, n);
}

static void hex(EVP_MD_CTX *h, char out[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	EVP_MD_CTX *copy = need(EVP_MD_CTX_new(), "hash");

	EVP_MD_CTX_copy_ex(copy, h);
	EVP_DigestFinal_ex(copy, digest, &n);
	EVP_MD_CTX_free(copy);
	for (unsigned i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", digest[i]);
}

void side_report(struct side *s)
{
	char r[65], w[65], parent[64] = "";

	hex(s->hash[READ], r);
	hex(s->hash[WRITE], w);
	if (s->parent)
		snprintf(parent, sizeof(parent), "\"parent\":\"%s\",", s->parent);
	say("{\"pid\":%d,\"conn\":\"%s\",%s\"read_bytes\":%llu,\"read_sha256\":\"%s\",\"write_bytes\":%llu,\"write_sha256\":\"%s\"}",
	    getpid(), s->tag, parent, (unsigned long long)s->bytes[READ], r, (unsigned long long)s->bytes[WRITE], w);
}

void side_free(struct side *s)
{
	SSL_free(s->ssl);
	for (int d = READ; d <= WRITE; d++)
		EVP_MD_CTX_free(s->hash[d]);
	memset(s, 0, sizeof(*s));
}

void tcp_pair(int fd[2])
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t n = sizeof(a);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	if (l < 0 || bind(l, (void *)&a, sizeof(a)) || listen(l, 1) || getsockname(l, (void *)&a, &n))
		die("listen");
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd[0] < 0 || connect(fd[0], (void *)&a, sizeof(a)))
		die("connect");
	fd[1] = accept(l, NULL, NULL);
	if (fd[1] < 0)
		die("accept");
	close(l);
	for (int i = 0; i < 2; i++)
		setsockopt(fd[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void *accept_tls(void *ssl)
{
	if (SSL_accept(ssl) != 1)
		die("SSL_accept");
	return NULL;
}

void pair_open(struct pair *p, const char *tag)
{
	char name[2][32];
	SSL *c = need(SSL_new(contexts[0]), "SSL_new"), *s = need(SSL_new(contexts[1]), "SSL_new");
	pthread_t t;
	int fd[2];

	snprintf(name[0], sizeof(name[0]), "%.24s.client", tag);
	snprintf(name[1], sizeof(name[1]), "%.24s.server", tag);
	side_init(&p->client, c, name[0]);
	side_init(&p->server, s, name[1]);
	tcp_pair(fd);
	SSL_set_fd(c, fd[0]);
	SSL_set_fd(s, fd[1]);
	if (pthread_create(&t, NULL, accept_tls, s))
		die("pthread_create");
	if (SSL_connect(c) != 1)
		die("SSL_connect");
	pthread_join(t, NULL);
}

void pair_close(struct pair *p, int notify)
{
	int fd[2] = { SSL_get_fd(p->client.ssl), SSL_get_fd(p->server.ssl) };

	if (notify) {
		SSL_shutdown(p->client.ssl);
		SSL_shutdown(p->server.ssl);
	}
	side_report(&p->client);
	side_report(&p->server);
	side_free(&p->client);
	side_free(&p->server);
	close(fd[0]);
	close(fd[1]);
}

void fill(struct side *s, unsigned char *p, size_t n)
{
	uint64_t x = 0x9e3779b97f4a7c15ull + s->bytes[WRITE];

	for (const char *c = s->tag; *c; c++)
		x = (x ^ (unsigned char)*c) * 0x100000001b3ull;
	for (size_t i = 0; i < n; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		p[i] = x >> 32;
	}
}

void put(struct side *s, const void *p, size_t n)
{
	size_t done = 0;

	if (use_ex) {
		if (SSL_write_ex(s->ssl, p, n, &done) != 1 || done != n)
			die("SSL_write_ex");
	} else if (SSL_write(s->ssl, p, n) != (int)n) {
		die("SSL_write");
	}
	side_count(s, WRITE, p, n);
}

void get(struct side *s, size_t n, size_t step)
{
	unsigned char *p = need(malloc(step), "buffer");

	while (n) {
		size_t want = n < step ? n : step, done = 0;

		if (use_ex) {
			if (SSL_read_ex(s->ssl, p, want, &done) != 1)
				die("SSL_read_ex");
		} else {
			int got = SSL_read(s->ssl, p, want);

			if (got <= 0)
				die("SSL_read");
			done = got;
		}
		side_count(s, READ, p, done);
		n -= done;
	}
	free(p);
}

struct reading {
	struct side *side;
	size_t total;
};

static void *get_all(void *arg)
{
	struct reading *r = arg;

	get(r->side, r->total, 100003);
	return NULL;
}

void transfer(struct side *from, struct side *to, size_t total, size_t chunk)
{
	unsigned char *p = need(malloc(chunk), "buffer");
	struct reading r = { to, total };
	pthread_t t;

	if (pthread_create(&t, NULL, get_all, &r))
		die("pthread_create");
	while (total) {
		size_t n = total < chunk ? total : chunk;

		fill(from, p, n);
		put(from, p, n);
		total -= n;
	}
	pthread_join(t, NULL);
	free(p);
}
