/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_out - bytes that grow at their end
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_out.h"

#include "common/panic.h"

#include <stdlib.h>

enum { OUT_MIN = 4096 };

void
http_out_grow(struct http_out *out, size_t need)
{
	size_t cap = out->cap < OUT_MIN ? OUT_MIN : out->cap * 2;
	uint8_t *ptr;

	while (cap - out->len < need)
		cap *= 2;
	if ((ptr = realloc(out->ptr, cap)) == NULL)
		fatal("no memory for an answer of %zu bytes", out->len + need);
	out->ptr = ptr;
	out->cap = cap;
}

void
http_out_free(struct http_out *out)
{
	free(out->ptr);
	*out = (struct http_out){ 0 };
}

void
http_out_u64(struct http_out *out, uint64_t n)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	http_out_bytes(out, digits + at, sizeof digits - at);
}

void
http_out_json(struct http_out *out, struct bytes text)
{
	static const char hex[] = "0123456789abcdef";
	/* Each byte becomes at most six. */
	uint8_t *p = http_out_reserve(out, text.len * 6 + 2);
	size_t i;

	*p++ = '"';
	for (i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (c == '"' || c == '\\') {
			*p++ = '\\';
			*p++ = c;
		} else if (c >= 0x20) {
			*p++ = c;
		} else {
			memcpy(p, "\\u00", 4);
			p[4] = (uint8_t)hex[c >> 4];
			p[5] = (uint8_t)hex[c & 15];
			p += 6;
		}
	}
	*p++ = '"';
	out->len = (size_t)(p - out->ptr);
}
