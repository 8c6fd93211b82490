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
 *	admit_event() is the whole of it.  For a batch the two halves are called
 *	apart, so that the next event's place in the table is being fetched while
 *	this one is decided: admit_read() of n + 1, then admit_decide() of n.
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

struct admit {
	struct slot_owner *slot;
	struct event_reader *reader[2]; /* an event's texts live until its reader's next read */
	unsigned next_reader;
	const uint8_t *dedup_key;
	enum event_key_kind key_kind;
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

/* First half: count it as received, parse, validate, hash, fetch its bucket.
 * e->verdict is INVALID or not decided yet (ACCEPTED stands there). */
void admit_read(struct admit *a, struct bytes body, struct admit_event *e);
/* Second half: claim, put, settle.  Does nothing to an INVALID one. */
enum verdict admit_decide(struct admit *a, const struct admit_request *rq, struct admit_event *e);

enum verdict admit_event(struct admit *a, const struct admit_request *rq, struct bytes body,
    struct admit_event *e);

#endif
