/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	rowbinary_time - dates and times: from letters, and as ClickHouse keeps them
 *
 * PROCESS
 *	As rowbinary.h.
 *
 * SHARED STATE
 *	None.
 */
#include "common/rowbinary_parts.h"

#include <ctype.h>

#define DAY_S 86400

/* Days since 1970 in the proleptic Gregorian calendar (Howard Hinnant's days_from_civil). */
static int64_t
days_of(int64_t y, unsigned m, unsigned d)
{
	int64_t era;
	unsigned yoe, doy, doe;

	y -= m <= 2;
	era = (y >= 0 ? y : y - 399) / 400;
	yoe = (unsigned)(y - era * 400);
	doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	return era * 146097 + (int64_t)doe - 719468;
}

/* Exactly n digits. */
static bool
digits(struct bytes *t, unsigned n, unsigned *out)
{
	unsigned v = 0;

	if (t->len < n)
		return false;
	for (unsigned i = 0; i < n; i++) {
		if (!isdigit(t->ptr[i]))
			return false;
		v = v * 10 + (unsigned)(t->ptr[i] - '0');
	}
	t->ptr += n;
	t->len -= n;
	*out = v;
	return true;
}

static bool
letter(struct bytes *t, char c)
{
	if (t->len == 0 || t->ptr[0] != (uint8_t)c)
		return false;
	t->ptr++;
	t->len--;
	return true;
}

static bool
read_date(struct bytes *t, int64_t *days)
{
	static const unsigned month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	unsigned y, m, d, most;

	if (!digits(t, 4, &y) || !letter(t, '-') || !digits(t, 2, &m) || !letter(t, '-') ||
	    !digits(t, 2, &d) || m < 1 || m > 12)
		return false;
	most = month_days[m - 1];
	if (m == 2 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0))
		most = 29;
	*days = days_of(y, m, d);
	return d >= 1 && d <= most;
}

/* Digits behind the point; more than nine are cut. */
static bool
read_fraction(struct bytes *t, uint32_t *ns)
{
	uint32_t v = 0, unit = 100000000;
	size_t n = 0;

	*ns = 0;
	if (!letter(t, '.'))
		return true;
	for (; t->len > 0 && isdigit(t->ptr[0]); n++) {
		v += (uint32_t)(t->ptr[0] - '0') * unit;
		unit /= 10;
		t->ptr++;
		t->len--;
	}
	*ns = v;
	return n > 0;
}

static bool
read_zone(struct bytes *t, int64_t *off_s)
{
	unsigned h, m = 0;
	bool is_west;

	*off_s = 0;
	if (t->len == 0 || letter(t, 'Z'))
		return true;
	is_west = t->ptr[0] == '-';
	if (!letter(t, '+') && !letter(t, '-'))
		return false;
	if (!digits(t, 2, &h))
		return false;
	if ((letter(t, ':') || t->len > 0) && !digits(t, 2, &m))
		return false;
	if (h > 23 || m > 59)
		return false;
	*off_s = (int64_t)(h * 3600 + m * 60) * (is_west ? -1 : 1);
	return true;
}

bool
rowbinary_time_parse(struct bytes t, int64_t *s, uint32_t *ns)
{
	int64_t days, off_s;
	unsigned h, m, sec;

	*ns = 0;
	if (!read_date(&t, &days))
		return false;
	*s = days * DAY_S;
	if (t.len == 0)
		return true;
	if (!letter(&t, 'T') && !letter(&t, ' '))
		return false;
	if (!digits(&t, 2, &h) || !letter(&t, ':') || !digits(&t, 2, &m) || !letter(&t, ':') ||
	    !digits(&t, 2, &sec) || h > 23 || m > 59 || sec > 59)
		return false;
	if (!read_fraction(&t, ns) || !read_zone(&t, &off_s) || t.len != 0)
		return false;
	*s += (int64_t)h * 3600 + (int64_t)m * 60 + (int64_t)sec - off_s;
	return true;
}

enum rowbinary_result
rowbinary_time_put(struct rowbinary_out *out, const struct rowbinary_type *t, int64_t s,
    uint32_t ns, const char **why)
{
	static const int64_t unit[] = {
	    1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
	uint16_t days;
	uint32_t seconds;
	int64_t ticks;

	switch (t->kind) {
	case ROWBINARY_DATE:
		if (s < 0 || s / DAY_S > UINT16_MAX) {
			*why = "is not between 1970 and 2149";
			return ROWBINARY_BAD;
		}
		days = (uint16_t)(s / DAY_S);
		return rowbinary_put(out, &days, sizeof days);
	case ROWBINARY_DATETIME:
		if (s < 0 || s > UINT32_MAX) {
			*why = "is not between 1970 and 2106";
			return ROWBINARY_BAD;
		}
		seconds = (uint32_t)s;
		return rowbinary_put(out, &seconds, sizeof seconds);
	default:
		if (__builtin_mul_overflow(s, unit[t->n], &ticks) ||
		    __builtin_add_overflow(ticks, (int64_t)ns / unit[9 - t->n], &ticks)) {
			*why = "is out of the range of its precision";
			return ROWBINARY_BAD;
		}
		return rowbinary_put(out, &ticks, sizeof ticks);
	}
}
