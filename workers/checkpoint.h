/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	checkpoint - a stage's cursors on disk, torn or whole but never half believed
 *
 * DESCRIPTION
 *	A file of two slots, written in turn and each guarded by a CRC: a power
 *	cut in the middle of one leaves the other.  Written about once a second
 *	when something changed, and at each clean stop, after the fsync of what
 *	it rests on.
 *
 *	After a failed write or fsync the file is not used again: the next write
 *	makes a new one.
 *
 * PROCESS
 *	The journal; each sink in its own directory.  Retention and sluicectl
 *	read.
 *
 * SHARED STATE
 *	None; the file belongs to the stage that owns the directory.
 */
#ifndef WORKERS_CHECKPOINT_H
#define WORKERS_CHECKPOINT_H

#include <stddef.h>
#include <stdint.h>

#define CHECKPOINT_STREAMS  256
#define CHECKPOINT_SLOT_LEN 8192

struct checkpoint_stream {
	uint64_t pos;
	uint64_t seq;
};

struct checkpoint {
	uint64_t magic;
	uint32_t crc; /* of everything behind it */
	uint32_t version;
	uint64_t serial; /* grows with each write; the greater slot counts */
	uint8_t instance[16];
	uint64_t generation;
	uint64_t time_ns; /* wall clock */
	uint64_t commit;
	uint64_t log_end; /* layout_log_end() */
	uint32_t streams;
	uint32_t reserved[5];
	struct checkpoint_stream stream[CHECKPOINT_STREAMS];
};

_Static_assert(sizeof(struct checkpoint) <= CHECKPOINT_SLOT_LEN, "a slot holds one");
_Static_assert(offsetof(struct checkpoint, stream) == 96, "streams");

enum checkpoint_result {
	CHECKPOINT_OK = 0,
	CHECKPOINT_ABSENT, /* no file */
	CHECKPOINT_BAD,    /* neither slot is whole */
	CHECKPOINT_ERROR,  /* errno */
};

struct checkpoint_file {
	int dirfd;
	int fd; /* -1: make a new file at the next write */
	uint64_t serial;
	char name[32];
};

/* The newer whole slot of dirfd/name. */
enum checkpoint_result checkpoint_read(int dirfd, const char *name, struct checkpoint *out)
    __attribute__((warn_unused_result));

/* dirfd stays the caller's and must stay open. */
void checkpoint_open(struct checkpoint_file *f, int dirfd, const char *name);
void checkpoint_close(struct checkpoint_file *f);
/* Fills in magic, version, serial and CRC; 0 when it is on the disk, -1 with
 * errno. */
int checkpoint_write(struct checkpoint_file *f, struct checkpoint *content)
    __attribute__((warn_unused_result));

#endif
