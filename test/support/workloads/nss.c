/* A client on NSS: nss PORT PATH writes a request by PR_Write and PR_Send, reads the answer by PR_Read and PR_Recv. */
#include <nspr.h>
#include <nss.h>
#include <ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static SECStatus trust(void *arg, PRFileDesc *fd, PRBool sig, PRBool server)
{
	(void)arg, (void)fd, (void)sig, (void)server;
	return SECSuccess;
}

int main(int argc, char **argv)
{
	char request[512], answer[8192];
	PRFileDesc *plain, *fd;
	PRNetAddr address;
	int n, i = 0;

	if (argc < 3 || NSS_NoDB_Init(".") != SECSuccess)
		return 1;
	NSS_SetDomesticPolicy();
	PR_InitializeNetAddr(PR_IpAddrLoopback, (PRUint16)atoi(argv[1]), &address);
	plain = PR_NewTCPSocket();
	if (PR_Connect(plain, &address, PR_INTERVAL_NO_TIMEOUT) != PR_SUCCESS)
		return 2;
	fd = SSL_ImportFD(NULL, plain);
	SSL_AuthCertificateHook(fd, trust, NULL);
	SSL_SetURL(fd, "localhost");
	SSL_ResetHandshake(fd, PR_FALSE);
	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost\r\n", argv[2]);
	PR_Write(fd, request, (PRInt32)strlen(request));
	PR_Send(fd, "Connection: close\r\n\r\n", 21, 0, PR_INTERVAL_NO_TIMEOUT);
	do
		n = i++ % 2 ? PR_Read(fd, answer, sizeof(answer)) : PR_Recv(fd, answer, sizeof(answer), 0, PR_INTERVAL_NO_TIMEOUT);
	while (n > 0);
	PR_Close(fd);
	/* A descriptor without TLS is none of the sensor's. */
	fd = PR_Open("/etc/hostname", PR_RDONLY, 0);
	PR_Read(fd, answer, sizeof(answer));
	PR_Close(fd);
	return 0;
}
