/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	rowbinary_parts - what the files of rowbinary share
 *
 * PROCESS
 *	As rowbinary.h.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_ROWBINARY_PARTS_H
#define COMMON_ROWBINARY_PARTS_H

#include "common/rowbinary.h"

/* Where the next value goes. */
struct rowbinary_out {
	uint8_t *at, *end;
};

/*
 * One value by its type: raw is a JSON value as it stands in a text, {NULL,0}: absent.
 * *why is set when it does not fit.
 */
enum rowbinary_result rowbinary_value(
    struct rowbinary_out *out, const struct rowbinary_type *t, struct bytes raw, const char **why);
/* The same of what is no JSON: plain characters, and a number of milliseconds. */
enum rowbinary_result rowbinary_value_text(
    struct rowbinary_out *out, const struct rowbinary_type *t, struct bytes text, const char **why);
enum rowbinary_result rowbinary_value_uint(
    struct rowbinary_out *out, const struct rowbinary_type *t, uint64_t value, const char **why);

/* Seconds since 1970 and nanoseconds of a date in letters; false: it is none. */
bool rowbinary_time_parse(struct bytes text, int64_t *s, uint32_t *ns);
/* A time as a value of Date, DateTime, DateTime64. */
enum rowbinary_result rowbinary_time_put(struct rowbinary_out *out, const struct rowbinary_type *t,
    int64_t s, uint32_t ns, const char **why);

static inline bool
rowbinary_has_room(const struct rowbinary_out *out, size_t len)
{
	return (size_t)(out->end - out->at) >= len;
}

/* Little-endian, as the format wants it. */
static inline enum rowbinary_result
rowbinary_put(struct rowbinary_out *out, const void *value, size_t len)
{
	if (!rowbinary_has_room(out, len))
		return ROWBINARY_FULL;
	memcpy(out->at, value, len);
	out->at += len;
	return ROWBINARY_OK;
}

static inline size_t
rowbinary_varint(uint8_t *at, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		at[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	at[n++] = (uint8_t)v;
	return n;
}

#endif
