/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	units - sizes and times as people write them
 *
 * DESCRIPTION
 *	A size is digits and one of b k m g (bytes and powers of 1024); a time is
 *	digits and one of ms s m h.  A zero may stand alone; any other number
 *	without its unit is refused, because nobody can tell what was meant.
 *	What is printed here is parsed here: the largest unit that loses nothing.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_UNITS_H
#define COMMON_UNITS_H

#include <stddef.h>
#include <stdint.h>

/* The longest text a print function makes, with its NUL. */
#define UNITS_TEXT_SIZE 24

enum units_result {
	UNITS_OK = 0,
	UNITS_NO_UNIT, /* a number that lacks its unit */
	UNITS_TOO_BIG, /* more than INT64_MAX in the base unit */
	UNITS_SYNTAX   /* not a number and a unit at all */
};

/* On UNITS_OK `*out` holds the value; otherwise it is not touched. */
enum units_result units_parse_size(const char *text, int64_t *out_bytes)
    __attribute__((warn_unused_result));
enum units_result units_parse_time(const char *text, int64_t *out_ms)
    __attribute__((warn_unused_result));
/* Digits only, no sign and no unit; never UNITS_NO_UNIT. */
enum units_result units_parse_count(const char *text, int64_t *out)
    __attribute__((warn_unused_result));

/* Exact: the text parses back to the value.  Return `buf`. */
const char *units_print_size(int64_t bytes, char buf[UNITS_TEXT_SIZE]);
const char *units_print_time(int64_t ms, char buf[UNITS_TEXT_SIZE]);
/* For people only: rounded to one decimal of the largest fitting unit. */
const char *units_print_size_about(int64_t bytes, char buf[UNITS_TEXT_SIZE]);

#endif
