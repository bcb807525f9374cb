// SPDX-License-Identifier: MIT
/*
 * Proves probe sites: a throw-away process that uses a libssl, looks at its own probes, and says whether they saw
 * exactly the calls that it made.
 *
 *	ssl-self-test LIBSSL DIRECTION:OFFSET:LAYOUT:CALLS...
 *
 * DIRECTION read or write; OFFSET in the file; LAYOUT count, out4 or out5 (lib/elf/ssl-sites.ts); CALLS plain, ex or all:
 * which public variants come through there. One line on stdout for each site, `emulated`, `stepped` or
 * `failed: REASON`; a last line `done`. A line `cannot: REASON` means that nothing was tried.
 *
 * The probes are perf events for this process only, so nobody else is touched and nothing can stay behind. Before the
 * library is loaded, all privileges are gone: it is a root-owned file (the caller sees to that), but no more is needed.
 * Sessions are made without certificates (anonymous key exchange, TLS 1.2) over a BIO pair.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <libgen.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#if !defined(__x86_64__)
int main(void)
{
	puts("cannot: inner functions are chosen on x86-64 only");
	return 0;
}
#else
#include <asm/perf_regs.h>

#define MAX_SITES 8
#define RING_PAGES 8
#define STACK_BYTES 512
#define PAGE 4096
/* arch/x86/include/asm/uprobes.h: MAX_UINSN_BYTES, UPROBE_XOL_SLOT_BYTES. */
#define CODE_BYTES 16
#define SLOT_BYTES 128

enum layout { COUNT, OUT4, OUT5 };

struct probe {
	int fd;
	struct perf_event_mmap_page *ring;
};

struct probe_wish {
	const char *path;
	uint64_t offset;
	bool at_return;
	int type;
	int fd;
	int error;
};

struct site {
	bool write, plain, ex, stepped;
	enum layout layout;
	uint64_t offset;
	struct probe enter, leave;
	uint8_t code[CODE_BYTES];
	char verdict[200];
};

/* What a probe saw, in the order of the register mask: bit numbers ascending. */
struct hit {
	uint64_t ax, cx, dx, si, di, sp, r8;
	uint8_t stack[STACK_BYTES];
	uint64_t stack_bytes;
};

static struct site sites[MAX_SITES];
static int site_count;

__attribute__((noreturn, format(printf, 1, 2))) static void cannot(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	printf("cannot: ");
	vprintf(format, list);
	printf("\n");
	va_end(list);
	fflush(stdout);
	_exit(0);
}

/* ---- probes ---- */

/* Each open waits for the kernel's grace period: from threads they wait together. */
static void *open_event(void *argument)
{
	struct probe_wish *wish = argument;
	struct perf_event_attr attr = { .type = wish->type, .size = sizeof(attr) };

	attr.config = wish->at_return;
	attr.config1 = (uint64_t)wish->path;
	attr.config2 = wish->offset;
	attr.sample_period = 1;
	attr.wakeup_events = 1;
	attr.sample_type = PERF_SAMPLE_REGS_USER | (wish->at_return ? PERF_SAMPLE_STACK_USER : 0);
	attr.sample_regs_user = 1ull << PERF_REG_X86_AX | 1ull << PERF_REG_X86_CX | 1ull << PERF_REG_X86_DX |
				1ull << PERF_REG_X86_SI | 1ull << PERF_REG_X86_DI | 1ull << PERF_REG_X86_SP |
				1ull << PERF_REG_X86_R8;
	attr.sample_stack_user = wish->at_return ? STACK_BYTES : 0;
	/* A thread would count itself: the process's first thread is the one that calls. */
	wish->fd = syscall(SYS_perf_event_open, &attr, getpid(), -1, -1, PERF_FLAG_FD_CLOEXEC);
	wish->error = errno;
	return NULL;
}

static void open_probes(const char *path)
{
	struct probe_wish wishes[2 * MAX_SITES];
	pthread_t threads[2 * MAX_SITES];
	FILE *file = fopen("/sys/bus/event_source/devices/uprobe/type", "r");
	int type, n = 0;

	if (!file || fscanf(file, "%d", &type) != 1)
		cannot("this kernel has no uprobe events");
	fclose(file);
	for (int i = 0; i < site_count; i++)
		for (int ret = 0; ret <= 1; ret++)
			wishes[n++] = (struct probe_wish){ .path = path, .offset = sites[i].offset, .at_return = ret, .type = type };
	for (int i = 0; i < n; i++)
		pthread_create(&threads[i], NULL, open_event, &wishes[i]);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < n; i++) {
		struct site *site = &sites[i / 2];
		struct probe *probe = wishes[i].at_return ? &site->leave : &site->enter;

		if (wishes[i].fd < 0)
			cannot("perf_event_open: %s", strerror(wishes[i].error));
		probe->fd = wishes[i].fd;
		probe->ring = mmap(NULL, (1 + RING_PAGES) * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, probe->fd, 0);
		if (probe->ring == MAP_FAILED)
			cannot("mmap of a perf event: %s", strerror(errno));
	}
}

static void copy_out(struct probe *probe, uint64_t at, void *to, size_t n)
{
	const uint8_t *data = (const uint8_t *)probe->ring + PAGE;

	for (size_t i = 0; i < n; i++)
		((uint8_t *)to)[i] = data[(at + i) % (RING_PAGES * PAGE)];
}

/* Takes all hits; the last is left in `hit`. */
static int take_hits(struct probe *probe, bool at_return, struct hit *hit)
{
	uint64_t head = __atomic_load_n(&probe->ring->data_head, __ATOMIC_ACQUIRE), tail = probe->ring->data_tail;
	int hits = 0;

	while (tail < head) {
		struct perf_event_header header;
		uint64_t at = tail + sizeof(header), abi;

		copy_out(probe, tail, &header, sizeof(header));
		if (header.type == PERF_RECORD_SAMPLE) {
			copy_out(probe, at, &abi, 8);
			/* ax cx dx si di sp r8: the kernel's numbers are AX BX CX DX SI DI BP SP ... R8. */
			copy_out(probe, at + 8, hit, 7 * 8);
			if (at_return) {
				uint64_t size;

				copy_out(probe, at + 64, &size, 8);
				if (size > STACK_BYTES)
					size = STACK_BYTES;
				copy_out(probe, at + 72, hit->stack, size);
				hit->stack_bytes = size;
			}
			hits++;
		}
		tail += header.size;
	}
	__atomic_store_n(&probe->ring->data_tail, tail, __ATOMIC_RELEASE);
	return hits;
}

/* What `address` held when the function returned: its frame may be overwritten since. */
static uint64_t value_at(const struct hit *hit, uint64_t address)
{
	uint64_t value = 0;
	struct iovec mine = { &value, 8 }, there = { (void *)address, 8 };

	if (address >= hit->sp && address + 8 <= hit->sp + hit->stack_bytes)
		memcpy(&value, hit->stack + (address - hit->sp), 8);
	else if (process_vm_readv(getpid(), &mine, 1, &there, 1, 0) != 8)
		/* A wrong site hands over anything: reading it must not end the test. */
		value = UINT64_MAX;
	return value;
}

/* ---- the library ---- */

static void *library;

static void *need(const char *name)
{
	void *symbol = dlsym(library, name);

	if (!symbol)
		cannot("%s is not in the library", name);
	return symbol;
}

/* No header of OpenSSL's: the library may be of any version. */
static void *client, *server;
static int (*ssl_write)(void *, const void *, int), (*ssl_read)(void *, void *, int), (*ssl_peek)(void *, void *, int);
static int (*ssl_write_ex)(void *, const void *, size_t, size_t *), (*ssl_read_ex)(void *, void *, size_t, size_t *);

static void *session(void *ctx, void *bio, void (*set_state)(void *))
{
	void *(*make)(void *) = need("SSL_new");
	void (*set_bio)(void *, void *, void *) = need("SSL_set_bio");
	void *ssl = make(ctx);

	if (!ssl)
		cannot("SSL_new failed");
	set_bio(ssl, bio, bio);
	set_state(ssl);
	return ssl;
}

static void load(const char *path)
{
	void *(*ctx_new)(const void *), *(*method)(void), *ctx, *bios[2] = {};
	long (*ctx_ctrl)(void *, int, long, void *);
	int (*ciphers)(void *, const char *), (*handshake)(void *), (*bio_pair)(void **, size_t, void **, size_t);
	char pattern[4096];
	glob_t found;

	/* The libcrypto beside it, when there is one, rather than another of the same name. */
	snprintf(pattern, sizeof(pattern), "%s/libcrypto*.so*", dirname(strdupa(path)));
	if (!glob(pattern, 0, NULL, &found))
		for (size_t i = 0; i < found.gl_pathc; i++)
			if (strstr(path, ".so.1") ? !!strstr(found.gl_pathv[i], ".so.1") : !strstr(found.gl_pathv[i], ".so.1"))
				dlopen(found.gl_pathv[i], RTLD_NOW);
	library = dlopen(path, RTLD_NOW);
	if (!library)
		cannot("%s", dlerror());
	ctx_new = need("SSL_CTX_new");
	method = need("TLS_method");
	ctx_ctrl = need("SSL_CTX_ctrl");
	ciphers = need("SSL_CTX_set_cipher_list");
	handshake = need("SSL_do_handshake");
	bio_pair = need("BIO_new_bio_pair");
	ssl_write = need("SSL_write");
	ssl_read = need("SSL_read");
	ssl_peek = need("SSL_peek");
	ssl_write_ex = dlsym(library, "SSL_write_ex");
	ssl_read_ex = dlsym(library, "SSL_read_ex");
	ctx = ctx_new(method());
	if (!ctx)
		cannot("SSL_CTX_new failed");
	/* SSL_CTRL_SET_MAX_PROTO_VERSION, TLS 1.2: 1.3 has no anonymous key exchange. */
	ctx_ctrl(ctx, 124, 0x0303, NULL);
	if (ciphers(ctx, "AECDH:@SECLEVEL=0") != 1)
		cannot("the library knows no anonymous ciphers");
	if (!bio_pair(&bios[0], 0, &bios[1], 0))
		cannot("BIO_new_bio_pair failed");
	client = session(ctx, bios[0], need("SSL_set_connect_state"));
	server = session(ctx, bios[1], need("SSL_set_accept_state"));
	for (int i = 0; i < 10; i++) {
		int mine = handshake(client), theirs = handshake(server);

		if (mine == 1 && theirs == 1)
			return;
	}
	cannot("the handshake failed");
}

/* ---- the proof ---- */

__attribute__((format(printf, 2, 3))) static void fail(struct site *site, const char *format, ...)
{
	va_list list;

	if (site->verdict[0])
		return;
	va_start(list, format);
	vsnprintf(site->verdict, sizeof(site->verdict), format, list);
	va_end(list);
}

/*
 * To step over an instruction, the kernel copies it into a slot of a page that it maps into the process ("[uprobes]").
 * The first slot is for return probes. Slots are used again, and
 * other sensors may step other instructions here: so this is looked for by content, after each call.
 */
static bool was_stepped(const uint8_t *code)
{
	char line[512];
	uintptr_t page = 0;
	FILE *maps = fopen("/proc/self/maps", "r");

	while (maps && fgets(line, sizeof(line), maps))
		if (strstr(line, "[uprobes]\n"))
			page = strtoull(line, NULL, 16);
	if (maps)
		fclose(maps);
	for (uintptr_t slot = SLOT_BYTES; page && slot < PAGE; slot += SLOT_BYTES)
		if (!memcmp((const void *)(page + slot), code, CODE_BYTES))
			return true;
	return false;
}

struct call {
	const char *name;
	bool write, ex, peek;
	void *ssl;
	const void *buffer;
	size_t asked;
	/* 0: the call got nothing. */
	size_t taken;
};

static void check(struct site *site, const struct call *call)
{
	struct hit enter = {}, leave = {};
	int enters = take_hits(&site->enter, false, &enter), leaves = take_hits(&site->leave, true, &leave);
	bool due = !call->peek && site->write == call->write && (call->ex ? site->ex : site->plain);
	uint64_t out = site->layout == OUT4 ? enter.cx : enter.r8, taken = 0;

	if (!due) {
		if (enters || leaves)
			fail(site, "%s came through it, too", call->name);
		return;
	}
	site->stepped |= was_stepped(site->code);
	if (enters != 1 || leaves != 1) {
		fail(site, "%s: %d entries and %d returns instead of one each", call->name, enters, leaves);
		return;
	}
	if (enter.di != (uint64_t)call->ssl || enter.si != (uint64_t)call->buffer || enter.dx != call->asked) {
		fail(site, "%s: its first three arguments are not session, buffer and length", call->name);
		return;
	}
	if ((int)leave.ax > 0)
		taken = site->layout == COUNT ? (uint64_t)(int)leave.ax : value_at(&leave, out);
	if (taken != call->taken)
		fail(site, "%s: it seems to have taken %llu bytes, not %zu", call->name, (unsigned long long)taken, call->taken);
}

static void check_all(const struct call *call)
{
	for (int i = 0; i < site_count; i++)
		check(&sites[i], call);
}

static void prove(void)
{
	static char out[64], in[128];
	size_t n = 0;
	struct hit hit;
	int r;

	memset(out, 'x', sizeof(out));
	for (int i = 0; i < site_count; i++) {
		take_hits(&sites[i].enter, false, &hit);
		take_hits(&sites[i].leave, true, &hit);
	}
	r = ssl_write(client, out, 37);
	check_all(&(struct call){ "SSL_write", true, false, false, client, out, 37, r == 37 ? 37 : 0 });
	r = ssl_peek(server, in, 100);
	check_all(&(struct call){ "SSL_peek", false, false, true, server, in, 100, 0 });
	r = ssl_read(server, in, 100);
	check_all(&(struct call){ "SSL_read", false, false, false, server, in, 100, r == 37 ? 37 : 0 });
	r = ssl_read(server, in, 100);
	check_all(&(struct call){ "SSL_read without data", false, false, false, server, in, 100, 0 });
	if (ssl_write_ex && ssl_read_ex) {
		r = ssl_write_ex(client, out, 53, &n);
		check_all(&(struct call){ "SSL_write_ex", true, true, false, client, out, 53, r == 1 ? n : 0 });
		r = ssl_read_ex(server, in, 11, &n);
		check_all(&(struct call){ "SSL_read_ex", false, true, false, server, in, 11, r == 1 ? n : 0 });
		r = ssl_read_ex(server, in, 100, &n);
		check_all(&(struct call){ "SSL_read_ex", false, true, false, server, in, 100, r == 1 ? n : 0 });
	}
}

/* The instructions as they are before a breakpoint stands on them. */
static void read_code(const char *path)
{
	int file = open(path, O_RDONLY | O_CLOEXEC);

	for (int i = 0; i < site_count; i++)
		if (file < 0 || pread(file, sites[i].code, CODE_BYTES, (off_t)sites[i].offset) != CODE_BYTES)
			cannot("%s: %s", path, file < 0 ? strerror(errno) : "a site is beyond its end");
	close(file);
}

static void drop_privileges(void)
{
	struct rlimit cpu = { 2, 2 }, core = { 0, 0 };

	setrlimit(RLIMIT_CPU, &cpu);
	setrlimit(RLIMIT_CORE, &core);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		cannot("no_new_privs: %s", strerror(errno));
	if (geteuid() == 0 && (setgroups(0, NULL) || setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534)))
		cannot("giving up root: %s", strerror(errno));
	/* The kernel hides /proc/self/maps from a process that changed its uid, until it says that this is all right. */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
}

static void parse(const char *text)
{
	struct site *site = &sites[site_count];
	char direction[8], layout[8], calls[8];
	long long offset;

	if (site_count == MAX_SITES || sscanf(text, "%7[^:]:%lli:%7[^:]:%7s", direction, &offset, layout, calls) != 4)
		cannot("a site is DIRECTION:OFFSET:LAYOUT:CALLS, not %s", text);
	site->write = !strcmp(direction, "write");
	site->offset = offset;
	site->layout = !strcmp(layout, "out4") ? OUT4 : !strcmp(layout, "out5") ? OUT5 : COUNT;
	site->plain = strcmp(calls, "ex") != 0;
	site->ex = strcmp(calls, "plain") != 0;
	site_count++;
}

int main(int argc, char **argv)
{
	if (argc < 3)
		cannot("usage: ssl-self-test LIBSSL SITE...");
	for (int i = 2; i < argc; i++)
		parse(argv[i]);
	read_code(argv[1]);
	open_probes(argv[1]);
	drop_privileges();
	load(argv[1]);
	prove();
	for (int i = 0; i < site_count; i++) {
		if (sites[i].verdict[0])
			printf("failed: %s\n", sites[i].verdict);
		else
			printf("%s\n", sites[i].stepped ? "stepped" : "emulated");
	}
	printf("done\n");
	fflush(stdout);
	/* The kernel takes its time to remove the probes: the answer does not wait for it. */
	_exit(0);
}
#endif
