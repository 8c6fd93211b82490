/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_ack_wait - who waits for whom before an answer may leave
 */
#include "common/clock.h"
#include "common/panic.h"
#include "shm/word.h"
#include "workers/ack_wait.h"

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];
static struct region region;

/* Three streams; 0 and 1 are in use. */
static void
setup(void)
{
	struct region_params p = { .generation = 1,
		.slots = 3,
		.pages = 4,
		.ring_capacity = 65536,
		.dedup_bytes = 65536,
		.dedup_window_ms = 1000,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1 };
	char text[256];

	(void)snprintf(dir, sizeof dir, "/tmp/ack_wait.%d", (int)getpid());
	ck_assert_int_eq(region_create(dir, &p, text, sizeof text), REGION_OK);
	ck_assert_int_eq(region_open(&region, dir, true, text, sizeof text), REGION_OK);
	for (uint32_t i = 0; i < 2; i++) {
		struct ring ring = region_ring(&region, i);

		ring_start(&ring, 0, 0);
		cursor_init(&region.journal->stream[i].durable, 0, 0);
		counters_add(region.slot[i]->counter, counter_id(STREAM, takeovers), 1);
	}
}

static void
teardown(void)
{
	region_close(&region);
	(void)region_remove(dir);
}

static void
tail_is(uint32_t slot, uint64_t pos)
{
	cursor_store(&region.slot[slot]->ring.tail, pos, pos);
}

static void
durable_is(uint32_t slot, uint64_t pos)
{
	cursor_store(&region.journal->stream[slot].durable, pos, pos);
}

START_TEST(acceptance_waits_for_its_own_stream_only)
{
	struct ack_wait w;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	tail_is(0, 100);
	tail_is(1, 900);
	ck_assert_uint_eq(ack_wait_join(&w, 1, false), 1);
	ck_assert(ack_wait_close(&w, 100, 0));
	ck_assert_uint_eq(word_load(&region.slot[0]->durable_wanted), 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	durable_is(0, 99);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	durable_is(0, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 1);
	ck_assert(ack_wait_is_idle(&w));
}
END_TEST

START_TEST(duplicate_waits_for_every_stream_as_it_stood)
{
	struct ack_wait w;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	tail_is(1, 500); /* the twin is in there, in memory only */
	(void)ack_wait_join(&w, 1, true);
	ck_assert(ack_wait_close(&w, 0, 0));
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	tail_is(1, 700); /* what comes later is not waited for */
	durable_is(1, 499);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	durable_is(1, 500);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 1);
}
END_TEST

START_TEST(groups_end_in_order)
{
	struct ack_wait w;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	tail_is(1, 500);
	(void)ack_wait_join(&w, 1, true);
	ck_assert(ack_wait_close(&w, 0, 0));
	ck_assert_uint_eq(ack_wait_join(&w, 1, false), 2);
	ck_assert(ack_wait_close(&w, 0, 0));
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	durable_is(1, 500);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 2);
}
END_TEST

START_TEST(many_groups_wait_while_the_journal_is_slow)
{
	struct ack_wait w;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	for (uint64_t i = 1; i <= 1000; i++) {
		tail_is(0, i * 8);
		tail_is(1, i * 16);
		ck_assert_uint_eq(ack_wait_join(&w, 1, i % 3 == 0), i);
		ck_assert(ack_wait_close(&w, i * 8, i));
		if (i % 7 == 0) {
			durable_is(0, i * 4);
			durable_is(1, i * 8);
			(void)ack_wait_reached(&w, 1);
		}
	}
	durable_is(0, 8000);
	durable_is(1, 16000);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 1000);
	ck_assert(ack_wait_is_idle(&w));
}
END_TEST

START_TEST(wait_that_runs_out_fails_with_its_events_counted)
{
	struct ack_wait w;
	uint64_t events;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	tail_is(0, 100);
	(void)ack_wait_join(&w, 3, false);
	ck_assert(ack_wait_close(&w, 100, 0));
	(void)ack_wait_join(&w, 4, false);
	ck_assert(ack_wait_close(&w, 100, 500));
	ck_assert_uint_eq(ack_wait_failed(&w, 999, false, &events), 0);
	ck_assert_uint_eq(ack_wait_failed(&w, 1000, false, &events), 1);
	ck_assert_uint_eq(events, 3);
	ck_assert_uint_eq(ack_wait_failed(&w, 1000, true, &events), 2);
	ck_assert_uint_eq(events, 4);
	durable_is(0, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
}
END_TEST

START_TEST(what_was_lost_with_a_damaged_ring_is_never_durable)
{
	struct ack_wait w;
	uint64_t events;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	tail_is(1, 500);
	(void)ack_wait_join(&w, 1, true);
	ck_assert(ack_wait_close(&w, 0, 0));
	/* The journal sets stream 1 aside: first the mark, then the position. */
	word_store(&region.journal->stream[1].retired, 1);
	ck_assert_uint_eq(ack_wait_failed(&w, 0, false, &events), 0);
	durable_is(1, 500);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_uint_eq(ack_wait_failed(&w, 0, false, &events), 1);
	ck_assert_uint_eq(events, 1);
}
END_TEST

START_TEST(stream_that_was_forgotten_holds_up_no_later_duplicate)
{
	struct ack_wait w;
	uint64_t events;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	tail_is(1, 500);
	word_store(&region.slot[1]->retired, LAYOUT_RETIRED);
	word_store(&region.journal->stream[1].retired, 1);
	durable_is(1, 500);
	/* The keys are forgotten within the turn: too late for its look-ups. */
	ck_assert(!ack_wait_close(&w, 0, 0));
	(void)ack_wait_join(&w, 1, true);
	word_store(&region.slot[1]->retired, LAYOUT_RETIRED_FORGOTTEN);
	ck_assert(ack_wait_close(&w, 0, 0));
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_uint_eq(ack_wait_failed(&w, 0, false, &events), 1);
	/* The next turn's are beyond doubt. */
	(void)ack_wait_join(&w, 1, true);
	ck_assert(ack_wait_close(&w, 0, 0));
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 2);
}
END_TEST

START_TEST(nobody_waits_when_nobody_joined)
{
	struct ack_wait w;

	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, NULL, 1000, 0);
	ck_assert(!ack_wait_close(&w, 100, 0));
	ck_assert(ack_wait_is_idle(&w));
}
END_TEST

/* A region whose sink 0 claims in Redis and whose sink 1 is required. */
static struct ack_sinks sinks;

static void
sinks_are_there(void)
{
	const struct sink_place zero = { 0 };

	sinks = (struct ack_sinks){ .claimer = region.sink[0],
		.verdict_ns = 50,
		.n = 1,
		.required = { region.sink[1] },
		.name = { "events" } };
	for (int i = 0; i < 2; i++) {
		for (int k = 0; k < 3; k++)
			sink_cursor_init(&region.sink[i]->stream[k].done, &zero);
		word_store(&region.sink[i]->ready_generation, 1);
		word_store(&region.sink[i]->beat_ns, 1);
	}
}

static void
sink_is_at(int sink, uint64_t pos)
{
	const struct sink_place p = { .pos = pos };

	sink_cursor_store(&region.sink[sink]->stream[0].done, &p);
}

START_TEST(durable_waits_for_the_verdict_but_not_long)
{
	struct ack_wait w;

	sinks_are_there();
	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, &sinks, 1000, 0);
	ack_wait_begin(&w, 0);
	(void)ack_wait_join(&w, 1, false);
	ck_assert(ack_wait_close(&w, 100, 0));
	durable_is(0, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 10), 0);
	ck_assert_uint_eq(ack_wait_due(&w, 10), 50);
	sink_is_at(0, 96);
	ck_assert_uint_eq(ack_wait_reached(&w, 59), 0);
	ck_assert_uint_eq(ack_wait_reached(&w, 60), 1);
	ck_assert_uint_eq(w.missed, 1);
	(void)ack_wait_join(&w, 1, false);
	ck_assert(ack_wait_close(&w, 200, 70));
	durable_is(0, 200);
	sink_is_at(0, 200);
	ck_assert_uint_eq(ack_wait_reached(&w, 71), 2);
	ck_assert_uint_eq(w.missed, 1);
}
END_TEST

START_TEST(nobody_waits_for_a_claiming_sink_in_trouble)
{
	struct ack_wait w;

	sinks_are_there();
	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, &sinks, 1000, 0);
	ack_wait_begin(&w, 0);
	(void)ack_wait_join(&w, 3, false);
	ck_assert(ack_wait_close(&w, 100, 0));
	durable_is(0, 100);
	word_store(&region.sink[0]->breaker, SINK_BREAKER_OPEN);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 1);
	ck_assert_uint_eq(w.missed, 3);
	word_store(&region.sink[0]->breaker, SINK_BREAKER_CLOSED);
	(void)ack_wait_join(&w, 1, false);
	ck_assert(ack_wait_close(&w, 200, 0));
	durable_is(0, 200);
	ck_assert_uint_eq(ack_wait_reached(&w, 2), 0);
	sinks.verdict_ns = UINT64_MAX / 2; /* what counts is that its loop stands still */
	ck_assert_uint_eq(ack_wait_reached(&w, UINT64_C(1000000000)), 2);
}
END_TEST

START_TEST(late_duplicates_are_told_by_position)
{
	struct ack_found found;
	struct ack_group g;
	struct ack_wait w;

	sinks_are_there();
	sink_part_notice(region.sink[0], 0, 8, SINK_LATE); /* of a former life */
	ack_wait_init(&w, &region, 0, ACK_LEVEL_DURABLE, &sinks, 1000, 0);
	ack_wait_begin(&w, 16);
	(void)ack_wait_join(&w, 3, false);
	ck_assert(ack_wait_close(&w, 100, 0));
	durable_is(0, 100);
	sink_part_notice(region.sink[0], 0, 64, SINK_LATE);
	sink_part_notice(region.sink[0], 1, 32, SINK_LATE); /* another stream's */
	sink_part_notice(region.sink[0], 0, 16, SINK_LATE);
	sink_part_notice(region.sink[0], 0, 100, SINK_LATE); /* the next group's */
	sink_is_at(0, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_int_eq(ack_wait_special(&w, 1, &g, &found), ACK_SPECIAL_FOUND);
	ck_assert_uint_eq(g.ticket, 1);
	ck_assert_uint_eq(found.n, 2);
	ck_assert_uint_eq(found.at[0].pos, 16);
	ck_assert_uint_eq(found.at[1].pos, 64);
	ck_assert(ack_wait_is_idle(&w));
	ck_assert_int_eq(ack_wait_special(&w, 1, &g, &found), ACK_SPECIAL_NONE);
}
END_TEST

START_TEST(delivered_waits_for_every_required_sink_and_says_who_refused)
{
	struct ack_found found;
	struct ack_group g;
	struct ack_wait w;
	uint64_t ticket;

	sinks_are_there();
	ack_wait_init(&w, &region, 0, ACK_LEVEL_DELIVERED, &sinks, 1000, 5000);
	ack_wait_begin(&w, 0);
	ticket = ack_wait_join(&w, 1, false);
	ck_assert(ack_wait_close(&w, 100, 0));
	ck_assert_uint_eq(word_load(&region.slot[0]->delivered_wanted), 100);
	durable_is(0, 100);
	sink_is_at(0, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	sink_is_at(1, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), ticket);
	(void)ack_wait_join(&w, 1, false);
	ck_assert(ack_wait_close(&w, 200, 0));
	durable_is(0, 200);
	sink_is_at(0, 200);
	sink_part_notice(region.sink[1], 0, 100, SINK_DEAD);
	sink_is_at(1, 200);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_int_eq(ack_wait_special(&w, 1, &g, &found), ACK_SPECIAL_FOUND);
	ck_assert_uint_eq(found.n, 1);
	ck_assert_int_eq(found.at[0].sink, 0);
	ck_assert_int_eq(found.at[0].what, SINK_DEAD);
}
END_TEST

START_TEST(delivery_that_takes_too_long_is_told_as_durable_and_never_as_unknown)
{
	struct ack_found found;
	struct ack_group g;
	struct ack_wait w;
	uint64_t events;

	sinks_are_there();
	ack_wait_init(&w, &region, 0, ACK_LEVEL_DELIVERED, &sinks, 1000, 5000);
	ack_wait_begin(&w, 0);
	(void)ack_wait_join(&w, 2, false);
	ck_assert(ack_wait_close(&w, 100, 0));
	durable_is(0, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 4999), 0);
	ck_assert_uint_eq(ack_wait_failed(&w, 4999, true, &events), 0);
	ck_assert_int_eq(ack_wait_special(&w, 4999, &g, &found), ACK_SPECIAL_NONE);
	ck_assert_int_eq(ack_wait_special(&w, 5000, &g, &found), ACK_SPECIAL_SHORT);
	ck_assert_uint_eq(g.events, 2);
	ck_assert(ack_wait_is_idle(&w));
}
END_TEST

START_TEST(more_dead_letters_than_are_remembered_reach_durable_only)
{
	struct ack_found found;
	struct ack_group g;
	struct ack_wait w;

	sinks_are_there();
	ack_wait_init(&w, &region, 0, ACK_LEVEL_DELIVERED, &sinks, 1000, 5000);
	ack_wait_begin(&w, 0);
	(void)ack_wait_join(&w, 1, false);
	ck_assert(ack_wait_close(&w, 100, 0));
	durable_is(0, 100);
	for (int i = 0; i <= SINK_PART_NOTICES; i++)
		sink_part_notice(region.sink[1], 2, 8, SINK_DEAD);
	sink_is_at(0, 100);
	sink_is_at(1, 100);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_int_eq(ack_wait_special(&w, 1, &g, &found), ACK_SPECIAL_SHORT);
}
END_TEST

/* As above, up to where the first group is durable and every sink has passed it. */
static void
all_have_passed(struct ack_wait *w, bool has_duplicate)
{
	sinks_are_there();
	sinks.window_ns = UINT64_C(3600000000000);
	ack_wait_init(w, &region, 0, ACK_LEVEL_DELIVERED, &sinks, 1000, 5000);
	ack_wait_begin(w, 0);
	(void)ack_wait_join(w, 1, has_duplicate);
	tail_is(0, 100);
	ck_assert(ack_wait_close(w, 100, 0));
	durable_is(0, 100);
	sink_is_at(0, 100);
	sink_is_at(1, 100);
}

START_TEST(what_was_lost_on_the_way_is_not_called_delivered)
{
	struct ack_found found;
	struct ack_group g;
	struct ack_wait w;

	all_have_passed(&w, false);
	sink_part_blur(region.sink[1]);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_int_eq(ack_wait_special(&w, 1, &g, &found), ACK_SPECIAL_SHORT);
}
END_TEST

START_TEST(more_late_duplicates_than_are_remembered_are_not_called_delivered)
{
	struct ack_found found;
	struct ack_group g;
	struct ack_wait w;

	all_have_passed(&w, false);
	for (int i = 0; i <= SINK_PART_NOTICES; i++)
		sink_part_notice(region.sink[0], 0, 8, SINK_LATE);
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_int_eq(ack_wait_special(&w, 1, &g, &found), ACK_SPECIAL_SHORT);
}
END_TEST

START_TEST(a_duplicate_is_delivered_only_where_nothing_was_refused_within_the_window)
{
	struct ack_found found;
	struct ack_group g;
	struct ack_wait w;

	all_have_passed(&w, true);
	ck_assert_uint_ne(ack_wait_reached(&w, 1), 0);
	all_have_passed(&w, true);
	word_store(&region.sink[1]->bad_ns, clock_wall_ns());
	ck_assert_uint_eq(ack_wait_reached(&w, 1), 0);
	ck_assert_int_eq(ack_wait_special(&w, 1, &g, &found), ACK_SPECIAL_SHORT);
	all_have_passed(&w, true);
	word_store(&region.sink[1]->bad_ns, clock_wall_ns() - 2 * sinks.window_ns);
	ck_assert_uint_ne(ack_wait_reached(&w, 1), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ack_wait");
	TCase *t = tcase_create("waits");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, acceptance_waits_for_its_own_stream_only);
	tcase_add_test(t, duplicate_waits_for_every_stream_as_it_stood);
	tcase_add_test(t, groups_end_in_order);
	tcase_add_test(t, many_groups_wait_while_the_journal_is_slow);
	tcase_add_test(t, wait_that_runs_out_fails_with_its_events_counted);
	tcase_add_test(t, what_was_lost_with_a_damaged_ring_is_never_durable);
	tcase_add_test(t, stream_that_was_forgotten_holds_up_no_later_duplicate);
	tcase_add_test(t, nobody_waits_when_nobody_joined);
	tcase_add_test(t, durable_waits_for_the_verdict_but_not_long);
	tcase_add_test(t, nobody_waits_for_a_claiming_sink_in_trouble);
	tcase_add_test(t, late_duplicates_are_told_by_position);
	tcase_add_test(t, delivered_waits_for_every_required_sink_and_says_who_refused);
	tcase_add_test(t, delivery_that_takes_too_long_is_told_as_durable_and_never_as_unknown);
	tcase_add_test(t, more_dead_letters_than_are_remembered_reach_durable_only);
	tcase_add_test(t, what_was_lost_on_the_way_is_not_called_delivered);
	tcase_add_test(t, more_late_duplicates_than_are_remembered_are_not_called_delivered);
	tcase_add_test(t, a_duplicate_is_delivered_only_where_nothing_was_refused_within_the_window);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
