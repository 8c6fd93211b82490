/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_writer - append commits to the log
 *
 * DESCRIPTION
 *	A commit is one pwritev(2) of the chunks of all streams, straight from
 *	the rings' memory, and one fdatasync(2).  It never spans segments: what
 *	does not fit into the rest of one goes to the next.  No byte of the log
 *	is written twice, and a file whose write or sync failed is never
 *	written or synced again: the next segment's header names the last good
 *	end, and the same frames go there.
 *
 * PROCESS
 *	The journal, under the log's lock.
 *
 * SHARED STATE
 *	None; it reads the frames it is given wherever they lie.
 */
#ifndef WORKERS_LOG_WRITER_H
#define WORKERS_LOG_WRITER_H

#include "workers/log_dir.h"
#include "workers/log_spare.h"

#include <sys/uio.h>

#define LOG_WRITER_PARTS_MAX 1024
/* What a restart waits for when no spare is there. */
#define LOG_WRITER_SMALL (4u << 20)

struct log_writer_params {
	int dirfd;
	uint64_t segment_bytes;
	uint8_t instance[16];
	uint64_t generation;
	uint64_t ring_capacity;
	uint32_t slots;
	bool no_spare; /* tests: one thread only */
	/* Around calls that may block for long; may be NULL. */
	void (*blocked)(void *ctx, const char *what);
	void (*unblocked)(void *ctx);
	void *ctx;
};

/* One chunk to be: frames of one stream, side by side in memory. */
struct log_part {
	const uint8_t *frames;
	uint64_t len;
	uint64_t from;
	uint64_t to;
	uint64_t first_seq;
	uint64_t events;
	uint32_t stream;
	bool is_gap;
};

/* Where the log ends and what comes next. */
struct log_writer_place {
	uint32_t number;      /* last segment of the log, 0: none */
	uint64_t end;         /* valid bytes of it */
	uint32_t last_number; /* greatest number that was ever a file's name */
	uint64_t commit;      /* of the last commit */
};

enum log_writer_result {
	LOG_WRITER_OK = 0,
	LOG_WRITER_FULL,  /* no room for a segment */
	LOG_WRITER_WRITE, /* pwritev failed, in a new segment too */
	LOG_WRITER_SYNC,  /* fdatasync failed, in a new segment too */
	LOG_WRITER_OPEN,  /* a segment could not be made */
};

struct log_writer_stats {
	uint64_t write_errors, sync_errors, space_errors;
	uint64_t sync_ns, sync_last_ns; /* of commits */
	uint64_t bytes;                 /* of the last commit, headers included */
	uint64_t opened;                /* segments */
	int error;                      /* errno of the last failure */
};

struct log_writer {
	struct log_writer_params p;
	struct log_spare *spare;
	int fd;          /* the open segment, or -1 */
	uint32_t number; /* the last one with a place in the chain: open or not */
	uint64_t off;    /* end of its last good commit */
	uint64_t size;
	uint64_t dropped; /* from the page cache, up to here */
	uint64_t salt;
	uint64_t commits_here; /* good ones in the open segment */
	uint32_t prev;         /* the open segment's own predecessor */
	uint64_t prev_end;
	uint32_t last_number;
	uint64_t commit;
	const struct log_stream *stream; /* LOG_STREAMS: as of now, for the next header */
	struct log_writer_stats stats;
	struct log_chunk *chunk; /* LOG_WRITER_PARTS_MAX */
	struct iovec *iov;
};

/* `stream` must stay; opens no segment yet. */
void log_writer_init(struct log_writer *w, const struct log_writer_params *p,
    const struct log_writer_place *place, const struct log_stream *stream);
void log_writer_close(struct log_writer *w);

/* Open the next segment now (at least `room` bytes behind its header): the
 * one before is cut to its end. */
enum log_writer_result log_writer_open_next(struct log_writer *w, uint64_t room, uint64_t now_ns)
    __attribute__((warn_unused_result));

/*
 * Make one commit durable.  Tries a new segment once when the open one
 * fails.  Anything but OK: nothing of it counts, call again with the same
 * frames.  Where it stands afterwards: number, off, commit.
 */
enum log_writer_result log_writer_commit(struct log_writer *w, const struct log_part *part,
    size_t n, uint64_t now_ns) __attribute__((warn_unused_result));

/* Bytes that still fit into the open segment. */
static inline uint64_t
log_writer_room(const struct log_writer *w)
{
	return w->fd == -1 ? 0 : w->size - w->off;
}

const char *log_writer_result_text(enum log_writer_result r);

#endif
