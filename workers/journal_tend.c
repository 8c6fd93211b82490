/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_tend - checkpoints, retention and who else is there
 *
 * PROCESS
 *	The journal, from its tick.
 *
 * SHARED STATE
 *	Writes struct journal_part.
 */
#include "workers/journal_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define RETAIN_EVERY_NS (60 * CLOCK_NS_PER_S)
#define REMOVE_AT_ONCE  8 /* segments in one turn: commits must not wait long */

void
journal_tend_checkpoint(struct journal *j, bool at_once)
{
	struct checkpoint *c = j->checkpoint_content;

	if (j->checkpoint_commit == j->writer.commit && !at_once)
		return;
	memset(c, 0, sizeof *c);
	memcpy(c->instance, j->w->env->instance, sizeof c->instance);
	c->generation = j->region->header->generation;
	c->time_ns = clock_wall_ns();
	c->commit = j->writer.commit;
	c->log_end = word_load(&j->part->log_end);
	c->streams = LOG_STREAMS;
	for (uint32_t i = 0; i < LOG_STREAMS; i++)
		c->stream[i] = (struct checkpoint_stream){j->stream[i].end, j->stream[i].end_seq};
	worker_blocked(j->w, "checkpoint");
	if (checkpoint_write(&j->checkpoint, c) == 0) {
		j->checkpoint_commit = c->commit;
		word_store(&j->part->checkpoint_ns, c->time_ns);
		counters_add(j->part->counter, counter_id(JOURNAL, checkpoints), 1);
	} else if (word_load(&j->part->trouble) == LAYOUT_TROUBLE_NONE) {
		worker_error(j->w, "%s: cannot write the checkpoint: %s: trying again",
		    j->cfg->path, strerror(errno));
	}
	worker_unblocked(j->w);
}

static void
remove_segment(struct journal *j, uint32_t number)
{
	char name[LOG_DIR_NAME_LEN];

	log_dir_name(number, name);
	if (unlinkat(j->dirfd, name, 0) == -1 && errno != ENOENT)
		worker_error(j->w, "%s/%s: cannot remove: %s", j->cfg->path, name, strerror(errno));
}

/* Readers learn where the log begins before it begins there. */
static void
publish_oldest(struct journal *j, const struct log_segment_header *successor)
{
	for (uint32_t i = 0; i < LOG_STREAMS; i++) {
		if (successor->stream[i].end <= j->stream[i].oldest)
			continue;
		j->stream[i].oldest = successor->stream[i].end;
		if (i < j->slots)
			word_store(&j->part->stream[i].oldest, j->stream[i].oldest);
	}
	word_store(&j->part->log_first, successor->number);
}

/* The next segment behind i whose header can be read; 0 or -1: none. */
static int
successor_of(
    struct journal *j, const struct log_chain *chain, size_t i, struct log_segment_header *h)
{
	enum log_format_result why;
	size_t k;

	for (k = i + 1; k < chain->n; k++)
		if (!chain->at[k].is_stray && chain->at[k].is_readable)
			break;
	return k < chain->n && log_dir_read_header(j->dirfd, chain->at[k].number, h, &why) == 0
		   ? 0
		   : -1;
}

static uint64_t
disk_bytes(struct journal *j, const struct log_chain *chain)
{
	uint64_t bytes = 0;
	int error;

	if (j->writer.spare != NULL)
		(void)log_spare_look(j->writer.spare, &bytes, &error);
	for (size_t i = 0; i < chain->n; i++)
		bytes += chain->at[i].bytes;
	return bytes;
}

/* True: it stopped because of REMOVE_AT_ONCE. */
static bool
remove_what_may_go(struct journal *j, struct log_chain *chain)
{
	struct log_segment_header *h = xcalloc(1, sizeof *h);
	uint64_t bytes = disk_bytes(j, chain);
	uint64_t now_ns = clock_wall_ns();
	struct log_retain_answer answer;
	size_t removed = 0, left = chain->n;
	uint32_t first = 0;

	log_retain_load_sinks(&j->retain, j->w->env->state_dir);
	for (size_t i = 0; i < chain->n && removed < REMOVE_AT_ONCE; i++) {
		const struct log_segment *s = &chain->at[i];

		if (s->is_stray && s->number < j->writer.number) {
			remove_segment(j, s->number);
			bytes -= s->bytes;
			left--;
			continue;
		}
		if (s->is_stray || first != 0)
			continue;
		log_retain_ask(&j->retain, successor_of(j, chain, i, h) == 0 ? h : NULL,
		    log_dir_born(chain, i + 1), bytes, now_ns, &answer);
		if (answer.hold != LOG_HOLD_NONE) {
			first = s->number; /* only strays from here on */
			continue;
		}
		publish_oldest(j, h);
		remove_segment(j, s->number);
		counters_add(j->part->counter, counter_id(JOURNAL, segments_removed), 1);
		bytes -= s->bytes;
		left--;
		removed++;
	}
	if (first != 0)
		word_store(&j->part->log_first, first);
	if (left < chain->n && fsync(j->dirfd) == -1)
		worker_error(j->w, "%s: fsync: %s", j->cfg->path, strerror(errno));
	counters_set(j->part->counter, counter_id(JOURNAL, segments), left);
	counters_set(j->part->counter, counter_id(JOURNAL, disk_bytes), bytes);
	free(h);
	return removed == REMOVE_AT_ONCE;
}

void
journal_tend_retention(struct journal *j)
{
	uint64_t now_ns = clock_mono_ns();
	bool has_more = false;

	if (j->writer.stats.opened == j->retain_opened && now_ns < j->retain_at_ns)
		return;
	j->retain_opened = j->writer.stats.opened;
	j->retain_at_ns = now_ns + RETAIN_EVERY_NS;
	worker_blocked(j->w, "retention");
	if (log_dir_load(&j->chain, j->dirfd, 0) == -1)
		worker_error(
		    j->w, "%s: cannot list the segments: %s", j->cfg->path, strerror(errno));
	else
		has_more = remove_what_may_go(j, &j->chain);
	worker_unblocked(j->w);
	if (has_more)
		j->retain_at_ns = now_ns;
}

void
journal_tend_owners(struct journal *j)
{
	uint64_t pid = word_load(&j->region->header->supervisor_pid);

	j->is_unowned = journal_dedup_is_free(j);
	/* A new supervisor has started a journal that waits for our lock, and
	 * acceptors that keep the rings filling: they are its business. */
	j->has_successor =
	    pid != j->supervisor_pid && pid != 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}
