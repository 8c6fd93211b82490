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
	r->first = xcalloc(LOG_RETAIN_SINKS_MAX, sizeof *r->first);
}

void
log_retain_configure(
    struct log_retain *r, const struct config *cfg, const struct log_stream *now)
{
	r->cfg = cfg;
	r->now = now;
}

void
log_retain_free(struct log_retain *r)
{
	free(r->sink);
	free(r->first);
	*r = (struct log_retain){0};
}

static const struct config_sink *
find_config(const struct log_retain *r, const char *name)
{
	for (int c = 0; r->cfg != NULL && c < r->cfg->sinks; c++)
		if (strcmp(r->cfg->sink[c].name, name) == 0)
			return &r->cfg->sink[c];
	return NULL;
}

const struct log_retain_sink *
log_retain_find(const struct log_retain *r, const char *name)
{
	for (size_t i = 0; i < r->n_sinks; i++)
		if (strcmp(r->sink[i].name, name) == 0)
			return &r->sink[i];
	return NULL;
}

/* Where it begins, as it was when we saw it first. */
static void
begin_new(struct log_retain *r, const struct config_sink *cfg, struct log_retain_sink *s)
{
	struct log_retain_first *f = NULL, *unused = NULL;

	for (size_t i = 0; f == NULL && i < LOG_RETAIN_SINKS_MAX; i++) {
		if (strcmp(r->first[i].name, s->name) == 0)
			f = &r->first[i];
		else if (unused == NULL && r->first[i].name[0] == '\0')
			unused = &r->first[i];
	}
	if (f == NULL && unused != NULL && r->now != NULL) {
		f = unused;
		(void)snprintf(f->name, sizeof f->name, "%s", s->name);
		for (uint32_t i = 0; i < LOG_STREAMS; i++)
			f->stream[i] = cfg->from == CONFIG_FROM_OLDEST
				? (struct checkpoint_stream){r->now[i].oldest, 0}
				: (struct checkpoint_stream){r->now[i].end, r->now[i].end_seq};
	}
	memset(&s->at, 0, sizeof s->at);
	if (f == NULL)
		return; /* from the log's beginning: holds all */
	s->at.streams = LOG_STREAMS;
	memcpy(s->at.stream, f->stream, sizeof f->stream);
}

static void
load_sink(struct log_retain *r, int sinks_fd, const char *name)
{
	struct log_retain_sink *s = &r->sink[r->n_sinks];
	int fd = openat(sinks_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	const struct config_sink *cfg = find_config(r, name);
	enum checkpoint_result got;

	if (fd == -1 && errno == ENOTDIR)
		return;
	got = fd == -1 ? CHECKPOINT_ERROR : checkpoint_read(fd, "checkpoint", &s->at);
	if (fd != -1)
		close(fd);
	if (got == CHECKPOINT_ABSENT && cfg == NULL)
		return;
	(void)snprintf(s->name, sizeof s->name, "%.63s", name);
	s->is_new = got == CHECKPOINT_ABSENT;
	s->is_bad = got != CHECKPOINT_OK && !s->is_new;
	if (s->is_new)
		begin_new(r, cfg, s);
	/* One that is required is waited for: the intake stops instead. */
	s->max_lag_bytes = cfg == NULL || cfg->required != 0 ? 0 : cfg->max_lag_bytes;
	s->max_lag_ns = cfg == NULL || cfg->required != 0
			    ? 0
			    : (uint64_t)cfg->max_lag_ms * 1000000u;
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

/* Bytes in the log behind that segment, gaps left out. */
static uint64_t
bytes_behind(const struct log_retain *r, const struct log_segment_header *successor)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; r->now != NULL && i < LOG_STREAMS; i++) {
		uint64_t whole = r->now[i].end - r->now[i].gap_bytes;
		uint64_t part = successor->stream[i].end - successor->stream[i].gap_bytes;

		bytes += (int64_t)(whole - part) > 0 ? whole - part : 0;
	}
	return bytes;
}

/* The sink is so far behind that it may lose the segment. */
static bool
is_beyond(const struct log_retain_sink *s, uint64_t behind_bytes, uint64_t age_ns)
{
	return !s->is_bad && ((s->max_lag_bytes != 0 && behind_bytes > s->max_lag_bytes) ||
				 (s->max_lag_ns != 0 && age_ns > s->max_lag_ns));
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
		if (!is_beyond(&r->sink[i], bytes_behind(r, successor), now_ns - born) &&
		    is_held_by(&r->sink[i], successor, answer))
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
