/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_conn - one client's connection: the server's inside
 *
 * DESCRIPTION
 *	For the files http_server*.c, http_conn*.c and http_answer*.c only.
 *
 *	Output is a stream of bytes with free-running positions:
 *
 *		sent        first held answer     end
 *		 |  may leave   |  waits           |
 *		 [==============[==================)
 *
 *	out holds [sent, end) from out_off on.  While requests are being handled
 *	their answers collect in the server's scratch and join the stream
 *	(http_conn_write_commit()) when the read is done.
 *
 *	Each connection stands in exactly one list, that of the timeout it is
 *	under.  A class has one timeout, so its list is in order of expiry.
 *
 *	A closed connection stays in memory until its held answers have come up
 *	and is reused or freed afterwards, never while a callback may still hold it.
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_HTTP_CONN_H
#define WORKERS_HTTP_CONN_H

#include "common/http_chunk.h"
#include "common/http_pool.h"
#include "workers/http_server.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <sys/queue.h>

enum {
	/* What one receive may bring, and up to where an unfinished request is
	 * moved to the scratch to go on there. */
	HTTP_CONN_SCRATCH = 256 * 1024,
	HTTP_CONN_SMALL = 64 * 1024,
	HTTP_CONN_ID_LEN = 19,
	HTTP_CONN_REFUSING_MAX = 64,
};

enum http_conn_timer {
	HTTP_CONN_TIMER_NONE = 0, /* it waits for us */
	HTTP_CONN_TIMER_HEAD,
	HTTP_CONN_TIMER_BODY,
	HTTP_CONN_TIMER_IDLE,
	HTTP_CONN_TIMER_WRITE,
	HTTP_CONN_TIMER_LINGER,
	HTTP_CONN_TIMER_DEAD, /* closed, answers still in the queue */
	HTTP_CONN_TIMER_FREE, /* to be used again */
	HTTP_CONN_TIMER_COUNT
};

enum http_conn_phase { HTTP_CONN_PHASE_HEAD = 0, HTTP_CONN_PHASE_LENGTH, HTTP_CONN_PHASE_CHUNKED };

struct http_conn {
	struct event event;
	struct http_server *server;
	TAILQ_ENTRY(http_conn) timer_link;
	TAILQ_ENTRY(http_conn) work_link; /* settle's or resume's list */
	uint64_t timer_ms;
	uint64_t body_start_ms;
	int fd;
	uint32_t listener_id;
	uint8_t timer; /* enum http_conn_timer */
	uint8_t phase; /* enum http_conn_phase */
	short watched; /* EV_READ, EV_WRITE */

	bool is_fresh : 1;	   /* no byte came yet */
	bool is_paused : 1;	   /* reading stopped for pending answers */
	bool is_eof : 1;	   /* the client sends no more */
	bool is_closing : 1;	   /* the last answer is in the stream */
	bool may_have_more : 1;	   /* the client may still be sending: linger */
	bool is_lingering : 1;
	bool is_refused : 1;	   /* beyond the cap */
	bool is_working : 1;	   /* in settle's list */
	bool is_resuming : 1;	   /* in resume's list */

	/* The unfinished request: bytes, and where its reader is. */
	struct http_block in;
	struct http_mark mark;
	struct http_chunk chunk;
	uint32_t head_len;
	uint64_t body_len; /* announced, or decoded so far */
	uint64_t linger_bytes;

	struct http_block out;
	size_t out_off;
	uint64_t sent, end;
	uint64_t held_first, held_last; /* in the server's queue; 0: none */
	uint32_t n_held;

	uint16_t peer_port;
	uint8_t peer_family;
	uint8_t peer_addr[16];
	uint8_t peer_text_len;
	char peer_text[HTTP_SERVER_PEER_MAX];
	uint64_t user;
};
_Static_assert(sizeof(struct http_conn) <= 512, "a connection at rest is small");

TAILQ_HEAD(http_conn_list, http_conn);

/* One answer whose ticket is not known yet. */
struct http_held_answer {
	struct http_conn *conn;
	uint64_t ticket, tag;
	uint64_t start, end; /* in the connection's stream */
	uint64_t next;	     /* of the same connection; 0: none */
	uint32_t head_len;
	uint32_t id_off; /* of the request id in the head */
	uint16_t status;
	uint8_t id_len;
	bool must_close : 1;
	bool has_no_body : 1;
};

/* Held answers in ticket order, with free-running numbers.  Tickets and numbers carry
 * in their top bits what is waited for. */
struct http_held_queue {
	struct http_held_answer *at;
	uint64_t first, next, cap;
	uint64_t last_ticket, settled_ticket;
};

struct http_listener {
	struct event event;
	struct http_server *server;
	int fd;
	uint32_t id;
};

/* The request being answered. */
struct http_current {
	struct http_conn *conn;
	struct bytes request_id;
	bool is_head : 1;
	bool must_close : 1;
	bool is_rewrite : 1;
	bool is_open : 1; /* between begin and end */
	bool is_done : 1;
	bool is_refusal : 1; /* by the engine itself */
	/* Of the answer, as offsets in the scratch. */
	size_t start, body, length_off;
	uint32_t id_off;
	uint16_t status;
	uint64_t ticket, tag;
};

struct http_server {
	struct event_base *base;
	struct http_limits limits;
	const struct http_callbacks *callbacks;
	void *ctx;
	uint64_t now_ms;
	int64_t date_s;

	uint8_t *scratch; /* HTTP_CONN_SCRATCH + HTTP_POOL_PAD */
	struct http_out out;
	struct http_current current;
	struct http_head head;
	struct http_pool pool;
	struct http_counters counters;

	struct http_conn_list timers[HTTP_CONN_TIMER_COUNT];
	struct http_conn_list resume;
	struct event resume_event;

	struct http_listener *listeners[HTTP_SERVER_LISTENERS_MAX];
	uint32_t n_listeners;
	uint32_t n_refusing;
	uint64_t accept_again_ms; /* 0: accepting */
	bool is_draining;
	bool is_drained_told;

	struct http_held_queue held[HTTP_WAITS];

	char id[HTTP_CONN_ID_LEN + 1];
	char common[80]; /* "Server: .. Date: .. X-Request-Id: " */
	uint32_t common_len;
};

/* ---- http_conn.c */
/* NULL when there is no memory. */
struct http_conn *http_conn_open(struct http_server *server, int fd, uint32_t listener_id);
void http_conn_close(struct http_conn *conn);
/* A closed connection whose last held answer has come up. */
void http_conn_recycle(struct http_conn *conn);
/* After anything happened: close, linger, watch and time out as is due.
 * has_moved: bytes came or went, so the timeout starts anew. */
void http_conn_update(struct http_conn *conn, bool has_moved);
void http_conn_expire(struct http_conn *conn);
bool http_conn_may_take(const struct http_conn *conn);

/* ---- http_conn_read.c */
void http_conn_read_ready(struct http_conn *conn);
/* Go on with what was read before reading stopped. */
void http_conn_read_resume(struct http_conn *conn);
/* Answer `code` outside of any request and take nothing more from this client. */
void http_conn_read_refuse(struct http_conn *conn, enum http_code code);

/* ---- http_conn_write.c */
/* Append the scratch to the stream and send what may leave. */
void http_conn_write_commit(struct http_conn *conn);
/* Send what may leave; true if bytes went. */
bool http_conn_write_flush(struct http_conn *conn);
/* Where the bytes that may leave end. */
uint64_t http_conn_write_limit(const struct http_conn *conn);

/* ---- http_answer.c */
void http_answer_refuse(struct http_conn *conn, enum http_code code, struct bytes request_id,
    bool is_head);
/* Ours, when the client sent none: valid until the next call. */
struct bytes http_answer_new_id(struct http_server *server);

/* ---- http_server_held.c */
struct http_held_answer *http_server_held_at(const struct http_server *server, uint64_t number);
void http_server_held_add(struct http_server *server, const struct http_held_answer *answer);

/* ---- http_server_listen.c */
void http_server_listen_resume(struct http_server *server);
void http_server_listen_close(struct http_server *server);

#endif
