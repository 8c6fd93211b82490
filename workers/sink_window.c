/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_window - what is in flight, and how far the front of it is finished
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/sink_window.h"

#include "common/panic.h"

#include <stdlib.h>
#include <string.h>

void
sink_window_init(struct sink_window *w, uint64_t tickets)
{
	memset(w, 0, sizeof *w);
	/* As many again for what needs nobody and stands between. */
	for (w->size = 16; w->size < 2 * tickets; w->size *= 2)
		continue;
	w->entry = xcalloc(w->size, sizeof *w->entry);
	w->at = xcalloc(w->size, sizeof *w->at);
}

void
sink_window_free(struct sink_window *w)
{
	free(w->entry);
	free(w->at);
	w->entry = NULL;
	w->at = NULL;
}

bool
sink_window_has_room(const struct sink_window *w)
{
	return w->last - w->first < w->size;
}

static struct sink_entry *
append(struct sink_window *w)
{
	assert_that(sink_window_has_room(w));
	return &w->entry[w->last++ & (w->size - 1)];
}

void
sink_window_take(struct sink_window *w, uint32_t stream, uint64_t pos, uint64_t end, uint32_t bytes,
    uint64_t recv_ns, unsigned flags)
{
	w->at[w->next_ticket++ & (w->size - 1)] = w->last;
	*append(w) = (struct sink_entry){.pos = pos,
	    .end = end,
	    .recv_ns = recv_ns,
	    .stream = stream,
	    .count = 1,
	    .bytes = bytes,
	    .flags = (uint8_t)(SINK_ENTRY_TICKET | flags)};
	w->bytes += bytes;
}

void
sink_window_untake(struct sink_window *w)
{
	w->last--;
	w->next_ticket--;
	w->bytes -= w->entry[w->last & (w->size - 1)].bytes;
}

void
sink_window_pass(struct sink_window *w, uint32_t stream, uint64_t end, uint64_t count,
    enum sink_outcome outcome, unsigned flags)
{
	struct sink_entry *e;

	if (w->last != w->first) {
		e = &w->entry[(w->last - 1) & (w->size - 1)];
		if (e->stream == stream && e->flags == (SINK_ENTRY_DONE | flags) &&
		    (e->outcome == outcome || count == 0) &&
		    (uint64_t)e->count + count <= UINT32_MAX) {
			e->end = end;
			e->count += (uint32_t)count;
			return;
		}
	}
	/* Beyond 2^32 lost events in one piece the rest is told by the next. */
	do {
		uint64_t n = count > UINT32_MAX ? UINT32_MAX : count;

		*append(w) = (struct sink_entry){.end = end,
		    .stream = stream,
		    .count = (uint32_t)n,
		    .flags = (uint8_t)(SINK_ENTRY_DONE | flags),
		    .outcome = (uint8_t)outcome};
		count -= n;
	} while (count > 0 && sink_window_has_room(w));
}

struct sink_entry *
sink_window_entry(struct sink_window *w, uint64_t ticket)
{
	struct sink_entry *e;

	if (ticket - w->first_ticket >= w->next_ticket - w->first_ticket)
		return NULL;
	e = &w->entry[w->at[ticket & (w->size - 1)] & (w->size - 1)];
	return (e->flags & SINK_ENTRY_DONE) == 0 ? e : NULL;
}

void
sink_window_finish(struct sink_window *w, uint64_t ticket, enum sink_outcome outcome)
{
	struct sink_entry *e = sink_window_entry(w, ticket);

	if (e == NULL)
		PANIC("ticket %llu was finished twice or never given", (unsigned long long)ticket);
	e->flags |= SINK_ENTRY_DONE;
	e->outcome = (uint8_t)outcome;
}

const struct sink_entry *
sink_window_front(const struct sink_window *w)
{
	const struct sink_entry *e = &w->entry[w->first & (w->size - 1)];

	return w->first != w->last && (e->flags & SINK_ENTRY_DONE) != 0 ? e : NULL;
}

void
sink_window_leave(struct sink_window *w)
{
	const struct sink_entry *e = &w->entry[w->first++ & (w->size - 1)];
	struct sink_place *p = &w->place[e->stream];

	if ((e->flags & SINK_ENTRY_TICKET) != 0) {
		w->first_ticket++;
		w->bytes -= e->bytes;
		if (e->outcome == SINK_DELIVERED && e->recv_ns != 0)
			w->newest_recv_ns = e->recv_ns;
	}
	if ((e->flags & SINK_ENTRY_REPLAY) != 0) {
		w->replay[e->outcome] += e->count;
		return;
	}
	if (e->end > p->pos)
		p->pos = e->end;
	if ((e->flags & SINK_ENTRY_UNCOUNTED) == 0) {
		p->seq += e->count;
		p->outcome[e->outcome] += e->count;
	}
	w->moved[e->stream / 64] |= UINT64_C(1) << (e->stream % 64);
}
