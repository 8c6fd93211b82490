/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_sink_source - frames from rings and from the log: nobody sees the seam
 */
#include "journal_fixture.h"

#include "workers/sink_source.h"

struct got {
	uint64_t events[SLOTS], next_seq[SLOTS], bad;
	uint64_t lost[SLOTS], hops;
};

static struct sink_source source;
static struct got got;
static int log_fd;

static void
open_source(void)
{
	memset(&got, 0, sizeof got);
	log_fd = log_dir_open(journal_dir, false);
	ck_assert_int_ne(log_fd, -1);
	sink_source_open(&source, &region, log_fd);
}

static void
begin_at_durable(void)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		uint64_t pos, seq;

		ck_assert(cursor_load(&region.journal->stream[i].durable, &pos, &seq));
		sink_source_begin(&source, i, pos, seq);
		got.next_seq[i] = seq;
	}
}

static void
limit_at_durable(void)
{
	for (uint32_t i = 0; i < SLOTS; i++)
		sink_source_limit(&source, i, cursor_pos(&region.journal->stream[i].durable));
}

/* Everything below the limits; the number of frames. */
static uint64_t
read_all(void)
{
	struct sink_source_item item;
	uint64_t n = 0;

	for (int idle = 0; idle < 8;) {
		switch (sink_source_next(&source, &item)) {
		case SINK_SOURCE_END:
			idle++;
			continue;
		case SINK_SOURCE_FRAME:
			got.bad += item.h.seq != got.next_seq[item.stream] ||
			    item.h.stream != item.stream ||
			    item.to != item.from + item.h.frame_len ||
			    frame_check_crc(item.frame, &item.h) != FRAME_OK;
			got.next_seq[item.stream] = item.h.seq + 1;
			got.events[item.stream]++;
			n++;
			break;
		case SINK_SOURCE_LOST:
			got.lost[item.stream] += item.count;
			got.next_seq[item.stream] += item.count;
			break;
		case SINK_SOURCE_HOP:
			got.hops++;
			break;
		default:
			got.bad++;
		}
		idle = 0;
	}
	return n;
}

static void
put_durable(uint32_t i, unsigned n)
{
	/* A ring of 256 KiB holds about a thousand of these. */
	while (n > 0) {
		unsigned some = n < 500 ? n : 500;

		put_many(i, some);
		bell_ring_anyway(env.journal_bell);
		wait_for(is_durable(i));
		n -= some;
	}
}

START_TEST(frames_come_from_the_rings_in_order_up_to_the_limit)
{
	start();
	wait_ready();
	take_slots();
	open_source();
	begin_at_durable();
	put_durable(0, 300);
	put_durable(1, 200);
	ck_assert_uint_eq(read_all(), 0); /* the limits stand where they began */
	limit_at_durable();
	ck_assert_uint_eq(read_all(), 500);
	ck_assert_uint_eq(got.events[0], 300);
	ck_assert_uint_eq(got.bad, 0);
	ck_assert_uint_eq(source.log_frames, 0);
}
END_TEST

START_TEST(who_was_overrun_reads_the_log_and_then_the_rings_again)
{
	start();
	wait_ready();
	take_slots();
	open_source();
	begin_at_durable();
	put_durable(0, 5000);
	put_durable(1, 100);
	limit_at_durable();
	ck_assert_uint_eq(read_all(), 5100);
	ck_assert_uint_eq(got.bad, 0);
	ck_assert_uint_ge(source.log_frames, 4000);
	ck_assert(!source.is_log);
	put_durable(1, 50);
	limit_at_durable();
	ck_assert_uint_eq(read_all(), 50);
	ck_assert_uint_ge(source.ring_frames, 50);
	ck_assert_uint_eq(got.bad + got.lost[0] + got.lost[1], 0);
}
END_TEST

START_TEST(a_frame_of_the_log_waits_for_its_limit)
{
	uint64_t half, seq;

	start();
	wait_ready();
	take_slots();
	open_source();
	begin_at_durable();
	put_durable(0, 2500);
	ck_assert(cursor_load(&region.journal->stream[0].durable, &half, &seq));
	put_durable(0, 2500);
	sink_source_limit(&source, 0, half);
	ck_assert_uint_eq(read_all(), 2500);
	limit_at_durable();
	ck_assert_uint_eq(read_all(), 2500);
	ck_assert_uint_eq(got.bad, 0);
}
END_TEST

START_TEST(what_becomes_wanted_later_was_not_passed_in_the_log)
{
	uint64_t half, seq;

	start();
	wait_ready();
	take_slots();
	open_source();
	begin_at_durable();
	put_durable(1, 3000);
	ck_assert(cursor_load(&region.journal->stream[1].durable, &half, &seq));
	put_durable(0, 3000);
	/* Stream 0 is overrun and read from the log; nobody wants stream 1 yet. */
	sink_source_limit(&source, 0, cursor_pos(&region.journal->stream[0].durable));
	(void)read_all();
	limit_at_durable();
	(void)read_all();
	ck_assert_uint_eq(got.events[0], 3000);
	ck_assert_uint_eq(got.events[1], 3000);
	ck_assert_uint_eq(got.bad + got.lost[0] + got.lost[1], 0);
	/* Begun anew while reading the log, and wanted only later. */
	source.is_log = true;
	sink_source_begin(&source, 0, source.stream[0].pos, source.stream[0].seq);
	ck_assert_uint_eq(read_all(), 0);
	put_durable(0, 3000);
	ck_assert_uint_eq(read_all(), 0);
	put_durable(0, 3000);
	limit_at_durable();
	ck_assert_uint_eq(read_all(), 6000);
	ck_assert_uint_eq(got.bad + got.lost[0] + got.lost[1], 0);
}
END_TEST

START_TEST(one_stream_is_read_alone_whatever_stands_between)
{
	uint64_t from[2], seq[2];

	start();
	wait_ready();
	take_slots();
	open_source();
	begin_at_durable();
	for (int i = 0; i < 2; i++)
		ck_assert(cursor_load(&region.journal->stream[i].durable, &from[i], &seq[i]));
	for (int i = 0; i < 10; i++) {
		put_durable(0, 250);
		put_durable(1, 250);
	}
	for (uint32_t i = 0; i < 2; i++) {
		sink_source_begin(&source, i, from[i], seq[i]);
		sink_source_only(&source, i);
		sink_source_limit(&source, i, cursor_pos(&region.journal->stream[i].durable));
		ck_assert_uint_eq(read_all(), 2500);
		ck_assert_uint_eq(got.events[i], 2500);
	}
	sink_source_all(&source);
	put_durable(0, 10);
	put_durable(1, 10);
	limit_at_durable();
	ck_assert_uint_eq(read_all(), 20);
	ck_assert_uint_eq(got.bad + got.lost[0] + got.lost[1], 0);
}
END_TEST

START_TEST(a_position_before_the_logs_beginning_expires_with_its_count)
{
	struct sink_source_item item;

	start();
	wait_ready();
	take_slots();
	put_durable(0, 9000); /* more than one segment of a MiB */
	open_source();
	begin_at_durable();
	/* As retention does it: the oldest segment goes, then the word. */
	ck_assert_int_eq(end_with(SIGTERM), 0);
	ck_assert_int_eq(unlinkat(log_fd, "00000001.log", 0), 0);
	word_store(&region.journal->stream[0].oldest, in[0].tail);
	sink_source_begin(&source, 0, 0, 0);
	got.next_seq[0] = 0;
	limit_at_durable();
	ck_assert_uint_ge(read_all(), 1);
	ck_assert_uint_gt(got.lost[0], 0);
	ck_assert_uint_eq(got.lost[0] + got.events[0], 9000);
	ck_assert_uint_eq(got.bad, 0);
	ck_assert_int_eq(sink_source_next(&source, &item), SINK_SOURCE_END);
}
END_TEST

START_TEST(one_frame_is_read_again_from_ring_and_log)
{
	uint64_t first = 0, seq, last;
	struct frame_header h;

	start();
	wait_ready();
	take_slots();
	ck_assert(cursor_load(&region.journal->stream[0].durable, &first, &seq));
	put_durable(0, 4000);
	last = in[0].tail;
	put_durable(0, 1);
	open_source();
	ck_assert_ptr_nonnull(sink_source_reread(&source, 0, first, &h));
	ck_assert_uint_eq(h.pos, first);
	ck_assert_ptr_nonnull(sink_source_reread(&source, 0, last, &h));
	ck_assert_uint_eq(h.pos, last);
	ck_assert_ptr_null(sink_source_reread(&source, 0, last + 8, &h));
}
END_TEST

START_TEST(after_a_lost_region_what_was_durable_is_read_and_nothing_twice)
{
	start();
	wait_ready();
	take_slots();
	put_durable(0, 700);
	put_durable(1, 300);
	ck_assert_int_eq(end_with(SIGKILL), SIGKILL);
	make_region();
	start();
	wait_ready();
	take_slots();
	put_durable(0, 10);
	open_source();
	for (uint32_t i = 0; i < SLOTS; i++)
		sink_source_begin(&source, i, 0, 0);
	limit_at_durable();
	ck_assert_uint_eq(read_all(), 1010);
	ck_assert_uint_eq(got.bad, 0);
	ck_assert_uint_eq(got.lost[0] + got.lost[1], 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sink_source");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, frames_come_from_the_rings_in_order_up_to_the_limit);
	tcase_add_test(t, who_was_overrun_reads_the_log_and_then_the_rings_again);
	tcase_add_test(t, a_frame_of_the_log_waits_for_its_limit);
	tcase_add_test(t, what_becomes_wanted_later_was_not_passed_in_the_log);
	tcase_add_test(t, one_stream_is_read_alone_whatever_stands_between);
	tcase_add_test(t, a_position_before_the_logs_beginning_expires_with_its_count);
	tcase_add_test(t, one_frame_is_read_again_from_ring_and_log);
	tcase_add_test(t, after_a_lost_region_what_was_durable_is_read_and_nothing_twice);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	int failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
