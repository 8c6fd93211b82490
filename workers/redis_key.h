/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_key - the keys of an event in Redis, the same on every node
 *
 * DESCRIPTION
 *	id:{id}					claims, when the id is the event's key
 *	event:{userId}:{eventType}:{timestamp}	claims otherwise; the cache always
 *
 *	In the parts `:` is written %3A and `%` %25, so that two different events
 *	never share a key; all other bytes stand as they are (Redis keys may hold
 *	any).  A tenant other than 0 comes first: tenant:N:
 *
 *	The key is made from the event's own words: no secret of a node is in it.
 *
 * PROCESS
 *	Sinks of Redis.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_REDIS_KEY_H
#define WORKERS_REDIS_KEY_H

#include "common/bytes.h"
#include "common/config.h"
#include "shm/frame.h"

#include <stdbool.h>

/* Two texts of 256 bytes, each of them escaped, and the words around them. */
#define REDIS_KEY_MAX (2 * 3 * 256 + 64)

/*
 * The claim's key behind `prefix`; 0: a value of the event cannot be read (a frame that
 * no acceptor of ours made).  at: REDIS_KEY_MAX bytes.  Cost: a copy of the values.
 */
size_t redis_key_claim(const struct frame_header *h, struct bytes body, enum config_dedup_key kind,
    char *at);
/* {userId}:{eventType}:{timestamp}, what stands behind the prefix of the cache. */
size_t redis_key_cache(const struct frame_header *h, struct bytes body, char *at);

/* The characters of a JSON string value; buf: raw.len bytes, used when it has escapes. */
bool redis_key_text(struct bytes raw, char *buf, size_t size, struct bytes *out);

/* "instance:stream:position" with the whole UUID: what a claim's value is. */
#define REDIS_KEY_VALUE_MAX (36 + 1 + 10 + 1 + 20)
void redis_key_uuid(const uint8_t uuid[16], char text[37]);
size_t redis_key_value(const char uuid[36], uint32_t stream, uint64_t pos, char *at);

#endif
