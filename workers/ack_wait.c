/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ack_wait - answers that wait until the journal has what they promise
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	Reads tails and durable positions; writes durable_wanted in its slot.
 */
#include "workers/ack_wait.h"

#include "common/panic.h"
#include "shm/word.h"

#include <stdlib.h>

#define FIRST_SIZE 64

static void
make_tails(struct ack_wait *w, struct ack_group *group, uint64_t from, uint64_t to)
{
	for (uint64_t i = from; i < to; i++)
		group[i].tails = xcalloc(w->region->slots, sizeof *group[i].tails);
}

/* What is so now was so before the look-ups of the turn that begins. */
static void
note_forgotten(struct ack_wait *w)
{
	for (uint32_t i = 0; i < w->region->slots; i++)
		w->was_forgotten[i] =
		    word_load(&w->region->slot[i]->retired) == LAYOUT_RETIRED_FORGOTTEN;
}

void
ack_wait_init(struct ack_wait *w, struct region *r, uint32_t slot, uint64_t timeout_ns)
{
	*w = (struct ack_wait){ .region = r, .slot = slot, .timeout_ns = timeout_ns, .ticket = 1 };
	w->size = FIRST_SIZE;
	w->group = xcalloc(w->size, sizeof *w->group);
	w->was_forgotten = xcalloc(r->slots, sizeof *w->was_forgotten);
	make_tails(w, w->group, 0, w->size);
	note_forgotten(w);
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
	struct ack_group *g;

	if (!w->is_open) {
		note_forgotten(w);
		return false;
	}
	if (w->last - w->first == w->size)
		grow(w);
	g = &w->group[w->last & (w->size - 1)];
	g->ticket = w->ticket;
	g->deadline_ns = now_ns + w->timeout_ns;
	g->events = w->open_events;
	g->own_pos = own_tail;
	g->waits_for_all = w->has_duplicate;
	for (uint32_t i = 0; w->has_duplicate && i < w->region->slots; i++)
		g->tails[i] = tail_to_wait_for(w, i);
	w->last++;
	w->ticket++;
	w->is_open = false;
	w->has_duplicate = false;
	w->open_events = 0;
	note_forgotten(w);
	word_store(&w->region->slot[w->slot]->durable_wanted, own_tail);
	return true;
}

enum progress { PROGRESS_WAITS, PROGRESS_DURABLE, PROGRESS_LOST };

static enum progress
stream_progress(const struct journal_stream *stream, uint64_t pos)
{
	if ((int64_t)(cursor_pos(&stream->durable) - pos) < 0)
		return PROGRESS_WAITS;
	/* Read after the position (acquire): the mark was set before it moved. */
	return word_load(&stream->retired) == 0 ? PROGRESS_DURABLE : PROGRESS_LOST;
}

static enum progress
group_progress(const struct ack_wait *w, const struct ack_group *g)
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

uint64_t
ack_wait_durable(struct ack_wait *w)
{
	uint64_t ticket = 0;

	while (w->first != w->last) {
		const struct ack_group *g = &w->group[w->first & (w->size - 1)];

		if (group_progress(w, g) != PROGRESS_DURABLE)
			break;
		ticket = g->ticket;
		w->first++;
	}
	return ticket;
}

uint64_t
ack_wait_failed(struct ack_wait *w, uint64_t now_ns, bool all, uint64_t *events)
{
	uint64_t ticket = 0;

	*events = 0;
	while (w->first != w->last) {
		const struct ack_group *g = &w->group[w->first & (w->size - 1)];

		if (!all && g->deadline_ns > now_ns && group_progress(w, g) != PROGRESS_LOST)
			break;
		ticket = g->ticket;
		*events += g->events;
		w->first++;
	}
	return ticket;
}
