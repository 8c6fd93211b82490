/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_part - what a sink says about itself: cursors, outcomes, breaker, notices
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	struct sink_part; see sink_part.h for who writes.
 */
#include "shm/sink_part.h"

#include "common/panic.h"
#include "shm/word.h"

#include <string.h>

#define LOOKS 1000

void
sink_cursor_init(struct sink_cursor *c, const struct sink_place *place)
{
	for (int i = 0; i < 2; i++) {
		/* relaxed: nobody reads before the release store below. */
		atomic_store_explicit(&c->mark[i].pos, place->pos, memory_order_relaxed);
		atomic_store_explicit(&c->mark[i].seq, place->seq, memory_order_relaxed);
		for (int o = 0; o < SINK_OUTCOMES; o++)
			atomic_store_explicit(
			    &c->mark[i].outcome[o], place->outcome[o], memory_order_relaxed);
	}
	/* release: pairs with sink_cursor_pos(). */
	atomic_store_explicit(&c->pos, place->pos, memory_order_release);
}

void
sink_cursor_store(struct sink_cursor *c, const struct sink_place *place)
{
	/* relaxed: our own words. */
	uint64_t now = atomic_load_explicit(&c->pos, memory_order_relaxed);
	int used = atomic_load_explicit(&c->mark[0].pos, memory_order_relaxed) == now ? 0 : 1;
	int spare = 1 - used;

	if (place->pos == now)
		return;
	/* As in cursor_store(): the spare mark becomes the new fact field by
	 * field, and counts only when the last store publishes its position.
	 * release on the fields: a reader that sees a new field also sees that
	 * the mark's position has changed under it. */
	atomic_store_explicit(&c->mark[spare].pos, place->pos, memory_order_release);
	atomic_store_explicit(&c->mark[spare].seq, place->seq, memory_order_release);
	for (int o = 0; o < SINK_OUTCOMES; o++)
		atomic_store_explicit(
		    &c->mark[spare].outcome[o], place->outcome[o], memory_order_release);
	/* release: pairs with sink_cursor_pos() and sink_cursor_load(). */
	atomic_store_explicit(&c->pos, place->pos, memory_order_release);
}

bool
sink_cursor_load(const struct sink_cursor *c, struct sink_place *place)
{
	for (int look = 0; look < LOOKS; look++) {
		/* acquire: pairs with sink_cursor_store(). */
		uint64_t p = atomic_load_explicit(&c->pos, memory_order_acquire);

		for (int i = 0; i < 2; i++) {
			if (atomic_load_explicit(&c->mark[i].pos, memory_order_acquire) != p)
				continue;
			place->pos = p;
			place->seq = atomic_load_explicit(&c->mark[i].seq, memory_order_acquire);
			for (int o = 0; o < SINK_OUTCOMES; o++)
				place->outcome[o] = atomic_load_explicit(
				    &c->mark[i].outcome[o], memory_order_acquire);
			/* A mark is used again only after the other one was
			 * published: `pos` would have moved. */
			if (atomic_load_explicit(&c->pos, memory_order_acquire) != p)
				break;
			return true;
		}
	}
	return false;
}

void
sink_part_notice(struct sink_part *p, uint32_t stream, uint64_t pos, enum sink_outcome what)
{
	uint64_t n = atomic_load_explicit(&p->notice_count, memory_order_relaxed);
	struct sink_notice *at = &p->notice[n & (SINK_PART_NOTICES - 1)];

	/*
	 * The count that says "n+1 are there" also says "what is older than
	 * n+1-SINK_PART_NOTICES is gone".  A reader of the entry that is being
	 * overwritten must see a count of at least n afterwards: release on the
	 * fields, acquire by the reader, and the count n was stored before.
	 */
	atomic_store_explicit(
	    &at->stream_what, (uint64_t)stream << 8 | (uint64_t)what, memory_order_release);
	atomic_store_explicit(&at->pos, pos, memory_order_release);
	/* release: pairs with sink_part_notices(). */
	atomic_store_explicit(&p->notice_count, n + 1, memory_order_release);
}

void
sink_part_blur(struct sink_part *p)
{
	uint64_t n = atomic_load_explicit(&p->notice_count, memory_order_relaxed);

	/* As if a whole turn of notices had come: readers call it forgotten.  release:
	 * as in sink_part_notice(). */
	atomic_store_explicit(
	    &p->notice_count, n + SINK_PART_NOTICES, memory_order_release);
}

uint64_t
sink_part_notices(const struct sink_part *p)
{
	return atomic_load_explicit(&p->notice_count, memory_order_acquire);
}

bool
sink_part_collect(const struct sink_part *p, uint64_t since, uint32_t stream, uint64_t from,
    uint64_t to, struct sink_found *out, size_t max, size_t *n)
{
	uint64_t end = sink_part_notices(p);

	*n = 0;
	for (uint64_t i = since; i != end; i++) {
		const struct sink_notice *at = &p->notice[i & (SINK_PART_NOTICES - 1)];
		/* acquire: pairs with the stores of sink_part_notice(). */
		uint64_t sw = atomic_load_explicit(&at->stream_what, memory_order_acquire);
		uint64_t pos = atomic_load_explicit(&at->pos, memory_order_acquire);

		if (sink_part_notices(p) - i >= SINK_PART_NOTICES)
			return false;
		if (sw >> 8 != stream || pos < from || pos >= to)
			continue;
		if (*n < max)
			out[*n] =
			    (struct sink_found){.pos = pos, .what = (enum sink_outcome)(sw & 0xff)};
		++*n;
	}
	return true;
}

void
sink_text_store(struct sink_text *t, const char *text)
{
	/* An odd guard was left by one that died while writing. */
	uint64_t guard = word_load(&t->guard) & ~(uint64_t)1;
	size_t len = strnlen(text, sizeof t->text - 1);

	atomic_store_explicit(&t->guard, guard + 1, memory_order_relaxed);
	/* release fence: no byte of the new text before the odd guard. */
	atomic_thread_fence(memory_order_release);
	memcpy(t->text, text, len);
	memset(t->text + len, 0, sizeof t->text - len);
	/* release: pairs with the acquire load in sink_text_load(). */
	atomic_store_explicit(&t->guard, guard + 2, memory_order_release);
}

bool
sink_text_load(const struct sink_text *t, char *buf, size_t size)
{
	size_t len = size < sizeof t->text ? size : sizeof t->text;

	for (int look = 0; look < LOOKS; look++) {
		uint64_t guard = word_load(&t->guard);

		memcpy(buf, t->text, len);
		buf[len - 1] = '\0';
		/* acquire fence: the copy is over before the guard is read again. */
		atomic_thread_fence(memory_order_acquire);
		if ((guard & 1) == 0 && word_load(&t->guard) == guard)
			return true;
	}
	buf[0] = '\0';
	return false;
}

const char *
sink_outcome_name(enum sink_outcome o)
{
	static const char *const names[] = {
	    "delivered", "dead", "skipped", "late-duplicate", "expired", "corrupt"};

	return (unsigned)o < SINK_OUTCOMES ? names[o] : "?";
}

const char *
sink_breaker_name(enum sink_breaker b)
{
	static const char *const names[] = {"closed", "open", "half-open"};

	return (unsigned)b < sizeof names / sizeof names[0] ? names[b] : "?";
}
