/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_copy - copies of dead letters elsewhere, each at its own pace
 *
 * DESCRIPTION
 *	A copy has a cursor for each stage's records in STATE/deadletter/copy.NAME
 *	and moves it when what was sent was confirmed: at least once.  What
 *	fails is tried again, with a pause that doubles up to half a minute, and
 *	holds nobody up.  A new copy begins with the oldest record there is.
 *
 *	deadletter_copy.c	  cursors, batches, pauses
 *	deadletter_copy_redis.c	  RPUSH and LTRIM of a list
 *	deadletter_copy_kafka.c	  a topic
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_DEADLETTER_COPY_H
#define WORKERS_DEADLETTER_COPY_H

#include "workers/deadletter_parts.h"

#define DEADLETTER_COPY_BATCH 256

enum deadletter_copy_result { COPY_DONE = 0, COPY_PENDING, COPY_FAILED };

struct deadletter_copy;

struct deadletter_copy_ops {
	const char *name;
	/* Send n texts; PENDING: poll() says later.  FAILED: why is set, and all of them
	 * come again. */
	enum deadletter_copy_result (*send)(struct deadletter_copy *c, const struct bytes *text,
	    size_t n);
	enum deadletter_copy_result (*poll)(struct deadletter_copy *c);
	void (*stop)(struct deadletter_copy *c);
};

/* A place in the records of one stage. */
struct deadletter_copy_cursor {
	char stage[40];
	uint32_t file;
	uint64_t off;
};

struct deadletter_copy {
	const struct deadletter_copy_ops *ops;
	struct deadletter_stage *d;
	const struct config_deadletter *cfg;
	void *kind;
	char why[320];
	char password[256];
	struct deadletter_copy_cursor cursor[DEADLETTER_INDEX_STAGES];
	struct deadletter_copy_cursor next[DEADLETTER_INDEX_STAGES]; /* when the batch is done */
	size_t cursors, nexts;
	bool is_loaded, is_pending;
	size_t batch;
	uint64_t copied, failures;
	uint64_t retry_at_ns, pause_ns;
};

extern const struct deadletter_copy_ops deadletter_copy_redis_ops;
extern const struct deadletter_copy_ops deadletter_copy_kafka_ops;

#endif
