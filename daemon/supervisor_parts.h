/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_parts - what the files of the supervisor share
 *
 * DESCRIPTION
 *	supervisor.c	    the main loop, signals, phases
 *	supervisor_start.c  directories, locks, instance
 *	supervisor_region.c a region to work with: adopt, make, refuse
 *	supervisor_bind.c   listening sockets
 *	supervisor_sinks.c  a place in the region for each sink
 *	supervisor_fork.c   a place for each process, fork
 *	supervisor_reap.c   what became of it
 *	supervisor_watch.c  heartbeats, stages of a former supervisor, heirs
 *	supervisor_user.c   names of users and groups
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	The region's header.
 */
#ifndef DAEMON_SUPERVISOR_PARTS_H
#define DAEMON_SUPERVISOR_PARTS_H

#include "daemon/instance.h"
#include "daemon/process.h"
#include "daemon/roles.h"
#include "daemon/supervisor.h"
#include "daemon/systemd.h"

#define SUPERVISOR_TICK_MS 250
/* Acceptors and heirs: a slot each; sinks; the journal, deadletter, admin. */
#define SUPERVISOR_PROCESS_MAX (2 * LAYOUT_SLOTS_MAX + CONFIG_SINK_MAX + 3)

/* A stage that a supervisor before us forked, and that still holds its page. */
struct supervisor_former {
	pid_t pid; /* 0: none */
	bool is_said;
};

struct supervisor {
	const struct config *cfg;
	struct supervisor_user user;
	struct instance instance;
	struct region region;
	bool is_region_due; /* a new one is to be made; region may be the old one */
	struct worker_env env; /* inherited by every child */
	struct systemd systemd;
	int lock_fd[2];     /* RUNTIME/sluiced.lock, STATE/sluiced.lock: never closed */
	int lifeline_write; /* its end tells the stages that we are gone */
	int signal_fd;
	enum layout_phase phase;
	enum roles_order order; /* draining: who is being waited for */
	bool is_stopping;
	bool was_ready; /* every stage was READY once */
	uint64_t ticks;
	uint64_t next_tick_ns;
	bool had_late;        /* its time was over once; heirs have a second one */
	uint64_t order_ticks; /* since this order was asked to end */
	uint64_t extend_ns;   /* when the service manager was last asked for time */
	struct process process[SUPERVISOR_PROCESS_MAX];
	struct supervisor_former former[LAYOUT_PAGES_MAX];
	int formers;
};

/* supervisor_start.c */
void supervisor_start_folders(struct supervisor *s);
void supervisor_start_locks(struct supervisor *s);
/* Make it if it is not there, and give it to them; fatal() when that cannot be. */
void supervisor_start_folder(const char *path, uid_t uid, gid_t gid);
/* supervisor_region.c */
/* Adopt a region, or refuse, or find that a new one is to be made: that waits
 * until the sockets are there. */
void supervisor_region_open(struct supervisor *s, bool new_region);
void supervisor_region_finish(struct supervisor *s);
/* Bytes that are in memory only; -1 while somebody still owns a slot uncleanly. */
int64_t supervisor_region_undrained(const struct region *r);
/* supervisor_bind.c */
void supervisor_bind_all(struct supervisor *s);
void supervisor_bind_end(struct supervisor *s);
/* In a child: close what its role may not have. */
void supervisor_bind_keep(struct supervisor *s, const struct role *role, int listen);
/* supervisor_sinks.c */
/* Give each configured sink its place and its folder; needs the region. */
void supervisor_sinks_place(struct supervisor *s);
/* The processes: deadletter when there may be dead letters, and every sink. */
void supervisor_sinks_add(struct supervisor *s);
/* Places whose sink was retired become free. */
void supervisor_sinks_tick(struct supervisor *s);
/* supervisor_fork.c */
struct process *supervisor_fork_add(
    struct supervisor *s, enum layout_role role, unsigned number, int listen);
void supervisor_fork_due(struct supervisor *s, uint64_t now_ns);
/* supervisor_reap.c */
void supervisor_reap(struct supervisor *s, uint64_t now_ns);
/* supervisor_watch.c */
void supervisor_watch_find_former(struct supervisor *s);
void supervisor_watch_former(struct supervisor *s);
void supervisor_watch_beats(struct supervisor *s);
void supervisor_watch_heirs(struct supervisor *s);
/* What a process that is late is: BLOCKED (to be waited for), HUNG or STOPPED. */
enum process_health supervisor_watch_judge(const struct process_page *page, pid_t pid);
unsigned supervisor_watch_ticks(int64_t ms);

#endif
