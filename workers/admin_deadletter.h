/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	admin_deadletter - dead letters over HTTP: the newest, and send again
 *
 * DESCRIPTION
 *	GET /deadletter?limit=&sink=&code= and POST /deadletter/retry are passed
 *	on to the deadletter stage, one line on its socket; the answer waits.
 *	Questions are answered in order; when the stage is not there, or says
 *	nothing for ten seconds, all that wait hear 503.
 *
 * PROCESS
 *	admin.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_ADMIN_DEADLETTER_H
#define WORKERS_ADMIN_DEADLETTER_H

#include "workers/http_server.h"
#include "workers/worker.h"

struct admin_deadletter;

/* Never NULL; `server` may be set later. */
struct admin_deadletter *admin_deadletter_new(struct worker *w);
void admin_deadletter_serve(struct admin_deadletter *d, struct http_server *server);

void admin_deadletter_get(struct admin_deadletter *d, struct http_conn *conn,
    const struct http_request *rq);
/* Only what says that it is JSON: a page in a browser cannot say so of its own accord. */
void admin_deadletter_retry(struct admin_deadletter *d, struct http_conn *conn,
    const struct http_request *rq, struct bytes body);

/* The server's rewrite callback: the answer that was waited for. */
void admin_deadletter_rewrite(struct admin_deadletter *d, struct http_conn *conn,
    const struct http_held *held);
void admin_deadletter_tick(struct admin_deadletter *d, uint64_t mono_ns);

#endif
