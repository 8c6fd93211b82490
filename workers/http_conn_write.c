/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_conn_write - from the answers to the socket
 *
 * DESCRIPTION
 *	What may leave at once goes from the scratch straight to the socket, in
 *	one send; only what is held or does not fit is copied.
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/http_conn.h"

#include <errno.h>
#include <sys/socket.h>

uint64_t
http_conn_write_limit(const struct http_conn *conn)
{
	const struct http_server *server = conn->server;

	if (conn->held_first == 0)
		return conn->end;
	return http_server_held_at(server, conn->held_first)->start;
}

/* Send; the bytes taken, 0 if none could be.  Closes on an error. */
static size_t
send_some(struct http_conn *conn, const uint8_t *ptr, size_t len)
{
	ssize_t n;

	do {
		n = send(conn->fd, ptr, len, MSG_NOSIGNAL);
	} while (n == -1 && errno == EINTR);
	conn->server->counters.writes++;
	if (n == -1) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			http_conn_close(conn);
		return 0;
	}
	conn->server->counters.bytes_out += (uint64_t)n;
	conn->sent += (uint64_t)n;
	return (size_t)n;
}

/* Keep bytes at the end of the stream's buffer. */
static void
stash(struct http_conn *conn, const uint8_t *ptr, size_t len)
{
	struct http_block *out = &conn->out;

	/* Moving less than half would be done again and again: grow instead. */
	if (out->len + len > out->cap && conn->out_off > out->len / 2) {
		memmove(out->ptr, out->ptr + conn->out_off, out->len - conn->out_off);
		out->len -= conn->out_off;
		conn->out_off = 0;
	}
	if (http_pool_reserve(&conn->server->pool, out,
		out->len + len <= out->cap || out->len == 0 ? out->len + len :
							      (out->len + len) * 2) == -1) {
		conn->server->counters.memory_refused++;
		http_conn_close(conn);
		return;
	}
	memcpy(out->ptr + out->len, ptr, len);
	out->len += len;
}

void
http_conn_write_commit(struct http_conn *conn)
{
	struct http_out *scratch = &conn->server->out;
	size_t len = scratch->len, taken = 0;
	uint64_t was_end = conn->end, limit;

	scratch->len = 0;
	if (len == 0 || conn->timer >= HTTP_CONN_TIMER_DEAD)
		return;
	conn->end += len;
	if (conn->out.ptr == NULL) {
		limit = http_conn_write_limit(conn);
		if (limit > was_end)
			taken = send_some(conn, scratch->ptr, (size_t)(limit - was_end));
		if (taken == len || conn->timer >= HTTP_CONN_TIMER_DEAD)
			return;
		stash(conn, scratch->ptr + taken, len - taken);
		return;
	}
	stash(conn, scratch->ptr, len);
	/* Behind a write that blocked there is nothing to try. */
	if (conn->timer < HTTP_CONN_TIMER_DEAD && (conn->watched & EV_WRITE) == 0)
		(void)http_conn_write_flush(conn);
}

bool
http_conn_write_flush(struct http_conn *conn)
{
	uint64_t limit = http_conn_write_limit(conn);
	size_t n;

	if (limit == conn->sent)
		return false;
	n = send_some(conn, conn->out.ptr + conn->out_off, (size_t)(limit - conn->sent));
	if (conn->timer >= HTTP_CONN_TIMER_DEAD)
		return false;
	conn->out_off += n;
	if (conn->sent == conn->end) {
		http_pool_release(&conn->server->pool, &conn->out);
		conn->out_off = 0;
	}
	return n > 0;
}
