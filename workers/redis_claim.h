/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_claim - the commands of the claiming sink, as bytes
 *
 * DESCRIPTION
 *	SET prefix+key uuid:stream:position NX GET EX window, without GET for a
 *	Redis before 7.0; GET of such a key; SET cache-prefix+key json EX ttl.
 *	What is the same in all of them is made once.
 *
 * PROCESS
 *	The sink of kind redis.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_REDIS_CLAIM_H
#define WORKERS_REDIS_CLAIM_H

#include "workers/redis_key.h"

/* A claim; a SET of the cache without the event's own bytes. */
#define REDIS_CLAIM_MAX	    (REDIS_KEY_MAX + REDIS_KEY_VALUE_MAX + 256)
#define REDIS_CLAIM_GET_MAX (REDIS_KEY_MAX + 128)

struct redis_claim {
	const char *prefix, *cache_prefix, *uuid;
	size_t prefix_len, cache_prefix_len;
	char tail[64], old_tail[48], cache_tail[48]; /* what follows the value */
	size_t tail_len, old_tail_len, cache_tail_len;
};

/* cfg and uuid (36 characters) outlive it. */
void redis_claim_init(struct redis_claim *c, const struct config_sink *cfg, int64_t window_ms,
    const char *uuid);
/* Each writes a command at `at` and returns the place behind it. */
uint8_t *redis_claim_put(const struct redis_claim *c, bool is_old, uint8_t *at,
    const struct frame_header *h, const char *key, size_t len);
uint8_t *redis_claim_cache(const struct redis_claim *c, uint8_t *at,
    const struct frame_header *h, struct bytes body);
/* GET of the key of a command that redis_claim_put() made; its length. */
size_t redis_claim_get(uint8_t at[REDIS_CLAIM_GET_MAX], struct bytes claim);

#endif
