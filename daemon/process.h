/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	process - a row of the supervisor's process table
 *
 * DESCRIPTION
 *	What the supervisor knows of one stage, and the rules that need neither
 *	a clock nor a kernel: how long to wait before the next fork, when a
 *	heartbeat that stands still means that the stage hangs, how an exit
 *	reads.
 *
 *	A stage that dies before its page said READY is started again after
 *	1 s, 2 s, 4 s, up to a minute; one that dies later at once.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	None.
 */
#ifndef DAEMON_PROCESS_H
#define DAEMON_PROCESS_H

#include "workers/worker.h"

#define PROCESS_BACKOFF_MIN_MS 1000
#define PROCESS_BACKOFF_MAX_MS 60000
/* Ticks between SIGABRT, which leaves words and a core, and SIGKILL. */
#define PROCESS_ABORT_TICKS 4

enum process_state {
	PROCESS_NONE = 0, /* the row is free */
	PROCESS_WAITING,  /* to be forked at due_ns */
	PROCESS_RUNNING,
};

enum process_health {
	PROCESS_WELL = 0,
	PROCESS_BLOCKED, /* waits for the kernel for longer than hang-time: said, not killed */
	PROCESS_HUNG,    /* now: SIGABRT */
	PROCESS_STUCK,   /* SIGABRT did not end it: SIGKILL */
};

struct process {
	enum process_state state;
	struct worker_job job; /* slot and page: -1 until the first fork */
	char name[WORKER_NAME_SIZE];
	pid_t pid;
	bool is_wanted; /* start it again when it ends */
	bool is_asked;  /* SIGTERM was sent */
	bool is_ready;
	bool is_said; /* something that is said once was said */
	uint64_t due_ns;
	uint64_t backoff_ms; /* of the last wait; 0 after READY */
	uint64_t forks;
	uint64_t heartbeat;
	unsigned stale_ticks;
	unsigned abort_ticks;   /* since SIGABRT; 0: not sent */
	const char *killed_for; /* why we killed it, or NULL */
};

void process_init(struct process *p, enum layout_role role, unsigned number, int listen);
/* It was forked: forget what its predecessor did. */
void process_forked(struct process *p, pid_t pid, uint64_t heartbeat);
/*
 * It ended: how many milliseconds to wait before the next fork.  `clean`: it
 * exited with 0, by its own will.
 */
uint64_t process_ended(struct process *p, bool clean);

/* Once a tick of the supervisor's own.  hang_ticks > 0. */
enum process_health process_beat(
    struct process *p, uint64_t heartbeat, bool is_blocked, unsigned hang_ticks);

/* "exit=1" or "signal=SIGKILL"; into buf, which is returned. */
#define PROCESS_EXIT_SIZE 48
const char *process_exit_text(int status, char buf[PROCESS_EXIT_SIZE]);

#endif
