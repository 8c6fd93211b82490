/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	json_out - write answers into a buffer that somebody lends
 *
 * DESCRIPTION
 *	See json_out.h.  Text that needs no escaping, which is nearly all of it,
 *	is found eight bytes at a time and copied at once.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#include "common/json_out.h"

#define ONES        UINT64_C(0x0101010101010101)
#define HIGHS       UINT64_C(0x8080808080808080)
#define MS_PER_DAY  INT64_C(86400000)
#define TIME_MAX_MS INT64_C(253402300799999)

/*---------------------------------------------------------------------------
 * Strings
 *---------------------------------------------------------------------------*/

/* A set high bit in each byte that is a control character, a quote, a backslash or not
 * ASCII.  Borrows may flag bytes above a flagged one too; the first flag is always right. */
static inline uint64_t
special_bytes(uint64_t word)
{
	uint64_t control = word - ONES * 0x20;
	uint64_t quote = (word ^ ONES * '"') - ONES;
	uint64_t backslash = (word ^ ONES * '\\') - ONES;

	return (control | quote | backslash | word) & HIGHS;
}

/* Bytes from the start that can be copied as they are. */
static size_t
plain_len(const uint8_t *p, size_t len)
{
	size_t i = 0;

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	for (; i + 8 <= len; i += 8) {
		uint64_t word, flags;

		memcpy(&word, p + i, sizeof(word));
		flags = special_bytes(word);
		if (flags != 0)
			return i + (size_t)__builtin_ctzll(flags) / 8;
	}
#endif
	while (i < len && p[i] >= 0x20 && p[i] < 0x80 && p[i] != '"' && p[i] != '\\')
		i++;
	return i;
}

/* Length of the UTF-8 character at p, 0 if it is none (RFC 3629). */
static size_t
utf8_len(const uint8_t *p, size_t len)
{
	uint8_t low = 0x80, high = 0xbf;
	size_t n;

	if (p[0] >= 0xc2 && p[0] <= 0xdf) {
		n = 2;
	} else if (p[0] >= 0xe0 && p[0] <= 0xef) {
		n = 3;
		low = p[0] == 0xe0 ? 0xa0 : 0x80;
		high = p[0] == 0xed ? 0x9f : 0xbf;
	} else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
		n = 4;
		low = p[0] == 0xf0 ? 0x90 : 0x80;
		high = p[0] == 0xf4 ? 0x8f : 0xbf;
	} else {
		return 0;
	}
	if (n > len || p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return n;
}

/* What stands for the special byte at p; *used: how many bytes of the text it was. */
static struct bytes
escape_of(const uint8_t *p, size_t len, uint8_t room[6], size_t *used)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[32] = {
	    ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
	uint8_t c = p[0];

	*used = 1;
	if (c >= 0x80) {
		size_t n = utf8_len(p, len);

		if (n == 0)
			return BYTES_LIT("\xef\xbf\xbd");
		*used = n;
		return bytes_of(p, n);
	}
	room[0] = '\\';
	if (c >= 0x20 || shorts[c] != 0) {
		room[1] = c >= 0x20 ? c : (uint8_t)shorts[c];
		return bytes_of(room, 2);
	}
	memcpy(room + 1, "u00", 3);
	room[4] = (uint8_t)hex[c >> 4];
	room[5] = (uint8_t)hex[c & 15];
	return bytes_of(room, 6);
}

void
json_out_escaped(struct json_out *out, struct bytes text)
{
	size_t start = out->len, i = 0;

	while (!out->is_full && i < text.len) {
		size_t n = plain_len(text.ptr + i, text.len - i), used;
		uint8_t room[6];

		json_out_raw(out, bytes_of(text.ptr + i, n));
		i += n;
		if (i == text.len)
			break;
		json_out_raw(out, escape_of(text.ptr + i, text.len - i, room, &used));
		i += used;
	}
	if (out->is_full)
		out->len = start;
}

void
json_out_string(struct json_out *out, struct bytes text)
{
	size_t start = out->len;

	json_out_char(out, '"');
	json_out_escaped(out, text);
	json_out_char(out, '"');
	if (out->is_full)
		out->len = start;
}

void
json_out_name(struct json_out *out, struct bytes name)
{
	uint8_t *at = out->buf + out->len;

	if (!json_out_has_room(out, name.len + 3))
		return;
	at[0] = '"';
	if (name.len > 0)
		memcpy(at + 1, name.ptr, name.len);
	at[name.len + 1] = '"';
	at[name.len + 2] = ':';
	out->len += name.len + 3;
}

/*---------------------------------------------------------------------------
 * Numbers and times
 *---------------------------------------------------------------------------*/

static const char pairs[] = "0001020304050607080910111213141516171819202122232425262728293031323334"
			    "3536373839404142434445464748495051525354555657585960616263646566676869"
			    "707172737475767778798081828384858687888990919293949596979899";

static void
put_pair(char *at, uint32_t value)
{
	memcpy(at, pairs + 2 * value, 2);
}

/* The bits of a number tell its decimal digits but for one (1233 / 4096 is log10 of 2). */
static size_t
digits_of(uint64_t value)
{
	static const uint64_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000,
	    100000000, 1000000000, 10000000000, 100000000000, 1000000000000, 10000000000000,
	    100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
	    1000000000000000000, 10000000000000000000u};
	unsigned about = (64 - (unsigned)__builtin_clzll(value | 1)) * 1233 >> 12;

	return about + (value >= power[about]) + (value == 0);
}

size_t
json_out_u64_to(char *at, uint64_t value)
{
	size_t len = digits_of(value), i = len;

	while (value >= 100) {
		i -= 2;
		put_pair(at + i, (uint32_t)(value % 100));
		value /= 100;
	}
	if (value >= 10)
		put_pair(at, (uint32_t)value);
	else
		at[0] = (char)('0' + value);
	return len;
}

void
json_out_u64(struct json_out *out, uint64_t value)
{
	char digits[JSON_OUT_U64_MAX];

	if (!out->is_full && out->cap - out->len >= sizeof(digits))
		out->len += json_out_u64_to((char *)out->buf + out->len, value);
	else
		json_out_raw(out, bytes_of(digits, json_out_u64_to(digits, value)));
}

void
json_out_i64(struct json_out *out, int64_t value)
{
	char digits[1 + JSON_OUT_U64_MAX];
	size_t n;

	if (value >= 0) {
		json_out_u64(out, (uint64_t)value);
		return;
	}
	digits[0] = '-';
	n = json_out_u64_to(digits + 1, -(uint64_t)value);
	json_out_raw(out, bytes_of(digits, n + 1));
}

void
json_out_time_to(char at[JSON_OUT_TIME_LEN], int64_t wall_ms)
{
	/* Days to a date without tables: years begin in March, so the leap day is the last
	 * of its year; 400 years are 146097 days (H. Hinnant, "chrono-compatible dates"). */
	uint32_t day, year_of_era, day_of_year, month_from_march, year, ms, s;

	if (wall_ms < 0)
		wall_ms = 0;
	if (wall_ms > TIME_MAX_MS)
		wall_ms = TIME_MAX_MS;
	day = (uint32_t)(wall_ms / MS_PER_DAY) + 719468;
	ms = (uint32_t)(wall_ms % MS_PER_DAY);
	year = day / 146097 * 400;
	day %= 146097;
	year_of_era = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month_from_march = (5 * day_of_year + 2) / 153;
	year += year_of_era + (month_from_march >= 10 ? 1 : 0);
	put_pair(at, year / 100);
	put_pair(at + 2, year % 100);
	at[4] = '-';
	put_pair(at + 5, month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
	at[7] = '-';
	put_pair(at + 8, day_of_year - (153 * month_from_march + 2) / 5 + 1);
	at[10] = 'T';
	s = ms / 1000;
	put_pair(at + 11, s / 3600);
	at[13] = ':';
	put_pair(at + 14, s / 60 % 60);
	at[16] = ':';
	put_pair(at + 17, s % 60);
	at[19] = '.';
	at[20] = (char)('0' + ms % 1000 / 100);
	put_pair(at + 21, ms % 100);
	at[23] = 'Z';
}

void
json_out_time_ms(struct json_out *out, int64_t wall_ms)
{
	uint8_t *at = out->buf + out->len;

	if (!json_out_has_room(out, JSON_OUT_TIME_LEN + 2))
		return;
	at[0] = '"';
	json_out_time_to((char *)at + 1, wall_ms);
	at[JSON_OUT_TIME_LEN + 1] = '"';
	out->len += JSON_OUT_TIME_LEN + 2;
}
