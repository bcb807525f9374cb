/* A client on Mbed TLS: mbedtls PORT PATH... asks for each path on a connection of its own, of one session object. */
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
	mbedtls_ctr_drbg_context random;
	mbedtls_entropy_context entropy;
	mbedtls_ssl_config config;
	mbedtls_ssl_context ssl;
	mbedtls_net_context net;
	unsigned char text[8192];
	int i, n;

	mbedtls_ctr_drbg_init(&random);
	mbedtls_entropy_init(&entropy);
	mbedtls_ssl_config_init(&config);
	mbedtls_ssl_init(&ssl);
	if (argc < 3 || mbedtls_ctr_drbg_seed(&random, mbedtls_entropy_func, &entropy, NULL, 0) ||
	    mbedtls_ssl_config_defaults(&config, MBEDTLS_SSL_IS_CLIENT, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT))
		return 1;
	mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_rng(&config, mbedtls_ctr_drbg_random, &random);
	if (mbedtls_ssl_setup(&ssl, &config) || mbedtls_ssl_set_hostname(&ssl, "localhost"))
		return 2;
	for (i = 2; i < argc; i++) {
		mbedtls_net_init(&net);
		if (mbedtls_net_connect(&net, "127.0.0.1", argv[1], MBEDTLS_NET_PROTO_TCP))
			return 3;
		mbedtls_ssl_set_bio(&ssl, &net, mbedtls_net_send, mbedtls_net_recv, NULL);
		while ((n = mbedtls_ssl_handshake(&ssl)) != 0)
			if (n != MBEDTLS_ERR_SSL_WANT_READ && n != MBEDTLS_ERR_SSL_WANT_WRITE)
				return 4;
		n = snprintf((char *)text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", argv[i]);
		if (mbedtls_ssl_write(&ssl, text, n) != n)
			return 5;
		while ((n = mbedtls_ssl_read(&ssl, text, sizeof(text))) > 0 || n == MBEDTLS_ERR_SSL_WANT_READ)
			;
		mbedtls_ssl_close_notify(&ssl);
		mbedtls_net_free(&net);
		mbedtls_ssl_session_reset(&ssl);
	}
	mbedtls_ssl_free(&ssl);
	return 0;
}
