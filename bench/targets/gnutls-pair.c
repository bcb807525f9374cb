/* As ssl-pair.c, of GnuTLS: two TLS 1.3 sessions that know one key, and talk through buffers in memory. */
#define _GNU_SOURCE
#include "pair.h"
#include <gnutls/gnutls.h>

#define ROOM 65536

struct pipe {
	char bytes[ROOM];
	size_t from, to;
};

struct end {
	gnutls_session_t session;
	struct pipe *in, *out;
};

static struct pipe there, back;
static struct end client = { .in = &back, .out = &there }, server = { .in = &there, .out = &back };

static ssize_t push(gnutls_transport_ptr_t ptr, const void *bytes, size_t n)
{
	struct pipe *pipe = ((struct end *)ptr)->out;

	if (pipe->from == pipe->to)
		pipe->from = pipe->to = 0;
	if (n > ROOM - pipe->to)
		fail("no room");
	memcpy(pipe->bytes + pipe->to, bytes, n);
	pipe->to += n;
	return n;
}

static ssize_t pull(gnutls_transport_ptr_t ptr, void *bytes, size_t n)
{
	struct end *end = ptr;
	size_t left = end->in->to - end->in->from;

	if (!left) {
		gnutls_transport_set_errno(end->session, EAGAIN);
		return -1;
	}
	if (n > left)
		n = left;
	memcpy(bytes, end->in->bytes + end->in->from, n);
	end->in->from += n;
	return n;
}

static int wait(gnutls_transport_ptr_t ptr, unsigned int ms)
{
	(void)ptr, (void)ms;
	return 1;
}

static unsigned char key[32] = "a key that both ends know";

static int key_of(gnutls_session_t session, const char *name, gnutls_datum_t *found)
{
	(void)session, (void)name;
	found->data = gnutls_malloc(sizeof(key));
	found->size = sizeof(key);
	memcpy(found->data, key, sizeof(key));
	return 0;
}

static void begin(struct end *end, unsigned int flags)
{
	gnutls_datum_t raw = { key, sizeof(key) };

	gnutls_init(&end->session, flags);
	if (gnutls_priority_set_direct(end->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:-KX-ALL:+ECDHE-PSK:+DHE-PSK", NULL))
		fail("priorities");
	if (flags & GNUTLS_CLIENT) {
		gnutls_psk_client_credentials_t credentials;

		gnutls_psk_allocate_client_credentials(&credentials);
		gnutls_psk_set_client_credentials(credentials, "bench", &raw, GNUTLS_PSK_KEY_RAW);
		gnutls_credentials_set(end->session, GNUTLS_CRD_PSK, credentials);
	} else {
		gnutls_psk_server_credentials_t credentials;

		gnutls_psk_allocate_server_credentials(&credentials);
		gnutls_psk_set_server_credentials_function(credentials, key_of);
		gnutls_credentials_set(end->session, GNUTLS_CRD_PSK, credentials);
	}
	gnutls_transport_set_ptr(end->session, end);
	gnutls_transport_set_push_function(end->session, push);
	gnutls_transport_set_pull_function(end->session, pull);
	gnutls_transport_set_pull_timeout_function(end->session, wait);
}

static int pair(const char *out, char *in, size_t n)
{
	size_t done = 0;

	calls++;
	if (gnutls_record_send(client.session, out, n) != (ssize_t)n)
		return -1;
	while (done < n) {
		ssize_t got;

		calls++;
		got = gnutls_record_recv(server.session, in + done, n - done);
		if (got <= 0)
			return -1;
		done += got;
	}
	return 0;
}

int main(void)
{
	int one = -1, other = -1, i;

	begin(&client, GNUTLS_CLIENT);
	begin(&server, GNUTLS_SERVER);
	for (i = 0; i < 20 && (one || other); i++) {
		if (one)
			one = gnutls_handshake(client.session);
		if (other)
			other = gnutls_handshake(server.session);
	}
	if (one || other)
		fail(gnutls_strerror(one ? one : other));
	serve("");
	return 0;
}
