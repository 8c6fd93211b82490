/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_route - which handler a method and a path belong to
 *
 * DESCRIPTION
 *	A table of {method, path, id}, searched in order: put the busiest row
 *	first.  A segment of a table path that begins with ':' takes any one
 *	non-empty segment.  GET rows serve HEAD too.
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_ROUTE_H
#define COMMON_HTTP_ROUTE_H

#include "common/http_parse.h"

enum { HTTP_ROUTE_PARAMS_MAX = 4, HTTP_ROUTE_ALLOW_MAX = 80 };

struct http_route {
	enum http_method method;
	const char *path; /* "/schemas/:version" */
	int id;
};

enum http_route_result {
	HTTP_ROUTE_OK = 0,
	HTTP_ROUTE_NOT_FOUND,	/* 404 */
	HTTP_ROUTE_NOT_ALLOWED, /* 405; allow is set */
	HTTP_ROUTE_OPTIONS,	/* 204; allow is set */
};

struct http_route_match {
	int id;
	uint32_t n_params;
	struct bytes params[HTTP_ROUTE_PARAMS_MAX]; /* as sent, not decoded */
	uint32_t allow_len;
	char allow[HTTP_ROUTE_ALLOW_MAX]; /* "GET, HEAD, POST, OPTIONS" */
};

/* OPTIONS is answered from the table ("*": every method in it) unless the table
 * has a row for it. */
enum http_route_result http_route_find(const struct http_route *table, size_t n,
    enum http_method method, struct bytes path, struct http_route_match *match)
    __attribute__((warn_unused_result));

#endif
