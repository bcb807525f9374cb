/* SPDX-License-Identifier: MIT */
/*
 * Prints the records of which a stream has the most, ssl_data and file_open, as lines of NDJSON, many at a call. JavaScript does the model (who, which session, in which
 * order) and hands over a plan; what is read from the record and printed here is numbers and bytes. The printer in
 * TypeScript (lib/runners/sslsniff/events.ts, lib/runners/procmon/file-events.ts, with lib/stream/payload.ts) makes the
 * same lines and is the oracle in the tests.
 */
#define _GNU_SOURCE
#include "native.h"

#include <linux/types.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "../records.h"

/* What a line takes besides its head, tail and payload (303), and what a stretch of escapes may take too much (6 * STRETCH). */
#define FIXED_ROOM 1024

_Static_assert(sizeof(struct rec_file) == offsetof(struct rec_file, text), "the bytes follow the fields at once");
_Static_assert(sizeof(struct rec_ssl_data) == offsetof(struct rec_ssl_data, data), "the bytes follow the fields at once");

/* One line to print: a record in the batch, and two stretches of the texts. */
struct plan_item {
	uint32_t record;
	uint32_t head_at;
	uint32_t head_len;
	uint32_t tail_at;
	uint32_t tail_len;
};

static const char digits[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839404142434445464748"
			     "49505152535455565758596061626364656667686970717273747576777879808182838485868788899091929394959697"
			     "9899";

static uint8_t *put_number(uint8_t *out, uint64_t value)
{
	uint8_t text[20];
	int at = 20;

	while (value >= 100) {
		at -= 2;
		memcpy(text + at, digits + value % 100 * 2, 2);
		value /= 100;
	}
	if (value >= 10) {
		at -= 2;
		memcpy(text + at, digits + value * 2, 2);
	} else {
		text[--at] = (uint8_t)('0' + value);
	}
	memcpy(out, text + at, (size_t)(20 - at));
	return out + (20 - at);
}

static uint8_t *put_bytes(uint8_t *out, const void *bytes, size_t len)
{
	memcpy(out, bytes, len);
	return out + len;
}

#define PUT(out, text) put_bytes(out, text, sizeof(text) - 1)

/* Milliseconds with at most three decimals, as JavaScript prints the number: no zeros at the end. */
static uint8_t *put_milliseconds(uint8_t *out, uint64_t us)
{
	uint32_t rest = (uint32_t)(us % 1000);

	out = put_number(out, us / 1000);
	if (!rest)
		return out;
	*out++ = '.';
	*out++ = (uint8_t)('0' + rest / 100);
	if (rest % 100) {
		*out++ = (uint8_t)('0' + rest / 10 % 10);
		if (rest % 10)
			*out++ = (uint8_t)('0' + rest % 10);
	}
	return out;
}

/* Length of the valid UTF-8 sequence at `in`, which begins with a byte from 0x80 on; 0 when there is none. Unicode 15, table 3-7. */
static size_t sequence(const uint8_t *in, const uint8_t *end)
{
	uint8_t first = in[0], low = 0x80, high = 0xbf;
	size_t len, i;

	if (first < 0xc2 || first > 0xf4)
		return 0;
	len = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if ((size_t)(end - in) < len)
		return 0;
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	if (in[1] < low || in[1] > high)
		return 0;
	for (i = 2; i < len; i++)
		if ((in[i] & 0xc0) != 0x80)
			return 0;
	return len;
}

/* How a byte below 0x80 stands in a JSON string: up to 6 bytes in a word of 8, and how many. */
struct escape {
	uint8_t text[7];
	uint8_t len;
};
static struct escape escapes[128];

__attribute__((constructor)) static void fill_escapes(void)
{
	static const char hex[] = "0123456789abcdef";
	static const char short_ones[] = "\bb\tt\nn\ff\rr\"\"\\\\";
	uint8_t i;

	for (i = 0; i < 128; i++) {
		if (i < 0x20)
			escapes[i] = (struct escape){ { '\\', 'u', '0', '0', (uint8_t)hex[i >> 4], (uint8_t)hex[i & 15] }, 6 };
		else
			escapes[i] = (struct escape){ { i }, 1 };
	}
	for (i = 0; short_ones[i]; i += 2)
		escapes[(uint8_t)short_ones[i]] = (struct escape){ { '\\', (uint8_t)short_ones[i + 1] }, 2 };
}

static inline uint8_t *put_escaped(uint8_t *out, uint8_t byte)
{
	memcpy(out, &escapes[byte], sizeof(struct escape));
	return out + escapes[byte].len;
}

#ifdef __SSE2__
/*
 * Blocks of 16 bytes, as long as they are ASCII without NUL; returns where it stopped. A block with nothing to escape is
 * one store; one with a single escape is cut there; one with more (JSON within JSON) goes byte by byte without a branch.
 */
static const uint8_t *put_blocks(uint8_t **out_at, const uint8_t *in, const uint8_t *end)
{
	const __m128i controls = _mm_set1_epi8(0x1f), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
	uint8_t *out = *out_at;

	while (end - in >= 16) {
		__m128i bytes = _mm_loadu_si128((const __m128i *)in);
		__m128i special = _mm_cmpeq_epi8(_mm_min_epu8(bytes, controls), bytes);
		unsigned int marks;

		if (_mm_movemask_epi8(_mm_or_si128(bytes, _mm_cmpeq_epi8(bytes, _mm_setzero_si128()))))
			break;
		special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, quote));
		special = _mm_or_si128(special, _mm_cmpeq_epi8(bytes, backslash));
		marks = (unsigned int)_mm_movemask_epi8(special);
		if (!(marks & (marks - 1))) {
			_mm_storeu_si128((__m128i *)out, bytes);
			if (!marks) {
				out += 16;
				in += 16;
				continue;
			}
			out += __builtin_ctz(marks);
			in += __builtin_ctz(marks);
			out = put_escaped(out, *in++);
		} else {
			int i;

			for (i = 0; i < 16; i++)
				out = put_escaped(out, in[i]);
			in += 16;
		}
	}
	*out_at = out;
	return in;
}
#else
static const uint8_t *put_blocks(uint8_t **out, const uint8_t *in, const uint8_t *end)
{
	(void)out;
	(void)end;
	return in;
}
#endif

/* Room that is looked after at once: base64 needs 4/3, an escape 6, so the end is checked every so many bytes. */
#define STRETCH 64

/*
 * The bytes as the inside of a JSON string; NULL when they are not valid UTF-8, hold a NUL, or would not end at `limit` or
 * before. (JSON.stringify.)
 */
static uint8_t *put_text_within(uint8_t *out, const uint8_t *in, size_t len, const uint8_t *limit)
{
	const uint8_t *end = in + len;

	while (in < end) {
		const uint8_t *stretch = end - in > STRETCH ? in + STRETCH : end;

		in = put_blocks(&out, in, stretch);
		while (in < stretch && *in < 0x80) {
			if (!*in)
				return NULL;
			out = put_escaped(out, *in++);
		}
		while (in < end && *in >= 0x80) {
			size_t n = sequence(in, end);

			if (!n)
				return NULL;
			memcpy(out, in, n);
			in += n;
			out += n;
		}
		/* What is still to come takes at least its own length. */
		if (out + (end - in) > limit)
			return NULL;
	}
	return out;
}

/* The same, NULL also when it would be longer than its base64. (payload.ts: fitsText.) */
static uint8_t *put_text(uint8_t *out, const uint8_t *in, size_t len)
{
	return put_text_within(out, in, len, out + (len + 2) / 3 * 4);
}

static uint8_t *put_base64(uint8_t *out, const uint8_t *in, size_t len)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const uint8_t *end = in + len;

	for (; end - in >= 3; in += 3, out += 4) {
		uint32_t three = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];

		out[0] = (uint8_t)letters[three >> 18];
		out[1] = (uint8_t)letters[three >> 12 & 63];
		out[2] = (uint8_t)letters[three >> 6 & 63];
		out[3] = (uint8_t)letters[three & 63];
	}
	if (end > in) {
		uint32_t rest = (uint32_t)in[0] << 16 | (end - in > 1 ? (uint32_t)in[1] << 8 : 0);

		out[0] = (uint8_t)letters[rest >> 18];
		out[1] = (uint8_t)letters[rest >> 12 & 63];
		out[2] = end - in > 1 ? (uint8_t)letters[rest >> 6 & 63] : '=';
		out[3] = '=';
		out += 4;
	}
	return out;
}

static uint8_t *put_payload(uint8_t *out, const uint8_t *data, size_t len)
{
	uint8_t *start = out, *end;

	out = PUT(out, ",\"payload\":\"");
	end = put_text(out, data, len);
	if (!end) {
		out = PUT(start, ",\"payload_b64\":\"");
		end = put_base64(out, data, len);
	}
	return PUT(end, "\"}}\n");
}

#define LONGEST_ESCAPE 6
/* Where a name was relative to, a slash, and the name. */
static uint8_t joined[65536 * 2 + 1];

/* A path, or its base64. (payload.ts: textField.) */
static uint8_t *put_path(uint8_t *out, const uint8_t *path, size_t len)
{
	uint8_t *start = out, *end;

	out = PUT(out, ",\"path\":\"");
	end = put_text_within(out, path, len, out + len * LONGEST_ESCAPE);
	if (!end) {
		out = PUT(start, ",\"path_b64\":\"");
		end = put_base64(out, path, len);
	}
	return PUT(end, "\"");
}

/* Everything of a file_open behind its id. The head ends before the path; the tail is what follows it. */
static uint8_t *put_open(uint8_t *out, const uint8_t *record, const struct plan_item *item, const uint8_t *texts,
			 int64_t clock_offset_us)
{
	const uint8_t *path = record + offsetof(struct rec_file, text);
	struct rec_file fixed;
	size_t len;

	memcpy(&fixed, record, sizeof(fixed));
	len = (size_t)fixed.base_len + fixed.name_len;
	out = PUT(out, "\",\"timestamp\":");
	out = put_milliseconds(out, (uint64_t)((int64_t)(fixed.ts / 1000) + clock_offset_us));
	out = put_bytes(out, texts + item->head_at, item->head_len);
	if (fixed.name_len && path[fixed.base_len] != '/') {
		memcpy(joined, path, fixed.base_len);
		joined[fixed.base_len] = '/';
		memcpy(joined + fixed.base_len + 1, path + fixed.base_len, fixed.name_len);
		out = put_path(out, joined, len + 1);
	} else if (len) {
		out = put_path(out, path, len);
	} else {
		out = put_path(out, (const uint8_t *)"/", 1);
	}
	out = put_bytes(out, texts + item->tail_at, item->tail_len);
	if (fixed.facts & HAS_FILE) {
		out = PUT(out, ",\"file_id\":\"");
		out = put_number(out, fixed.device >> 20);
		*out++ = ':';
		out = put_number(out, fixed.device & 0xfffff);
		*out++ = ':';
		out = put_number(out, fixed.inode);
		*out++ = ':';
		out = put_number(out, fixed.generation);
		*out++ = '"';
	}
	return PUT(out, "}}\n");
}

/* Everything of an ssl_data behind its id. */
static uint8_t *put_record(uint8_t *out, const uint8_t *record, const struct rec_ssl_data *fixed, const struct plan_item *item,
			   const uint8_t *texts, int64_t clock_offset_us)
{
	out = PUT(out, "\",\"timestamp\":");
	out = put_milliseconds(out, (uint64_t)((int64_t)(fixed->ts / 1000) + clock_offset_us));
	out = put_bytes(out, texts + item->head_at, item->head_len);
	out = put_number(out, fixed->offset);
	out = PUT(out, ",\"total_bytes\":");
	out = put_number(out, fixed->total);
	out = PUT(out, ",\"captured_bytes\":");
	out = put_number(out, fixed->len);
	out = PUT(out, ",\"call\":");
	out = put_number(out, fixed->call);
	out = PUT(out, ",\"call_bytes\":");
	out = put_number(out, fixed->call_bytes);
	out = PUT(out, ",\"latency_ns\":");
	out = put_number(out, fixed->latency);
	out = put_bytes(out, texts + item->tail_at, item->tail_len);
	return put_payload(out, record + offsetof(struct rec_ssl_data, data), fixed->len);
}

/* What the bytes of a record may take, printed. -1 when it is cut off. */
static int64_t room_of(const uint8_t *batch, size_t batch_len, uint32_t at, uint16_t *type)
{
	size_t fixed = sizeof(struct rec_ssl_data), growth = 0;
	uint32_t len;

	if ((uint64_t)at + sizeof(struct rec_stamp) > batch_len)
		return -1;
	memcpy(type, batch + at + offsetof(struct rec_stamp, type), sizeof(*type));
	memcpy(&len, batch + at + offsetof(struct rec_stamp, len), sizeof(len));
	if (*type == REC_FILE) {
		struct rec_file file;

		fixed = sizeof(file);
		growth = LONGEST_ESCAPE;
		if ((uint64_t)at + fixed > batch_len)
			return -1;
		memcpy(&file, batch + at, sizeof(file));
		if ((uint32_t)file.base_len + file.name_len > len)
			return -1;
	}
	if ((uint64_t)at + fixed + len > batch_len)
		return -1;
	return growth ? (int64_t)len * (int64_t)growth : ((int64_t)len + 2) / 3 * 4;
}

/*
 * formatRecords(batch, plan, count, texts, stream, firstN, clockOffsetUs, out): bytes written. plan: count times five
 * u32 (struct plan_item). stream: the id up to its number. Throws when something lies outside of its buffer.
 */
static napi_value format_records(napi_env env, napi_callback_info info)
{
	uint8_t *batch, *plan, *texts, *out, *at;
	size_t batch_len, plan_len, texts_len, out_len, stream_len;
	int64_t count, n, clock_offset_us, i;
	struct call call;
	char stream[64];

	call_begin(&call, env, info);
	if (!arg_bytes(&call, 0, &batch, &batch_len) || !arg_bytes(&call, 1, &plan, &plan_len) || !arg_int64(&call, 2, &count) ||
	    !arg_bytes(&call, 3, &texts, &texts_len) || !arg_string(&call, 4, stream, sizeof(stream)) || !arg_int64(&call, 5, &n) ||
	    !arg_int64(&call, 6, &clock_offset_us) || !arg_bytes(&call, 7, &out, &out_len))
		return NULL;
	stream_len = strlen(stream);
	if (count < 0 || (uint64_t)count > plan_len / sizeof(struct plan_item))
		return throw_text(env, "the plan is shorter than its count");
	at = out;
	for (i = 0; i < count; i++) {
		struct plan_item item;
		uint16_t type;
		int64_t room;

		memcpy(&item, plan + (size_t)i * sizeof(item), sizeof(item));
		room = room_of(batch, batch_len, item.record, &type);
		if (room < 0)
			return throw_text(env, "a record is cut off");
		if ((uint64_t)item.head_at + item.head_len > texts_len || (uint64_t)item.tail_at + item.tail_len > texts_len)
			return throw_text(env, "a text is cut off");
		if ((uint64_t)(at - out) + item.head_len + item.tail_len + (uint64_t)room + FIXED_ROOM > out_len)
			return throw_text(env, "the output is too small");
		at = PUT(at, "{\"id\":\"");
		at = put_bytes(at, stream, stream_len);
		at = put_number(at, (uint64_t)(n + i));
		if (type == REC_FILE) {
			at = put_open(at, batch + item.record, &item, texts, clock_offset_us);
		} else {
			struct rec_ssl_data fixed;

			memcpy(&fixed, batch + item.record, sizeof(fixed));
			at = put_record(at, batch + item.record, &fixed, &item, texts, clock_offset_us);
		}
	}
	return js_number(env, (double)(at - out));
}

void lines_register(napi_env env, napi_value exports)
{
	static const struct function list[] = {
		{ "formatRecords", format_records },
	};

	JS_FUNCTIONS(env, exports, list);
}
