/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_inbox - a file of frames that a sink shall deliver again
 *
 * DESCRIPTION
 *	STATE/sinks/SINK/inbox/NAME: frames one behind the other.  It has
 *	another name until it is whole and durable.  The sink unlinks it when it
 *	is done (sink_replay.h).
 *
 * PROCESS
 *	sluicectl; the deadletter stage.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_DEADLETTER_INBOX_H
#define WORKERS_DEADLETTER_INBOX_H

#include "common/bytes.h"
#include "workers/deadletter_file.h"
#include "workers/text.h"

#define DEADLETTER_INBOX_BUF (256u << 10)

struct deadletter_inbox {
	int dirfd, fd;
	char name[64];
	uint64_t off;
	uint64_t frames;
	uint8_t *buf;
	size_t len;
};

/* 0 or -1 with errno; name: letters, digits, '-', '.'.  As root the files get the owner
 * of the sink's folder. */
int deadletter_inbox_open(struct deadletter_inbox *in, const char *state_dir, const char *sink,
    const char *name) __attribute__((warn_unused_result));
/* 1: it is in; 0: the record holds no whole event; -1 with errno. */
int deadletter_inbox_add(struct deadletter_inbox *in, const struct deadletter_record *r)
    __attribute__((warn_unused_result));
/* Durable under its name; 0 or -1 with errno.  Closes it either way. */
int deadletter_inbox_commit(struct deadletter_inbox *in) __attribute__((warn_unused_result));
/* As if it had never been; after a commit too. */
void deadletter_inbox_drop(struct deadletter_inbox *in);
/* The same of one that was committed and is not open any more. */
void deadletter_inbox_remove(const char *state_dir, const char *sink, const char *name);

/*
 * Ask a line socket and wait for the whole answer, timeout_ms at most.  0, or -1 with
 * errno.  Blocks.
 */
int deadletter_inbox_ask(const char *path, const char *line, int timeout_ms,
    struct text_out *answer) __attribute__((warn_unused_result));

/* What a sink says of a replay, out of its status line. */
struct deadletter_replay {
	char state[16]; /* running, done, stopped, failed */
	uint64_t read, delivered, dead, skipped, total;
	uint64_t late; /* of those skipped: another node had them first */
	char reason[160];
};
/* False: no such line. */
bool deadletter_inbox_status(const char *answer, struct deadletter_replay *r);

#endif
