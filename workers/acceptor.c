/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	acceptor - the process that takes events over HTTP
 *
 * DESCRIPTION
 *	The stage.  A turn of the loop reads from many connections, admits what
 *	they sent, and closes one group of waiting answers at its end; the next
 *	turn begins by letting go of the groups that have become durable.
 *
 *	Until the journal has said where the stream begins, every request for
 *	intake is answered 503 `starting`.
 *
 * PROCESS
 *	http N.
 *
 * SHARED STATE
 *	Writes its slot's page, its ring, its claims in the dedup table.
 */
#include "workers/acceptor.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/panic.h"
#include "shm/page.h"
#include "shm/word.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WARM_STEP (64u << 20) /* touched between two heartbeats */

static void
acceptor_rights(const struct worker_job *job, struct region_rights *rights)
{
	rights->slot = job->slot;
	rights->dedup = true;
}

static bool
is_told_to_stop(void *ctx)
{
	/* Nobody to ask yet: the signal handlers are not there, so SIGTERM
	 * simply ends us; only a dead supervisor must be noticed. */
	const struct worker *w = ctx;
	char byte;

	return read(w->env->lifeline_fd, &byte, 1) == 0;
}

static void
acceptor_open_early(struct worker *w)
{
	struct acceptor *a = xcalloc(1, sizeof *a);

	w->stage = a;
	a->worker = w;
	a->cfg = &w->env->cfg->listen[w->job->listen];
	slot_owner_lock(&a->slot, w->env->region, (uint32_t)w->job->slot, is_told_to_stop, w);
}

static struct http_limits
limits_of(const struct config_listen *cfg)
{
	struct http_limits l = HTTP_LIMITS_DEFAULT;

	l.line_bytes = (uint32_t)cfg->max_line_bytes;
	l.head_bytes = (uint32_t)cfg->max_header_bytes;
	l.fields = (uint32_t)cfg->max_headers;
	l.body_bytes = cfg->max_body_bytes;
	l.connections = (uint32_t)cfg->max_connections;
	l.pipeline = (uint32_t)cfg->max_pipeline;
	l.buffered_bytes = cfg->max_buffered_bytes;
	l.header_timeout_ms = (uint32_t)cfg->header_timeout_ms;
	l.body_timeout_ms = (uint32_t)cfg->body_timeout_ms;
	l.body_stall_ms = (uint32_t)cfg->body_timeout_ms;
	l.idle_timeout_ms = (uint32_t)cfg->idle_timeout_ms;
	l.write_timeout_ms = (uint32_t)cfg->write_timeout_ms;
	return l;
}

/* Callbacks come while `sleeping` may still be set. */
static void
on_batch_end(void *ctx)
{
	struct acceptor *a = ctx;

	worker_woke(a->worker);
}

static void
on_bell(evutil_socket_t fd, short what, void *ctx)
{
	struct acceptor *a = ctx;

	(void)what;
	worker_woke(a->worker);
	bell_clear(fd);
}

static const struct http_callbacks callbacks = {
	.request = acceptor_http_request,
	.rewrite = acceptor_http_rewrite,
	.batch_end = on_batch_end,
};

static void
prepare_admission(struct acceptor *a)
{
	const struct worker_env *env = a->worker->env;
	struct event_limits limits = { .body_max = a->cfg->max_event_bytes,
		.depth_max = (size_t)a->cfg->max_depth,
		.needs_id = env->cfg->dedup.key == CONFIG_DEDUP_KEY_ID };

	for (int i = 0; i < ADMIT_AHEAD; i++)
		a->admit.reader[i] = event_reader_new(&limits);
	a->admit.slot = &a->slot;
	a->admit.dedup_key = env->dedup_key;
	a->admit.key_kind = env->cfg->dedup.key == CONFIG_DEDUP_KEY_TUPLE ? EVENT_KEY_TUPLE
	    : env->cfg->dedup.key == CONFIG_DEDUP_KEY_ID		  ? EVENT_KEY_ID
									  : EVENT_KEY_AUTO;
	a->admit.keeps_invalid = env->cfg->deadletter.invalid != 0;
	a->admit.keep_max = a->cfg->max_event_bytes;
	a->slices = xcalloc((size_t)a->cfg->max_batch, sizeof *a->slices);
	a->receipt_prefix_len = (size_t)snprintf(a->receipt_prefix, sizeof a->receipt_prefix,
	    "%02x%02x%02x%02x:%d:", env->instance[0], env->instance[1], env->instance[2],
	    env->instance[3], a->worker->job->slot);
	a->sweep_step =
	    dedup_sweep_step(&env->region->dedup, WORKER_TICK_MS * CLOCK_NS_PER_MS);
}

/* Touch all that this process will write, so that no event waits for a page to
 * be found and cleared.  The bytes were allocated when the slot was taken; an
 * old kernel that cannot do it (before 5.14) finds them one by one later. */
static void
warm_up(struct worker *w, void *at, size_t len)
{
	for (size_t off = 0; off < len; off += WARM_STEP) {
		size_t left = len - off;

		if (madvise((uint8_t *)at + off, left < WARM_STEP ? left : WARM_STEP,
			MADV_POPULATE_WRITE) == -1)
			return;
		page_beat(w->page);
	}
}

static void
on_due(evutil_socket_t fd, short what, void *ctx)
{
	struct acceptor *a = ctx;

	(void)fd;
	(void)what;
	worker_woke(a->worker);
}

static void
prepare_waits(struct acceptor *a)
{
	struct worker *w = a->worker;
	uint64_t durable_ns = (uint64_t)a->cfg->durable_timeout_ms * CLOCK_NS_PER_MS;
	uint64_t delivered_ns = (uint64_t)a->cfg->delivered_timeout_ms * CLOCK_NS_PER_MS;

	ack_sinks_init(&a->sinks, w->env->cfg, w->env->region);
	ack_wait_init(&a->wait, w->env->region, (uint32_t)w->job->slot, ACK_LEVEL_DURABLE,
	    &a->sinks, durable_ns, 0);
	ack_wait_init(&a->delivered, w->env->region, (uint32_t)w->job->slot, ACK_LEVEL_DELIVERED,
	    &a->sinks, durable_ns, delivered_ns);
	a->due = event_new(w->base, -1, 0, on_due, a);
	if (a->due == NULL)
		fatal("cannot make a timer");
}

static void
acceptor_start(struct worker *w)
{
	const struct region *r = w->env->region;
	struct acceptor *a = w->stage;
	struct http_limits limits = limits_of(a->cfg);
	struct event *bell;

	a->started_ns = clock_wall_ns();
	warm_up(w, r->dedup.header, r->dedup_len);
	warm_up(w, r->ring_data[w->job->slot], 2 * r->ring_capacity);
	prepare_admission(a);
	prepare_waits(a);
	a->server = http_server_new(w->base, &limits, &callbacks, a);
	for (int i = 0; i < CONFIG_BIND_MAX; i++) {
		int fd = w->env->listen_fd[w->job->listen][i];

		if (fd != -1 &&
		    http_server_listen(a->server, fd, (uint32_t)w->job->listen) == -1)
			fatal("listen %s: cannot watch %s", a->cfg->name,
			    a->cfg->bind.at[i].text);
	}
	bell = event_new(w->base, w->env->slot_bell[w->job->slot], EV_READ | EV_PERSIST, on_bell,
	    a);
	if (bell == NULL || event_add(bell, NULL) == -1)
		fatal("cannot watch the doorbell");
}

/* Try to make the slot ours; until then clients hear `starting`. */
static void
take_slot(struct acceptor *a)
{
	struct worker *w = a->worker;

	switch (slot_owner_take(&a->slot, w->job->generation, (uint64_t)getpid())) {
	case SLOT_OWNER_NOT_READY:
		return;
	case SLOT_OWNER_DAMAGED:
		a->has_given_up = true;
		w->draining = true;
		return;
	case SLOT_OWNER_OK:
		break;
	}
	if (a->slot.was_unclean)
		log_line(LOG_LEVEL_NOTICE,
		    "stream taken over: slot=%d position=%llu interrupted=%llu claim=%s",
		    w->job->slot, (unsigned long long)a->slot.ring.tail,
		    (unsigned long long)a->slot.interrupted,
		    a->slot.recovered == DEDUP_SETTLED	    ? "settled"
			: a->slot.recovered == DEDUP_FREED ? "freed"
							   : "none");
	a->is_admitting = true;
	ack_wait_begin(&a->wait, a->slot.ring.tail);
	ack_wait_begin(&a->delivered, a->slot.ring.tail);
	bell_ring_anyway(w->env->journal_bell);
	worker_ready(w);
}

static bool
is_waiting(const struct ack_wait *w)
{
	return w->first != w->last;
}

static void
settle_special(struct acceptor *a, struct ack_wait *w, uint64_t now_ns)
{
	_Atomic uint64_t *c = a->slot.page->counter;
	enum ack_special special;
	struct ack_group g;
	uint64_t late = 0;

	while ((special = ack_wait_special(w, now_ns, &g, &a->found)) != ACK_SPECIAL_NONE) {
		for (size_t i = 0; i < a->found.n; i++)
			late += a->found.at[i].what == SINK_LATE;
		if (special == ACK_SPECIAL_SHORT)
			counters_add(c, counter_id(STREAM, delivered_short), g.events);
		a->rewrite = special == ACK_SPECIAL_SHORT ? ACCEPTOR_SHORT : ACCEPTOR_FOUND;
		http_server_settle(a->server, g.ticket, false);
	}
	a->rewrite = ACCEPTOR_UNKNOWN;
	if (late > 0)
		counters_add(c, counter_id(STREAM, late), late);
}

/* Let go of what has reached its level, and of what never will in time. */
static void
settle(struct acceptor *a, struct ack_wait *w)
{
	const struct journal_part *journal = a->worker->env->region->journal;
	_Atomic uint64_t *c = a->slot.page->counter;
	uint64_t ticket, events, now_ns;

	if (!is_waiting(w))
		return;
	now_ns = clock_mono_ns();
	do {
		ticket = ack_wait_reached(w, now_ns);
		if (ticket != 0)
			http_server_settle(a->server, ticket, true);
		settle_special(a, w, now_ns);
	} while (ticket != 0 && is_waiting(w));
	if (w->missed > 0) {
		counters_add(c, counter_id(STREAM, verdict_missed), w->missed);
		w->missed = 0;
	}
	if (!is_waiting(w)) {
		if (w->level == ACK_LEVEL_DELIVERED)
			word_store(&a->slot.page->delivered_wanted, 0);
		return;
	}
	ticket = ack_wait_failed(
	    w, now_ns, word_load(&journal->trouble) != LAYOUT_TROUBLE_NONE, &events);
	if (ticket != 0) {
		counters_add(c, counter_id(STREAM, unknown), events);
		http_server_settle(a->server, ticket, false);
	}
}

static void
settle_acks(struct acceptor *a)
{
	settle(a, &a->wait);
	settle(a, &a->delivered);
}

/* Tell the journal, if it sleeps and this is worth waking it for. */
static void
ring_journal(struct acceptor *a, bool somebody_waits)
{
	const struct worker_env *env = a->worker->env;
	bool urgent = somebody_waits;

	if (!urgent && a->has_put)
		urgent = ring_in_backlog(&a->slot.ring) >= a->slot.ring.ring.capacity / 4;
	if (somebody_waits || a->has_put)
		(void)bell_ring(env->journal_bell, &env->region->journal->sleeping, urgent);
	a->has_put = false;
}

static void
acceptor_round(struct worker *w)
{
	struct acceptor *a = w->stage;
	bool somebody_waits;

	if (!a->is_admitting) {
		if (!a->has_given_up && !a->is_set_aside)
			take_slot(a);
		return;
	}
	somebody_waits = ack_wait_close(&a->wait, a->slot.ring.tail, clock_mono_ns());
	somebody_waits |= ack_wait_close(&a->delivered, a->slot.ring.tail, clock_mono_ns());
	ring_journal(a, somebody_waits);
	settle_acks(a);
	if (word_load(&w->env->region->journal->stream[w->job->slot].retired) != 0 &&
	    !w->draining) {
		/* The journal found our ring damaged: another slot, another life. */
		slot_owner_retire(&a->slot);
		a->is_set_aside = true;
		a->is_admitting = false;
		w->draining = true;
		http_server_drain(a->server);
	}
}

/* Deadlines that come before the next tick. */
static void
wake_when_due(struct acceptor *a)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t due = ack_wait_due(&a->wait, now_ns), later = ack_wait_due(&a->delivered, now_ns);
	struct timeval tv = { 0, 0 };

	due = due < later ? due : later;
	if (due >= WORKER_TICK_MS * CLOCK_NS_PER_MS)
		return;
	tv.tv_usec = (suseconds_t)((due / CLOCK_NS_PER_MS + 1) * 1000);
	(void)event_add(a->due, &tv);
}

static bool
acceptor_may_sleep(struct worker *w)
{
	struct acceptor *a = w->stage;

	if (!is_waiting(&a->wait) && !is_waiting(&a->delivered))
		return true; /* nobody waits: the journal has nothing to ring for */
	bell_doze(&a->slot.page->sleeping, LAYOUT_ASLEEP);
	w->dozing = true;
	settle_acks(a);
	if (!is_waiting(&a->wait) && !is_waiting(&a->delivered))
		worker_woke(w);
	else
		wake_when_due(a);
	return true;
}

static void
acceptor_woke(struct worker *w)
{
	const struct acceptor *a = w->stage;

	bell_wake(&a->slot.page->sleeping);
}

/* Numbers that only this process knows go where everybody can read them. */
static void
copy_counters(struct acceptor *a)
{
	const struct http_counters *h = http_server_counters(a->server);
	_Atomic uint64_t *c = a->slot.page->counter;
	const struct dedup_stats *d = &a->slot.claimer.stats;
	static struct http_counters was;
	static struct dedup_stats was_d;

#define COPY(name, from) counters_add(c, counter_id(STREAM, name), h->from - was.from)
	COPY(accepted, accepted);
	COPY(refused, refused);
	COPY(requests, requests);
	COPY(answers_2xx, answers_2xx);
	COPY(answers_4xx, answers_4xx);
	COPY(answers_5xx, answers_5xx);
	COPY(bytes_in, bytes_in);
	COPY(bytes_out, bytes_out);
	COPY(bad_requests, parse_errors);
	COPY(timeouts, timeouts_header);
	COPY(timeouts, timeouts_body);
	COPY(timeouts, timeouts_idle);
	COPY(timeouts, timeouts_write);
#undef COPY
	counters_set(c, counter_id(STREAM, connections), h->connections_now);
	counters_set(c, counter_id(STREAM, acks_waiting), h->held_now);
	counters_set(c, counter_id(STREAM, buffered_bytes), h->buffered_bytes_now);
	counters_add(c, counter_id(STREAM, claims_waited), d->waits - was_d.waits);
	counters_add(c, counter_id(STREAM, evicted), d->evicted - was_d.evicted);
	if (d->evict_age_ticks != UINT64_MAX)
		word_store(&a->slot.page->effective_window_ms,
		    d->evict_age_ticks * a->slot.claimer.table.header->tick_ns / CLOCK_NS_PER_MS);
	was = *h;
	was_d = *d;
}

static void
acceptor_tick(struct worker *w, uint64_t mono_ns)
{
	struct acceptor *a = w->stage;

	http_server_tick(a->server, mono_ns / CLOCK_NS_PER_MS);
	acceptor_receipt_tick(a, mono_ns);
	if (!a->is_admitting)
		return;
	dedup_sweep(&a->slot.claimer, dedup_tick(&a->slot.claimer.table, clock_boot_ns()),
	    a->sweep_step);
	copy_counters(a);
}

static void
acceptor_drain(struct worker *w)
{
	struct acceptor *a = w->stage;

	http_server_drain(a->server);
}

static bool
acceptor_is_done(struct worker *w)
{
	struct acceptor *a = w->stage;

	if (a->has_given_up)
		return true;
	if (!http_server_is_empty(a->server) || !ack_wait_is_idle(&a->wait) ||
	    !ack_wait_is_idle(&a->delivered))
		return false;
	if (a->is_admitting) {
		copy_counters(a);
		slot_owner_release(&a->slot);
		a->is_admitting = false;
		a->has_given_up = true;
		bell_ring_anyway(w->env->journal_bell);
	}
	return true;
}

static bool
acceptor_command(struct worker *w, const char *line, struct text_out *out)
{
	struct acceptor *a = w->stage;
	const struct http_counters *h = http_server_counters(a->server);

	if (strcmp(line, "show connections") == 0) {
		text_add(out, "open=%llu held_answers=%llu buffered_bytes=%llu\n",
		    (unsigned long long)h->connections_now, (unsigned long long)h->held_now,
		    (unsigned long long)h->buffered_bytes_now);
		return true;
	}
	if (strcmp(line, "show acks") == 0) {
		text_add(out, "groups_waiting=%llu next_ticket=%llu durable_wanted=%llu\n",
		    (unsigned long long)(a->wait.last - a->wait.first + a->delivered.last -
			a->delivered.first),
		    (unsigned long long)a->wait.ticket,
		    (unsigned long long)word_load(&a->slot.page->durable_wanted));
		return true;
	}
	if (strcmp(line, "show http") == 0) {
#define X(name, text) text_add(out, "%s=%llu\n", #name, (unsigned long long)h->name);
		HTTP_COUNTERS(X)
#undef X
		return true;
	}
	return false;
}

const struct worker_ops acceptor_http_ops = {
	.rights = acceptor_rights,
	.open_early = acceptor_open_early,
	.start = acceptor_start,
	.round = acceptor_round,
	.may_sleep = acceptor_may_sleep,
	.woke = acceptor_woke,
	.tick = acceptor_tick,
	.drain = acceptor_drain,
	.is_done = acceptor_is_done,
	.command = acceptor_command,
	.help = "show connections   what is open, held and buffered now\n"
		"show acks          groups of answers that wait for the journal\n"
		"show http          the HTTP engine's own counters\n",
};
