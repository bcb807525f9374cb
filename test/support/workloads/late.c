// SPDX-License-Identifier: MIT
/*
 * Loads libssl when it is told to and talks then:  late REPORT CERT KEY LIBRARY
 * Not linked with libssl: nothing in its ELF file says that it will use TLS. Waits for a line on stdin before dlopen,
 * and says in the report how many bytes each end moved (the bytes of a write are the letter a).
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *lib;

static void *symbol(const char *name)
{
	void *p = dlsym(lib, name);

	if (!p) {
		fprintf(stderr, "late: %s\n", dlerror());
		_exit(99);
	}
	return p;
}

#define CALL(type, name, ...) ((type(*)())symbol(name))(__VA_ARGS__)

int main(int argc, char **argv)
{
	static char out[5000], in[20000];
	void *cc, *sc, *c, *s, *to, *back;
	int got = 0, n;
	char go;
	FILE *report;

	if (argc < 5)
		return 64;
	report = fopen(argv[1], "a");
	if (!report || read(0, &go, 1) != 1)
		return 99;
	lib = dlopen(argv[4], RTLD_NOW | RTLD_LOCAL);
	if (!lib) {
		fprintf(stderr, "late: %s\n", dlerror());
		return 99;
	}
	cc = CALL(void *, "SSL_CTX_new", CALL(void *, "TLS_client_method"));
	sc = CALL(void *, "SSL_CTX_new", CALL(void *, "TLS_server_method"));
	if (CALL(int, "SSL_CTX_use_certificate_chain_file", sc, argv[2]) != 1 ||
	    CALL(int, "SSL_CTX_use_PrivateKey_file", sc, argv[3], 1) != 1)
		return 99;
	c = CALL(void *, "SSL_new", cc);
	s = CALL(void *, "SSL_new", sc);
	to = CALL(void *, "BIO_new", CALL(void *, "BIO_s_mem"));
	back = CALL(void *, "BIO_new", CALL(void *, "BIO_s_mem"));
	CALL(int, "BIO_up_ref", to);
	CALL(int, "BIO_up_ref", back);
	CALL(void, "SSL_set_bio", c, back, to);
	CALL(void, "SSL_set_bio", s, to, back);
	CALL(void, "SSL_set_connect_state", c);
	CALL(void, "SSL_set_accept_state", s);
	for (int i = 0; i < 10; i++) {
		CALL(int, "SSL_do_handshake", c);
		CALL(int, "SSL_do_handshake", s);
	}
	memset(out, 'a', sizeof(out));
	for (int i = 0; i < 3; i++) {
		if (CALL(int, "SSL_write", c, out, (int)sizeof(out)) != sizeof(out))
			return 99;
		while ((n = CALL(int, "SSL_read", s, in, (int)sizeof(in))) > 0)
			got += n;
	}
	fprintf(report, "{\"pid\":%d,\"written\":%d,\"got\":%d}\n", getpid(), 3 * (int)sizeof(out), got);
	fclose(report);
	CALL(void, "SSL_free", c);
	CALL(void, "SSL_free", s);
	return got == 3 * (int)sizeof(out) ? 0 : 98;
}
