/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_sinks - a place in the region for each sink
 *
 * DESCRIPTION
 *	A sink is found again by its name: the place in the region that bears it
 *	holds its cursors, the folder STATE/sinks/NAME what must outlive a
 *	reboot.  The folder is made here, before anybody is forked, so that the
 *	journal keeps the log for a sink that has written nothing yet.
 *
 *	A sink that left the configuration keeps its place, and holds the log,
 *	as long as its folder is there: `sluicectl sink retire` removes that, and
 *	the place becomes free at the next tick or start.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	Writes the region header's sink_name; clears the sink part of a place
 *	that gets another name, when nobody can be in it.
 *
 * DIAGNOSTICS
 *	fatal: all places bear names of sinks that were not retired.
 */
#include "daemon/supervisor_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/word.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define FOLDER_SIZE (CONFIG_PATH_SIZE + 64)

static const char *
folder_of(const struct supervisor *s, const char *name, char buf[FOLDER_SIZE])
{
	(void)snprintf(buf, FOLDER_SIZE, "%s/sinks/%.39s", s->cfg->global.state_dir, name);
	return buf;
}

/* Nobody configured it, and nothing on disk is left of it. */
static bool
is_retired(const struct supervisor *s, const struct layout_sink *place)
{
	char path[FOLDER_SIZE];
	struct stat st;

	return place->name[0] != '\0' && word_load(&place->is_configured) == 0 &&
	       lstat(folder_of(s, place->name, path), &st) == -1 && errno == ENOENT;
}

static void
free_retired(struct supervisor *s)
{
	for (int i = 0; i < SINK_PART_MAX; i++) {
		struct layout_sink *place = &s->region.header->sink_name[i];

		if (!is_retired(s, place))
			continue;
		log_line(
		    LOG_LEVEL_NOTICE, "sink %.39s was retired: its place is free", place->name);
		memset(place->name, 0, sizeof place->name);
	}
}

/* What the last sink of this place left is nothing to a new one. */
static void
clear_part(struct sink_part *part)
{
	uint32_t magic = part->magic, index = part->index;

	memset((void *)part, 0, sizeof *part);
	part->magic = magic;
	part->index = index;
}

/* Where a new sink begins that is to have what comes from now on. */
static void
note_begin(const struct region *r, struct layout_sink *place)
{
	const struct journal_part *j = r->journal;

	word_store(&place->has_begin, 0);
	if (word_load(&j->ready_generation) != r->header->generation)
		return;
	for (uint32_t i = 0; i < r->slots; i++) {
		uint64_t pos, seq;

		if (!cursor_load(&j->stream[i].durable, &pos, &seq))
			PANIC("stream %u: its durable cursor cannot be read", i);
		word_store(&place->begin[i].pos, pos);
		word_store(&place->begin[i].seq, seq);
	}
	word_store(&place->has_begin, 1);
}

static int
new_place(struct supervisor *s, const char *name)
{
	struct region_header *h = s->region.header;

	for (int i = 0; i < SINK_PART_MAX; i++) {
		if (h->sink_name[i].name[0] != '\0')
			continue;
		clear_part(s->region.sink[i]);
		note_begin(&s->region, &h->sink_name[i]);
		word_store(&h->sink[i].restarts, 0);
		(void)snprintf(h->sink_name[i].name, sizeof h->sink_name[i].name, "%s", name);
		return i;
	}
	fatal("sink %s: all %d places are taken by sinks that were configured before: list them "
	      "with `sluicectl sink ls` and free one with `sluicectl sink retire NAME`",
	    name, SINK_PART_MAX);
}

void
supervisor_sinks_place(struct supervisor *s)
{
	struct region_header *h = s->region.header;
	char path[FOLDER_SIZE];

	for (int i = 0; i < SINK_PART_MAX; i++) {
		word_store(&h->sink_name[i].is_configured, 0);
		/* Nobody saw how those of a former supervisor died. */
		word_store(&h->sink[i].last_exit, 0);
	}
	for (int c = 0; c < s->cfg->sinks; c++) {
		int i = region_sink_find(&s->region, s->cfg->sink[c].name);

		if (i != -1)
			word_store(&h->sink_name[i].is_configured, 1);
	}
	free_retired(s);
	for (int c = 0; c < s->cfg->sinks; c++) {
		const struct config_sink *cfg = &s->cfg->sink[c];
		int i = region_sink_find(&s->region, cfg->name);

		if (i == -1)
			i = new_place(s, cfg->name);
		word_store(&h->sink_name[i].kind, cfg->kind);
		word_store(&h->sink_name[i].is_required, cfg->required != 0);
		supervisor_start_folder(folder_of(s, cfg->name, path), s->user.uid, s->user.gid);
		word_store(&h->sink_name[i].is_configured, 1);
	}
}

void
supervisor_sinks_add(struct supervisor *s)
{
	if (s->cfg->sinks > 0 || s->cfg->deadletter.invalid != 0)
		(void)supervisor_fork_add(s, LAYOUT_ROLE_DEADLETTER, 0, -1);
	for (int c = 0; c < s->cfg->sinks; c++) {
		const char *name = s->cfg->sink[c].name;
		int place = region_sink_find(&s->region, name);
		struct process *p;

		assert_that(place != -1);
		p = supervisor_fork_add(s, LAYOUT_ROLE_SINK, (unsigned)place, -1);
		worker_name_in(&s->region, LAYOUT_ROLE_SINK, (unsigned)place, p->name);
	}
}

void
supervisor_sinks_tick(struct supervisor *s)
{
	free_retired(s);
}
