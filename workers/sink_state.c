/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_state - a sink's folder, its lock, its first cursors, its checkpoints
 *
 * DESCRIPTION
 *	STATE/sinks/NAME belongs to whoever holds its lock.  Cursors come from
 *	the sink's part while the region lives, else from the checkpoint, else
 *	from where the configuration lets a new sink begin.
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	Writes its own sink part.
 */
#include "workers/sink_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/word.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECKPOINT_NAME "checkpoint"

/*------------------------------------------------------- folder and lock */

static void
make_folder(const struct worker_env *env, const char *path)
{
	if (mkdir(path, 0750) == -1) {
		if (errno != EEXIST)
			fatal("%s: cannot be made: %s", path, strerror(errno));
		return;
	}
	if ((env->uid != (uid_t)-1 || env->gid != (gid_t)-1) &&
	    lchown(path, env->uid, env->gid) == -1)
		fatal("%s: cannot be given to the user of the stages: %s", path, strerror(errno));
}

/* Only a dead supervisor is worth giving up for: SIGTERM ends us by itself here. */
static bool
is_orphaned(void *ctx)
{
	const struct worker *w = ctx;
	char byte;

	return read(w->env->lifeline_fd, &byte, 1) == 0;
}

static bool
is_poison_signal(uint64_t wait_status)
{
	int status = (int)wait_status;

	if (!WIFSIGNALED(status))
		return false;
	switch (WTERMSIG(status)) {
	case SIGSEGV:
	case SIGBUS:
	case SIGABRT:
	case SIGFPE:
	case SIGILL:
		return true;
	default:
		return false;
	}
}

/* Did our predecessor die of an event?  Then this life goes frame by frame until
 * what it had read is behind us. */
static void
look_at_predecessor(struct sink *s)
{
	struct sink_engine *e = s->engine;
	const struct layout_assignment *a = &e->region->header->sink[s->index];

	(void)snprintf(e->last_words, sizeof e->last_words, "%.*s", LAYOUT_LAST_WORDS - 1,
	    s->worker->page->last_words);
	if (word_load(&s->part->active) == 0 || !is_poison_signal(word_load(&a->last_exit)))
		return;
	s->is_careful = true;
	for (int i = 0; i < SINK_PART_STREAMS; i++)
		e->careful_until[i] = word_load(&s->part->stream[i].read_pos);
	if (word_load(&s->part->trial) != 0) {
		e->has_poison = true;
		e->poison_stream = (uint32_t)word_load(&s->part->trial_stream);
		e->poison_pos = word_load(&s->part->trial_pos);
	}
	log_line(LOG_LEVEL_WARN, "the predecessor died of signal %d: one event at a time%s",
	    WTERMSIG((int)word_load(&a->last_exit)),
	    e->has_poison ? ", and the one it held is set aside" : "");
}

void
sink_state_open(struct sink *s)
{
	struct sink_engine *e = s->engine;
	const struct worker_env *env = s->worker->env;
	char path[512];
	int n;

	n = snprintf(path, sizeof path, "%s/sinks", env->state_dir);
	make_folder(env, path);
	(void)snprintf(path + n, sizeof path - (size_t)n, "/%s", s->cfg->name);
	make_folder(env, path);
	s->dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (s->dirfd == -1)
		fatal("%s: %s", path, strerror(errno));
	/* By the descriptor: whoever owns the folders above could put another in its
	 * place meanwhile. */
	(void)snprintf(path, sizeof path, "/proc/self/fd/%d/lock", s->dirfd);
	if (lock_wait(path, &e->lock_fd, is_orphaned, s->worker) != LOCK_OK)
		fatal("sinks/%s/lock: cannot lock the sink's folder: %s: is another sluiced using "
		      "this state directory?",
		    s->cfg->name, strerror(errno));
	if ((env->uid != (uid_t)-1 || env->gid != (gid_t)-1) &&
	    fchown(e->lock_fd, env->uid, env->gid) == -1)
		fatal("%s: %s", path, strerror(errno));
	e->dead = deadletter_writer_open(env->state_dir, s->cfg->name, env->uid, env->gid);
	if (e->dead == NULL)
		fatal("%s/deadletter/%s: %s", env->state_dir, s->cfg->name, strerror(errno));
	look_at_predecessor(s);
}

/* Replays live in memory: files of one that a predecessor did not end are nobody's. */
static void
clear_inbox(struct sink *s)
{
	int fd = openat(s->dirfd, "inbox", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (d == NULL)
		return;
	while ((entry = readdir(d)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len > 7 && strcmp(entry->d_name + len - 7, ".frames") == 0)
			(void)unlinkat(dirfd(d), entry->d_name, 0);
	}
	closedir(d);
}

void
sink_state_start(struct sink *s)
{
	struct sink_engine *e = s->engine;

	clear_inbox(s);

	checkpoint_open(&e->checkpoint, s->dirfd, CHECKPOINT_NAME);
	e->lost_fd = openat(s->dirfd, "lost", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (e->lost_fd == -1)
		fatal("sinks/%s/lost: %s", s->cfg->name, strerror(errno));
}

/*------------------------------------------------------------ first cursors */

static bool
is_ours(const struct sink *s, const struct checkpoint *c)
{
	return memcmp(c->instance, s->uuid, sizeof c->instance) == 0;
}

static void
from_checkpoint(struct sink_place *place, const struct checkpoint *c)
{
	for (uint32_t i = 0; i < SINK_PART_STREAMS && i < c->streams; i++)
		place[i] = (struct sink_place){.pos = c->stream[i].pos, .seq = c->stream[i].seq};
}

/* Where the streams stood when the sink got its place, not where they are by now. */
static void
from_now(const struct sink *s, struct sink_place *place)
{
	const struct region *r = s->engine->region;
	const struct layout_sink *begin = &r->header->sink_name[s->index];
	bool has_begin = word_load(&begin->has_begin) != 0;

	for (uint32_t i = 0; i < r->slots; i++) {
		const struct journal_stream *stream = &r->journal->stream[i];

		place[i] = (struct sink_place){
		    .pos = word_load(has_begin ? &begin->begin[i].pos : &stream->start),
		    .seq = word_load(has_begin ? &begin->begin[i].seq : &stream->start_seq),
		};
	}
}

/* The header of the first segment says where each stream stood when it began. */
static void
from_oldest(const struct sink *s, struct sink_place *place)
{
	static struct log_segment_header h;
	struct log_chain chain = {0};
	enum log_format_result why;
	size_t first;

	from_now(s, place);
	if (log_dir_load(&chain, s->engine->log_dirfd, 0) == -1)
		fatal("%s: %s", s->worker->env->cfg->journal.path, strerror(errno));
	first = log_dir_find(&chain, 0);
	if (first < chain.n &&
	    log_dir_read_header(s->engine->log_dirfd, chain.at[first].number, &h, &why) == 0)
		for (uint32_t i = 0; i < s->engine->region->slots; i++)
			if (h.stream[i].end < place[i].pos)
				place[i] = (struct sink_place){
				    .pos = h.stream[i].end, .seq = h.stream[i].end_seq};
	log_dir_unload(&chain);
}

static void
find_places(struct sink *s, struct sink_place *place)
{
	static struct checkpoint c;

	switch (checkpoint_read(s->dirfd, CHECKPOINT_NAME, &c)) {
	case CHECKPOINT_OK:
		if (!is_ours(s, &c))
			fatal("sinks/%s/checkpoint is of another instance: give the sink another "
			      "name, or remove its folder to begin anew",
			    s->cfg->name);
		from_checkpoint(place, &c);
		return;
	case CHECKPOINT_ABSENT:
		s->engine->was_new = true;
		if (s->cfg->from == CONFIG_FROM_OLDEST)
			from_oldest(s, place);
		else
			from_now(s, place);
		return;
	case CHECKPOINT_BAD:
		fatal("sinks/%s/checkpoint is damaged: remove it to begin anew (`from` says where)",
		    s->cfg->name);
	case CHECKPOINT_ERROR:
		fatal("sinks/%s/checkpoint: %s", s->cfg->name, strerror(errno));
	}
}

/* The first life in this region: the ledger begins here. */
static void
begin_part(struct sink *s)
{
	static struct sink_place place[SINK_PART_STREAMS];
	struct sink_part *part = s->part;

	find_places(s, place);
	for (unsigned i = 0; i < COUNTER_SINKS; i++)
		counters_set(part->counter, i, 0);
	for (int i = 0; i < SINK_PART_STREAMS; i++) {
		sink_cursor_init(&part->stream[i].done, &place[i]);
		word_store(&part->stream[i].start_seq, place[i].seq);
		word_store(&part->stream[i].read_pos, place[i].pos);
	}
	word_store(&part->trial, 0);
	word_store(&part->notice_count, 0);
	/* Of a former region nobody here knows what was refused. */
	word_store(&part->bad_ns, s->engine->was_new ? 0 : clock_wall_ns());
	if (!s->ops->is_claimer)
		word_store(&part->late_count, 0);
	/* release, in word_store(): whoever sees the generation sees the cursors. */
	word_store(&part->ready_generation, s->engine->region->header->generation);
}

/* Streams of a former configuration that had more slots: up to the log's end. */
static void
limit_former(struct sink *s)
{
	static struct log_reader r;
	struct sink_engine *e = s->engine;
	bool is_any = false;

	for (uint32_t i = e->region->slots; i < SINK_PART_STREAMS; i++)
		is_any = is_any || e->window.place[i].pos != 0;
	if (!is_any ||
	    log_reader_open(&r, e->log_dirfd, word_load(&e->region->journal->log_end)) == -1)
		return;
	if (log_reader_seek_end(&r) != LOG_READER_FAILED)
		for (uint32_t i = e->region->slots; i < SINK_PART_STREAMS; i++) {
			const struct sink_place *p = &e->window.place[i];

			if (!r.has_next[i] || r.next[i] <= p->pos)
				continue;
			sink_source_begin(&e->source, i, p->pos, p->seq);
			sink_source_limit(&e->source, i, r.next[i]);
		}
	log_reader_close(&r);
}

bool
sink_state_begin(struct sink *s)
{
	struct sink_engine *e = s->engine;
	const struct region_header *h = e->region->header;
	_Atomic uint64_t *c = s->part->counter;

	if (word_load(&e->region->journal->ready_generation) != h->generation)
		return false;
	e->log_dirfd = log_dir_open(s->worker->env->cfg->journal.path, false);
	if (e->log_dirfd == -1)
		fatal("%s: %s", s->worker->env->cfg->journal.path, strerror(errno));
	sink_source_open(&e->source, e->region, e->log_dirfd);
	s->is_first_life = word_load(&s->part->ready_generation) != h->generation;
	if (s->is_first_life)
		begin_part(s);
	for (int i = 0; i < SINK_PART_STREAMS; i++)
		if (!sink_cursor_load(&s->part->stream[i].done, &e->window.place[i]))
			PANIC("stream %d: the sink's cursor cannot be read", i);
	word_store(&s->part->active, s->worker->job->generation);
	word_store(&s->part->pid, (uint64_t)getpid());
	word_store(&s->part->trial, 0);
	word_store(&s->part->is_careful, s->is_careful);
	counters_add(c, counter_id(SINK, takeovers), 1);
	e->ring_base = counters_get(c, counter_id(SINK, ring_frames));
	e->log_base = counters_get(c, counter_id(SINK, log_frames));
	e->to_log_base = counters_get(c, counter_id(SINK, to_log));
	counters_set(c, counter_id(SINK, in_flight), 0);
	counters_set(c, counter_id(SINK, in_flight_bytes), 0);
	e->is_changed = true;
	/* Retention looks at checkpoints: it must find one at once. */
	if (sink_state_checkpoint(s) == -1)
		fatal("sinks/%s/checkpoint: %s", s->cfg->name, strerror(errno));
	return true;
}

/* What the kind knows better, and from where the source reads: after start(), and
 * after a hold. */
void
sink_state_open_streams(struct sink *s)
{
	struct sink_engine *e = s->engine;

	for (uint32_t i = 0; i < e->region->slots; i++) {
		struct sink_place *p = &e->window.place[i];
		uint64_t pos = p->pos, seq = p->seq;

		if (s->ops->resume_at != NULL && s->ops->resume_at(s, i, &pos, &seq) &&
		    pos > p->pos) {
			if (seq > p->seq)
				p->outcome[SINK_DELIVERED] += seq - p->seq;
			p->pos = pos;
			p->seq = seq > p->seq ? seq : p->seq;
			e->window.moved[i / 64] |= UINT64_C(1) << (i % 64);
		}
		sink_source_begin(&e->source, i, p->pos, p->seq);
	}
	limit_former(s);
}

/*-------------------------------------------------------------- checkpoints */

int
sink_state_checkpoint(struct sink *s)
{
	static struct checkpoint c;
	struct sink_engine *e = s->engine;
	const struct journal_part *j = e->region->journal;
	int rc;

	if (!e->is_changed)
		return 0;
	if (s->ops->sync != NULL && e->is_ready && s->ops->sync(s) == -1) {
		worker_error(s->worker, "checkpoint: what it rests on cannot be synced: %s",
		    strerror(errno));
		return -1;
	}
	memset(&c, 0, sizeof c);
	memcpy(c.instance, s->uuid, sizeof c.instance);
	c.generation = e->region->header->generation;
	c.time_ns = clock_wall_ns();
	c.commit = word_load(&j->commit);
	c.log_end = word_load(&j->log_end);
	c.streams = SINK_PART_STREAMS;
	for (int i = 0; i < SINK_PART_STREAMS; i++) {
		struct sink_place p;

		if (!sink_cursor_load(&s->part->stream[i].done, &p))
			PANIC("stream %d: the sink's cursor cannot be read", i);
		c.stream[i] = (struct checkpoint_stream){.pos = p.pos, .seq = p.seq};
	}
	worker_blocked(s->worker, "checkpoint");
	rc = checkpoint_write(&e->checkpoint, &c);
	worker_unblocked(s->worker);
	if (rc == -1) {
		worker_error(s->worker, "checkpoint: %s", strerror(errno));
		return -1;
	}
	e->is_changed = false;
	counters_add(s->part->counter, counter_id(SINK, checkpoints), 1);
	return 0;
}

void
sink_state_lost(struct sink *s, const struct sink_source_item *item)
{
	char line[160];
	int n = snprintf(line, sizeof line, "%s %u %llu %llu %llu %llu\n",
	    item->what == SINK_EXPIRED ? "expired" : "corrupt", item->stream,
	    (unsigned long long)item->from, (unsigned long long)item->to,
	    (unsigned long long)item->count, (unsigned long long)clock_wall_ns());

	if (write(s->engine->lost_fd, line, (size_t)n) != n)
		worker_error(s->worker, "lost: %s", strerror(errno));
	worker_error(s->worker, "%llu events of stream %u %s before this sink had them",
	    (unsigned long long)item->count, item->stream,
	    item->what == SINK_EXPIRED ? "expired" : "became unreadable");
}
