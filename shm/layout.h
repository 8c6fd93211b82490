/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	layout - what the region's files hold, word by word
 *
 * DESCRIPTION
 *	The region is a folder of files on tmpfs, so that it outlives a crash of
 *	the daemon:
 *
 *	file		only writer			holds
 *	region		supervisor			struct region_header
 *	page.N		the process that has its lock	struct process_page
 *	slot.N		the acceptor that has its lock	struct slot_page, then the ring's data
 *	journal		the journal (the log's lock)	struct journal_part
 *	sink.N		the sink that has its lock	struct sink_part
 *	dedup		every acceptor, one CAS a word	struct dedup_header, then buckets
 *	*.lock		(never written)			POSIX locks say who is the writer
 *
 *	Parts are page-aligned and a process keeps PROT_WRITE only for its own
 *	(region_protect()).  No pointers, no locks, no bool, enum or bit-field
 *	in here; any change of size or order changes LAYOUT_VERSION.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	All of it.
 */
#ifndef SHM_LAYOUT_H
#define SHM_LAYOUT_H

#include "shm/counters.h"
#include "shm/cursor.h"
#include "shm/dedup.h"
#include "shm/ring.h"
#include "shm/sink_part.h"

#define LAYOUT_VERSION	 2
#define LAYOUT_MAGIC	 0x52434c53u /* "SLCR" */
#define LAYOUT_SLOTS_MAX 254
#define LAYOUT_PAGES_MAX 512
#define LAYOUT_PAGE	 4096

/*---------------------------------------------------------------------------*
 * region: written by the supervisor only.  Constant fields first.
 *---------------------------------------------------------------------------*/

/* `assigned` is the generation the supervisor gave the process it forked for
 * this slot or page; the process writes the same number to `active` when it
 * touches its part and 0 when it has let go.  Equal at reap: it died with its
 * hands inside. */
struct layout_assignment {
	_Atomic uint64_t assigned;
	_Atomic uint64_t role;	   /* enum layout_role */
	_Atomic uint64_t number;   /* N of "http N" */
	_Atomic uint64_t page;	   /* slots: the owner's page; pages: the stream slot, or ~0 */
	_Atomic uint64_t restarts; /* times the supervisor forked for it, less one */
	_Atomic uint64_t last_exit; /* wait status of the last one that ended */
};

enum layout_role {
	LAYOUT_ROLE_NONE = 0,
	LAYOUT_ROLE_SUPERVISOR,
	LAYOUT_ROLE_HTTP,
	LAYOUT_ROLE_JOURNAL,
	LAYOUT_ROLE_ADMIN,
	LAYOUT_ROLE_HEIR,
	LAYOUT_ROLE_SINK,
	LAYOUT_ROLE_DEADLETTER,
};

enum layout_phase {
	LAYOUT_PHASE_STARTING = 0, /* listeners answer 503 `starting` */
	LAYOUT_PHASE_RUNNING,
	LAYOUT_PHASE_DRAINING,
	LAYOUT_PHASE_STOPPED, /* ended by request, everything drained */
};

/* A place for a sink.  It keeps its name until the sink is retired, so that a
 * sink that comes back finds its cursors. */
struct layout_sink {
	char name[40];			/* "": free */
	_Atomic uint64_t is_configured; /* 1: in the configuration that runs now */
	_Atomic uint64_t is_required;
	_Atomic uint64_t kind;		/* enum config_sink_kind */
	/* Durable positions when it got its place: where `from now` begins, however
	 * late the sink itself comes up.  1: they stand below; 0: the region was new,
	 * it begins where the streams do. */
	_Atomic uint64_t has_begin;
	struct {
		_Atomic uint64_t pos;
		_Atomic uint64_t seq;
	} begin[SINK_PART_STREAMS];
};

struct region_header {
	uint32_t magic;
	uint32_t layout_version;
	uint8_t instance[16];	/* UUID, the same in the state directory */
	uint64_t generation;	/* of the region; the state directory knows it too */
	uint8_t boot_id[16];	/* under another boot id the region is lost */
	uint32_t slots;
	uint32_t pages;
	uint64_t ring_capacity;
	uint64_t dedup_bytes;	/* of buckets */
	uint64_t created_ns;	/* wall clock */
	uint8_t dedup_key_check[8]; /* hash of the key: the table is worth nothing under another */
	uint64_t reserved[6];
	/* Changing words, supervisor only. */
	_Alignas(64) _Atomic uint64_t supervisor_pid;
	_Atomic uint64_t phase;	  /* enum layout_phase */
	_Atomic uint64_t ticks;	  /* the supervisor's own */
	_Atomic uint64_t next_generation; /* of assignments; never reused in a region's life */
	_Alignas(64) struct layout_assignment slot[LAYOUT_SLOTS_MAX + 2];
	struct layout_assignment page[LAYOUT_PAGES_MAX];
	struct layout_assignment sink[SINK_PART_MAX];
	struct layout_sink sink_name[SINK_PART_MAX];
};

/*---------------------------------------------------------------------------*
 * page.N: written by the process that holds page.N.lock
 *---------------------------------------------------------------------------*/

enum layout_state {
	LAYOUT_STATE_NONE = 0,
	LAYOUT_STATE_STARTING,
	LAYOUT_STATE_READY,
	LAYOUT_STATE_DRAINING,
	LAYOUT_STATE_DONE,
};

/* One kind of trouble: `guard` is odd while the text is being written. */
struct layout_error {
	_Atomic uint64_t guard;
	_Atomic uint64_t count;
	_Atomic uint64_t first_ns;
	_Atomic uint64_t last_ns;
	char text[160];
};

#define LAYOUT_ERRORS	  16
#define LAYOUT_LAST_WORDS 512

struct process_page {
	uint32_t magic;
	uint32_t index;
	_Atomic uint64_t pid;
	_Atomic uint64_t active;	/* generation, 0 when let go */
	_Atomic uint64_t state;		/* enum layout_state */
	_Atomic uint64_t heartbeat;	/* counts; a number that stands still is a hung process */
	_Atomic uint64_t blocked_since_ns; /* CLOCK_MONOTONIC; 0: no.  Not killed for it */
	char blocked_in[16];		/* constant while blocked_since_ns is set */
	char title[32];
	_Alignas(64) _Atomic uint64_t counter[COUNTER_PROCESSES];
	_Alignas(64) char last_words[LAYOUT_LAST_WORDS];
	_Alignas(64) struct layout_error error[LAYOUT_ERRORS];
};

/*---------------------------------------------------------------------------*
 * slot.N: written by the acceptor that holds slot.N.lock
 *---------------------------------------------------------------------------*/

/* What a sleeper may be woken for. */
enum layout_sleep {
	LAYOUT_AWAKE = 0,
	LAYOUT_ASLEEP,	  /* ring for anything */
	LAYOUT_LINGERING, /* ring only for a durable wait or a filling ring */
};

enum layout_retired {
	LAYOUT_IN_USE = 0,
	LAYOUT_RETIRED,		  /* keys of what was lost may still be in the dedup table */
	LAYOUT_RETIRED_FORGOTTEN, /* they are not */
};

struct slot_page {
	uint32_t magic;
	uint32_t stream;
	uint64_t capacity;
	_Alignas(64) struct ring_words ring;
	struct dedup_note note;
	_Alignas(64) _Atomic uint64_t active; /* generation of the owner, 0 when let go */
	_Atomic uint64_t pid;
	_Atomic uint64_t retired;	/* enum layout_retired: found damaged, takes no more puts */
	_Atomic uint64_t sleeping;	/* enum layout_sleep: may the journal ring? */
	_Atomic uint64_t durable_wanted; /* position somebody waits for; ring when durable */
	_Atomic uint64_t delivered_wanted; /* the same for required sinks and the Redis verdict */
	_Atomic uint64_t base_seq;	/* sequence when the region was made: the ledger's zero */
	_Atomic uint64_t effective_window_ms; /* age of the youngest key evicted early; 0: none */
	_Alignas(64) _Atomic uint64_t counter[COUNTER_STREAMS];
};

/*---------------------------------------------------------------------------*
 * journal: written by the journal, under the log's lock
 *---------------------------------------------------------------------------*/

enum layout_trouble {
	LAYOUT_TROUBLE_NONE = 0,
	LAYOUT_TROUBLE_FULL,  /* no room on the disk */
	LAYOUT_TROUBLE_WRITE, /* a write failed */
	LAYOUT_TROUBLE_SYNC,  /* an fdatasync failed */
	LAYOUT_TROUBLE_OPEN,  /* a segment could not be made */
};

struct journal_stream {
	struct cursor durable; /* the journal's cursor, durable position and ring's gate in one */
	_Atomic uint64_t start;	 /* first tail of this region's life */
	_Atomic uint64_t start_seq;
	_Atomic uint64_t oldest; /* first position still in the log */
	_Atomic uint64_t retired; /* 1: set aside; its durable position stands at the tail */
	_Atomic uint64_t gap_bytes; /* positions in GAPs so far: lag and sizes leave them out */
	uint64_t reserved[3];
};

struct journal_part {
	uint32_t magic;
	uint32_t slots;
	_Atomic uint64_t active;
	_Atomic uint64_t pid;
	_Atomic uint64_t ready_generation; /* the region generation of the `start`s below */
	_Atomic uint64_t log_end;  /* segment << 32 | offset / 8, one word: before any cursor */
	_Atomic uint64_t log_first; /* oldest segment on disk */
	_Atomic uint64_t commit;   /* number of the last commit */
	_Atomic uint64_t sleeping; /* enum layout_sleep: may an acceptor ring? */
	_Atomic uint64_t trouble;  /* enum layout_trouble; not NONE: no durable acks */
	_Atomic uint64_t trouble_errno;
	_Atomic uint64_t trouble_since_ns; /* wall clock */
	_Atomic uint64_t checkpoint_ns;	   /* wall clock of the last checkpoint */
	_Atomic uint64_t intake_stop; /* 1 + the required sink that is beyond its max-lag */
	_Alignas(64) _Atomic uint64_t counter[COUNTER_JOURNALS];
	struct journal_stream stream[LAYOUT_SLOTS_MAX + 2];
};

static inline uint64_t
layout_log_end(uint32_t segment, uint64_t offset)
{
	return (uint64_t)segment << 32 | offset / 8;
}

static inline uint32_t
layout_log_segment(uint64_t log_end)
{
	return (uint32_t)(log_end >> 32);
}

static inline uint64_t
layout_log_offset(uint64_t log_end)
{
	return (log_end & 0xffffffffu) * 8;
}

const char *layout_role_name(enum layout_role r);
const char *layout_state_name(enum layout_state s);
const char *layout_trouble_name(enum layout_trouble t);

_Static_assert(sizeof(struct slot_page) <= LAYOUT_PAGE, "a slot's words fit one page");
_Static_assert(sizeof(struct process_page) <= LAYOUT_PAGE, "a process page is one page");
_Static_assert(sizeof(struct journal_stream) == 128, "two cache lines a stream");
_Static_assert(offsetof(struct slot_page, ring) == 64, "ring words");
_Static_assert(offsetof(struct region_header, supervisor_pid) % 64 == 0, "changing words apart");

#endif
