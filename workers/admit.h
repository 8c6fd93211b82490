/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	admit - decide about one event
 *
 * DESCRIPTION
 *	Parse, validate, claim, put, settle; whoever calls answers.  The order is
 *	a rule (shm/dedup.h): remembering a key before its event is in the ring
 *	would turn a crash between the two into a lost event, because the
 *	client's retry would be refused as a duplicate; putting without a claim
 *	lets two acceptors pass the same event.
 *
 *	admit_event() is the whole of it.  For a batch it is taken apart: read
 *	up to ADMIT_AHEAD events, fetch their places in the table all at once,
 *	then decide them in order.  The table is far larger than the TLB, and a
 *	processor walks the page tables for several look-ups side by side only
 *	when nothing stands between them (measured: a walk alone costs 0.25 us
 *	an event, of 0.9).
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	Writes its ring, its slot's counters and its claims in the dedup table.
 *
 * BUGS
 *	Never allocates; a claim of another acceptor may hold it up for 2 ms.
 */
#ifndef WORKERS_ADMIT_H
#define WORKERS_ADMIT_H

#include "common/event.h"
#include "common/event_key.h"
#include "workers/slot_owner.h"

enum verdict {
#define VERDICT(name, word, http, text) VERDICT_##name,
#include "workers/verdicts.def"
#undef VERDICT
	VERDICTS
};

const char *verdict_word(enum verdict v);
unsigned verdict_http(enum verdict v);

/* Why an event is to be retried. */
enum admit_retry { ADMIT_RETRY_RING_FULL = 1, ADMIT_RETRY_CONTENDED };

const char *admit_retry_code(enum admit_retry r);
const char *admit_retry_text(enum admit_retry r);

#define ADMIT_UNKNOWN_TEXT                                                                         \
	"The log did not confirm in time, so whether this is stored is not known; send it again "  \
	"with the same key, that is safe."

/* Events that may be read before the first of them is decided. */
#define ADMIT_AHEAD 8

struct admit {
	struct slot_owner *slot;
	/* An event's texts live until its reader's next read. */
	struct event_reader *reader[ADMIT_AHEAD];
	unsigned next_reader;
	const uint8_t *dedup_key;
	enum event_key_kind key_kind;
	bool keeps_invalid; /* what is refused goes to the dead-letter store */
	size_t keep_max;    /* bytes of it */
};

/* What all events of one request share. */
struct admit_request {
	uint32_t listener;
	uint64_t recv_ns; /* wall clock */
	uint64_t tick;	  /* dedup_tick() now */
	const uint8_t *attrs;
	uint32_t attrs_len;
};

struct admit_event {
	struct event event; /* valid unless the verdict is INVALID */
	struct event_hash hash;
	enum verdict verdict;
	struct event_error error;  /* INVALID */
	enum admit_retry retry;	   /* RETRY */
	uint64_t pos;		   /* ACCEPTED: where it stands in the stream */
};

/* First: count it as received, parse, validate, hash.  e->verdict is INVALID or not
 * decided yet (ACCEPTED stands there).  *e is valid until ADMIT_AHEAD further reads. */
void admit_read(struct admit *a, struct bytes body, struct admit_event *e);
/* Between the two, if anything: have the places of n events fetched. */
void admit_fetch(const struct admit *a, const struct admit_event *e, size_t n);
/* Last: claim, put, settle.  An INVALID one is at most kept, as a CONTROL frame, if there
 * is room: refused events hold nothing up. */
enum verdict admit_decide(struct admit *a, const struct admit_request *rq, struct admit_event *e);

enum verdict admit_event(struct admit *a, const struct admit_request *rq, struct bytes body,
    struct admit_event *e);

#endif
