/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_retain - which segments may go, and what holds the others
 *
 * DESCRIPTION
 *	A segment may go when it is older than `retain`, its newest frame is
 *	older than the dedup window (the table is rebuilt from the log), and
 *	every sink's checkpoint has passed it; never the active one.  Above
 *	max-disk `retain` yields; the window and the sinks do not.  The age of
 *	a segment's newest frame is taken from the birth of its successor.
 *
 *	A sink is a folder STATE/sinks/NAME with a file `checkpoint`; one that
 *	cannot be read holds everything.  A sink that is configured and has none
 *	yet holds the log from where it would begin (`from`) when it was first
 *	seen here.  One that is not configured any more holds the log until it
 *	is retired.
 *
 *	Beyond its max-lag (bytes behind the segment, age of the segment) a sink
 *	that is not required holds nothing: what it misses it counts as expired.
 *
 * PROCESS
 *	The journal removes; sluicectl only asks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_LOG_RETAIN_H
#define WORKERS_LOG_RETAIN_H

#include "common/config.h"
#include "workers/checkpoint.h"
#include "workers/log_dir.h"

#define LOG_RETAIN_SINKS_MAX 64
#define LOG_RETAIN_NAME_MAX  64

enum log_hold {
	LOG_HOLD_NONE = 0, /* may go */
	LOG_HOLD_ACTIVE,
	LOG_HOLD_RETAIN, /* until_ns */
	LOG_HOLD_WINDOW, /* until_ns */
	LOG_HOLD_SINK,   /* sink, stream, pos */
};

struct log_retain_sink {
	char name[LOG_RETAIN_NAME_MAX];
	bool is_bad; /* its checkpoint cannot be read */
	bool is_new; /* it has none yet: `at` is where it begins */
	uint64_t max_lag_bytes, max_lag_ns; /* 0: holds at any distance */
	struct checkpoint at;
};

struct log_retain_rules {
	uint64_t retain_ns;
	uint64_t window_ns;
	uint64_t max_disk_bytes; /* 0: no cap */
};

struct log_retain_answer {
	enum log_hold hold;
	uint64_t until_ns; /* wall clock */
	const struct log_retain_sink *sink;
	uint32_t stream;
	uint64_t pos;
};

/* Where a sink without a checkpoint was first seen. */
struct log_retain_first {
	char name[LOG_RETAIN_NAME_MAX];
	struct checkpoint_stream stream[LOG_STREAMS];
};

struct log_retain {
	struct log_retain_rules rules;
	const struct config *cfg;      /* NULL: no sink is configured */
	const struct log_stream *now;  /* LOG_STREAMS: where the log ends; NULL: not known */
	struct log_retain_first *first; /* LOG_RETAIN_SINKS_MAX */
	struct log_retain_sink *sink; /* LOG_RETAIN_SINKS_MAX */
	size_t n_sinks;
	bool has_more_sinks; /* more than can be listed: hold all */
};

void log_retain_init(struct log_retain *r, const struct log_retain_rules *rules);
void log_retain_free(struct log_retain *r);

/*
 * Bounds of sinks, and where the log ends (LOG_STREAMS of them, looked at when
 * asked): both outlive r.  NULL for either: as if there were none.
 */
void log_retain_configure(
    struct log_retain *r, const struct config *cfg, const struct log_stream *now);

/* Read state_dir/sinks/NAME/checkpoint of all; no such folder: none. */
void log_retain_load_sinks(struct log_retain *r, const char *state_dir);

/* As it was loaded last; NULL: no such sink. */
const struct log_retain_sink *log_retain_find(const struct log_retain *r, const char *name);

/*
 * What holds the segment whose successor has this header (NULL: it has none
 * that is readable)?  born_ns: when that was made at the latest (log_dir_born());
 * disk_bytes: of the whole log now.
 */
void log_retain_ask(const struct log_retain *r, const struct log_segment_header *successor,
    uint64_t born_ns, uint64_t disk_bytes, uint64_t now_ns, struct log_retain_answer *answer);

#endif
