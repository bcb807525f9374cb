/* The program that test/live/loader.test.ts probes: calls `probed` as often as a line of stdin says, then says "done". */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

__attribute__((noinline)) int probed(int n)
{
	__asm__ volatile("" : "+r"(n));
	return n + 1;
}

int main(void)
{
	char line[64];
	long i, n;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("%d\n", getpid());
	while (fgets(line, sizeof(line), stdin)) {
		n = atol(line);
		for (i = 0; i < n; i++)
			probed((int)i);
		printf("done %ld\n", n);
	}
	return 0;
}
