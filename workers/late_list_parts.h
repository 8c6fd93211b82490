/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	late_list_parts - what the two ends of the late list agree on
 *
 * DESCRIPTION
 *	A file is a header of 32 bytes and entries of 24, each behind its own
 *	CRC, so that an entry is whole or not there wherever the file was cut.
 *	An entry carries its own number: what is read never depends on what
 *	stands before it.
 *
 * PROCESS
 *	The claiming sink; its readers.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_LATE_LIST_PARTS_H
#define WORKERS_LATE_LIST_PARTS_H

#include <stdbool.h>
#include <stdint.h>

#define LATE_LIST_DIR	   "late"
#define LATE_LIST_NAME_LEN 14 /* NNNNNNNN.late and NUL */
#define LATE_LIST_NONE	   INT64_C(-1)
#define LATE_LIST_READ	   2730 /* entries read at a time, about 64 KiB */

struct late_header {
	uint64_t magic;
	uint32_t version;
	uint32_t segment;
	uint64_t first; /* number of the first entry */
	uint32_t reserved;
	uint32_t crc; /* of everything before it */
};

struct late_entry {
	uint64_t number; /* from 0, over all files */
	uint64_t pos;
	uint32_t stream;
	uint32_t crc; /* of everything before it */
};

_Static_assert(sizeof(struct late_header) == 32, "header");
_Static_assert(sizeof(struct late_entry) == 24, "entry");

void late_list_header(struct late_header *h, uint32_t segment, uint64_t first);
bool late_list_header_is_whole(const struct late_header *h);
void late_list_entry(struct late_entry *e, uint64_t number, uint32_t stream, uint64_t pos);
bool late_list_entry_is_whole(const struct late_entry *e);

void late_list_name(uint32_t segment, char name[LATE_LIST_NAME_LEN]);
/* The smallest segment >= from (or the greatest <= from) that has a file; LATE_LIST_NONE;
 * -2 with errno. */
int64_t late_list_next(int latefd, int64_t from);
int64_t late_list_last(int latefd, int64_t from);

#endif
