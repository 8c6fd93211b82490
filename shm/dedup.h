/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	dedup - who has seen this key within the window, shared by all acceptors
 *
 * DESCRIPTION
 *	A table of buckets, eight 64-bit slots in one cache line each.
 *
 *	slot:  63           21 20         8 7      0
 *	       | fingerprint  | tick        | owner |
 *	       | 43 bits, not 0 | 13 bits   | stream slot + 1; 0 = settled |
 *	A slot of value 0 is free.
 *
 *	The order is a rule and stands in workers/admit.c: claim (compare and
 *	swap) -> rescan the bucket -> put -> settle -> answer.  Swap and rescan
 *	are seq_cst: two acceptors that swap into different slots of one bucket
 *	at the same time must not both miss the other's claim (the store-
 *	buffering pattern, which weaker orders allow).
 *
 *	Two live claims on one fingerprint: the higher owner withdraws and
 *	waits briefly for the outcome; the lower keeps its claim and waits
 *	briefly for the other to vanish or to settle.  Only when the wait runs
 *	out is the answer DEDUP_BUSY (`retry`).  A live claim never expires and
 *	is never evicted; a full bucket evicts its oldest settled slot.
 *
 *	An acceptor holds at most one claim.  Before the swap it notes (table
 *	slot, hash, the position it will put at) in its slot page; a dead
 *	owner's claim is settled if the tail has passed the noted position, else
 *	freed, by whoever next takes the lock (dedup_recover()).  A torn note is
 *	harmless: the claim it would describe was not made yet.
 *
 *	Time is a tick of window/2048.  Age is the signed 13-bit difference;
 *	negative counts as 0.  A settled slot must therefore be swept before
 *	its age reaches 4096: each acceptor sweeps the whole table once per
 *	1024 ticks.
 *
 *	word			written by			order
 *	bucket[].slot[]		every acceptor, one CAS a slot	seq_cst swap and rescan
 *	  a live claim		its owner only			release (settle, free)
 *	swept[owner]		that acceptor			relaxed; stale = swept again
 *	note			the slot's owner		before the swap (seq_cst)
 *
 *	This table is the one exception to "one writer per word"; a kill cannot
 *	tear a word, and every word is one of free, claimed by N, settled.
 *
 * PROCESS
 *	Acceptors; the journal while it rebuilds the table (no acceptor runs).
 *
 * SHARED STATE
 *	See the table.
 */
#ifndef SHM_DEDUP_H
#define SHM_DEDUP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEDUP_MAGIC	   0x44504453u
#define DEDUP_BUCKET_SLOTS 8
#define DEDUP_WINDOW_TICKS 2048
#define DEDUP_SWEEP_TICKS  1024
#define DEDUP_MAX_OWNERS   254

struct dedup_bucket {
	_Alignas(64) _Atomic uint64_t slot[DEDUP_BUCKET_SLOTS];
};

struct dedup_header {
	uint32_t magic;
	uint32_t reserved;
	uint64_t buckets;   /* a power of two */
	uint64_t tick_ns;   /* window / 2048 */
	uint64_t epoch_ns;  /* CLOCK_BOOTTIME at tick 0 */
	/* When each acceptor last ended a whole sweep (tick + 1; 0: never). */
	_Alignas(64) _Atomic uint64_t swept[DEDUP_MAX_OWNERS + 2];
};

/* An acceptor's note of the claim it is about to make, in its slot page. */
struct dedup_note {
	_Alignas(64) _Atomic uint64_t index; /* table slot: bucket * 8 + i */
	_Atomic uint64_t hash_lo;
	_Atomic uint64_t hash_hi;
	_Atomic uint64_t put_pos;
};

struct dedup {
	struct dedup_header *header;
	struct dedup_bucket *bucket;
	uint64_t mask;
};

enum dedup_result {
	DEDUP_CLAIMED = 0,
	DEDUP_DUPLICATE,
	DEDUP_BUSY, /* another's claim did not end in time, or the bucket is all claims */
};

struct dedup_stats {
	uint64_t waits;	    /* another's claim had to be waited for */
	uint64_t evicted;   /* settled slots that went before their time */
	uint64_t evict_age_ticks; /* age of the youngest evicted one; UINT64_MAX: none */
};

/* One acceptor's handle. */
struct dedup_claimer {
	struct dedup table;
	struct dedup_note *note;
	uint8_t owner; /* stream slot + 1 */
	bool has_claim;
	uint64_t index;
	uint64_t word;
	uint64_t patience_ns;	 /* what is left of it; give it anew for each request */
	uint64_t sweep_at;	 /* bucket the sweep goes on with */
	uint64_t sweep_from_tick; /* when this round began */
	struct dedup_stats stats;
};

/* Bytes of a table of `table_bytes` of buckets (a power of two), header included. */
size_t dedup_bytes(uint64_t table_bytes);
/* Lay an empty table into zeroed memory. */
void dedup_init(void *at, uint64_t table_bytes, uint64_t window_ms, uint64_t boot_ns);
/* Handle on a table; false when the header is not one. */
bool dedup_open(struct dedup *d, void *at, size_t size);

static inline uint64_t
dedup_tick(const struct dedup *d, uint64_t boot_ns)
{
	return boot_ns < d->header->epoch_ns ? 0
					     : (boot_ns - d->header->epoch_ns) / d->header->tick_ns;
}

/* Fetch the key's bucket into the cache ahead of dedup_claim(). */
static inline void
dedup_prefetch(const struct dedup *d, uint64_t hash_hi)
{
	__builtin_prefetch(&d->bucket[hash_hi & d->mask], 1);
}

/* How long all claims of one request may wait for others, together: enough for
 * a put whose process was scheduled away, and no more, since a claim of a dead
 * owner stands until somebody takes its slot over. */
#define DEDUP_PATIENCE_NS 2000000

/*
 * Claim a key that would be put at `put_pos`.  DEDUP_CLAIMED: the caller must
 * now put and then dedup_settle(), or dedup_drop() when the put fails; until
 * then it may claim nothing else.  May wait for another acceptor's
 * claim as long as c->patience_ns lasts.
 */
enum dedup_result dedup_claim(struct dedup_claimer *c, uint64_t hash_lo, uint64_t hash_hi,
    uint64_t put_pos, uint64_t tick) __attribute__((warn_unused_result));
void dedup_settle(struct dedup_claimer *c);
void dedup_drop(struct dedup_claimer *c);

enum dedup_recovered { DEDUP_NOTHING = 0, DEDUP_SETTLED, DEDUP_FREED };
/* What a dead owner left: settle its claim if `tail` has passed the noted
 * position, else free it.  The caller holds the slot's lock. */
enum dedup_recovered dedup_recover(struct dedup_claimer *c, uint64_t tail);

/* A step of the sweep: looks at up to `buckets` buckets; call often enough
 * that a round takes less than 1024 ticks (dedup_sweep_step() says how many). */
void dedup_sweep(struct dedup_claimer *c, uint64_t tick, uint64_t buckets);
uint64_t dedup_sweep_step(const struct dedup *d, uint64_t interval_ns);
/* The tick of the last whole sweep by anybody (0 when there was none: a new
 * table counts as swept at its birth). */
uint64_t dedup_last_sweep(const struct dedup *d);

/* Rebuild (no acceptor runs): forget all; insert one settled key of an age.
 * `swept_slot` DEDUP_MAX_OWNERS + 1 belongs to the journal. */
void dedup_clear(struct dedup *d, uint64_t tick);
void dedup_insert_settled(struct dedup *d, uint64_t hash_lo, uint64_t hash_hi, uint64_t tick,
    uint64_t age_ticks);
/*
 * Forget every settled key, while acceptors run: the frames that some of them
 * stand for were lost with a damaged ring, and a retry must not be answered
 * `duplicate` of nothing.  Costs duplicates within the window, never an event.
 */
void dedup_forget(struct dedup *d);
/* Settled and claimed slots now; walks the whole table. */
void dedup_count(const struct dedup *d, uint64_t tick, uint64_t *settled, uint64_t *claimed);

#endif
