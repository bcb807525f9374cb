/*
 * What a C program on libbpf would make of the same records: the yardstick for tracer-ssl's own printing.
 *
 *	consumer OBJECT LIBSSL PID PROGRAM:OFFSET[:ret]...
 *
 * Loads the same BPF object, watches one process, prints the same ssl_data lines to stdout. Plain C: libbpf's ring
 * buffer every millisecond, one pass over the bytes for UTF-8, one for escaping, a write for each megabyte.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/types.h>
#include "../../bpf/records.h"

#define OUT_BYTES (1 << 20)
#define LINE_BYTES (65536 * 6 + 2048)
#define MAX_SESSIONS 1024

static char out[OUT_BYTES + LINE_BYTES];
static size_t filled;
static unsigned long long printed;
static struct { __u64 ssl, session; } sessions[MAX_SESSIONS];
static int session_count;
static __s64 clock_offset_us;
static volatile sig_atomic_t stopped;

static void flush(void)
{
	for (size_t done = 0; done < filled;) {
		ssize_t n = write(1, out + done, filled - done);

		if (n < 0 && errno != EINTR)
			exit(1);
		done += n > 0 ? (size_t)n : 0;
	}
	filled = 0;
}

static bool is_text(const __u8 *s, size_t n)
{
	for (size_t i = 0; i < n;) {
		int more = s[i] < 0x80 ? 0 : s[i] >= 0xc2 && s[i] < 0xe0 ? 1 : s[i] >= 0xe0 && s[i] < 0xf0 ? 2 : s[i] >= 0xf0 && s[i] < 0xf5 ? 3 : -1;

		if (s[i] == 0 || more < 0 || i + more >= n)
			return false;
		if ((s[i] == 0xe0 && s[i + 1] < 0xa0) || (s[i] == 0xed && s[i + 1] > 0x9f) || (s[i] == 0xf0 && s[i + 1] < 0x90) ||
		    (s[i] == 0xf4 && s[i + 1] > 0x8f))
			return false;
		for (int k = 1; k <= more; k++)
			if ((s[i + k] & 0xc0) != 0x80)
				return false;
		i += more + 1;
	}
	return true;
}

static char *escape(char *to, const __u8 *s, size_t n)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		__u8 c = s[i];

		if (c >= 0x20 && c != '"' && c != '\\') {
			*to++ = c;
			continue;
		}
		*to++ = '\\';
		switch (c) {
		case '"': case '\\': *to++ = c; break;
		case '\n': *to++ = 'n'; break;
		case '\r': *to++ = 'r'; break;
		case '\t': *to++ = 't'; break;
		case '\b': *to++ = 'b'; break;
		case '\f': *to++ = 'f'; break;
		default: memcpy(to, "u00", 3); to[3] = hex[c >> 4]; to[4] = hex[c & 15]; to += 5;
		}
	}
	return to;
}

static char *base64(char *to, const __u8 *s, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < n; i += 3) {
		unsigned v = s[i] << 16 | (i + 1 < n ? s[i + 1] << 8 : 0) | (i + 2 < n ? s[i + 2] : 0);

		*to++ = digits[v >> 18];
		*to++ = digits[v >> 12 & 63];
		*to++ = i + 1 < n ? digits[v >> 6 & 63] : '=';
		*to++ = i + 2 < n ? digits[v & 63] : '=';
	}
	return to;
}

static int number_of(const struct rec_ssl_data *r)
{
	for (int i = 0; i < session_count; i++)
		if (sessions[i].ssl == r->ssl && sessions[i].session == r->session)
			return i + 1;
	if (session_count < MAX_SESSIONS) {
		sessions[session_count].ssl = r->ssl;
		sessions[session_count].session = r->session;
		session_count++;
	}
	return session_count;
}

static int on_record(void *context, void *data, size_t size)
{
	const struct rec_ssl_data *r = data;
	bool text;
	char *at;

	(void)context;
	if (r->type != REC_SSL_DATA || size < sizeof(*r))
		return 0;
	if (filled > OUT_BYTES)
		flush();
	at = out + filled;
	text = is_text(r->data, r->len);
	at += sprintf(at,
		      "{\"id\":\"cconsumer0-%llu\",\"timestamp\":%.3f,\"source\":\"ssl\",\"event_type\":\"ssl_data\",\"data\":{\"pid\":%u,\"tid\":%u,\"ppid\":%u,"
		      "\"uid\":%u,\"comm\":\"%.16s\",\"start_us\":%llu,\"cgroup_id\":\"%llu\",\"conn\":\"%u.%llu.%d\",\"direction\":\"%s\",\"offset\":%llu,"
		      "\"total_bytes\":%u,\"captured_bytes\":%u,\"call\":%llu,\"call_bytes\":%u,\"latency_ns\":%llu,\"library\":\"openssl\",\"function\":\"%s\",\"%s\":\"",
		      ++printed, (r->ts / 1000 + clock_offset_us) / 1e3, r->pid, r->tid, r->ppid, r->uid, r->comm, r->start_ns / 1000, r->cgroup_id, r->pid,
		      r->start_ns / 1000, number_of(r), r->direction ? "write" : "read", r->offset, r->total, r->len, r->call, r->call_bytes, r->latency,
		      r->direction ? "SSL_write" : "SSL_read", text ? "payload" : "payload_b64");
	at = text ? escape(at, r->data, r->len) : base64(at, r->data, r->len);
	memcpy(at, "\"}}\n", 4);
	filled = at + 4 - out;
	return 0;
}

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

/* Sets `const volatile bool scope_all`: the probes themselves are for one process only. */
static int watch_all(struct bpf_object *object)
{
	const struct btf *btf = bpf_object__btf(object);
	int id = btf__find_by_name_kind(btf, ".rodata", BTF_KIND_DATASEC);
	const struct btf_type *section = id > 0 ? btf__type_by_id(btf, id) : NULL;
	struct bpf_map *map;

	bpf_object__for_each_map(map, object) {
		size_t size;
		char *values = strstr(bpf_map__name(map), ".rodata") ? (char *)bpf_map__initial_value(map, &size) : NULL;

		for (int i = 0; values && section && i < btf_vlen(section); i++) {
			const struct btf_var_secinfo *variable = btf_var_secinfos(section) + i;
			const char *name = btf__name_by_offset(btf, btf__type_by_id(btf, variable->type)->name_off);

			if (!strcmp(name, "scope_all") && variable->offset < size) {
				values[variable->offset] = 1;
				return 0;
			}
		}
	}
	return -1;
}

/* PROGRAM:OFFSET[:ret] */
static struct bpf_program *wished(struct bpf_object *object, const char *wish, size_t *offset, bool *ret)
{
	char name[64];
	int n = 0;

	if (sscanf(wish, "%63[^:]:%zi%n", name, offset, &n) < 2)
		return NULL;
	*ret = !strcmp(wish + n, ":ret");
	return bpf_object__find_program_by_name(object, name);
}

int main(int argc, char **argv)
{
	struct timespec real, boot;
	struct bpf_object *object;
	struct bpf_program *program;
	struct ring_buffer *ring;
	size_t offset;
	bool ret;

	if (argc < 5)
		return 2;
	clock_gettime(CLOCK_REALTIME, &real);
	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_offset_us = (real.tv_sec - boot.tv_sec) * 1000000ll + (real.tv_nsec - boot.tv_nsec) / 1000;
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	object = bpf_object__open_file(argv[1], NULL);
	if (!object || watch_all(object))
		return 1;
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, false);
	for (int i = 4; i < argc; i++)
		if ((program = wished(object, argv[i], &offset, &ret)))
			bpf_program__set_autoload(program, true);
	if (bpf_object__load(object))
		return 1;
	for (int i = 4; i < argc; i++) {
		program = wished(object, argv[i], &offset, &ret);
		if (!program || !bpf_program__attach_uprobe(program, ret, atoi(argv[3]), argv[2], offset))
			return 1;
	}
	ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"), on_record, NULL, NULL);
	if (!ring)
		return 1;
	filled = sprintf(out, "{\"event_type\":\"sensor_start\"}\n");
	while (!stopped) {
		ring_buffer__consume(ring);
		flush();
		usleep(1000);
	}
	return 0;
}
