/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	word - one shared 64-bit word with one writer, for those outside shm/
 *
 * DESCRIPTION
 *	Atomics are spoken only in shm/.  A worker that publishes or reads a
 *	state word does it through these: a store is a release, a load an
 *	acquire, so what was written before a word is visible to whoever read
 *	the word.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	The word it is given; layout.h says whose it is.
 */
#ifndef SHM_WORD_H
#define SHM_WORD_H

#include <stdatomic.h>
#include <stdint.h>

static inline uint64_t
word_load(const _Atomic uint64_t *w)
{
	return atomic_load_explicit(w, memory_order_acquire);
}

static inline void
word_store(_Atomic uint64_t *w, uint64_t value)
{
	atomic_store_explicit(w, value, memory_order_release);
}

#endif
