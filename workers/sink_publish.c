/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_publish - finished entries: dead letters, notices, cursors, bells
 *
 * DESCRIPTION
 *	The order is the promise: a dead letter is on the disk, then its notice
 *	is in shared memory, then the kind's own words, then the cursor, then
 *	whoever sleeps is woken.
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	Writes its own sink part.
 */
#include "workers/sink_parts.h"

#include "common/crashpoint.h"
#include "common/panic.h"
#include "shm/word.h"
#include "workers/sink_bell.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEAD_RETRY_NS (CLOCK_NS_PER_S)

/*------------------------------------------------------------ dead letters */

void
sink_publish_dead(struct sink *s, const struct sink_event *ev, unsigned attempts, const char *code,
    const char *text)
{
	struct sink_engine *e = s->engine;
	struct deadletter_info info = {.attempts = attempts,
	    .first_ns = ev->h.recv_ns,
	    .last_ns = clock_wall_ns(),
	    .stream = ev->h.stream,
	    .pos = ev->h.pos,
	    .seq = ev->h.seq,
	    .is_replay = ev->is_replay};

	(void)snprintf(info.stage, sizeof info.stage, "%s", s->cfg->name);
	(void)snprintf(info.code, sizeof info.code, "%s", code);
	(void)snprintf(info.text, sizeof info.text, "%s", text);
	/* The store holds it in memory until a disk takes it; without memory there
	 * is nothing left but to begin again from the cursor. */
	if (deadletter_writer_add(e->dead, &info, bytes_of(ev->frame, ev->h.frame_len)) == -1)
		fatal("a dead letter cannot be kept: %s", strerror(errno));
	e->is_dead_unsynced = true;
}

void
sink_dead(
    struct sink *s, uint64_t ticket, unsigned attempts, const char *code, const char *fmt, ...)
{
	const struct sink_entry *entry = sink_window_entry(&s->engine->window, ticket);
	char text[DEADLETTER_TEXT_SIZE];
	struct sink_event ev;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (entry != NULL && !sink_reread(s, ticket, &ev)) {
		/* Better a record without its bytes than none. */
		ev = (struct sink_event){
		    .h = {.stream = entry->stream, .pos = entry->pos, .recv_ns = entry->recv_ns},
		    .frame = (const uint8_t *)"",
		    .is_replay = (entry->flags & SINK_ENTRY_REPLAY) != 0};
	}
	if (entry != NULL)
		sink_publish_dead(s, &ev, attempts, code, text);
	sink_window_finish(&s->engine->window, ticket, SINK_DEAD);
	s->engine->is_full = false;
}

void
sink_refuse(struct sink *s, const struct sink_event *e, const char *code, const char *fmt, ...)
{
	char text[DEADLETTER_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	sink_publish_dead(s, e, 0, code, text);
}

/* False: the disk does not take them now; nothing behind may move. */
static bool
sync_dead(struct sink *s)
{
	struct sink_engine *e = s->engine;

	if (!e->is_dead_unsynced)
		return true;
	if (e->now_ns < e->dead_retry_ns)
		return false;
	worker_blocked(s->worker, "dead letter");
	if (deadletter_writer_sync(e->dead) == -1) {
		worker_unblocked(s->worker);
		worker_error(
		    s->worker, "dead letters cannot be kept: %s: waiting", strerror(errno));
		e->dead_retry_ns = e->now_ns + DEAD_RETRY_NS;
		return false;
	}
	worker_unblocked(s->worker);
	e->is_dead_unsynced = false;
	return true;
}

/*----------------------------------------------------------- finished, late */

void
sink_done(struct sink *s, uint64_t ticket, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++)
		sink_window_finish(&s->engine->window, ticket + i, SINK_DELIVERED);
	s->engine->is_full = false;
}

void
sink_late(struct sink *s, uint64_t ticket)
{
	sink_window_finish(&s->engine->window, ticket, SINK_LATE);
	s->engine->is_full = false;
}

void
sink_skip(struct sink *s, uint64_t ticket)
{
	const struct sink_entry *e = sink_window_entry(&s->engine->window, ticket);

	sink_window_finish(&s->engine->window, ticket,
	    e != NULL && (e->flags & SINK_ENTRY_LATE) != 0 ? SINK_LATE : SINK_SKIPPED);
	s->engine->is_full = false;
}

/*------------------------------------------------------------------ cursors */

/* Who asks later whether a twin of this was delivered must not hear yes. */
static void
note_bad(struct sink *s, const struct sink_entry *entry)
{
	bool is_lost = entry->outcome == SINK_EXPIRED || entry->outcome == SINK_CORRUPT;

	if ((entry->flags & SINK_ENTRY_REPLAY) != 0 || entry->count == 0 ||
	    (entry->outcome != SINK_DEAD && !is_lost))
		return;
	word_store(&s->part->bad_ns, clock_wall_ns());
	if (is_lost)
		sink_part_blur(s->part);
}

static bool
leave_finished(struct sink *s)
{
	struct sink_window *w = &s->engine->window;
	const struct sink_entry *entry;
	bool is_any = false;

	while ((entry = sink_window_front(w)) != NULL) {
		bool is_noted = (entry->flags & SINK_ENTRY_TICKET) != 0 &&
				(entry->flags & SINK_ENTRY_REPLAY) == 0 &&
				(entry->outcome == SINK_DEAD || entry->outcome == SINK_LATE);

		if (entry->outcome == SINK_DEAD && !sync_dead(s))
			break;
		note_bad(s, entry);
		if (is_noted)
			sink_part_notice(
			    s->part, entry->stream, entry->pos, (enum sink_outcome)entry->outcome);
		sink_window_leave(w);
		is_any = true;
	}
	return is_any;
}

static bool
store_cursors(struct sink *s)
{
	struct sink_window *w = &s->engine->window;
	bool is_moved = false;

	for (uint32_t k = 0; k < SINK_PART_STREAMS / 64; k++) {
		for (; w->moved[k] != 0; w->moved[k] &= w->moved[k] - 1) {
			uint32_t i = k * 64 + (uint32_t)__builtin_ctzll(w->moved[k]);

			sink_cursor_store(&s->part->stream[i].done, &w->place[i]);
			is_moved = true;
		}
	}
	return is_moved;
}

/* Answers may wait for us: for the verdict of the claiming sink, or for `delivered`. */
static void
ring(struct sink *s)
{
	const struct worker_env *env = s->worker->env;

	if (s->ops->is_claimer)
		sink_bell_ring(env, false);
	if (!s->ops->is_claimer && s->cfg->required == 0)
		return;
	for (uint32_t i = 0; i < env->region->slots; i++)
		(void)bell_ring(env->slot_bell[i], &env->region->slot[i]->sleeping, true);
}

/* One event at a time, until all that the dead one had read is behind us. */
static void
end_careful(struct sink *s)
{
	struct sink_engine *e = s->engine;

	word_store(&s->part->trial, 0);
	for (uint32_t i = 0; i < e->region->slots; i++)
		if (e->window.place[i].pos < e->careful_until[i])
			return;
	s->is_careful = false;
	word_store(&s->part->is_careful, 0);
}

void
sink_publish(struct sink *s)
{
	struct sink_engine *e = s->engine;
	_Atomic uint64_t *c = s->part->counter;
	bool is_any = leave_finished(s);

	if (is_any) {
		if (s->ops->before_publish != NULL)
			s->ops->before_publish(s);
		CRASHPOINT("sink-publishing");
		if (store_cursors(s)) {
			CRASHPOINT("sink-published");
			e->is_changed = true;
			ring(s);
		}
		sink_replay_account(s);
		e->is_full = false;
	}
	if (s->is_careful && sink_window_is_empty(&e->window))
		end_careful(s);
	/* An entry without a time is no event, or one that needs nobody. */
	word_store(&s->part->oldest_ns,
	    sink_window_is_empty(&e->window)
		? 0
		: e->window.entry[e->window.first & (e->window.size - 1)].recv_ns);
	counters_set(c, counter_id(SINK, in_flight), sink_window_in_flight(&e->window));
	counters_set(c, counter_id(SINK, in_flight_bytes), e->window.bytes);
}
