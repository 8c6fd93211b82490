/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_pool - buffers for what a connection cannot finish at once
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_pool.h"

#include "common/panic.h"

#include <stdlib.h>

struct http_pool_free {
	struct http_pool_free *next;
};

/* The class of a capacity, or HTTP_POOL_CLASSES if it is too large for one. */
static unsigned int
class_of(size_t cap)
{
	unsigned int shift = HTTP_POOL_MIN_SHIFT;

	while (shift <= HTTP_POOL_MAX_SHIFT && (size_t)1 << shift < cap)
		shift++;
	return shift - HTTP_POOL_MIN_SHIFT;
}

static uint8_t *
class_take(struct http_pool *pool, unsigned int class)
{
	struct http_pool_free *f = pool->classes[class].first;

	if (f == NULL)
		return malloc(((size_t)1 << (class + HTTP_POOL_MIN_SHIFT)) + HTTP_POOL_PAD);
	pool->classes[class].first = f->next;
	if (--pool->classes[class].n_idle < pool->classes[class].n_idle_low)
		pool->classes[class].n_idle_low = pool->classes[class].n_idle;
	return (uint8_t *)f;
}

int
http_pool_reserve(struct http_pool *pool, struct http_block *block, size_t cap)
{
	unsigned int class = class_of(cap);
	struct http_block old = *block;
	uint8_t *ptr;

	if (cap <= block->cap)
		return 0;
	if (class < HTTP_POOL_CLASSES) {
		cap = (size_t)1 << (class + HTTP_POOL_MIN_SHIFT);
		ptr = class_take(pool, class);
	} else if (old.ptr != NULL && class_of(old.cap) == HTTP_POOL_CLASSES) {
		/* The kernel moves pages of large blocks, not bytes. */
		if ((ptr = realloc(old.ptr, cap + HTTP_POOL_PAD)) == NULL)
			return -1;
		pool->used_bytes += cap - old.cap;
		block->ptr = ptr;
		block->cap = cap;
		return 0;
	} else {
		ptr = malloc(cap + HTTP_POOL_PAD);
	}
	if (ptr == NULL)
		return -1;
	pool->used_bytes += cap;
	if (old.len > 0)
		memcpy(ptr, old.ptr, old.len);
	http_pool_release(pool, block);
	*block = (struct http_block){ ptr, old.len, cap };
	return 0;
}

void
http_pool_release(struct http_pool *pool, struct http_block *block)
{
	unsigned int class = class_of(block->cap);
	struct http_pool_free *f;

	if (block->ptr == NULL)
		return;
	assert_that(pool->used_bytes >= block->cap);
	pool->used_bytes -= block->cap;
	if (class == HTTP_POOL_CLASSES) {
		free(block->ptr);
	} else {
		f = (struct http_pool_free *)(void *)block->ptr;
		f->next = pool->classes[class].first;
		pool->classes[class].first = f;
		pool->classes[class].n_idle++;
	}
	*block = (struct http_block){ NULL, 0, 0 };
}

static void
class_drop(struct http_pool *pool, unsigned int class, uint32_t n)
{
	struct http_pool_free *f;

	while (n-- > 0) {
		f = pool->classes[class].first;
		pool->classes[class].first = f->next;
		pool->classes[class].n_idle--;
		free(f);
	}
}

void
http_pool_trim(struct http_pool *pool)
{
	unsigned int class;

	for (class = 0; class < HTTP_POOL_CLASSES; class++) {
		/* Half at a time, so that a short lull costs little. */
		class_drop(pool, class, (pool->classes[class].n_idle_low + 1) / 2);
		pool->classes[class].n_idle_low = pool->classes[class].n_idle;
	}
}

void
http_pool_free(struct http_pool *pool)
{
	unsigned int class;

	assert_that(pool->used_bytes == 0);
	for (class = 0; class < HTTP_POOL_CLASSES; class++)
		class_drop(pool, class, pool->classes[class].n_idle);
}
