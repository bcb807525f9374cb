/*
 * The traced side of the TLS benchmarks. Two TLS 1.3 sessions of OpenSSL talk through a BIO pair in memory: no system call,
 * no second process, so what a sensor adds is all that changes.
 */
#define _GNU_SOURCE
#include "pair.h"
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

static SSL *client, *server;

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

static int pair(const char *out, char *in, size_t n)
{
	size_t done = 0;

	calls++;
	if (SSL_write(client, out, (int)n) != (int)n)
		return -1;
	while (done < n) {
		int got;

		calls++;
		got = SSL_read(server, in + done, (int)(n - done));
		if (got <= 0)
			return -1;
		done += got;
	}
	return 0;
}

int main(void)
{
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method()), *server_ctx = SSL_CTX_new(TLS_server_method());
	BIO *client_bio, *server_bio;
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
	serve("");
	return 0;
}
