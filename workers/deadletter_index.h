/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_index - which dead letters there are, and what became of them
 *
 * DESCRIPTION
 *	Every record of every stage's files has an entry of 48 bytes; events
 *	themselves stay on disk.  deadletter_index_refresh() reads what has come
 *	since the last time.  A record that is over (replayed, purged, expired)
 *	keeps its entry until its file goes.
 *
 *	At most DEADLETTER_INDEX_MAX entries; what comes beyond is counted in
 *	`unlisted` and found again when others have gone.  At most
 *	DEADLETTER_INDEX_STAGES folders: is_crowded says that there are more, whose
 *	records are neither listed nor retained.
 *
 * PROCESS
 *	The deadletter stage; sluicectl reads.
 *
 * SHARED STATE
 *	None.
 *
 * BUGS
 *	Looking for a position looks at each entry.
 */
#ifndef WORKERS_DEADLETTER_INDEX_H
#define WORKERS_DEADLETTER_INDEX_H

#include "workers/deadletter_file.h"

#define DEADLETTER_INDEX_MAX	(4u << 20)
#define DEADLETTER_INDEX_STAGES 512 /* folders, those of retired sinks too; a descriptor each */
#define DEADLETTER_INDEX_CODES	256

enum deadletter_over {
	DEADLETTER_OPEN = 0,
	DEADLETTER_REPLAYED,
	DEADLETTER_PURGED,
	DEADLETTER_EXPIRED, /* older than `retain`; not kept in the marks */
	DEADLETTER_OVERS
};

struct deadletter_entry {
	uint64_t off;
	uint64_t pos;
	uint64_t last_ns;
	uint32_t stream;
	uint32_t len;
	uint32_t over_s; /* wall clock, seconds */
	uint16_t code;
	uint8_t over; /* enum deadletter_over */
	uint8_t pad;
};

struct deadletter_index_file {
	uint32_t number;
	bool is_readable; /* its head could be read */
	bool is_there;	  /* seen by the last listing */
	bool is_complete; /* read to its end, without an error */
	bool is_unlisted; /* read in part, for want of entries */
	uint64_t size;	  /* when it was read */
	uint64_t mtime_ns;
	uint64_t off;	  /* read up to here */
	uint64_t bad_bytes;
	uint64_t newest_ns;
	struct deadletter_entry *entry;
	size_t n, room, open;
};

struct deadletter_index_stage {
	char name[40];
	int dirfd;
	struct deadletter_index_file *file; /* by number */
	size_t n, room;
};

struct deadletter_index {
	int dirfd; /* STATE/deadletter; -1: not there (yet) */
	char path[512];
	struct deadletter_index_stage stage[DEADLETTER_INDEX_STAGES];
	size_t stages;
	char code[DEADLETTER_INDEX_CODES][DEADLETTER_CODE_SIZE]; /* the last one: all others */
	size_t codes;
	uint64_t n, open, bytes; /* entries; of those not over; bytes of files */
	bool is_unlisted;
	bool is_crowded; /* a folder is left out: too many, or too few descriptors */
	size_t max; /* DEADLETTER_INDEX_MAX; less in tests */
};

/* Where an entry is; valid until the next refresh or removal. */
struct deadletter_ref {
	uint32_t stage, file, entry;
};

void deadletter_index_init(struct deadletter_index *ix, const char *state_dir);
void deadletter_index_free(struct deadletter_index *ix);
/* 0, or -1 with errno: what could be read is there. */
int deadletter_index_refresh(struct deadletter_index *ix);

static inline struct deadletter_entry *
deadletter_index_entry(const struct deadletter_index *ix, struct deadletter_ref r)
{
	return &ix->stage[r.stage].file[r.file].entry[r.entry];
}

void deadletter_index_id(const struct deadletter_index *ix, struct deadletter_ref r,
    char id[DEADLETTER_ID_SIZE]);
bool deadletter_index_find(const struct deadletter_index *ix, const char *id,
    struct deadletter_ref *r);
/* The record from disk into f, which the caller closes; END: not there any more. */
enum deadletter_file_result deadletter_index_read(const struct deadletter_index *ix,
    struct deadletter_ref r, struct deadletter_file *f, struct deadletter_record *out)
    __attribute__((warn_unused_result));

/* It is over (or, DEADLETTER_OPEN, not). */
void deadletter_index_mark(struct deadletter_index *ix, struct deadletter_ref r,
    enum deadletter_over over, uint32_t now_s);
/* Open records whose last attempt was before this are over; how many. */
uint64_t deadletter_index_expire(struct deadletter_index *ix, uint64_t before_ns, uint32_t now_s);

/* What is asked for; zero: everything that is open. */
struct deadletter_query {
	char stage[40];
	char code[DEADLETTER_CODE_SIZE];
	uint64_t since_ns, until_ns; /* of the last attempt; until 0: no bound */
	size_t limit;		     /* 0: none */
	bool is_all;		     /* those that are over too */
	bool has_place;		     /* stream and pos below */
	uint32_t stream;
	uint64_t pos;
};

/* The newest first; *n of them, the caller frees.  NULL when there are none or no memory. */
struct deadletter_ref *deadletter_index_select(const struct deadletter_index *ix,
    const struct deadletter_query *q, size_t *n);
/* Of several records of one event (a sink that died between two of them leaves both open)
 * only the first stays: the newest, as select gives them.  How many stay. */
size_t deadletter_index_unique(
    const struct deadletter_index *ix, struct deadletter_ref *refs, size_t n);
/* Every open record of the events of refs, which are among them when they are open: what is
 * over when these have been sent.  The caller frees; NULL: none, or no memory and *n is 0. */
struct deadletter_ref *deadletter_index_same(const struct deadletter_index *ix,
    const struct deadletter_ref *refs, size_t refs_n, size_t *n);
/* One "key=value" word of a query: stage (or sink), code, since, until (ns), limit, all. */
bool deadletter_index_parse(struct deadletter_query *q, const char *word);

/* The greatest file number of a stage is the writer's and stays. */
bool deadletter_index_may_go(const struct deadletter_index *ix, size_t stage, size_t file);
/* Unlink a file and forget its entries; 0 or -1 with errno. */
int deadletter_index_unlink(struct deadletter_index *ix, size_t stage, size_t file);

const char *deadletter_index_over_name(enum deadletter_over over);

#endif
