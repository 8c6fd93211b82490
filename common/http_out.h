/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_out - bytes that grow at their end
 *
 * DESCRIPTION
 *	The buffer that answers are formatted into.  Reserving may move the
 *	bytes: keep offsets, not pointers.
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 *
 * DIAGNOSTICS
 *	fatal: no memory for one answer.
 */
#ifndef COMMON_HTTP_OUT_H
#define COMMON_HTTP_OUT_H

#include "common/bytes.h"

struct http_out {
	uint8_t *ptr;
	size_t len, cap;
};

/* Make room for `need` more bytes (slow path of http_out_reserve()). */
void http_out_grow(struct http_out *out, size_t need);
void http_out_free(struct http_out *out);

/* Room for `need` bytes at the end; write them, then add to `len`. */
static inline uint8_t *
http_out_reserve(struct http_out *out, size_t need)
{
	if (__builtin_expect(out->cap - out->len < need, 0))
		http_out_grow(out, need);
	return out->ptr + out->len;
}

static inline void
http_out_bytes(struct http_out *out, const void *ptr, size_t len)
{
	memcpy(http_out_reserve(out, len), ptr, len);
	out->len += len;
}

static inline void
http_out_view(struct http_out *out, struct bytes b)
{
	if (b.len > 0)
		http_out_bytes(out, b.ptr, b.len);
}

#define http_out_lit(out, s) http_out_bytes((out), (s), sizeof(s) - 1)

static inline void
http_out_byte(struct http_out *out, uint8_t byte)
{
	*http_out_reserve(out, 1) = byte;
	out->len++;
}

/* The number in decimal. */
void http_out_u64(struct http_out *out, uint64_t n);
/* The text as a JSON string with its quotes, escaped (RFC 8259 section 7);
 * bytes above 0x7f are copied as they are. */
void http_out_json(struct http_out *out, struct bytes text);

#endif
