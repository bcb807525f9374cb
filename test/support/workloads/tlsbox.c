// SPDX-License-Identifier: MIT
/*
 * A program that uses libssl in the ways that break tracers, and counts and hashes itself every plaintext byte that
 * it moves:  tlsbox REPORT CERT KEY MODE [ARGUMENT...]
 * Both ends of each session are in this process unless the mode says otherwise. The report has one line of JSON per end.
 * TLSBOX_EX=1: the _ex calls where a mode does not care. TLSBOX_WAIT=1: says that it is ready and waits for a line on stdin.
 */
#include "sides.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static size_t number(char **argv, int i, size_t otherwise)
{
	for (int k = 0; k <= i; k++)
		if (!argv[k])
			return otherwise;
	return strtoull(argv[i], NULL, 10);
}

static void plain(char **argv)
{
	struct pair p;

	pair_open(&p, use_ex ? "ex" : "plain");
	transfer(&p.client, &p.server, number(argv, 0, 300000), number(argv, 1, 1000));
	transfer(&p.server, &p.client, number(argv, 0, 300000), number(argv, 1, 1000));
	pair_close(&p, 1);
}

/* BIO_write and BIO_read on a TLS BIO go to libssl's inner functions, past SSL_write and SSL_read. */
static void bio(char **argv)
{
	unsigned char out[5000], in[5000];
	struct pair p;
	BIO *b = need(BIO_new(BIO_f_ssl()), "BIO");

	(void)argv;
	pair_open(&p, "bio");
	BIO_set_ssl(b, p.client.ssl, BIO_NOCLOSE);
	for (int i = 0; i < 20; i++) {
		int n;

		fill(&p.client, out, sizeof(out));
		n = BIO_write(b, out, sizeof(out));
		if (n != sizeof(out))
			die("BIO_write");
		side_count(&p.client, WRITE, out, n);
		get(&p.server, n, 4000);
		fill(&p.server, out, 3000);
		put(&p.server, out, 3000);
		n = BIO_read(b, in, sizeof(in));
		if (n != 3000)
			die("BIO_read");
		side_count(&p.client, READ, in, n);
	}
	BIO_free(b);
	pair_close(&p, 1);
}

struct leg {
	struct pair *pair;
	size_t n;
};

static void *there_and_back(void *arg)
{
	struct leg *leg = arg;

	transfer(&leg->pair->client, &leg->pair->server, leg->n, 3333);
	transfer(&leg->pair->server, &leg->pair->client, leg->n, 4444);
	return NULL;
}

/* One session, used by one thread after the other. */
static void threads(char **argv)
{
	size_t count = number(argv, 0, 16), n = number(argv, 1, 50000);
	struct pair p;
	struct leg leg = { &p, n };

	pair_open(&p, "threads");
	for (size_t i = 0; i < count; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, there_and_back, &leg))
			die("pthread_create");
		pthread_join(t, NULL);
	}
	pair_close(&p, 1);
}

/* Many sessions at once, each with threads of its own. */
static void many(char **argv)
{
	size_t count = number(argv, 0, 20), n = number(argv, 1, 200000);
	struct pair *pairs = need(calloc(count, sizeof(*pairs)), "pairs");
	struct leg *legs = need(calloc(count, sizeof(*legs)), "legs");
	pthread_t *t = need(calloc(count, sizeof(*t)), "threads");

	for (size_t i = 0; i < count; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "many%zu", i);
		pair_open(&pairs[i], tag);
		legs[i] = (struct leg){ &pairs[i], n };
	}
	for (size_t i = 0; i < count; i++)
		if (pthread_create(&t[i], NULL, there_and_back, &legs[i]))
			die("pthread_create");
	for (size_t i = 0; i < count; i++)
		pthread_join(t[i], NULL);
	for (size_t i = 0; i < count; i++)
		pair_close(&pairs[i], 1);
}

/* Two sessions used in turn by one thread, with reads between that find nothing. */
static void alternate(char **argv)
{
	unsigned char buf[700], in[700];
	struct pair p[2];

	(void)argv;
	pair_open(&p[0], "alternate0");
	pair_open(&p[1], "alternate1");
	for (int k = 0; k < 2; k++)
		fcntl(SSL_get_fd(p[k].client.ssl), F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 200; i++) {
		struct pair *a = &p[i & 1], *b = &p[!(i & 1)];

		if (SSL_read(b->client.ssl, in, sizeof(in)) > 0)
			die("bytes out of nowhere");
		fill(&a->client, buf, sizeof(buf));
		put(&a->client, buf, sizeof(buf));
		if (SSL_read(a->client.ssl, in, sizeof(in)) > 0)
			die("bytes out of nowhere");
		fill(&b->client, buf, 300);
		put(&b->client, buf, 300);
		get(&b->server, 300, 17);
		get(&a->server, sizeof(buf), 333);
	}
	pair_close(&p[0], 1);
	pair_close(&p[1], 1);
}

/* A server that hands an accepted session to a child: the child goes on with a copy, the parent lets go of its own. */
static void forked(char **argv)
{
	struct pair p;
	int status = 0;
	pid_t child;

	(void)argv;
	pair_open(&p, "fork");
	transfer(&p.client, &p.server, 1000, 100);
	transfer(&p.server, &p.client, 2000, 100);
	fflush(NULL);
	child = fork();
	if (child < 0)
		die("fork");
	if (child == 0) {
		struct side s;
		unsigned char buf[6000];

		side_init(&s, p.server.ssl, "fork.child");
		s.parent = p.server.tag;
		get(&s, 5000, 777);
		fill(&s, buf, sizeof(buf));
		put(&s, buf, sizeof(buf));
		side_report(&s);
		side_free(&s);
		_exit(0);
	}
	side_report(&p.server);
	SSL_set_quiet_shutdown(p.server.ssl, 1);
	close(SSL_get_fd(p.server.ssl));
	side_free(&p.server);
	for (int i = 0; i < 5; i++) {
		unsigned char buf[1000];

		fill(&p.client, buf, sizeof(buf));
		put(&p.client, buf, sizeof(buf));
	}
	get(&p.client, 6000, 6000);
	if (waitpid(child, &status, 0) != child || status)
		die("child");
	side_report(&p.client);
	side_free(&p.client);
}

/* The deepest call is the first to end: each write of a session, before it comes to its socket, writes to the next one. */
enum { DEPTH = 5 };
static struct pair nest[DEPTH];

static long write_below(BIO *bio, int operation, const char *data, size_t n, int i, long l, int status, size_t *done)
{
	size_t depth = (size_t)BIO_get_callback_arg(bio);
	unsigned char buf[600];

	(void)data, (void)n, (void)i, (void)l, (void)done;
	if (operation == BIO_CB_WRITE) {
		fill(&nest[depth].client, buf, sizeof(buf));
		put(&nest[depth].client, buf, sizeof(buf));
		get(&nest[depth].server, sizeof(buf), 250);
	}
	return status;
}

static void nested(char **argv)
{
	unsigned char buf[900];

	(void)argv;
	for (size_t i = 0; i < DEPTH; i++) {
		char tag[32];

		snprintf(tag, sizeof(tag), "nested%zu", i);
		pair_open(&nest[i], tag);
	}
	for (size_t i = 0; i + 1 < DEPTH; i++) {
		BIO *bio = SSL_get_wbio(nest[i].client.ssl);

		BIO_set_callback_arg(bio, (char *)(i + 1));
		BIO_set_callback_ex(bio, write_below);
	}
	for (int k = 0; k < 30; k++) {
		fill(&nest[0].client, buf, sizeof(buf));
		put(&nest[0].client, buf, sizeof(buf));
		get(&nest[0].server, sizeof(buf), 333);
	}
	for (size_t i = 0; i < DEPTH; i++) {
		BIO_set_callback_ex(SSL_get_wbio(nest[i].client.ssl), NULL);
		pair_close(&nest[i], 1);
	}
}

static jmp_buf out_of_read;

static long jump_out(BIO *bio, int operation, const char *data, size_t n, int i, long l, int status, size_t *done)
{
	(void)bio, (void)data, (void)n, (void)i, (void)l, (void)done;
	if (operation == BIO_CB_READ)
		longjmp(out_of_read, 1);
	return status;
}

/* Calls that never return, at several depths of the stack, on a thread that goes on with other sessions. */
static __attribute__((noinline)) void leave_a_read(SSL *ssl, int depth)
{
	volatile char room[256];
	char c;

	room[0] = 0;
	if (depth)
		leave_a_read(ssl, depth - 1);
	else if (!setjmp(out_of_read))
		SSL_read(ssl, &c, 1);
	room[0] += 1;
}

static void jumps(char **argv)
{
	struct pair left, p;

	(void)argv;
	pair_open(&left, "left");
	BIO_set_callback_ex(SSL_get_rbio(left.client.ssl), jump_out);
	for (int depth = 0; depth < 6; depth++)
		leave_a_read(left.client.ssl, depth);
	pair_open(&p, "jumps");
	transfer(&p.client, &p.server, 100000, 1000);
	transfer(&p.server, &p.client, 100000, 1000);
	pair_close(&p, 1);
	BIO_set_callback_ex(SSL_get_rbio(left.client.ssl), NULL);
	pair_close(&left, 0);
}

/* Calls of up to 16 MiB, and the small ones around record sizes. */
static void big(char **argv)
{
	size_t sizes[] = { 1, 16383, 16384, 16385, 65536, 1 << 20, number(argv, 0, 16 << 20), 2 };
	struct pair p;

	pair_open(&p, "big");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		transfer(&p.client, &p.server, sizes[i], sizes[i]);
	transfer(&p.server, &p.client, sizes[5], sizes[5]);
	pair_close(&p, 1);
}

/* Bytes looked at before they are taken, reads shorter than a record, writes of nothing. */
static void peek(char **argv)
{
	unsigned char out[5000], seen[5000], in[5000];
	size_t n = 0;
	struct pair p;

	(void)argv;
	pair_open(&p, "peek");
	for (int i = 0; i < 10; i++) {
		fill(&p.server, out, sizeof(out));
		put(&p.server, out, sizeof(out));
		for (int k = 0; k < 3; k++)
			if (SSL_peek(p.client.ssl, seen, 100 * (k + 1)) != 100 * (k + 1))
				die("SSL_peek");
		if (SSL_peek_ex(p.client.ssl, seen, 2000, &n) != 1 || n != 2000)
			die("SSL_peek_ex");
		if (SSL_read(p.client.ssl, in, 50) != 50 || memcmp(in, seen, 50))
			die("SSL_read");
		side_count(&p.client, READ, in, 50);
		if (SSL_peek(p.client.ssl, in, 10) != 10 || memcmp(in, seen + 50, 10))
			die("SSL_peek");
		get(&p.client, sizeof(out) - 50, 333);
		SSL_write(p.client.ssl, out, 0);
	}
	fill(&p.client, out, 10);
	put(&p.client, out, 10);
	get(&p.server, 10, 10);
	pair_close(&p, 1);
}

/* Memory BIOs that are full most of the time: writes are refused, tried again, taken in part, from a buffer that moves. */
static void wantwrite(char **argv)
{
	enum { TOTAL = 400000, CHUNK = 50000 };
	unsigned char *data = need(malloc(CHUNK), "buffer"), *copy = need(malloc(CHUNK), "buffer"), in[3000];
	size_t sent = 0, got = 0, chunk = 0;
	struct pair p;
	BIO *b[2];

	side_init(&p.client, need(SSL_new(client_context()), "SSL_new"), argv[0] ? "partial.client" : "retry.client");
	side_init(&p.server, need(SSL_new(server_context()), "SSL_new"), argv[0] ? "partial.server" : "retry.server");
	if (BIO_new_bio_pair(&b[0], 8192, &b[1], 8192) != 1)
		die("BIO pair");
	SSL_set_bio(p.client.ssl, b[0], b[0]);
	SSL_set_bio(p.server.ssl, b[1], b[1]);
	SSL_set_connect_state(p.client.ssl);
	SSL_set_accept_state(p.server.ssl);
	if (argv[0])
		SSL_set_mode(p.client.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* The first writes come before the handshake is done, as node does it. */
	while (got < TOTAL) {
		int n;

		if (sent < TOTAL) {
			if (!chunk)
				fill(&p.client, data, chunk = CHUNK);
			if (argv[0])
				memcpy(copy, data + CHUNK - chunk, chunk);
			n = SSL_write(p.client.ssl, argv[0] ? copy : data, chunk);
			if (n > 0) {
				side_count(&p.client, WRITE, data + CHUNK - chunk, n);
				sent += n;
				chunk -= n;
			} else if (SSL_get_error(p.client.ssl, n) != SSL_ERROR_WANT_WRITE &&
				   SSL_get_error(p.client.ssl, n) != SSL_ERROR_WANT_READ) {
				die("SSL_write");
			}
		} else {
			SSL_read(p.client.ssl, in, sizeof(in));
		}
		n = SSL_read(p.server.ssl, in, sizeof(in));
		if (n > 0) {
			side_count(&p.server, READ, in, n);
			got += n;
		}
	}
	side_report(&p.client);
	side_report(&p.server);
	side_free(&p.client);
	side_free(&p.server);
	free(data);
	free(copy);
}

/* Session objects freed and made again, at the same addresses. */
static void reuse(char **argv)
{
	size_t count = number(argv, 0, 60);

	for (size_t i = 0; i < count; i++) {
		struct pair p;
		char tag[32];

		snprintf(tag, sizeof(tag), "reuse%zu", i);
		pair_open(&p, tag);
		transfer(&p.client, &p.server, 100 + i % 200, 64);
		transfer(&p.server, &p.client, 50 + i % 200, 64);
		pair_close(&p, i & 1);
	}
}

static unsigned char early[3000];

static void *accept_early(void *arg)
{
	struct side *s = arg;
	unsigned char buf[1000];
	size_t n = 0;
	int status;

	while ((status = SSL_read_early_data(s->ssl, buf, sizeof(buf), &n)) == SSL_READ_EARLY_DATA_SUCCESS)
		side_count(s, READ, buf, n);
	if (status != SSL_READ_EARLY_DATA_FINISH)
		die("SSL_read_early_data");
	if (SSL_accept(s->ssl) != 1)
		die("SSL_accept");
	return NULL;
}

/* Data before the handshake is done, on a resumed session. */
static void early_data(char **argv)
{
	struct pair p, q;
	SSL_SESSION *session;
	size_t n = 0;
	pthread_t t;
	int fd[2];

	(void)argv;
	SSL_CTX_set_max_early_data(server_context(), 16384);
	pair_open(&p, "before");
	transfer(&p.server, &p.client, 100, 100);
	session = need(SSL_get1_session(p.client.ssl), "session");
	pair_close(&p, 1);
	side_init(&q.client, need(SSL_new(client_context()), "SSL_new"), "early.client");
	side_init(&q.server, need(SSL_new(server_context()), "SSL_new"), "early.server");
	tcp_pair(fd);
	SSL_set_fd(q.client.ssl, fd[0]);
	SSL_set_fd(q.server.ssl, fd[1]);
	SSL_set_session(q.client.ssl, session);
	fill(&q.client, early, sizeof(early));
	if (SSL_write_early_data(q.client.ssl, early, sizeof(early), &n) != 1 || n != sizeof(early))
		die("SSL_write_early_data");
	side_count(&q.client, WRITE, early, n);
	if (pthread_create(&t, NULL, accept_early, &q.server))
		die("pthread_create");
	if (SSL_connect(q.client.ssl) != 1)
		die("SSL_connect");
	pthread_join(t, NULL);
	if (SSL_get_early_data_status(q.client.ssl) != SSL_EARLY_DATA_ACCEPTED)
		die("early data refused");
	transfer(&q.client, &q.server, 5000, 1000);
	transfer(&q.server, &q.client, 5000, 1000);
	pair_close(&q, 1);
	SSL_SESSION_free(session);
}

static void *answer(void *arg)
{
	struct side *s = arg;
	unsigned char buf[500];

	for (int i = 0; i < 4; i++) {
		get(s, 1000, 300);
		fill(s, buf, sizeof(buf));
		put(s, buf, sizeof(buf));
	}
	return NULL;
}

/* New keys in the middle: renegotiation in TLS 1.2, a key update in 1.3. */
static void renegotiate(char **argv)
{
	int old = argv[0] && !strcmp(argv[0], "1.2");
	unsigned char buf[1000];
	struct pair p;
	pthread_t t;

	if (old) {
		SSL_CTX_set_max_proto_version(client_context(), TLS1_2_VERSION);
		SSL_CTX_set_options(server_context(), SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	}
	pair_open(&p, old ? "renegotiate" : "update");
	if (pthread_create(&t, NULL, answer, &p.server))
		die("pthread_create");
	for (int i = 0; i < 4; i++) {
		if (old && (SSL_renegotiate(p.client.ssl) != 1 || SSL_do_handshake(p.client.ssl) != 1))
			die("SSL_renegotiate");
		if (!old && SSL_key_update(p.client.ssl, SSL_KEY_UPDATE_REQUESTED) != 1)
			die("SSL_key_update");
		fill(&p.client, buf, sizeof(buf));
		put(&p.client, buf, sizeof(buf));
		get(&p.client, 500, 500);
	}
	pthread_join(t, NULL);
	pair_close(&p, 1);
}

/* Writes out of a file mapping whose pages this process has not touched, reads into memory that is not there yet. */
static void hole(char **argv)
{
	enum { SIZE = 1 << 20 };
	char path[] = "/tmp/tlsbox-XXXXXX";
	int fd = mkstemp(path);
	unsigned char *p = need(malloc(SIZE), "buffer"), *map;
	struct pair pair;

	(void)argv;
	unlink(path);
	pair_open(&pair, "hole");
	fill(&pair.client, p, SIZE);
	if (fd < 0 || write(fd, p, SIZE) != SIZE)
		die(path);
	map = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		die("mmap");
	madvise(map, SIZE, MADV_RANDOM); /* no fault-around: each page is missing until it is read */
	for (size_t at = 0; at < SIZE; at += 8192) {
		put(&pair.client, map + at, 8192);
		get(&pair.server, 8192, 8192);
	}
	munmap(map, SIZE);
	close(fd);
	free(p);
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (size_t at = 0; at < SIZE; at += 16384) {
		unsigned char out[12000];

		fill(&pair.server, out, sizeof(out));
		put(&pair.server, out, sizeof(out));
		if (SSL_read(pair.client.ssl, map + at, 16384) != sizeof(out))
			die("SSL_read");
		side_count(&pair.client, READ, map + at, sizeof(out));
	}
	munmap(map, SIZE);
	pair_close(&pair, 1);
}

static void *wait_for_ever(void *arg)
{
	char buf[16];

	SSL_read(arg, buf, sizeof(buf));
	return NULL;
}

/* Ends without a word, a read in another thread still waiting: `leave N` exits with N, `leave -N` dies of signal N. */
static void leave(char **argv)
{
	int how = argv[0] ? atoi(argv[0]) : 0;
	struct pair p;
	pthread_t t;

	pair_open(&p, "leave");
	transfer(&p.client, &p.server, 1234, 100);
	transfer(&p.server, &p.client, 4321, 1000);
	side_report(&p.client);
	side_report(&p.server);
	if (pthread_create(&t, NULL, wait_for_ever, p.client.ssl))
		die("pthread_create");
	usleep(20000);
	if (how < 0) {
		signal(-how, SIG_DFL);
		raise(-how);
	}
	_exit(how);
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ull + t.tv_nsec / 1000000;
}

/* flood MS SIZE: as many pairs of a write and a read as there is time for. */
static void flood(char **argv)
{
	uint64_t end = now_ms() + number(argv, 0, 1000);
	size_t size = number(argv, 1, 256), calls = 0;
	unsigned char *buf = need(malloc(size), "buffer");
	struct pair p;

	pair_open(&p, "flood");
	fill(&p.client, buf, size);
	for (; now_ms() < end; calls++) {
		memcpy(buf, &calls, size < sizeof(calls) ? size : sizeof(calls));
		put(&p.client, buf, size);
		get(&p.server, size, size);
	}
	say("{\"pid\":%d,\"calls\":%zu}", getpid(), calls);
	pair_close(&p, 1);
	free(buf);
}

static void wait_for_line(void)
{
	char c;

	say("{\"pid\":%d,\"ready\":true}", getpid());
	if (read(0, &c, 1) != 1)
		die("stdin");
}

/* hold: talks, says so, waits for a line on stdin, forgets its counts and talks again: for a sensor that joins midway. */
static void hold(char **argv)
{
	size_t n = number(argv, 0, 20000);
	struct pair p;

	pair_open(&p, "hold");
	transfer(&p.client, &p.server, 5000, 500);
	wait_for_line();
	side_reset(&p.client);
	side_reset(&p.server);
	transfer(&p.client, &p.server, n, 1000);
	transfer(&p.server, &p.client, n, 1000);
	pair_close(&p, 1);
}

static const struct {
	const char *name;
	void (*run)(char **argv);
} modes[] = {
	{ "plain", plain }, { "bio", bio }, { "threads", threads }, { "many", many },
	{ "alternate", alternate }, { "nested", nested }, { "jumps", jumps }, { "fork", forked }, { "big", big }, { "peek", peek },
	{ "wantwrite", wantwrite }, { "reuse", reuse }, { "early", early_data }, { "renegotiate", renegotiate },
	{ "hole", hole }, { "leave", leave }, { "flood", flood }, { "hold", hold },
};

int main(int argc, char **argv)
{
	if (argc < 5) {
		fprintf(stderr, "usage: tlsbox REPORT CERT KEY MODE [ARGUMENT...]\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	use_ex = getenv("TLSBOX_EX") != NULL;
	sides_init(argv[1], argv[2], argv[3]);
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		if (!strcmp(modes[i].name, argv[4])) {
			if (getenv("TLSBOX_WAIT"))
				wait_for_line();
			modes[i].run(argv + 5);
			return 0;
		}
	}
	fprintf(stderr, "tlsbox: no mode %s\n", argv[4]);
	return 64;
}
