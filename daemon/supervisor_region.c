/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_region - a region to work with: adopt, make, refuse
 *
 * DESCRIPTION
 *	A region of this boot that belongs to our state directory is adopted as
 *	it is: it may hold events that were acknowledged and are in no log yet.
 *	A region of another boot is lost by definition.  Everything else that
 *	is found is refused by name, with the command that gets out of it.
 *
 *	The generation in the state directory grows, durably, before a region
 *	is made, so that positions of two regions cannot be confused.  Both
 *	wait until the sockets are bound: who could not start changes nothing.
 *
 * PROCESS
 *	The supervisor, before it forks.
 *
 * SHARED STATE
 *	Makes the region; reads cursors.
 */
#include "daemon/supervisor_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/word.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *
region_dir(const struct supervisor *s, char buf[REGION_PATH_MAX])
{
	(void)snprintf(buf, REGION_PATH_MAX, "%.100s/region", s->cfg->global.runtime_dir);
	return buf;
}

int64_t
supervisor_region_undrained(const struct region *r)
{
	int64_t bytes = 0;

	for (uint32_t i = 0; i < r->slots; i++) {
		const struct slot_page *slot = r->slot[i];
		const struct ring ring = region_ring(r, i);

		if (word_load(&slot->active) != 0)
			return -1;
		if (counters_get(slot->counter, counter_id(STREAM, takeovers)) == 0 ||
		    word_load(&r->journal->stream[i].retired) != 0)
			continue;
		bytes += (int64_t)(ring_tail(&ring) - cursor_pos(&r->journal->stream[i].durable));
	}
	return bytes;
}

/* A pid that still holds a part of the region in dir, or 0. */
static pid_t
somebody_inside(const char *dir)
{
	char path[REGION_PATH_MAX + 32];

	for (int kind = 0; kind < 2; kind++)
		for (int i = 0; i < (kind == 0 ? LAYOUT_PAGES_MAX : LAYOUT_SLOTS_MAX); i++) {
			pid_t pid;

			(void)snprintf(path, sizeof path, "%s/%s.%d.lock", dir,
			    kind == 0 ? "page" : "slot", i);
			if (access(path, F_OK) == 0 && (pid = lock_owner(path)) > 0)
				return pid;
		}
	return 0;
}

/* Rename first: a kill in the middle leaves no half region under the name. */
static void
throw_away(const char *dir)
{
	char old[REGION_PATH_MAX + 8];

	(void)snprintf(old, sizeof old, "%s.old", dir);
	if (region_remove(old) == -1 && errno != ENOENT)
		fatal("%s: cannot be removed: %s", old, strerror(errno));
	if (rename(dir, old) == -1 && errno != ENOENT)
		fatal("%s: cannot be set aside: %s", dir, strerror(errno));
	(void)region_remove(old);
}

static uint32_t
pages_needed(const struct config *cfg)
{
	/* Two generations of each process (the former ones may still drain),
	 * and heirs.  In steps of eight: one more sink is no reason to make a
	 * region anew. */
	uint32_t sinks = ((uint32_t)cfg->sinks + 1 + 7) / 8 * 8;
	uint32_t n = 2 * ((uint32_t)cfg->processes + 2 + sinks) + (uint32_t)cfg->stream_slots + 2;

	return n < LAYOUT_PAGES_MAX ? n : LAYOUT_PAGES_MAX;
}

static void
make_region(struct supervisor *s, const char *dir)
{
	const struct config *cfg = s->cfg;
	struct region_params p = {.slots = (uint32_t)cfg->stream_slots,
	    .pages = pages_needed(cfg),
	    .ring_capacity = cfg->global.ring_bytes,
	    .dedup_bytes = cfg->dedup.table_bytes,
	    .dedup_window_ms = (uint64_t)cfg->dedup.window_ms,
	    /* Stages inherit their maps and open nothing but locks: the bytes
	     * stay out of reach of a stage that was taken over. */
	    .uid = (uid_t)-1,
	    .gid = s->user.gid};
	char text[512];

	/* First the old one goes: the other way round a kill in between would
	 * leave a region that the state directory does not know. */
	throw_away(dir);
	s->instance.generation++;
	if (instance_save(cfg->global.state_dir, &s->instance, text, sizeof text) == -1)
		fatal("%s", text);
	p.generation = s->instance.generation;
	memcpy(p.instance, s->instance.uuid, sizeof p.instance);
	instance_key_check(s->instance.dedup_key, p.dedup_key_check);
	if (region_create(dir, &p, text, sizeof text) != REGION_OK)
		fatal("%s", text);
	if (region_open(&s->region, dir, true, text, sizeof text) != REGION_OK)
		fatal("%s", text);
	log_line(LOG_LEVEL_INFO,
	    "made a new region: generation=%llu slots=%u ring=%lluk table=%lluk",
	    (unsigned long long)p.generation, p.slots, (unsigned long long)p.ring_capacity / 1024,
	    (unsigned long long)p.dedup_bytes / 1024);
}

void
supervisor_region_finish(struct supervisor *s)
{
	char dir[REGION_PATH_MAX];

	if (!s->is_region_due)
		return;
	s->is_region_due = false;
	region_close(&s->region);
	make_region(s, region_dir(s, dir));
}

static void
check_belongs(const struct supervisor *s, const char *dir, enum instance_result known)
{
	const struct region_header *h = s->region.header;
	const struct instance *i = &s->instance;
	char ours[INSTANCE_UUID_TEXT] = "none", theirs[INSTANCE_UUID_TEXT];
	uint8_t check[8];

	instance_uuid_text(h->instance, theirs);
	if (known == INSTANCE_OK) {
		instance_uuid_text(i->uuid, ours);
		instance_key_check(i->dedup_key, check);
		if (memcmp(h->instance, i->uuid, sizeof i->uuid) == 0 &&
		    h->generation == i->generation &&
		    memcmp(h->dedup_key_check, check, sizeof check) == 0)
			return;
	}
	fatal("the region and the state directory do not belong together: %s is of instance %s "
	      "generation %llu, %s is of instance %s generation %llu: configure the state-dir "
	      "that belongs to the region, or give up events that are only in memory with "
	      "`sluiced -R`",
	    dir, theirs, (unsigned long long)h->generation, s->cfg->global.state_dir, ours,
	    (unsigned long long)(known == INSTANCE_OK ? i->generation : 0));
}

/* Sizes are those of the region until it is empty and nobody is in it. */
static void
check_sizes(struct supervisor *s, const char *dir)
{
	const struct config *cfg = s->cfg;
	const struct region_header *h = s->region.header;
	uint64_t tick_ns = (uint64_t)cfg->dedup.window_ms * CLOCK_NS_PER_MS / 2048;
	int64_t undrained;
	pid_t pid;

	if (h->ring_capacity == cfg->global.ring_bytes && h->slots == (uint32_t)cfg->stream_slots &&
	    h->dedup_bytes == cfg->dedup.table_bytes &&
	    s->region.dedup.header->tick_ns == tick_ns && h->pages >= pages_needed(cfg))
		return;
	undrained = supervisor_region_undrained(&s->region);
	pid = somebody_inside(dir);
	if (undrained == 0 && pid == 0) {
		log_line(LOG_LEVEL_NOTICE, "the configuration has new sizes and everything is in "
					   "the log: making the region anew");
		s->is_region_due = true;
		return;
	}
	if (h->slots < (uint32_t)cfg->processes)
		fatal("the region has %u stream slots and the configuration needs %d, but events "
		      "are not in the log yet: start with the old configuration, stop cleanly, "
		      "then start with the new one",
		    h->slots, cfg->processes);
	log_line(LOG_LEVEL_WARN,
	    "the configuration has new sizes, but the region is in use: keeping the old ones "
	    "until a start after a clean stop: ring=%lluk slots=%u table=%lluk not_in_log=%lld "
	    "pid_inside=%d",
	    (unsigned long long)h->ring_capacity / 1024, h->slots,
	    (unsigned long long)h->dedup_bytes / 1024, (long long)undrained, (int)pid);
}

/* Without its instance file a log is nobody's: its receipts name an instance,
 * and its keys were hashed with a secret. */
static void
new_instance(struct supervisor *s)
{
	const char *path = s->cfg->journal.path;
	DIR *d = opendir(path);
	struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);

		if (len > 4 && strcmp(e->d_name + len - 4, ".log") == 0)
			fatal("%s/instance is missing, but %s has a log: restore the file from a "
			      "backup, or set `path` in the journal section to an empty folder",
			    s->cfg->global.state_dir, path);
	}
	if (d != NULL)
		closedir(d);
	instance_make(&s->instance);
}

static void
give_up(struct supervisor *s, const char *dir, bool has_instance)
{
	pid_t pid = somebody_inside(dir);
	char text[512];

	if (pid != 0)
		fatal("%s: a stage still works in the region: pid=%d: wait for it to end", dir,
		    (int)pid);
	if (region_open(&s->region, dir, false, text, sizeof text) == REGION_OK)
		log_line(LOG_LEVEL_WARN, "giving up the region: not_in_log=%lld bytes",
		    (long long)supervisor_region_undrained(&s->region));
	region_close(&s->region);
	if (!has_instance)
		new_instance(s);
	s->is_region_due = true;
}

void
supervisor_region_open(struct supervisor *s, bool new_region)
{
	char dir[REGION_PATH_MAX], text[512], about[512];
	enum instance_result known;
	enum region_result r;

	region_dir(s, dir);
	known = instance_load(s->cfg->global.state_dir, &s->instance, about, sizeof about);
	if (known == INSTANCE_BAD || known == INSTANCE_ERROR)
		fatal("%s", about);
	if (new_region) {
		give_up(s, dir, known == INSTANCE_OK);
		return;
	}
	r = region_open(&s->region, dir, true, text, sizeof text);
	switch (r) {
	case REGION_OK:
		check_belongs(s, dir, known);
		check_sizes(s, dir);
		break;
	case REGION_OTHER_BOOT:
		log_line(LOG_LEVEL_NOTICE, "the region is of another boot: making a new one, the "
					   "log has what was durable");
		/* fallthrough */
	case REGION_ABSENT:
		region_close(&s->region);
		if (known == INSTANCE_ABSENT)
			new_instance(s);
		s->is_region_due = true;
		break;
	case REGION_BAD:
		fatal("%s: give it up, and with it events that are only in memory, with "
		      "`sluiced -R`",
		    text);
	case REGION_LAYOUT:
	case REGION_NO_ROOM:
	case REGION_ERROR:
		fatal("%s", text);
	}
}
