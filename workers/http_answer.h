/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_answer - what a request handler says
 *
 * DESCRIPTION
 *	A handler answers its request exactly once before it returns: with
 *	http_answer(), http_answer_code(), or http_answer_begin() ..
 *	http_answer_end() for a body that is formatted in place, without a copy.
 *	The engine adds Server, Date, X-Request-Id, Content-Length and
 *	Connection, and leaves the body out where there must be none (HEAD, 204).
 *
 *	An answer with a ticket waits, and all behind it on that connection,
 *	until http_server_settle() passes the ticket.  Tickets that wait
 *	never decrease over a server's life.  A ticket at or below one that has
 *	already been settled well is sent at once.
 *
 *	There are HTTP_WAITS things that can be waited for, each with tickets of
 *	its own (http_ticket()), so that those who wait long for one do not hold up
 *	those who wait for another.  All answers of one connection that wait at the
 *	same time wait for the same thing (http_conn_wait()).
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 *
 * DIAGNOSTICS
 *	panic: no answer, two answers, a ticket below an earlier one.
 */
#ifndef WORKERS_HTTP_ANSWER_H
#define WORKERS_HTTP_ANSWER_H

#include "common/http_code.h"
#include "common/http_field.h"
#include "common/http_out.h"
#include "common/http_route.h"

struct http_conn;

#define HTTP_WAITS	3
#define HTTP_WAIT_ALONE 2 /* a connection that waits for this takes no further request */
#define HTTP_WAIT_SHIFT 60
/* n counts from 1 for each `wait` in 0..HTTP_WAITS-1. */
static inline uint64_t
http_ticket(unsigned wait, uint64_t n)
{
	return (uint64_t)wait << HTTP_WAIT_SHIFT | n;
}
/* What the connection's answers wait for now; -1: none waits. */
int http_conn_wait(const struct http_conn *conn);

struct http_answer {
	uint16_t status;
	bool must_close;	       /* close the connection after this answer */
	uint32_t retry_after_s;	       /* 0: no Retry-After */
	uint64_t ticket;	       /* 0: send at once */
	uint64_t tag;		       /* yours; comes back in struct http_held */
	struct bytes content_type;     /* empty: application/json */
	struct bytes allow;	       /* empty: no Allow */
	const struct http_field *extra; /* further fields, free of control characters */
	size_t n_extra;
};

/* The body is the `parts` one after the other; they are copied. */
void http_answer(struct http_conn *conn, const struct http_answer *answer,
    const struct bytes *parts, size_t n_parts);

/* Write the head, then return the buffer: append the body with the http_out_
 * functions and call http_answer_end(). */
struct http_out *http_answer_begin(struct http_conn *conn, const struct http_answer *answer);
void http_answer_end(struct http_conn *conn);

/*
 * The error answer every client knows:
 *	{"status":"error","message":M,"error":{"code":C,"message":M},"requestId":ID}
 * Status, C and M are the code's; a non-empty `text` replaces M.  Of `more`
 * (may be NULL) everything but the status and the content type is used.
 */
void http_answer_code(struct http_conn *conn, enum http_code code, struct bytes text,
    const struct http_answer *more);
/* The same with a code of the caller's own. */
void http_answer_error(struct http_conn *conn, unsigned int status, struct bytes code,
    struct bytes text, const struct http_answer *more);

/*
 * The id of the row that this method and path belong to; -1 when it was
 * answered here: 404, 405 with Allow, or OPTIONS.
 */
int http_answer_route(struct http_conn *conn, const struct http_route *table, size_t n,
    const struct http_head *head);

#endif
