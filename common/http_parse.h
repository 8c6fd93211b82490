/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_parse - the head of an HTTP/1.1 request, strictly
 *
 * DESCRIPTION
 *	http_parse() reads a request line and its fields from one contiguous
 *	buffer (RFC 9112 sections 2 to 6).  Whatever leaves a doubt where the
 *	request ends is refused: a refusal means answer, then close.
 *
 *	Incremental: HTTP_PARSE_MORE leaves in the mark where it was; call again
 *	with the same mark when the buffer holds more (it may have moved).  The
 *	result does not depend on how the bytes were split.  A head that came
 *	in parts is parsed once more in one go when it is complete, so only the mark
 *	needs keeping, and the views in the head always point into `buf`.
 *
 *	Errors of a line are reported when the line ends, those between fields
 *	(framing, Host) when the head ends; the first one wins.
 *
 * PROCESS
 *	HTTP acceptors, WebSocket acceptors (the upgrade), admin.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_PARSE_H
#define COMMON_HTTP_PARSE_H

#include "common/bytes.h"
#include "common/http_code.h"
#include "common/http_field.h"
#include "common/http_limits.h"

enum http_method {
	HTTP_METHOD_NONE = 0,
	HTTP_METHOD_GET,
	HTTP_METHOD_HEAD,
	HTTP_METHOD_POST,
	HTTP_METHOD_PUT,
	HTTP_METHOD_DELETE,
	HTTP_METHOD_OPTIONS,
	HTTP_METHOD_PATCH,
	HTTP_METHOD_TRACE,
	HTTP_METHOD_COUNT
};

enum http_framing {
	HTTP_FRAMING_NONE = 0, /* no body */
	HTTP_FRAMING_LENGTH,   /* content_length bytes */
	HTTP_FRAMING_CHUNKED,
};

enum http_parse_result {
	HTTP_PARSE_OK = 0, /* head complete: head_len bytes of buf */
	HTTP_PARSE_MORE,   /* not yet */
	HTTP_PARSE_BAD,	   /* head->code says why */
};

/* Where an incomplete head was left.  Zero it before each request. */
struct http_mark {
	uint32_t line_off; /* the first line that is not complete */
	uint32_t scan_off; /* bytes before this are known to be clean */
	uint32_t fields_off;
	uint16_t n_fields;
	uint8_t phase;
	uint8_t is_resumed;
};

struct http_head {
	enum http_code code;
	enum http_method method;
	uint8_t minor; /* HTTP/1.minor: 0 or 1 */
	enum http_framing framing;
	bool is_keep_alive;
	bool expects_continue;
	bool wants_upgrade; /* "Connection: upgrade" was sent */
	uint32_t head_len;  /* with the empty line, and one before it if there was */
	uint64_t content_length;

	struct bytes method_text;
	struct bytes target; /* as sent */
	struct bytes path;   /* begins with '/', or is "*"; not decoded */
	struct bytes query;  /* after '?', not decoded; ptr NULL if there is no '?' */
	struct bytes host;   /* of the target if it has one, else of Host */

	/* Empty (ptr NULL) if not sent. */
	struct bytes content_type;
	struct bytes request_id; /* X-Request-Id if sent once */
	struct bytes traceparent;
	struct bytes ack; /* Sluice-Ack */
	struct bytes user_agent;

	/* Every field in order, those above too. */
	uint32_t n_fields;
	struct http_field fields[HTTP_LIMITS_FIELDS_MAX];
};

/* Reads buf[0, len) and not a byte more.  Costs about a nanosecond for four bytes. */
enum http_parse_result http_parse(struct http_head *head, struct http_mark *mark,
    const uint8_t *buf, size_t len, const struct http_limits *limits)
    __attribute__((warn_unused_result));

/* The first field of that name (lower case), or an empty view with ptr NULL. */
struct bytes http_parse_find(const struct http_head *head, const char *lower);

const char *http_parse_method_name(enum http_method method);

#endif
