/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_start - take the log over, and let it go
 *
 * DESCRIPTION
 *	Order of a start: the log's lock -> (new region) look at the log, fill
 *	the dedup table -> a new segment -> GAPs durable -> each stream's start
 *	and durable position -> log_end -> ready_generation -> bells.
 *
 *	log_end is the mark: a region whose log_end is not 0 has its starts, and
 *	a successor goes on from the durable positions it finds; it scans
 *	nothing.
 *
 * PROCESS
 *	The journal.
 *
 * SHARED STATE
 *	Writes struct journal_part.
 */
#include "workers/journal_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LOCK_PATIENCE 500 /* tries of 2 ms before it is worth a line */

struct patience {
	unsigned tries;
	const char *path;
};

static bool
say_that_we_wait(void *ctx)
{
	struct patience *p = ctx;

	if (++p->tries == LOCK_PATIENCE)
		log_line(LOG_LEVEL_WARN, "%s: held by pid %d: waiting until it ends", p->path,
		    (int)lock_owner(p->path));
	return false;
}

static void
take_lock(struct journal *j)
{
	const struct worker_env *env = j->w->env;
	char path[CONFIG_PATH_SIZE + sizeof LOG_DIR_LOCK + 1];
	struct patience patience = {.path = path};

	(void)snprintf(path, sizeof path, "%s/%s", j->cfg->path, LOG_DIR_LOCK);
	if (lock_wait(path, &j->lock_fd, say_that_we_wait, &patience) != LOCK_OK)
		fatal("%s: cannot lock the log: %s", path, strerror(errno));
	/* Others ask who holds it. */
	if (env->cfg->global.user[0] != '\0' && geteuid() == 0 &&
	    fchown(j->lock_fd, env->uid, env->gid) == -1)
		fatal("%s: %s", path, strerror(errno));
}

static void
hold_term(int how)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(how, &set, NULL);
}

void
journal_start_early(struct worker *w)
{
	struct journal *j = xcalloc(1, sizeof *j);

	w->stage = j;
	j->w = w;
	j->region = w->env->region;
	j->part = j->region->journal;
	j->cfg = &w->env->cfg->journal;
	j->slots = j->region->slots;
	j->supervisor_pid = word_load(&j->region->header->supervisor_pid);
	/* Told to stop while we wait or recover: first take over, then write
	 * what is in the rings, then end. */
	hold_term(SIG_BLOCK);
	/* A limit on file sizes is an error like any other, not a death. */
	(void)signal(SIGXFSZ, SIG_IGN);
	worker_blocked(w, "log folder");
	j->dirfd = log_dir_open(j->cfg->path, true);
	if (j->dirfd == -1)
		fatal("%s: cannot use the journal's folder: %s", j->cfg->path, strerror(errno));
	worker_unblocked(w);
	/* The former owner may take long to end: no reason to be killed. */
	worker_blocked(w, "log lock");
	take_lock(j);
	worker_unblocked(w);
	word_store(&j->part->pid, (uint64_t)getpid());
	word_store(&j->part->active, w->job->generation);
	word_store(&j->part->sleeping, LAYOUT_AWAKE);
	counters_add(j->part->counter, counter_id(JOURNAL, takeovers), 1);
}

static void
on_event(evutil_socket_t fd, short what, void *arg)
{
	struct journal *j = arg;

	(void)what;
	worker_woke(j->w);
	if (fd != -1)
		bell_clear(fd);
}

static void
add_events(struct journal *j)
{
	const struct worker_env *env = j->w->env;

	j->bell = event_new(j->w->base, env->journal_bell, EV_READ | EV_PERSIST, on_event, j);
	j->timer = evtimer_new(j->w->base, on_event, j);
	if (j->bell == NULL || j->timer == NULL || event_add(j->bell, NULL) == -1)
		fatal("cannot make an event: %s", strerror(errno));
}

/* Killed between the mark and the position: the GAP is in the log, and nobody
 * shall wait for what lies in it. */
static void
pass_retired(struct journal *j, uint32_t i)
{
	struct log_stream *s = &j->stream[i];
	uint64_t tail = cursor_pos(&j->region->slot[i]->ring.tail);

	if (tail == s->end || tail - s->end > LOG_BLOCK)
		return;
	s->gap_bytes += tail - s->end;
	s->end = tail;
	word_store(&j->part->stream[i].gap_bytes, s->gap_bytes);
	cursor_store(&j->part->stream[i].durable, s->end, s->end_seq);
}

/* Only the journal died: everything it needs stands in the region. */
static void
resume(struct journal *j, struct log_writer_place *place)
{
	uint64_t end = word_load(&j->part->log_end);

	/* Every stream the log may know, not only those this region has slots
	 * for: what we carry forward is what the next segment's header says, and
	 * a stream forgotten there would begin again at positions it had used. */
	for (uint32_t i = 0; i < LOG_STREAMS; i++) {
		struct journal_stream *shared = &j->part->stream[i];
		struct log_stream *s = &j->stream[i];

		if (!cursor_load(&shared->durable, &s->end, &s->end_seq))
			fatal("stream %u: the durable position in shared memory is damaged: stop "
			      "sluiced, remove %s and start it again",
			    i, j->region->dir);
		s->oldest = word_load(&shared->oldest);
		s->gap_bytes = word_load(&shared->gap_bytes);
		s->retired = word_load(&shared->retired);
		if (s->retired != 0 && i < j->slots)
			pass_retired(j, i);
	}
	place->number = layout_log_segment(end);
	place->end = layout_log_offset(end);
	place->commit = word_load(&j->part->commit);
	j->is_published = true;
	log_line(LOG_LEVEL_INFO, "going on behind segment %08x offset %llu commit %llu",
	    place->number, (unsigned long long)place->end, (unsigned long long)place->commit);
}

static void
refill_stale_table(struct journal *j)
{
	if (!journal_dedup_is_stale(j))
		return;
	/* An acceptor takes its slot's lock first and looks at this word then:
	 * whoever holds no lock now will wait. */
	word_store(&j->part->ready_generation, 0);
	if (journal_dedup_is_free(j)) {
		journal_dedup_clear(j);
		journal_dedup_rebuild(j, word_load(&j->part->log_end));
	}
}

static void
on_blocked(void *ctx, const char *what)
{
	worker_blocked(ctx, what);
}

static void
on_unblocked(void *ctx)
{
	worker_unblocked(ctx);
}

static void
open_writer(struct journal *j, const struct log_writer_place *place)
{
	const struct worker_env *env = j->w->env;
	struct log_writer_params p = {.dirfd = j->dirfd,
	    .segment_bytes = j->cfg->segment_bytes,
	    .generation = j->region->header->generation,
	    .ring_capacity = j->region->ring_capacity,
	    .slots = j->slots,
	    .blocked = on_blocked,
	    .unblocked = on_unblocked,
	    .ctx = j->w};
	struct log_retain_rules rules = {.retain_ns = (uint64_t)j->cfg->retain_ms * CLOCK_NS_PER_MS,
	    .window_ns = (uint64_t)env->cfg->dedup.window_ms * CLOCK_NS_PER_MS,
	    .max_disk_bytes = j->cfg->max_disk_bytes};

	memcpy(p.instance, env->instance, sizeof p.instance);
	log_writer_init(&j->writer, &p, place, j->stream);
	log_retain_init(&j->retain, &rules);
	log_retain_configure(&j->retain, env->cfg, j->stream);
	checkpoint_open(&j->checkpoint, j->dirfd, JOURNAL_CHECKPOINT);
	j->checkpoint_content = xcalloc(1, sizeof *j->checkpoint_content);
}

static void
become_ready(struct journal *j)
{
	const struct worker_env *env = j->w->env;

	word_store(&j->part->trouble, LAYOUT_TROUBLE_NONE);
	word_store(&j->part->ready_generation, j->region->header->generation);
	worker_ready(j->w);
	for (uint32_t i = 0; i < j->slots; i++)
		bell_ring_anyway(env->slot_bell[i]);
}

void
journal_start(struct worker *w)
{
	struct journal *j = w->stage;
	struct log_writer_place place = {0};
	int64_t last;

	add_events(j);
	worker_blocked(w, "recovery");
	if (word_load(&j->part->log_end) != 0) {
		resume(j, &place);
		refill_stale_table(j);
	} else {
		journal_recover(j, &place);
	}
	if (mprotect(j->region->dedup.header, j->region->dedup_len, PROT_READ) == -1)
		fatal("cannot make the dedup table read-only: %s", strerror(errno));
	last = log_dir_last(j->dirfd);
	if (last == -1)
		fatal("%s: cannot list the journal's folder: %s", j->cfg->path, strerror(errno));
	place.last_number = (uint32_t)last;
	open_writer(j, &place);
	worker_unblocked(w);
	hold_term(SIG_UNBLOCK);
	if (j->is_published)
		become_ready(j);
	else
		(void)journal_start_publish(j);
}

static bool
write_plan(struct journal *j)
{
	uint64_t now_ns = clock_wall_ns();

	while (j->at_plan < j->n_plan) {
		size_t n =
		    j->n_plan - j->at_plan < LOG_STREAMS ? j->n_plan - j->at_plan : LOG_STREAMS;

		for (size_t i = 0; i < n; i++) {
			const struct journal_plan *g = &j->plan[j->at_plan + i];

			frame_make_gap(
			    j->gap[i], g->stream, g->from, g->seq, g->to, g->reason, now_ns);
			j->part_list[i] = (struct log_part){.frames = j->gap[i],
			    .len = FRAME_GAP_LEN,
			    .from = g->from,
			    .to = g->to,
			    .first_seq = g->seq,
			    .stream = g->stream,
			    .is_gap = true};
		}
		if (journal_commit_parts(j, j->part_list, n) != LOG_WRITER_OK)
			return false;
		for (size_t i = 0; i < n; i++) {
			const struct journal_plan *g = &j->plan[j->at_plan + i];
			struct log_stream *s = &j->stream[g->stream];

			s->gap_bytes += g->to - g->from;
			s->end = g->to > s->end ? g->to : s->end;
		}
		j->at_plan += n;
	}
	return true;
}

bool
journal_start_publish(struct journal *j)
{
	/* A brand-new log has no GAP to write; its first segment is made all the
	 * same, so that a disk without room is known before anything is put. */
	if (j->writer.fd == -1 && j->n_plan == 0) {
		enum log_writer_result r = log_writer_open_next(&j->writer, 0, clock_wall_ns());

		if (r != LOG_WRITER_OK) {
			journal_commit_trouble(j, r);
			return false;
		}
	}
	if (!write_plan(j))
		return false;
	journal_commit_untroubled(j);
	for (uint32_t i = 0; i < LOG_STREAMS; i++) {
		struct journal_stream *shared = &j->part->stream[i];
		const struct log_stream *s = &j->stream[i];

		word_store(&shared->start, s->end);
		word_store(&shared->start_seq, s->end_seq);
		word_store(&shared->oldest, s->oldest);
		word_store(&shared->gap_bytes, s->gap_bytes);
		cursor_init(&shared->durable, s->end, s->end_seq);
	}
	word_store(&j->part->commit, j->writer.commit);
	word_store(&j->part->log_end, layout_log_end(j->writer.number, j->writer.off));
	j->is_published = true;
	free(j->plan);
	j->plan = NULL;
	journal_tend_checkpoint(j, true);
	become_ready(j);
	return true;
}

void
journal_start_stop(struct journal *j)
{
	if (j->is_published)
		journal_tend_checkpoint(j, true);
	worker_blocked(j->w, "log close"); /* the thread may be at a spare */
	log_writer_close(&j->writer);
	worker_unblocked(j->w);
	checkpoint_close(&j->checkpoint);
	word_store(&j->part->active, 0);
}
