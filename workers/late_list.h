/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	late_list - events that another node had first: positions the sinks skip
 *
 * DESCRIPTION
 *	Files STATE/sinks/CLAIMER/late/NNNNNNNN.late, one for each log segment
 *	(the segment at whose end the log stood when the entry was made, which
 *	is the event's own or a later one; deleted when that segment is gone).
 *	A file: a header {magic, version, segment, number of the first entry, CRC},
 *	then entries {stream, position, CRC} of 24 bytes.
 *
 *	The writer appends, then publishes the number of entries ever written
 *	(sink_part.late_count), then the claiming sink's cursor.  A reader takes
 *	the cursor, then the number, then reads entries up to it: whatever stands
 *	before the cursor is decided.  The writer fsyncs before its checkpoint.
 *
 * PROCESS
 *	Written by the claiming sink; read by all other sinks and by who answers
 *	receipts.
 *
 * SHARED STATE
 *	The writer publishes sink_part.late_count of its own part.
 */
#ifndef WORKERS_LATE_LIST_H
#define WORKERS_LATE_LIST_H

#include "shm/sink_part.h"

#include <stdbool.h>
#include <stdint.h>

struct late_writer;

/*
 * Take over: cuts what a predecessor wrote and did not publish (`published`;
 * UINT64_MAX: a new region, trust the files), and *count is where to go on.
 * NULL with errno.  dirfd: STATE/sinks/CLAIMER.
 */
struct late_writer *late_writer_open(int dirfd, uint64_t published, uint64_t *count);
/* log_segment: the segment of journal_part.log_end now.  0 or -1 with errno. */
int late_writer_add(struct late_writer *w, uint32_t log_segment, uint32_t stream, uint64_t pos)
    __attribute__((warn_unused_result));
/* Everything added is in the files (not yet on disk); returns the number to publish. */
uint64_t late_writer_flush(struct late_writer *w);
int late_writer_sync(struct late_writer *w) __attribute__((warn_unused_result));
/* Delete the files of segments before this one. */
void late_writer_expire(struct late_writer *w, uint32_t first_segment);
void late_writer_close(struct late_writer *w);

struct late_reader;

/* NULL with errno; no files yet is no error. */
struct late_reader *late_reader_open(const char *state_dir, const char *claimer);
void late_reader_close(struct late_reader *r);
/* Read on up to `count` entries; 0 or -1 with errno (and nothing is forgotten). */
int late_reader_refresh(struct late_reader *r, uint64_t count) __attribute__((warn_unused_result));
/* Is (stream, pos) listed?  One look-up in a hash table; nothing when it is empty. */
bool late_reader_has(const struct late_reader *r, uint32_t stream, uint64_t pos);
/* Positions before this are never asked for again. */
void late_reader_forget(struct late_reader *r, uint32_t stream, uint64_t before);
/* Give back the room of what was forgotten, if that is most of it.  Looks at all that is
 * held when anything was forgotten since the last time: every few seconds, not more. */
void late_reader_trim(struct late_reader *r);
/* What the set of positions takes: 32 to 128 bytes for each. */
size_t late_reader_bytes(const struct late_reader *r);

#endif
