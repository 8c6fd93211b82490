/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_sink_window - what is in flight, and the places it leaves behind
 */
#include "workers/sink_window.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct sink_window w;

static void
setup(void)
{
	sink_window_init(&w, 8);
}

static void
teardown(void)
{
	sink_window_free(&w);
}

static unsigned
leave_all(void)
{
	unsigned n = 0;

	for (; sink_window_front(&w) != NULL; n++)
		sink_window_leave(&w);
	return n;
}

START_TEST(places_move_only_when_the_front_is_finished)
{
	sink_window_take(&w, 1, 0, 100, 50, 7, 0);
	sink_window_take(&w, 1, 100, 200, 50, 8, 0);
	sink_window_finish(&w, 1, SINK_DELIVERED);
	ck_assert_uint_eq(leave_all(), 0);
	ck_assert_uint_eq(w.bytes, 100);
	sink_window_finish(&w, 0, SINK_DEAD);
	ck_assert_uint_eq(leave_all(), 2);
	ck_assert_uint_eq(w.place[1].pos, 200);
	ck_assert_uint_eq(w.place[1].seq, 2);
	ck_assert_uint_eq(w.place[1].outcome[SINK_DEAD], 1);
	ck_assert_uint_eq(w.place[1].outcome[SINK_DELIVERED], 1);
	ck_assert_uint_eq(w.bytes, 0);
	ck_assert_uint_eq(w.moved[0], 2);
}
END_TEST

START_TEST(what_needs_nobody_is_one_entry_as_long_as_it_is_alike)
{
	for (uint64_t i = 1; i <= 1000; i++)
		sink_window_pass(&w, 2, i * 10, 1, SINK_SKIPPED, 0);
	sink_window_pass(&w, 2, 20000, 0, SINK_SKIPPED, 0); /* a hop */
	ck_assert_uint_eq(w.last - w.first, 1);
	sink_window_pass(&w, 2, 20010, 3, SINK_LATE, 0);
	sink_window_pass(&w, 3, 10, 1, SINK_LATE, 0);
	ck_assert_uint_eq(w.last - w.first, 3);
	(void)leave_all();
	ck_assert_uint_eq(w.place[2].pos, 20010);
	ck_assert_uint_eq(w.place[2].seq, 1003);
	ck_assert_uint_eq(w.place[2].outcome[SINK_SKIPPED], 1000);
	ck_assert_uint_eq(w.place[2].outcome[SINK_LATE], 3);
	ck_assert_uint_eq(w.place[3].outcome[SINK_LATE], 1);
}
END_TEST

START_TEST(an_event_that_was_not_taken_leaves_no_trace)
{
	sink_window_take(&w, 1, 0, 100, 50, 7, 0);
	sink_window_take(&w, 1, 100, 200, 60, 8, 0);
	sink_window_untake(&w);
	ck_assert_uint_eq(w.next_ticket, 1);
	ck_assert_uint_eq(w.bytes, 50);
	sink_window_take(&w, 1, 100, 200, 60, 8, 0);
	ck_assert_ptr_nonnull(sink_window_entry(&w, 1));
	ck_assert_ptr_null(sink_window_entry(&w, 2));
}
END_TEST

START_TEST(what_the_cursor_had_passed_counts_no_second_time)
{
	w.place[1] = (struct sink_place){ .pos = 500, .seq = 5, .outcome = { 5 } };
	sink_window_take(&w, 1, 0, 100, 1, 0, SINK_ENTRY_UNCOUNTED);
	sink_window_take(&w, 1, 500, 600, 1, 0, 0);
	sink_window_finish(&w, 0, SINK_DELIVERED);
	sink_window_finish(&w, 1, SINK_DELIVERED);
	(void)leave_all();
	ck_assert_uint_eq(w.place[1].pos, 600);
	ck_assert_uint_eq(w.place[1].seq, 6);
	ck_assert_uint_eq(w.place[1].outcome[SINK_DELIVERED], 6);
}
END_TEST

START_TEST(replayed_events_move_no_place)
{
	sink_window_take(&w, 1, 0, 100, 1, 0, SINK_ENTRY_REPLAY);
	sink_window_finish(&w, 0, SINK_DELIVERED);
	(void)leave_all();
	ck_assert_uint_eq(w.place[1].pos, 0);
	ck_assert_uint_eq(w.replay[SINK_DELIVERED], 1);
	ck_assert_uint_eq(w.moved[0], 0);
}
END_TEST

/* Any order of finishing: the places are those of a plain list. */
START_TEST(any_order_of_finishing_gives_the_same_places)
{
	uint64_t pos[3] = { 0 }, open[16], n_open = 0, events[3] = { 0 };
	unsigned seed = 1;

	for (int turn = 0; turn < 20000; turn++) {
		unsigned dice = (unsigned)rand_r(&seed);

		if (dice % 3 != 0 && n_open < 8 && w.last - w.first < w.size) {
			uint32_t s = dice / 3 % 3;

			open[n_open++] = w.next_ticket;
			sink_window_take(&w, s, pos[s], pos[s] + 10, 1, 0, 0);
			pos[s] += 10;
			events[s]++;
		} else if (n_open > 0) {
			unsigned k = dice % (unsigned)n_open;

			sink_window_finish(&w, open[k], SINK_DELIVERED);
			open[k] = open[--n_open];
			(void)leave_all();
		}
	}
	while (n_open > 0)
		sink_window_finish(&w, open[--n_open], SINK_DELIVERED);
	(void)leave_all();
	ck_assert(sink_window_is_empty(&w));
	for (int s = 0; s < 3; s++) {
		ck_assert_uint_eq(w.place[s].pos, pos[s]);
		ck_assert_uint_eq(w.place[s].seq, events[s]);
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sink_window");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, places_move_only_when_the_front_is_finished);
	tcase_add_test(t, what_needs_nobody_is_one_entry_as_long_as_it_is_alike);
	tcase_add_test(t, an_event_that_was_not_taken_leaves_no_trace);
	tcase_add_test(t, what_the_cursor_had_passed_counts_no_second_time);
	tcase_add_test(t, replayed_events_move_no_place);
	tcase_add_test(t, any_order_of_finishing_gives_the_same_places);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
