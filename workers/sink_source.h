/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_source - the frames of all streams, from the rings or from the log
 *
 * DESCRIPTION
 *	A guest: it holds nobody back.  Frames come out of the rings as long as
 *	the writers have not gone round; once one was overrun, all streams are
 *	read from the log, in the log's order, until its end is reached, and
 *	then from the rings again.  Whoever takes the frames sees no difference.
 *
 *	Frames of one stream come in order, each once, up to the stream's limit.
 *	What is missing is told as a HOP (positions that hold nothing) or as
 *	LOST, with the number of events by their sequence.
 *
 * PROCESS
 *	Sinks; the deadletter stage.
 *
 * SHARED STATE
 *	Reads rings and the journal's part.
 */
#ifndef WORKERS_SINK_SOURCE_H
#define WORKERS_SINK_SOURCE_H

#include "shm/region.h"
#include "workers/log_reader.h"

#define SINK_SOURCE_STREAMS SINK_PART_STREAMS
#define SINK_SOURCE_PADDING 64 /* readable bytes behind a frame */

enum sink_source_kind {
	SINK_SOURCE_END = 0, /* nothing below the limits now */
	SINK_SOURCE_FRAME,   /* EVENT */
	SINK_SOURCE_CONTROL, /* CONTROL: no event of the ledger */
	SINK_SOURCE_HOP,     /* [from, to) holds no event */
	SINK_SOURCE_LOST,    /* `count` events before `to` cannot be read: `what` */
	SINK_SOURCE_ERROR,   /* the log cannot be read now: errno; ask again later */
};

struct sink_source_item {
	enum sink_source_kind kind;
	uint32_t stream;
	uint64_t from, to;
	uint64_t count;
	enum sink_outcome what; /* SINK_EXPIRED or SINK_CORRUPT */
	const uint8_t *frame;   /* until the next call */
	struct frame_header h;
};

struct sink_source_stream {
	uint64_t pos, seq;      /* wanted next */
	uint64_t limit;         /* read below this */
	enum sink_outcome lost; /* why positions were skipped, until a sequence says how many */
	bool has_lost;
	bool is_used;
	bool is_resting; /* not wanted now: what the log has of it is passed over */
};

struct sink_source {
	const struct region *region;
	int log_dirfd;
	struct sink_source_stream stream[SINK_SOURCE_STREAMS];
	uint32_t turn; /* the stream that is read now */
	unsigned burst;
	uint8_t *buf;
	size_t buf_size;
	uint8_t *again; /* of sink_source_reread() */
	size_t again_size;
	bool is_log; /* reading the log */
	bool is_open;
	unsigned passes; /* through the log without any progress */
	bool has_progress;
	struct log_reader reader;
	bool has_item;
	struct log_item item;
	uint64_t ring_frames, log_frames, to_log; /* so far */
};

void sink_source_open(struct sink_source *s, const struct region *r, int log_dirfd);
void sink_source_close(struct sink_source *s);

/* Where a stream is read from; its limit is where it begins.  seq: SINK_SOURCE_ANY_SEQ
 * when nobody knows: the first frame says it.  Costs a search in the log if it is read. */
#define SINK_SOURCE_ANY_SEQ UINT64_MAX
void sink_source_begin(struct sink_source *s, uint32_t stream, uint64_t pos, uint64_t seq);
static inline void
sink_source_limit(struct sink_source *s, uint32_t stream, uint64_t limit)
{
	s->stream[stream].limit = limit;
}

/* Only this stream is read, whatever the others' limits are, until sink_source_all(); who
 * calls that begins the one anew. */
void sink_source_only(struct sink_source *s, uint32_t stream);
void sink_source_all(struct sink_source *s);

/* SINK_SOURCE_END costs a look at each stream. */
enum sink_source_kind sink_source_next(struct sink_source *s, struct sink_source_item *item);

/* One frame again, by its place; NULL: it cannot be read.  Until the next call of
 * this. */
const uint8_t *sink_source_reread(
    struct sink_source *s, uint32_t stream, uint64_t pos, struct frame_header *h);

#endif
