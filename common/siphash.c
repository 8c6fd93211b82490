/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	siphash - SipHash-2-4 with 128 bits of output
 *
 * DESCRIPTION
 *	Aumasson and Bernstein, "SipHash: a fast short-input PRF", with the
 *	128-bit finish of the reference implementation.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#include "common/siphash.h"

static inline uint64_t
load_le64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

static inline uint64_t
rotl(uint64_t x, int by)
{
	return x << by | x >> (64 - by);
}

static inline __attribute__((always_inline)) void
siphash_rounds(uint64_t v[4], int n)
{
	while (n-- > 0) {
		v[0] += v[1];
		v[2] += v[3];
		v[1] = rotl(v[1], 13) ^ v[0];
		v[3] = rotl(v[3], 16) ^ v[2];
		v[0] = rotl(v[0], 32);
		v[2] += v[1];
		v[0] += v[3];
		v[1] = rotl(v[1], 17) ^ v[2];
		v[3] = rotl(v[3], 21) ^ v[0];
		v[2] = rotl(v[2], 32);
	}
}

struct siphash
siphash_128(const uint8_t key[SIPHASH_KEY_LEN], const void *data, size_t len)
{
	const uint8_t *p = data, *end = p + (len & ~(size_t)7);
	uint64_t k0 = load_le64(key), k1 = load_le64(key + 8);
	uint64_t last = (uint64_t)len << 56;
	uint64_t v[4] = {
	    k0 ^ UINT64_C(0x736f6d6570736575),
	    k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
	    k0 ^ UINT64_C(0x6c7967656e657261),
	    k1 ^ UINT64_C(0x7465646279746573),
	};
	struct siphash hash;

	for (; p < end; p += 8) {
		uint64_t word = load_le64(p);

		v[3] ^= word;
		siphash_rounds(v, 2);
		v[0] ^= word;
	}
	for (size_t i = 0; i < (len & 7); i++)
		last |= (uint64_t)p[i] << (8 * i);
	v[3] ^= last;
	siphash_rounds(v, 2);
	v[0] ^= last;
	v[2] ^= 0xee;
	siphash_rounds(v, 4);
	hash.lo = v[0] ^ v[1] ^ v[2] ^ v[3];
	v[1] ^= 0xdd;
	siphash_rounds(v, 4);
	hash.hi = v[0] ^ v[1] ^ v[2] ^ v[3];
	return hash;
}
