/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_claim - the commands of the claiming sink, as bytes
 *
 * PROCESS
 *	The sink of kind redis.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/redis_claim.h"

#include "common/panic.h"
#include "workers/redis_conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char set_claim[] = "*7\r\n$3\r\nSET\r\n", set_old[] = "*6\r\n$3\r\nSET\r\n",
		  set_cache[] = "*5\r\n$3\r\nSET\r\n", get[] = "*2\r\n$3\r\nGET\r\n";

#define HEAD_LEN (sizeof set_claim - 1) /* of each SET */

/* `words`, then EX or PX with the time. */
static size_t
make_tail(char *at, size_t size, const char *words, int64_t ttl_ms)
{
	bool is_seconds = ttl_ms % 1000 == 0;
	char number[24];
	int n = snprintf(number, sizeof number, "%lld",
	    (long long)(is_seconds ? ttl_ms / 1000 : ttl_ms));

	n = snprintf(at, size, "%s$2\r\n%s\r\n$%d\r\n%s\r\n", words, is_seconds ? "EX" : "PX", n,
	    number);
	assert_that(n > 0 && (size_t)n < size);
	return (size_t)n;
}

void
redis_claim_init(struct redis_claim *c, const struct config_sink *cfg, int64_t window_ms,
    const char *uuid)
{
	*c = (struct redis_claim){.prefix = cfg->prefix,
	    .prefix_len = strlen(cfg->prefix),
	    .cache_prefix = cfg->cache_prefix,
	    .cache_prefix_len = strlen(cfg->cache_prefix),
	    .uuid = uuid};
	c->tail_len = make_tail(c->tail, sizeof c->tail, "$2\r\nNX\r\n$3\r\nGET\r\n", window_ms);
	c->old_tail_len = make_tail(c->old_tail, sizeof c->old_tail, "$2\r\nNX\r\n", window_ms);
	c->cache_tail_len = make_tail(c->cache_tail, sizeof c->cache_tail, "", cfg->cache_ttl_ms);
}

static uint8_t *
put_key(uint8_t *at, const char *prefix, size_t prefix_len, const char *key, size_t len)
{
	at = redis_conn_put_len(at, prefix_len + len);
	at = redis_conn_put(at, prefix, prefix_len);
	at = redis_conn_put(at, key, len);
	return redis_conn_put(at, "\r\n", 2);
}

uint8_t *
redis_claim_put(const struct redis_claim *c, bool is_old, uint8_t *at,
    const struct frame_header *h, const char *key, size_t len)
{
	char value[REDIS_KEY_VALUE_MAX];

	at = redis_conn_put(at, is_old ? set_old : set_claim, HEAD_LEN);
	at = put_key(at, c->prefix, c->prefix_len, key, len);
	len = redis_key_value(c->uuid, h->stream, h->pos, value);
	at = redis_conn_put_bulk(at, value, len);
	return is_old ? redis_conn_put(at, c->old_tail, c->old_tail_len)
		      : redis_conn_put(at, c->tail, c->tail_len);
}

uint8_t *
redis_claim_cache(const struct redis_claim *c, uint8_t *at, const struct frame_header *h,
    struct bytes body)
{
	char key[REDIS_KEY_MAX];
	size_t len = redis_key_cache(h, body, key);

	at = redis_conn_put(at, set_cache, HEAD_LEN);
	at = put_key(at, c->cache_prefix, c->cache_prefix_len, key, len);
	at = redis_conn_put_bulk(at, body.ptr, body.len);
	return redis_conn_put(at, c->cache_tail, c->cache_tail_len);
}

size_t
redis_claim_get(uint8_t at[REDIS_CLAIM_GET_MAX], struct bytes claim)
{
	const uint8_t *key = claim.ptr + HEAD_LEN, *text; /* $N, a line's end, the key, another */
	size_t len;

	assert_that(claim.len > HEAD_LEN + 16);
	text = memchr(key, '\n', 16);
	assert_that(text != NULL);
	len = (size_t)(text + 1 - key) + strtoul((const char *)key + 1, NULL, 10) + 2;
	assert_that(len <= claim.len - HEAD_LEN && sizeof get - 1 + len <= REDIS_CLAIM_GET_MAX);
	memcpy(at, get, sizeof get - 1);
	memcpy(at + sizeof get - 1, key, len);
	return sizeof get - 1 + len;
}
