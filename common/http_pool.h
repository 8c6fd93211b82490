/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_pool - buffers for what a connection cannot finish at once
 *
 * DESCRIPTION
 *	Blocks of powers of two, kept for reuse up to 64 KiB each; larger ones come
 *	from malloc and go back to it.  Every block has HTTP_POOL_PAD readable bytes
 *	past its capacity.  http_pool_trim(), called now and then, gives back
 *	what was not needed since the last call.
 *
 * PROCESS
 *	HTTP acceptors, admin: one pool a server.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_POOL_H
#define COMMON_HTTP_POOL_H

#include "common/bytes.h"

enum {
	HTTP_POOL_PAD = 64,
	HTTP_POOL_MIN_SHIFT = 9,
	HTTP_POOL_MAX_SHIFT = 16,
	HTTP_POOL_CLASSES = HTTP_POOL_MAX_SHIFT - HTTP_POOL_MIN_SHIFT + 1,
};

struct http_pool_free;

struct http_pool {
	uint64_t used_bytes; /* capacity of the blocks that are out */
	struct {
		struct http_pool_free *first;
		uint32_t n_idle;
		uint32_t n_idle_low; /* fewest idle since the last trim */
	} classes[HTTP_POOL_CLASSES];
};

struct http_block {
	uint8_t *ptr; /* NULL: none */
	size_t len, cap;
};

/* Make room for `cap` bytes in all, keeping the first `len`.  0, or -1 when there
 * is no memory (the block is as it was). */
int http_pool_reserve(struct http_pool *pool, struct http_block *block, size_t cap)
    __attribute__((warn_unused_result));
/* Give the block back; it is then empty. */
void http_pool_release(struct http_pool *pool, struct http_block *block);
void http_pool_trim(struct http_pool *pool);
/* Free everything idle; no block may be out. */
void http_pool_free(struct http_pool *pool);

#endif
