/* One send and one recv over a connection without TLS, both ends in this process; says its port. */
#define _GNU_SOURCE
#include "pair.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

static int near_end, far_end;

static int pair(const char *out, char *in, size_t n)
{
	size_t done = 0;

	calls++;
	if (send(near_end, out, n, 0) != (ssize_t)n)
		return -1;
	while (done < n) {
		ssize_t got;

		calls++;
		got = recv(far_end, in + done, n - done, 0);
		if (got <= 0)
			return -1;
		done += got;
	}
	return 0;
}

int main(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	char port[16];

	near_end = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &length) || connect(near_end, (struct sockaddr *)&address, length))
		fail("no connection");
	far_end = accept(listener, NULL, NULL);
	setsockopt(near_end, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	snprintf(port, sizeof(port), " %d", ntohs(address.sin_port));
	serve(port);
	return 0;
}
