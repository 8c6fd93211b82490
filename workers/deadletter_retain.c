/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_retain - which files of dead letters may go
 *
 * DESCRIPTION
 *	Records older than `retain` are over.  A file all of whose records are
 *	over goes, and above `max-disk` the oldest one goes before its time.
 *	The newest file of a stage is its writer's and stays.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_parts.h"

#include "common/log.h"

#include <errno.h>
#include <string.h>

static bool
remove_file(struct deadletter_stage *d, size_t stage, size_t file)
{
	struct deadletter_index_file *f = &d->index.stage[stage].file[file];
	uint32_t number = f->number;
	uint64_t open = f->open;

	if (deadletter_index_unlink(&d->index, stage, file) == -1) {
		worker_error(d->w, "cannot remove %s/%08u.dead: %s", d->index.stage[stage].name,
		    number, strerror(errno));
		return false;
	}
	if (open > 0) {
		d->dropped += open;
		worker_error(d->w, "dead letters dropped before their time, for max-disk");
	}
	log_line(LOG_LEVEL_INFO, "removed %s/%08u.dead: open=%llu", d->index.stage[stage].name,
	    number, (unsigned long long)open);
	return true;
}

/* Of a file that could not be read nobody knows what is open in it: an error passes, and a
 * head that cannot be believed is as old as the file. */
static bool
is_over(const struct deadletter_index_file *f, uint64_t before_ns)
{
	if (!f->is_complete)
		return !f->is_readable && f->mtime_ns != 0 && f->mtime_ns < before_ns;
	return f->open == 0;
}

static bool
drop_oldest(struct deadletter_stage *d)
{
	size_t stage = 0, file = 0;
	uint64_t oldest = UINT64_MAX;

	for (size_t i = 0; i < d->index.stages; i++)
		for (size_t k = 0; k < d->index.stage[i].n; k++) {
			const struct deadletter_index_file *f = &d->index.stage[i].file[k];

			if (!deadletter_index_may_go(&d->index, i, k) || f->newest_ns >= oldest)
				continue;
			oldest = f->newest_ns;
			stage = i;
			file = k;
		}
	return oldest != UINT64_MAX && remove_file(d, stage, file);
}

void
deadletter_retain(struct deadletter_stage *d, uint64_t now_ns)
{
	uint64_t retain_ns = (uint64_t)d->cfg->retain_ms * CLOCK_NS_PER_MS;
	uint64_t before_ns = now_ns > retain_ns ? now_ns - retain_ns : 0;

	(void)deadletter_index_expire(&d->index, before_ns, (uint32_t)(now_ns / CLOCK_NS_PER_S));
	for (size_t i = 0; i < d->index.stages; i++)
		for (size_t k = d->index.stage[i].n; k-- > 0;)
			if (deadletter_index_may_go(&d->index, i, k) &&
			    is_over(&d->index.stage[i].file[k], before_ns))
				(void)remove_file(d, i, k);
	while (d->cfg->max_disk_bytes != 0 && d->index.bytes > d->cfg->max_disk_bytes)
		if (!drop_oldest(d))
			break;
	if (deadletter_marks_compact(&d->marks, &d->index) == -1)
		worker_error(d->w, "cannot write the marks: %s", strerror(errno));
}
