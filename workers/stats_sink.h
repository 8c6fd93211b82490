/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_sink - what shared memory says about each sink
 *
 * DESCRIPTION
 *	One row a sink that has a place in the region: the process, the breaker,
 *	the lag, and the ledger
 *
 *		put = delivered + dead + skipped + late + expired + corrupt + pending
 *
 *	where put is what its streams took in since the sink began, and pending
 *	what stands between its cursors and their tails.  The outcomes come with
 *	the cursors, so the sum is looked at, not made.
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads the header, sink parts, cursors, rings; writes nothing.
 */
#ifndef WORKERS_STATS_SINK_H
#define WORKERS_STATS_SINK_H

#include "common/config.h"
#include "workers/sink_lag.h"
#include "workers/stats.h"

struct stats_sink {
	char name[STATS_NAME_SIZE];
	int place;
	enum config_sink_kind kind;
	bool is_configured, is_required;
	bool is_known; /* its cursors are of this region: what follows "ledger" means something */
	bool is_alive, is_ready;
	const char *state; /* of its process; "retired?" when it is not configured any more */
	enum sink_breaker breaker;
	uint64_t breaker_since_ns, next_probe_ns, failures;
	bool is_careful, is_reading_log, is_behind;
	char reason[sizeof((struct sink_text *)0)->text]; /* of the last failure; "" */
	/* The ledger. */
	uint64_t put, pending, outcome[SINK_OUTCOMES];
	bool is_balanced;
	struct sink_lag lag;
};

/* The next sink, from *at = 0 on; false: no more. */
bool stats_sink_next(const struct stats *s, int *at, struct stats_sink *sink);
/* Reads the ledger part only. */
void stats_sink_ledger(const struct region *r, int place, struct stats_sink *sink);
/* Age of the oldest event it has not finished, in ns; 0: none or not known. */
uint64_t stats_sink_age(const struct stats *s, const struct stats_sink *sink);

/* Columns and members called as the outcomes: "late" for late-duplicate. */
extern const char *const stats_sink_outcomes[SINK_OUTCOMES];

/* Numbers of a sink that are no counters; for stats_rows.h. */
#define STATS_SINK_DERIVED (SINK_OUTCOMES + 5)
struct stats_row;
void stats_sink_derived(const struct region *r, int place, unsigned which, struct stats_row *row);

/* The row of one, or ("") of all; nothing when there is none. */
void stats_sink_table(const struct stats *s, const char *name, struct text_out *out);
void stats_show_sinks(struct stats *s, const char *arg, struct text_out *out);
/* The table that follows that of the streams; nothing when there are no sinks. */
void stats_sink_ledger_table(const struct stats *s, struct text_out *out);
/* "sinks":[{..},..] */
void stats_sink_ledger_json(const struct stats *s, struct text_out *out);
/* All families of sinks. */
void stats_sink_metrics(const struct stats *s, struct text_out *out);

#endif
