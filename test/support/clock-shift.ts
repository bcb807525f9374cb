/** Another time of day for one process: a preloaded library moves CLOCK_REALTIME (what faketime does, without the package). */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const source = `#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
static const long shift = SHIFT;
int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = syscall(SYS_clock_gettime, id, t);
	if (r == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
		t->tv_sec += shift;
	return r;
}
int gettimeofday(struct timeval *t, void *zone)
{
	struct timespec s;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &s);
	t->tv_sec = s.tv_sec;
	t->tv_usec = s.tv_nsec / 1000;
	return 0;
}
time_t time(time_t *t)
{
	struct timespec s;
	clock_gettime(CLOCK_REALTIME, &s);
	if (t)
		*t = s.tv_sec;
	return s.tv_sec;
}
`;

/** Compiles the library into `dir`; the environment that puts a child's clock `seconds` ahead. */
export function clockShift(dir: string, seconds: number): Record<string, string> {
  const c = join(dir, 'clock-shift.c');
  const so = join(dir, 'clock-shift.so');
  writeFileSync(c, source);
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', `-DSHIFT=${seconds}L`, '-o', so, c]);
  return { LD_PRELOAD: so };
}
