/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_journal - the stage itself: starts, damaged rings, the dedup table, the end
 */
#include "journal_fixture.h"

struct seen {
	uint64_t events[SLOTS];
	uint64_t gaps[4]; /* by reason */
	uint64_t corrupt;
	uint64_t gap_to;
};

static struct seen
read_log(void)
{
	int top = log_dir_open(journal_dir, false);
	struct seen seen = {0};
	struct log_reader r;
	struct log_item item;

	ck_assert(top != -1 && log_reader_open(&r, top, 0) == 0);
	while (log_reader_next(&r, &item) != LOG_ITEM_END) {
		ck_assert_int_ne(item.kind, LOG_ITEM_ERROR);
		seen.corrupt += item.kind == LOG_ITEM_CORRUPT;
		if (item.kind == LOG_ITEM_FRAME)
			seen.events[item.stream]++;
		if (item.kind == LOG_ITEM_GAP) {
			seen.gaps[item.reason]++;
			if (item.reason == FRAME_GAP_RING_DAMAGED)
				seen.gap_to = item.to;
		}
	}
	log_reader_close(&r);
	close(top);
	return seen;
}

START_TEST(what_nobody_waits_for_becomes_durable_too)
{
	start();
	wait_ready();
	take_slots();
	put_many(0, 40);
	put_many(2, 3);
	wait_for(is_durable(0) && is_durable(2));
	ck_assert_int_eq(end_with(SIGTERM), 0);
	ck_assert_uint_eq(read_log().events[0], 40);
	ck_assert_uint_eq(read_log().events[2], 3);
	ck_assert_uint_eq(word_load(&region.journal->active), 0);
}
END_TEST

START_TEST(sigterm_commits_what_is_there)
{
	start();
	wait_ready();
	take_slots();
	put_many(1, 300);
	ck_assert_int_eq(end_with(SIGTERM), 0);
	ck_assert(is_durable(1));
	ck_assert_uint_eq(read_log().events[1], 300);
}
END_TEST

START_TEST(a_ring_with_something_that_is_no_frame_is_set_aside)
{
	uint8_t *third;
	struct seen seen;

	start();
	wait_ready();
	take_slots();
	put_many(1, 5);
	wait_for(is_durable(1));
	(void)end_with(SIGKILL);
	put_many(1, 2);
	third = put(1);
	put_many(1, 4);
	put_many(0, 1);
	third[0] ^= 0xff;
	start();
	wait_for(word_load(&region.journal->stream[1].retired) == 1 && is_durable(0));
	ck_assert(is_durable(1));
	put_many(0, 1);
	wait_for(is_durable(0));
	ck_assert_uint_eq(
	    counters_get(region.journal->counter, counter_id(JOURNAL, rings_damaged)), 1);
	(void)end_with(SIGTERM);
	seen = read_log();
	ck_assert_uint_eq(seen.events[1], 7);
	ck_assert_uint_eq(seen.events[0], 2);
	ck_assert_uint_eq(seen.gaps[FRAME_GAP_RING_DAMAGED], 1);
	ck_assert_uint_eq(seen.gap_to, in[1].tail);
	ck_assert_uint_eq(seen.corrupt, 0);
}
END_TEST

START_TEST(a_slot_that_its_owner_set_aside_is_passed_by)
{
	uint8_t *third;
	struct seen seen;

	start();
	wait_ready();
	take_slots();
	(void)end_with(SIGKILL);
	put_many(1, 2);
	third = put(1);
	put_many(1, 4);
	third[sizeof(struct frame_header) + 5] ^= 1; /* the header is well: only the CRC tells */
	word_store(&region.slot[1]->retired, 1);
	start();
	wait_for(word_load(&region.journal->stream[1].retired) == 1);
	ck_assert(is_durable(1));
	(void)end_with(SIGTERM);
	seen = read_log();
	ck_assert_uint_eq(seen.events[1], 2);
	ck_assert_uint_eq(seen.gaps[FRAME_GAP_RING_DAMAGED], 1);
	ck_assert_uint_eq(seen.corrupt, 0);
}
END_TEST

START_TEST(a_tail_that_makes_no_sense_sets_the_ring_aside)
{
	start();
	wait_ready();
	take_slots();
	put_many(0, 3);
	wait_for(is_durable(0));
	(void)end_with(SIGKILL);
	cursor_init(&region.slot[0]->ring.tail, in[0].tail - 8, 3); /* behind the gate */
	put_many(2, 1);
	start();
	wait_for(word_load(&region.journal->stream[0].retired) == 1);
	wait_for(is_durable(2));
	(void)end_with(SIGTERM);
	ck_assert_uint_eq(read_log().events[0], 3);
}
END_TEST

START_TEST(a_new_region_begins_in_the_next_block_and_remembers_keys)
{
	uint64_t settled, claimed;

	start();
	wait_ready();
	for (uint32_t i = 0; i < SLOTS; i++)
		ck_assert_uint_eq(word_load(&region.journal->stream[i].start), 0);
	take_slots();
	put_many(0, 30);
	put_many(1, 12);
	wait_for(is_durable(0) && is_durable(1));
	(void)end_with(SIGKILL);
	for (unsigned life = 1; life <= 3; life++) {
		make_region();
		start();
		wait_ready();
		for (uint32_t i = 0; i < SLOTS; i++)
			ck_assert_uint_eq(
			    word_load(&region.journal->stream[i].start), life * LOG_BLOCK);
		ck_assert_uint_eq(word_load(&region.journal->stream[0].start_seq), 30);
		dedup_count(
		    &region.dedup, dedup_tick(&region.dedup, clock_boot_ns()), &settled, &claimed);
		ck_assert_uint_eq(settled, 42);
		(void)end_with(life == 2 ? SIGKILL : SIGTERM);
	}
	ck_assert_uint_eq(read_log().gaps[FRAME_GAP_REGION_LOST], 3 * SLOTS);
	ck_assert_uint_eq(read_log().corrupt, 0);
}
END_TEST

static uint64_t
settled_now(void)
{
	uint64_t settled, claimed;

	dedup_count(&region.dedup, dedup_tick(&region.dedup, clock_boot_ns()), &settled, &claimed);
	return settled;
}

START_TEST(a_table_nobody_swept_is_filled_again_unless_a_slot_is_held)
{
	char path[REGION_PATH_MAX];
	pid_t holder;
	int fd;

	start();
	wait_ready();
	take_slots();
	put_many(0, 25);
	wait_for(is_durable(0));
	(void)end_with(SIGKILL);
	region.dedup.header->epoch_ns -= region.dedup.header->tick_ns * 5000;
	holder = fork();
	if (holder == 0) {
		if (lock_take(region_slot_lock(&region, 2, path), &fd, NULL) == LOCK_OK)
			(void)poll(NULL, 0, -1);
		_exit(0);
	}
	wait_for(lock_owner(region_slot_lock(&region, 2, path)) == holder);
	word_store(&region.page[0]->state, LAYOUT_STATE_NONE);
	start();
	wait_ready();
	ck_assert_uint_eq(settled_now(), 0); /* these keys came through no acceptor */
	(void)end_with(SIGKILL);
	(void)kill(holder, SIGKILL);
	(void)waitpid(holder, NULL, 0);
	word_store(&region.page[0]->state, LAYOUT_STATE_NONE);
	start();
	wait_ready();
	ck_assert_uint_eq(settled_now(), 25);
	ck_assert_uint_eq(word_load(&region.journal->stream[0].start), 0);
	put_many(0, 1);
	wait_for(is_durable(0));
	(void)end_with(SIGTERM);
}
END_TEST

START_TEST(an_orphan_stays_until_nobody_puts_any_more)
{
	char path[REGION_PATH_MAX];
	int status, fd, go[2];
	pid_t holder;

	start();
	wait_ready();
	take_slots();
	ck_assert_int_eq(pipe(go), 0);
	holder = fork();
	if (holder == 0) {
		char c;

		close(go[1]);
		if (lock_take(region_slot_lock(&region, 0, path), &fd, NULL) != LOCK_OK)
			_exit(1);
		close(lifeline[1]);
		if (read(go[0], &c, 1) == -1)
			_exit(1);
		put_many(0, 7);
		_exit(0);
	}
	wait_for(lock_owner(region_slot_lock(&region, 0, path)) == holder);
	close(lifeline[1]); /* the supervisor is gone */
	wait_for(word_load(&region.page[0]->state) == LAYOUT_STATE_DRAINING);
	put_many(1, 5);
	wait_for(is_durable(1));
	ck_assert_int_eq(waitpid(journal, &status, WNOHANG), 0);
	close(go[1]); /* the acceptor puts its last and ends */
	ck_assert_int_eq(waitpid(journal, &status, 0), journal);
	journal = 0;
	ck_assert_int_eq(status, 0);
	ck_assert_uint_eq(read_log().events[0], 7);
	ck_assert_uint_eq(read_log().events[1], 5);
}
END_TEST

START_TEST(a_log_of_another_instance_is_refused)
{
	int status;

	start();
	wait_ready();
	(void)end_with(SIGTERM);
	make_region();
	memset(env.instance, 0x78, sizeof env.instance);
	start();
	ck_assert_int_eq(waitpid(journal, &status, 0), journal);
	journal = 0;
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FATAL);
}
END_TEST

int
main(int argc, char **argv)
{
	extern char **environ;
	Suite *s = suite_create("journal");
	TCase *c = tcase_create("journal");
	SRunner *r;
	int failed;

	(void)argc;
	setproctitle_init(1, argv, environ);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, what_nobody_waits_for_becomes_durable_too);
	tcase_add_test(c, sigterm_commits_what_is_there);
	tcase_add_test(c, a_ring_with_something_that_is_no_frame_is_set_aside);
	tcase_add_test(c, a_slot_that_its_owner_set_aside_is_passed_by);
	tcase_add_test(c, a_tail_that_makes_no_sense_sets_the_ring_aside);
	tcase_add_test(c, a_new_region_begins_in_the_next_block_and_remembers_keys);
	tcase_add_test(c, a_table_nobody_swept_is_filled_again_unless_a_slot_is_held);
	tcase_add_test(c, an_orphan_stays_until_nobody_puts_any_more);
	tcase_add_test(c, a_log_of_another_instance_is_refused);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
