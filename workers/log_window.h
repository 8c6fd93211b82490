/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_window - look at a segment's bytes through a buffer that moves on
 *
 * DESCRIPTION
 *	Reads in large pieces, holds one frame at most beyond a piece, believes
 *	no length before it has been compared with what there is.  A block that
 *	the disk cannot read counts as zeros, so that damage is damage, whatever
 *	its cause.
 *
 * PROCESS
 *	The journal at a start; readers; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_LOG_WINDOW_H
#define WORKERS_LOG_WINDOW_H

#include "workers/log_format.h"

#define LOG_WINDOW_PIECE (1u << 20)
#define LOG_WINDOW_SMALL 4096 /* to hop over chunk headers */

struct log_window {
	int fd;         /* the caller's */
	uint64_t limit; /* nothing behind it is looked at */
	size_t piece;
	uint8_t *buf;
	size_t size;
	uint64_t off; /* buf[0] is the file's byte at this offset */
	size_t len;
	uint64_t unreadable; /* bytes the disk refused */
};

/* Look at another file, or the same with another limit. */
void log_window_set(struct log_window *w, int fd, uint64_t limit);
void log_window_free(struct log_window *w);

/* `len` bytes at `off`, valid until the next call; NULL: behind the limit or
 * the file's end, or no memory. */
const uint8_t *log_window_at(struct log_window *w, uint64_t off, size_t len);

/*
 * The whole frame of (stream, pos) at `off`, which ends before `end`; NULL when
 * none is there.  Header and CRC are checked.
 */
const uint8_t *log_window_frame(struct log_window *w, uint64_t off, uint64_t end, uint32_t stream,
    uint64_t pos, struct frame_header *h);

/* The first valid chunk header at `off` or behind it, in steps of 8 bytes; the
 * limit when there is none.  *last_used becomes the end of the last bytes passed
 * that are not zero, if there are any. */
uint64_t log_window_find_chunk(struct log_window *w, uint64_t off,
    const struct log_format_place *place, struct log_chunk *chunk, uint64_t *last_used);

#endif
