/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bell - wake a sleeper, and cost nothing when it is awake
 *
 * DESCRIPTION
 *	A bell is an eventfd plus a word `sleeping` that its sleeper writes.
 *	The ringer publishes what it has (a tail, a durable position), then a
 *	full fence, then reads `sleeping`; the sleeper stores `sleeping`, full
 *	fence, then looks once more for work.  One of the two sees the other
 *	(store buffering); without both fences both could look too early.  Even
 *	then no sleep is longer than BELL_MAX_SLEEP_MS, which also covers a
 *	ringer that was killed between its store and its ring, and bells of a
 *	former supervisor.
 *
 * PROCESS
 *	All stages.  The supervisor makes the descriptors before it forks.
 *
 * SHARED STATE
 *	The `sleeping` word: written by its sleeper.
 */
#ifndef SHM_BELL_H
#define SHM_BELL_H

#include "shm/layout.h"

#include <stdbool.h>

#define BELL_MAX_SLEEP_MS 100

/* A descriptor, non-blocking and close-on-exec; -1 with errno. */
int bell_new(void);

/* Sleeper: about to sleep.  Look for work after this, before sleeping. */
void bell_doze(_Atomic uint64_t *sleeping, enum layout_sleep how);
/* Sleeper: awake again. */
void bell_wake(_Atomic uint64_t *sleeping);
/* Sleeper: take what was rung. */
void bell_clear(int fd);

/* Ringer, after publishing: rings if the sleeper may want it.  `urgent`: also
 * wakes a lingering one.  True when it rang. */
bool bell_ring(int fd, const _Atomic uint64_t *sleeping, bool urgent);
/* A successor rings once at start, whatever the words say. */
void bell_ring_anyway(int fd);

#endif
