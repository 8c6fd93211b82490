/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_server_held - answers that wait for their ticket
 *
 * DESCRIPTION
 *	Tickets never decrease, so all held answers of the process stand in one
 *	queue in ticket order, and settling takes them off its front.  Those of
 *	one connection are linked, because the first of them is where its
 *	output stops.
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "common/panic.h"
#include "workers/http_conn.h"

#include <stdlib.h>

enum { HELD_MIN = 1024 };

#define NUMBER_MASK ((UINT64_C(1) << HTTP_WAIT_SHIFT) - 1)

struct http_held_answer *
http_server_held_at(const struct http_server *server, uint64_t number)
{
	const struct http_held_queue *q = &server->held[number >> HTTP_WAIT_SHIFT];

	return &q->at[number & NUMBER_MASK & (q->cap - 1)];
}

static void
queue_grow(struct http_held_queue *q)
{
	uint64_t cap = q->cap == 0 ? HELD_MIN : q->cap * 2, n;
	struct http_held_answer *held = calloc(cap, sizeof *held);

	if (held == NULL)
		fatal("no memory for %llu held answers", (unsigned long long)cap);
	for (n = q->first; n < q->next; n++)
		held[n & (cap - 1)] = q->at[n & (q->cap - 1)];
	free(q->at);
	q->at = held;
	q->cap = cap;
}

void
http_server_held_add(struct http_server *server, const struct http_held_answer *answer)
{
	struct http_conn *conn = answer->conn;
	unsigned wait = (unsigned)(answer->ticket >> HTTP_WAIT_SHIFT);
	struct http_held_queue *q = &server->held[wait];
	uint64_t number = http_ticket(wait, q->next);

	if (q->next - q->first == q->cap)
		queue_grow(q);
	q->next++;
	*http_server_held_at(server, number) = *answer;
	if (conn->n_held++ == 0)
		conn->held_first = number;
	else
		http_server_held_at(server, conn->held_last)->next = number;
	conn->held_last = number;
	server->counters.held++;
	server->counters.held_now++;
}

int
http_conn_wait(const struct http_conn *conn)
{
	return conn->n_held == 0 ? -1 : (int)(conn->held_last >> HTTP_WAIT_SHIFT);
}

/* Put the scratch in the place of bytes [start, end) of the stream. */
static int
splice(struct http_conn *conn, const struct http_held_answer *answer)
{
	struct http_server *server = conn->server;
	struct http_block *out = &conn->out;
	size_t at = conn->out_off + (size_t)(answer->start - conn->sent);
	size_t old = (size_t)(answer->end - answer->start), tail = out->len - at - old;
	size_t len = server->out.len;
	uint64_t number;

	if (http_pool_reserve(&server->pool, out, at + len + tail) == -1)
		return -1;
	memmove(out->ptr + at + len, out->ptr + at + old, tail);
	memcpy(out->ptr + at, server->out.ptr, len);
	out->len = at + len + tail;
	conn->end = conn->end + len - old;
	for (number = answer->next; number != 0;
	     number = http_server_held_at(server, number)->next) {
		http_server_held_at(server, number)->start += len - old;
		http_server_held_at(server, number)->end += len - old;
	}
	return 0;
}

static void
rewrite(const struct http_held_answer *answer)
{
	struct http_conn *conn = answer->conn;
	struct http_server *server = conn->server;
	const uint8_t *at = conn->out.ptr + conn->out_off + (answer->start - conn->sent);
	struct http_held held = {
		.ticket = answer->ticket,
		.tag = answer->tag,
		.status = answer->status,
		.body = bytes_of(at + answer->head_len,
		    (size_t)(answer->end - answer->start) - answer->head_len),
		.request_id = bytes_of(at + answer->id_off, answer->id_len),
	};

	server->out.len = 0;
	server->current = (struct http_current){
		.conn = conn,
		.request_id = held.request_id,
		.is_head = answer->has_no_body,
		.must_close = answer->must_close,
		.is_rewrite = true,
	};
	server->callbacks->rewrite(server->ctx, conn, &held);
	assert_that(server->current.is_done);
	server->current.conn = NULL;
	server->counters.rewritten++;
	if (splice(conn, answer) == -1) {
		server->counters.memory_refused++;
		http_conn_close(conn);
	}
	server->out.len = 0;
}

/* Take the first held answer off the queue; its connection joins the list. */
static void
release(struct http_server *server, struct http_held_queue *q, bool is_ok,
    struct http_conn_list *list)
{
	/* A copy: the queue may not move here, but rewriting is foreign code. */
	struct http_held_answer answer = q->at[q->first++ & (q->cap - 1)];
	struct http_conn *conn = answer.conn;

	server->counters.held_now--;
	if (conn->timer != HTTP_CONN_TIMER_DEAD && !is_ok)
		rewrite(&answer);
	conn->n_held--;
	conn->held_first = answer.next;
	if (conn->timer == HTTP_CONN_TIMER_DEAD) {
		server->counters.dropped++;
		if (conn->n_held == 0 && !conn->is_working)
			http_conn_recycle(conn);
		return;
	}
	if (!conn->is_working) {
		conn->is_working = true;
		/* A connection due to resume is in that list by the same link. */
		if (conn->is_resuming) {
			TAILQ_REMOVE(&server->resume, conn, work_link);
			conn->is_resuming = false;
		}
		TAILQ_INSERT_TAIL(list, conn, work_link);
	}
}

void
http_server_settle(struct http_server *server, uint64_t upto_ticket, bool is_ok)
{
	struct http_conn_list list = TAILQ_HEAD_INITIALIZER(list);
	struct http_held_queue *q = &server->held[upto_ticket >> HTTP_WAIT_SHIFT];
	struct http_conn *conn;
	bool has_moved;

	assert_that(server->current.conn == NULL);
	if (is_ok && upto_ticket > q->settled_ticket)
		q->settled_ticket = upto_ticket;
	while (q->first < q->next && q->at[q->first & (q->cap - 1)].ticket <= upto_ticket)
		release(server, q, is_ok, &list);
	while ((conn = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, conn, work_link);
		conn->is_working = false;
		if (conn->timer == HTTP_CONN_TIMER_DEAD) {
			if (conn->n_held == 0)
				http_conn_recycle(conn);
			continue;
		}
		has_moved = (conn->watched & EV_WRITE) == 0 && http_conn_write_flush(conn);
		http_conn_update(conn, has_moved);
	}
}

uint64_t
http_server_waiting(const struct http_server *server)
{
	const struct http_held_queue *q = &server->held[0];

	return q->first < q->next ? q->at[q->first & (q->cap - 1)].ticket : 0;
}
