/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	rowbinary_value - one JSON value as the bytes of one type
 *
 * PROCESS
 *	As rowbinary.h.
 *
 * SHARED STATE
 *	None.
 */
#include "common/rowbinary_parts.h"

#include "common/pick.h"

#include <math.h>
#include <stdlib.h>

#define NUMBER_TEXT_MAX 1024 /* a longer one is refused */

static enum rowbinary_result
bad(const char **why, const char *text)
{
	*why = text;
	return ROWBINARY_BAD;
}

/*---- Characters */

static enum rowbinary_result
put_string(struct rowbinary_out *out, struct bytes text)
{
	if (!rowbinary_has_room(out, text.len + 10))
		return ROWBINARY_FULL;
	out->at += rowbinary_varint(out->at, text.len);
	if (text.len > 0)
		memcpy(out->at, text.ptr, text.len);
	out->at += text.len;
	return ROWBINARY_OK;
}

/* A JSON string with escapes: unescaped where it will stand, then moved up to its length. */
static enum rowbinary_result
put_escaped(struct rowbinary_out *out, struct bytes raw, const char **why)
{
	struct bytes text;
	size_t n;

	if (!rowbinary_has_room(out, raw.len + 10))
		return ROWBINARY_FULL;
	if (!pick_string(raw, (char *)out->at + 10, raw.len, &text))
		return bad(why, "is not a string that can be read");
	n = rowbinary_varint(out->at, text.len);
	memmove(out->at + n, text.ptr, text.len);
	out->at += n + text.len;
	return ROWBINARY_OK;
}

static enum rowbinary_result
put_fixed(struct rowbinary_out *out, struct bytes text, size_t n, const char **why)
{
	if (text.len > n)
		return bad(why, "is longer than its FixedString");
	if (!rowbinary_has_room(out, n))
		return ROWBINARY_FULL;
	if (text.len > 0)
		memcpy(out->at, text.ptr, text.len);
	memset(out->at + text.len, 0, n - text.len);
	out->at += n;
	return ROWBINARY_OK;
}

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Two integers of 64 bits, the front half first, each little-endian. */
static enum rowbinary_result
put_uuid(struct rowbinary_out *out, struct bytes text, const char **why)
{
	uint64_t half[2] = {0, 0};
	unsigned n = 0;

	if (text.len != 36)
		return bad(why, "is not a UUID");
	for (size_t i = 0; i < 36; i++) {
		int digit = hex_digit(text.ptr[i]);

		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (text.ptr[i] != '-')
				return bad(why, "is not a UUID");
			continue;
		}
		if (digit == -1)
			return bad(why, "is not a UUID");
		half[n / 16] = half[n / 16] << 4 | (unsigned)digit;
		n++;
	}
	return rowbinary_put(out, half, sizeof half);
}

/*---- Numbers */

/* An integer without sign of fraction and exponent: false when it is more than that. */
static bool
read_integer(struct bytes t, bool *is_negative, uint64_t *value)
{
	uint64_t v = 0;
	size_t i = 0;

	*is_negative = t.len > 0 && t.ptr[0] == '-';
	i += *is_negative;
	if (i == t.len || t.len - i > 20)
		return false;
	for (; i < t.len; i++) {
		unsigned digit = (unsigned)(t.ptr[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*value = v;
	return true;
}

static bool
read_double(struct bytes t, double *value)
{
	char text[NUMBER_TEXT_MAX];
	char *end;

	/* What strtod() takes beyond numbers: blanks, inf, nan, hexadecimal. */
	if (t.len == 0 || t.len >= sizeof text)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (memchr("0123456789+-.eE", t.ptr[i], 15) == NULL)
			return false;
	memcpy(text, t.ptr, t.len);
	text[t.len] = '\0';
	*value = strtod(text, &end);
	return end == text + t.len && end != text && isfinite(*value);
}

/* 5.0 and 1e3 are integers too. */
static bool
read_whole(struct bytes t, bool *is_negative, uint64_t *value)
{
	double d;

	if (read_integer(t, is_negative, value))
		return true;
	if (memchr(t.ptr, '.', t.len) == NULL && memchr(t.ptr, 'e', t.len) == NULL &&
	    memchr(t.ptr, 'E', t.len) == NULL)
		return false;
	if (!read_double(t, &d) || d != floor(d) || fabs(d) >= 18446744073709551616.0)
		return false;
	*is_negative = d < 0;
	*value = (uint64_t)fabs(d);
	return true;
}

static enum rowbinary_result
put_integer(struct rowbinary_out *out, enum rowbinary_kind kind, bool is_negative, uint64_t v,
    const char **why)
{
	bool has_sign = kind <= ROWBINARY_INT64;
	unsigned power = (unsigned)(has_sign ? kind - ROWBINARY_INT8 : kind - ROWBINARY_UINT8);
	unsigned bits = 8u << power;
	uint64_t most = UINT64_MAX >> (64 - bits);

	if (has_sign)
		most = (most >> 1) + (is_negative ? 1 : 0);
	if (v > most || (is_negative && !has_sign && v != 0))
		return bad(why, "is out of range");
	if (is_negative)
		v = 0 - v;
	return rowbinary_put(out, &v, bits / 8); /* little-endian */
}

static enum rowbinary_result
put_float(struct rowbinary_out *out, enum rowbinary_kind kind, struct bytes text, const char **why)
{
	double d;
	float f;

	if (!read_double(text, &d))
		return bad(why, "is not a number");
	if (kind == ROWBINARY_FLOAT64)
		return rowbinary_put(out, &d, sizeof d);
	f = (float)d;
	if (!isfinite(f))
		return bad(why, "is out of range");
	return rowbinary_put(out, &f, sizeof f);
}

static enum rowbinary_result
put_bool(struct rowbinary_out *out, struct bytes t, const char **why)
{
	uint8_t v;

	if (bytes_is(t, BYTES_LIT("true")) || bytes_is(t, BYTES_LIT("1")))
		v = 1;
	else if (bytes_is(t, BYTES_LIT("false")) || bytes_is(t, BYTES_LIT("0")))
		v = 0;
	else
		return bad(why, "is not true or false");
	return rowbinary_put(out, &v, 1);
}

static enum rowbinary_result
put_millis(struct rowbinary_out *out, const struct rowbinary_type *t, int64_t ms, const char **why)
{
	int64_t s = ms / 1000, rest = ms % 1000;

	if (rest < 0) {
		rest += 1000;
		s--;
	}
	return rowbinary_time_put(out, t, s, (uint32_t)rest * 1000000, why);
}

static enum rowbinary_result
put_time(struct rowbinary_out *out, const struct rowbinary_type *t, struct bytes text,
    bool is_string, const char **why)
{
	bool is_negative;
	uint64_t v;
	int64_t s;
	uint32_t ns;

	if (!is_string) {
		if (!read_whole(text, &is_negative, &v) || v > INT64_MAX)
			return bad(why, "is not a number of milliseconds");
		return put_millis(out, t, is_negative ? -(int64_t)v : (int64_t)v, why);
	}
	if (!rowbinary_time_parse(text, &s, &ns))
		return bad(why, "is not a date or time");
	return rowbinary_time_put(out, t, s, ns, why);
}

/*---- By type */

static enum rowbinary_result
put_default(struct rowbinary_out *out, const struct rowbinary_type *t)
{
	static const uint8_t zero[16];
	static const uint8_t width[ROWBINARY_KINDS] = {[ROWBINARY_STRING] = 1,
	    [ROWBINARY_INT8] = 1,
	    [ROWBINARY_INT16] = 2,
	    [ROWBINARY_INT32] = 4,
	    [ROWBINARY_INT64] = 8,
	    [ROWBINARY_UINT8] = 1,
	    [ROWBINARY_UINT16] = 2,
	    [ROWBINARY_UINT32] = 4,
	    [ROWBINARY_UINT64] = 8,
	    [ROWBINARY_FLOAT32] = 4,
	    [ROWBINARY_FLOAT64] = 8,
	    [ROWBINARY_BOOL] = 1,
	    [ROWBINARY_DATE] = 2,
	    [ROWBINARY_DATETIME] = 4,
	    [ROWBINARY_DATETIME64] = 8,
	    [ROWBINARY_UUID] = 16};
	const char *why;

	if (t->kind == ROWBINARY_FIXED_STRING)
		return put_fixed(out, bytes_of(NULL, 0), t->n, &why);
	return rowbinary_put(out, zero, width[t->kind]);
}

static enum rowbinary_result
put_typed(struct rowbinary_out *out, const struct rowbinary_type *t, struct bytes text,
    bool is_string, const char **why)
{
	bool is_negative;
	uint64_t v;

	switch (t->kind) {
	case ROWBINARY_STRING:
		return put_string(out, text);
	case ROWBINARY_FIXED_STRING:
		return put_fixed(out, text, t->n, why);
	case ROWBINARY_UUID:
		return put_uuid(out, text, why);
	case ROWBINARY_FLOAT32:
	case ROWBINARY_FLOAT64:
		return put_float(out, t->kind, text, why);
	case ROWBINARY_BOOL:
		return put_bool(out, text, why);
	case ROWBINARY_DATE:
	case ROWBINARY_DATETIME:
	case ROWBINARY_DATETIME64:
		return put_time(out, t, text, is_string, why);
	default:
		if (bytes_is(text, BYTES_LIT("true")) || bytes_is(text, BYTES_LIT("false")))
			return put_integer(out, t->kind, false, text.len == 4, why);
		if (!read_whole(text, &is_negative, &v))
			return bad(why, "is not a whole number that fits");
		return put_integer(out, t->kind, is_negative, v, why);
	}
}

/* The NULL flag in front; false: no room. */
static bool
put_flag(struct rowbinary_out *out, const struct rowbinary_type *t, bool is_null)
{
	if (!t->is_nullable)
		return true;
	if (!rowbinary_has_room(out, 1))
		return false;
	*out->at++ = is_null;
	return true;
}

enum rowbinary_result
rowbinary_value(
    struct rowbinary_out *out, const struct rowbinary_type *t, struct bytes raw, const char **why)
{
	char text[NUMBER_TEXT_MAX];
	struct bytes chars = raw;
	bool is_null = raw.len == 0 || (raw.len == 4 && memcmp(raw.ptr, "null", 4) == 0);
	bool is_string = !is_null && pick_is_string(raw);

	if (!put_flag(out, t, is_null))
		return ROWBINARY_FULL;
	if (is_null)
		return t->is_nullable ? ROWBINARY_OK : put_default(out, t);
	if (!is_string)
		return put_typed(out, t, raw, false, why);
	chars = bytes_of(raw.ptr + 1, raw.len - 2);
	if (memchr(chars.ptr, '\\', chars.len) == NULL)
		return put_typed(out, t, chars, true, why);
	if (t->kind == ROWBINARY_STRING)
		return put_escaped(out, raw, why);
	if (t->kind == ROWBINARY_FIXED_STRING && t->n > sizeof text / 2) {
		/* Unescaped where it will stand: the value has room for itself there. */
		if (!rowbinary_has_room(out, raw.len + t->n))
			return ROWBINARY_FULL;
		if (!pick_string(raw, (char *)out->at + t->n, raw.len, &chars))
			return bad(why, "is not a string that can be read");
		return put_fixed(out, chars, t->n, why);
	}
	if (!pick_string(raw, text, sizeof text, &chars))
		return bad(why, "is too long for its type");
	return put_typed(out, t, chars, true, why);
}

enum rowbinary_result
rowbinary_value_text(
    struct rowbinary_out *out, const struct rowbinary_type *t, struct bytes text, const char **why)
{
	if (!put_flag(out, t, false))
		return ROWBINARY_FULL;
	return put_typed(out, t, text, true, why);
}

enum rowbinary_result
rowbinary_value_uint(
    struct rowbinary_out *out, const struct rowbinary_type *t, uint64_t value, const char **why)
{
	char digits[24];
	size_t n = sizeof digits;
	uint64_t v = value;

	if (!put_flag(out, t, false))
		return ROWBINARY_FULL;
	if (t->kind == ROWBINARY_INT64 || t->kind == ROWBINARY_UINT64)
		return put_integer(out, t->kind, false, value, why);
	if (t->kind >= ROWBINARY_DATE && t->kind <= ROWBINARY_DATETIME64)
		return put_millis(out, t, (int64_t)value, why);
	do {
		digits[--n] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	return put_typed(out, t, bytes_of(digits + n, sizeof digits - n), false, why);
}
