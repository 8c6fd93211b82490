/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_intake - what intake refused becomes dead letters
 *
 * DESCRIPTION
 *	An acceptor puts what it refused into its ring as a CONTROL frame; the
 *	journal makes it durable.  Here the durable positions are followed and a
 *	record of stage "intake" is made of each.  Records are fsynced before
 *	the checkpoint that passes them.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 *
 * BUGS
 *	The log is not kept for this: what retention took before it was read
 *	is counted as lost.
 */
#include "workers/deadletter_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/word.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CHECKPOINT_NAME      "intake.checkpoint"
#define FRAMES_PER_TURN      65536
#define TICKS_PER_CHECKPOINT 10

/* Where to begin when nobody was here before us: with the region if its first frames are
 * still in the ring, because they may have come before we were ready. */
static void
first_place(const struct region *r, uint32_t i, uint64_t *pos, uint64_t *seq)
{
	const struct journal_stream *s = &r->journal->stream[i];
	uint64_t start = word_load(&s->start);

	if (!cursor_load(&s->durable, pos, seq))
		PANIC("stream %u: its durable cursor cannot be read", i);
	if (start < *pos && *pos - start <= r->ring_capacity / 2) {
		*pos = start;
		*seq = word_load(&s->start_seq);
	}
}

static void
begin(struct deadletter_stage *d)
{
	const struct region *r = d->w->env->region;
	static struct checkpoint c;
	enum checkpoint_result found = checkpoint_read(d->index.dirfd, CHECKPOINT_NAME, &c);

	if (found == CHECKPOINT_OK &&
	    memcmp(c.instance, r->header->instance, sizeof c.instance) != 0)
		found = CHECKPOINT_BAD;
	if (found != CHECKPOINT_OK && found != CHECKPOINT_ABSENT)
		worker_error(d->w,
		    "%s cannot be used: what was refused at intake before now is "
		    "not kept",
		    CHECKPOINT_NAME);
	sink_source_open(&d->source, r, d->log_dirfd);
	for (uint32_t i = 0; i < r->slots; i++) {
		uint64_t pos = 0, seq = 0;

		first_place(r, i, &pos, &seq);
		if (found == CHECKPOINT_OK && i < c.streams && c.stream[i].pos != 0 &&
		    c.stream[i].pos <= cursor_pos(&r->journal->stream[i].durable)) {
			pos = c.stream[i].pos;
			seq = c.stream[i].seq;
		}
		sink_source_begin(&d->source, i, pos, seq);
	}
	checkpoint_open(&d->checkpoint, d->index.dirfd, CHECKPOINT_NAME);
	d->is_following = true;
	d->is_changed = true;
}

static bool
keep(struct deadletter_stage *d, const struct sink_source_item *item)
{
	struct deadletter_info info = {.attempts = 1,
	    .first_ns = item->h.recv_ns,
	    .last_ns = item->h.recv_ns,
	    .stream = item->stream,
	    .pos = item->h.pos,
	    .seq = item->h.seq};
	struct bytes attrs = frame_attrs(item->frame, &item->h), value;
	bool has_code = false;
	uint16_t type;
	size_t off = 0;

	while (frame_attr_next(attrs, &off, &type, &value)) {
		int len =
		    (int)(value.len < DEADLETTER_TEXT_SIZE ? value.len : DEADLETTER_TEXT_SIZE - 1);

		if (type == FRAME_ATTR_REASON_CODE) {
			(void)snprintf(
			    info.code, sizeof info.code, "%.*s", len, (const char *)value.ptr);
			has_code = true;
		} else if (type == FRAME_ATTR_REASON_TEXT) {
			(void)snprintf(
			    info.text, sizeof info.text, "%.*s", len, (const char *)value.ptr);
		}
	}
	if (!has_code)
		return true; /* another kind of CONTROL frame */
	if (deadletter_writer_add(d->writer, &info, bytes_of(item->frame, item->h.frame_len)) == -1)
		return false;
	d->kept++;
	return true;
}

static void
save(struct deadletter_stage *d)
{
	static struct checkpoint c;

	memset(&c, 0, sizeof c);
	memcpy(c.instance, d->w->env->region->header->instance, sizeof c.instance);
	c.generation = d->w->env->region->header->generation;
	c.time_ns = clock_wall_ns();
	c.streams = d->w->env->region->slots;
	for (uint32_t i = 0; i < c.streams; i++) {
		if (!d->is_following)
			(void)cursor_load(&d->w->env->region->journal->stream[i].durable,
			    &c.stream[i].pos, &c.stream[i].seq);
		else
			c.stream[i] = (struct checkpoint_stream){
			    d->source.stream[i].pos, d->source.stream[i].seq};
	}
	if (checkpoint_write(&d->checkpoint, &c) == -1)
		worker_error(d->w, "%s: %s", CHECKPOINT_NAME, strerror(errno));
	else
		d->is_changed = false;
}

/* What was added stays in memory; this one is read again. */
static void
go_back(struct deadletter_stage *d, const struct sink_source_item *item)
{
	struct sink_source_stream stream[SINK_SOURCE_STREAMS];
	uint64_t pos = item->h.pos, seq = item->h.seq;
	uint32_t at = item->stream;

	memcpy(stream, d->source.stream, sizeof stream);
	sink_source_close(&d->source);
	sink_source_open(&d->source, d->w->env->region, d->log_dirfd);
	for (uint32_t i = 0; i < SINK_SOURCE_STREAMS; i++)
		if (stream[i].is_used)
			sink_source_begin(&d->source, i, i == at ? pos : stream[i].pos,
			    i == at ? seq : stream[i].seq);
}

/* Up to the limits, or as many as a turn may have. */
static bool
read_on(struct deadletter_stage *d)
{
	struct sink_source_item item;

	for (unsigned i = 0; i < FRAMES_PER_TURN; i++) {
		switch (sink_source_next(&d->source, &item)) {
		case SINK_SOURCE_END:
			return true;
		case SINK_SOURCE_ERROR:
			worker_error(d->w, "cannot read the log: %s", strerror(errno));
			return false;
		case SINK_SOURCE_LOST:
			d->lost += item.count;
			break;
		case SINK_SOURCE_CONTROL:
			if (keep(d, &item))
				break;
			worker_error(d->w, "cannot keep what was refused: %s", strerror(errno));
			go_back(d, &item);
			return false;
		case SINK_SOURCE_FRAME:
		case SINK_SOURCE_HOP:
			break;
		}
		d->is_changed = true;
	}
	return true;
}

void
deadletter_intake_follow(struct deadletter_stage *d, bool is_last)
{
	const struct region *r = d->w->env->region;

	if (!d->is_following)
		begin(d);
	for (uint32_t i = 0; i < r->slots; i++)
		sink_source_limit(&d->source, i, cursor_pos(&r->journal->stream[i].durable));
	(void)read_on(d);
	worker_blocked(d->w, "dead letters");
	if (deadletter_writer_sync(d->writer) == -1)
		worker_error(d->w, "cannot keep what was refused: %s", strerror(errno));
	else if (d->is_changed && (is_last || d->ticks % TICKS_PER_CHECKPOINT == 0))
		save(d);
	worker_unblocked(d->w);
}

void
deadletter_intake_stop(struct deadletter_stage *d)
{
	if (!d->is_following && d->has_receipt) {
		/* A successor that is told to keep them begins where we ended. */
		checkpoint_open(&d->checkpoint, d->index.dirfd, CHECKPOINT_NAME);
		save(d);
		checkpoint_close(&d->checkpoint);
	}
	if (!d->is_following)
		return;
	checkpoint_close(&d->checkpoint);
	sink_source_close(&d->source);
	deadletter_writer_close(d->writer);
	d->writer = NULL;
	d->is_following = false;
}
