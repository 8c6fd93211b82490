/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_query - one parameter of a query string
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_query.h"

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The next decoded character, or -1 at a bad encoding.  *at moves past it. */
static int
char_take(struct bytes text, size_t *at, bool plus_is_space)
{
	uint8_t c = text.ptr[(*at)++];
	int high, low;

	if (c == '+' && plus_is_space)
		return ' ';
	if (c == '%') {
		if (text.len - *at < 2)
			return -1;
		high = hex_digit(text.ptr[*at]);
		low = hex_digit(text.ptr[*at + 1]);
		if (high == -1 || low == -1)
			return -1;
		*at += 2;
		c = (uint8_t)(high << 4 | low);
	}
	return c < 0x20 || c == 0x7f ? -1 : c;
}

static enum http_query_result
decode(struct bytes text, bool plus_is_space, uint8_t *buf, size_t size, struct bytes *value)
{
	size_t at = 0, len = 0;
	int c;

	while (at < text.len) {
		if ((c = char_take(text, &at, plus_is_space)) == -1)
			return HTTP_QUERY_BAD;
		if (len == size)
			return HTTP_QUERY_LONG;
		buf[len++] = (uint8_t)c;
	}
	*value = bytes_of(buf, len);
	return HTTP_QUERY_OK;
}

/* Does the encoded text spell `name`?  A bad encoding is -1. */
static int
spells(struct bytes text, const char *name)
{
	size_t at = 0, i = 0;
	bool is_same = true;
	int c;

	while (at < text.len) {
		if ((c = char_take(text, &at, true)) == -1)
			return -1;
		if (is_same && name[i] != '\0' && (uint8_t)name[i] == c)
			i++;
		else
			is_same = false;
	}
	return is_same && name[i] == '\0';
}

enum http_query_result
http_query_find(struct bytes query, const char *name, uint8_t *buf, size_t size,
    struct bytes *value)
{
	const uint8_t *p = query.ptr, *end, *stop, *eq;
	struct bytes found = { NULL, 0 };
	int is_it;

	if (query.len == 0)
		return HTTP_QUERY_ABSENT;
	for (end = p + query.len;; p = stop + 1) {
		if ((stop = memchr(p, '&', (size_t)(end - p))) == NULL)
			stop = end;
		if ((eq = memchr(p, '=', (size_t)(stop - p))) == NULL)
			eq = stop;
		if ((is_it = spells(bytes_of(p, (size_t)(eq - p)), name)) == -1)
			return HTTP_QUERY_BAD;
		if (is_it == 1) {
			if (found.ptr != NULL)
				return HTTP_QUERY_REPEATED;
			if (eq < stop)
				eq++;
			found = bytes_of(eq, (size_t)(stop - eq));
		}
		if (stop == end)
			break;
	}
	if (found.ptr == NULL)
		return HTTP_QUERY_ABSENT;
	return decode(found, true, buf, size, value);
}

enum http_query_result
http_query_decode(struct bytes text, uint8_t *buf, size_t size, struct bytes *value)
{
	return decode(text, false, buf, size, value);
}
