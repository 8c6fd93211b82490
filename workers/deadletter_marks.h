/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_marks - what became of dead letters later: replayed, purged
 *
 * DESCRIPTION
 *	STATE/deadletter/marks: entries of 72 bytes, each with its CRC, appended
 *	and fsynced before anybody is told.  Read at a start and put onto the
 *	index; a torn tail is cut by the owner.  When most entries speak of
 *	files that are gone, the file is written anew from the index and
 *	renamed; so it is after a failed write or fsync.
 *
 * PROCESS
 *	Written by the deadletter stage; sluicectl reads.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_DEADLETTER_MARKS_H
#define WORKERS_DEADLETTER_MARKS_H

#include "workers/deadletter_index.h"

struct deadletter_marks {
	int fd;		/* -1: written anew at the next add */
	uint64_t size;	/* good */
	uint64_t n;	/* entries in the file */
};

/* Put the marks of the file onto the index (refreshed before).  0 or -1 with errno; *good
 * is where whole entries end, *n how many there are; both may be NULL. */
int deadletter_marks_load(struct deadletter_index *ix, uint64_t *good, uint64_t *n);

/* Owner: load, cut the tail, go on there.  0 or -1 with errno. */
int deadletter_marks_open(struct deadletter_marks *m, struct deadletter_index *ix)
    __attribute__((warn_unused_result));
void deadletter_marks_close(struct deadletter_marks *m);

/*
 * Those that are still open are over now, durably: how many, or -1 with errno and
 * nothing is changed.
 */
int64_t deadletter_marks_add(struct deadletter_marks *m, struct deadletter_index *ix,
    const struct deadletter_ref *refs, size_t n, enum deadletter_over over, uint32_t now_s)
    __attribute__((warn_unused_result));

/* Write the file anew if it is worth it; 0 or -1 with errno. */
int deadletter_marks_compact(struct deadletter_marks *m, const struct deadletter_index *ix);

#endif
