/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_status_map - what is said of a code counts more than what is said of its class
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "common/status_map.h"

static const struct {
	const char *lines[4];
	int code;
	enum status_action action;
} cases[] = {
    {{NULL}, 200, STATUS_OK},
    {{NULL}, 204, STATUS_OK},
    {{NULL}, 299, STATUS_OK},
    {{NULL}, 300, STATUS_RETRY},
    {{NULL}, 100, STATUS_RETRY},
    {{NULL}, 199, STATUS_RETRY},
    {{NULL}, 400, STATUS_DEAD_LETTER},
    {{NULL}, 404, STATUS_DEAD_LETTER},
    {{NULL}, 408, STATUS_RETRY},
    {{NULL}, 410, STATUS_DROP},
    {{NULL}, 429, STATUS_RETRY},
    {{NULL}, 499, STATUS_DEAD_LETTER},
    {{NULL}, 500, STATUS_RETRY},
    {{NULL}, 599, STATUS_RETRY},
    {{NULL}, 600, STATUS_RETRY},
    {{NULL}, 99, STATUS_RETRY},
    {{NULL}, 0, STATUS_RETRY},
    {{NULL}, -1, STATUS_RETRY},
    {{NULL}, INT_MAX, STATUS_RETRY},
    {{NULL}, INT_MIN, STATUS_RETRY},
    {{"4xx drop"}, 404, STATUS_DROP},
    {{"4xx drop"}, 429, STATUS_RETRY},
    {{"4xx drop", "429 dead-letter"}, 429, STATUS_DEAD_LETTER},
    {{"429 dead-letter", "4xx drop"}, 429, STATUS_DEAD_LETTER},
    {{"408,429,5xx retry"}, 503, STATUS_RETRY},
    {{"404,409,410 ok"}, 410, STATUS_OK},
    {{"404   drop"}, 404, STATUS_DROP},
    {{"5xx dead-letter", "503 retry"}, 500, STATUS_DEAD_LETTER},
    {{"5xx dead-letter", "503 retry"}, 503, STATUS_RETRY},
    {{"1xx,3xx drop"}, 302, STATUS_DROP},
    {{"2xx retry", "200 ok"}, 202, STATUS_RETRY},
    {{"2xx retry", "200 ok"}, 200, STATUS_OK},
    {{"404 drop", "404 drop"}, 404, STATUS_DROP},
};

START_TEST(a_code_means_what_the_lines_say)
{
	struct status_map map;
	char why[128] = "";
	int i;

	status_map_init(&map);
	for (i = 0; i < 4 && cases[_i].lines[i] != NULL; i++)
		ck_assert_msg(
		    status_map_add(&map, cases[_i].lines[i], why, sizeof why) == 0, "%s", why);
	ck_assert_str_eq(status_map_word(status_map_action(&map, cases[_i].code)),
	    status_map_word(cases[_i].action));
}
END_TEST

static const char *const refused[] = {"", " ", "404", "404 ", " drop", "404 drops", "404 Drop",
    "600 drop", "0xx drop", "6xx drop", "4x drop", "4xxx drop", "40 drop", "4044 drop", "44x drop",
    "4x4 drop", "404, drop", ",404 drop", "404,,410 drop", "404 410 drop", "404;410 drop",
    "404, 410 drop", "404 drop now", "410 ok", "4XX drop"};

START_TEST(a_line_that_makes_no_sense_changes_nothing)
{
	struct status_map map, before;
	char why[128] = "";

	status_map_init(&map);
	/* 410 has been spoken for. */
	ck_assert_int_eq(status_map_add(&map, "410 drop", why, sizeof why), 0);
	before = map;
	ck_assert_int_eq(status_map_add(&map, refused[_i], why, sizeof why), -1);
	ck_assert_int_eq(memcmp(&map, &before, sizeof map), 0);
	ck_assert_str_ne(why, "");
}
END_TEST

START_TEST(a_line_is_taken_whole_or_not_at_all)
{
	struct status_map map;
	char why[128];

	status_map_init(&map);
	ck_assert_int_eq(status_map_add(&map, "404,999 drop", why, sizeof why), -1);
	ck_assert_int_eq(status_map_action(&map, 404), STATUS_DEAD_LETTER);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("status_map");
	TCase *tc = tcase_create("status_map");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tc, a_code_means_what_the_lines_say, 0, (int)(sizeof cases / sizeof cases[0]));
	tcase_add_loop_test(tc, a_line_that_makes_no_sense_changes_nothing, 0,
	    (int)(sizeof refused / sizeof refused[0]));
	tcase_add_test(tc, a_line_is_taken_whole_or_not_at_all);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
