/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_recover - what the log says when the region is new
 *
 * PROCESS
 *	The journal.
 *
 * SHARED STATE
 *	None written; the dedup table through journal_dedup.c.
 */
#include "workers/journal_parts.h"

#include "common/log.h"
#include "common/panic.h"

void
journal_recover(struct journal *j, struct log_writer_place *place)
{
	(void)j;
	(void)place;
	if (log_dir_last(j->dirfd) != 0)
		fatal("%s: recovery of an existing log is not there yet", j->cfg->path);
}

void
journal_dedup_rebuild(struct journal *j, uint64_t end)
{
	(void)j;
	(void)end;
}
