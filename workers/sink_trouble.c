/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_trouble - failures, back-off and the circuit breaker of a sink
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	Writes breaker words and the reason in its own part.
 */
#include "workers/sink_parts.h"

#include "common/log.h"
#include "shm/word.h"

#include <bsd/stdlib.h>
#include <stdarg.h>
#include <stdio.h>

static uint64_t
random64(void)
{
	return (uint64_t)arc4random() << 32 | arc4random();
}

void
sink_trouble_show(struct sink *s)
{
	static const enum sink_breaker words[] = {[BREAKER_CLOSED] = SINK_BREAKER_CLOSED,
	    [BREAKER_OPEN] = SINK_BREAKER_OPEN,
	    [BREAKER_HALF_OPEN] = SINK_BREAKER_HALF_OPEN};
	uint64_t now_ns = clock_mono_ns(), wait_ns = breaker_wait_ns(&s->breaker, now_ns);
	enum sink_breaker word = s->breaker.is_forced_open     ? SINK_BREAKER_OPEN
				 : s->breaker.is_forced_closed ? SINK_BREAKER_CLOSED
							       : words[s->breaker.state];

	if (word_load(&s->part->breaker) != word) {
		word_store(&s->part->breaker_since_ns, clock_wall_ns());
		word_store(&s->part->breaker, word);
	}
	word_store(&s->part->failures, s->breaker.failures);
	word_store(&s->part->next_probe_ns,
	    wait_ns == 0 || wait_ns == UINT64_MAX ? 0 : clock_wall_ns() + wait_ns);
}

void
sink_trouble_reason(struct sink *s, const char *text)
{
	sink_text_store(&s->part->reason, text);
	s->engine->has_reason = text[0] != '\0';
}

static void
opened(struct sink *s, const char *text)
{
	uint64_t wait_ns = breaker_wait_ns(&s->breaker, clock_mono_ns());

	counters_add(s->part->counter, counter_id(SINK, breaker_opened), 1);
	log_line(LOG_LEVEL_WARN, "breaker open: %s: next probe in %llu ms", text,
	    (unsigned long long)(wait_ns / CLOCK_NS_PER_MS));
}

static void
failed(struct sink *s, const char *text, bool is_open)
{
	struct sink_engine *e = s->engine;

	counters_add(s->part->counter, counter_id(SINK, failures), 1);
	sink_trouble_reason(s, text);
	worker_error(s->worker, "%s", text);
	if (is_open)
		opened(s, text);
	e->wants_attempt = true;
	e->is_recovering = false;
	sink_trouble_show(s);
}

void
sink_failed(struct sink *s, uint64_t ask_ms, const char *fmt, ...)
{
	char text[sizeof s->part->reason.text];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	failed(s, text, breaker_failure(&s->breaker, clock_mono_ns(), random64(), ask_ms));
}

void
sink_misconfigured(struct sink *s, const char *fmt, ...)
{
	char text[sizeof s->part->reason.text];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	failed(s, text, breaker_trip(&s->breaker, clock_mono_ns(), random64()));
}

void
sink_succeeded(struct sink *s)
{
	struct sink_engine *e = s->engine;

	e->wants_attempt = false;
	e->is_recovering = false;
	/* An old reason must not explain what is well again. */
	if (e->has_reason && !s->breaker.is_forced_open)
		sink_trouble_reason(s, "");
	if (breaker_success(&s->breaker)) {
		log_line(LOG_LEVEL_NOTICE, "breaker closed: the destination answers");
		sink_trouble_show(s);
	}
}

bool
sink_may_send(struct sink *s)
{
	const struct sink_engine *e = s->engine;

	return !e->wants_attempt && !e->is_recovering && s->breaker.state != BREAKER_OPEN &&
	       !s->breaker.is_forced_open;
}

void
sink_trouble_due(struct sink *s)
{
	struct sink_engine *e = s->engine;

	if (!e->wants_attempt || e->is_stopped || !breaker_may_try(&s->breaker, clock_mono_ns()))
		return;
	e->wants_attempt = false;
	e->is_recovering = true;
	sink_trouble_show(s);
	s->ops->attempt(s);
	/* Nothing is waiting to be sent again: the next batch is the probe. */
	if (e->is_recovering && !s->ops->is_claimer && sink_window_in_flight(&e->window) == 0)
		e->is_recovering = false;
}

void
sink_count_batch(struct sink *s, uint64_t events, uint64_t bytes, uint64_t wire_bytes)
{
	_Atomic uint64_t *c = s->part->counter;

	counters_add(c, counter_id(SINK, batches), 1);
	counters_add(c, counter_id(SINK, batch_events), events);
	counters_max(c, counter_id(SINK, batch_max), events);
	counters_add(c, counter_id(SINK, sent_bytes), bytes);
	counters_add(c, counter_id(SINK, wire_bytes), wire_bytes);
}
