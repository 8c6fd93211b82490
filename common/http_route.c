/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_route - which handler a method and a path belong to
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_route.h"

#include <stdio.h>

static struct bytes
segment_take(struct bytes *path)
{
	const uint8_t *slash = memchr(path->ptr, '/', path->len);
	struct bytes segment = *path;

	if (slash != NULL)
		segment.len = (size_t)(slash - path->ptr);
	*path = bytes_of(path->ptr + segment.len, path->len - segment.len);
	return segment;
}

static bool
row_fits(const char *pattern, struct bytes path, struct http_route_match *match)
{
	struct bytes want = bytes_str(pattern), a, b;

	match->n_params = 0;
	if (memchr(pattern, ':', want.len) == NULL)
		return bytes_is(want, path);
	while (want.len > 0 && path.len > 0) {
		/* Both stand at a slash. */
		if (want.ptr[0] != '/' || path.ptr[0] != '/')
			return false;
		want = bytes_of(want.ptr + 1, want.len - 1);
		path = bytes_of(path.ptr + 1, path.len - 1);
		a = segment_take(&want);
		b = segment_take(&path);
		if (a.len > 0 && a.ptr[0] == ':') {
			if (b.len == 0 || match->n_params == HTTP_ROUTE_PARAMS_MAX)
				return false;
			match->params[match->n_params++] = b;
		} else if (!bytes_is(a, b)) {
			return false;
		}
	}
	return want.len == 0 && path.len == 0;
}

static void
allow_write(struct http_route_match *match, uint32_t methods)
{
	static const enum http_method order[] = { HTTP_METHOD_GET, HTTP_METHOD_HEAD,
		HTTP_METHOD_POST, HTTP_METHOD_PUT, HTTP_METHOD_PATCH, HTTP_METHOD_DELETE,
		HTTP_METHOD_TRACE, HTTP_METHOD_OPTIONS };
	size_t i;
	int n;

	methods |= 1u << HTTP_METHOD_OPTIONS;
	if ((methods & 1u << HTTP_METHOD_GET) != 0)
		methods |= 1u << HTTP_METHOD_HEAD;
	match->allow_len = 0;
	for (i = 0; i < sizeof order / sizeof order[0]; i++) {
		if ((methods & 1u << order[i]) == 0)
			continue;
		n = snprintf(match->allow + match->allow_len,
		    sizeof match->allow - match->allow_len, "%s%s",
		    match->allow_len > 0 ? ", " : "", http_parse_method_name(order[i]));
		match->allow_len += (uint32_t)n;
	}
}
/* All eight names and seven ", ". */
_Static_assert(HTTP_ROUTE_ALLOW_MAX > 3 + 4 + 4 + 3 + 5 + 6 + 5 + 7 + 7 * 2, "allow fits");

enum http_route_result
http_route_find(const struct http_route *table, size_t n, enum http_method method,
    struct bytes path, struct http_route_match *match)
{
	enum http_method asked = method == HTTP_METHOD_HEAD ? HTTP_METHOD_GET : method;
	bool is_all = path.len == 1 && path.ptr[0] == '*';
	uint32_t methods = 0;
	size_t i;

	match->allow_len = 0;
	for (i = 0; i < n; i++) {
		if (!is_all && !row_fits(table[i].path, path, match))
			continue;
		if (!is_all && (table[i].method == method || table[i].method == asked)) {
			match->id = table[i].id;
			return HTTP_ROUTE_OK;
		}
		methods |= 1u << table[i].method;
	}
	if (methods == 0)
		return HTTP_ROUTE_NOT_FOUND;
	allow_write(match, methods);
	return method == HTTP_METHOD_OPTIONS ? HTTP_ROUTE_OPTIONS : HTTP_ROUTE_NOT_ALLOWED;
}
