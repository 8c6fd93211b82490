/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_send - what to do next, inserts and their answers, bad rows
 *
 * DESCRIPTION
 *	One call at a time.  clickhouse_send_go() looks at where things stand and
 *	does the next of: ask the server, seal the batch that is due, write its
 *	descriptor, insert the next range of rows.  Each answer ends in it again,
 *	or in the skeleton being told of a failure, until attempt().
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_parts.h"

#include "common/crashpoint.h"
#include "common/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORDS_SIZE 400

/*---- The batch that is due */

/* Where each stream stands that is not in the batch, and up to where all is finished. */
static void
note_cursors(struct clickhouse *ch, struct clickhouse_descriptor *d)
{
	bool is_in[SINK_PART_STREAMS] = {false};

	for (uint32_t i = 0; i < d->spans; i++) {
		struct clickhouse_span *s = &d->span[i];
		struct sink_place p = sink_place_of(ch->s, s->stream);

		is_in[s->stream] = true;
		if (p.pos < s->done_pos) {
			s->done_pos = p.pos;
			s->done_seq = p.seq;
		}
	}
	for (uint32_t i = 0; i < SINK_PART_STREAMS && d->spans < CLICKHOUSE_DESCRIPTOR_STREAMS;
	     i++) {
		struct sink_place p = sink_place_of(ch->s, i);
		struct clickhouse_span *s;

		if (is_in[i] || p.pos == 0)
			continue;
		s = clickhouse_descriptor_span(d, i);
		s->from = s->to = s->done_pos = p.pos;
		s->done_seq = p.seq;
	}
}

static bool
write_descriptor(struct clickhouse *ch, struct clickhouse_batch *b)
{
	struct clickhouse_descriptor *d = &ch->descriptor;
	int rc;

	if (b->is_replay)
		return true;
	note_cursors(ch, d);
	worker_blocked(ch->s->worker, "batch descriptor");
	rc = clickhouse_descriptor_write(&ch->file, d);
	worker_unblocked(ch->s->worker);
	if (rc == 0)
		return true;
	ch->is_waiting = true;
	sink_failed(ch->s, 0, "the batch's descriptor cannot be written, nothing is sent: %s",
	    strerror(errno));
	return false;
}

/* The gathering batch becomes the one in flight. */
static bool
seal(struct clickhouse *ch)
{
	struct clickhouse_batch *b = ch->gather;

	clickhouse_batch_seal(ch, b, &ch->descriptor);
	if (b->is_again)
		clickhouse_again_sealed(ch, b);
	if (!b->is_swallow && !write_descriptor(ch, b))
		return false;
	ch->sent = b;
	ch->gather = b == &ch->batch[0] ? &ch->batch[1] : &ch->batch[0];
	clickhouse_batch_clear(ch->gather);
	ch->gather->table = ch->table;
	ch->is_due = false;
	ch->has_bisect = false;
	ch->was_rechecked = false;
	return true;
}

/* Are the cursors past the batch before?  Only then does a new descriptor, which says that
 * all before it is finished, tell the truth of its dead letters too. */
static bool
is_published(const struct clickhouse *ch)
{
	for (uint32_t i = 0; i < SINK_PART_STREAMS; i++)
		if (ch->finished_to[i] != 0 && sink_place_of(ch->s, i).pos < ch->finished_to[i])
			return false;
	return true;
}

/* All of it is answered or set aside. */
static void
finish_batch(struct clickhouse *ch)
{
	struct clickhouse_batch *b = ch->sent;
	uint64_t first = 0, n = 0;

	if (!b->is_replay && !b->is_swallow && clickhouse_descriptor_finish(&ch->file) == -1)
		worker_error(ch->s->worker, "batch descriptor: %s", strerror(errno));
	ch->sent = NULL;
	for (size_t i = 0; i < b->rows; i++) {
		const struct clickhouse_row *row = &b->row[i];

		if (!b->is_replay)
			ch->finished_to[row->stream] = row->end;
		if (row->is_dead)
			continue;
		if (n > 0 && row->ticket == first + n) {
			n++;
			continue;
		}
		if (n > 0)
			sink_done(ch->s, first, n);
		first = row->ticket;
		n = 1;
	}
	if (n > 0)
		sink_done(ch->s, first, n);
	clickhouse_batch_clear(b);
	b->table = ch->table;
}

/*---- Inserts */

static void
add_settings(struct clickhouse *ch)
{
	const struct config_sink *cfg = ch->s->cfg;

	for (int i = 0; i < cfg->setting.n; i++) {
		const char *at = cfg->setting.at[i];
		size_t name = strcspn(at, " \t=");
		const char *value = at + name + strspn(at + name, " \t=");

		text_add(&ch->url, "&%.*s=", (int)name, at);
		clickhouse_table_url_encode(&ch->url, value);
	}
}

static void
make_url(struct clickhouse *ch, const struct clickhouse_range *r, enum config_compression how)
{
	const struct clickhouse_batch *b = ch->sent;
	const struct clickhouse_host *h = clickhouse_host_at(ch);
	const struct clickhouse_part *p = &b->part[b->part_at];

	ch->query.len = 0;
	clickhouse_table_insert(b->table, &ch->query);
	ch->url.len = 0;
	text_add(&ch->url, "%s/?query=", h->url);
	clickhouse_table_url_encode(&ch->url, ch->query.buf);
	add_settings(ch);
	if (h->has.has_async)
		text_add(&ch->url, "&async_insert=0");
	if (how == CONFIG_COMPRESSION_LZ4 || how == CONFIG_COMPRESSION_ZSTD)
		text_add(&ch->url,
		    "&decompress=1&http_native_compression_disable_checksumming_on_decompress=1");
	if (!h->has.has_token)
		return;
	text_add(&ch->url, "&insert_deduplication_token=%s-%s-%016llx%016llx-%u", ch->s->instance,
	    ch->s->cfg->name, (unsigned long long)b->token_hi, (unsigned long long)b->token_lo,
	    b->part_at);
	if (r->from != p->from || r->to != p->to)
		text_add(&ch->url, "-%u-%u", r->from, r->to);
}

static void
insert(struct clickhouse *ch, const struct clickhouse_range *r)
{
	enum config_compression how = clickhouse_host_packing(ch);
	size_t pieces = clickhouse_batch_pieces(ch, ch->sent, r->from, r->to, &ch->body_len);

	make_url(ch, r, how);
	ch->body = bytes_of(NULL, ch->body_len);
	if (how != CONFIG_COMPRESSION_NONE) {
		ch->body = clickhouse_pack(ch->pack, how, ch->piece, pieces);
		if (ch->body.ptr == NULL) {
			ch->is_waiting = true;
			sink_failed(ch->s, 0, "no memory to pack %zu bytes", ch->body_len);
			return;
		}
		ch->piece[0] = ch->body;
		pieces = 1;
	}
	if (clickhouse_host_send(ch, CLICKHOUSE_INSERT, ch->url.buf, ch->piece, pieces,
		how == CONFIG_COMPRESSION_GZIP ? ch->headers_gzip : ch->headers))
		CRASHPOINT("clickhouse-sent");
}

/* False: the batch is finished. */
static bool
next_range(struct clickhouse *ch, struct clickhouse_range *r)
{
	struct clickhouse_batch *b = ch->sent;

	while (b->part_at < b->parts) {
		if (!ch->has_bisect) {
			clickhouse_bisect_begin(
			    &ch->bisect, b->part[b->part_at].from, b->part[b->part_at].to);
			ch->has_bisect = true;
		}
		if (clickhouse_bisect_next(&ch->bisect, r))
			return true;
		ch->has_bisect = false;
		b->part_at++;
	}
	return false;
}

void
clickhouse_send_go(struct clickhouse *ch)
{
	struct clickhouse_range r;

	if (ch->call != NULL || ch->is_waiting)
		return;
	if (ch->sent == NULL) {
		if (!ch->is_due || ch->gather->rows == 0 || !sink_may_send(ch->s))
			return;
		if (ch->gather->is_again && !clickhouse_again_is_complete(ch))
			return;
		if (!is_published(ch))
			return;
	}
	if (ch->sent == NULL && ch->gather->is_swallow) {
		if (seal(ch))
			finish_batch(ch);
		return;
	}
	if (!clickhouse_host_ready(ch))
		return;
	if (ch->sent == NULL && !seal(ch))
		return;
	if (next_range(ch, &r))
		insert(ch, &r);
	else
		finish_batch(ch);
}

/*---- Answers */

static void
inserted(struct clickhouse *ch)
{
	struct clickhouse_range r = {0, 0};

	CRASHPOINT("clickhouse-answered");
	(void)clickhouse_bisect_next(&ch->bisect, &r);
	clickhouse_bisect_good(&ch->bisect);
	ch->inserts++;
	ch->sent->sent_inserts++;
	ch->stayed = ch->failures = 0;
	ch->host[ch->at].is_bad = false;
	sink_count_batch(ch->s, r.to - r.from, ch->body_len, ch->body.len);
	sink_succeeded(ch->s);
}

/* Rows of this range are refused: its halves, or its only row is dead.  Before the first row
 * is blamed the table is looked at: it may be another one by now. */
static void
refused(struct clickhouse *ch, const struct curl_reply *r)
{
	struct clickhouse_batch *b = ch->sent;
	struct clickhouse_range range = {0, 0};
	char words[WORDS_SIZE];

	(void)clickhouse_host_words(r, words, sizeof words);
	(void)snprintf(ch->why, sizeof ch->why, "%.150s", words);
	ch->refused++;
	(void)clickhouse_bisect_next(&ch->bisect, &range);
	if (!ch->was_rechecked) {
		ch->was_rechecked = true;
		ch->host[ch->at].is_ready = false;
		if (range.to - range.from == 1)
			return;
	}
	b->sent_inserts++;
	if (clickhouse_bisect_bad(&ch->bisect)) {
		struct clickhouse_row *row = &b->row[b->order[range.from]];

		row->is_dead = true;
		b->bad_rows++;
		sink_dead(ch->s, row->ticket, 1, "data_error", "%s", words);
	}
	sink_succeeded(ch->s); /* it answers */
}

static void
failed(struct clickhouse *ch, const struct curl_reply *r)
{
	struct clickhouse_host *h = clickhouse_host_at(ch);
	bool may_be_there =
	    ch->calling == CLICKHOUSE_INSERT && r->may_have_arrived && r->status == 0;
	char words[WORDS_SIZE];

	(void)clickhouse_host_words(r, words, sizeof words);
	h->is_ready = false;
	/* Its table may know the token by now; another server's does not, unless it is a
	 * replica. */
	if (may_be_there && ++ch->stayed < CLICKHOUSE_STAY_TRIES)
		goto told;
	if (ch->hosts > 1 && clickhouse_host_next(ch)) {
		worker_error(
		    ch->s->worker, "%s: %s: on to %s", h->url, words, ch->host[ch->at].url);
		return;
	}
told:
	ch->is_waiting = true;
	sink_failed(ch->s, r->retry_after_ms, "%s: %s%s", h->url, words,
	    may_be_there ? " (it may have arrived; the same goes again)" : "");
}

static void
handle(struct clickhouse *ch, const struct curl_reply *r)
{
	int code =
	    clickhouse_error_code(curl_loop_header(r, "X-ClickHouse-Exception-Code"), r->body);
	enum clickhouse_error what =
	    r->status == 0 ? CLICKHOUSE_ERROR_LOAD : clickhouse_error_of(r->status, code, r->body);
	char words[WORDS_SIZE];

	/* What nobody can name, for so long: then it is the rows. */
	if (what == CLICKHOUSE_ERROR_LOAD && ch->calling == CLICKHOUSE_INSERT && r->status >= 400 &&
	    ch->s->cfg->attempts > 0 && ++ch->failures >= (unsigned)ch->s->cfg->attempts)
		what = CLICKHOUSE_ERROR_DATA;
	if (what == CLICKHOUSE_ERROR_DATA && ch->calling != CLICKHOUSE_INSERT)
		what = CLICKHOUSE_ERROR_SETUP;
	switch (what) {
	case CLICKHOUSE_ERROR_NONE:
		if (ch->calling == CLICKHOUSE_INSERT)
			inserted(ch);
		else
			clickhouse_host_answered(ch, r);
		return;
	case CLICKHOUSE_ERROR_DATA:
		refused(ch, r);
		return;
	case CLICKHOUSE_ERROR_SETUP:
		clickhouse_host_at(ch)->is_ready = false;
		ch->is_waiting = true;
		sink_misconfigured(ch->s, "%s: %s", clickhouse_host_at(ch)->url,
		    clickhouse_host_words(r, words, sizeof words));
		return;
	case CLICKHOUSE_ERROR_LOAD:
		failed(ch, r);
		return;
	}
}

void
clickhouse_send_answered(void *ctx, const struct curl_reply *r)
{
	struct clickhouse *ch = ctx;
	enum clickhouse_call was = ch->calling;

	ch->call = NULL;
	handle(ch, r);
	if (ch->call != NULL) /* the next question is under way */
		return;
	ch->calling = CLICKHOUSE_NO_CALL;
	/* The server answers again, and nothing was in flight that could show it. */
	if (was != CLICKHOUSE_INSERT && !ch->is_waiting && ch->sent == NULL &&
	    clickhouse_host_at(ch)->is_ready)
		sink_succeeded(ch->s);
	clickhouse_send_go(ch);
}
