/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	acceptor - the process that takes events over HTTP
 *
 * DESCRIPTION
 *	acceptor_http_ops is the stage; struct acceptor is shared by its files:
 *
 *	acceptor.c	  the stage: start, turns of the loop, drain
 *	acceptor_http.c	  what each path answers
 *	acceptor_batch.c  a batch: split, decide each, one answer
 *	acceptor_rewrite.c  answers that turned out otherwise while they waited
 *	acceptor_receipt.c  what became of an event: asked of the deadletter stage
 *	ack_wait.c	  answers that wait for the journal and for sinks
 *
 * PROCESS
 *	http N.
 *
 * SHARED STATE
 *	Writes its slot's page, its ring, its claims in the dedup table.
 */
#ifndef WORKERS_ACCEPTOR_H
#define WORKERS_ACCEPTOR_H

#include "workers/ack_wait.h"
#include "workers/admit.h"
#include "workers/http_server.h"
#include "workers/text.h"
#include "workers/worker.h"

#define ACCEPTOR_ATTRS_MAX 2048

/* What an answer's tag says about it, for the rewrite of a failed wait. */
enum acceptor_tag { ACCEPTOR_TAG_SINGLE = 1, ACCEPTOR_TAG_BATCH, ACCEPTOR_TAG_RECEIPT };

enum acceptor_rewrite {
	ACCEPTOR_UNKNOWN = 0, /* not durable in time */
	ACCEPTOR_FOUND,	      /* some are late duplicates or dead letters */
	ACCEPTOR_SHORT,	      /* not delivered in time */
};

struct acceptor_relay;

struct acceptor {
	struct worker *worker;
	const struct config_listen *cfg;
	struct http_server *server;
	struct slot_owner slot;
	struct admit admit;
	struct ack_sinks sinks;
	struct ack_wait wait;	   /* for durable */
	struct ack_wait delivered; /* for delivered */
	struct event *due;	   /* when a wait is over that nobody rings for */
	/* Why answers are rewritten now, and what is known about their events. */
	enum acceptor_rewrite rewrite;
	struct ack_found found;
	struct acceptor_relay *relay; /* receipts */
	bool is_admitting;    /* the slot is ours and the journal is ready */
	bool has_given_up;    /* the slot is let go, or was found damaged: ends at once */
	bool is_set_aside;    /* the journal retired our stream: ends when all is answered */
	bool has_put;	      /* this turn put something */
	uint64_t started_ns;  /* wall clock */
	uint64_t sweep_step;  /* buckets of the dedup table a tick */
	struct bytes *slices; /* cfg->max_batch */
	char receipt_prefix[32]; /* "instance:stream:" */
	size_t receipt_prefix_len;
	uint8_t attrs[ACCEPTOR_ATTRS_MAX];
};

extern const struct worker_ops acceptor_http_ops;

/* The path's answer; the HTTP engine's request callback. */
void acceptor_http_request(void *ctx, struct http_conn *conn, const struct http_request *rq,
    struct bytes body);
void acceptor_http_rewrite(void *ctx, struct http_conn *conn, const struct http_held *held);

/* The waits's ticket for an answer at this level; *ack becomes what the connection can
 * wait for. */
uint64_t acceptor_http_join(struct acceptor *a, struct http_conn *conn, enum config_ack *ack,
    uint64_t events, bool has_duplicate);

/* The answer again, with what was found while it waited. */
void acceptor_rewrite_found(struct acceptor *a, struct http_conn *conn,
    const struct http_held *held);

/* GET /events/receipts/:receipt */
void acceptor_receipt(struct acceptor *a, struct http_conn *conn, const struct http_request *rq);
void acceptor_receipt_rewrite(struct acceptor *a, struct http_conn *conn,
    const struct http_held *held);
void acceptor_receipt_tick(struct acceptor *a, uint64_t mono_ns);

/* What all events of this request share; a->attrs is filled. */
struct admit_request acceptor_http_shared(struct acceptor *a, struct http_conn *conn,
    const struct http_request *rq);

/* A batch whose acknowledgement level is known. */
void acceptor_batch(struct acceptor *a, struct http_conn *conn, const struct http_request *rq,
    struct bytes body, enum config_ack ack);
/* The batch answer again, with every accepted and duplicate as unknown. */
void acceptor_batch_unknown(struct acceptor *a, struct http_conn *conn,
    const struct http_held *held);

#endif
