/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_page - the words of a process page
 */
#include "shm/page.h"
#include "shm/word.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct process_page p;
static char text[200];
static uint64_t count, first_ns, last_ns;

static void
setup(void)
{
	memset(&p, 0, sizeof p);
}

START_TEST(beginning_takes_gauges_and_keeps_counts_and_words)
{
	counters_set(p.counter, counter_id(PROCESS, wakeups), 5);
	counters_set(p.counter, counter_id(PROCESS, rss_kb), 5);
	(void)snprintf(p.last_words, sizeof p.last_words, "words");
	word_store(&p.blocked_since_ns, 9);
	word_store(&p.heartbeat, 3);
	page_begin(&p, 17, 1234, "http 0");
	ck_assert_uint_eq(counters_get(p.counter, counter_id(PROCESS, wakeups)), 5);
	ck_assert_uint_eq(counters_get(p.counter, counter_id(PROCESS, rss_kb)), 0);
	ck_assert_uint_ne(counters_get(p.counter, counter_id(PROCESS, started)), 0);
	ck_assert_str_eq(p.last_words, "words");
	ck_assert_uint_eq(word_load(&p.blocked_since_ns), 0);
	ck_assert_uint_eq(word_load(&p.active), 17);
	ck_assert_uint_eq(word_load(&p.pid), 1234);
	ck_assert_uint_eq(word_load(&p.state), LAYOUT_STATE_STARTING);
	ck_assert_uint_eq(word_load(&p.heartbeat), 4);
	page_end(&p);
	ck_assert_uint_eq(word_load(&p.active), 0);
	ck_assert_uint_eq(word_load(&p.state), LAYOUT_STATE_DONE);
}
END_TEST

START_TEST(long_title_is_cut_and_terminated)
{
	page_title(&p, "a title that is by far too long for thirty-two bytes");
	ck_assert_uint_eq(strlen(p.title), sizeof p.title - 1);
	page_title(&p, "short");
	ck_assert_str_eq(p.title, "short");
	ck_assert_int_eq(p.title[30], '\0');
}
END_TEST

START_TEST(blocked_has_a_time_and_a_text)
{
	page_blocked(&p, "fdatasync and more", 0);
	ck_assert_uint_ne(word_load(&p.blocked_since_ns), 0);
	ck_assert_str_eq(p.blocked_in, "fdatasync and m");
	page_unblocked(&p);
	ck_assert_uint_eq(word_load(&p.blocked_since_ns), 0);
	ck_assert_uint_eq(word_load(&p.heartbeat), 1);
}
END_TEST

START_TEST(same_text_is_counted_in_its_place)
{
	bool is_new;
	int i = page_error(&p, "a", 10, &is_new);

	ck_assert(is_new);
	ck_assert_int_ne(page_error(&p, "b", 11, &is_new), i);
	ck_assert(is_new);
	ck_assert_int_eq(page_error(&p, "a", 12, &is_new), i);
	ck_assert(!is_new);
	ck_assert(page_error_read(&p, i, text, sizeof text, &count, &first_ns, &last_ns));
	ck_assert_str_eq(text, "a");
	ck_assert_uint_eq(count, 2);
	ck_assert_uint_eq(first_ns, 10);
	ck_assert_uint_eq(last_ns, 12);
}
END_TEST

START_TEST(seventeenth_text_takes_the_place_of_the_oldest)
{
	char name[16];
	bool is_new;

	for (int i = 0; i < LAYOUT_ERRORS; i++) {
		(void)snprintf(name, sizeof name, "e%d", i);
		(void)page_error(&p, name, 100 + (uint64_t)i, &is_new);
		ck_assert(is_new);
	}
	(void)page_error(&p, "e0", 200, &is_new);
	ck_assert(!is_new);
	(void)page_error(&p, "new", 201, &is_new);
	ck_assert(is_new);
	(void)page_error(&p, "e0", 202, &is_new);
	ck_assert(!is_new);
	(void)page_error(&p, "e1", 203, &is_new);
	ck_assert(is_new);
}
END_TEST

START_TEST(text_that_is_being_written_is_not_read)
{
	bool is_new;
	int i = page_error(&p, "whole", 10, &is_new);

	word_store(&p.error[i].guard, word_load(&p.error[i].guard) + 1);
	ck_assert(!page_error_read(&p, i, text, sizeof text, &count, &first_ns, &last_ns));
	/* Whoever died there is followed by one that starts it anew. */
	(void)page_error(&p, "whole", 11, &is_new);
	ck_assert(is_new);
	for (int k = 0; k < LAYOUT_ERRORS; k++)
		(void)page_error(&p, (char[]){ (char)('a' + k), 0 }, 20 + (uint64_t)k, &is_new);
	ck_assert(page_error_read(&p, i, text, sizeof text, &count, &first_ns, &last_ns));
}
END_TEST

START_TEST(empty_place_is_no_error)
{
	ck_assert(!page_error_read(&p, 3, text, sizeof text, &count, &first_ns, &last_ns));
}
END_TEST

START_TEST(long_text_is_one_text)
{
	char big[400];
	bool is_new;
	int i;

	memset(big, 'x', sizeof big - 1);
	big[sizeof big - 1] = '\0';
	i = page_error(&p, big, 1, &is_new);
	ck_assert_int_eq(page_error(&p, big, 2, &is_new), i);
	ck_assert(!is_new);
	ck_assert(page_error_read(&p, i, text, sizeof text, &count, &first_ns, &last_ns));
	ck_assert_uint_eq(strlen(text), sizeof p.error[0].text - 1);
	ck_assert(page_error_read(&p, i, text, 10, &count, &first_ns, &last_ns));
	ck_assert_uint_eq(strlen(text), 9);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("page");
	TCase *tc = tcase_create("page");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, beginning_takes_gauges_and_keeps_counts_and_words);
	tcase_add_test(tc, long_title_is_cut_and_terminated);
	tcase_add_test(tc, blocked_has_a_time_and_a_text);
	tcase_add_test(tc, same_text_is_counted_in_its_place);
	tcase_add_test(tc, seventeenth_text_takes_the_place_of_the_oldest);
	tcase_add_test(tc, text_that_is_being_written_is_not_read);
	tcase_add_test(tc, empty_place_is_no_error);
	tcase_add_test(tc, long_text_is_one_text);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
