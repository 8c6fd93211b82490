/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_commit - one group commit: gather, write, publish, ring
 *
 * DESCRIPTION
 *	Order of effects: the commit is on the disk -> log_end -> each durable
 *	position -> bells.  A journal killed between any two of them leaves
 *	positions that are at most older than the log, never newer.
 *
 * PROCESS
 *	The journal.
 *
 * SHARED STATE
 *	Writes struct journal_part.
 */
#include "workers/journal_parts.h"
#include "workers/sink_bell.h"

#include "common/crashpoint.h"
#include "common/log.h"
#include "common/panic.h"

#include <string.h>

/* Has the slot a tail yet? */
static bool
is_begun(const struct slot_page *slot)
{
	return word_load(&slot->counter[counter_id(STREAM, takeovers)]) != 0;
}

static bool
is_waited_for(const struct slot_page *slot, uint64_t durable)
{
	return (int64_t)(word_load(&slot->durable_wanted) - durable) > 0;
}

void
journal_commit_look(const struct journal *j, struct journal_look *look)
{
	const struct region *r = j->region;

	*look = (struct journal_look){0};
	for (uint32_t i = 0; i < j->slots; i++) {
		const struct slot_page *slot = r->slot[i];
		uint64_t unread;

		if (j->stream[i].retired != 0 || !is_begun(slot))
			continue;
		unread = cursor_pos(&slot->ring.tail) - j->stream[i].end;
		if (unread == 0 && word_load(&slot->retired) == 0)
			continue;
		look->has_retired |= word_load(&slot->retired) != 0;
		/* Words that contradict each other are found by the walk. */
		look->unread += unread <= r->ring_capacity ? unread : r->ring_capacity;
		look->is_urgent |=
		    unread >= r->ring_capacity / 4 || is_waited_for(slot, j->stream[i].end);
	}
	look->is_urgent |= look->has_retired;
}

/* The good frames of a slot that its owner set aside: CRC too. */
static enum ring_result
walk_suspect(const struct ring *ring, uint64_t from, uint64_t seq, uint64_t tail, uint64_t *len,
    uint64_t *events)
{
	uint64_t pos = from;
	struct frame_header h;

	*len = 0;
	*events = 0;
	while (pos != tail) {
		const uint8_t *at = ring_at(ring, pos);

		if (frame_check_header(at, tail - pos, ring->stream, pos, &h) != FRAME_OK ||
		    h.seq != seq + *events || frame_check_crc(at, &h) != FRAME_OK)
			return RING_DAMAGED;
		pos += h.frame_len;
		*len = pos - from;
		*events += h.type == FRAME_EVENT;
	}
	return RING_OK;
}

struct gathering {
	size_t n;
	uint64_t bytes;
	uint64_t budget;
	uint64_t now_ns;
};

static void
add_part(struct journal *j, struct gathering *g, const struct log_part *part)
{
	j->part_list[g->n++] = *part;
	g->bytes += LOG_CHUNK_LEN + part->len;
	j->next_pos[part->stream] = part->to;
	j->next_seq[part->stream] = part->first_seq + part->events;
}

/* The rest of a damaged ring: nobody shall wait for it. */
static void
add_gap(struct journal *j, struct gathering *g, uint32_t i, uint64_t tail)
{
	uint64_t from = j->next_pos[i];

	j->is_retiring[i] = true;
	if (tail == from)
		return;
	if (tail - from > LOG_BLOCK) {
		/* The tail itself is no position: leave it, the next region
		 * begins in a block of its own. */
		log_line(LOG_LEVEL_ERR, "stream %u: tail=%llu behind durable=%llu makes no sense",
		    i, (unsigned long long)tail, (unsigned long long)from);
		return;
	}
	frame_make_gap(j->gap[i], i, from, j->next_seq[i], tail, FRAME_GAP_RING_DAMAGED, g->now_ns);
	add_part(j, g,
	    &(struct log_part){.frames = j->gap[i],
		.len = FRAME_GAP_LEN,
		.from = from,
		.to = tail,
		.first_seq = j->next_seq[i],
		.stream = i,
		.is_gap = true});
}

static void
gather_stream(struct journal *j, struct gathering *g, uint32_t i)
{
	const struct ring ring = region_ring(j->region, i);
	const struct slot_page *slot = j->region->slot[i];
	bool is_suspect = word_load(&slot->retired) != 0;
	uint64_t tail = ring_tail(&ring);
	uint64_t from = j->stream[i].end;
	uint64_t seq = j->stream[i].end_seq;
	uint64_t len = 0, events = 0;
	enum ring_result r = RING_EMPTY;

	if (tail - from > ring.capacity)
		r = RING_DAMAGED;
	else if (is_suspect)
		r = walk_suspect(&ring, from, seq, tail, &len, &events);
	else if (tail != from)
		r = ring_walk(
		    &ring, from, seq, tail, g->budget - g->bytes - LOG_CHUNK_LEN, &len, &events);
	if (g->n > 0 && g->bytes + LOG_CHUNK_LEN + len > g->budget) {
		j->is_cut_short = true; /* one frame longer than the rest: next time */
		return;
	}
	if (len > 0)
		add_part(j, g,
		    &(struct log_part){.frames = ring_at(&ring, from),
			.len = len,
			.from = from,
			.to = from + len,
			.first_seq = seq,
			.events = events,
			.stream = i});
	if (r == RING_DAMAGED || is_suspect)
		add_gap(j, g, i, tail);
	else if (from + len != tail)
		j->is_cut_short = true;
}

static size_t
gather(struct journal *j, uint64_t budget, uint64_t now_ns)
{
	struct gathering g = {.budget = budget, .now_ns = now_ns};

	j->is_cut_short = false;
	for (uint32_t k = 0; k < j->slots; k++) {
		uint32_t i = (j->rotate + k) % j->slots;

		j->next_pos[i] = j->stream[i].end;
		j->next_seq[i] = j->stream[i].end_seq;
		j->is_retiring[i] = false;
		if (j->stream[i].retired != 0 || !is_begun(j->region->slot[i]))
			continue;
		if (g.n + 2 > LOG_WRITER_PARTS_MAX ||
		    (g.n > 0 && g.bytes + LOG_CHUNK_LEN >= budget)) {
			j->is_cut_short = true;
			continue;
		}
		gather_stream(j, &g, i);
	}
	j->rotate = (j->rotate + 1) % j->slots;
	return g.n;
}

static void
count(struct journal *j, const struct log_part *part, size_t n)
{
	_Atomic uint64_t *c = j->part->counter;
	uint64_t frames = 0, gaps = 0;

	for (size_t i = 0; i < n; i++) {
		frames += part[i].events;
		gaps += part[i].is_gap;
	}
	counters_add(c, counter_id(JOURNAL, commits), 1);
	counters_add(c, counter_id(JOURNAL, chunks), n);
	counters_add(c, counter_id(JOURNAL, frames), frames);
	counters_add(c, counter_id(JOURNAL, gaps), gaps);
	counters_add(c, counter_id(JOURNAL, bytes), j->writer.stats.bytes);
	counters_add(c, counter_id(JOURNAL, sync_ns), j->writer.stats.sync_last_ns);
	counters_max(c, counter_id(JOURNAL, sync_max_ns), j->writer.stats.sync_last_ns);
}

static void
count_errors(struct journal *j)
{
	_Atomic uint64_t *c = j->part->counter;
	struct log_writer_stats *s = &j->writer.stats;

	counters_add(c, counter_id(JOURNAL, write_errors), s->write_errors);
	counters_add(c, counter_id(JOURNAL, sync_errors), s->sync_errors);
	counters_add(c, counter_id(JOURNAL, space_errors), s->space_errors);
	s->write_errors = s->sync_errors = s->space_errors = 0;
}

static void
ring_all(struct journal *j)
{
	for (uint32_t i = 0; i < j->slots; i++)
		(void)bell_ring(j->w->env->slot_bell[i], &j->region->slot[i]->sleeping, true);
}

void
journal_commit_trouble(struct journal *j, enum log_writer_result r)
{
	static const enum layout_trouble kind[] = {LAYOUT_TROUBLE_NONE, LAYOUT_TROUBLE_FULL,
	    LAYOUT_TROUBLE_WRITE, LAYOUT_TROUBLE_SYNC, LAYOUT_TROUBLE_OPEN};
	bool is_new = word_load(&j->part->trouble) == LAYOUT_TROUBLE_NONE;

	word_store(&j->part->trouble_errno, (uint64_t)j->writer.stats.error);
	if (is_new)
		word_store(&j->part->trouble_since_ns, clock_wall_ns());
	word_store(&j->part->trouble, kind[r]);
	if (is_new) {
		/* The folder last: the text is kept up to a length. */
		worker_error(j->w, "%s (%s): durable requests get 503, trying every %d ms: %s",
		    log_writer_result_text(r), strerror(j->writer.stats.error),
		    (int)(JOURNAL_RETRY_NS / CLOCK_NS_PER_MS), j->cfg->path);
		ring_all(j);
	}
	if (r == LOG_WRITER_FULL)
		j->retain_at_ns = 0; /* perhaps something may go */
	j->retry_at_ns = clock_mono_ns() + JOURNAL_RETRY_NS;
}

void
journal_commit_untroubled(struct journal *j)
{
	j->retry_at_ns = 0;
	if (word_load(&j->part->trouble) == LAYOUT_TROUBLE_NONE)
		return;
	word_store(&j->part->trouble, LAYOUT_TROUBLE_NONE);
	word_store(&j->part->trouble_errno, 0);
	log_line(LOG_LEVEL_NOTICE,
	    "%s: writing works again after %llu ms: durable requests are taken", j->cfg->path,
	    (unsigned long long)((clock_wall_ns() - word_load(&j->part->trouble_since_ns)) /
				 CLOCK_NS_PER_MS));
}

/* No trouble yet when it fails: the caller may know another way. */
static enum log_writer_result
attempt(struct journal *j, const struct log_part *part, size_t n)
{
	enum log_writer_result r = log_writer_commit(&j->writer, part, n, clock_wall_ns());
	bool had_errors = j->writer.stats.write_errors + j->writer.stats.sync_errors > 0;

	count_errors(j);
	if (r != LOG_WRITER_OK)
		return r;
	if (had_errors)
		worker_error(j->w,
		    "a write or sync of the log failed (%s): that segment is sealed at its last "
		    "good "
		    "commit, the same frames went to the next one",
		    strerror(j->writer.stats.error));
	count(j, part, n);
	if (!j->is_published) {
		/* log_end is what says that recovery is over. */
		journal_commit_untroubled(j);
		return r;
	}
	/* A gap in the numbers is harmless, a number used twice is not: first. */
	word_store(&j->part->commit, j->writer.commit);
	CRASHPOINT("journal.committed");
	word_store(&j->part->log_end, layout_log_end(j->writer.number, j->writer.off));
	CRASHPOINT("journal.end_stored");
	journal_commit_untroubled(j);
	return r;
}

enum log_writer_result
journal_commit_parts(struct journal *j, const struct log_part *part, size_t n)
{
	enum log_writer_result r = attempt(j, part, n);

	if (r != LOG_WRITER_OK)
		journal_commit_trouble(j, r);
	return r;
}

static void
publish(struct journal *j, const struct log_part *part, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct log_stream *s = &j->stream[part[i].stream];
		struct journal_stream *shared = &j->part->stream[part[i].stream];

		s->end = part[i].to;
		s->end_seq = part[i].first_seq + part[i].events;
		if (part[i].is_gap) {
			s->gap_bytes += part[i].to - part[i].from;
			word_store(&shared->gap_bytes, s->gap_bytes);
		}
		cursor_store(&shared->durable, s->end, s->end_seq);
		CRASHPOINT("journal.cursor_stored");
	}
}

static void
publish_retired(struct journal *j)
{
	for (uint32_t i = 0; i < j->slots; i++) {
		if (!j->is_retiring[i] || j->stream[i].retired != 0)
			continue;
		j->stream[i].retired = 1;
		word_store(&j->part->stream[i].retired, 1);
		counters_add(j->part->counter, counter_id(JOURNAL, rings_damaged), 1);
		worker_error(j->w,
		    "stream %u: its ring holds something that is no frame: set aside up to %llu, "
		    "its slot takes no more events",
		    i, (unsigned long long)j->next_pos[i]);
	}
}

static void
ring_waiting(struct journal *j)
{
	for (uint32_t i = 0; i < j->slots; i++) {
		const struct slot_page *slot = j->region->slot[i];

		if (!is_waited_for(slot, j->stream[i].end))
			(void)bell_ring(j->w->env->slot_bell[i], &slot->sleeping, true);
	}
}

bool
journal_commit(struct journal *j)
{
	uint64_t most = j->cfg->commit_max_bytes;
	uint64_t fits = j->cfg->segment_bytes - LOG_HEADER_LEN;
	size_t n = gather(j, most < fits ? most : fits, clock_wall_ns());

	if (n > 0) {
		enum log_writer_result r = attempt(j, j->part_list, n);

		/* No next segment: the rest of this one may still take some. */
		if (r == LOG_WRITER_FULL && log_writer_room(&j->writer) > LOG_HEADER_LEN) {
			n = gather(j, log_writer_room(&j->writer), clock_wall_ns());
			r = n == 0 ? r : attempt(j, j->part_list, n);
		}
		if (r != LOG_WRITER_OK) {
			journal_commit_trouble(j, r);
			return false;
		}
	}
	/* The mark first: whoever sees a position pass over what was lost looks
	 * at the mark, and must find it. */
	publish_retired(j);
	publish(j, j->part_list, n);
	if (n > 0) {
		ring_waiting(j);
		sink_bell_ring(j->w->env, true);
	}
	return true;
}
