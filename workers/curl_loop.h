/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	curl_loop - HTTP requests on the event loop, many at a time, none of them blocking
 *
 * DESCRIPTION
 *	libcurl's multi interface driven by libevent.  A request names its bytes,
 *	which are sent from where they stand; the answer comes by a callback.
 *	Connections are kept and used again, handles are pooled.
 *
 *	An answer is one with a status; anything else is none: status 0, a
 *	sentence, and whether the request may have arrived.  An answer that broke
 *	off in its body is none either.  3xx is a status as any other: nothing is
 *	followed.  No proxy is taken from the environment, `Expect:
 *	100-continue` is not sent, only http and https are spoken, HTTP/1.1.
 *
 *	Names are resolved by threads of libcurl's; the loop does not wait for
 *	them.  A connection that was kept and turns out to be closed is replaced
 *	and the request sent again by libcurl itself, when not a byte of an answer
 *	had come: a server that dies with requests in hand may so see one twice.
 *
 * PROCESS
 *	Sinks that speak HTTP.
 *
 * SHARED STATE
 *	None.
 *
 * DIAGNOSTICS
 *	fatal: libcurl cannot be set up.
 *
 * SEE ALSO
 *	libcurl-multi(3), docs/sinks/route.md, docs/sinks/clickhouse.md
 */
#ifndef WORKERS_CURL_LOOP_H
#define WORKERS_CURL_LOOP_H

#include "common/bytes.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define CURL_LOOP_BODY_MAX       65536 /* bytes of an answer that are kept unless told */
#define CURL_LOOP_RETRY_AFTER_MS (24 * 3600 * 1000ull) /* a longer wish is cut to this */

struct curl_loop;
struct curl_call;

/* Valid within done() only. */
struct curl_reply {
	long status;           /* 0: no answer */
	bool may_have_arrived; /* some of the request was sent: its outcome is unknown */
	bool is_timeout;
	const char *error; /* a sentence when status is 0, else NULL */
	struct bytes body;
	bool body_is_cut;        /* there was more than body_max */
	uint64_t retry_after_ms; /* Retry-After in seconds or as a date; 0: none or past */
	double connect_s, total_s;
	struct curl_call *call;
};

/*
 * The bytes, the array of pieces and the headers must stay until done() or
 * curl_loop_cancel(); the strings and the structure itself are copied.
 */
struct curl_request {
	const char *url;
	const char *method;         /* NULL: POST */
	struct curl_slist *headers; /* NULL: none */
	const struct bytes *body;   /* pieces, sent one behind the other */
	size_t pieces;
	const char *user, *password; /* NULL: none */
	const char *ca_file;         /* NULL or "": the system's; one for all of a loop */
	long connect_timeout_ms;     /* 0: libcurl's 300 s */
	long timeout_ms;             /* of all of it; 0: none */
	size_t body_max;             /* 0: CURL_LOOP_BODY_MAX */
	/* Called from the loop, never within curl_loop_send(); may send and cancel. */
	void (*done)(void *ctx, const struct curl_reply *reply);
	void *ctx;
};

typedef void (*curl_loop_woke_fn)(void *ctx);

/*
 * A request beyond max_connections (max_per_host) waits inside, and its time-out
 * runs: who minds that keeps count.  woke (may be NULL) is called first thing in
 * each callback of the loop.
 */
struct curl_loop *curl_loop_new(struct event_base *base, long max_connections, long max_per_host,
    curl_loop_woke_fn woke, void *woke_ctx);
/* Ends what runs, without done().  Not from within done().  NULL is allowed. */
void curl_loop_free(struct curl_loop *l);

/* The call is the loop's and is gone once done() has been called; NULL: no memory, or a
 * URL that cannot be read. */
struct curl_call *curl_loop_send(struct curl_loop *l, const struct curl_request *request);
/* done() will not be called.  Its connection is closed if the request was under way. */
void curl_loop_cancel(struct curl_loop *l, struct curl_call *call);
/* Calls under way. */
unsigned curl_loop_running(const struct curl_loop *l);

/* The value of a header of the answer, or NULL; valid within done(). */
const char *curl_loop_header(const struct curl_reply *reply, const char *name);

#endif
