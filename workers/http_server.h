/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_server - an HTTP/1.1 server for one process, on a libevent loop
 *
 * DESCRIPTION
 *	Reads requests, hands each complete one to a handler, and sends the
 *	answers: in request order, those of one read in one write.  A handler
 *	answers before it returns (http_answer.h); an answer that may not leave yet
 *	carries a ticket and leaves at http_server_settle().
 *
 *	A connection at rest costs one struct of at most 512 bytes and no
 *	buffer.  Reading stops while a client does not take its answers, or has
 *	as many pending as it may.  Framing errors, limits and timeouts are
 *	answered here; the handler never sees such a request.
 *
 *	Not reentrant: callbacks must not call http_server_settle(),
 *	http_server_tick(), http_server_drain() or http_server_free().
 *
 * PROCESS
 *	HTTP acceptors, admin.  One thread.
 *
 * SHARED STATE
 *	None.  Counters are plain words; the owner copies them into its page.
 *
 * DIAGNOSTICS
 *	fatal: the loop cannot be set up.  panic: see http_answer.h.
 *
 * SEE ALSO
 *	common/http_parse.h, common/http_chunk.h, common/http_route.h
 */
#ifndef WORKERS_HTTP_SERVER_H
#define WORKERS_HTTP_SERVER_H

#include "common/http_limits.h"
#include "common/http_parse.h"
#include "workers/http_answer.h"

struct event_base;
struct http_server;
struct http_conn;

enum { HTTP_SERVER_PEER_MAX = 48, HTTP_SERVER_LISTENERS_MAX = 64 };

/* One complete request.  All views die when the handler returns. */
struct http_request {
	const struct http_head *head;
	struct bytes request_id; /* the client's if it is fit to be repeated, else ours */
	uint32_t listener_id;
};

/* An answer whose ticket was settled badly. */
struct http_held {
	uint64_t ticket;
	uint64_t tag;
	uint16_t status;
	struct bytes body; /* as answered; empty for HEAD */
	struct bytes request_id;
};

struct http_callbacks {
	/* One complete request.  The body is contiguous and 64 bytes past its
	 * end are readable.  Must answer exactly once. */
	void (*request)(void *ctx, struct http_conn *conn, const struct http_request *request,
	    struct bytes body);
	/* Answer again, exactly once, in place of `held`; the new answer goes
	 * out at once, whatever its ticket.  Needed only if tickets are used. */
	void (*rewrite)(void *ctx, struct http_conn *conn, const struct http_held *held);
	/* All requests of one read were handled; their answers are about to be
	 * sent.  The place to ring a doorbell.  May be NULL. */
	void (*batch_end)(void *ctx);
	/* After http_server_drain(): the last connection is gone.  May be NULL. */
	void (*drained)(void *ctx);
};

/* Counters; X(name, text).  Those with `_now` are gauges. */
#define HTTP_COUNTERS(X)                                                                           \
	X(connections_now, "open connections")                                                     \
	X(held_now, "answers waiting for their ticket")                                            \
	X(buffered_bytes_now, "bytes held for unfinished requests and unsent answers")             \
	X(accepted, "connections accepted")                                                        \
	X(refused, "connections answered 503 at the cap")                                          \
	X(accept_paused, "times accepting paused for want of descriptors or memory")               \
	X(requests, "complete requests")                                                           \
	X(answers_2xx, "answers of class 2xx")                                                     \
	X(answers_3xx, "answers of class 3xx")                                                     \
	X(answers_4xx, "answers of class 4xx")                                                     \
	X(answers_5xx, "answers of class 5xx")                                                     \
	X(bytes_in, "bytes received")                                                              \
	X(bytes_out, "bytes sent")                                                                 \
	X(reads, "receive calls")                                                                  \
	X(writes, "send calls")                                                                    \
	X(timeouts_header, "heads that did not arrive in time")                                    \
	X(timeouts_body, "bodies that did not arrive in time")                                     \
	X(timeouts_idle, "idle connections closed")                                                \
	X(timeouts_write, "connections closed because the client did not read")                    \
	X(parse_errors, "requests refused for their framing or their limits")                      \
	X(memory_refused, "requests refused for want of memory")                                   \
	X(read_paused, "times reading stopped for pending answers")                                \
	X(held, "answers that waited for a ticket")                                                \
	X(rewritten, "answers replaced because their ticket was settled badly")                    \
	X(dropped, "answers that had no client left")

struct http_counters {
#define X(name, text) uint64_t name;
	HTTP_COUNTERS(X)
#undef X
};

/* `limits` is copied, `callbacks` must outlive the server.  Never NULL. */
struct http_server *http_server_new(struct event_base *base, const struct http_limits *limits,
    const struct http_callbacks *callbacks, void *ctx);
/* Closes everything at once; pending answers are lost. */
void http_server_free(struct http_server *server);

/* Accept from a bound, listening, non-blocking socket (TCP or unix), which may be
 * shared with other processes; the server closes it.  0, or -1 with errno. */
int http_server_listen(struct http_server *server, int fd, uint32_t listener_id)
    __attribute__((warn_unused_result));

/* Call about every 100 ms with a monotonic clock: all timeouts and the Date come
 * from here.  The first call sets the clock (http_server_new() does one). */
void http_server_tick(struct http_server *server, uint64_t now_ms);

/* Every ticket up to and including this one, of the same wait, is known: its answers go out as
 * they are (ok) or are asked for again (callbacks->rewrite).  Costs what it
 * releases.  No request handler runs inside. */
void http_server_settle(struct http_server *server, uint64_t upto_ticket, bool is_ok);
/* The lowest ticket of wait 0 that is waited for; 0: none. */
uint64_t http_server_waiting(const struct http_server *server);

/* Stop accepting (listening sockets are closed), close what is idle, let the
 * rest finish with "Connection: close", then callbacks->drained() from the loop.
 * Requests that have just come on idle connections are handled inside. */
void http_server_drain(struct http_server *server);
bool http_server_is_empty(const struct http_server *server);

const struct http_counters *http_server_counters(struct http_server *server);

/* The client's address as text: "192.0.2.1", "2001:db8::1", or "unix". */
struct bytes http_conn_peer(struct http_conn *conn);
uint16_t http_conn_peer_port(const struct http_conn *conn);
/* A word of the handler's own, 0 when the connection is new. */
uint64_t *http_conn_user(struct http_conn *conn);

#endif
