/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	event_key - what makes two events equal: the hash, and the key as printed
 *
 * DESCRIPTION
 *	The hash is SipHash-2-4 with 128 bits over tenant, kind of key, and the
 *	fields each with its length, so that `a:b` + `c` is not `a` + `b:c`, and
 *	an id never equals a tuple.  Its key is secret to the instance and kept
 *	with its state, so nobody can aim at a slot.
 *
 *	The printed key, `event:{userId}:{eventType}:{timestamp}`, is for people
 *	and for clients that know it; it is not unique and nothing is looked up by it.
 *
 * PROCESS
 *	Acceptors; the journal's rebuild reads hashes from frames instead.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_EVENT_KEY_H
#define COMMON_EVENT_KEY_H

#include "common/bytes.h"
#include "common/event.h"
#include "common/json_out.h"

#define EVENT_KEY_SECRET_LEN 16

struct event_hash {
	uint64_t lo, hi;
};

enum event_key_kind {
	EVENT_KEY_AUTO = 0, /* id when the event has one, else the tuple */
	EVENT_KEY_ID,       /* the same; set event_limits.needs_id to insist on an id */
	EVENT_KEY_TUPLE,    /* userId, eventType, timestamp, even when there is an id */
};

struct event_hash event_key_hash(const uint8_t secret[EVENT_KEY_SECRET_LEN], uint32_t tenant,
    const struct event *event, enum event_key_kind kind);

/* Appends event:{userId}:{eventType}:{timestamp}, escaped for the inside of a JSON string,
 * without the quotes. */
void event_key_print(struct json_out *out, const struct event *event);

static inline bool
event_hash_is(struct event_hash a, struct event_hash b)
{
	return a.lo == b.lo && a.hi == b.hi;
}

#endif
