/*
 * A client of NSS that writes to a server which sends back what it gets: nss-pair PORT. Only its own CPU time counts, so a
 * pair is one PR_Write and what PR_Read it takes, with their system calls.
 */
#define _GNU_SOURCE
#include "pair.h"
#include <nspr.h>
#include <nss.h>
#include <ssl.h>

static PRFileDesc *fd;

static SECStatus trust(void *arg, PRFileDesc *of, PRBool sig, PRBool server)
{
	(void)arg, (void)of, (void)sig, (void)server;
	return SECSuccess;
}

static void connect_to(int port)
{
	PRNetAddr address;
	PRFileDesc *plain;

	PR_InitializeNetAddr(PR_IpAddrLoopback, (PRUint16)port, &address);
	plain = PR_NewTCPSocket();
	if (PR_Connect(plain, &address, PR_INTERVAL_NO_TIMEOUT) != PR_SUCCESS)
		fail("no server");
	fd = SSL_ImportFD(NULL, plain);
	SSL_AuthCertificateHook(fd, trust, NULL);
	SSL_SetURL(fd, "localhost");
	SSL_ResetHandshake(fd, PR_FALSE);
	if (SSL_ForceHandshake(fd) != SECSuccess)
		fail("handshake");
}

static int server_port;

static int pair(const char *out, char *in, size_t n)
{
	size_t done = 0;

	/* With the first pair: of a descriptor that was open before, the sensor does not know that it is one of TLS. */
	if (!fd)
		connect_to(server_port);
	calls++;
	if (PR_Write(fd, out, (PRInt32)n) != (PRInt32)n)
		return -1;
	while (done < n) {
		PRInt32 got;

		calls++;
		got = PR_Read(fd, in + done, (PRInt32)(n - done));
		if (got <= 0)
			return -1;
		done += got;
	}
	return 0;
}

int main(int argc, char **argv)
{
	if (argc < 2 || NSS_NoDB_Init(".") != SECSuccess)
		fail("nss-pair PORT");
	NSS_SetDomesticPolicy();
	server_port = atoi(argv[1]);
	serve("");
	return 0;
}
