/*
 * The traced side of the TLS benchmarks: one SSL_write and one SSL_read of N bytes, again and again, in one process.
 *
 * Two TLS 1.3 sessions talk through a BIO pair in memory: no system call, no second process, so what a sensor adds is
 * all that changes. Says "ready PID" when both sides have shaken hands. Each line on stdin is one measurement:
 *
 *	BYTES SECONDS RATE [ex]
 *
 * RATE 0 is flat out; else that many pairs a second with sleep between them, so that caches are as cold as with an agent
 * that waits for its model. `ex` calls SSL_write_ex and SSL_read_ex. The answer is one JSON object: pairs, library calls
 * (with those of the warm-up), payload bytes, CPU time of the thread in the loop and wall time. With a rate, cpu_ns is the
 * median pair's, times the pairs: a neighbour on a shared machine then does not count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "ssl-pair: %s\n", what);
	ERR_print_errors_fp(stderr);
	exit(1);
}

static void self_signed(SSL_CTX *ctx)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	X509 *cert = X509_new();

	if (!key || !cert)
		die("no key");
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	X509_sign(cert, key, EVP_sha256());
	if (SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
		die("certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* Text as models write it: lines of JSON in server-sent events. */
static void fill(char *buffer, size_t n)
{
	static const char line[] = "data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"the quick brown fox\"}}\n\n";
	size_t i;

	for (i = 0; i < n; i++)
		buffer[i] = line[i % (sizeof(line) - 1)];
}

static uint64_t calls;

static int pair(SSL *client, SSL *server, const char *out, char *in, size_t n, int ex)
{
	size_t done = 0, got;

	calls++;
	if (ex) {
		if (SSL_write_ex(client, out, n, &got) != 1 || got != n)
			return -1;
	} else if (SSL_write(client, out, (int)n) != (int)n) {
		return -1;
	}
	while (done < n) {
		calls++;
		if (ex) {
			if (SSL_read_ex(server, in + done, n - done, &got) != 1)
				return -1;
		} else {
			int r = SSL_read(server, in + done, (int)(n - done));

			if (r <= 0)
				return -1;
			got = r;
		}
		done += got;
	}
	return 0;
}

static int ascending(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void measure(SSL *client, SSL *server, size_t bytes, double seconds, double rate, int ex)
{
	char *out = malloc(bytes + 1), *in = malloc(bytes + 1);
	uint64_t *each = rate > 0 ? calloc((size_t)(seconds * rate) + 16, sizeof(*each)) : NULL;
	uint64_t pairs = 0, wall, cpu, end, next, begun = 0, step = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
	int i;

	fill(out, bytes);
	calls = 0;
	for (i = 0; i < 200; i++)
		if (pair(client, server, out, in, bytes, ex))
			die("warm-up");
	if (memcmp(out, in, bytes))
		die("the bytes that came are not those that went");
	next = wall = now(CLOCK_MONOTONIC);
	cpu = now(CLOCK_THREAD_CPUTIME_ID);
	end = wall + (uint64_t)(seconds * 1e9);
	while (1) {
		if (step) {
			struct timespec until = { .tv_sec = next / 1000000000ull, .tv_nsec = next % 1000000000ull };

			while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
				;
			next += step;
			if (next > end + step)
				break;
			begun = now(CLOCK_THREAD_CPUTIME_ID);
		} else if (pairs % 64 == 0 && now(CLOCK_MONOTONIC) >= end) {
			/* The clock is looked at every 64 pairs, so that it does not count. */
			break;
		}
		if (pair(client, server, out, in, bytes, ex))
			die("a pair failed");
		if (each && pairs < (uint64_t)(seconds * rate) + 16)
			each[pairs] = now(CLOCK_THREAD_CPUTIME_ID) - begun;
		pairs++;
	}
	cpu = now(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = now(CLOCK_MONOTONIC) - wall;
	if (each && pairs > 0) {
		qsort(each, pairs, sizeof(*each), ascending);
		cpu = each[pairs / 2] * pairs;
	}
	free(each);
	printf("{\"pairs\":%llu,\"calls\":%llu,\"bytes\":%llu,\"cpu_ns\":%llu,\"wall_ns\":%llu}\n", (unsigned long long)pairs,
	       (unsigned long long)calls, (unsigned long long)(pairs + 200) * bytes * 2, (unsigned long long)cpu,
	       (unsigned long long)wall);
	fflush(stdout);
	free(out);
	free(in);
}

int main(void)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method()), *server_ctx = SSL_CTX_new(TLS_server_method());
	BIO *client_bio, *server_bio;
	SSL *client, *server;
	char line[128], word[8];
	int i;

	if (!client_ctx || !server_ctx)
		die("no TLS");
	self_signed(server_ctx);
	SSL_CTX_set_num_tickets(server_ctx, 0);
	SSL_CTX_set_ciphersuites(client_ctx, "TLS_AES_128_GCM_SHA256");
	client = SSL_new(client_ctx);
	server = SSL_new(server_ctx);
	if (!BIO_new_bio_pair(&client_bio, 65536, &server_bio, 65536))
		die("BIO pair");
	SSL_set_bio(client, client_bio, client_bio);
	SSL_set_bio(server, server_bio, server_bio);
	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (i = 0; i < 10 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server)); i++) {
		SSL_do_handshake(client);
		SSL_do_handshake(server);
	}
	if (!SSL_is_init_finished(client) || !SSL_is_init_finished(server))
		die("handshake");
	printf("ready %d\n", getpid());
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		size_t bytes;
		double seconds, rate;
		int n = sscanf(line, "%zu %lf %lf %7s", &bytes, &seconds, &rate, word);

		if (n < 3 || bytes < 1 || bytes > 16384)
			die("a measurement is: BYTES(1..16384) SECONDS RATE [ex]");
		measure(client, server, bytes, seconds, rate, n == 4 && !strcmp(word, "ex"));
	}
	return 0;
}
