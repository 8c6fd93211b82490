/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_spare - the next segment, filled with zeros before it is needed
 *
 * DESCRIPTION
 *	A commit into bytes that were already written changes no metadata, so
 *	its fdatasync is one write.  A thread inside the journal writes the
 *	zeros: spare.tmp, fsync, then renamed spare.zero, in small pieces with
 *	pauses, faster when it is wanted soon.  The thread touches no shared
 *	memory and dies with the process.
 *
 * PROCESS
 *	The journal, under the log's lock.
 *
 * SHARED STATE
 *	None; the spare file.
 */
#ifndef WORKERS_LOG_SPARE_H
#define WORKERS_LOG_SPARE_H

#include <stdbool.h>
#include <stdint.h>

enum log_spare_state { LOG_SPARE_NONE = 0, LOG_SPARE_MAKING, LOG_SPARE_READY, LOG_SPARE_FAILED };

struct log_spare;

/* Starts the thread (all signals blocked); takes over a spare that is there. */
struct log_spare *log_spare_new(int dirfd, uint64_t bytes);
/* Ends it; a finished spare stays for the successor. */
void log_spare_free(struct log_spare *s);

/* Make one if there is none.  `soon`: without pauses. */
void log_spare_want(struct log_spare *s, bool soon);
/* The finished spare if it has at least min_bytes: its descriptor, the
 * caller's from now on, still named LOG_DIR_SPARE; -1: none. */
int log_spare_take(struct log_spare *s, uint64_t min_bytes, uint64_t *bytes);

/* For the status line and the disk's budget: state, bytes on disk, errno of
 * the last failure. */
enum log_spare_state log_spare_look(struct log_spare *s, uint64_t *bytes, int *error);

#endif
