/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	admit - decide about one event
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	Writes its ring, its slot's counters and its claims in the dedup table.
 */
#include "workers/admit.h"

#include "common/crashpoint.h"

#define KEEP_ATTRS_MAX 2048

#define COUNT(a, name) counters_add((a)->slot->page->counter, counter_id(STREAM, name), 1)

const char *
verdict_word(enum verdict v)
{
	static const char *const words[] = {
#define VERDICT(name, word, http, text) word,
#include "workers/verdicts.def"
#undef VERDICT
	};

	return words[v];
}

unsigned
verdict_http(enum verdict v)
{
	static const unsigned status[] = {
#define VERDICT(name, word, http, text) http,
#include "workers/verdicts.def"
#undef VERDICT
	};

	return status[v];
}

const char *
admit_retry_code(enum admit_retry r)
{
	return r == ADMIT_RETRY_RING_FULL ? "ring_full" : "key_contended";
}

const char *
admit_retry_text(enum admit_retry r)
{
	return r == ADMIT_RETRY_RING_FULL
	    ? "There is no room for the event until the log has caught up; send it again later."
	    : "Another request is deciding about this key; send the event again.";
}

static struct frame_place
place(struct event_place p)
{
	return (struct frame_place){ p.off, p.len };
}

/* The frame is built where it will stay: in the ring, behind the tail, where
 * nobody looks until ring_put(). */
static void
build_frame(const struct admit *a, const struct admit_request *rq, const struct admit_event *e,
    uint8_t *at)
{
	const struct event *ev = &e->event;
	struct frame_header *h = (struct frame_header *)(void *)at;

	*h = (struct frame_header){
		.type = FRAME_EVENT,
		.stream = a->slot->slot,
		.content_type = FRAME_CONTENT_JSON,
		.pos = a->slot->ring.tail,
		.seq = a->slot->ring.seq,
		.recv_ns = rq->recv_ns,
		.hash_lo = e->hash.lo,
		.hash_hi = e->hash.hi,
		.listener = rq->listener,
		.event_ms = ev->timestamp_ms,
		.id = place(ev->id),
		.user_id = place(ev->user_id),
		.event_type = place(ev->event_type),
		.timestamp = place(ev->timestamp),
		.metadata = place(ev->metadata),
	};
	memcpy(at + sizeof *h, rq->attrs, rq->attrs_len);
	memcpy(at + sizeof *h + rq->attrs_len, ev->body.ptr, ev->body.len);
	frame_seal(at, rq->attrs_len, (uint32_t)ev->body.len);
}

void
admit_read(struct admit *a, struct bytes body, struct admit_event *e)
{
	struct event_reader *reader = a->reader[a->next_reader];

	a->next_reader = (a->next_reader + 1) % ADMIT_AHEAD;
	COUNT(a, received);
	if (event_read(reader, body, &e->event, &e->error) != EVENT_OK) {
		e->verdict = VERDICT_INVALID;
		e->event.body = body;
		COUNT(a, invalid);
		return;
	}
	e->verdict = VERDICT_ACCEPTED;
	e->hash = event_key_hash(a->dedup_key, 0, &e->event, a->key_kind);
}

void
admit_fetch(const struct admit *a, const struct admit_event *e, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (e[i].verdict != VERDICT_INVALID)
			dedup_prefetch(&a->slot->claimer.table, e[i].hash.hi);
}

static enum verdict
retry(struct admit *a, struct admit_event *e, enum admit_retry why)
{
	COUNT(a, retry);
	if (why == ADMIT_RETRY_RING_FULL)
		COUNT(a, ring_full);
	e->retry = why;
	return e->verdict = VERDICT_RETRY;
}

/* What was refused, with the reason, for the stage that keeps dead letters. */
static void
keep_invalid(struct admit *a, const struct admit_request *rq, const struct admit_event *e)
{
	struct ring_in *ring = &a->slot->ring;
	uint8_t attrs[KEEP_ATTRS_MAX];
	struct frame_header *h;
	enum ring_result why;
	size_t len, attrs_len = 0;
	uint8_t *at;

	if (e->event.body.len == 0 || e->event.body.len > a->keep_max)
		return;
	attrs_len = frame_attr_put(attrs, attrs_len, sizeof attrs, FRAME_ATTR_REASON_CODE,
	    bytes_str(event_code_name(e->error.code)));
	attrs_len = frame_attr_put(attrs, attrs_len, sizeof attrs, FRAME_ATTR_REASON_TEXT,
	    bytes_str(e->error.message));
	attrs_len = frame_attr_put(attrs, attrs_len, sizeof attrs, FRAME_ATTR_POINTER,
	    bytes_str(e->error.pointer));
	len = frame_len_for(attrs_len, e->event.body.len);
	at = ring_reserve(ring, len, &why);
	if (at == NULL)
		return;
	h = (struct frame_header *)(void *)at;
	*h = (struct frame_header){ .type = FRAME_CONTROL,
		.stream = a->slot->slot,
		.content_type = FRAME_CONTENT_JSON,
		.pos = ring->tail,
		.seq = ring->seq,
		.recv_ns = rq->recv_ns,
		.listener = rq->listener };
	memcpy(at + sizeof *h, attrs, attrs_len);
	memcpy(at + sizeof *h + attrs_len, e->event.body.ptr, e->event.body.len);
	frame_seal(at, (uint32_t)attrs_len, (uint32_t)e->event.body.len);
	ring_put(ring, len, false);
	COUNT(a, invalid_kept);
}

enum verdict
admit_decide(struct admit *a, const struct admit_request *rq, struct admit_event *e)
{
	struct ring_in *ring = &a->slot->ring;
	struct dedup_claimer *claimer = &a->slot->claimer;
	size_t len = frame_len_for(rq->attrs_len, e->event.body.len);
	enum ring_result why;
	uint8_t *at;

	if (e->verdict == VERDICT_INVALID) {
		if (a->keeps_invalid)
			keep_invalid(a, rq, e);
		return e->verdict;
	}
	switch (dedup_claim(claimer, e->hash.lo, e->hash.hi, ring->tail, rq->tick)) {
	case DEDUP_DUPLICATE:
		COUNT(a, duplicate);
		return e->verdict = VERDICT_DUPLICATE;
	case DEDUP_BUSY:
		return retry(a, e, ADMIT_RETRY_CONTENDED);
	case DEDUP_CLAIMED:
		break;
	}
	CRASHPOINT("admit.claimed");
	at = ring_reserve(ring, len, &why);
	if (at == NULL) {
		dedup_drop(claimer);
		return retry(a, e, ADMIT_RETRY_RING_FULL);
	}
	build_frame(a, rq, e, at);
	CRASHPOINT("admit.copied");
	e->pos = ring->tail;
	ring_put(ring, len, true);
	CRASHPOINT("admit.put");
	dedup_settle(claimer);
	CRASHPOINT("admit.settled");
	return e->verdict = VERDICT_ACCEPTED;
}

enum verdict
admit_event(struct admit *a, const struct admit_request *rq, struct bytes body,
    struct admit_event *e)
{
	admit_read(a, body, e);
	return admit_decide(a, rq, e);
}
