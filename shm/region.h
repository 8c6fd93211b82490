/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	region - the shared memory: made by the supervisor, mapped by all
 *
 * DESCRIPTION
 *	The files of layout.h in one folder.  region_create() builds the folder
 *	under another name and renames it, so a region is whole or absent.  All
 *	bytes that may be written are allocated when their part is made (or, for
 *	a ring, when its slot is taken): a full tmpfs is an error with the
 *	arithmetic then, never a SIGBUS later.
 *
 * PROCESS
 *	The supervisor creates, maps and forks; each stage calls
 *	region_protect(); sluicectl maps read-only.
 *
 * SHARED STATE
 *	Maps all of it; writes the constant fields at creation only.
 */
#ifndef SHM_REGION_H
#define SHM_REGION_H

#include "shm/layout.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/types.h>

struct region_params {
	uint8_t instance[16];
	uint64_t generation;
	uint32_t slots;
	uint32_t pages;
	uint64_t ring_capacity;	 /* a power of two */
	uint64_t dedup_bytes;	 /* a power of two */
	uint64_t dedup_window_ms;
	uint8_t dedup_key_check[8];
	uid_t uid; /* owner and group of the files; -1: as they are made */
	gid_t gid;
};

struct region {
	char dir[200];
	struct region_header *header;
	struct journal_part *journal;
	struct process_page *page[LAYOUT_PAGES_MAX];
	struct sink_part *sink[SINK_PART_MAX];
	struct slot_page *slot[LAYOUT_SLOTS_MAX + 2];
	uint8_t *ring_data[LAYOUT_SLOTS_MAX + 2]; /* mapped twice, side by side */
	struct dedup dedup;
	size_t dedup_len;
	uint32_t slots;
	uint32_t pages;
	uint64_t ring_capacity;
};

enum region_result {
	REGION_OK = 0,
	REGION_ABSENT,	   /* no region there */
	REGION_OTHER_BOOT, /* it is of another boot: lost */
	REGION_BAD,	   /* not a region, or damaged: see the text */
	REGION_LAYOUT,	   /* of another layout version */
	REGION_NO_ROOM,	   /* the file system is too small: see the text */
	REGION_ERROR,	   /* a system call failed: see the text */
};

/* Build a new region at dir (replacing an old one).  text (size bytes) says
 * what went wrong, ready for a log line. */
enum region_result region_create(const char *dir, const struct region_params *p, char *text,
    size_t size) __attribute__((warn_unused_result));

/* Map a region; `writable` for the supervisor (stages inherit its maps). */
enum region_result region_open(struct region *r, const char *dir, bool writable, char *text,
    size_t size) __attribute__((warn_unused_result));
void region_close(struct region *r);
/* Remove the folder and all in it. */
int region_remove(const char *dir);

/* Allocate a slot's ring bytes; before the slot's owner is forked. */
enum region_result region_prepare_slot(struct region *r, uint32_t slot, char *text, size_t size)
    __attribute__((warn_unused_result));

/*
 * Keep PROT_WRITE only for what this process owns.  slot, page and sink: -1
 * for none.  `journal`: the journal's part.  `dedup`: the table.
 */
struct region_rights {
	int slot;
	int page;
	int sink;
	bool journal;
	bool dedup;
	bool header;
};
#define REGION_RIGHTS_NONE ((struct region_rights){ .slot = -1, .page = -1, .sink = -1 })
void region_protect(struct region *r, const struct region_rights *rights);

/* Place of the sink of that name, or -1 (only the supervisor gives places). */
int region_sink_find(const struct region *r, const char *name);

/* The ring of a slot as a value. */
struct ring region_ring(const struct region *r, uint32_t slot);

/* Paths: "slot.N.lock", "page.N.lock", ...; into buf, which is returned. */
#define REGION_PATH_MAX 256
const char *region_slot_lock(const struct region *r, uint32_t slot, char *buf);
const char *region_page_lock(const struct region *r, uint32_t page, char *buf);

/* This boot's id; 0 or -1. */
int region_boot_id(uint8_t id[16]);
/* Is the directory on tmpfs? */
bool region_is_tmpfs(const char *dir);

#endif
