/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	siphash - SipHash-2-4 with 128 bits of output
 *
 * DESCRIPTION
 *	A keyed hash: who does not know the key cannot make two inputs collide.
 *	Gives what the reference implementation gives (github.com/veorq/SipHash).
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_SIPHASH_H
#define COMMON_SIPHASH_H

#include "common/bytes.h"

#define SIPHASH_KEY_LEN 16

/* lo: the first eight bytes of the reference's output, little-endian; hi: the last eight. */
struct siphash {
	uint64_t lo, hi;
};

struct siphash siphash_128(const uint8_t key[SIPHASH_KEY_LEN], const void *data, size_t len);

#endif
