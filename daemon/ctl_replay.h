/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_replay - what the commands that send events again share
 *
 * DESCRIPTION
 *	The sink does it; here it is asked, watched, and stopped at SIGINT.  On a
 *	terminal the progress is one line that changes, else a line every few
 *	seconds, on standard error.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef DAEMON_CTL_REPLAY_H
#define DAEMON_CTL_REPLAY_H

#include "daemon/ctl.h"
#include "workers/deadletter_inbox.h"

/* From now on SIGINT, SIGTERM and SIGHUP do not end us but ctl_replay_run(), which then
 * asks nobody or has the sink stop.  Once and for all. */
void ctl_replay_catch(void);
bool ctl_replay_is_interrupted(void);

/*
 * Ask the sink (`line` names `id` and ends with a newline) and wait for the end.
 * total: of events, 0: not known.  CTL_OK when it was done, else an exit code after
 * having said why; *end is how far it came.
 */
int ctl_replay_run(const struct ctl *ctl, const char *sink, const char *id, const char *line,
    uint64_t total, struct deadletter_replay *end);

/* A name that no other replay has. */
void ctl_replay_id(char id[48]);

/* "-10m", "2026-01-31T12:00:00Z", "2026-01-31", "oldest", "now": wall clock in ns. */
bool ctl_replay_time(const char *text, uint64_t *wall_ns);
bool ctl_replay_number(const char *text, uint64_t *value);

#endif
