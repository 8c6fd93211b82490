/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bell - wake a sleeper, and cost nothing when it is awake
 *
 * PROCESS
 *	All stages.
 *
 * SHARED STATE
 *	Sleepers write their own `sleeping` word.
 */
#include "shm/bell.h"

#include <sys/eventfd.h>
#include <unistd.h>

int
bell_new(void)
{
	return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

void
bell_doze(_Atomic uint64_t *sleeping, enum layout_sleep how)
{
	atomic_store_explicit(sleeping, how, memory_order_relaxed);
	/* seq_cst fence: our store above, then our look for work.  Pairs with
	 * the fence in bell_ring(). */
	atomic_thread_fence(memory_order_seq_cst);
}

void
bell_wake(_Atomic uint64_t *sleeping)
{
	/* relaxed: a stale "asleep" costs one needless ring. */
	atomic_store_explicit(sleeping, LAYOUT_AWAKE, memory_order_relaxed);
}

void
bell_clear(int fd)
{
	uint64_t count;

	if (read(fd, &count, sizeof count) == -1)
		return; /* nobody rang */
}

void
bell_ring_anyway(int fd)
{
	const uint64_t one = 1;

	if (write(fd, &one, sizeof one) == -1)
		return; /* the count is at its limit: rung often enough */
}

bool
bell_ring(int fd, const _Atomic uint64_t *sleeping, bool urgent)
{
	uint64_t how;

	/* seq_cst fence: what we published, then the sleeper's word. */
	atomic_thread_fence(memory_order_seq_cst);
	how = atomic_load_explicit(sleeping, memory_order_relaxed);
	if (how == LAYOUT_AWAKE || (how == LAYOUT_LINGERING && !urgent))
		return false;
	bell_ring_anyway(fd);
	return true;
}
