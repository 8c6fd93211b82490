/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	worker - the skeleton that every stage is written on
 *
 * DESCRIPTION
 *	worker_main() is what a forked child runs for the rest of its life: take
 *	the page's lock, put on a title, keep write access only for the parts it
 *	owns, drop privileges, open the stage's own socket, beat the heart every
 *	100 ms, and turn the event loop.  A stage supplies struct worker_ops and
 *	never sees a signal.
 *
 *	One turn of the loop:
 *
 *		ops->round()	     work that is due now, whatever the cause
 *		ops->may_sleep()     true: `sleeping` is set and there is nothing
 *				     to do; false: turn again without blocking
 *		epoll, callbacks     (worker_woke() at the top of each)
 *
 *	A turn blocks for BELL_MAX_SLEEP_MS at most, because of the tick.
 *
 *	A stage ends when it was asked to (SIGTERM) or when the supervisor is
 *	gone (end of file on the lifeline): ops->drain() once, then turns until
 *	ops->is_done().  It exits 0 when done.
 *
 * PROCESS
 *	Every stage.
 *
 * SHARED STATE
 *	Writes its own process page.
 *
 * DIAGNOSTICS
 *	fatal: the page's lock is held, a socket cannot be made, the user does
 *	not exist.
 */
#ifndef WORKERS_WORKER_H
#define WORKERS_WORKER_H

#include "common/clock.h"
#include "common/config.h"
#include "shm/bell.h"
#include "shm/region.h"

#include <event2/event.h>

#define WORKER_TICK_MS 100

/* What the supervisor prepared before the fork; constant afterwards. */
struct worker_env {
	const struct config *cfg;
	struct region *region;
	uint8_t instance[16];
	uint8_t dedup_key[16];
	int lifeline_fd; /* read end of the supervisor's pipe */
	int journal_bell;
	int slot_bell[LAYOUT_SLOTS_MAX + 2];
	int sink_bell[SINK_PART_MAX]; /* by the place of the sink; -1: none */
	int listen_fd[CONFIG_LISTEN_MAX][CONFIG_BIND_MAX]; /* -1: none */
	int admin_fd[CONFIG_BIND_MAX];
	int stats_fd;		 /* runtime-dir/stats.sock, listening */
	const char *runtime_dir; /* stage sockets: runtime_dir/stage/NAME.sock */
	const char *state_dir;
	uid_t uid; /* stages become these when cfg->global.user is set and we are root */
	gid_t gid;
	gid_t socket_gid; /* group of stage sockets; (gid_t)-1: as it comes */
};

/* Which process this is. */
struct worker_job {
	enum layout_role role;
	unsigned number;     /* N of "http N" */
	int page;	     /* index of its process page */
	int slot;	     /* stream slot, or -1 */
	int listen;	     /* index of its listen section, or -1 */
	uint64_t generation; /* what the supervisor wrote to `assigned` */
};

struct worker;
struct text_out;

struct worker_ops {
	/* Rights this stage needs besides its page; asked before privileges go. */
	void (*rights)(const struct worker_job *job, struct region_rights *rights);
	/* Still with the supervisor's privileges: secrets, locks.  Exits by fatal(). */
	void (*open_early)(struct worker *w);
	/* Privileges dropped, parts read-only, event base there. */
	void (*start)(struct worker *w);
	void (*round)(struct worker *w);
	bool (*may_sleep)(struct worker *w);
	void (*woke)(struct worker *w);	/* clear `sleeping` */
	void (*tick)(struct worker *w, uint64_t mono_ns); /* every 100 ms */
	void (*drain)(struct worker *w);
	bool (*is_done)(struct worker *w);
	/* One line on the stage's socket; false: unknown command.  `help` and
	 * `show info|memory|log LEVEL` are answered by the skeleton. */
	bool (*command)(struct worker *w, const char *line, struct text_out *out);
	const char *help; /* lines of the stage's own commands */
};

struct worker {
	const struct worker_env *env;
	const struct worker_job *job;
	const struct worker_ops *ops;
	struct process_page *page;
	struct event_base *base;
	void *stage; /* the stage's own state */
	bool draining;
	bool orphaned; /* the supervisor is gone */
	bool dozing;
	uint64_t now_ns; /* CLOCK_MONOTONIC at the start of this turn's callbacks */
};

/* Never returns. */
void worker_main(const struct worker_env *env, const struct worker_job *job,
    const struct worker_ops *ops) __attribute__((noreturn));

/* "http 0", "journal": what a job is called in titles, logs and counters.  With
 * a hyphen for the blank it is the name of its socket. */
#define WORKER_NAME_SIZE 40
void worker_name(enum layout_role role, unsigned number, char name[WORKER_NAME_SIZE]);
/* The same for a process that knows the region: a sink is called as the
 * configuration calls it. */
void worker_name_in(
    const struct region *r, enum layout_role role, unsigned number, char name[WORKER_NAME_SIZE]);

/* The stage can do its job now: the supervisor's back-off ends. */
void worker_ready(struct worker *w);

/* First thing in each callback: awake again, ringers need not ring. */
static inline void
worker_woke(struct worker *w)
{
	if (w->dozing) {
		w->dozing = false;
		w->now_ns = clock_mono_ns();
		if (w->ops->woke != NULL)
			w->ops->woke(w);
	}
}

/* Around calls that may block in the kernel for long (fdatasync): a state, and
 * no reason to be killed, unless a signal stopped us in there.  Not nested;
 * costs a look at the clock and two stores. */
void worker_blocked(struct worker *w, const char *what);
void worker_unblocked(struct worker *w);

/* Count an error under its text in the page and log the first one at once,
 * repeats once a minute with their number. */
void worker_error(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
