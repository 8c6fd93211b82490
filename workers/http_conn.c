/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_conn - one client's connection: its life, its timeouts, its peer
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/http_conn.h"

#include "common/panic.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct http_conn *conn = arg;

	(void)fd;
	if ((what & EV_WRITE) != 0) {
		bool has_moved = http_conn_write_flush(conn);

		http_conn_update(conn, has_moved);
	}
	if ((what & EV_READ) != 0 && (conn->watched & EV_READ) != 0)
		http_conn_read_ready(conn);
}

static void
timer_set(struct http_conn *conn, enum http_conn_timer timer)
{
	struct http_server *server = conn->server;

	TAILQ_REMOVE(&server->timers[conn->timer], conn, timer_link);
	conn->timer = (uint8_t)timer;
	conn->timer_ms = server->now_ms;
	TAILQ_INSERT_TAIL(&server->timers[timer], conn, timer_link);
}

static void
watch(struct http_conn *conn, short wanted)
{
	if (wanted == conn->watched)
		return;
	if (conn->watched != 0)
		(void)event_del(&conn->event);
	conn->watched = 0;
	if (wanted == 0)
		return;
	(void)event_assign(&conn->event, conn->server->base, conn->fd,
	    (short)(wanted | EV_PERSIST), on_event, conn);
	if (event_add(&conn->event, NULL) == -1) {
		http_conn_close(conn);
		return;
	}
	conn->watched = wanted;
}

struct http_conn *
http_conn_open(struct http_server *server, int fd, uint32_t listener_id)
{
	struct http_conn *conn = TAILQ_FIRST(&server->timers[HTTP_CONN_TIMER_FREE]);

	if (conn != NULL)
		TAILQ_REMOVE(&server->timers[HTTP_CONN_TIMER_FREE], conn, timer_link);
	else if ((conn = malloc(sizeof *conn)) == NULL)
		return NULL;
	memset(conn, 0, sizeof *conn);
	conn->server = server;
	conn->fd = fd;
	conn->listener_id = listener_id;
	conn->is_fresh = true;
	conn->timer = HTTP_CONN_TIMER_HEAD;
	conn->timer_ms = server->now_ms;
	TAILQ_INSERT_TAIL(&server->timers[HTTP_CONN_TIMER_HEAD], conn, timer_link);
	return conn;
}

void
http_conn_close(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	if (conn->timer >= HTTP_CONN_TIMER_DEAD)
		return;
	watch(conn, 0);
	(void)close(conn->fd);
	conn->fd = -1;
	http_pool_release(&server->pool, &conn->in);
	http_pool_release(&server->pool, &conn->out);
	if (conn->is_resuming) {
		TAILQ_REMOVE(&server->resume, conn, work_link);
		conn->is_resuming = false;
	}
	if (conn->is_refused)
		server->n_refusing--;
	else
		server->counters.connections_now--;
	timer_set(conn, conn->n_held > 0 ? HTTP_CONN_TIMER_DEAD : HTTP_CONN_TIMER_FREE);
	if (server->is_draining && http_server_is_empty(server))
		event_active(&server->resume_event, EV_TIMEOUT, 0);
}

void
http_conn_recycle(struct http_conn *conn)
{
	timer_set(conn, HTTP_CONN_TIMER_FREE);
}

bool
http_conn_may_take(const struct http_conn *conn)
{
	const struct http_limits *limits = &conn->server->limits;

	/* Who waits for HTTP_WAIT_ALONE is asked nothing else meanwhile. */
	return !conn->is_closing && conn->n_held < limits->pipeline &&
	       http_conn_wait(conn) != HTTP_WAIT_ALONE &&
	    conn->end - conn->sent + conn->server->out.len < limits->pending_bytes;
}

/* ---- What is due now ------------------------------------------------------ */

/* The last answer has been sent.  Closing while the client still sends would
 * reset the connection and could destroy the answer on its way (RFC 9112
 * section 9.6): stop sending, read on for a while. */
static void
say_goodbye(struct http_conn *conn)
{
	if (!conn->may_have_more || conn->is_eof || shutdown(conn->fd, SHUT_WR) == -1) {
		http_conn_close(conn);
		return;
	}
	http_pool_release(&conn->server->pool, &conn->in);
	conn->is_lingering = true;
	timer_set(conn, HTTP_CONN_TIMER_LINGER);
	watch(conn, EV_READ);
}

static enum http_conn_timer
timer_due(const struct http_conn *conn, bool is_blocked)
{
	if (is_blocked)
		return HTTP_CONN_TIMER_WRITE;
	if (conn->is_closing || conn->is_eof || conn->is_paused)
		return HTTP_CONN_TIMER_NONE;
	if (conn->phase != HTTP_CONN_PHASE_HEAD)
		return HTTP_CONN_TIMER_BODY;
	if (conn->in.len > 0 || conn->is_fresh)
		return HTTP_CONN_TIMER_HEAD;
	return conn->n_held > 0 ? HTTP_CONN_TIMER_NONE : HTTP_CONN_TIMER_IDLE;
}

void
http_conn_update(struct http_conn *conn, bool has_moved)
{
	bool is_blocked, is_done;
	enum http_conn_timer timer;
	short wanted = 0;

	if (conn->timer >= HTTP_CONN_TIMER_DEAD || conn->is_lingering)
		return;
	is_done = conn->sent == conn->end && conn->n_held == 0;
	if (is_done && conn->is_closing) {
		say_goodbye(conn);
		return;
	}
	if (is_done && conn->is_eof) {
		http_conn_close(conn);
		return;
	}
	if (conn->is_paused && http_conn_may_take(conn)) {
		if (conn->in.len == 0) {
			conn->is_paused = false;
		} else if (!conn->is_resuming) {
			/* Not from here: a handler must not run inside a settle. */
			conn->is_resuming = true;
			TAILQ_INSERT_TAIL(&conn->server->resume, conn, work_link);
			event_active(&conn->server->resume_event, EV_TIMEOUT, 0);
		}
	}
	is_blocked = http_conn_write_limit(conn) > conn->sent;
	timer = timer_due(conn, is_blocked);
	if (timer == HTTP_CONN_TIMER_IDLE && conn->server->is_draining) {
		http_conn_close(conn);
		return;
	}
	if (has_moved || timer != conn->timer)
		timer_set(conn, timer);
	if (!conn->is_eof && !conn->is_closing && !conn->is_paused)
		wanted |= EV_READ;
	if (is_blocked)
		wanted |= EV_WRITE;
	watch(conn, wanted);
}

void
http_conn_expire(struct http_conn *conn)
{
	struct http_counters *counters = &conn->server->counters;
	enum http_code code = HTTP_CODE_HEADER_TIMEOUT;

	switch ((enum http_conn_timer)conn->timer) {
	case HTTP_CONN_TIMER_HEAD:
		counters->timeouts_header++;
		break;
	case HTTP_CONN_TIMER_BODY:
		counters->timeouts_body++;
		code = HTTP_CODE_BODY_TIMEOUT;
		break;
	case HTTP_CONN_TIMER_IDLE:
		counters->timeouts_idle++;
		break;
	case HTTP_CONN_TIMER_WRITE:
		counters->timeouts_write++;
		break;
	default:
		break;
	}
	/* A client that never began a request is not answered. */
	if ((conn->timer == HTTP_CONN_TIMER_HEAD && !conn->is_fresh) ||
	    conn->timer == HTTP_CONN_TIMER_BODY) {
		http_conn_read_refuse(conn, code);
		http_conn_write_commit(conn);
		http_conn_update(conn, true);
		return;
	}
	http_conn_close(conn);
}

/* ---- For handlers ---------------------------------------------------------- */

struct bytes
http_conn_peer(struct http_conn *conn)
{
	if (conn->peer_text_len == 0) {
		if (conn->peer_family != AF_INET && conn->peer_family != AF_INET6)
			(void)snprintf(conn->peer_text, sizeof conn->peer_text, "unix");
		else if (inet_ntop(conn->peer_family, conn->peer_addr, conn->peer_text,
			     sizeof conn->peer_text) == NULL)
			(void)snprintf(conn->peer_text, sizeof conn->peer_text, "unknown");
		conn->peer_text_len = (uint8_t)strlen(conn->peer_text);
	}
	return bytes_of(conn->peer_text, conn->peer_text_len);
}

uint16_t
http_conn_peer_port(const struct http_conn *conn)
{
	return conn->peer_port;
}

uint64_t *
http_conn_user(struct http_conn *conn)
{
	return &conn->user;
}
