/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_chunked - any bytes as a chunked body
 *
 * DESCRIPTION
 *	Decoded whole and in parts from allocations of exactly the size: the
 *	outcomes must be equal and the content within its limit.
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_chunk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	enum http_chunk_result result;
	uint8_t code;
	size_t used, len;
	uint8_t content[4096];
};

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

static void
decode(struct outcome *o, const uint8_t *data, size_t len, size_t step,
    const struct http_limits *limits)
{
	struct http_chunk chunk = { 0 };
	size_t part, got, used;

	*o = (struct outcome){ .result = HTTP_CHUNK_MORE };
	while (o->result == HTTP_CHUNK_MORE && o->used < len) {
		uint8_t *copy;

		part = len - o->used < step ? len - o->used : step;
		copy = malloc(part);
		memcpy(copy, data + o->used, part);
		o->result = http_chunk_decode(&chunk, copy, &got, copy, part, &used, limits);
		check(got <= used && used <= part);
		check(o->result != HTTP_CHUNK_MORE || used == part);
		memcpy(o->content + o->len, copy, got);
		free(copy);
		o->len += got;
		o->used += used;
	}
	o->code = chunk.code;
	check(o->len <= limits->body_bytes);
	check(o->result != HTTP_CHUNK_OK || o->len == chunk.total);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, parts;
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	if (size < 1 || size > 4096)
		return 0;
	if ((data[0] & 1) != 0) {
		limits.body_bytes = 30;
		limits.chunk_ext_bytes = 10;
		limits.head_bytes = 20;
		limits.fields = 2;
	}
	decode(&whole, data + 1, size - 1, size, &limits);
	decode(&parts, data + 1, size - 1, 1 + (data[0] >> 1) % 32, &limits);
	check(whole.result == parts.result && whole.code == parts.code);
	check(whole.used == parts.used && whole.len == parts.len);
	check(memcmp(whole.content, parts.content, whole.len) == 0);
	return 0;
}
