/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	breaker - when to try a destination again: back-off and circuit breaker in one
 *
 * DESCRIPTION
 *	Closed: failures are answered with a back-off that doubles from retry_min
 *	to retry_max, each with full jitter (the wait is between half and all of
 *	it).  `failures` in a row open the breaker: nothing is tried for
 *	open_ms, doubling up to 8 times that while probes fail.  Then it is
 *	half-open: one attempt; success closes it, failure opens it again.
 *	A wait the destination asks for (Retry-After) is kept if it is longer.
 *
 *	Time and randomness are arguments.
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_BREAKER_H
#define COMMON_BREAKER_H

#include <stdbool.h>
#include <stdint.h>

enum breaker_state { BREAKER_CLOSED = 0, BREAKER_OPEN, BREAKER_HALF_OPEN };

struct breaker {
	uint64_t retry_min_ms, retry_max_ms, open_ms;
	unsigned failures_max; /* in a row */
	enum breaker_state state;
	unsigned failures; /* in a row, capped */
	unsigned opened;   /* times in a row that a probe failed */
	uint64_t due_ns;   /* no attempt before; 0: now */
	bool is_forced_open, is_forced_closed; /* by a person */
};

void breaker_init(struct breaker *b, uint64_t retry_min_ms, uint64_t retry_max_ms,
    unsigned failures_max, uint64_t open_ms);
/* May an attempt begin now?  Open becomes half-open when its time has come, and then
 * the answer is yes until the attempt's end is told: it is for the caller to make one. */
bool breaker_may_try(struct breaker *b, uint64_t now_ns);
/* An attempt went well: true when that closed the breaker. */
bool breaker_success(struct breaker *b);
/* An attempt failed: true when that opened the breaker (from closed or half-open).
 * random: any 64 random bits.  ask_ms: what the destination asked for, or 0. */
bool breaker_failure(struct breaker *b, uint64_t now_ns, uint64_t random, uint64_t ask_ms);
/* A wrong set-up (no such table, wrong password): open at once. */
bool breaker_trip(struct breaker *b, uint64_t now_ns, uint64_t random);
/* Nanoseconds until breaker_may_try() can say yes; 0: now; UINT64_MAX: forced open. */
uint64_t breaker_wait_ns(const struct breaker *b, uint64_t now_ns);
enum breaker_force { BREAKER_FORCE_AUTO = 0, BREAKER_FORCE_OPEN, BREAKER_FORCE_CLOSED };
void breaker_force(struct breaker *b, enum breaker_force what);
const char *breaker_state_name(enum breaker_state s);

#endif
