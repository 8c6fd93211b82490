/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	page - the words of a process page, as their owner writes them
 *
 * PROCESS
 *	Every stage writes its own; anybody reads.
 *
 * SHARED STATE
 *	struct process_page: all words.
 */
#include "shm/page.h"

#include "common/clock.h"
#include "shm/word.h"

#include <string.h>

#define READ_TRIES 8

static void
copy_text(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	memcpy(to, from, len);
	memset(to + len, 0, size - len);
}

void
page_begin(struct process_page *p, uint64_t generation, pid_t pid, const char *title)
{
	size_t n;
	const struct counter_row *row = counters_table(&n);

	for (size_t i = 0; i < n; i++)
		if (row[i].owner == COUNTER_OWNER_PROCESS && row[i].nature == COUNTER_GAUGE)
			counters_set(p->counter, row[i].id, 0);
	word_store(&p->blocked_since_ns, 0);
	word_store(&p->state, LAYOUT_STATE_STARTING);
	page_title(p, title);
	counters_set(p->counter, counter_id(PROCESS, started), clock_wall_ns());
	/* Before `pid`: who reads our pid must not find the state of another. */
	word_store(&p->active, generation);
	word_store(&p->pid, (uint64_t)pid);
	page_beat(p);
}

void
page_title(struct process_page *p, const char *title)
{
	copy_text(p->title, sizeof p->title, title);
}

void
page_state(struct process_page *p, enum layout_state state)
{
	word_store(&p->state, state);
}

void
page_beat(struct process_page *p)
{
	word_store(&p->heartbeat, word_load(&p->heartbeat) + 1);
}

void
page_end(struct process_page *p)
{
	word_store(&p->state, LAYOUT_STATE_DONE);
	word_store(&p->active, 0);
}

void
page_blocked(struct process_page *p, const char *what, uint64_t mono_ns)
{
	copy_text(p->blocked_in, sizeof p->blocked_in, what);
	/* release, in word_store(): who sees the time sees the text. */
	word_store(&p->blocked_since_ns, mono_ns == 0 ? 1 : mono_ns);
}

void
page_unblocked(struct process_page *p)
{
	word_store(&p->blocked_since_ns, 0);
	page_beat(p);
}

static void
error_write(struct layout_error *e, const char *text, uint64_t wall_ns)
{
	uint64_t guard = word_load(&e->guard) & ~(uint64_t)1;

	atomic_store_explicit(&e->guard, guard + 1, memory_order_relaxed);
	/* release fence: no byte of the new text before the odd guard.  Pairs
	 * with the acquire fence in page_error_read(). */
	atomic_thread_fence(memory_order_release);
	copy_text(e->text, sizeof e->text, text);
	atomic_store_explicit(&e->count, 1, memory_order_relaxed);
	atomic_store_explicit(&e->first_ns, wall_ns, memory_order_relaxed);
	atomic_store_explicit(&e->last_ns, wall_ns, memory_order_relaxed);
	/* release: pairs with the acquire load in page_error_read(). */
	atomic_store_explicit(&e->guard, guard + 2, memory_order_release);
}

int
page_error(struct process_page *p, const char *text, uint64_t wall_ns, bool *is_new)
{
	char cut[sizeof p->error[0].text];
	int oldest = 0;

	copy_text(cut, sizeof cut, text);
	for (int i = 0; i < LAYOUT_ERRORS; i++) {
		struct layout_error *e = &p->error[i];

		/* An odd guard was left by one that died while writing. */
		if ((word_load(&e->guard) & 1) == 0 && word_load(&e->count) != 0 &&
		    strncmp(e->text, cut, sizeof cut) == 0) {
			word_store(&e->count, word_load(&e->count) + 1);
			word_store(&e->last_ns, wall_ns);
			*is_new = false;
			return i;
		}
		if (word_load(&e->last_ns) < word_load(&p->error[oldest].last_ns))
			oldest = i;
	}
	error_write(&p->error[oldest], cut, wall_ns);
	*is_new = true;
	return oldest;
}

bool
page_error_read(const struct process_page *p, int i, char *text, size_t size, uint64_t *count,
    uint64_t *first_ns, uint64_t *last_ns)
{
	const struct layout_error *e = &p->error[i];

	for (int try = 0; try < READ_TRIES; try++) {
		uint64_t guard = word_load(&e->guard);

		*count = word_load(&e->count);
		*first_ns = word_load(&e->first_ns);
		*last_ns = word_load(&e->last_ns);
		copy_text(text, size < sizeof e->text ? size : sizeof e->text, e->text);
		/* acquire fence: the copy is over before the guard is read again. */
		atomic_thread_fence(memory_order_acquire);
		if ((guard & 1) == 0 && word_load(&e->guard) == guard)
			return *count != 0;
	}
	return false;
}
