/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	units - sizes and times as people write them
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#include "common/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: printing takes the first that divides. */
static const struct unit sizes[] = {
    {"g", 1024LL * 1024 * 1024}, {"m", 1024LL * 1024}, {"k", 1024}, {"b", 1}, {NULL, 0}};
static const struct unit times[] = {
    {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0}};

/* The digits at the head of `text`; `*rest` is what follows them. */
static enum units_result
parse_digits(const char *text, int64_t *out, const char **rest)
{
	const char *p = text;
	int64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
			return UNITS_TOO_BIG;
	if (p == text)
		return UNITS_SYNTAX;
	*out = n;
	*rest = p;
	return UNITS_OK;
}

static enum units_result
parse(const char *text, const struct unit *units, int64_t *out)
{
	const struct unit *u;
	enum units_result result;
	const char *rest;
	int64_t n;

	if ((result = parse_digits(text, &n, &rest)) != UNITS_OK)
		return result;
	if (*rest == '\0') {
		if (n != 0)
			return UNITS_NO_UNIT;
		*out = 0;
		return UNITS_OK;
	}
	for (u = units; u->name != NULL; u++)
		if (strcmp(rest, u->name) == 0)
			break;
	if (u->name == NULL)
		return UNITS_SYNTAX;
	if (__builtin_mul_overflow(n, u->factor, &n))
		return UNITS_TOO_BIG;
	*out = n;
	return UNITS_OK;
}

enum units_result
units_parse_size(const char *text, int64_t *out_bytes)
{
	return parse(text, sizes, out_bytes);
}

enum units_result
units_parse_time(const char *text, int64_t *out_ms)
{
	return parse(text, times, out_ms);
}

enum units_result
units_parse_count(const char *text, int64_t *out)
{
	enum units_result result;
	const char *rest;
	int64_t n;

	if ((result = parse_digits(text, &n, &rest)) != UNITS_OK)
		return result;
	if (*rest != '\0')
		return UNITS_SYNTAX;
	*out = n;
	return UNITS_OK;
}

static const char *
print(int64_t value, const struct unit *u, char *buf)
{
	if (value == 0) {
		(void)snprintf(buf, UNITS_TEXT_SIZE, "0");
		return buf;
	}
	while (value % u->factor != 0)
		u++;
	(void)snprintf(buf, UNITS_TEXT_SIZE, "%" PRId64 "%s", value / u->factor, u->name);
	return buf;
}

const char *
units_print_size(int64_t bytes, char buf[UNITS_TEXT_SIZE])
{
	return print(bytes, sizes, buf);
}

const char *
units_print_time(int64_t ms, char buf[UNITS_TEXT_SIZE])
{
	return print(ms, times, buf);
}

const char *
units_print_size_about(int64_t bytes, char buf[UNITS_TEXT_SIZE])
{
	const struct unit *u = sizes;

	while (u->factor > 1 && bytes < u->factor)
		u++;
	if (bytes % u->factor == 0)
		(void)snprintf(buf, UNITS_TEXT_SIZE, "%" PRId64 "%s", bytes / u->factor, u->name);
	else
		(void)snprintf(
		    buf, UNITS_TEXT_SIZE, "%.1f%s", (double)bytes / (double)u->factor, u->name);
	return buf;
}
