/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter - the store of events that were refused, with the reason why
 *
 * DESCRIPTION
 *	One folder, STATE/deadletter, and in it a folder for each stage that
 *	writes: STATE/deadletter/STAGE/NNNNNNNN.dead.  A stage appends records to
 *	its newest file and fsyncs before its cursor passes the event; nobody
 *	else writes there.  The deadletter stage keeps what happened to records
 *	later (replayed, purged) in STATE/deadletter/marks, unlinks files whose
 *	records are all over, and answers questions.
 *
 *	A record is {magic, length, CRC, times, attempts, stream, position, sequence,
 *	lengths} and then stage, code, text and the frame as it was (header,
 *	attributes, body).  Its id is "STAGE-file-offset".
 *
 * PROCESS
 *	Writer: each sink, and the deadletter stage for events that were invalid
 *	at intake.  Reader: the deadletter stage, sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_DEADLETTER_H
#define WORKERS_DEADLETTER_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define DEADLETTER_CODE_SIZE 32
#define DEADLETTER_TEXT_SIZE 512
#define DEADLETTER_ID_SIZE   80

struct deadletter_info {
	char stage[40]; /* sink's name, or "intake" */
	char code[DEADLETTER_CODE_SIZE];
	char text[DEADLETTER_TEXT_SIZE];
	uint32_t attempts;
	uint64_t first_ns, last_ns; /* wall clock: first and last attempt */
	uint32_t stream;
	uint64_t pos, seq;
	/* Not kept: refused again when it was sent again on request, so that a record
	 * of it which is there already does not stand for this one. */
	bool is_replay;
};

struct deadletter_writer;

/* state_dir/deadletter alone, made when it is not there; 0 or -1 with errno. */
int deadletter_writer_folder(const char *state_dir, uid_t uid, gid_t gid)
    __attribute__((warn_unused_result));

/*
 * state_dir/deadletter/stage, made when it is not there, owned by uid:gid ((uid_t)-1: as
 * it comes).  NULL with errno.  A torn record at the end of the newest file is cut.
 * A record of (stream, pos) that is already there after a crash is not written twice
 * (the newest two files are looked at; 64 MiB each).
 */
struct deadletter_writer *deadletter_writer_open(const char *state_dir, const char *stage,
    uid_t uid, gid_t gid);
/* Buffer one record; 0 or -1 with errno.  frame: the frame's bytes, may be empty.  The
 * stage is the writer's, whatever info says.  Beyond 16 MiB it syncs first; when that
 * fails it keeps everything, and the caller hears of it at its own sync. */
int deadletter_writer_add(struct deadletter_writer *w, const struct deadletter_info *info,
    struct bytes frame) __attribute__((warn_unused_result));
/* All that was added is on the disk; 0 or -1 with errno: try again later, no cursor moves. */
int deadletter_writer_sync(struct deadletter_writer *w) __attribute__((warn_unused_result));
void deadletter_writer_close(struct deadletter_writer *w);

#endif
