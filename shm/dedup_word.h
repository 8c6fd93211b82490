/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	dedup_word - the fields of one slot of the dedup table
 *
 * DESCRIPTION
 *	fingerprint (43 bits, never 0) | tick (13 bits) | owner (8 bits).
 *
 * PROCESS
 *	Acceptors, the journal, tests.
 *
 * SHARED STATE
 *	None: pure functions of one word.
 */
#ifndef SHM_DEDUP_WORD_H
#define SHM_DEDUP_WORD_H

#include <stdint.h>

#define WORD_TICK_BITS	13
#define WORD_OWNER_BITS 8
#define WORD_TICK_MASK	((1u << WORD_TICK_BITS) - 1)

static inline uint64_t
word_fp_of(uint64_t hash_lo)
{
	uint64_t fp = hash_lo >> (WORD_TICK_BITS + WORD_OWNER_BITS);

	return fp == 0 ? 1 : fp;
}

static inline uint64_t
word_make(uint64_t fp, uint64_t tick, uint8_t owner)
{
	return fp << (WORD_TICK_BITS + WORD_OWNER_BITS) |
	    (tick & WORD_TICK_MASK) << WORD_OWNER_BITS | owner;
}

static inline uint64_t
word_fp(uint64_t w)
{
	return w >> (WORD_TICK_BITS + WORD_OWNER_BITS);
}

static inline uint8_t
word_owner(uint64_t w)
{
	return (uint8_t)w;
}

static inline uint64_t
word_settled(uint64_t w)
{
	return w & ~(uint64_t)((1u << WORD_OWNER_BITS) - 1);
}

/* Signed 13-bit difference; a word from the future counts as new. */
static inline uint64_t
word_age(uint64_t w, uint64_t tick)
{
	uint32_t then = (uint32_t)(w >> WORD_OWNER_BITS) & WORD_TICK_MASK;
	uint32_t diff = ((uint32_t)tick - then) & WORD_TICK_MASK;

	return diff > WORD_TICK_MASK / 2 ? 0 : diff;
}

#endif
