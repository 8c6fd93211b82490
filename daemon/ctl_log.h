/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_log - the log, for commands: its folder and where it ends now
 *
 * DESCRIPTION
 *	A region that is there says where the log ends; without one the last
 *	whole commit is the end.  A region that is replaced is noticed.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Maps the region read-only.
 */
#ifndef DAEMON_CTL_LOG_H
#define DAEMON_CTL_LOG_H

#include "daemon/ctl.h"
#include "shm/region.h"

struct ctl_log {
	const struct ctl *ctl;
	int dirfd;
	bool has_region;
	struct region region;
	ino_t inode;
};

/* CTL_OK, or an exit code after having said why. */
int ctl_log_open(struct ctl_log *log, const struct ctl *ctl);
void ctl_log_close(struct ctl_log *log);
/* The log's end now (layout_log_end()); 0: no region says. */
uint64_t ctl_log_end(struct ctl_log *log);

/* "2026-01-31T12:00:00[.5][Z]" or "2026-01-31", UTC; false: something else. */
bool ctl_log_date(const char *text, uint64_t *wall_ns);

#endif
