/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_feed - from the source to the kind: match, late duplicates, careful mode
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	Writes read_pos and trial words of its own part; reads the journal's and the
 *	claiming sink's cursors.
 */
#include "workers/sink_parts.h"

#include "common/crashpoint.h"
#include "common/log.h"
#include "shm/word.h"

#include <errno.h>
#include <string.h>

#define FRAMES_A_TURN 2048

/*------------------------------------------------------------------ limits */

/* First the cursors, then how many entries the late list had when they were
 * published or later, then the entries. */
static bool
claimer_limits(struct sink_engine *e, uint64_t *limit)
{
	const struct sink_part *c = e->claimer;

	if (word_load(&c->ready_generation) != e->region->header->generation)
		return false;
	for (uint32_t i = 0; i < e->region->slots; i++)
		limit[i] = sink_cursor_pos(&c->stream[i].done);
	return e->late == NULL || late_reader_refresh(e->late, word_load(&c->late_count)) == 0;
}

void
sink_feed_limits(struct sink *s)
{
	struct sink_engine *e = s->engine;
	uint64_t limit[SINK_PART_STREAMS];

	if (e->n_again > e->again_at || s->is_held)
		return;
	if (e->claimer != NULL) {
		if (!claimer_limits(e, limit))
			return;
	} else {
		for (uint32_t i = 0; i < e->region->slots; i++)
			limit[i] = cursor_pos(&e->region->journal->stream[i].durable);
	}
	for (uint32_t i = 0; i < e->region->slots; i++)
		sink_source_limit(&e->source, i, limit[i]);
}

bool
sink_feed_is_idle(const struct sink *s)
{
	const struct sink_engine *e = s->engine;

	if (e->has_kept || e->n_again > e->again_at)
		return false;
	for (uint32_t i = 0; i < SINK_PART_STREAMS; i++)
		if (e->source.stream[i].is_used &&
		    e->source.stream[i].pos < e->source.stream[i].limit)
			return false;
	return true;
}

/*--------------------------------------------------------------- one event */

enum sink_take
sink_feed_offer(struct sink *s, struct sink_event *ev, unsigned flags)
{
	struct sink_engine *e = s->engine;
	enum sink_take taken;

	ev->ticket = e->window.next_ticket;
	/* The entry first: the kind may finish it at once. */
	sink_window_take(
	    &e->window, ev->h.stream, ev->h.pos, ev->end, ev->h.body_len, ev->h.recv_ns, flags);
	taken = s->ops->take(s, ev);
	switch (taken) {
	case SINK_TAKEN:
		if (e->unflushed++ == 0)
			e->unflushed_since_ns = e->now_ns;
		e->unflushed_bytes += ev->body.len;
		CRASHPOINT("sink-taken");
		break;
	case SINK_FULL:
		sink_window_untake(&e->window);
		e->is_full = true;
		break;
	case SINK_REFUSED:
		sink_window_finish(&e->window, ev->ticket, SINK_DEAD);
		break;
	}
	return taken;
}

static void
make_event(const struct sink_source_item *item, struct sink_event *ev)
{
	*ev = (struct sink_event){.h = item->h,
	    .frame = item->frame,
	    .body = frame_body(item->frame, &item->h),
	    .end = item->to};
}

static bool
is_wanted(struct sink *s, const struct sink_event *ev)
{
	return s->engine->match == NULL ||
	       match_event(s->engine->match, sink_event_value(ev, ev->h.event_type), ev->body);
}

static enum sink_outcome
verdict(struct sink *s, const struct sink_event *ev)
{
	const struct sink_engine *e = s->engine;

	if (e->late != NULL && late_reader_has(e->late, ev->h.stream, ev->h.pos))
		return SINK_LATE;
	return is_wanted(s, ev) ? SINK_DELIVERED : SINK_SKIPPED;
}

/* The frame that killed two of us: its last words are its reason. */
static void
set_aside(struct sink *s, struct sink_event *ev)
{
	struct sink_engine *e = s->engine;

	e->has_poison = false;
	ev->ticket = e->window.next_ticket;
	sink_window_take(&e->window, ev->h.stream, ev->h.pos, ev->end, ev->h.body_len, 0, 0);
	sink_publish_dead(s, ev, 2, "poison", e->last_words);
	sink_window_finish(&e->window, ev->ticket, SINK_DEAD);
	counters_add(s->part->counter, counter_id(SINK, poisoned), 1);
	log_line(LOG_LEVEL_ERR,
	    "an event is set aside, the sink died of it twice: stream=%u pos=%llu", ev->h.stream,
	    (unsigned long long)ev->h.pos);
}

/* False: it waits, and nothing behind it can be read. */
static bool
feed_frame(struct sink *s, const struct sink_source_item *item)
{
	struct sink_engine *e = s->engine;
	struct sink_part *part = s->part;
	bool is_again = e->n_again > e->again_at;
	struct sink_event ev;
	unsigned flags = 0;

	word_store(&part->stream[item->stream].read_pos, item->to);
	make_event(item, &ev);
	if (e->has_poison && e->poison_stream == item->stream && e->poison_pos == ev.h.pos) {
		set_aside(s, &ev);
		return true;
	}
	if (s->is_careful) {
		word_store(&part->trial_stream, item->stream);
		word_store(&part->trial_pos, ev.h.pos);
		word_store(&part->trial, 1);
	}
	CRASHPOINT_POISON(ev.body.ptr, ev.body.len);
	ev.verdict = verdict(s, &ev);
	if (is_again) {
		ev.is_again = true;
		flags = (ev.h.pos < e->window.place[item->stream].pos ? SINK_ENTRY_UNCOUNTED : 0) |
			(ev.verdict == SINK_LATE ? SINK_ENTRY_LATE : 0);
	} else if (ev.verdict != SINK_DELIVERED) {
		sink_window_pass(&e->window, item->stream, item->to, 1, ev.verdict, 0);
		return true;
	}
	if (sink_feed_offer(s, &ev, flags) == SINK_FULL) {
		e->kept = *item;
		e->has_kept = true;
		return false;
	}
	return true;
}

/*--------------------------------------------------- ranges that go again */

static void
end_again(struct sink *s)
{
	struct sink_engine *e = s->engine;

	for (size_t k = 0; k < e->n_again; k++) {
		const struct sink_range *r = &e->again[k];
		struct sink_source_stream *st = &e->source.stream[r->stream];
		struct sink_place *p = &e->window.place[r->stream];

		/* The cursor had passed a part of it: what we read ends at the
		 * greater of the two. */
		sink_source_begin(&e->source, r->stream, st->pos > p->pos ? st->pos : p->pos,
		    st->pos > p->pos ? st->seq : p->seq);
	}
	e->n_again = e->again_at = 0;
	sink_source_all(&e->source);
}

static enum sink_source_kind
next_again(struct sink *s, struct sink_source_item *item)
{
	struct sink_engine *e = s->engine;

	while (e->again_at < e->n_again) {
		const struct sink_range *r = &e->again[e->again_at];
		const struct sink_place *p = &e->window.place[r->stream];

		if (!e->has_begun_again) {
			sink_source_begin(&e->source, r->stream, r->from,
			    p->pos == r->from ? p->seq : SINK_SOURCE_ANY_SEQ);
			sink_source_only(&e->source, r->stream);
			e->has_begun_again = true;
		}
		sink_source_limit(&e->source, r->stream, r->to);
		switch (sink_source_next(&e->source, item)) {
		case SINK_SOURCE_END:
			if (e->source.stream[r->stream].pos < r->to)
				return SINK_SOURCE_END; /* the log's turn is over: again */
			e->again_at++;
			e->has_begun_again = false;
			break;
		default:
			return item->kind;
		}
	}
	end_again(s);
	return SINK_SOURCE_END;
}

/*----------------------------------------------------------------- a turn */

static enum sink_source_kind
next_item(struct sink *s, struct sink_source_item *item)
{
	struct sink_engine *e = s->engine;

	if (e->has_kept) {
		*item = e->kept;
		e->has_kept = false;
		return item->kind;
	}
	if (e->n_again > e->again_at)
		return next_again(s, item);
	return sink_source_next(&e->source, item);
}

bool
sink_feed_may_take(const struct sink *s)
{
	const struct sink_engine *e = s->engine;

	if (s->is_careful && !sink_window_is_empty(&e->window))
		return false;
	return !e->is_full && !e->is_stopped && sink_window_has_room(&e->window) &&
	       sink_window_in_flight(&e->window) < (uint64_t)s->cfg->in_flight;
}

bool
sink_feed(struct sink *s)
{
	struct sink_engine *e = s->engine;
	struct sink_source_item item;

	for (int n = 0; n < FRAMES_A_TURN; n++) {
		if (!sink_feed_may_take(s))
			return false;
		switch (next_item(s, &item)) {
		case SINK_SOURCE_END:
			return e->n_again > e->again_at;
		case SINK_SOURCE_ERROR:
			worker_error(s->worker, "the log cannot be read: %s", strerror(errno));
			return false;
		case SINK_SOURCE_FRAME:
			e->lane_fed++;
			if (!feed_frame(s, &item))
				return false;
			break;
		case SINK_SOURCE_LOST:
			sink_window_pass(
			    &e->window, item.stream, item.to, item.count, item.what, 0);
			sink_state_lost(s, &item);
			break;
		case SINK_SOURCE_CONTROL:
		case SINK_SOURCE_HOP:
			sink_window_pass(&e->window, item.stream, item.to, 0, SINK_SKIPPED, 0);
			break;
		}
		if (e->unflushed >= (uint64_t)s->cfg->batch_events)
			return true; /* a whole batch: send it before the next is begun */
	}
	return true;
}

void
sink_feed_flush(struct sink *s)
{
	struct sink_engine *e = s->engine;
	uint64_t linger_ns = (uint64_t)s->cfg->linger_ms * CLOCK_NS_PER_MS;

	if (e->unflushed == 0 || !sink_may_send(s))
		return;
	if (e->unflushed < (uint64_t)s->cfg->batch_events &&
	    e->unflushed_bytes < s->cfg->batch_bytes && !s->is_draining && !s->is_careful &&
	    !e->is_full && !e->is_replaying &&
	    sink_window_in_flight(&e->window) < (uint64_t)s->cfg->in_flight &&
	    e->now_ns - e->unflushed_since_ns < linger_ns)
		return;
	e->unflushed = 0;
	e->unflushed_bytes = 0;
	s->ops->flush(s);
}
