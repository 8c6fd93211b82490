/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	heir - end what a dead acceptor left in a slot that gets no successor
 *
 * DESCRIPTION
 *	Settles or frees the claim, adds up the ledger, lets go, exits.
 *
 * PROCESS
 *	heir.
 *
 * SHARED STATE
 *	Writes the slot's page and that slot's claims in the dedup table.
 */
#include "workers/heir.h"

#include "common/log.h"
#include "common/panic.h"
#include "workers/slot_owner.h"

#include <unistd.h>

struct heir {
	struct slot_owner slot;
	bool is_done;
};

static void
heir_rights(const struct worker_job *job, struct region_rights *rights)
{
	rights->slot = job->slot;
	rights->dedup = true;
}

static void
heir_open_early(struct worker *w)
{
	struct heir *h = xcalloc(1, sizeof *h);

	w->stage = h;
	slot_owner_lock(&h->slot, w->env->region, (uint32_t)w->job->slot, NULL, NULL);
}

static void
heir_start(struct worker *w)
{
	worker_ready(w);
}

static void
heir_round(struct worker *w)
{
	struct heir *h = w->stage;

	if (h->is_done)
		return;
	switch (slot_owner_take(&h->slot, w->job->generation, (uint64_t)getpid())) {
	case SLOT_OWNER_NOT_READY:
		return;
	case SLOT_OWNER_DAMAGED:
		break;
	case SLOT_OWNER_OK:
		log_line(LOG_LEVEL_NOTICE, "stream put in order: slot=%d interrupted=%llu",
		    w->job->slot, (unsigned long long)h->slot.interrupted);
		break;
	}
	slot_owner_release(&h->slot);
	h->is_done = true;
	w->draining = true;
}

static bool
heir_is_done(struct worker *w)
{
	const struct heir *h = w->stage;

	/* Asked to stop before the journal was ready: the next start's business. */
	return h->is_done || w->draining;
}

const struct worker_ops heir_ops = {
	.rights = heir_rights,
	.open_early = heir_open_early,
	.start = heir_start,
	.round = heir_round,
	.is_done = heir_is_done,
};
