/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_again - a batch that a predecessor sent and did not finish
 *
 * DESCRIPTION
 *	Its events are read once more, made into rows by the encoder it began
 *	with, and sent with the token it had; a batch that it had finished is
 *	read and not sent.  What cannot become the same bytes (events that are
 *	gone, another version of the encoder) is sent with a token of its own,
 *	and the log says so: rows may then be there twice.
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_parts.h"

#include "common/log.h"
#include "common/panic.h"

#include <errno.h>
#include <stdlib.h>

#define IDLE_TICKS 50

/* Behind what its sink's cursors say already? */
static bool
is_passed(const struct sink *s, const struct clickhouse_descriptor *d)
{
	if (s->is_first_life)
		return false; /* cursors are from a checkpoint, and older than the batch */
	for (uint32_t i = 0; i < d->spans; i++)
		if (d->span[i].from < d->span[i].to &&
		    sink_place_of(s, d->span[i].stream).pos < d->span[i].to)
			return false;
	return true;
}

static bool
is_of_use(struct clickhouse *ch, const struct clickhouse_descriptor *d)
{
	if (memcmp(d->instance, ch->s->uuid, sizeof d->instance) != 0 || d->rows == 0)
		return false;
	if (is_passed(ch->s, d))
		return false;
	if (d->rows >= (uint64_t)ch->s->cfg->in_flight || ch->s->is_careful) {
		log_line(LOG_LEVEL_WARN,
		    "a batch of %llu rows was sent and not answered, and cannot go again as one: "
		    "rows of it may be there twice",
		    (unsigned long long)d->rows);
		return false;
	}
	return true;
}

/* From the cursor on: events that the sink did not want may stand before the first row. */
static uint64_t
begin_of(const struct sink *s, const struct clickhouse_span *span)
{
	uint64_t pos = sink_place_of(s, span->stream).pos;

	if (pos < span->done_pos)
		pos = span->done_pos;
	return pos < span->from ? pos : span->from;
}

void
clickhouse_again_start(struct clickhouse *ch)
{
	struct clickhouse_again *a = &ch->again;
	struct clickhouse_descriptor *d = &a->what;
	struct sink_range range[CLICKHOUSE_DESCRIPTOR_STREAMS];
	size_t n = 0;
	bool has_one = false;

	if (clickhouse_descriptor_open(&ch->file, ch->s->dirfd, d, &has_one) == -1)
		fatal("sinks/%s/batch: %s", ch->s->cfg->name, strerror(errno));
	if (!has_one || !is_of_use(ch, d))
		return;
	a->table = clickhouse_table_from_text(d->table, d->table_len);
	if (a->table == NULL) {
		log_line(LOG_LEVEL_WARN,
		    "the columns of an unfinished batch cannot be read: rows of "
		    "it may be there twice");
		return;
	}
	for (uint32_t i = 0; i < d->spans; i++)
		if (d->span[i].from < d->span[i].to)
			range[n++] = (struct sink_range){
			    d->span[i].stream, begin_of(ch->s, &d->span[i]), d->span[i].to};
	a->is_on = true;
	if (d->rows > ch->gather->rows_max) {
		free(ch->gather->row);
		free(ch->gather->order);
		free(ch->gather->buf);
		clickhouse_batch_init(ch->gather, d->rows);
	}
	ch->gather->table = a->table;
	ch->gather->is_again = true;
	ch->gather->is_swallow = d->is_finished;
	ch->again_batches++;
	log_line(LOG_LEVEL_NOTICE, "a batch of %llu rows was %s: %s", (unsigned long long)d->rows,
	    d->is_finished ? "answered and not yet counted" : "sent and not answered",
	    d->is_finished ? "it is counted now" : "it goes again");
	sink_again(ch->s, range, n);
}

/* Events come span by span, each in order. */
static bool
is_held(struct clickhouse_again *a, const struct sink_event *e)
{
	const struct clickhouse_descriptor *d = &a->what;
	const struct clickhouse_span *s = &d->span[a->span_at];

	while (a->span_at < d->spans && (s->stream != e->h.stream || s->from == s->to)) {
		s = &d->span[++a->span_at];
		if (a->span_at < d->spans)
			a->run_at = s->first_run;
	}
	if (a->span_at == d->spans)
		return false;
	if (a->run_at < s->first_run)
		a->run_at = s->first_run;
	while (a->run_at < s->first_run + s->runs && e->h.seq >= d->run[a->run_at].to)
		a->run_at++;
	return a->run_at < s->first_run + s->runs && e->h.seq >= d->run[a->run_at].from;
}

enum sink_take
clickhouse_again_take(struct clickhouse *ch, const struct sink_event *e)
{
	struct clickhouse_again *a = &ch->again;
	struct clickhouse_batch *b = ch->gather;
	struct rowbinary_fault fault = {0};
	bool is_in = a->is_on && is_held(a, e);
	size_t before = b->len;
	enum clickhouse_add added;

	if (!b->is_again)
		return SINK_FULL;
	a->idle_ticks = 0;
	added = clickhouse_batch_add(ch, b, e, SIZE_MAX, &fault);
	if (is_in)
		a->rows_seen++;
	if (added == CLICKHOUSE_REFUSED && (is_in || e->verdict == SINK_DELIVERED)) {
		/* It was refused then as it is now. */
		sink_refuse(ch->s, e, "data_error", "%s %s",
		    fault.column != NULL ? fault.column->from : "the event", fault.why);
		return SINK_REFUSED;
	}
	if (is_in && added == CLICKHOUSE_ADDED)
		return SINK_TAKEN;
	if (added == CLICKHOUSE_ADDED) {
		b->rows--;
		b->len = before;
	}
	sink_skip(ch->s, e->ticket);
	return SINK_TAKEN;
}

bool
clickhouse_again_is_complete(const struct clickhouse *ch)
{
	const struct clickhouse_again *a = &ch->again;
	const struct clickhouse_descriptor *d = &a->what;

	if (!a->is_on || a->rows_seen == d->rows)
		return true;
	/* Some events are gone: nothing has come for a while, and all was read. */
	if (a->idle_ticks < IDLE_TICKS)
		return false;
	for (uint32_t i = 0; i < d->spans; i++)
		if (sink_read_pos(ch->s, d->span[i].stream) < d->span[i].to)
			return false;
	return true;
}

void
clickhouse_again_sealed(struct clickhouse *ch, const struct clickhouse_batch *b)
{
	const struct clickhouse_descriptor *d = &ch->again.what;

	if (!b->is_swallow && (b->token_lo != d->token_lo || b->token_hi != d->token_hi))
		log_line(LOG_LEVEL_WARN,
		    "an unfinished batch of %llu rows has become another one of %zu: rows of it "
		    "may "
		    "be there twice",
		    (unsigned long long)d->rows, b->rows);
	ch->again.is_on = false;
}
