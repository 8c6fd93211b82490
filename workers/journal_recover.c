/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_recover - what the log says when the region is new
 *
 * DESCRIPTION
 *	The log is read from the last checkpoint or the beginning of the dedup
 *	window, whichever is older; segment headers say how streams stood
 *	before.  Only the last commit may be cut, and only if it is not whole.
 *	Everything else that cannot be read is damage: logged as ranges of
 *	positions and made a GAP, so that readers and receipts know.
 *
 *	Then each stream gets the next block of positions: what a lost ring held
 *	beyond the log had positions too, and they are never used again.
 *
 * PROCESS
 *	The journal.
 *
 * SHARED STATE
 *	The dedup table and counters.
 */
#include "workers/journal_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "workers/log_reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX     4096
#define RANGES_TO_SHOW 20
#define PLAN_MAX       (RANGES_MAX + LOG_STREAMS)
#define INSTANCE_TEXT  33

struct found_range {
	uint32_t stream;
	uint64_t from, to;
	bool is_known; /* an earlier recovery wrote the GAP */
};

struct recovery {
	struct journal *j;
	struct log_reader reader;
	struct checkpoint checkpoint;
	bool has_checkpoint;
	struct found_range *range;
	size_t n_ranges;
	uint64_t more_ranges;
	uint64_t commit;
};

static const char *
instance_text(const uint8_t id[16], char text[INSTANCE_TEXT])
{
	for (int i = 0; i < 16; i++)
		(void)snprintf(text + 2 * i, 3, "%02x", id[i]);
	return text;
}

static void
refuse_other_instance(struct journal *j, const char *what, const uint8_t id[16])
{
	char theirs[INSTANCE_TEXT], ours[INSTANCE_TEXT];

	if (memcmp(id, j->w->env->instance, 16) == 0)
		return;
	fatal("%s/%s belongs to instance %s, and %s/instance says %s: put the folder and the "
	      "instance file of one sluice together, or set `path` in the journal section to an "
	      "empty folder",
	    j->cfg->path, what, instance_text(id, theirs), j->w->env->state_dir,
	    instance_text(j->w->env->instance, ours));
}

static void
check_headers(struct recovery *rec)
{
	struct journal *j = rec->j;
	const struct log_chain *chain = &rec->reader.chain;
	char name[LOG_DIR_NAME_LEN];

	for (size_t i = 0; i < chain->n; i++) {
		const struct log_segment *s = &chain->at[i];

		log_dir_name(s->number, name);
		if (s->is_readable)
			refuse_other_instance(j, name, s->instance);
		else if (s->why == LOG_FORMAT_VERSION)
			fatal(
			    "%s/%s was written by another version of sluice that this one does not "
			    "understand: start that version, or set `path` in the journal section "
			    "to an "
			    "empty folder",
			    j->cfg->path, name);
		else
			log_line(LOG_LEVEL_ERR,
			    "%s/%s: the header cannot be read: its chunks are tried", j->cfg->path,
			    name);
	}
}

static void
read_checkpoint(struct recovery *rec)
{
	struct journal *j = rec->j;
	enum checkpoint_result r = checkpoint_read(j->dirfd, JOURNAL_CHECKPOINT, &rec->checkpoint);

	if (r == CHECKPOINT_OK)
		refuse_other_instance(j, JOURNAL_CHECKPOINT, rec->checkpoint.instance);
	else if (r != CHECKPOINT_ABSENT)
		log_line(LOG_LEVEL_WARN, "%s/%s cannot be read: going by the segments alone",
		    j->cfg->path, JOURNAL_CHECKPOINT);
	rec->has_checkpoint = r == CHECKPOINT_OK;
}

static void
note_range(struct recovery *rec, uint32_t stream, uint64_t from, uint64_t to)
{
	if (rec->n_ranges == RANGES_MAX) {
		rec->more_ranges++;
		return;
	}
	rec->range[rec->n_ranges++] =
	    (struct found_range){.stream = stream, .from = from, .to = to};
}

static void
on_old_gap(void *ctx, uint32_t stream, uint64_t from, uint64_t to)
{
	struct recovery *rec = ctx;

	for (size_t i = 0; i < rec->n_ranges; i++) {
		struct found_range *r = &rec->range[i];

		if (r->stream == stream && r->from >= from && r->to <= to)
			r->is_known = true;
	}
}

/* Index of the segment to begin with. */
static size_t
first_to_read(const struct recovery *rec)
{
	const struct log_chain *chain = &rec->reader.chain;
	size_t i = journal_dedup_first(rec->j, chain);

	if (rec->has_checkpoint) {
		size_t k = log_dir_find(chain, layout_log_segment(rec->checkpoint.log_end));

		if (k < i)
			i = k;
	}
	return i;
}

static void
read_log(struct recovery *rec)
{
	struct journal *j = rec->j;
	struct log_reader *r = &rec->reader;
	size_t first = first_to_read(rec);
	struct log_item item;

	r->old_gap = on_old_gap;
	r->ctx = rec;
	if (rec->has_checkpoint) {
		/* It was written after the fsync of all it speaks of: what looks
		 * unfinished before this place is damage, and no end. */
		r->sure_segment = layout_log_segment(rec->checkpoint.log_end);
		r->sure_end = layout_log_offset(rec->checkpoint.log_end);
		r->sure_commit = rec->checkpoint.commit;
	}
	if (log_reader_seek_place(r, r->chain.at[first].number, 0) == LOG_READER_FAILED)
		fatal("%s: cannot read segment %08x: %s", j->cfg->path, r->chain.at[first].number,
		    strerror(errno));
	for (uint32_t i = 0; i < LOG_STREAMS; i++)
		j->stream[i].gap_bytes = r->header->stream[i].gap_bytes;
	for (;;) {
		switch (log_reader_next(r, &item)) {
		case LOG_ITEM_END:
			return;
		case LOG_ITEM_FRAME:
			if (item.h.type == FRAME_EVENT)
				journal_dedup_take(j, &item.h);
			break;
		case LOG_ITEM_GAP:
			j->stream[item.stream].gap_bytes += item.to - item.from;
			break;
		case LOG_ITEM_CORRUPT:
		case LOG_ITEM_EXPIRED:
			note_range(rec, item.stream, item.from, item.to);
			break;
		case LOG_ITEM_ERROR:
			fatal("%s: cannot read the log: %s", j->cfg->path, strerror(item.error));
		}
		if (r->is_in_chunk && r->chunk.commit > rec->commit)
			rec->commit = r->chunk.commit;
	}
}

/* The log may end before a checkpoint that was on the disk: segments are gone. */
static void
believe_checkpoint(struct recovery *rec)
{
	const struct checkpoint *c = &rec->checkpoint;

	for (uint32_t i = 0; rec->has_checkpoint && i < LOG_STREAMS && i < c->streams; i++) {
		struct log_stream *s = &rec->j->stream[i];

		if (c->stream[i].pos <= s->end)
			continue;
		note_range(rec, i, s->end, c->stream[i].pos);
		s->end = c->stream[i].pos;
		s->end_seq = c->stream[i].seq > s->end_seq ? c->stream[i].seq : s->end_seq;
	}
	if (rec->has_checkpoint && c->commit > rec->commit)
		rec->commit = c->commit;
}

static void
report(struct recovery *rec)
{
	struct journal *j = rec->j;
	const struct log_scan *tail = &rec->reader.tail;
	size_t shown = 0, fresh = 0;

	if (tail->cut_bytes > 0) {
		log_line(LOG_LEVEL_NOTICE,
		    "segment %08x: the last commit was not finished: cut %llu bytes at offset %llu "
		    "(commit %llu, %u of %u chunks were there); nothing in it was answered durable",
		    rec->reader.tail_segment, (unsigned long long)tail->cut_bytes,
		    (unsigned long long)tail->end, (unsigned long long)tail->cut_commit,
		    tail->cut_chunks, tail->cut_of);
		counters_add(j->part->counter, counter_id(JOURNAL, cut_bytes), tail->cut_bytes);
	}
	for (size_t i = 0; i < rec->n_ranges; i++) {
		const struct found_range *r = &rec->range[i];

		if (r->is_known)
			continue;
		fresh++;
		if (++shown <= RANGES_TO_SHOW)
			log_line(LOG_LEVEL_ERR,
			    "log damaged: stream=%u from=%llu to=%llu: lost, receipts in it answer "
			    "so",
			    r->stream, (unsigned long long)r->from, (unsigned long long)r->to);
	}
	if (fresh == 0)
		return;
	log_line(LOG_LEVEL_ERR, "log damaged: %llu ranges, %llu bytes of segments cannot be read",
	    (unsigned long long)(fresh + rec->more_ranges),
	    (unsigned long long)rec->reader.stats.bad_bytes);
	counters_add(
	    j->part->counter, counter_id(JOURNAL, quarantined_bytes), rec->reader.stats.bad_bytes);
}

static void
make_plan(struct recovery *rec, uint64_t capacity, uint64_t at_least)
{
	struct journal *j = rec->j;

	j->plan = xcalloc(PLAN_MAX, sizeof *j->plan);
	for (size_t i = 0; i < rec->n_ranges; i++) {
		const struct found_range *r = &rec->range[i];

		if (!r->is_known)
			j->plan[j->n_plan++] = (struct journal_plan){.stream = r->stream,
			    .reason = FRAME_GAP_LOG_CORRUPT,
			    .from = r->from,
			    .to = r->to,
			    .seq = j->stream[r->stream].end_seq};
	}
	for (uint32_t i = 0; i < j->slots; i++) {
		const struct log_stream *s = &j->stream[i];
		uint64_t to = log_format_next_block(s->end, capacity);

		j->plan[j->n_plan++] = (struct journal_plan){.stream = i,
		    .reason = FRAME_GAP_REGION_LOST,
		    .from = s->end,
		    .to = to > at_least ? to : at_least,
		    .seq = s->end_seq};
	}
}

static void
end_of_log(struct recovery *rec, struct log_writer_place *place)
{
	struct log_reader *r = &rec->reader;
	const struct log_segment *last = NULL;

	for (size_t i = r->chain.n; i > 0 && last == NULL; i--)
		if (!r->chain.at[i - 1].is_stray)
			last = &r->chain.at[i - 1];
	if (last == NULL)
		return;
	place->number = last->number;
	place->end = r->tail_segment == last->number ? r->tail.end : LOG_HEADER_LEN;
	if (r->tail.cut_commit > rec->commit)
		rec->commit = r->tail.cut_commit; /* its number is used up */
	place->commit = rec->commit;
}

static void
take_ends(struct recovery *rec, uint64_t *capacity)
{
	struct journal *j = rec->j;
	const struct log_chain *chain = &rec->reader.chain;
	struct log_segment_header *h = xcalloc(1, sizeof *h);
	enum log_format_result why;
	bool is_oldest = true;

	for (uint32_t i = 0; i < LOG_STREAMS; i++) {
		j->stream[i].end = rec->reader.next[i];
		j->stream[i].end_seq = rec->reader.next_seq[i];
	}
	for (size_t i = 0; i < chain->n; i++) {
		if (chain->at[i].is_stray || !chain->at[i].is_readable ||
		    (!is_oldest && i + 1 < chain->n) ||
		    log_dir_read_header(j->dirfd, chain->at[i].number, h, &why) != 0)
			continue;
		for (uint32_t k = 0; is_oldest && k < LOG_STREAMS; k++)
			j->stream[k].oldest = h->stream[k].end;
		if (h->ring_capacity > *capacity)
			*capacity = h->ring_capacity;
		if (h->first_commit > rec->commit + 1)
			rec->commit = h->first_commit - 1;
		is_oldest = false;
	}
	free(h);
}

void
journal_recover(struct journal *j, struct log_writer_place *place)
{
	struct recovery *rec = xcalloc(1, sizeof *rec);
	uint64_t capacity = j->region->ring_capacity;
	uint64_t begun = clock_mono_ns();

	rec->j = j;
	rec->range = xcalloc(RANGES_MAX, sizeof *rec->range);
	if (log_reader_open(&rec->reader, j->dirfd, 0) == -1)
		fatal("%s: cannot list the segments: %s", j->cfg->path, strerror(errno));
	journal_dedup_clear(j);
	check_headers(rec);
	read_checkpoint(rec);
	if (log_dir_find(&rec->reader.chain, 0) < rec->reader.chain.n) {
		read_log(rec);
		take_ends(rec, &capacity);
	}
	believe_checkpoint(rec);
	end_of_log(rec, place);
	report(rec);
	/* A brand-new log begins at 0.  An empty folder under an instance that
	 * has had regions before is no new log: somebody took the old one away,
	 * and its positions were given out. */
	if (rec->reader.chain.n > 0 || rec->has_checkpoint)
		make_plan(rec, capacity, 0);
	else if (j->region->header->generation > 1)
		make_plan(rec, capacity, j->region->header->generation * LOG_BLOCK);
	log_line(LOG_LEVEL_INFO,
	    "log read in %llu ms: segments=%zu events=%llu bytes=%llu keys=%llu commit=%llu",
	    (unsigned long long)((clock_mono_ns() - begun) / CLOCK_NS_PER_MS), rec->reader.chain.n,
	    (unsigned long long)rec->reader.stats.events,
	    (unsigned long long)rec->reader.stats.bytes,
	    (unsigned long long)counters_get(j->part->counter, counter_id(JOURNAL, rebuilt_keys)),
	    (unsigned long long)place->commit);
	log_reader_close(&rec->reader);
	free(rec->range);
	free(rec);
}
