/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ack_wait - answers that wait until the journal has what they promise
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	Reads tails, durable positions and sinks' parts; writes durable_wanted and
 *	delivered_wanted in its slot.
 */
#include "workers/ack_wait.h"

#include "common/clock.h"
#include "common/panic.h"
#include "shm/word.h"
#include "workers/http_answer.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64
#define FOUND_MAX  (2 * SINK_PART_NOTICES)
/* A claiming sink that has not turned its loop for so long decides nothing. */
#define STALE_NS (UINT64_C(400) * 1000 * 1000)
#define CLAIMER	 SINK_PART_MAX /* its place in `since` */

void
ack_sinks_init(struct ack_sinks *s, const struct config *cfg, const struct region *r)
{
	*s = (struct ack_sinks){ .window_ns = (uint64_t)cfg->dedup.window_ms * 1000000 };
	for (int i = 0; i < cfg->sinks; i++) {
		const struct config_sink *sink = &cfg->sink[i];
		int place = region_sink_find(r, sink->name);

		if (place == -1)
			PANIC("sink %s has no place in the region", sink->name);
		if (sink->kind == CONFIG_SINK_REDIS) {
			s->claimer = r->sink[place];
			s->verdict_ns = (uint64_t)sink->verdict_timeout_ms * 1000000;
		}
		if (sink->required != 0) {
			s->required[s->n] = r->sink[place];
			s->name[s->n++] = sink->name;
		}
	}
}

static void
make_tails(struct ack_wait *w, struct ack_group *group, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++) {
		group[i].tails = xcalloc(w->region->slots, sizeof *group[i].tails);
		group[i].since = xcalloc(SINK_PART_MAX + 1, sizeof *group[i].since);
	}
}

/* What is so now was so before the look-ups of the turn that begins. */
static void
note_forgotten(struct ack_wait *w)
{
	for (uint32_t i = 0; i < w->region->slots; i++)
		w->was_forgotten[i] =
		    word_load(&w->region->slot[i]->retired) == LAYOUT_RETIRED_FORGOTTEN;
}

/* What stands so now stood so before the events of the turn that begins. */
static void
note_turn(struct ack_wait *w, uint64_t own_tail)
{
	const struct ack_sinks *s = w->sinks;

	w->turn_pos = own_tail;
	if (s->claimer != NULL)
		w->turn_since[CLAIMER] = sink_part_notices(s->claimer);
	if (w->level == ACK_LEVEL_DELIVERED)
		for (int i = 0; i < s->n; i++)
			w->turn_since[i] = sink_part_notices(s->required[i]);
}

void
ack_wait_init(struct ack_wait *w, struct region *r, uint32_t slot, enum ack_level level,
    const struct ack_sinks *sinks, uint64_t timeout_ns, uint64_t delivered_timeout_ns)
{
	static const struct ack_sinks none;

	*w = (struct ack_wait){ .region = r,
		.slot = slot,
		.level = level,
		.sinks = sinks == NULL ? &none : sinks,
		.timeout_ns = timeout_ns,
		.delivered_timeout_ns = delivered_timeout_ns,
		.ticket = http_ticket((unsigned)level, 1) };
	w->size = FIRST_SIZE;
	w->group = xcalloc(w->size, sizeof *w->group);
	w->was_forgotten = xcalloc(r->slots, sizeof *w->was_forgotten);
	w->found = xcalloc(FOUND_MAX, sizeof *w->found);
	make_tails(w, w->group, 0, w->size);
	note_forgotten(w);
}

void
ack_wait_begin(struct ack_wait *w, uint64_t own_tail)
{
	note_turn(w, own_tail);
}

/*
 * Groups pile up only while the journal is slow, one a turn, so the ring grows
 * to the turns of one timeout at most.
 */
static void
grow(struct ack_wait *w)
{
	struct ack_group *bigger = xcalloc(w->size * 2, sizeof *bigger);

	for (uint64_t i = 0; i < w->size; i++)
		bigger[i] = w->group[(w->first + i) & (w->size - 1)];
	make_tails(w, bigger, w->size, w->size * 2);
	free(w->group);
	w->group = bigger;
	w->last -= w->first;
	w->first = 0;
	w->size *= 2;
}

uint64_t
ack_wait_join(struct ack_wait *w, uint64_t events, bool has_duplicate)
{
	w->is_open = true;
	w->has_duplicate |= has_duplicate;
	w->open_events += events;
	return w->ticket;
}

/*
 * Where a stream stands, noted after the duplicates were found: so it is at the
 * twin's end or beyond, never before.  0 when all of it is durable already.
 */
static uint64_t
tail_to_wait_for(const struct ack_wait *w, uint32_t i)
{
	uint64_t tail;

	if (counters_get(w->region->slot[i]->counter, counter_id(STREAM, takeovers)) == 0)
		return 0;
	tail = cursor_pos(&w->region->slot[i]->ring.tail);
	if ((int64_t)(cursor_pos(&w->region->journal->stream[i].durable) - tail) < 0)
		return w->was_forgotten[i] ? 0 : tail;
	return word_load(&w->region->journal->stream[i].retired) == 0 || w->was_forgotten[i]
	    ? 0
	    : tail;
}

bool
ack_wait_close(struct ack_wait *w, uint64_t own_tail, uint64_t now_ns)
{
	struct slot_page *slot = w->region->slot[w->slot];
	struct ack_group *g;

	if (!w->is_open) {
		note_forgotten(w);
		note_turn(w, own_tail);
		return false;
	}
	if (w->last - w->first == w->size)
		grow(w);
	g = &w->group[w->last & (w->size - 1)];
	g->ticket = w->ticket;
	g->deadline_ns = now_ns + w->timeout_ns;
	g->delivered_deadline_ns = now_ns + w->delivered_timeout_ns;
	g->events = w->open_events;
	g->from_pos = w->turn_pos;
	g->own_pos = own_tail;
	g->durable_ns = 0;
	g->is_missed = false;
	g->waits_for_all = w->has_duplicate;
	for (uint32_t i = 0; w->has_duplicate && i < w->region->slots; i++)
		g->tails[i] = tail_to_wait_for(w, i);
	memcpy(g->since, w->turn_since, sizeof w->turn_since);
	w->last++;
	w->ticket++;
	w->is_open = false;
	w->has_duplicate = false;
	w->open_events = 0;
	note_forgotten(w);
	note_turn(w, own_tail);
	word_store(&slot->durable_wanted, own_tail);
	if (w->level == ACK_LEVEL_DELIVERED)
		word_store(&slot->delivered_wanted, own_tail);
	return true;
}

/*---------------------------------------------------------------- progress */

enum progress { PROGRESS_WAITS, PROGRESS_DURABLE, PROGRESS_REACHED, PROGRESS_LOST };

static enum progress
stream_progress(const struct journal_stream *stream, uint64_t pos)
{
	if ((int64_t)(cursor_pos(&stream->durable) - pos) < 0)
		return PROGRESS_WAITS;
	/* Read after the position (acquire): the mark was set before it moved. */
	return word_load(&stream->retired) == 0 ? PROGRESS_DURABLE : PROGRESS_LOST;
}

static enum progress
log_progress(const struct ack_wait *w, const struct ack_group *g)
{
	const struct journal_stream *stream = w->region->journal->stream;
	enum progress all = stream_progress(&stream[w->slot], g->own_pos);

	for (uint32_t i = 0; g->waits_for_all && i < w->region->slots; i++) {
		enum progress one =
		    g->tails[i] == 0 ? PROGRESS_DURABLE : stream_progress(&stream[i], g->tails[i]);

		if (one == PROGRESS_LOST || all == PROGRESS_LOST)
			return PROGRESS_LOST;
		if (one == PROGRESS_WAITS)
			all = PROGRESS_WAITS;
	}
	return all;
}

static bool
has_passed(const struct ack_wait *w, const struct ack_group *g, const struct sink_part *p)
{
	if (word_load(&p->ready_generation) != w->region->header->generation ||
	    sink_cursor_pos(&p->stream[w->slot].done) < g->own_pos)
		return false;
	for (uint32_t i = 0; g->waits_for_all && i < w->region->slots; i++)
		if (g->tails[i] != 0 && sink_cursor_pos(&p->stream[i].done) < g->tails[i])
			return false;
	return true;
}

/* The claiming sink has decided, or is not worth waiting for. */
static bool
has_verdict(const struct ack_wait *w, struct ack_group *g, uint64_t now_ns)
{
	const struct sink_part *c = w->sinks->claimer;
	uint64_t beat_ns;

	if (c == NULL || g->own_pos == g->from_pos ||
	    (word_load(&c->ready_generation) == w->region->header->generation &&
		sink_cursor_pos(&c->stream[w->slot].done) >= g->own_pos))
		return true;
	beat_ns = word_load(&c->beat_ns);
	g->is_missed = word_load(&c->breaker) != SINK_BREAKER_CLOSED ||
	    (now_ns > beat_ns && now_ns - beat_ns > STALE_NS) ||
	    now_ns - g->durable_ns >= w->sinks->verdict_ns;
	return g->is_missed;
}

static enum progress
progress(const struct ack_wait *w, struct ack_group *g, uint64_t now_ns)
{
	enum progress p = log_progress(w, g);

	if (p != PROGRESS_DURABLE)
		return p;
	if (g->durable_ns == 0)
		g->durable_ns = now_ns;
	if (w->level == ACK_LEVEL_DURABLE)
		return has_verdict(w, g, now_ns) ? PROGRESS_REACHED : PROGRESS_DURABLE;
	for (int i = 0; i < w->sinks->n; i++)
		if (!has_passed(w, g, w->sinks->required[i]))
			return PROGRESS_DURABLE;
	return PROGRESS_REACHED;
}

/*------------------------------------------------------ late and dead ones */

/* Notices about our events; false: nothing was said.  *is_sure: all are known. */
static bool
collect(const struct ack_wait *w, const struct sink_part *p, uint64_t since, int sink,
    const struct ack_group *g, size_t *n, bool *is_sure)
{
	size_t more = 0, room = FOUND_MAX - *n;

	if (sink_part_notices(p) == since)
		return false;
	if (!sink_part_collect(p, since, w->slot, g->from_pos, g->own_pos, w->found + *n, room,
		&more) ||
	    more > room) {
		*is_sure = false;
		more = more > room ? room : more;
	}
	for (size_t i = 0; i < more; i++)
		w->found[*n + i].sink = sink;
	*n += more;
	return more > 0;
}

static int
by_pos(const void *a, const void *b)
{
	const struct sink_found *x = a, *y = b;

	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

/* May a duplicate's twin be one that a required sink refused or never got?  Then
 * nobody here can say that it was delivered. */
static bool
may_be_bad(const struct ack_sinks *s)
{
	uint64_t now_ns = clock_wall_ns();

	for (int i = 0; i < s->n; i++) {
		uint64_t bad_ns = word_load(&s->required[i]->bad_ns);

		if (bad_ns != 0 && (now_ns < bad_ns || now_ns - bad_ns <= s->window_ns))
			return true;
	}
	return false;
}

static size_t
find_all(const struct ack_wait *w, const struct ack_group *g, bool *is_sure)
{
	const struct ack_sinks *s = w->sinks;
	size_t n = 0;

	*is_sure = true;
	if (s->claimer != NULL) {
		bool is_known = true;

		/* At durable unknown is treated as accepted: the event is kept here as
		 * well.  A late duplicate is never delivered by us. */
		(void)collect(w, s->claimer, g->since[CLAIMER], -1, g, &n, &is_known);
		*is_sure = is_known || w->level != ACK_LEVEL_DELIVERED;
	}
	if (w->level == ACK_LEVEL_DELIVERED && g->waits_for_all && may_be_bad(s))
		*is_sure = false;
	if (w->level == ACK_LEVEL_DELIVERED)
		for (int i = 0; i < s->n; i++)
			(void)collect(w, s->required[i], g->since[i], i, g, &n, is_sure);
	return n;
}

uint64_t
ack_wait_reached(struct ack_wait *w, uint64_t now_ns)
{
	uint64_t ticket = 0;

	while (w->first != w->last) {
		struct ack_group *g = &w->group[w->first & (w->size - 1)];
		bool is_sure;

		if (progress(w, g, now_ns) != PROGRESS_REACHED)
			break;
		if (find_all(w, g, &is_sure) != 0 || !is_sure)
			break;
		if (g->is_missed)
			w->missed += g->events;
		ticket = g->ticket;
		w->first++;
	}
	return ticket;
}

enum ack_special
ack_wait_special(struct ack_wait *w, uint64_t now_ns, struct ack_group *out,
    struct ack_found *found)
{
	struct ack_group *g = &w->group[w->first & (w->size - 1)];
	enum progress p;
	bool is_sure;

	if (w->first == w->last)
		return ACK_SPECIAL_NONE;
	p = progress(w, g, now_ns);
	if (p != PROGRESS_REACHED &&
	    !(p == PROGRESS_DURABLE && w->level == ACK_LEVEL_DELIVERED &&
		now_ns >= g->delivered_deadline_ns))
		return ACK_SPECIAL_NONE;
	found->n = find_all(w, g, &is_sure);
	if (p == PROGRESS_REACHED && is_sure && found->n == 0)
		return ACK_SPECIAL_NONE;
	found->at = w->found;
	qsort(found->at, found->n, sizeof *found->at, by_pos);
	*out = *g;
	out->tails = out->since = NULL;
	w->first++;
	return p == PROGRESS_REACHED && is_sure ? ACK_SPECIAL_FOUND : ACK_SPECIAL_SHORT;
}

uint64_t
ack_wait_failed(struct ack_wait *w, uint64_t now_ns, bool all, uint64_t *events)
{
	uint64_t ticket = 0;

	*events = 0;
	while (w->first != w->last) {
		struct ack_group *g = &w->group[w->first & (w->size - 1)];
		enum progress p = progress(w, g, now_ns);

		if (p == PROGRESS_DURABLE || p == PROGRESS_REACHED ||
		    (p != PROGRESS_LOST && !all && g->deadline_ns > now_ns))
			break;
		ticket = g->ticket;
		*events += g->events;
		w->first++;
	}
	return ticket;
}

uint64_t
ack_wait_due(const struct ack_wait *w, uint64_t now_ns)
{
	const struct ack_group *g = &w->group[w->first & (w->size - 1)];
	uint64_t at;

	if (w->first == w->last || g->durable_ns == 0)
		return UINT64_MAX;
	if (w->level == ACK_LEVEL_DELIVERED)
		at = g->delivered_deadline_ns;
	else if (w->sinks->claimer != NULL)
		at = g->durable_ns + w->sinks->verdict_ns;
	else
		return UINT64_MAX;
	return at > now_ns ? at - now_ns : 0;
}
