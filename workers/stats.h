/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats - what shared memory says about the daemon, as text
 *
 * DESCRIPTION
 *	One reader for two programs: the admin process answers its sockets with
 *	it, and sluicectl uses it when no admin process answers.  It looks at
 *	shared memory and asks the kernel whether a pid lives; nothing it reads
 *	is trusted, and no stage is asked, so it works while any of them hangs.
 *
 *	stats_command() interprets a line of the stats socket: the rows of
 *	stats_commands.def.  No answer holds an empty line.
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads all counters, cursors and pages; writes nothing.
 *
 * BUGS
 *	A pid that was given to another program after its owner died looks alive,
 *	and where /proc shows nothing of other users a dead one that nobody has
 *	reaped does too.
 */
#ifndef WORKERS_STATS_H
#define WORKERS_STATS_H

#include "shm/region.h"
#include "workers/text.h"

#include <stdbool.h>

#define STATS_TICK_MS   100
#define STATS_NAME_SIZE 40
#define STATS_TIME_SIZE 32

struct stats {
	const struct region *region;
	uint64_t wall_ns, mono_ns; /* of the last tick: now */
	uint64_t ticks;            /* our own */
	uint64_t hang_ticks;       /* a heartbeat this old is a hung stage; 0: never */
	uint64_t hang_ns;          /* blocked this long is trouble; 0: never */
	struct {
		uint64_t beat, ticks; /* the last beat seen, and when it was new */
		bool is_observed;     /* it was seen to change: its age is known */
		pid_t pid;            /* whose `life` was read */
		uint64_t life_ticks;  /* and when */
		char life;
	} seen[LAYOUT_PAGES_MAX];
};

/* region must outlive s. */
void stats_init(struct stats *s, const struct region *region, uint64_t hang_ms);
/* About every STATS_TICK_MS: the time, and which hearts beat. */
void stats_tick(struct stats *s, uint64_t wall_ns, uint64_t mono_ns);
/*
 * Ask the kernel about each process once, for an answer that is made now and
 * walks the stages many times.  Those who answer call it first; without it
 * stats_next() asks each time.
 */
void stats_look(struct stats *s);

/* One line of the stats socket into out; false: no such command. */
bool stats_command(struct stats *s, const char *line, struct text_out *out);

/*---------------------------------------------------------------------------*
 * Stages: each process page in use, then each stream that has no process
 *---------------------------------------------------------------------------*/

struct stats_stage {
	char name[STATS_NAME_SIZE]; /* "http 0", "journal" */
	enum layout_role role;
	int page;  /* -1: none */
	int slot;  /* its stream, -1: none */
	int sink;  /* its sink part, -1: none */
	pid_t pid; /* 0: never had one */
	bool is_alive;
	bool is_ready;
	bool has_beat_age;  /* a beat was seen to come; else beat_age is since our first look */
	bool has_counters;  /* its process's numbers are its own, not its predecessor's */
	bool is_stuck;      /* blocked for longer than the hang-time */
	const char *state;  /* "ready", "dead", "stopped", "disk wait", "hung", "free", ... */
	uint64_t beat_age;  /* ticks since the last heartbeat */
	uint64_t blocked_ns; /* since when, on the clock of stats_tick()'s mono_ns; 0: it is not */
	char blocked_in[sizeof((struct process_page *)0)->blocked_in + 1];
};

struct stats_iter {
	uint32_t page, slot;
};

/* The next stage, from a zeroed iterator on; false: no more. */
bool stats_next(const struct stats *s, struct stats_iter *it, struct stats_stage *stage);
/* Is it the stage called so ("http 0" or "http-0")?  An empty or NULL name is everybody's. */
bool stats_is_named(const struct stats_stage *stage, const char *name);
/*
 * The state letter of /proc/PID/stat, 0 when there is no such process; '?' when
 * there is one and /proc does not show it.
 */
char stats_pid_life(pid_t pid);
/* Is it there, and neither dead nor a zombie? */
bool stats_pid_is_alive(pid_t pid);
/* " (dead)", " (stopped)" when the daemon was ended by request, or "". */
const char *stats_pid_note(const struct stats *s, pid_t pid);
/* How long the stage has been in its blocking call, in ns; 0: it is in none. */
uint64_t stats_blocked_for(const struct stats *s, const struct stats_stage *stage);
/* Has the slot's ring ever had an owner?  Without one it has no tail. */
bool stats_slot_is_used(const struct region *r, uint32_t slot);
/* Bytes between the journal and the tail; positions in gaps are not counted. */
uint64_t stats_unread(const struct region *r, uint32_t slot);
/* Nanoseconds since 1970 at which the oldest living process started. */
uint64_t stats_started_ns(const struct stats *s);

/*---------------------------------------------------------------------------*
 * The ledger
 *---------------------------------------------------------------------------*/

enum stats_balance {
	STATS_BALANCED = 0,
	STATS_IN_HAND, /* its acceptor lives and has received more than it has decided yet */
	STATS_UNBALANCED,
};

struct stats_ledger {
	uint64_t received, put, duplicate, invalid, retry, interrupted;
	int64_t undecided; /* received less all outcomes */
	enum stats_balance balance;
};

void stats_ledger_read(const struct region *r, uint32_t slot, struct stats_ledger *l);
/* Adds slot by slot: the sum is as good as its worst part. */
void stats_ledger_add(struct stats_ledger *sum, const struct stats_ledger *l);
const char *stats_balance_name(enum stats_balance b);

/*---------------------------------------------------------------------------*
 * Answers
 *---------------------------------------------------------------------------*/

/* arg is what follows the command's words, never NULL. */
void stats_show_stat(struct stats *s, const char *arg, struct text_out *out);
void stats_show_proc(struct stats *s, const char *arg, struct text_out *out);
void stats_show_rings(struct stats *s, const char *arg, struct text_out *out);
void stats_show_journal(struct stats *s, const char *arg, struct text_out *out);
void stats_show_errors(struct stats *s, const char *arg, struct text_out *out);
void stats_show_panic(struct stats *s, const char *arg, struct text_out *out);
void stats_show_info(struct stats *s, const char *arg, struct text_out *out);
void stats_show_ledger(struct stats *s, const char *arg, struct text_out *out);

/*
 * Everything as one JSON object on one line:
 *
 *	{"service","version","instance","generation","phase","time","uptime",
 *	 "stages":[{"stage","role","pid","alive","state","beatAge","restarts","stream",
 *		    "counters":{NAME:N,..},"process":{NAME:N,..}},..],
 *	 "totals":{"stream":{NAME:N,..},"journal":{..},"process":{..},"sink":{..}},
 *	 "ledger":{"streams":[{"stream","stage","received","put","duplicate","invalid",
 *		    "retry","interrupted","undecided","balance"},..],
 *		   "sinks":[{"sink","put","delivered","dead","skipped","late","expired",
 *		    "corrupt","pending","balance"},..],
 *		   "received",..,"balance"}}
 *
 * beatAge is null while no beat was seen to come.
 * counters are the stream's for an acceptor, the journal's for the journal, the
 * sink's for a sink.
 * Totals add counts and gauges and take the greatest of max and age.
 */
void stats_json(struct stats *s, const char *stage, struct text_out *out);
void stats_ledger_json(struct stats *s, struct text_out *out);

/* The Prometheus text format 0.0.4. */
void stats_metrics(struct stats *s, struct text_out *out);

/*
 * May traffic come?  Adds each reason why not to reasons, as JSON strings with
 * commas between (and nothing when there is none).
 */
bool stats_is_ready(struct stats *s, struct text_out *reasons);
/*
 * What is not as it should be although traffic may come: sinks that are not
 * ready, whose breaker is not closed, or that stop the intake.  Adds to reasons
 * as stats_is_ready() does; true: nothing.
 */
bool stats_is_well(struct stats *s, struct text_out *reasons);
/* One word for /health: "ok", "starting", "draining", "stopped", "degraded". */
const char *stats_health(struct stats *s);

/*---------------------------------------------------------------------------*
 * Forms
 *---------------------------------------------------------------------------*/

/* "850ms", "12.3s", "3m05s", "2h10m", "5d03h"; returns buf. */
const char *stats_age(uint64_t ns, char buf[STATS_TIME_SIZE]);
/* "2025-01-31T23:59:59.999Z", "-" for 0; returns buf. */
const char *stats_time(uint64_t wall_ns, char buf[STATS_TIME_SIZE]);
/* "exit 0", "signal 9 (KILL)"; returns buf. */
const char *stats_exit(uint64_t wait_status, char buf[STATS_TIME_SIZE]);
const char *stats_phase_name(uint64_t phase);
/* Lower-case UUID with hyphens; returns buf. */
const char *stats_uuid(const uint8_t id[16], char buf[37]);
/* Text that another process wrote, made fit for one line: size with its NUL. */
void stats_clean(char *to, size_t size, const char *from, size_t from_size);

#endif
