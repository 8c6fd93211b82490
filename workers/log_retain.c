/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_retain - which segments may go, and what holds the others
 *
 * PROCESS
 *	The journal removes; sluicectl only asks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_retain.h"

#include "common/panic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
log_retain_init(struct log_retain *r, const struct log_retain_rules *rules)
{
	*r = (struct log_retain){.rules = *rules};
	r->sink = xcalloc(LOG_RETAIN_SINKS_MAX, sizeof *r->sink);
}

void
log_retain_free(struct log_retain *r)
{
	free(r->sink);
	*r = (struct log_retain){0};
}

static void
load_sink(struct log_retain *r, int sinks_fd, const char *name)
{
	struct log_retain_sink *s = &r->sink[r->n_sinks];
	int fd = openat(sinks_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	enum checkpoint_result got;

	if (fd == -1 && errno == ENOTDIR)
		return;
	got = fd == -1 ? CHECKPOINT_ERROR : checkpoint_read(fd, "checkpoint", &s->at);
	if (fd != -1)
		close(fd);
	if (got == CHECKPOINT_ABSENT)
		return;
	s->is_bad = got != CHECKPOINT_OK;
	(void)snprintf(s->name, sizeof s->name, "%.63s", name);
	r->n_sinks++;
}

void
log_retain_load_sinks(struct log_retain *r, const char *state_dir)
{
	char path[512];
	struct dirent *e;
	DIR *d;

	r->n_sinks = 0;
	r->has_more_sinks = false;
	(void)snprintf(path, sizeof path, "%s/sinks", state_dir);
	d = opendir(path);
	if (d == NULL) {
		r->has_more_sinks = errno != ENOENT;
		return;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		if (r->n_sinks == LOG_RETAIN_SINKS_MAX) {
			r->has_more_sinks = true;
			break;
		}
		load_sink(r, dirfd(d), e->d_name);
	}
	closedir(d);
}

/* The first stream that a sink has not read up to the segment's end. */
static bool
is_held_by(const struct log_retain_sink *s, const struct log_segment_header *successor,
    struct log_retain_answer *answer)
{
	answer->sink = s;
	if (s->is_bad)
		return true;
	for (uint32_t i = 0; i < LOG_STREAMS; i++) {
		uint64_t at = i < s->at.streams ? s->at.stream[i].pos : 0;

		if (at >= successor->stream[i].end)
			continue;
		answer->stream = i;
		answer->pos = at;
		return true;
	}
	return false;
}

void
log_retain_ask(const struct log_retain *r, const struct log_segment_header *successor,
    uint64_t born, uint64_t disk_bytes, uint64_t now_ns, struct log_retain_answer *answer)
{
	*answer = (struct log_retain_answer){.hold = LOG_HOLD_ACTIVE};
	if (successor == NULL)
		return;
	/* Behind a clock that went back, ages would be huge: count as 0. */
	answer->hold = LOG_HOLD_WINDOW;
	answer->until_ns = born + r->rules.window_ns;
	if (now_ns < born || now_ns - born <= r->rules.window_ns)
		return;
	answer->hold = LOG_HOLD_SINK;
	answer->until_ns = 0;
	if (r->has_more_sinks)
		return;
	for (size_t i = 0; i < r->n_sinks; i++)
		if (is_held_by(&r->sink[i], successor, answer))
			return;
	answer->sink = NULL;
	answer->hold = LOG_HOLD_RETAIN;
	answer->until_ns = born + r->rules.retain_ns;
	if (now_ns - born <= r->rules.retain_ns &&
	    (r->rules.max_disk_bytes == 0 || disk_bytes <= r->rules.max_disk_bytes))
		return;
	answer->hold = LOG_HOLD_NONE;
	answer->until_ns = 0;
}
