/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_http - any bytes as a request head
 *
 * DESCRIPTION
 *	The first byte chooses limits and cuts.  The rest is parsed whole and in
 *	parts, each time from a fresh allocation of exactly the size: the outcomes
 *	must be equal, no byte beyond may be read, and every view must lie in
 *	the head.  What follows a good head goes through the helpers of its fields.
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_media.h"
#include "common/http_parse.h"
#include "common/http_query.h"
#include "common/http_route.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

static bool
lies_in(struct bytes view, const uint8_t *buf, size_t len)
{
	if (view.ptr == NULL || bytes_is(view, BYTES_LIT("/")))
		return true;
	return view.ptr >= buf && view.ptr + view.len <= buf + len;
}

static void
check_head(const struct http_head *head, const uint8_t *buf, const struct http_limits *limits)
{
	static const struct http_route routes[] = { { HTTP_METHOD_POST, "/events", 1 },
		{ HTTP_METHOD_GET, "/a/:b", 2 } };
	struct http_route_match match;
	struct bytes value;
	uint8_t text[16];
	uint32_t i;

	check(head->head_len > 0 && head->path.len > 0 && head->n_fields <= limits->fields);
	check(lies_in(head->path, buf, head->head_len) && lies_in(head->query, buf, head->head_len));
	check(lies_in(head->host, buf, head->head_len));
	check(head->minor == 0 || head->host.len > 0);
	check(head->framing != HTTP_FRAMING_LENGTH || head->content_length <= limits->body_bytes);
	check(head->framing != HTTP_FRAMING_CHUNKED || head->minor == 1);
	for (i = 0; i < head->n_fields; i++) {
		check(http_field_is_token(head->fields[i].name));
		check(lies_in(head->fields[i].value, buf, head->head_len));
	}
	(void)http_media_of(head->content_type);
	(void)http_field_is_traceparent(head->traceparent);
	if (http_query_find(head->query, "ack", text, sizeof text, &value) == HTTP_QUERY_OK)
		check(value.len <= sizeof text);
	(void)!http_route_find(routes, 2, head->method, head->path, &match);
}

/* Parse in parts of `step` bytes; the buffer moves each time. */
static enum http_parse_result
parse(const uint8_t *data, size_t len, size_t step, const struct http_limits *limits,
    enum http_code *code, uint32_t *head_len, uint32_t *n_fields)
{
	enum http_parse_result result = HTTP_PARSE_MORE;
	struct http_mark mark = { 0 };
	struct http_head head;
	size_t at = 0;

	while (result == HTTP_PARSE_MORE) {
		uint8_t *copy;

		at = len - at < step ? len : at + step;
		copy = malloc(at == 0 ? 1 : at);
		memcpy(copy, data, at);
		result = http_parse(&head, &mark, copy, at, limits);
		if (result == HTTP_PARSE_OK)
			check_head(&head, copy, limits);
		*code = head.code;
		*head_len = head.head_len;
		*n_fields = head.n_fields;
		free(copy);
		if (at == len)
			break;
	}
	return result;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	enum http_parse_result whole, parts;
	enum http_code code, code2;
	uint32_t head_len, head_len2, n_fields, n_fields2;

	if (size < 1 || size > 4096)
		return 0;
	if ((data[0] & 1) != 0) {
		limits.line_bytes = 20;
		limits.head_bytes = 60;
		limits.fields = 3;
		limits.body_bytes = 10;
	}
	whole = parse(data + 1, size - 1, size, &limits, &code, &head_len, &n_fields);
	parts = parse(data + 1, size - 1, 1 + (data[0] >> 1) % 32, &limits, &code2, &head_len2,
	    &n_fields2);
	check(whole == parts && code == code2);
	if (whole == HTTP_PARSE_OK)
		check(head_len == head_len2 && n_fields == n_fields2);
	return 0;
}
