/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_query - one parameter of a query string
 *
 * DESCRIPTION
 *	name=value pairs joined by '&' (a name without '=' has an empty value).
 *	Percent-decoding is strict: '%' and two hex digits; '+' is a space.
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_QUERY_H
#define COMMON_HTTP_QUERY_H

#include "common/bytes.h"

enum http_query_result {
	HTTP_QUERY_OK = 0,
	HTTP_QUERY_ABSENT,
	HTTP_QUERY_BAD,	     /* bad percent-encoding, or a decoded control character */
	HTTP_QUERY_REPEATED, /* the parameter is there twice */
	HTTP_QUERY_LONG,     /* the value needs more than `size` bytes */
};

/* Decode parameter `name` into buf; *value is then a view of buf. */
enum http_query_result http_query_find(struct bytes query, const char *name, uint8_t *buf,
    size_t size, struct bytes *value) __attribute__((warn_unused_result));

/* Decode a path segment ('+' stays '+').  OK, BAD or LONG. */
enum http_query_result http_query_decode(struct bytes text, uint8_t *buf, size_t size,
    struct bytes *value) __attribute__((warn_unused_result));

#endif
