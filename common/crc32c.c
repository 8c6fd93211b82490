/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	crc32c - the Castagnoli CRC of RFC 3720
 *
 * DESCRIPTION
 *	The crc32 instruction takes three cycles and one can start each cycle, so
 *	the words are dealt to three lanes side by side.  The first two lanes'
 *	results are then moved past the bytes that follow them, which is one
 *	carry-less multiplication by x^(64 k - 33) each, and folded into the last
 *	word of the third.  Events are a few hundred bytes, so the lanes have no fixed
 *	length: a table holds the multiplier for each k up to CRC32C_LANE_MAX.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None; see crc32c.h.
 */
#include "common/crc32c.h"

#include <stdbool.h>
#include <string.h>

#define CRC32C_POLY     0x82f63b78u /* reflected */
#define CRC32C_LANE_MAX 128         /* words; longer inputs go in rounds of three full lanes */
#define CRC32C_LANE_MIN 4           /* words; below, the merge costs more than it saves */

static uint32_t table[8][256];

static uint64_t
load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint32_t
portable(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint32_t a = crc ^ ((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
				       (uint32_t)p[3] << 24);

		crc = table[7][a & 255] ^ table[6][a >> 8 & 255] ^ table[5][a >> 16 & 255] ^
		      table[4][a >> 24] ^ table[3][p[4]] ^ table[2][p[5]] ^ table[1][p[6]] ^
		      table[0][p[7]];
	}
	for (; len > 0; len--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 255];
	return crc;
}

static void
make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) ? CRC32C_POLY : 0);
		table[0][i] = crc;
	}
	for (uint32_t i = 0; i < 256; i++) {
		for (int k = 1; k < 8; k++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 255];
	}
}

#if defined(__x86_64__)
#include <immintrin.h>

#define CRC32C_TARGET __attribute__((target("sse4.2,pclmul")))
#define CRC32C_INLINE static inline __attribute__((always_inline, target("sse4.2,pclmul")))

/* shift[k] = x^(64 k - 33) mod P, reflected: moves a CRC past k words */
static uint32_t shift[2 * CRC32C_LANE_MAX + 1];
static bool has_lanes;

CRC32C_INLINE uint64_t
word(const uint8_t *p, uint8_t *dst, size_t off)
{
	uint64_t w = load64(p + off);

	if (dst != NULL)
		memcpy(dst + off, &w, sizeof(w));
	return w;
}

CRC32C_INLINE uint64_t
multiply(uint32_t crc, uint32_t by)
{
	return (uint64_t)_mm_cvtsi128_si64(
	    _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)by), 0));
}

CRC32C_INLINE uint32_t
lanes(uint32_t crc, const uint8_t *p, uint8_t *dst, size_t k)
{
	size_t len = 8 * k, last = len - 8;
	uint64_t a = crc, b = 0, c = 0, merged;

	for (size_t off = 0; off < last; off += 8) {
		a = _mm_crc32_u64(a, word(p, dst, off));
		b = _mm_crc32_u64(b, word(p, dst, len + off));
		c = _mm_crc32_u64(c, word(p, dst, 2 * len + off));
	}
	a = _mm_crc32_u64(a, word(p, dst, last));
	b = _mm_crc32_u64(b, word(p, dst, len + last));
	merged = multiply((uint32_t)a, shift[2 * k]) ^ multiply((uint32_t)b, shift[k]);
	return (uint32_t)_mm_crc32_u64(c, word(p, dst, 2 * len + last) ^ merged);
}

CRC32C_INLINE uint32_t
in_lanes(uint32_t crc, const uint8_t *p, uint8_t *dst, size_t len)
{
	size_t done = 0, k;

	while ((k = (len - done) / 24) >= CRC32C_LANE_MIN) {
		if (k > CRC32C_LANE_MAX)
			k = CRC32C_LANE_MAX;
		crc = lanes(crc, p + done, dst == NULL ? NULL : dst + done, k);
		done += 24 * k;
	}
	for (; len - done >= 8; done += 8)
		crc = (uint32_t)_mm_crc32_u64(crc, word(p, dst, done));
	p += done;
	if (dst != NULL)
		memcpy(dst + done, p, len - done);
	len -= done;
	if (len & 4) {
		uint32_t w;

		memcpy(&w, p, sizeof(w));
		crc = _mm_crc32_u32(crc, w);
		p += 4;
	}
	if (len & 2) {
		uint16_t w;

		memcpy(&w, p, sizeof(w));
		crc = _mm_crc32_u16(crc, w);
		p += 2;
	}
	if (len & 1)
		crc = _mm_crc32_u8(crc, *p);
	return crc;
}

CRC32C_TARGET static uint32_t
fast(uint32_t crc, const uint8_t *p, size_t len)
{
	return in_lanes(crc, p, NULL, len);
}

CRC32C_TARGET static uint32_t
fast_copy(uint32_t crc, uint8_t *restrict dst, const uint8_t *restrict src, size_t len)
{
	return in_lanes(crc, src, dst, len);
}

static void
make_lanes(void)
{
	uint8_t zeros[8] = {0};

	__builtin_cpu_init();
	has_lanes = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
	shift[1] = 1; /* x^31 reflected */
	for (size_t k = 2; k <= 2 * CRC32C_LANE_MAX; k++)
		shift[k] = portable(shift[k - 1], zeros, sizeof(zeros));
}
#else
#define has_lanes false
#define fast      portable

static uint32_t
fast_copy(uint32_t crc, uint8_t *restrict dst, const uint8_t *restrict src, size_t len)
{
	memcpy(dst, src, len);
	return portable(crc, src, len);
}

static void
make_lanes(void)
{
}
#endif

__attribute__((constructor)) static void
crc32c_start(void)
{
	make_table();
	make_lanes();
}

uint32_t
crc32c(uint32_t crc, const void *data, size_t len)
{
	return ~(
	    __builtin_expect(has_lanes, 1) ? fast(~crc, data, len) : portable(~crc, data, len));
}

uint32_t
crc32c_copy(uint32_t crc, void *restrict dst, const void *restrict src, size_t len)
{
	if (__builtin_expect(has_lanes, 1))
		return ~fast_copy(~crc, dst, src, len);
	memcpy(dst, src, len);
	return ~portable(~crc, src, len);
}

uint32_t
crc32c_portable(uint32_t crc, const void *data, size_t len)
{
	return ~portable(~crc, data, len);
}
