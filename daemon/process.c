/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	process - a row of the supervisor's process table
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/process.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* A stage that starts may read the log for long: it is given more time. */
#define STARTING_FACTOR 12

void
process_init(struct process *p, enum layout_role role, unsigned number, int listen)
{
	*p = (struct process){.state = PROCESS_WAITING, .is_wanted = true};
	p->job = (struct worker_job){
	    .role = role, .number = number, .page = -1, .slot = -1, .listen = listen};
	worker_name(role, number, p->name);
}

void
process_forked(struct process *p, pid_t pid, uint64_t heartbeat)
{
	p->state = PROCESS_RUNNING;
	p->pid = pid;
	p->is_ready = false;
	p->is_asked = false;
	p->is_said = false;
	p->heartbeat = heartbeat;
	p->stale_ticks = 0;
	p->blocked_ticks = 0;
	p->said_ticks = 0;
	p->abort_ticks = 0;
	p->killed_for = NULL;
	p->forks++;
}

uint64_t
process_ended(struct process *p, bool clean)
{
	p->pid = 0;
	p->state = PROCESS_WAITING;
	if (p->is_ready || clean)
		p->backoff_ms = 0;
	else if (p->backoff_ms == 0)
		p->backoff_ms = PROCESS_BACKOFF_MIN_MS;
	else if (p->backoff_ms * 2 < PROCESS_BACKOFF_MAX_MS)
		p->backoff_ms *= 2;
	else
		p->backoff_ms = PROCESS_BACKOFF_MAX_MS;
	p->is_ready = false;
	return p->backoff_ms;
}

enum process_health
process_beat(struct process *p, uint64_t heartbeat, unsigned hang_ticks)
{
	unsigned limit = p->is_ready || p->is_asked ? hang_ticks : hang_ticks * STARTING_FACTOR;

	if (p->abort_ticks > 0)
		return ++p->abort_ticks == PROCESS_ABORT_TICKS + 1 ? PROCESS_STUCK : PROCESS_WELL;
	if (heartbeat != p->heartbeat) {
		p->heartbeat = heartbeat;
		p->stale_ticks = 0;
		if (p->said_ticks == 0)
			return PROCESS_WELL;
		p->said_ticks = 0;
		return PROCESS_BACK;
	}
	return ++p->stale_ticks < limit ? PROCESS_WELL : PROCESS_LATE;
}

enum process_health
process_judge(bool is_marked, char letter)
{
	switch (letter) {
	case 'D':
		return PROCESS_BLOCKED;
	case 'T':
	case 't':
		return PROCESS_STOPPED;
	default:
		return is_marked ? PROCESS_BLOCKED : PROCESS_HUNG;
	}
}

char
process_state_letter(const char *stat_line)
{
	/* The name before it may hold anything, parentheses too. */
	const char *end = strrchr(stat_line, ')');

	return end != NULL && end[1] == ' ' ? end[2] : '\0';
}

bool
process_say_blocked(struct process *p)
{
	p->blocked_ticks = p->stale_ticks;
	if (p->said_ticks != 0 && p->stale_ticks - p->said_ticks < PROCESS_SAY_TICKS)
		return false;
	p->said_ticks = p->stale_ticks;
	return true;
}

void
process_aborted(struct process *p, const char *why)
{
	p->abort_ticks = 1;
	p->killed_for = why;
}

const char *
process_exit_text(int status, char buf[PROCESS_EXIT_SIZE])
{
	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));

		(void)snprintf(buf, PROCESS_EXIT_SIZE, "signal=%s%s%s", name == NULL ? "?" : "SIG",
		    name == NULL ? "" : name, WCOREDUMP(status) ? " core=yes" : "");
	} else {
		(void)snprintf(buf, PROCESS_EXIT_SIZE, "exit=%d", WEXITSTATUS(status));
	}
	return buf;
}
