/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_log - the log, for commands: its folder and where it ends now
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Maps the region read-only.
 */
#include "daemon/ctl_log.h"

#include "common/clock.h"
#include "shm/word.h"
#include "workers/log_dir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static void
map_region(struct ctl_log *log)
{
	char dir[CONFIG_PATH_SIZE + 16], path[CONFIG_PATH_SIZE + 32], text[256];
	struct stat st;

	(void)snprintf(dir, sizeof dir, "%s/region", log->ctl->runtime_dir);
	(void)snprintf(path, sizeof path, "%s/region", dir);
	if (stat(path, &st) == -1) {
		if (log->has_region)
			region_close(&log->region);
		log->has_region = false;
		return;
	}
	if (log->has_region && st.st_ino == log->inode)
		return;
	if (log->has_region)
		region_close(&log->region);
	log->inode = st.st_ino;
	log->has_region = region_open(&log->region, dir, false, text, sizeof text) == REGION_OK;
	if (!log->has_region)
		region_close(&log->region);
}

int
ctl_log_open(struct ctl_log *log, const struct ctl *ctl)
{
	*log = (struct ctl_log){.ctl = ctl};
	log->dirfd = log_dir_open(ctl->journal_dir, false);
	if (log->dirfd == -1) {
		ctl_say("%s: %s: say --state-dir or --config, or run as a user who may read it",
		    ctl->journal_dir, strerror(errno));
		return CTL_UNAVAILABLE;
	}
	return CTL_OK;
}

void
ctl_log_close(struct ctl_log *log)
{
	if (log->has_region)
		region_close(&log->region);
	if (log->dirfd != -1)
		close(log->dirfd);
	*log = (struct ctl_log){.dirfd = -1};
}

/* A region beside another log says nothing about this one. */
static bool
is_of_this_log(const struct ctl_log *log, uint64_t end)
{
	struct log_segment_header h;
	enum log_format_result why;
	uint32_t number = layout_log_segment(end);

	return log_dir_read_header(log->dirfd, number, &h, &why) == 0 &&
	       memcmp(h.instance, log->region.header->instance, sizeof h.instance) == 0;
}

uint64_t
ctl_log_end(struct ctl_log *log)
{
	const struct journal_part *part;
	uint64_t end;

	map_region(log);
	if (!log->has_region)
		return 0;
	part = log->region.journal;
	end = word_load(&part->log_end);
	if (end == 0 || word_load(&part->ready_generation) != log->region.header->generation)
		return 0;
	return is_of_this_log(log, end) ? end : 0;
}

bool
ctl_log_date(const char *text, uint64_t *wall_ns)
{
	struct tm tm = {0};
	double fraction = 0;
	char *end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);

	if (end == NULL) {
		memset(&tm, 0, sizeof tm);
		end = strptime(text, "%Y-%m-%d", &tm);
	}
	if (end == NULL)
		return false;
	if (*end == '.')
		fraction = strtod(end, &end);
	if (*end == 'Z')
		end++;
	if (*end != '\0' || timegm(&tm) < 0)
		return false;
	*wall_ns = (uint64_t)timegm(&tm) * CLOCK_NS_PER_S + (uint64_t)(fraction * 1e9);
	return true;
}
