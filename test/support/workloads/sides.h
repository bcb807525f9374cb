/* SPDX-License-Identifier: MIT */
/*
 * What the TLS workloads share: one end of a session that counts and hashes every plaintext byte it moves, and the
 * report that the tests compare with the events.
 */
#ifndef TRACER_TEST_SIDES_H
#define TRACER_TEST_SIDES_H

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

enum { READ, WRITE };

/* One end of a TLS session. */
struct side {
	SSL *ssl;
	char tag[32];
	const char *parent; /* tag of the session that this is a forked copy of */
	uint64_t bytes[2];
	EVP_MD_CTX *hash[2];
};

/* Two ends, both in this process. */
struct pair {
	struct side client, server;
};

/* Use SSL_write_ex and SSL_read_ex in put() and get(). */
extern int use_ex;

void die(const char *what);
void *need(void *p, const char *what);

/* Opens the report and the two contexts; ends the process on failure. */
void sides_init(const char *report, const char *cert, const char *key);
SSL_CTX *client_context(void);
SSL_CTX *server_context(void);

void side_init(struct side *s, SSL *ssl, const char *tag);
/* Forgets what was counted so far: the sensor joins here. */
void side_reset(struct side *s);
void side_count(struct side *s, int direction, const void *p, size_t n);
/* A line of the report: {"pid","conn","read_bytes","read_sha256","write_bytes","write_sha256"}. */
void side_report(struct side *s);
void side_free(struct side *s);
/* A line of the report that is not about a session. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A connected pair of sockets: TCP on loopback, blocking. */
void tcp_pair(int fd[2]);
/* Both ends over TCP, hands shaken. */
void pair_open(struct pair *p, const char *tag);
/* Reports both ends and frees them. `notify`: say close_notify first. */
void pair_close(struct pair *p, int notify);

/* Fills a buffer with bytes that depend on the tag, the direction and the position. */
void fill(struct side *s, unsigned char *p, size_t n);

/* One SSL_write of n bytes that must be taken whole, and reads until n bytes came, at most `step` in a call. */
void put(struct side *s, const void *p, size_t n);
void get(struct side *s, size_t n, size_t step);
/* Moves `total` bytes from one end to the other, `chunk` bytes in a write, reading in a thread of its own. */
void transfer(struct side *from, struct side *to, size_t total, size_t chunk);

#endif
