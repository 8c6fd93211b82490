/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_file - the records of one dead-letter file, one after the other
 *
 * DESCRIPTION
 *	Bytes that are no record are hopped: the next whole one is looked for
 *	at each multiple of 8.  What follows the last whole record may be a torn
 *	tail, or a record that is being written now; `off` stays in front of it,
 *	so that asking again later goes on there.
 *
 *	Memory: the longest record, 256 KiB at least.
 *
 * PROCESS
 *	The writers at a start, the deadletter stage, sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_DEADLETTER_FILE_H
#define WORKERS_DEADLETTER_FILE_H

#include "workers/deadletter_format.h"

struct deadletter_file {
	int fd; /* -1: closed */
	uint64_t salt;
	uint64_t created_ns;
	uint64_t off;	    /* behind the last whole record */
	uint64_t bad_bytes; /* hopped so far */
	bool is_single;	    /* single records are read: no more than asked for */
	uint8_t *buf;
	size_t room;
	uint64_t buf_off;
	size_t buf_len;
};

enum deadletter_file_result {
	DEADLETTER_FILE_OK = 0,
	DEADLETTER_FILE_END,   /* no whole record is left, for now */
	DEADLETTER_FILE_BAD,   /* open: the head cannot be believed (yet) */
	DEADLETTER_FILE_ERROR, /* errno */
};

/* dirfd: the stage's folder.  from: 0, or an `off` of before. */
enum deadletter_file_result deadletter_file_open(struct deadletter_file *f, int dirfd,
    uint32_t number, uint64_t from) __attribute__((warn_unused_result));
void deadletter_file_close(struct deadletter_file *f);

/* *at is where the record begins; its frame until the next call. */
enum deadletter_file_result deadletter_file_next(struct deadletter_file *f,
    struct deadletter_record *out, uint64_t *at) __attribute__((warn_unused_result));
/* The record that begins exactly there; END: none does (any more). */
enum deadletter_file_result deadletter_file_read(struct deadletter_file *f, uint64_t at,
    struct deadletter_record *out) __attribute__((warn_unused_result));

#endif
