/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_parts - what the files of the ClickHouse sink share
 *
 * DESCRIPTION
 *	clickhouse.c		the kind: start, take, flush, attempt, commands
 *	clickhouse_batch.c	rows of a batch, their order, its parts and its token
 *	clickhouse_again.c	a batch that a predecessor sent and did not finish
 *	clickhouse_send.c	what to do next, inserts and their answers, bad rows
 *	clickhouse_host.c	servers: which one, what it can, the table there
 *
 *	One batch gathers while another is in flight.  A batch is parts (one span
 *	of time each, ch->table->partition), a part is one insert unless rows of it are
 *	refused.  Rows stand in the buffer in the order they came and are sent in
 *	the order of (part, stream, position).
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None; see sink.h.
 */
#ifndef WORKERS_CLICKHOUSE_PARTS_H
#define WORKERS_CLICKHOUSE_PARTS_H

#include "workers/clickhouse_bisect.h"
#include "workers/clickhouse_descriptor.h"
#include "workers/clickhouse_error.h"
#include "workers/clickhouse_pack.h"
#include "workers/clickhouse_table.h"
#include "workers/curl_loop.h"
#include "workers/sink.h"

#define CLICKHOUSE_HOSTS_MAX  CONFIG_LIST_MAX
#define CLICKHOUSE_STAY_TRIES 3 /* with a server that may have what we sent */
#define CLICKHOUSE_ROW_MAX    (128u << 20)
#define CLICKHOUSE_ANSWER_MAX (512u * 1024)

struct clickhouse_row {
	uint64_t ticket, pos, end, seq;
	int64_t span;
	uint32_t stream, len;
	uint64_t off; /* in the batch's buffer */
	bool is_dead;
};

struct clickhouse_part {
	int64_t span;
	uint32_t from, to; /* of order[] */
};

struct clickhouse_batch {
	struct clickhouse_table *table; /* not owned */
	struct clickhouse_row *row;
	uint32_t *order; /* rows as they are sent */
	size_t rows, rows_max;
	uint8_t *buf;
	size_t len, size;
	struct clickhouse_part *part;
	uint32_t parts, parts_max, part_at;
	uint64_t token_lo, token_hi;
	bool is_replay;
	bool is_again;   /* of a predecessor */
	bool is_swallow; /* it had finished it: nothing is sent */
	uint32_t sent_inserts, bad_rows;
	uint64_t sealed_ns;
};

struct clickhouse_host {
	char url[CONFIG_LIST_TEXT];
	bool is_ready; /* probed, and the table fits */
	bool is_bad;   /* since its last failure, until bad_until_ns */
	uint64_t bad_until_ns;
	struct clickhouse_features has;
};

enum clickhouse_call {
	CLICKHOUSE_NO_CALL = 0,
	CLICKHOUSE_PROBE,
	CLICKHOUSE_CREATE_DATABASE,
	CLICKHOUSE_CREATE_TABLE,
	CLICKHOUSE_INSERT
};

/* A batch of a predecessor that goes again. */
struct clickhouse_again {
	bool is_on;
	struct clickhouse_descriptor what;
	struct clickhouse_table *table;
	size_t run_at; /* the run the next event may be in */
	uint32_t span_at;
	uint64_t rows_seen;  /* held by it and met again */
	unsigned idle_ticks; /* since the last event of it */
};

struct clickhouse {
	struct sink *s;
	struct curl_loop *loop;
	struct curl_slist *headers, *headers_gzip;
	char user[CONFIG_NAME_SIZE * 2], password[256];
	struct event *kick; /* go on after the cursors were published */

	struct clickhouse_table *table;
	struct clickhouse_batch batch[2];
	struct clickhouse_batch *gather;         /* never NULL */
	struct clickhouse_batch *sent;           /* NULL: nothing in flight */
	bool is_due;                             /* gather is to be sent */
	uint64_t finished_to[SINK_PART_STREAMS]; /* by the last batch of the stream; 0: none */

	struct clickhouse_descriptor_file file;
	struct clickhouse_descriptor descriptor;
	struct clickhouse_again again;

	struct clickhouse_host host[CLICKHOUSE_HOSTS_MAX];
	int hosts, at;
	unsigned stayed;    /* attempts at a server that may have the insert */
	unsigned failures;  /* of this insert, not for load */
	bool was_rechecked; /* the table was looked at for this batch */
	bool is_waiting;    /* told the skeleton it failed; attempt() ends it */

	enum clickhouse_call calling;
	struct curl_call *call;
	uint64_t called_ns;
	struct clickhouse_bisect bisect;
	bool has_bisect;
	struct bytes *piece;
	size_t pieces_max;
	struct bytes body; /* as it is sent */
	size_t body_len;   /* before packing */
	struct clickhouse_pack *pack;
	struct text_out url, query;
	char why[160];  /* of the last refusal */
	char told[256]; /* what was said of the table */
	uint64_t inserts, refused, again_batches;
};

/* clickhouse_batch.c */
void clickhouse_batch_init(struct clickhouse_batch *b, size_t rows_max);
void clickhouse_batch_clear(struct clickhouse_batch *b);
enum clickhouse_add { CLICKHOUSE_ADDED = 0, CLICKHOUSE_NO_ROOM, CLICKHOUSE_REFUSED };
/* limit: bytes of rows beyond which it is full, unless it is empty. */
enum clickhouse_add clickhouse_batch_add(struct clickhouse *ch, struct clickhouse_batch *b,
    const struct sink_event *e, size_t limit, struct rowbinary_fault *fault);
/* Order, parts, and the token from what it holds; fills d (but for serial and cursors). */
void clickhouse_batch_seal(
    struct clickhouse *ch, struct clickhouse_batch *b, struct clickhouse_descriptor *d);
/* Pieces of order[from, to) into ch->piece; how many, and their bytes. */
size_t clickhouse_batch_pieces(struct clickhouse *ch, const struct clickhouse_batch *b,
    uint32_t from, uint32_t to, size_t *len);

/* clickhouse_again.c */
void clickhouse_again_start(struct clickhouse *ch);
enum sink_take clickhouse_again_take(struct clickhouse *ch, const struct sink_event *e);
/* All of it has been met, or the rest of it never will be. */
bool clickhouse_again_is_complete(const struct clickhouse *ch);
/* The batch is sealed: did it become what it was? */
void clickhouse_again_sealed(struct clickhouse *ch, const struct clickhouse_batch *b);

/* clickhouse_send.c */
/* Whatever can be done now; may be called at any time but from take(). */
void clickhouse_send_go(struct clickhouse *ch);
/* Every answer comes here (curl_loop's done). */
void clickhouse_send_answered(void *ctx, const struct curl_reply *r);

/* clickhouse_host.c */
void clickhouse_host_start(struct clickhouse *ch);
/* True when the server at hand is ready; else a probe is under way or the skeleton was
 * told what is wrong. */
bool clickhouse_host_ready(struct clickhouse *ch);
void clickhouse_host_answered(struct clickhouse *ch, const struct curl_reply *r);
/* The one at hand failed: true when another one is worth trying at once. */
bool clickhouse_host_next(struct clickhouse *ch);
struct clickhouse_host *clickhouse_host_at(struct clickhouse *ch);
/* Send: url, body in ch->piece. */
bool clickhouse_host_send(struct clickhouse *ch, enum clickhouse_call what, const char *url,
    const struct bytes *piece, size_t pieces, struct curl_slist *headers);
/* What a failed answer says, in one line. */
const char *clickhouse_host_words(const struct curl_reply *r, char *buf, size_t size);
enum config_compression clickhouse_host_packing(const struct clickhouse *ch);

#endif
