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
/* Ticks between two warnings that a stage is blocked: a minute. */
#define PROCESS_SAY_TICKS 240

enum process_state {
	PROCESS_NONE = 0, /* the row is free */
	PROCESS_WAITING,  /* to be forked at due_ns */
	PROCESS_RUNNING,
};

enum process_health {
	PROCESS_WELL = 0,
	PROCESS_LATE,    /* no heartbeat for hang-time: process_judge() knows what it is */
	PROCESS_BACK,    /* its heart beats again after `blocked_ticks` of being blocked */
	PROCESS_BLOCKED, /* waits for the kernel for longer than hang-time: said, not killed */
	PROCESS_HUNG,    /* now: SIGABRT */
	PROCESS_STOPPED, /* the same, and a signal stopped it */
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
	unsigned blocked_ticks; /* stale_ticks when it was last found blocked; 0: not */
	unsigned said_ticks;    /* stale_ticks when that was said */
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

/* Once a tick of the supervisor's own.  hang_ticks > 0.  WELL, LATE (at every
 * tick from then on), BACK or STUCK. */
enum process_health process_beat(struct process *p, uint64_t heartbeat, unsigned hang_ticks);

/*
 * What one without a heartbeat is.  is_marked: its page says that it is in a
 * call that may block; letter: its state in /proc/PID/stat, 0 when unknown.
 * Who sleeps in the kernel beyond the reach of signals is blocked, said or not;
 * who was stopped by a signal is not, whatever the page says.
 */
enum process_health process_judge(bool is_marked, char letter);
/* The letter out of a line of /proc/PID/stat; 0: none. */
char process_state_letter(const char *stat_line);

/* It was judged to be blocked: true when that is to be said now, the first
 * time and then once a minute. */
bool process_say_blocked(struct process *p);
/* It was judged to hang: SIGABRT is on its way. */
void process_aborted(struct process *p, const char *why);

/* "exit=1" or "signal=SIGKILL"; into buf, which is returned. */
#define PROCESS_EXIT_SIZE 48
const char *process_exit_text(int status, char buf[PROCESS_EXIT_SIZE]);

#endif
