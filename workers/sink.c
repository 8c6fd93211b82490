/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink - the skeleton of every stage that delivers events elsewhere
 *
 * PROCESS
 *	Each sink.
 *
 * SHARED STATE
 *	Writes its own sink part; see sink.h.
 */
#include "workers/sink_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/page.h"
#include "shm/word.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECKPOINT_EVERY_NS CLOCK_NS_PER_S
#define TRIM_EVERY_NS       (10 * CLOCK_NS_PER_S)
/* A sink that lingers looks for more by itself: at least this often. */
#define LOOK_MIN_MS 1
#define LOOK_MAX_MS 25

static const struct sink_ops *const kinds[CONFIG_SINK_KINDS] = {
    [CONFIG_SINK_REDIS] = &redis_sink_ops,
    [CONFIG_SINK_REDIS_STREAM] = &redis_stream_sink_ops,
    [CONFIG_SINK_CLICKHOUSE] = &clickhouse_sink_ops,
    [CONFIG_SINK_KAFKA] = &kafka_sink_ops,
    [CONFIG_SINK_ROUTE] = &route_sink_ops,
};

static void
rights(const struct worker_job *job, struct region_rights *r)
{
	r->sink = (int)job->number;
}

static const struct config_sink *
find_config(const struct config *cfg, const char *name)
{
	for (int i = 0; i < cfg->sinks; i++)
		if (strcmp(cfg->sink[i].name, name) == 0)
			return &cfg->sink[i];
	PANIC("sink %s is not in the configuration", name);
}

/* The kind's own commands stand in `help` too. */
static void
add_help(struct worker *w, const char *help)
{
	static struct worker_ops own;

	if (help == NULL)
		return;
	own = *w->ops;
	own.help = xasprintf("%s%s", w->ops->help, help);
	w->ops = &own;
}

static struct sink *self; /* for the last line of one that cannot start */

/* Where people look for it: `sluicectl sink ls`, `errors`. */
static void
tell_why(const char *text)
{
	bool is_new;

	sink_text_store(&self->part->reason, text);
	(void)page_error(self->worker->page, text, clock_wall_ns(), &is_new);
}

static void
open_early(struct worker *w)
{
	struct sink *s = xcalloc(1, sizeof *s);
	const struct worker_env *env = w->env;

	w->stage = s;
	s->worker = w;
	s->index = (int)w->job->number;
	s->cfg = find_config(env->cfg, env->region->header->sink_name[s->index].name);
	s->ops = kinds[s->cfg->kind];
	add_help(w, s->ops->help);
	s->part = env->region->sink[s->index];
	memcpy(s->uuid, env->instance, sizeof s->uuid);
	(void)snprintf(s->instance, sizeof s->instance, "%02x%02x%02x%02x", s->uuid[0], s->uuid[1],
	    s->uuid[2], s->uuid[3]);
	breaker_init(&s->breaker, (uint64_t)s->cfg->retry_min_ms, (uint64_t)s->cfg->retry_max_ms,
	    (unsigned)s->cfg->breaker_failures, (uint64_t)s->cfg->breaker_open_ms);
	s->engine = xcalloc(1, sizeof *s->engine);
	self = s;
	fatal_tell(tell_why);
	s->engine->env = env;
	s->engine->region = env->region;
	s->engine->lock_fd = s->engine->log_dirfd = s->engine->lost_fd = -1;
	sink_state_open(s);
	if (s->ops->open_early != NULL)
		s->ops->open_early(s);
}

static void
on_bell(evutil_socket_t fd, short what, void *ctx)
{
	(void)what;
	sink_woke(ctx);
	bell_clear(fd);
}

static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	sink_woke(ctx);
}

/* Checked when the configuration was read: a fault here is ours. */
static struct match *
make_match(const struct config_sink *cfg)
{
	struct match *m = match_new();
	char why[256];

	for (int i = 0; i < cfg->event_type.n; i++)
		if (match_add_type(m, cfg->event_type.at[i], why, sizeof why) == -1)
			PANIC("match-type %s: %s", cfg->event_type.at[i], why);
	for (int i = 0; i < cfg->where.n; i++)
		if (match_add_where(m, cfg->where.at[i], why, sizeof why) == -1)
			PANIC("match %s: %s", cfg->where.at[i], why);
	if (match_is_all(m)) {
		match_free(m);
		return NULL;
	}
	return m;
}

static void
find_claimer(struct sink *s)
{
	const struct config *cfg = s->worker->env->cfg;
	struct sink_engine *e = s->engine;
	int claims = config_claim_sink(cfg), place;

	if (claims == -1 || s->ops->is_claimer)
		return;
	place = region_sink_find(e->region, cfg->sink[claims].name);
	if (place == -1)
		PANIC("sink %s has no place in the region", cfg->sink[claims].name);
	e->claimer = e->region->sink[place];
	e->late = late_reader_open(s->worker->env->state_dir, cfg->sink[claims].name);
	if (e->late == NULL)
		fatal("sinks/%s: the list of late duplicates cannot be read: %s",
		    cfg->sink[claims].name, strerror(errno));
}

static void
start(struct worker *w)
{
	struct sink *s = sink_of(w);
	struct sink_engine *e = s->engine;

	s->base = w->base;
	e->now_ns = clock_mono_ns();
	e->match = make_match(s->cfg);
	sink_window_init(&e->window, (uint64_t)s->cfg->in_flight);
	sink_state_start(s);
	e->bell = event_new(w->base, w->env->sink_bell[s->index], EV_READ | EV_PERSIST, on_bell, s);
	e->timer = event_new(w->base, -1, 0, on_timer, s);
	if (e->bell == NULL || e->timer == NULL || event_add(e->bell, NULL) == -1)
		fatal("cannot watch the doorbell: %s", strerror(errno));
	/* Of a predecessor: nobody else clears it. */
	bell_wake(&s->part->sleeping);
}

/* Until the journal says where the streams stand there is nothing to do; until the
 * kind is ready (sink_hold()) nothing to read. */
static bool
is_begun(struct sink *s)
{
	struct sink_engine *e = s->engine;

	if (!e->is_ready) {
		if (!sink_state_begin(s))
			return false;
		find_claimer(s);
		e->is_ready = true;
		s->ops->start(s);
		sink_trouble_show(s);
		worker_ready(s->worker);
	}
	if (s->is_held)
		return false;
	if (!e->is_reading) {
		sink_state_open_streams(s);
		e->is_reading = true;
	}
	return true;
}

/* Live events and replayed ones take turns of a batch each, with an empty window
 * between them. */
static bool
is_live_turn(struct sink *s)
{
	struct sink_engine *e = s->engine;
	bool wants_replay = sink_replay_wants(s);
	bool is_over = e->lane_fed >= (uint64_t)s->cfg->batch_events || sink_feed_is_idle(s);

	if (e->is_replaying && (!wants_replay || e->lane_fed >= (uint64_t)s->cfg->batch_events) &&
	    !e->has_kept && sink_window_is_empty(&e->window)) {
		e->is_replaying = false;
		e->lane_fed = 0;
	} else if (!e->is_replaying && wants_replay && is_over && !e->has_kept && e->n_again == 0 &&
		   !s->is_careful && sink_window_is_empty(&e->window)) {
		e->is_replaying = true;
		e->lane_fed = 0;
	}
	return !e->is_replaying;
}

static void
turn(struct worker *w)
{
	struct sink *s = sink_of(w);
	struct sink_engine *e = s->engine;

	e->now_ns = clock_mono_ns();
	word_store(&s->part->beat_ns, e->now_ns);
	if (e->is_stopped)
		return;
	if (!is_begun(s)) {
		/* Held: nothing is read, but what is in flight may end. */
		if (e->is_ready) {
			sink_publish(s);
			sink_trouble_due(s);
		}
		return;
	}
	sink_publish(s);
	sink_trouble_due(s);
	sink_feed_limits(s);
	e->has_more = false;
	if (!is_live_turn(s))
		sink_replay_feed(s);
	else if (!sink_replay_wants(s) || e->lane_fed < (uint64_t)s->cfg->batch_events)
		e->has_more = sink_feed(s);
	sink_feed_flush(s);
	sink_publish(s);
}

static uint64_t
least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Nanoseconds until something is due that no bell or socket tells. */
static uint64_t
next_due(struct sink *s)
{
	const struct sink_engine *e = s->engine;
	uint64_t now_ns = clock_mono_ns(), due = UINT64_MAX;
	uint64_t linger_ns = (uint64_t)s->cfg->linger_ms * CLOCK_NS_PER_MS;

	if (e->wants_attempt)
		due = least(due, breaker_wait_ns(&s->breaker, now_ns));
	if (e->unflushed > 0 && sink_may_send(s)) {
		uint64_t past = now_ns - e->unflushed_since_ns;

		due = least(due, past < linger_ns ? linger_ns - past : 0);
	}
	if (e->is_dead_unsynced && e->dead_retry_ns > now_ns)
		due = least(due, e->dead_retry_ns - now_ns);
	return least(due, sink_replay_wait_ns(s));
}

static void
wake_in(struct sink *s, uint64_t ns)
{
	struct timeval tv;

	if (ns >= WORKER_TICK_MS * CLOCK_NS_PER_MS)
		return; /* the tick comes first */
	ns = (ns / CLOCK_NS_PER_MS + 1) * CLOCK_NS_PER_MS;
	tv.tv_sec = 0;
	tv.tv_usec = (suseconds_t)(ns / 1000);
	(void)event_add(s->engine->timer, &tv);
}

static bool
may_sleep(struct worker *w)
{
	struct sink *s = sink_of(w);
	struct sink_engine *e = s->engine;
	uint64_t due, look_ms;

	if (!e->is_reading || e->is_stopped)
		return true;
	if (e->has_more || sink_window_front(&e->window) != NULL)
		return e->is_dead_unsynced && e->dead_retry_ns > clock_mono_ns();
	due = next_due(s);
	if (due == 0)
		return false;
	look_ms = (uint64_t)s->cfg->linger_ms / 8;
	look_ms = look_ms < LOOK_MIN_MS   ? LOOK_MIN_MS
		  : look_ms > LOOK_MAX_MS ? LOOK_MAX_MS
					  : look_ms;
	if (e->is_full || e->unflushed > 0) {
		/* A batch is being gathered, or nothing more is taken now: we look
		 * for ourselves, the journal need not ring for each commit. */
		bell_doze(&s->part->sleeping, LAYOUT_LINGERING);
		wake_in(s, e->is_full ? due : least(due, look_ms * CLOCK_NS_PER_MS));
		return true;
	}
	bell_doze(&s->part->sleeping, LAYOUT_ASLEEP);
	sink_feed_limits(s);
	if (!e->is_replaying && !s->is_held && sink_feed_may_take(s) && !sink_feed_is_idle(s)) {
		bell_wake(&s->part->sleeping);
		return false;
	}
	wake_in(s, due);
	return true;
}

static void
woke(struct worker *w)
{
	bell_wake(&sink_of(w)->part->sleeping);
}

static void
tick(struct worker *w, uint64_t mono_ns)
{
	struct sink *s = sink_of(w);
	struct sink_engine *e = s->engine;
	_Atomic uint64_t *c = s->part->counter;

	if (!e->is_ready)
		return;
	counters_set(c, counter_id(SINK, ring_frames), e->ring_base + e->source.ring_frames);
	counters_set(c, counter_id(SINK, log_frames), e->log_base + e->source.log_frames);
	counters_set(c, counter_id(SINK, to_log), e->to_log_base + e->source.to_log);
	word_store(&s->part->reading_log, e->source.is_log);
	if (e->window.newest_recv_ns != 0) {
		uint64_t now_ns = clock_wall_ns();

		counters_set(c, counter_id(SINK, delivery_ns),
		    now_ns > e->window.newest_recv_ns ? now_ns - e->window.newest_recv_ns : 0);
		e->window.newest_recv_ns = 0;
	}
	for (uint32_t i = 0; e->late != NULL && i < e->region->slots; i++)
		late_reader_forget(e->late, i, e->window.place[i].pos);
	if (e->late != NULL && mono_ns - e->trimmed_at_ns >= TRIM_EVERY_NS) {
		e->trimmed_at_ns = mono_ns;
		late_reader_trim(e->late);
	}
	sink_trouble_show(s);
	if (s->ops->tick != NULL)
		s->ops->tick(s, mono_ns);
	if (mono_ns - e->checkpoint_at_ns >= CHECKPOINT_EVERY_NS) {
		e->checkpoint_at_ns = mono_ns;
		(void)sink_state_checkpoint(s);
	}
}

static void
drain(struct worker *w)
{
	struct sink *s = sink_of(w);

	s->is_draining = true;
	s->engine->drain_until_ns =
	    clock_mono_ns() + (uint64_t)w->env->cfg->global.drain_time_ms * CLOCK_NS_PER_MS;
}

static bool
is_drained(struct sink *s)
{
	struct sink_engine *e = s->engine;

	if (!e->is_ready || !e->is_reading)
		return true;
	/* What waits for a destination in trouble waits in the log as well. */
	if (clock_mono_ns() >= e->drain_until_ns || e->wants_attempt || e->is_recovering)
		return true;
	sink_feed_limits(s);
	return sink_window_is_empty(&e->window) && sink_feed_is_idle(s);
}

static bool
is_done(struct worker *w)
{
	struct sink *s = sink_of(w);
	struct sink_engine *e = s->engine;

	if (e->is_stopped)
		return true;
	if (!is_drained(s))
		return false;
	e->is_stopped = true;
	if (e->is_ready) {
		if (s->ops->stop != NULL)
			s->ops->stop(s);
		sink_publish(s);
		(void)sink_state_checkpoint(s);
		counters_set(s->part->counter, counter_id(SINK, in_flight), 0);
		counters_set(s->part->counter, counter_id(SINK, in_flight_bytes), 0);
		word_store(&s->part->active, 0);
	}
	deadletter_writer_close(e->dead);
	return true;
}

/*------------------------------------------------------------ for the kinds */

void
sink_woke(struct sink *s)
{
	worker_woke(s->worker);
}

void
sink_hold(struct sink *s, bool hold)
{
	s->is_held = hold;
}

void
sink_again(struct sink *s, const struct sink_range *ranges, size_t n)
{
	struct sink_engine *e = s->engine;

	assert_that(!e->is_reading && e->again == NULL);
	e->again = xcalloc(n + 1, sizeof *e->again);
	memcpy(e->again, ranges, n * sizeof *ranges);
	e->n_again = n;
}

bool
sink_reread(struct sink *s, uint64_t ticket, struct sink_event *ev)
{
	struct sink_engine *e = s->engine;
	const struct sink_entry *entry = sink_window_entry(&e->window, ticket);

	*ev = (struct sink_event){.ticket = ticket};
	if (entry == NULL)
		return false;
	if ((entry->flags & SINK_ENTRY_REPLAY) != 0 && sink_replay_reread(s, entry, ev))
		return true;
	ev->frame = sink_source_reread(&e->source, entry->stream, entry->pos, &ev->h);
	if (ev->frame == NULL)
		return false;
	ev->body = frame_body(ev->frame, &ev->h);
	ev->end = entry->end;
	ev->is_replay = (entry->flags & SINK_ENTRY_REPLAY) != 0;
	return true;
}

struct sink_place
sink_place_of(const struct sink *s, uint32_t stream)
{
	return s->engine->window.place[stream];
}

uint64_t
sink_read_pos(const struct sink *s, uint32_t stream)
{
	return s->engine->source.stream[stream].pos;
}

const struct worker_ops sink_worker_ops = {
    .rights = rights,
    .open_early = open_early,
    .start = start,
    .round = turn,
    .may_sleep = may_sleep,
    .woke = woke,
    .tick = tick,
    .drain = drain,
    .is_done = is_done,
    .command = sink_command,
    .help = "show sink          cursors, outcomes, breaker, what is in flight\n"
	    "show streams       the same for each stream\n"
	    "breaker open|close|auto\n"
	    "replay ...         deliver events again: sluicectl replay\n",
};
