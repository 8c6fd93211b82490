/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_reader - the frames of the log, each position once, in log order
 *
 * DESCRIPTION
 *	Goes through the segments from a place on and yields frames.  A position
 *	may lie in the log twice (a successor of the journal writes again what
 *	was not published); it is yielded once.  GAPs are hopped and yielded as
 *	such.  What cannot be read is yielded as a range of positions.
 *
 *	Per stream the reader knows the position it wants next.  So whatever is
 *	missing, for whatever reason, shows as a jump: damage inside a chunk, a
 *	chunk or a segment that is gone.  Inside a damaged chunk it goes on
 *	with the next frame that is whole and stands at its proper place.
 *
 *	With a region the log ends at journal_part.log_end; without one at the
 *	last whole commit.  Memory: one frame plus 1 MiB, and 64 bytes a
 *	segment.
 *
 * PROCESS
 *	The journal at a start; sinks that fell behind; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_LOG_READER_H
#define WORKERS_LOG_READER_H

#include "workers/log_dir.h"
#include "workers/log_scan.h"

enum log_item_kind {
	LOG_ITEM_END = 0, /* for now: log_reader_refresh() may bring more */
	LOG_ITEM_FRAME,   /* EVENT or CONTROL: `at`, `h` */
	LOG_ITEM_GAP,     /* [from, to) holds nothing: `reason` */
	LOG_ITEM_CORRUPT, /* [from, to) was written and cannot be read */
	LOG_ITEM_EXPIRED, /* [from, to) went with segments that retention removed */
	LOG_ITEM_ERROR,   /* errno in `error`; calling again tries again */
};

struct log_item {
	enum log_item_kind kind;
	uint32_t stream;
	uint64_t from, to;
	const uint8_t *at; /* until the next call */
	struct frame_header h;
	uint32_t reason;
	int error;
	uint32_t segment;
	uint64_t off;     /* of the frame */
	uint64_t wall_ns; /* of its commit */
};

struct log_reader_stats {
	uint64_t frames, events, bytes; /* yielded */
	uint64_t chunks, twice;         /* frames that were there a second time */
	uint64_t bad_bytes;             /* of segments that were no chunk or frame */
	uint64_t bad_ranges, lost_positions;
	uint64_t gaps;
	uint64_t bad_headers; /* segments */
};

struct log_reader {
	int dirfd; /* the caller's */
	struct log_chain chain;
	uint64_t log_end;     /* 0: find the end ourselves */
	struct log_scan tail; /* the newest segment's end as found by a scan */
	uint32_t tail_segment;
	/* Known from elsewhere to be durable: never cut before it.  0: nothing is. */
	uint32_t sure_segment;
	uint64_t sure_end;
	uint64_t sure_commit;
	/* A GAP that lies behind frames of later positions: recovery wrote it
	 * when it found damage.  May be NULL. */
	void (*old_gap)(void *ctx, uint32_t stream, uint64_t from, uint64_t to);
	void *ctx;

	int fd; /* of the segment we are in, or -1 */
	struct log_segment seg;
	uint64_t off; /* of the next chunk header */
	uint64_t limit;
	struct log_window window;
	struct log_segment_header *header;
	unsigned check;      /* next stream to compare with the header; LOG_STREAMS: done */
	bool has_begun;      /* `next` is known */
	bool is_behind_hole; /* segments between were removed */

	bool is_in_chunk;
	struct log_chunk chunk;
	uint64_t at, end; /* in the chunk's frames */
	uint64_t pos, seq;
	bool has_seq;

	bool has_next[LOG_STREAMS];
	uint64_t next[LOG_STREAMS];     /* position wanted next */
	uint64_t next_seq[LOG_STREAMS]; /* sequence of the next EVENT */
	struct log_reader_stats stats;
};

/* log_end: 0, or the region's.  0 or -1 with errno.  Begins at the oldest. */
int log_reader_open(struct log_reader *r, int dirfd, uint64_t log_end)
    __attribute__((warn_unused_result));
void log_reader_close(struct log_reader *r);

/* The log has grown: 0 or -1 with errno. */
int log_reader_refresh(struct log_reader *r, uint64_t log_end) __attribute__((warn_unused_result));

enum log_item_kind log_reader_next(struct log_reader *r, struct log_item *item);

/*
 * Begin elsewhere.  Costs the chunk headers from the segment's beginning to
 * that place.  Streams other than the one sought begin with what lies behind.
 */
enum log_reader_sought {
	LOG_READER_FOUND = 0,
	LOG_READER_GONE,   /* below the log's first segment: begins at the oldest */
	LOG_READER_IN_GAP, /* lost: begins behind the GAP */
	LOG_READER_AHEAD,  /* not written yet: begins at the end */
	LOG_READER_FAILED, /* errno */
};
enum log_reader_sought log_reader_seek_pos(struct log_reader *r, uint32_t stream, uint64_t pos)
    __attribute__((warn_unused_result));
/* The first commit at or behind a wall time. */
enum log_reader_sought log_reader_seek_time(struct log_reader *r, uint64_t wall_ns)
    __attribute__((warn_unused_result));
/* A chunk boundary; offset 0: the segment's beginning. */
enum log_reader_sought log_reader_seek_place(struct log_reader *r, uint32_t segment, uint64_t off)
    __attribute__((warn_unused_result));
enum log_reader_sought log_reader_seek_end(struct log_reader *r)
    __attribute__((warn_unused_result));

/* log_reader_segment.c: used inside. */
/* Open chain.at[i] and stand at its first chunk; 0 or -1 with errno. */
int log_reader_enter(struct log_reader *r, size_t i) __attribute__((warn_unused_result));
/* Index of the segment behind the one we are in; chain.n: none. */
size_t log_reader_following(const struct log_reader *r);
/* The next chunk header at r->off or behind it into r->chunk (r->off is it); false: none. */
bool log_reader_find_chunk(struct log_reader *r);

#endif
