/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bytes - a view of bytes that somebody else owns
 *
 * DESCRIPTION
 *	A pointer and a length, passed by value.  A view owns nothing and is
 *	never NUL-terminated by promise; whoever made it says how long it lives.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_BYTES_H
#define COMMON_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *ptr;
	size_t len;
};

#define BYTES_LIT(s) ((struct bytes){ (const uint8_t *)(s), sizeof(s) - 1 })

static inline struct bytes
bytes_of(const void *ptr, size_t len)
{
	return (struct bytes){ (const uint8_t *)ptr, len };
}

static inline struct bytes
bytes_str(const char *s)
{
	return (struct bytes){ (const uint8_t *)s, strlen(s) };
}

static inline bool
bytes_is(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Round a size up to a power of two `to`. */
static inline size_t
bytes_round_up(size_t len, size_t to)
{
	return (len + to - 1) & ~(to - 1);
}

#endif
