/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_units - sizes and times as people write them
 *
 * PROCESS
 *	A test.
 *
 * SHARED STATE
 *	None.
 */
#include "common/units.h"

#include <check.h>
#include <stdlib.h>

struct unit_case {
	const char *text;
	enum units_result result;
	int64_t value;
};

static const struct unit_case sizes[] = {{"0", UNITS_OK, 0}, {"0k", UNITS_OK, 0},
    {"1b", UNITS_OK, 1}, {"64k", UNITS_OK, 65536}, {"5m", UNITS_OK, 5242880},
    {"16g", UNITS_OK, 17179869184}, {"007k", UNITS_OK, 7168},
    {"9223372036854775807b", UNITS_OK, INT64_MAX}, {"9223372036854775808b", UNITS_TOO_BIG, 0},
    {"8589934591g", UNITS_OK, INT64_MAX - 1073741823}, {"8589934592g", UNITS_TOO_BIG, 0},
    {"99999999999999999999", UNITS_TOO_BIG, 0}, {"5", UNITS_NO_UNIT, 0}, {"", UNITS_SYNTAX, 0},
    {"k", UNITS_SYNTAX, 0}, {"4q", UNITS_SYNTAX, 0}, {"4K", UNITS_SYNTAX, 0},
    {"4kb", UNITS_SYNTAX, 0}, {"-4k", UNITS_SYNTAX, 0}, {"+4k", UNITS_SYNTAX, 0},
    {" 4k", UNITS_SYNTAX, 0}, {"4k ", UNITS_SYNTAX, 0}, {"4 k", UNITS_SYNTAX, 0},
    {"1.5m", UNITS_SYNTAX, 0}, {"0x10k", UNITS_SYNTAX, 0}, {"4s", UNITS_SYNTAX, 0}};

static const struct unit_case times[] = {{"0", UNITS_OK, 0}, {"200ms", UNITS_OK, 200},
    {"10s", UNITS_OK, 10000}, {"5m", UNITS_OK, 300000}, {"168h", UNITS_OK, 604800000},
    {"2562047788015h", UNITS_OK, 2562047788015 * 3600000}, {"2562047788016h", UNITS_TOO_BIG, 0},
    {"10", UNITS_NO_UNIT, 0}, {"ms", UNITS_SYNTAX, 0}, {"10d", UNITS_SYNTAX, 0},
    {"10k", UNITS_SYNTAX, 0}, {"1h30m", UNITS_SYNTAX, 0}};

static const struct unit_case counts[] = {{"0", UNITS_OK, 0}, {"254", UNITS_OK, 254},
    {"9223372036854775807", UNITS_OK, INT64_MAX}, {"9223372036854775808", UNITS_TOO_BIG, 0},
    {"", UNITS_SYNTAX, 0}, {"1k", UNITS_SYNTAX, 0}, {"-1", UNITS_SYNTAX, 0}};

static void
expect(const struct unit_case *c, enum units_result result, int64_t value)
{
	ck_assert_msg(
	    result == c->result, "\"%s\": result %d, not %d", c->text, (int)result, (int)c->result);
	/* What is refused leaves the field alone. */
	ck_assert_msg(value == (c->result == UNITS_OK ? c->value : -7), "\"%s\": %lld", c->text,
	    (long long)value);
}

START_TEST(a_size_needs_digits_and_a_unit)
{
	int64_t n = -7;
	enum units_result result = units_parse_size(sizes[_i].text, &n);

	expect(&sizes[_i], result, n);
}
END_TEST

START_TEST(a_time_needs_digits_and_a_unit)
{
	int64_t n = -7;
	enum units_result result = units_parse_time(times[_i].text, &n);

	expect(&times[_i], result, n);
}
END_TEST

START_TEST(a_count_is_digits_alone)
{
	int64_t n = -7;
	enum units_result result = units_parse_count(counts[_i].text, &n);

	expect(&counts[_i], result, n);
}
END_TEST

START_TEST(what_is_printed_parses_to_the_same)
{
	static const int64_t seeds[] = {
	    0, 1, 999, 1000, 1023, 1024, 60000, 3600000, 1073741824, INT64_MAX};
	char buf[UNITS_TEXT_SIZE];
	int64_t n, back;
	size_t i;
	int d;

	for (i = 0; i < sizeof seeds / sizeof *seeds; i++)
		for (d = -1; d <= 1; d++) {
			if ((d < 0 && seeds[i] == 0) || (d > 0 && seeds[i] == INT64_MAX))
				continue;
			n = seeds[i] + d;
			ck_assert_int_eq(
			    units_parse_size(units_print_size(n, buf), &back), UNITS_OK);
			ck_assert_int_eq(back, n);
			ck_assert_int_eq(
			    units_parse_time(units_print_time(n, buf), &back), UNITS_OK);
			ck_assert_int_eq(back, n);
		}
}
END_TEST

START_TEST(the_largest_exact_unit_is_printed)
{
	char buf[UNITS_TEXT_SIZE];

	ck_assert_str_eq(units_print_size(65536, buf), "64k");
	ck_assert_str_eq(units_print_size(1025, buf), "1025b");
	ck_assert_str_eq(units_print_size(1073741824, buf), "1g");
	ck_assert_str_eq(units_print_time(90000, buf), "90s");
	ck_assert_str_eq(units_print_time(120000, buf), "2m");
	ck_assert_str_eq(units_print_time(1, buf), "1ms");
	ck_assert_str_eq(units_print_size_about(1610612736, buf), "1.5g");
	ck_assert_str_eq(units_print_size_about(512, buf), "512b");
	ck_assert_str_eq(units_print_size_about(0, buf), "0b");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("units");
	TCase *tc = tcase_create("all");
	SRunner *sr;
	int failed;

	tcase_add_loop_test(tc, a_size_needs_digits_and_a_unit, 0, sizeof sizes / sizeof *sizes);
	tcase_add_loop_test(tc, a_time_needs_digits_and_a_unit, 0, sizeof times / sizeof *times);
	tcase_add_loop_test(tc, a_count_is_digits_alone, 0, sizeof counts / sizeof *counts);
	tcase_add_test(tc, what_is_printed_parses_to_the_same);
	tcase_add_test(tc, the_largest_exact_unit_is_printed);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
