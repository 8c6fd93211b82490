/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_column - a column's line is taken apart, and what cannot be written is refused
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/column.h"

static const struct {
	const char *text, *name, *type;
	enum column_source source;
	const char *pointer;
} cases[] = {
    {"a String from /a", "a", "String", COLUMN_POINTER, "/a"},
    {"_x9 Int8 from /a/b/0", "_x9", "Int8", COLUMN_POINTER, "/a/b/0"},
    {"a  String   from   /a", "a", "String", COLUMN_POINTER, "/a"},
    {"id UInt64 from position", "id", "UInt64", COLUMN_POSITION, ""},
    {"s UInt16 from stream", "s", "UInt16", COLUMN_STREAM, ""},
    {"r String from receipt", "r", "String", COLUMN_RECEIPT, ""},
    {"r DateTime64(3) from received", "r", "DateTime64(3)", COLUMN_RECEIVED, ""},
    {"k String from event-key", "k", "String", COLUMN_EVENT_KEY, ""},
    {"b String from body", "b", "String", COLUMN_BODY, ""},
    {"t DateTime64(3, 'Europe/Berlin') from /timestamp", "t", "DateTime64(3, 'Europe/Berlin')",
	COLUMN_POINTER, "/timestamp"},
    {"from String from /from", "from", "String", COLUMN_POINTER, "/from"},
    {"a String from /x from y", "a", "String", COLUMN_POINTER, "/x from y"},
    {"a LowCardinality(Nullable(String)) from /a", "a", "LowCardinality(Nullable(String))",
	COLUMN_POINTER, "/a"},
};

START_TEST(a_line_is_taken_apart)
{
	struct column c;
	char why[256] = "";

	ck_assert_msg(column_parse(cases[_i].text, &c, why, sizeof why) == 0, "%s", why);
	ck_assert_str_eq(c.name, cases[_i].name);
	ck_assert_str_eq(c.type, cases[_i].type);
	ck_assert_int_eq(c.source, cases[_i].source);
	ck_assert_str_eq(c.pointer, cases[_i].pointer);
}
END_TEST

static const char *const refused[] = {"", "a", "a String", "a String from", "a String from ",
    "a from /a", " a String from /a", "1a String from /a", "a.b String from /a",
    "a-b String from /a", "a` String from /a", "\xc3\xa4 String from /a", "a Strin from /a",
    "a string from /a", "a String from a", "a String from", "a String from /a~2",
    "a String from Receipt", "a Enum8('x'=1) from /a", "a Array(String) from /a",
    "a Nullable(Nullable(String)) from /a", "a Nullable(LowCardinality(String)) from /a",
    "a Int128 from /a", "a Decimal(9,2) from /a", "a String) from /a", "a String; from /a"};

START_TEST(a_line_that_makes_no_sense_is_refused)
{
	struct column c, before;
	char why[256] = "";

	memset(&c, 7, sizeof c);
	before = c;
	ck_assert_msg(column_parse(refused[_i], &c, why, sizeof why) == -1, "%s", refused[_i]);
	ck_assert_str_ne(why, "");
	ck_assert_int_eq(memcmp(&c, &before, sizeof c), 0);
}
END_TEST

static const struct {
	const char *text;
	bool is_good;
	struct column_type type;
} types[] = {
    {"String", true, {COLUMN_STRING, 0, 0, false, false}},
    {"FixedString(16)", true, {COLUMN_FIXED_STRING, 0, 16, false, false}},
    {"FixedString(1)", true, {COLUMN_FIXED_STRING, 0, 1, false, false}},
    {"FixedString(65536)", true, {COLUMN_FIXED_STRING, 0, 65536, false, false}},
    {"FixedString(0)", false, {0}},
    {"FixedString(65537)", false, {0}},
    {"FixedString()", false, {0}},
    {"FixedString", false, {0}},
    {"FixedString(1x)", false, {0}},
    {"FixedString(99999999999999)", false, {0}},
    {"Int8", true, {COLUMN_INT, 8, 0, false, false}},
    {"Int16", true, {COLUMN_INT, 16, 0, false, false}},
    {"Int32", true, {COLUMN_INT, 32, 0, false, false}},
    {"Int64", true, {COLUMN_INT, 64, 0, false, false}},
    {"UInt8", true, {COLUMN_UINT, 8, 0, false, false}},
    {"UInt64", true, {COLUMN_UINT, 64, 0, false, false}},
    {"Float32", true, {COLUMN_FLOAT, 32, 0, false, false}},
    {"Float64", true, {COLUMN_FLOAT, 64, 0, false, false}},
    {"Bool", true, {COLUMN_BOOL, 8, 0, false, false}},
    {"Date", true, {COLUMN_DATE, 16, 0, false, false}},
    {"UUID", true, {COLUMN_UUID, 128, 0, false, false}},
    {"DateTime", true, {COLUMN_DATE_TIME, 32, 0, false, false}},
    {"DateTime('UTC')", true, {COLUMN_DATE_TIME, 32, 0, false, false}},
    {"DateTime(UTC)", false, {0}},
    {"DateTime('')", false, {0}},
    {"DateTime('a'b')", false, {0}},
    {"DateTime64", false, {0}},
    {"DateTime64(0)", true, {COLUMN_DATE_TIME64, 64, 0, false, false}},
    {"DateTime64(9)", true, {COLUMN_DATE_TIME64, 64, 9, false, false}},
    {"DateTime64(10)", false, {0}},
    {"DateTime64(3,'UTC')", true, {COLUMN_DATE_TIME64, 64, 3, false, false}},
    {"DateTime64(3, 'Etc/GMT+5')", true, {COLUMN_DATE_TIME64, 64, 3, false, false}},
    {"DateTime64(3 'UTC')", false, {0}},
    {"Nullable(UInt16)", true, {COLUMN_UINT, 16, 0, true, false}},
    {"LowCardinality(String)", true, {COLUMN_STRING, 0, 0, false, true}},
    {"LowCardinality(Nullable(FixedString(2)))", true, {COLUMN_FIXED_STRING, 0, 2, true, true}},
    {"Nullable()", false, {0}},
    {"Nullable(", false, {0}},
    {"Nullable", false, {0}},
    {"", false, {0}},
    {")", false, {0}},
    {"(", false, {0}},
    {"String ", false, {0}},
};

START_TEST(a_type_is_taken_apart)
{
	struct column_type t = {0};

	ck_assert_int_eq(column_type_parse(types[_i].text, &t), types[_i].is_good);
	if (!types[_i].is_good)
		return;
	ck_assert_int_eq(t.base, types[_i].type.base);
	ck_assert_int_eq(t.bits, types[_i].type.bits);
	ck_assert_int_eq(t.n, types[_i].type.n);
	ck_assert_int_eq(t.is_nullable, types[_i].type.is_nullable);
	ck_assert_int_eq(t.is_low_cardinality, types[_i].type.is_low_cardinality);
}
END_TEST

/* A text of `len` bytes of 'a' between two others. */
static int
parse_long(const char *before, int len, const char *behind)
{
	char text[512], fill[256], why[256];
	struct column c;

	memset(fill, 'a', sizeof fill);
	(void)snprintf(text, sizeof text, "%s%.*s%s", before, len, fill, behind);
	return column_parse(text, &c, why, sizeof why);
}

START_TEST(parts_have_their_limits)
{
	ck_assert_int_eq(parse_long("", 63, " String from /a"), 0);
	ck_assert_int_eq(parse_long("", 64, " String from /a"), -1);
	ck_assert_int_eq(parse_long("a String from /", 126, ""), 0);
	ck_assert_int_eq(parse_long("a String from /", 127, ""), -1);
	/* 10 + n + 2 bytes of type */
	ck_assert_int_eq(parse_long("a DateTime('", 83, "') from /a"), 0);
	ck_assert_int_eq(parse_long("a DateTime('", 84, "') from /a"), -1);
}
END_TEST

#define LOOP(tc, test, table)                                                                      \
	tcase_add_loop_test(tc, test, 0, (int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("column");
	TCase *tc = tcase_create("column");
	SRunner *runner = srunner_create(suite);
	int failed;

	LOOP(tc, a_line_is_taken_apart, cases);
	LOOP(tc, a_line_that_makes_no_sense_is_refused, refused);
	LOOP(tc, a_type_is_taken_apart, types);
	tcase_add_test(tc, parts_have_their_limits);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
