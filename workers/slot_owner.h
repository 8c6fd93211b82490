/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	slot_owner - take a stream slot over, and let it go
 *
 * DESCRIPTION
 *	A slot passes from owner to owner only through its lock.  The new owner
 *	first ends what a dead predecessor left: it verifies the ring when that
 *	one died with its hands inside, settles or frees its claim in the dedup
 *	table, and adds what it had received and not decided to `interrupted`,
 *	so that the ledger balances again.
 *
 * PROCESS
 *	Acceptors, and heirs of slots that get no acceptor.
 *
 * SHARED STATE
 *	Writes the slot's page and its own claims in the dedup table.
 */
#ifndef WORKERS_SLOT_OWNER_H
#define WORKERS_SLOT_OWNER_H

#include "shm/region.h"

#include <stdbool.h>

enum slot_owner_result {
	SLOT_OWNER_OK = 0,
	SLOT_OWNER_NOT_READY, /* the journal has not said where the stream begins */
	SLOT_OWNER_DAMAGED,   /* the ring holds something that is no frame: now retired */
};

struct slot_owner {
	struct region *region;
	struct slot_page *page;
	uint32_t slot;
	int lock_fd;
	struct dedup_claimer claimer;
	struct ring_in ring;
	enum dedup_recovered recovered; /* what became of the predecessor's claim */
	uint64_t interrupted;		/* events it left undecided */
	bool was_unclean;
};

/* Wait for the slot's lock (the former owner may be ending); fatal() on errors. */
void slot_owner_lock(struct slot_owner *o, struct region *r, uint32_t slot,
    bool (*giving_up)(void *ctx), void *ctx);

/*
 * Under the lock: make the slot ours.  NOT_READY may be asked again; DAMAGED
 * has retired the slot, and the journal will pass it by.
 */
enum slot_owner_result slot_owner_take(struct slot_owner *o, uint64_t generation, uint64_t pid)
    __attribute__((warn_unused_result));

/* The ring is damaged: mark the slot, and forget the keys of what was lost in it. */
void slot_owner_retire(struct slot_owner *o);

/* Everything is published and no claim is held: say that we let go. */
void slot_owner_release(struct slot_owner *o);

#endif
