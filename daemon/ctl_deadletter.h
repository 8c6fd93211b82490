/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_deadletter - what the deadletter commands share
 *
 * DESCRIPTION
 *	The files are read here, so that all but purge and replay work without a
 *	daemon.  Marks are written by the deadletter stage alone.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef DAEMON_CTL_DEADLETTER_H
#define DAEMON_CTL_DEADLETTER_H

#include "common/match.h"
#include "daemon/ctl.h"
#include "workers/deadletter_json.h"
#include "workers/deadletter_marks.h"

struct ctl_deadletter {
	const struct ctl *ctl;
	struct deadletter_index index;
	struct deadletter_query query;
	struct match *where; /* NULL: no condition on the event */
	uint64_t rate;
	bool is_dry;
	bool has_filter; /* anything that narrows */
	char **ids;
	int n_ids;
	char instance[9];
	struct deadletter_ref *refs;
	size_t n;
};

/* The chosen ones are in refs, the newest first.  CTL_OK, or an exit code. */
int ctl_deadletter_select(struct ctl_deadletter *l);
/* Ask the deadletter stage to mark refs; how many it did, -1: said. */
int64_t ctl_deadletter_mark(const struct ctl_deadletter *l, const struct deadletter_ref *refs,
    size_t n, const char *word);

/* ctl_deadletter_replay.c */
int ctl_deadletter_replay(struct ctl_deadletter *l);

#endif
