/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_dir - the log's directory: names, files and the chain of segments
 *
 * DESCRIPTION
 *	Segments are found by name and ordered by number.  Each header names the
 *	segment before it and where that one ends, so the chain is followed from
 *	the newest backwards: a segment that no header names was begun by a
 *	process that died before it committed anything there, and does not
 *	belong to the log.
 *
 * PROCESS
 *	The journal writes; readers and sluicectl list.
 *
 * SHARED STATE
 *	None; the files belong to whoever holds the log's lock.
 */
#ifndef WORKERS_LOG_DIR_H
#define WORKERS_LOG_DIR_H

#include "workers/log_format.h"

#include <sys/types.h>

#define LOG_DIR_NAME_LEN 13 /* NNNNNNNN.log and NUL */
#define LOG_DIR_LOCK     "log.lock"
#define LOG_DIR_SPARE    "spare.zero"

struct log_segment {
	uint32_t number;
	uint32_t prev;
	uint64_t prev_end;
	uint64_t bytes; /* the file's length when it was listed */
	uint64_t end;   /* the log's bytes end here; of the newest: UINT64_MAX, unknown */
	uint64_t salt;
	uint64_t created_ns;
	uint8_t instance[16];
	enum log_format_result why; /* ... the header is not readable */
	bool is_readable; /* the header could be read; else prev, salt, created_ns mean nothing */
	bool is_stray;    /* not part of the chain */
	bool is_checked;  /* the header was looked at */
};

struct log_chain {
	struct log_segment *at; /* by number */
	size_t n;
};

void log_dir_name(uint32_t number, char name[LOG_DIR_NAME_LEN]);
/* When segment i was made at the latest: by its own header or an earlier word of
 * a later one, because a clock may have been ahead for a while. */
uint64_t log_dir_born(const struct log_chain *chain, size_t i);
/* The number in a segment's name; 0: no segment. */
uint32_t log_dir_number(const char *name);

/* An open directory; creates it (0750) if `make`.  -1 with errno. */
int log_dir_open(const char *path, bool make);
/* The greatest segment number there is, 0: none; -1 with errno. */
int64_t log_dir_last(int dirfd);

/* 0; or -1 with errno; 1 when the header is not to be trusted (*why). */
int log_dir_read_header(int dirfd, uint32_t number, struct log_segment_header *h,
    enum log_format_result *why) __attribute__((warn_unused_result));

/*
 * List the segments and follow the chain; entries of an earlier listing are
 * not read again.  `newest`: ignore segments above it (0: take all).  0 or -1
 * with errno.  Cost: 16 KiB read for each new segment.
 */
int log_dir_load(struct log_chain *chain, int dirfd, uint32_t newest)
    __attribute__((warn_unused_result));
void log_dir_unload(struct log_chain *chain);

/* Index of the first segment of the chain at or behind `number`; chain->n: none. */
size_t log_dir_find(const struct log_chain *chain, uint32_t number);

/* Write zeros over [from, to); 0 or -1 with errno. */
int log_dir_zero(int fd, uint64_t from, uint64_t to) __attribute__((warn_unused_result));
/* All of it, short writes continued; 0 or -1 with errno. */
int log_dir_write(int fd, const void *bytes, size_t len, uint64_t off)
    __attribute__((warn_unused_result));

#endif
