/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_breaker - failures make it wait longer, five of them open it, one success closes it
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdlib.h>

#include "common/breaker.h"

#define MS UINT64_C(1000000)

static struct breaker b;

static void
setup(void)
{
	breaker_init(&b, 100, 1000, 5, 10000);
}

START_TEST(a_new_one_lets_through)
{
	ck_assert(breaker_may_try(&b, 0));
	ck_assert_uint_eq(breaker_wait_ns(&b, 0), 0);
	ck_assert_str_eq(breaker_state_name(b.state), "closed");
	ck_assert(!breaker_success(&b));
}
END_TEST

/* For each random number the wait is between half and all of what it should be. */
START_TEST(waits_double_up_to_their_most)
{
	static const uint64_t want_ms[] = {100, 200, 400, 800, 1000, 1000, 1000};
	static const uint64_t randoms[] = {
	    0, 1, UINT64_MAX, 0x123456789abcdef, UINT64_C(50000000), UINT64_C(50000001)};
	size_t i, r;
	unsigned bad = 0;

	for (r = 0; r < sizeof randoms / sizeof randoms[0]; r++) {
		breaker_init(&b, 100, 1000, 100, 10000);
		for (i = 0; i < sizeof want_ms / sizeof want_ms[0]; i++) {
			uint64_t wait;

			bad += breaker_failure(&b, 77, randoms[r], 0);
			wait = breaker_wait_ns(&b, 77);
			bad += wait < want_ms[i] * MS / 2 || wait > want_ms[i] * MS;
			bad += breaker_may_try(&b, 77 + wait - 1);
			bad += !breaker_may_try(&b, 77 + wait);
		}
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(the_fifth_failure_in_a_row_opens_it)
{
	int i;

	for (i = 0; i < 4; i++)
		ck_assert(!breaker_failure(&b, 0, 0, 0));
	ck_assert(!breaker_success(&b));
	for (i = 0; i < 4; i++)
		ck_assert(!breaker_failure(&b, 0, 0, 0));
	ck_assert_int_eq(b.state, BREAKER_CLOSED);
	ck_assert(breaker_failure(&b, 0, 0, 0));
	ck_assert_int_eq(b.state, BREAKER_OPEN);
	ck_assert_uint_eq(breaker_wait_ns(&b, 0), 10000 * MS);
	ck_assert(!breaker_may_try(&b, 10000 * MS - 1));
	ck_assert_int_eq(b.state, BREAKER_OPEN);
	ck_assert(breaker_may_try(&b, 10000 * MS));
	ck_assert_int_eq(b.state, BREAKER_HALF_OPEN);
}
END_TEST

static uint64_t
open_it(uint64_t now)
{
	int i;

	for (i = 0; i < 5; i++)
		(void)breaker_failure(&b, now, 0, 0);
	ck_assert_int_eq(b.state, BREAKER_OPEN);
	return now + breaker_wait_ns(&b, now);
}

START_TEST(one_success_closes_it)
{
	uint64_t now = open_it(5);

	ck_assert(breaker_may_try(&b, now));
	ck_assert(breaker_success(&b));
	ck_assert_int_eq(b.state, BREAKER_CLOSED);
	ck_assert_uint_eq(breaker_wait_ns(&b, now), 0);
	/* And it counts from the start again, with the shortest waits. */
	ck_assert(!breaker_failure(&b, now, UINT64_MAX, 0));
	ck_assert_uint_le(breaker_wait_ns(&b, now), 100 * MS);
}
END_TEST

START_TEST(probes_that_fail_double_the_wait_up_to_eight_times)
{
	static const uint64_t want_ms[] = {20000, 40000, 80000, 80000, 80000};
	uint64_t now = open_it(0);
	size_t i;

	for (i = 0; i < sizeof want_ms / sizeof want_ms[0]; i++) {
		ck_assert(breaker_may_try(&b, now));
		ck_assert_int_eq(b.state, BREAKER_HALF_OPEN);
		ck_assert(breaker_failure(&b, now, 0, 0));
		ck_assert_int_eq(b.state, BREAKER_OPEN);
		ck_assert_uint_eq(breaker_wait_ns(&b, now), want_ms[i] * MS);
		now += breaker_wait_ns(&b, now);
	}
	ck_assert(breaker_may_try(&b, now));
	ck_assert(breaker_success(&b));
	now = open_it(now);
	ck_assert_uint_eq(b.due_ns, now);
}
END_TEST

START_TEST(an_open_time_is_never_cut_short_and_at_most_a_tenth_longer)
{
	static const uint64_t randoms[] = {0, 1, UINT64_MAX, 999999999, UINT64_C(1000000001)};
	size_t r;
	unsigned bad = 0;

	for (r = 0; r < sizeof randoms / sizeof randoms[0]; r++) {
		breaker_init(&b, 100, 1000, 1, 10000);
		bad += !breaker_failure(&b, 0, randoms[r], 0);
		bad += breaker_wait_ns(&b, 0) < 10000 * MS || breaker_wait_ns(&b, 0) > 11000 * MS;
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(a_wait_that_is_asked_for_is_kept_if_it_is_longer)
{
	ck_assert(!breaker_failure(&b, 0, 0, 7000));
	ck_assert_uint_eq(breaker_wait_ns(&b, 0), 7000 * MS);
	ck_assert(breaker_may_try(&b, 7000 * MS));
	ck_assert(!breaker_failure(&b, 0, UINT64_MAX, 1));
	ck_assert_uint_ge(breaker_wait_ns(&b, 0), 100 * MS);
	/* Somebody asks for more than there is. */
	ck_assert(!breaker_failure(&b, 1, 0, UINT64_MAX));
	ck_assert(!breaker_may_try(&b, 1000000 * MS));
	ck_assert_uint_lt(breaker_wait_ns(&b, 1), UINT64_MAX / 2);
}
END_TEST

START_TEST(failures_of_requests_that_were_under_way_open_nothing_twice)
{
	uint64_t due = open_it(0);

	ck_assert(!breaker_failure(&b, 1, 0, 0));
	ck_assert_uint_eq(b.due_ns, due);
	ck_assert(!breaker_failure(&b, 1, 0, 5));
	ck_assert_uint_eq(b.due_ns, due);
	ck_assert(!breaker_failure(&b, 1, 0, 60000));
	ck_assert_uint_eq(b.due_ns, 1 + 60000 * MS);
	/* One that went well closes it. */
	ck_assert(breaker_success(&b));
	ck_assert(breaker_may_try(&b, 2));
}
END_TEST

START_TEST(a_wrong_set_up_opens_it_at_once)
{
	ck_assert(breaker_trip(&b, 0, 0));
	ck_assert_int_eq(b.state, BREAKER_OPEN);
	ck_assert_uint_eq(breaker_wait_ns(&b, 0), 10000 * MS);
	ck_assert(!breaker_trip(&b, 1, 0));
	ck_assert_uint_eq(b.due_ns, 10000 * MS);
	ck_assert(breaker_may_try(&b, 10000 * MS));
	ck_assert(breaker_trip(&b, 10000 * MS, 0));
	ck_assert_uint_eq(breaker_wait_ns(&b, 10000 * MS), 20000 * MS);
}
END_TEST

START_TEST(a_person_decides_until_it_is_left_to_itself)
{
	breaker_force(&b, BREAKER_FORCE_OPEN);
	ck_assert(!breaker_may_try(&b, UINT64_MAX));
	ck_assert_uint_eq(breaker_wait_ns(&b, 0), UINT64_MAX);
	(void)breaker_success(&b);
	ck_assert(!breaker_may_try(&b, UINT64_MAX));
	breaker_force(&b, BREAKER_FORCE_AUTO);
	ck_assert(breaker_may_try(&b, 0));

	(void)open_it(0);
	breaker_force(&b, BREAKER_FORCE_CLOSED);
	ck_assert(breaker_may_try(&b, 0));
	ck_assert_int_eq(b.state, BREAKER_CLOSED);
	for (int i = 0; i < 20; i++)
		ck_assert(!breaker_failure(&b, 0, 0, 0));
	ck_assert(!breaker_trip(&b, 0, 0));
	ck_assert_int_eq(b.state, BREAKER_CLOSED);
	/* It backs off all the same. */
	ck_assert_uint_ge(breaker_wait_ns(&b, 0), 500 * MS);
	ck_assert_uint_le(breaker_wait_ns(&b, 0), 1000 * MS);
	breaker_force(&b, BREAKER_FORCE_AUTO);
	ck_assert(breaker_failure(&b, 0, 0, 0));
	ck_assert_int_eq(b.state, BREAKER_OPEN);
}
END_TEST

START_TEST(times_without_measure_do_not_overflow)
{
	breaker_init(&b, UINT64_MAX / 2, UINT64_MAX, 2, UINT64_MAX);
	ck_assert(!breaker_failure(&b, 0, UINT64_MAX, 0));
	ck_assert(!breaker_may_try(&b, 1000000 * MS));
	ck_assert(breaker_failure(&b, 0, UINT64_MAX, UINT64_MAX));
	ck_assert(!breaker_may_try(&b, 1000000 * MS));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("breaker");
	TCase *tc = tcase_create("breaker");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_new_one_lets_through);
	tcase_add_test(tc, waits_double_up_to_their_most);
	tcase_add_test(tc, the_fifth_failure_in_a_row_opens_it);
	tcase_add_test(tc, one_success_closes_it);
	tcase_add_test(tc, probes_that_fail_double_the_wait_up_to_eight_times);
	tcase_add_test(tc, an_open_time_is_never_cut_short_and_at_most_a_tenth_longer);
	tcase_add_test(tc, a_wait_that_is_asked_for_is_kept_if_it_is_longer);
	tcase_add_test(tc, failures_of_requests_that_were_under_way_open_nothing_twice);
	tcase_add_test(tc, a_wrong_set_up_opens_it_at_once);
	tcase_add_test(tc, a_person_decides_until_it_is_left_to_itself);
	tcase_add_test(tc, times_without_measure_do_not_overflow);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
