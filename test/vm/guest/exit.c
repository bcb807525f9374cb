/* SPDX-License-Identifier: MIT */
/*
 * exit-qemu N: ends a QEMU guest that has `-device isa-debug-exit,iobase=0xf4`. QEMU's own exit status is 2N+1, so
 * it can be told from 0, which is a panic or a reboot. Debian's kernels have no /dev/port, hence ioperm.
 */
#include <stdlib.h>
#include <sys/io.h>

int main(int argc, char **argv)
{
	if (ioperm(0xf4, 4, 1))
		return 1;
	outb(argc > 1 ? (unsigned char)atoi(argv[1]) : 0, 0xf4);
	return 0;
}
