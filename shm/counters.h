/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	counters - numbers that one process writes and anybody may read
 *
 * DESCRIPTION
 *	The rows of counters.def as an enum per owner and one table.  A counter
 *	is a 64-bit word with one writer, so an addition is a load and a store,
 *	not a locked instruction.  They survive their process: a successor goes
 *	on from the values it finds.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	The words it is given; their owner is the owner of the page.
 */
#ifndef SHM_COUNTERS_H
#define SHM_COUNTERS_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum counter_owner {
	COUNTER_OWNER_STREAM = 0,
	COUNTER_OWNER_JOURNAL,
	COUNTER_OWNER_PROCESS,
	COUNTER_OWNER_SINK
};
enum counter_nature { COUNTER_COUNT = 0, COUNTER_GAUGE, COUNTER_MAX, COUNTER_AGE };

/* Index of a row within its owner: counter_id(STREAM, received). */
#define counter_id(owner, name) COUNTER_##owner##_##name

/* One enum an owner: its own selector yields the name, the others nothing. */
enum counter_stream_id {
#define SEL_STREAM(name) COUNTER_STREAM_##name,
#define SEL_JOURNAL(name)
#define SEL_PROCESS(name)
#define SEL_SINK(name)
#define COUNTER(owner, name, nature, unit, help) SEL_##owner(name)
#include "shm/counters.def"
#undef COUNTER
#undef SEL_STREAM
#undef SEL_JOURNAL
#undef SEL_PROCESS
#undef SEL_SINK
	COUNTER_STREAMS
};
enum counter_journal_id {
#define SEL_STREAM(name)
#define SEL_JOURNAL(name) COUNTER_JOURNAL_##name,
#define SEL_PROCESS(name)
#define SEL_SINK(name)
#define COUNTER(owner, name, nature, unit, help) SEL_##owner(name)
#include "shm/counters.def"
#undef COUNTER
#undef SEL_STREAM
#undef SEL_JOURNAL
#undef SEL_PROCESS
#undef SEL_SINK
	COUNTER_JOURNALS
};
enum counter_process_id {
#define SEL_STREAM(name)
#define SEL_JOURNAL(name)
#define SEL_PROCESS(name) COUNTER_PROCESS_##name,
#define SEL_SINK(name)
#define COUNTER(owner, name, nature, unit, help) SEL_##owner(name)
#include "shm/counters.def"
#undef COUNTER
#undef SEL_STREAM
#undef SEL_JOURNAL
#undef SEL_PROCESS
#undef SEL_SINK
	COUNTER_PROCESSES
};
enum counter_sink_id {
#define SEL_STREAM(name)
#define SEL_JOURNAL(name)
#define SEL_PROCESS(name)
#define SEL_SINK(name) COUNTER_SINK_##name,
#define COUNTER(owner, name, nature, unit, help) SEL_##owner(name)
#include "shm/counters.def"
#undef COUNTER
#undef SEL_STREAM
#undef SEL_JOURNAL
#undef SEL_PROCESS
#undef SEL_SINK
	COUNTER_SINKS
};

struct counter_row {
	enum counter_owner owner;
	unsigned id;
	const char *name;
	enum counter_nature nature;
	const char *unit;
	const char *help;
};

/* All rows, in the table's order; *n is how many. */
const struct counter_row *counters_table(size_t *n);
const char *counters_nature_name(enum counter_nature n);

/* relaxed loads and stores below: a reader elsewhere sees an older number of
 * the same counter; the ledger is read after a drain. */
static inline uint64_t
counters_get(const _Atomic uint64_t *words, unsigned id)
{
	return atomic_load_explicit(&words[id], memory_order_relaxed);
}

static inline void
counters_set(_Atomic uint64_t *words, unsigned id, uint64_t value)
{
	atomic_store_explicit(&words[id], value, memory_order_relaxed);
}

/* release: the ledger's outcome must not reach memory before its `received`
 * (a kill between two reordered stores would count an event that was never
 * received); free on x86. */
static inline void
counters_add(_Atomic uint64_t *words, unsigned id, uint64_t n)
{
	atomic_store_explicit(&words[id],
	    atomic_load_explicit(&words[id], memory_order_relaxed) + n, memory_order_release);
}

static inline void
counters_max(_Atomic uint64_t *words, unsigned id, uint64_t value)
{
	if (value > counters_get(words, id))
		counters_set(words, id, value);
}

#endif
