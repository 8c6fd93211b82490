/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_server - an HTTP/1.1 server for one process, on a libevent loop
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/http_server.h"

#include "common/clock.h"
#include "common/panic.h"
#include "workers/http_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

/* RFC 9110 section 5.6.7; not strftime, which speaks the locale's language. */
static void
date_update(struct http_server *server)
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t now = (time_t)(clock_wall_ns() / CLOCK_NS_PER_S);
	struct tm tm;
	int n;

	if ((int64_t)now == server->date_s)
		return;
	server->date_s = (int64_t)now;
	(void)gmtime_r(&now, &tm);
	n = snprintf(server->common, sizeof server->common,
	    "Server: sluice\r\nDate: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\nX-Request-Id: ",
	    days + tm.tm_wday * 3, tm.tm_mday, months + tm.tm_mon * 3, tm.tm_year + 1900,
	    tm.tm_hour, tm.tm_min, tm.tm_sec);
	server->common_len = (uint32_t)n;
}

static void
on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct http_server *server = arg;
	struct http_conn *conn, *last;

	(void)fd;
	(void)what;
	/* Those that come back while we work wait for the next round. */
	last = TAILQ_LAST(&server->resume, http_conn_list);
	while ((conn = TAILQ_FIRST(&server->resume)) != NULL) {
		TAILQ_REMOVE(&server->resume, conn, work_link);
		conn->is_resuming = false;
		conn->is_paused = false;
		http_conn_read_resume(conn);
		if (conn == last)
			break;
	}
	if (server->is_draining && http_server_is_empty(server) && !server->is_drained_told) {
		server->is_drained_told = true;
		if (server->callbacks->drained != NULL)
			server->callbacks->drained(server->ctx);
	}
}

struct http_server *
http_server_new(struct event_base *base, const struct http_limits *limits,
    const struct http_callbacks *callbacks, void *ctx)
{
	struct http_server *server = xcalloc(1, sizeof *server);
	uint32_t random = 0;
	int i;

	if ((uint64_t)limits->line_bytes + limits->head_bytes > HTTP_CONN_SMALL * 2)
		fatal_config("the limits on the request line and the headers together must not "
			     "exceed %d bytes",
		    HTTP_CONN_SMALL * 2);
	server->base = base;
	server->limits = *limits;
	server->callbacks = callbacks;
	server->ctx = ctx;
	server->date_s = -1;
	server->scratch = xcalloc(1, HTTP_CONN_SCRATCH + HTTP_POOL_PAD);
	for (i = 0; i < HTTP_WAITS; i++) {
		server->held[i].first = server->held[i].next = 1;
		server->held[i].settled_ticket = http_ticket((unsigned)i, 0);
	}
	for (i = 0; i < HTTP_CONN_TIMER_COUNT; i++)
		TAILQ_INIT(&server->timers[i]);
	TAILQ_INIT(&server->resume);
	if (event_assign(&server->resume_event, base, -1, 0, on_resume, server) == -1)
		fatal("the event loop refused an event");
	/* Ids need to differ, not to be secret. */
	if (getrandom(&random, sizeof random, GRND_NONBLOCK) == -1)
		random = (uint32_t)clock_wall_ns();
	(void)snprintf(server->id, sizeof server->id, "%08x-%010x", random, 0u);
	http_server_tick(server, clock_mono_ns() / CLOCK_NS_PER_MS);
	return server;
}

/* Free the closed connections of a list. */
static void
list_free(struct http_conn_list *list)
{
	struct http_conn *conn;

	while ((conn = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, conn, timer_link);
		free(conn);
	}
}

void
http_server_free(struct http_server *server)
{
	int timer;

	assert_that(server->current.conn == NULL);
	server->is_draining = false;
	http_server_listen_close(server);
	for (timer = HTTP_CONN_TIMER_NONE; timer <= HTTP_CONN_TIMER_LINGER; timer++)
		while (!TAILQ_EMPTY(&server->timers[timer]))
			http_conn_close(TAILQ_FIRST(&server->timers[timer]));
	list_free(&server->timers[HTTP_CONN_TIMER_DEAD]);
	list_free(&server->timers[HTTP_CONN_TIMER_FREE]);
	(void)event_del(&server->resume_event);
	http_pool_free(&server->pool);
	http_out_free(&server->out);
	for (int i = 0; i < HTTP_WAITS; i++)
		free(server->held[i].at);
	free(server->scratch);
	free(server);
}

/* ---- Time ------------------------------------------------------------------ */

static uint32_t
timeout_of(const struct http_server *server, enum http_conn_timer timer)
{
	switch (timer) {
	case HTTP_CONN_TIMER_HEAD:
		return server->limits.header_timeout_ms;
	case HTTP_CONN_TIMER_BODY:
		return server->limits.body_stall_ms < server->limits.body_timeout_ms ?
		    server->limits.body_stall_ms :
		    server->limits.body_timeout_ms;
	case HTTP_CONN_TIMER_IDLE:
		return server->limits.idle_timeout_ms;
	case HTTP_CONN_TIMER_WRITE:
		return server->limits.write_timeout_ms;
	case HTTP_CONN_TIMER_LINGER:
		return server->limits.linger_timeout_ms;
	default:
		return UINT32_MAX;
	}
}

static void
expire_class(struct http_server *server, enum http_conn_timer timer)
{
	struct http_conn_list *list = &server->timers[timer];
	uint32_t timeout_ms = timeout_of(server, timer);
	struct http_conn *conn;

	/* The list is in order of expiry, and expiring takes off its front. */
	while ((conn = TAILQ_FIRST(list)) != NULL &&
	    server->now_ms - conn->timer_ms >= timeout_ms)
		http_conn_expire(conn);
}

/* A client that has connected and said nothing may still be about to speak. */
enum { DRAIN_PATIENCE_MS = 1000 };

static void
drain_silent(struct http_server *server)
{
	struct http_conn *conn, *next;

	for (conn = TAILQ_FIRST(&server->timers[HTTP_CONN_TIMER_HEAD]); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, timer_link);
		if (server->now_ms - conn->timer_ms < DRAIN_PATIENCE_MS)
			break;
		if (conn->is_fresh)
			http_conn_close(conn);
	}
}

void
http_server_tick(struct http_server *server, uint64_t now_ms)
{
	int timer;

	assert_that(server->current.conn == NULL);
	server->now_ms = now_ms;
	date_update(server);
	for (timer = HTTP_CONN_TIMER_HEAD; timer <= HTTP_CONN_TIMER_LINGER; timer++)
		expire_class(server, (enum http_conn_timer)timer);
	list_free(&server->timers[HTTP_CONN_TIMER_FREE]);
	http_pool_trim(&server->pool);
	if (server->accept_again_ms != 0 && now_ms >= server->accept_again_ms)
		http_server_listen_resume(server);
	if (server->is_draining)
		drain_silent(server);
}

/* ---- The end ---------------------------------------------------------------- */

void
http_server_drain(struct http_server *server)
{
	struct http_conn *conn, *next;

	assert_that(server->current.conn == NULL);
	server->is_draining = true;
	server->accept_again_ms = 0;
	http_server_listen_close(server);
	for (conn = TAILQ_FIRST(&server->timers[HTTP_CONN_TIMER_IDLE]); conn != NULL; conn = next) {
		next = TAILQ_NEXT(conn, timer_link);
		/* A request may have come that the loop has not seen yet: look once
		 * more.  What has nothing to say is closed. */
		http_conn_read_ready(conn);
		if (conn->timer == HTTP_CONN_TIMER_IDLE)
			http_conn_close(conn);
	}
	if (http_server_is_empty(server))
		event_active(&server->resume_event, EV_TIMEOUT, 0);
}

bool
http_server_is_empty(const struct http_server *server)
{
	return server->counters.connections_now == 0 && server->n_refusing == 0;
}

const struct http_counters *
http_server_counters(struct http_server *server)
{
	server->counters.buffered_bytes_now = server->pool.used_bytes;
	return &server->counters;
}
