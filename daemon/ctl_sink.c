/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_sink - list sinks, force a breaker, forget a sink that was removed
 *
 * DESCRIPTION
 *	`sink ls` reads shared memory, by way of the admin process when it
 *	answers.  `sink breaker` asks the stage.  `sink retire` removes the
 *	folder STATE/sinks/NAME: with it go the checkpoint that holds the log,
 *	and, at the supervisor's next tick or start, the place in the region.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only.
 */
#include "common/clock.h"
#include "common/units.h"
#include "daemon/ctl.h"
#include "shm/lock.h"
#include "shm/region.h"
#include "shm/word.h"
#include "workers/stats_sink.h"

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ASK_MS         1000
#define LINE_MAX_BYTES 128
#define WAIT_STEPS     40 /* of 50 ms: the supervisor looks every 250 ms */

static bool
is_name(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < CONFIG_NAME_SIZE &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int
breaker(struct ctl *ctl, const char *name, const char *how)
{
	char path[CONFIG_PATH_SIZE + 64], line[LINE_MAX_BYTES];
	struct text_out answer;
	int rc = CTL_OK;

	if (strcmp(how, "open") != 0 && strcmp(how, "close") != 0 && strcmp(how, "auto") != 0)
		return ctl_usage("sink", "say open, close or auto");
	(void)snprintf(path, sizeof path, "%s/stage/%s.sock", ctl->runtime_dir, name);
	(void)snprintf(line, sizeof line, "breaker %s", how);
	text_init(&answer, 65536);
	if (ctl_ask(path, line, ASK_MS, &answer) == -1) {
		bool is_late = errno == ETIMEDOUT || errno == EAGAIN;

		ctl_say("%s: %s: see sluicectl sink ls for the sinks and their state%s", path,
		    strerror(errno),
		    is_late ? ": it may still take effect when the stage goes on" : "");
		rc = CTL_UNAVAILABLE;
	} else {
		(void)fwrite(answer.buf, 1, strcspn(answer.buf, "\n"), stdout);
		(void)putchar('\n');
	}
	text_free(&answer);
	return rc;
}

/*---------------------------------------------------------------------------*
 * retire
 *---------------------------------------------------------------------------*/

static bool
is_configured(const struct ctl *ctl, const char *name)
{
	for (int c = 0; ctl->cfg != NULL && c < ctl->cfg->sinks; c++)
		if (strcmp(ctl->cfg->sink[c].name, name) == 0)
			return true;
	return false;
}

/* Is it in the configuration that runs now?  And does a supervisor run? */
static bool
is_running(const struct region *r, const char *name, bool *has_supervisor)
{
	int place = region_sink_find(r, name);

	*has_supervisor = stats_pid_is_alive((pid_t)word_load(&r->header->supervisor_pid));
	return place != -1 && *has_supervisor &&
	       word_load(&r->header->sink_name[place].is_configured) != 0;
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

/* Renamed first: a name that begins with a dot holds nothing, whole or half. */
static int
remove_folder(const char *path, const char *aside)
{
	if (nftw(aside, remove_one, 16, FTW_DEPTH | FTW_PHYS) == -1 && errno != ENOENT)
		return -1;
	if (rename(path, aside) == -1)
		return -1;
	return nftw(aside, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static bool
wait_until_free(const struct region *r, const char *name)
{
	const struct timespec step = {0, 50 * 1000 * 1000};

	for (int i = 0; i < WAIT_STEPS && region_sink_find(r, name) != -1; i++)
		(void)nanosleep(&step, NULL);
	return region_sink_find(r, name) == -1;
}

/* CTL_OK: nobody needs it. */
static int
may_retire(const struct ctl *ctl, const char *name, const char *path, const struct region *region,
    bool *has_supervisor)
{
	char lock[CONFIG_PATH_SIZE + 128];
	struct stat st;
	pid_t pid;

	if (is_configured(ctl, name)) {
		ctl_say("sink %s is configured: take its section out of %s and restart sluiced "
			"first",
		    name, ctl->config_path);
		return CTL_FAILED;
	}
	if (region != NULL && is_running(region, name, has_supervisor)) {
		ctl_say("sink %s runs: restart sluiced without its section first", name);
		return CTL_FAILED;
	}
	if (lstat(path, &st) == -1) {
		ctl_say(
		    "%s: %s", path, errno == ENOENT ? "there is no such sink" : strerror(errno));
		return CTL_FAILED;
	}
	(void)snprintf(lock, sizeof lock, "%s/lock", path);
	pid = lock_owner(lock);
	if (pid != 0) {
		if (pid == -1)
			ctl_say("%s: %s", lock, strerror(errno));
		else
			ctl_say("sink %s still works: pid %d: wait for it to end", name, (int)pid);
		return CTL_FAILED;
	}
	return CTL_OK;
}

/* What nobody will deliver when it is gone, as ", 12 events (3 KiB) ..."; text. */
static const char *
undelivered(const struct region *r, const char *name, char text[160])
{
	int place = r == NULL ? -1 : region_sink_find(r, name);
	struct stats_sink sink = {.is_known = false};
	char size[UNITS_TEXT_SIZE];
	struct sink_lag lag;

	if (place != -1)
		stats_sink_ledger(r, place, &sink);
	if (!sink.is_known) {
		(void)snprintf(text, 160, "how many events it has not delivered is not known");
		return text;
	}
	sink_lag_read(r, place, &lag);
	(void)snprintf(text, 160, "%" PRIu64 " events (%s) are not delivered by it", sink.pending,
	    units_print_size_about((int64_t)lag.bytes, size));
	return text;
}

static int
retire(struct ctl *ctl, const char *name, bool is_sure)
{
	char path[CONFIG_PATH_SIZE + 64], aside[CONFIG_PATH_SIZE + 80], text[512],
	    dir[CONFIG_PATH_SIZE + 16];
	static struct region region;
	bool has_supervisor = false, has_region;
	char rest[160] = "";
	int rc;

	(void)snprintf(path, sizeof path, "%s/sinks/%s", ctl->state_dir, name);
	(void)snprintf(aside, sizeof aside, "%s/sinks/.%s.retired", ctl->state_dir, name);
	(void)snprintf(dir, sizeof dir, "%s/region", ctl->runtime_dir);
	has_region = region_open(&region, dir, false, text, sizeof text) == REGION_OK;
	rc = may_retire(ctl, name, path, has_region ? &region : NULL, &has_supervisor);
	if (rc == CTL_OK)
		(void)undelivered(has_region ? &region : NULL, name, rest);
	if (rc == CTL_OK && !is_sure) {
		ctl_say("%s would be removed: %s; the sink forgets how far it was, and the log is "
			"not held for it any more; its dead letters stay: say --yes",
		    path, rest);
		rc = CTL_USAGE;
	}
	if (rc == CTL_OK && remove_folder(path, aside) == -1) {
		ctl_say("%s: %s", path, strerror(errno));
		rc = CTL_FAILED;
	} else if (rc == CTL_OK) {
		(void)printf("%s retired%s: %s\n", name,
		    !has_supervisor                  ? ""
		    : wait_until_free(&region, name) ? ", its place is free"
						     : ", its place is not free yet",
		    rest);
	}
	region_close(&region);
	return rc;
}

int
ctl_sink(struct ctl *ctl, int argc, char **argv)
{
	bool is_sure = argc == 4 && strcmp(argv[3], "--yes") == 0;

	if (argc == 2 && strcmp(argv[1], "ls") == 0)
		return ctl_show_line(ctl, ctl->is_json ? "show sinks json" : "show sinks");
	if (argc >= 3 && !is_name(argv[2]))
		return ctl_usage("sink", "%s is no name of a sink", argv[2]);
	if (argc == 4 && strcmp(argv[1], "breaker") == 0)
		return breaker(ctl, argv[2], argv[3]);
	if ((argc == 3 || is_sure) && strcmp(argv[1], "retire") == 0)
		return retire(ctl, argv[2], is_sure);
	return ctl_usage("sink", "say ls, breaker or retire");
}
