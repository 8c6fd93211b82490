/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_field - the grammar of single header fields, strictly
 *
 * DESCRIPTION
 *	Small pure functions over views (RFC 9110 section 5, RFC 9112 section
 *	5).  What is not exactly the grammar is refused.
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_FIELD_H
#define COMMON_HTTP_FIELD_H

#include "common/bytes.h"
#include "common/http_code.h"

struct http_field {
	struct bytes name, value; /* value without surrounding blanks */
};

/* 1 for each character of a token (RFC 9110 section 5.6.2). */
extern const uint8_t http_field_tchar[256];

/* At least one character, tokens only. */
bool http_field_is_token(struct bytes s);

/* Names and most tokens compare without case.  `lower` is in lower case and
 * holds only letters, digits and '-'. */
bool http_field_is(struct bytes s, const char *lower);

/* Split one field line (its CRLF removed, free of control characters other than
 * TAB) into *field.  HTTP_CODE_NONE, or why not: folded, bad name. */
enum http_code http_field_split(struct bytes line, struct http_field *field)
    __attribute__((warn_unused_result));

/* uri-host [ ":" port ] (RFC 9110 section 4.2, RFC 3986 section 3.2.2), not
 * empty, no user name, port at most 65535. */
bool http_field_is_host(struct bytes host);

/* 1*DIGIT, nothing else.  A number of more than about 17 digits yields
 * UINT64_MAX.  0 or -1. */
int http_field_length(struct bytes value, uint64_t *len);

/* Take the next element off a comma-separated list, blanks removed, empty
 * elements skipped (RFC 9110 section 5.6.1); false at its end. */
bool http_field_next(struct bytes *list, struct bytes *element);

/* A request id that we repeat: 1..64 of [A-Za-z0-9._-]. */
bool http_field_is_id(struct bytes id);

/* A W3C traceparent of version 00..fe: 2-32-16-2 lower-case hex digits, ids not all zero. */
bool http_field_is_traceparent(struct bytes value);

#endif
