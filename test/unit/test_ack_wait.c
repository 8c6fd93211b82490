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
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
