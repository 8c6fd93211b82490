/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	split - cut a body into events, and an object into members, by place
 *
 * DESCRIPTION
 *	64 bytes become five masks (backslash, quote, opening, closing, comma).
 *	A backslash at the end of an odd run escapes the byte behind it, inside a
 *	string or not (outside it is an error anyway, and the element's own).  The
 *	prefix XOR of the quotes left is the set of bytes inside strings.  The
 *	method is that of simdjson's first stage (Langdale and Lemire, "Parsing
 *	Gigabytes of JSON per Second"); the scans are in split_scan.h.
 *
 * PROCESS
 *	See split.h.
 *
 * SHARED STATE
 *	None.
 */
#include "common/split.h"

#define SPLIT_BLOCK 64

struct masks {
	uint64_t backslash, quote, open, close, comma;
};

/* What one block tells the next: is its first byte escaped (0 or 1), inside a string (0 or ~0). */
struct carry {
	uint64_t escape, string;
};

struct kernel {
	enum split_result (*array)(struct bytes text, size_t max, struct bytes *out, size_t *n);
	size_t (*nested_len)(struct bytes text);
};

/* The bytes behind an odd run of backslashes. */
static inline uint64_t
escaped_bytes(uint64_t backslash, uint64_t *escape)
{
	const uint64_t even = UINT64_C(0x5555555555555555);
	uint64_t follows, odd_starts, sequences;

	backslash &= ~*escape;
	follows = backslash << 1 | *escape;
	odd_starts = backslash & ~even & ~follows;
	*escape = __builtin_add_overflow(odd_starts, backslash, &sequences);
	return (even ^ sequences << 1) & follows;
}

static inline uint64_t
prefix_xor(uint64_t bits)
{
	for (int by = 1; by < 64; by <<= 1)
		bits ^= bits << by;
	return bits;
}

/* The elements found so far; the next one begins at `start`. */
struct elements {
	struct bytes text;
	size_t start;
	struct bytes *out;
	size_t n, max;
};

/* One element before each of the commas of the block at off. */
static inline enum split_result
put_elements(struct elements *e, size_t off, uint64_t commas)
{
	for (; commas != 0; commas &= commas - 1) {
		size_t at = off + (size_t)__builtin_ctzll(commas);
		struct bytes slice = split_trim(bytes_of(e->text.ptr + e->start, at - e->start));

		if (slice.len == 0)
			return SPLIT_BAD_SEPARATOR;
		if (e->n == e->max)
			return SPLIT_TOO_MANY;
		e->out[e->n++] = slice;
		e->start = at + 1;
	}
	return SPLIT_OK;
}

/* The outer bracket closes at `at`. */
static enum split_result
end_array(struct elements *e, size_t at, size_t *n)
{
	struct bytes text = e->text;
	struct bytes last = split_trim(bytes_of(text.ptr + e->start, at - e->start));

	if (last.len == 0 && e->n > 0)
		return SPLIT_BAD_SEPARATOR;
	if (split_trim(bytes_of(text.ptr + at + 1, text.len - at - 1)).len > 0)
		return SPLIT_TRAILING;
	if (last.len > 0) {
		if (e->n == e->max)
			return SPLIT_TOO_MANY;
		e->out[e->n++] = last;
	}
	*n = e->n;
	return SPLIT_OK;
}

/*---------------------------------------------------------------------------
 * Kernels
 *---------------------------------------------------------------------------*/

static inline struct masks
masks_scalar(const uint8_t *p)
{
	struct masks m = {0, 0, 0, 0, 0};

	for (int i = 0; i < SPLIT_BLOCK; i++) {
		uint64_t bit = UINT64_C(1) << i;

		m.backslash |= p[i] == '\\' ? bit : 0;
		m.quote |= p[i] == '"' ? bit : 0;
		m.open |= (p[i] | 0x20) == '{' ? bit : 0;
		m.close |= (p[i] | 0x20) == '}' ? bit : 0;
		m.comma |= p[i] == ',' ? bit : 0;
	}
	return m;
}

#define SCAN(name) name##_scalar
#define SCAN_TARGET
#define SCAN_MASKS      masks_scalar
#define SCAN_PREFIX_XOR prefix_xor
#include "common/split_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>

static inline struct masks
masks_sse2(const uint8_t *p)
{
	const __m128i lower = _mm_set1_epi8(0x20);
	struct masks m = {0, 0, 0, 0, 0};

#define MASK(x, c)                                                                                 \
	((uint64_t)(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8((x), _mm_set1_epi8(c))) << i)
	for (int i = 0; i < SPLIT_BLOCK; i += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m128i y = _mm_or_si128(x, lower);

		m.backslash |= MASK(x, '\\');
		m.quote |= MASK(x, '"');
		m.open |= MASK(y, '{');
		m.close |= MASK(y, '}');
		m.comma |= MASK(x, ',');
	}
#undef MASK
	return m;
}

#define SCAN(name) name##_sse2
#define SCAN_TARGET
#define SCAN_MASKS      masks_sse2
#define SCAN_PREFIX_XOR prefix_xor
#include "common/split_scan.h"

#define TARGET_AVX2   __attribute__((target("avx2,pclmul,bmi,bmi2,lzcnt")))
#define TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx2,pclmul,bmi,bmi2,lzcnt")))

TARGET_AVX2 static inline struct masks
masks_avx2(const uint8_t *p)
{
	const __m256i lower = _mm256_set1_epi8(0x20);
	struct masks m = {0, 0, 0, 0, 0};

#define MASK(x, c)                                                                                 \
	((uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8((x), _mm256_set1_epi8(c))) << i)
	for (int i = 0; i < SPLIT_BLOCK; i += 32) {
		__m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
		__m256i y = _mm256_or_si256(x, lower);

		m.backslash |= MASK(x, '\\');
		m.quote |= MASK(x, '"');
		m.open |= MASK(y, '{');
		m.close |= MASK(y, '}');
		m.comma |= MASK(x, ',');
	}
#undef MASK
	return m;
}

/* A product with all ones, without carries, is the prefix XOR. */
TARGET_AVX2 static inline uint64_t
prefix_xor_clmul(uint64_t bits)
{
	return (uint64_t)_mm_cvtsi128_si64(
	    _mm_clmulepi64_si128(_mm_set_epi64x(0, (int64_t)bits), _mm_set1_epi8((char)0xff), 0));
}

#define SCAN(name)      name##_avx2
#define SCAN_TARGET     TARGET_AVX2
#define SCAN_MASKS      masks_avx2
#define SCAN_PREFIX_XOR prefix_xor_clmul
#include "common/split_scan.h"

TARGET_AVX512 static inline struct masks
masks_avx512(const uint8_t *p)
{
	__m512i x = _mm512_loadu_si512(p);
	__m512i y = _mm512_or_si512(x, _mm512_set1_epi8(0x20));

	return (struct masks){
	    .backslash = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('\\')),
	    .quote = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8('"')),
	    .open = _mm512_cmpeq_epi8_mask(y, _mm512_set1_epi8('{')),
	    .close = _mm512_cmpeq_epi8_mask(y, _mm512_set1_epi8('}')),
	    .comma = _mm512_cmpeq_epi8_mask(x, _mm512_set1_epi8(',')),
	};
}

#define SCAN(name)      name##_avx512
#define SCAN_TARGET     TARGET_AVX512
#define SCAN_MASKS      masks_avx512
#define SCAN_PREFIX_XOR prefix_xor_clmul
#include "common/split_scan.h"
#endif

static const struct kernel kernels[] = {
    [SPLIT_KERNEL_SCALAR] = {array_scalar, nested_len_scalar},
#if defined(__x86_64__)
    [SPLIT_KERNEL_SSE2] = {array_sse2, nested_len_sse2},
    [SPLIT_KERNEL_AVX2] = {array_avx2, nested_len_avx2},
    [SPLIT_KERNEL_AVX512] = {array_avx512, nested_len_avx512},
#endif
};
static const struct kernel *kernel = &kernels[SPLIT_KERNEL_SCALAR];

bool
split_use_kernel(enum split_kernel which)
{
	bool has = which == SPLIT_KERNEL_SCALAR;

#if defined(__x86_64__)
	__builtin_cpu_init();
	has = has || which == SPLIT_KERNEL_SSE2;
	has = has || (which == SPLIT_KERNEL_AVX2 && __builtin_cpu_supports("avx2") &&
			 __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi2"));
	has = has || (which == SPLIT_KERNEL_AVX512 && __builtin_cpu_supports("avx512bw") &&
			 __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("bmi2"));
#endif
	if (has)
		kernel = &kernels[which];
	return has;
}

__attribute__((constructor)) static void
split_start(void)
{
	for (int which = SPLIT_KERNEL_AVX512; which >= SPLIT_KERNEL_SCALAR; which--) {
		if (split_use_kernel((enum split_kernel)which))
			return;
	}
}

/*---------------------------------------------------------------------------
 * Bodies
 *---------------------------------------------------------------------------*/

size_t
split_nested_len(struct bytes text)
{
	return kernel->nested_len(text);
}

enum split_result
split_array(struct bytes body, size_t max, struct bytes *out, size_t *n)
{
	*n = 0;
	while (body.len > 0 && SPLIT_IS_BLANK(body.ptr[0])) {
		body.ptr++;
		body.len--;
	}
	if (body.len == 0 || body.ptr[0] != '[')
		return SPLIT_NOT_ARRAY;
	return kernel->array(body, max, out, n);
}

enum split_result
split_lines(struct bytes body, size_t max, struct bytes *out, size_t *n)
{
	const uint8_t *p = body.ptr, *end = body.ptr + body.len;
	size_t found = 0;

	*n = 0;
	while (p < end) {
		const uint8_t *lf = memchr(p, '\n', (size_t)(end - p));
		const uint8_t *to = lf == NULL ? end : lf;
		struct bytes line = split_trim(bytes_of(p, (size_t)(to - p)));

		p = lf == NULL ? end : lf + 1;
		if (line.len == 0)
			continue;
		if (found == max)
			return SPLIT_TOO_MANY;
		out[found++] = line;
	}
	*n = found;
	return SPLIT_OK;
}

/*---------------------------------------------------------------------------
 * Members
 *---------------------------------------------------------------------------*/

static const uint8_t *
skip_blanks(const uint8_t *p, const uint8_t *end)
{
	while (p < end && SPLIT_IS_BLANK(*p))
		p++;
	return p;
}

/* p is behind the opening quote; the closing one, or NULL. */
static const uint8_t *
closing_quote(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *from = p;

	while (p < end && (p = memchr(p, '"', (size_t)(end - p))) != NULL) {
		const uint8_t *run = p;

		while (run > from && run[-1] == '\\')
			run--;
		if (((p - run) & 1) == 0)
			return p;
		p++;
	}
	return NULL;
}

/* Where the value at p ends, or NULL. */
static const uint8_t *
value_end(const uint8_t *p, const uint8_t *end)
{
	size_t len;

	if (p == end)
		return NULL;
	if (*p == '"') {
		p = closing_quote(p + 1, end);
		return p == NULL ? NULL : p + 1;
	}
	if (*p == '{' || *p == '[') {
		len = kernel->nested_len(bytes_of(p, (size_t)(end - p)));
		return len == 0 ? NULL : p + len;
	}
	while (p < end && *p != ',' && *p != '}' && !SPLIT_IS_BLANK(*p))
		p++;
	return p;
}

enum split_result
split_members(struct bytes object, size_t max, struct split_member *out, size_t *n)
{
	const uint8_t *end, *p, *to;
	size_t found = 0;

	*n = 0;
	if (object.len == 0)
		return SPLIT_NOT_ARRAY;
	end = object.ptr + object.len;
	p = skip_blanks(object.ptr, end);
	if (p == end || *p != '{')
		return SPLIT_NOT_ARRAY;
	p = skip_blanks(p + 1, end);
	if (p < end && *p == '}')
		return SPLIT_OK;
	for (;;) {
		if (p == end || *p != '"' || (to = closing_quote(p + 1, end)) == NULL)
			return SPLIT_UNBALANCED;
		if (found == max)
			return SPLIT_TOO_MANY;
		out[found].name = bytes_of(p + 1, (size_t)(to - p - 1));
		p = skip_blanks(to + 1, end);
		if (p == end || *p != ':')
			return SPLIT_UNBALANCED;
		p = skip_blanks(p + 1, end);
		if ((to = value_end(p, end)) == NULL)
			return SPLIT_UNBALANCED;
		out[found++].value = bytes_of(p, (size_t)(to - p));
		p = skip_blanks(to, end);
		if (p == end || (*p != ',' && *p != '}'))
			return SPLIT_UNBALANCED;
		if (*p == '}')
			break;
		p = skip_blanks(p + 1, end);
	}
	*n = found;
	return SPLIT_OK;
}

/*---------------------------------------------------------------------------
 * Words for clients
 *---------------------------------------------------------------------------*/

static const struct {
	const char *code, *sentence;
} words[] = {
    [SPLIT_OK] = {"ok", ""},
    [SPLIT_NOT_ARRAY] = {"not_an_array", "the body is not a JSON array"},
    [SPLIT_UNBALANCED] = {"unbalanced", "a bracket or a string in the body is not closed"},
    [SPLIT_TOO_MANY] = {"too_many_events", "the body holds more events than the limit"},
    [SPLIT_TRAILING] = {"trailing_bytes", "something follows the JSON array"},
    [SPLIT_BAD_SEPARATOR] = {"bad_separator", "an element of the array is missing"},
    [SPLIT_TOO_DEEP] = {"too_deep", "the body is nested too deep"},
};

const char *
split_code(enum split_result result)
{
	return words[result].code;
}

const char *
split_sentence(enum split_result result)
{
	return words[result].sentence;
}
