/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	json_out - write answers into a buffer that somebody lends
 *
 * DESCRIPTION
 *	Each call appends whole or not at all; the first that does not fit sets
 *	is_full, and all later ones do nothing.  So a caller writes a whole
 *	answer and asks once.  Nothing is NUL-terminated.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_JSON_OUT_H
#define COMMON_JSON_OUT_H

#include "common/bytes.h"

#include <stdbool.h>
#include <string.h>

struct json_out {
	uint8_t *buf;
	size_t cap, len;
	bool is_full;
};

#define JSON_OUT_U64_MAX  20 /* digits of 2^64 - 1 */
#define JSON_OUT_TIME_LEN 24 /* 2025-01-31T23:59:59.999Z */

static inline struct json_out
json_out_on(void *buf, size_t cap)
{
	return (struct json_out){(uint8_t *)buf, cap, 0, false};
}

/* Here, so that a literal becomes a few moves: a batch's answer is a dozen of these an
 * event. */
static inline bool
json_out_has_room(struct json_out *out, size_t len)
{
	if (__builtin_expect(out->is_full || len > out->cap - out->len, 0)) {
		out->is_full = true;
		return false;
	}
	return true;
}

/* As it is. */
static inline void
json_out_raw(struct json_out *out, struct bytes raw)
{
	if (raw.len == 0 || !json_out_has_room(out, raw.len))
		return;
	memcpy(out->buf + out->len, raw.ptr, raw.len);
	out->len += raw.len;
}
#define json_out_lit(out, s) json_out_raw((out), BYTES_LIT(s))

static inline void
json_out_char(struct json_out *out, char c)
{
	if (json_out_has_room(out, 1))
		out->buf[out->len++] = (uint8_t)c;
}

/* A JSON string with its quotes.  Valid UTF-8 passes as it is; quotes, backslashes and
 * control characters are escaped; a byte that is no UTF-8 becomes U+FFFD. */
void json_out_string(struct json_out *out, struct bytes text);

/* The same without quotes, to make one string of several parts. */
void json_out_escaped(struct json_out *out, struct bytes text);

/* "name": with quotes and colon; the name must need no escaping. */
void json_out_name(struct json_out *out, struct bytes name);

void json_out_u64(struct json_out *out, uint64_t value);
void json_out_i64(struct json_out *out, int64_t value);

/* "2025-01-31T23:59:59.999Z" with quotes; years 1970 to 9999, else clamped. */
void json_out_time_ms(struct json_out *out, int64_t wall_ms);

/* The bare forms, for headers and logs: at gets JSON_OUT_U64_MAX bytes at most; returns the
 * length written. */
size_t json_out_u64_to(char *at, uint64_t value);
void json_out_time_to(char at[JSON_OUT_TIME_LEN], int64_t wall_ms);

static inline struct bytes
json_out_bytes(const struct json_out *out)
{
	return bytes_of(out->buf, out->len);
}

#endif
