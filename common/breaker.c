/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	breaker - when to try a destination again: back-off and circuit breaker in one
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "common/breaker.h"

#include "common/panic.h"

#define FAILURES_CAP 1000000U
#define OPENED_CAP   3U /* an open time of at most 2^3 times the first */
/* A year: nothing below overflows, whatever a destination asks for. */
#define WAIT_MAX_MS (UINT64_C(366) * 24 * 3600 * 1000)

void
breaker_init(struct breaker *b, uint64_t retry_min_ms, uint64_t retry_max_ms, unsigned failures_max,
    uint64_t open_ms)
{
	assert_that(retry_min_ms <= retry_max_ms && failures_max > 0);
	*b = (struct breaker){.retry_min_ms = retry_min_ms,
	    .retry_max_ms = retry_max_ms < WAIT_MAX_MS ? retry_max_ms : WAIT_MAX_MS,
	    .open_ms = open_ms < WAIT_MAX_MS ? open_ms : WAIT_MAX_MS,
	    .failures_max = failures_max};
}

/* `ms` doubled `times` times, at most max_ms. */
static uint64_t
doubled(uint64_t ms, unsigned times, uint64_t max_ms)
{
	while (times-- > 0 && ms < max_ms)
		ms *= 2;
	return ms < max_ms ? ms : max_ms;
}

/* Between half and all of it, so that those who failed together do not come back together. */
static uint64_t
jittered_ns(uint64_t ms, uint64_t random)
{
	uint64_t half_ns = ms * 1000000 / 2;

	return half_ns + random % (half_ns + 1);
}

static uint64_t
asked_ns(uint64_t ask_ms)
{
	return (ask_ms < WAIT_MAX_MS ? ask_ms : WAIT_MAX_MS) * 1000000;
}

static void
wait_until(struct breaker *b, uint64_t now_ns, uint64_t wait_ns, uint64_t ask_ms)
{
	uint64_t ask_ns = asked_ns(ask_ms);

	b->due_ns = now_ns + (wait_ns > ask_ns ? wait_ns : ask_ns);
}

bool
breaker_may_try(struct breaker *b, uint64_t now_ns)
{
	if (b->is_forced_open)
		return false;
	if (b->is_forced_closed)
		return now_ns >= b->due_ns;
	if (now_ns < b->due_ns)
		return false;
	if (b->state == BREAKER_OPEN)
		b->state = BREAKER_HALF_OPEN;
	return true;
}

bool
breaker_success(struct breaker *b)
{
	bool was_closed = b->state == BREAKER_CLOSED;

	b->state = BREAKER_CLOSED;
	b->failures = 0;
	b->opened = 0;
	b->due_ns = 0;
	return !was_closed;
}

static bool
open_it(struct breaker *b, uint64_t now_ns, uint64_t random, uint64_t ask_ms)
{
	bool was_open = b->state == BREAKER_OPEN;
	uint64_t ms = doubled(b->open_ms, b->opened, b->open_ms * 8);

	b->state = BREAKER_OPEN;
	if (b->opened < OPENED_CAP)
		b->opened++;
	/* Never less than was promised, a little more so that nodes come one by one. */
	wait_until(b, now_ns, ms * 1000000 + random % (ms * 100000 + 1), ask_ms);
	return !was_open;
}

bool
breaker_failure(struct breaker *b, uint64_t now_ns, uint64_t random, uint64_t ask_ms)
{
	uint64_t ms;

	if (b->failures < FAILURES_CAP)
		b->failures++;
	/* One that was under way when the breaker opened changes nothing. */
	if (b->state == BREAKER_OPEN && !b->is_forced_closed) {
		if (now_ns + asked_ns(ask_ms) > b->due_ns)
			wait_until(b, now_ns, 0, ask_ms);
		return false;
	}
	if (!b->is_forced_closed &&
	    (b->state == BREAKER_HALF_OPEN || b->failures >= b->failures_max))
		return open_it(b, now_ns, random, ask_ms);
	ms = doubled(b->retry_min_ms, b->failures - 1, b->retry_max_ms);
	wait_until(b, now_ns, jittered_ns(ms, random), ask_ms);
	return false;
}

bool
breaker_trip(struct breaker *b, uint64_t now_ns, uint64_t random)
{
	if (b->failures < FAILURES_CAP)
		b->failures++;
	if (b->is_forced_closed) {
		wait_until(b, now_ns, jittered_ns(b->retry_max_ms, random), 0);
		return false;
	}
	if (b->state == BREAKER_OPEN && now_ns < b->due_ns)
		return false;
	return open_it(b, now_ns, random, 0);
}

uint64_t
breaker_wait_ns(const struct breaker *b, uint64_t now_ns)
{
	if (b->is_forced_open)
		return UINT64_MAX;
	return b->due_ns > now_ns ? b->due_ns - now_ns : 0;
}

void
breaker_force(struct breaker *b, enum breaker_force what)
{
	b->is_forced_open = what == BREAKER_FORCE_OPEN;
	b->is_forced_closed = what == BREAKER_FORCE_CLOSED;
	/* Whoever forces it closed wants an attempt now. */
	if (what == BREAKER_FORCE_CLOSED) {
		b->state = BREAKER_CLOSED;
		b->failures = 0;
		b->opened = 0;
		b->due_ns = 0;
	}
}

const char *
breaker_state_name(enum breaker_state s)
{
	switch (s) {
	case BREAKER_CLOSED:
		return "closed";
	case BREAKER_OPEN:
		return "open";
	case BREAKER_HALF_OPEN:
		return "half-open";
	}
	return "?";
}
