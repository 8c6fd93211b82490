/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_log - the log's format, its torn ends, its damage, its readers
 */
#include "log_fixture.h"

#include <check.h>

static struct lf *f;

static void
setup(void)
{
	f = lf_new();
}

static void
teardown(void)
{
	lf_free(f);
}

static uint64_t
sum(const struct lf_seen *s)
{
	return s->events[0] + s->events[1] + s->events[2];
}

START_TEST(names_are_eight_hexadecimal_digits)
{
	static const struct {
		const char *name;
		uint32_t number;
	} cases[] = {{"00000001.log", 1}, {"0000abcd.log", 0xabcd}, {"ffffffff.log", 0xffffffff},
	    {"00000000.log", 0}, {"0000ABCD.log", 0}, {"0000001.log", 0}, {"00000001.lo", 0},
	    {"00000001.logx", 0}, {"spare.zero", 0}, {"", 0}};
	char name[LOG_DIR_NAME_LEN];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_uint_eq(log_dir_number(cases[i].name), cases[i].number);
	log_dir_name(0xabcd, name);
	ck_assert_str_eq(name, "0000abcd.log");
}
END_TEST

START_TEST(any_flipped_bit_of_a_header_is_seen)
{
	struct log_segment_header *h = xcalloc(1, sizeof *h);
	uint8_t *at = (uint8_t *)h;
	unsigned taken = 0;

	h->number = 5;
	h->prev = 4;
	h->prev_end = LOG_HEADER_LEN;
	log_format_seal_segment(h);
	ck_assert_int_eq(log_format_check_segment(h, 5), LOG_FORMAT_OK);
	ck_assert_int_eq(log_format_check_segment(h, 6), LOG_FORMAT_BAD);
	for (size_t i = 0; i < sizeof *h; i += i < 300 ? 1 : 97) {
		at[i] ^= 0x10;
		taken += log_format_check_segment(h, 5) == LOG_FORMAT_OK;
		at[i] ^= 0x10;
	}
	ck_assert_uint_eq(taken, 0);
	h->format = LOG_FORMAT + 1;
	h->crc = 0;
	free(h);
}
END_TEST

START_TEST(any_flipped_bit_of_a_chunk_header_is_seen)
{
	const struct log_format_place place = {
	    .segment = 3, .salt = 77, .off = 20000, .limit = 30000};
	struct log_chunk c = {.salt = 77,
	    .commit = 9,
	    .commit_off = 20000,
	    .commit_len = 512,
	    .count = 1,
	    .segment = 3,
	    .from = 800,
	    .to = 1200,
	    .len = 400,
	    .events = 1};
	struct log_chunk out;
	uint8_t *at = (uint8_t *)&c;
	unsigned taken = 0;

	log_format_seal_chunk(&c);
	ck_assert_int_eq(log_format_check_chunk(at, &place, &out), LOG_FORMAT_OK);
	for (size_t i = 0; i < 8 * sizeof c; i++) {
		at[i / 8] ^= (uint8_t)(1 << i % 8);
		taken += log_format_check_chunk(at, &place, &out) == LOG_FORMAT_OK;
		at[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	ck_assert_uint_eq(taken, 0);
}
END_TEST

/* Each sealed anew, so that only the field itself can be wrong. */
START_TEST(a_chunk_that_does_not_fit_its_place_is_refused)
{
	static const struct {
		size_t off;
		uint64_t value;
	} wrong[] = {{offsetof(struct log_chunk, salt), 78},
	    {offsetof(struct log_chunk, commit_off), 20008},
	    {offsetof(struct log_chunk, commit_off), LOG_HEADER_LEN - 8},
	    {offsetof(struct log_chunk, commit_off), 19999},
	    {offsetof(struct log_chunk, commit_len), 504},
	    {offsetof(struct log_chunk, commit_len), 10008},
	    {offsetof(struct log_chunk, commit_len), UINT64_MAX - 7},
	    {offsetof(struct log_chunk, len), 0}, {offsetof(struct log_chunk, len), 408},
	    {offsetof(struct log_chunk, len), 399},
	    {offsetof(struct log_chunk, len), UINT64_MAX - 7},
	    {offsetof(struct log_chunk, to), 1208},
	    {offsetof(struct log_chunk, index), 1 | 1ull << 32},
	    {offsetof(struct log_chunk, stream), LOG_STREAMS | 3ull << 32},
	    {offsetof(struct log_chunk, stream), 0 | 4ull << 32}};
	const struct log_format_place place = {
	    .segment = 3, .salt = 77, .off = 20000, .limit = 30000};
	unsigned taken = 0;

	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct log_chunk c = {.salt = 77,
		    .commit = 9,
		    .commit_off = 20000,
		    .commit_len = 512,
		    .count = 1,
		    .segment = 3,
		    .from = 800,
		    .to = 1200,
		    .len = 400,
		    .events = 1};
		struct log_chunk out;

		memcpy((uint8_t *)&c + wrong[i].off, &wrong[i].value, 8);
		log_format_seal_chunk(&c);
		taken += log_format_check_chunk((uint8_t *)&c, &place, &out) == LOG_FORMAT_OK;
	}
	ck_assert_uint_eq(taken, 0);
}
END_TEST

START_TEST(the_next_block_is_above_all_a_ring_may_have_held)
{
	static const uint64_t cap = 64u << 20;
	static const struct {
		uint64_t end, block;
	} cases[] = {{0, 1}, {8, 1}, {LOG_BLOCK - (64u << 20) - 8, 1}, {LOG_BLOCK - (64u << 20), 2},
	    {LOG_BLOCK - 8, 2}, {LOG_BLOCK, 2}, {LOG_BLOCK + 8, 2}, {5 * LOG_BLOCK + 4096, 6}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t next = log_format_next_block(cases[i].end, cap);

		ck_assert_uint_eq(next, cases[i].block * LOG_BLOCK);
		ck_assert_uint_gt(next, cases[i].end + cap);
	}
}
END_TEST

START_TEST(what_is_committed_is_read_once_and_whole)
{
	struct lf_seen seen;

	for (int i = 0; i < 200; i++)
		lf_commit(f, i % 3, 1 + i % 5, i % 7 == 0 ? 30 : 0);
	lf_read(f, &seen);
	for (uint32_t s = 0; s < LF_STREAMS; s++)
		ck_assert_uint_eq(seen.events[s], f->stream[s].end_seq);
	ck_assert_uint_eq(seen.bad + seen.corrupt + seen.stats.bad_bytes, 0);
	ck_assert_uint_eq(seen.tail.commit, 200);
	ck_assert_uint_eq(seen.tail.cut_bytes, 0);
}
END_TEST

START_TEST(commits_go_on_in_the_next_segment)
{
	struct lf_seen seen;
	struct stat st;
	int fd;

	while (f->w.number < 4)
		lf_commit(f, 60, 60, 60);
	lf_read(f, &seen);
	ck_assert_uint_eq(sum(&seen), f->stream[0].end_seq * 3);
	ck_assert_uint_eq(seen.bad + seen.corrupt + seen.stats.bad_bytes, 0);
	fd = lf_file(f, 1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_msg(st.st_size < 1 << 20, "a sealed segment is cut to its end");
	close(fd);
}
END_TEST

/* The last commit torn at every byte: the bytes behind were never written. */
START_TEST(a_torn_last_commit_is_all_or_nothing)
{
	static uint8_t last[8192], zeros[8192];
	uint64_t from, to, before;
	unsigned wrong = 0, commits = 0;
	struct lf_seen seen;

	lf_commit(f, 3, 2, 1);
	lf_commit(f, 2, 2, 2);
	from = f->w.off;
	before = f->stream[0].end_seq + f->stream[1].end_seq + f->stream[2].end_seq;
	lf_commit(f, 3, 1, 2);
	to = f->w.off;
	ck_assert_uint_le(to - from, sizeof last);
	lf_poke(f, 1, from, zeros, last, to - from);
	for (uint64_t n = 0; n <= to - from; n++) {
		/* The last byte of a commit may be padding: zero anyway. */
		bool is_whole = memcmp(last + n, zeros, to - from - n) == 0;

		lf_poke(f, 1, from, last, NULL, n);
		lf_read(f, &seen);
		wrong += sum(&seen) != (is_whole ? before + 6 : before) || seen.bad != 0 ||
			 seen.corrupt != 0 || seen.stats.bad_bytes != 0;
		commits += seen.tail.commit == (is_whole ? 3 : 2);
		lf_poke(f, 1, from, zeros, NULL, n);
	}
	ck_assert_uint_eq(wrong, 0);
	ck_assert_uint_eq(commits, to - from + 1);
}
END_TEST

/* Pages reach the disk in any order: a hole of zeros anywhere in the last commit. */
START_TEST(a_hole_in_the_last_commit_cuts_it_and_only_it)
{
	static uint8_t last[8192], zeros[8192];
	uint64_t from, to, before;
	unsigned wrong = 0;
	struct lf_seen seen;

	lf_commit(f, 3, 2, 1);
	lf_commit(f, 2, 2, 2);
	from = f->w.off;
	before = f->stream[0].end_seq + f->stream[1].end_seq + f->stream[2].end_seq;
	lf_commit(f, 4, 4, 4);
	to = f->w.off;
	for (uint64_t at = from; at < to; at += 64) {
		size_t n = to - at < 512 ? to - at : 512;

		lf_poke(f, 1, at, zeros, last, n);
		lf_read(f, &seen);
		if (memcmp(last, zeros, n) != 0)
			wrong += sum(&seen) != before || seen.bad + seen.corrupt != 0 ||
				 seen.tail.end != from;
		lf_poke(f, 1, at, last, NULL, n);
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* One bad byte anywhere before the last commit: only that frame is lost, and the
 * loss is told. */
START_TEST(damage_before_the_last_commit_costs_what_it_hits)
{
	uint64_t end, all;
	unsigned wrong = 0;
	struct lf_seen seen;

	lf_commit(f, 3, 2, 1);
	lf_commit(f, 2, 2, 2);
	end = f->w.off;
	lf_commit(f, 1, 1, 1);
	all = f->stream[0].end_seq + f->stream[1].end_seq + f->stream[2].end_seq;
	for (uint64_t at = LOG_HEADER_LEN; at < end; at++) {
		uint8_t was, other = 0xff;
		uint64_t lost;

		lf_poke(f, 1, at, &other, &was, 1);
		lf_read(f, &seen);
		lost = all - sum(&seen);
		/* Padding is covered by no CRC and changes nothing; a chunk
		 * header takes its chunk along, a frame only itself. */
		wrong += seen.bad != 0 || lost > 3 || (lost == 0) != (seen.corrupt == 0) ||
			 seen.end[0] != f->stream[0].end || seen.end[1] != f->stream[1].end ||
			 seen.end[2] != f->stream[2].end || seen.tail.commit != 3;
		lf_poke(f, 1, at, &was, NULL, 1);
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(a_segment_with_an_unreadable_header_is_still_read)
{
	struct lf_seen seen;
	const uint8_t junk[64] = "junk";
	uint64_t all;

	while (f->w.number < 3)
		lf_commit(f, 60, 60, 60);
	all = 3 * f->stream[0].end_seq;
	lf_poke(f, 2, 100, junk, NULL, sizeof junk);
	lf_read(f, &seen);
	ck_assert_uint_eq(sum(&seen), all);
	ck_assert_uint_eq(seen.bad + seen.corrupt, 0);
	ck_assert_uint_eq(seen.stats.bad_headers, 1);
}
END_TEST

START_TEST(a_segment_that_is_gone_is_told)
{
	struct lf_seen seen;
	char name[LOG_DIR_NAME_LEN];

	while (f->w.number < 4)
		lf_commit(f, 60, 60, 60);
	log_dir_name(2, name);
	ck_assert_int_eq(unlinkat(f->dirfd, name, 0), 0);
	lf_read(f, &seen);
	ck_assert_uint_eq(seen.corrupt, 3);
	ck_assert_uint_eq(seen.bad, 0);
	ck_assert_uint_eq(seen.end[0], f->stream[0].end);
}
END_TEST

/* A journal that died after its commit and before it published: its successor
 * writes the same frames again. */
START_TEST(a_position_that_lies_there_twice_is_read_once)
{
	struct log_stream before[LOG_STREAMS];
	struct log_writer_place place;
	struct lf_seen seen;

	lf_commit(f, 3, 3, 3);
	memcpy(before, f->stream, sizeof before);
	place = (struct log_writer_place){f->w.number, f->w.off, f->w.number, f->w.commit};
	lf_commit(f, 5, 0, 2); /* on the disk, log_end published, one cursor not */
	place.end = f->w.off;
	place.commit = f->w.commit;
	log_writer_close(&f->w);
	f->stream[0] = before[0];
	lf_open_writer(f, &place);
	lf_commit(f, 6, 1, 1); /* stream 0 again, more of it this time */
	lf_read(f, &seen);
	ck_assert_uint_eq(seen.events[0], 9);
	ck_assert_uint_eq(seen.events[1], 4);
	ck_assert_uint_eq(seen.events[2], 6);
	ck_assert_uint_eq(seen.stats.twice, 5);
	ck_assert_uint_eq(seen.bad + seen.corrupt, 0);
}
END_TEST

/* ... and one that died before it stored log_end: its last commit does not count,
 * whole as it is. */
START_TEST(a_commit_behind_the_published_end_does_not_count)
{
	struct log_stream before[LOG_STREAMS];
	struct log_writer_place place;
	struct lf_seen seen;

	lf_commit(f, 3, 3, 3);
	memcpy(before, f->stream, sizeof before);
	place = (struct log_writer_place){f->w.number, f->w.off, f->w.number, f->w.commit};
	lf_commit(f, 5, 0, 2);
	log_writer_close(&f->w);
	memcpy(f->stream, before, sizeof before);
	lf_open_writer(f, &place);
	lf_commit(f, 1, 1, 1);
	lf_read(f, &seen);
	ck_assert_uint_eq(sum(&seen), 12);
	ck_assert_uint_eq(seen.stats.twice, 0);
	ck_assert_uint_eq(seen.bad + seen.corrupt, 0);
}
END_TEST

/* Two successors in a row: the first died without a published commit, so the
 * second's header names the segment before it. */
START_TEST(a_segment_that_no_header_names_is_no_part_of_the_log)
{
	struct log_stream before[LOG_STREAMS];
	struct log_writer_place place;
	struct lf_seen seen;

	lf_commit(f, 3, 3, 3);
	place = (struct log_writer_place){f->w.number, f->w.off, f->w.number, f->w.commit};
	memcpy(before, f->stream, sizeof before);
	log_writer_close(&f->w);
	lf_open_writer(f, &place);
	lf_commit(f, 2, 2, 2); /* segment 2, never published */
	log_writer_close(&f->w);
	memcpy(f->stream, before, sizeof before);
	place.last_number = 2;
	lf_open_writer(f, &place);
	lf_commit(f, 1, 1, 1);
	ck_assert_uint_eq(f->w.number, 3);
	lf_read(f, &seen);
	ck_assert_uint_eq(sum(&seen), 12);
	ck_assert_uint_eq(seen.bad + seen.corrupt + seen.stats.twice, 0);
}
END_TEST

START_TEST(gaps_are_hopped_and_lie_across_nothing)
{
	uint64_t from = 0, to = LOG_BLOCK;
	struct lf_seen seen;

	lf_commit(f, 2, 2, 2);
	from = f->stream[1].end;
	lf_gap(f, 1, from, to, FRAME_GAP_REGION_LOST);
	lf_commit(f, 1, 3, 1);
	/* A later recovery's note of damage long passed. */
	lf_gap(f, 1, from, from + 800, FRAME_GAP_LOG_CORRUPT);
	lf_read(f, &seen);
	ck_assert_uint_eq(seen.events[1], 5);
	ck_assert_uint_eq(seen.gaps, 1);
	ck_assert_uint_eq(seen.bad + seen.corrupt, 0);
	ck_assert_uint_eq(seen.end[1], f->stream[1].end);
	ck_assert_uint_gt(seen.end[1], LOG_BLOCK);
}
END_TEST

static uint64_t
first_seq(struct log_reader *r, uint32_t stream)
{
	struct log_item item;

	while (log_reader_next(r, &item) == LOG_ITEM_FRAME || item.kind == LOG_ITEM_GAP)
		if (item.kind == LOG_ITEM_FRAME && item.stream == stream)
			return item.h.seq;
	return UINT64_MAX;
}

START_TEST(a_reader_begins_where_it_is_told)
{
	struct log_reader r;
	uint64_t pos, seq, gap_from;

	while (f->w.number < 3)
		lf_commit_at(f, (unsigned[]){20, 20, 20}, f->w.number * 1000 + 1000);
	pos = f->stream[1].end;
	seq = f->stream[1].end_seq;
	lf_commit_at(f, (unsigned[]){1, 9, 1}, 9000);
	gap_from = f->stream[1].end;
	lf_gap(f, 1, gap_from, LOG_BLOCK, FRAME_GAP_REGION_LOST);
	lf_commit_at(f, (unsigned[]){1, 1, 1}, 9500);
	ck_assert_int_eq(log_reader_open(&r, f->dirfd, 0), 0);
	ck_assert_int_eq(log_reader_seek_pos(&r, 1, pos), LOG_READER_FOUND);
	ck_assert_uint_eq(first_seq(&r, 1), seq);
	ck_assert_int_eq(log_reader_seek_pos(&r, 1, pos + 8), LOG_READER_FOUND);
	ck_assert_uint_eq(first_seq(&r, 1), seq);
	ck_assert_int_eq(log_reader_seek_pos(&r, 1, 0), LOG_READER_FOUND);
	ck_assert_uint_eq(first_seq(&r, 1), 0);
	ck_assert_int_eq(log_reader_seek_pos(&r, 1, gap_from + 4096), LOG_READER_IN_GAP);
	ck_assert_uint_eq(first_seq(&r, 1), seq + 9);
	ck_assert_int_eq(log_reader_seek_pos(&r, 1, LOG_BLOCK * 9), LOG_READER_AHEAD);
	ck_assert_int_eq(log_reader_seek_time(&r, 9000), LOG_READER_FOUND);
	ck_assert_uint_eq(first_seq(&r, 1), seq);
	ck_assert_int_eq(log_reader_seek_time(&r, 0), LOG_READER_GONE);
	ck_assert_uint_eq(first_seq(&r, 1), 0);
	ck_assert_int_eq(log_reader_seek_place(&r, 2, 0), LOG_READER_FOUND);
	ck_assert_uint_gt(first_seq(&r, 0), 0);
	ck_assert_int_eq(log_reader_seek_end(&r), LOG_READER_FOUND);
	ck_assert_uint_eq(first_seq(&r, 1), UINT64_MAX);
	log_reader_close(&r);
}
END_TEST

START_TEST(a_reader_follows_up_to_the_published_end)
{
	struct log_reader r;
	struct log_item item;
	uint64_t end, n = 0;

	lf_commit(f, 4, 0, 0);
	end = layout_log_end(f->w.number, f->w.off);
	lf_commit(f, 4, 0, 0);
	ck_assert_int_eq(log_reader_open(&r, f->dirfd, end), 0);
	while (log_reader_next(&r, &item) == LOG_ITEM_FRAME)
		n++;
	ck_assert_uint_eq(n, 4);
	while (f->w.number < 4)
		lf_commit(f, 40, 40, 0);
	end = layout_log_end(f->w.number, f->w.off);
	ck_assert_int_eq(log_reader_refresh(&r, end), 0);
	while (log_reader_next(&r, &item) == LOG_ITEM_FRAME)
		n++;
	ck_assert_int_eq(item.kind, LOG_ITEM_END);
	ck_assert_uint_eq(n, f->stream[0].end_seq + f->stream[1].end_seq);
	lf_commit(f, 1, 0, 0);
	/* Without a region: what is whole on the disk. */
	ck_assert_int_eq(log_reader_refresh(&r, 0), 0);
	ck_assert_int_eq(log_reader_next(&r, &item), LOG_ITEM_FRAME);
	ck_assert_int_eq(log_reader_next(&r, &item), LOG_ITEM_END);
	log_reader_close(&r);
}
END_TEST

START_TEST(what_retention_removes_under_a_reader_is_expired_not_damaged)
{
	struct log_reader r;
	struct log_item item;
	uint64_t events = 0, expired = 0, other = 0;

	while (f->w.number < 5)
		lf_commit(f, 60, 60, 60);
	ck_assert_int_eq(log_reader_open(&r, f->dirfd, 0), 0);
	ck_assert_int_eq(log_reader_next(&r, &item), LOG_ITEM_FRAME);
	events++;
	for (uint32_t i = 1; i <= 3; i++) {
		char name[LOG_DIR_NAME_LEN];

		log_dir_name(i, name);
		ck_assert_int_eq(unlinkat(f->dirfd, name, 0), 0);
	}
	while (log_reader_next(&r, &item) != LOG_ITEM_END) {
		events += item.kind == LOG_ITEM_FRAME;
		expired += item.kind == LOG_ITEM_EXPIRED;
		other += item.kind != LOG_ITEM_FRAME && item.kind != LOG_ITEM_EXPIRED;
	}
	ck_assert_uint_eq(expired, LF_STREAMS);
	ck_assert_uint_eq(other, 0);
	ck_assert_uint_gt(events, 0);
	ck_assert_uint_eq(r.next[0], f->stream[0].end);
	log_reader_close(&r);
}
END_TEST

/* One event that fills exactly `room` bytes of a segment, header included. */
static void
commit_of(uint64_t room)
{
	struct frame_header h = {
	    .type = FRAME_EVENT, .pos = f->stream[0].end, .seq = f->stream[0].end_seq};
	size_t body = room - LOG_CHUNK_LEN - sizeof h;
	struct log_part p = {.frames = f->buf[0],
	    .from = h.pos,
	    .first_seq = h.seq,
	    .events = 1,
	    .len = frame_len_for(0, body)};

	memcpy(f->buf[0], &h, sizeof h);
	memset(f->buf[0] + sizeof h, 'x', body);
	frame_seal(f->buf[0], 0, (uint32_t)body);
	p.to = p.from + p.len;
	ck_assert_int_eq(log_writer_commit(&f->w, &p, 1, 5000), LOG_WRITER_OK);
	lf_moved(f, &p, 1);
}

/* One that is as long as the rest of the segment, 8 bytes less, 8 bytes more. */
START_TEST(a_commit_never_spans_segments)
{
	struct lf_seen seen;

	for (int d = -8; d <= 8; d += 8) {
		uint32_t number;

		lf_commit(f, 1, 0, 0);
		while (log_writer_room(&f->w) > 60000)
			lf_commit(f, 100, 0, 0);
		number = f->w.number;
		commit_of(log_writer_room(&f->w) + (uint64_t)d);
		ck_assert_uint_eq(f->w.number, d > 0 ? number + 1 : number);
		if (d <= 0)
			ck_assert_uint_eq(log_writer_room(&f->w), (uint64_t)-d);
	}
	lf_read(f, &seen);
	ck_assert_uint_eq(seen.events[0], f->stream[0].end_seq);
	ck_assert_uint_eq(seen.corrupt + seen.stats.bad_bytes, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("log");
	TCase *c = tcase_create("log");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 120);
	tcase_add_test(c, names_are_eight_hexadecimal_digits);
	tcase_add_test(c, any_flipped_bit_of_a_header_is_seen);
	tcase_add_test(c, any_flipped_bit_of_a_chunk_header_is_seen);
	tcase_add_test(c, a_chunk_that_does_not_fit_its_place_is_refused);
	tcase_add_test(c, the_next_block_is_above_all_a_ring_may_have_held);
	tcase_add_test(c, what_is_committed_is_read_once_and_whole);
	tcase_add_test(c, commits_go_on_in_the_next_segment);
	tcase_add_test(c, a_torn_last_commit_is_all_or_nothing);
	tcase_add_test(c, a_hole_in_the_last_commit_cuts_it_and_only_it);
	tcase_add_test(c, damage_before_the_last_commit_costs_what_it_hits);
	tcase_add_test(c, a_segment_with_an_unreadable_header_is_still_read);
	tcase_add_test(c, a_segment_that_is_gone_is_told);
	tcase_add_test(c, a_position_that_lies_there_twice_is_read_once);
	tcase_add_test(c, a_commit_behind_the_published_end_does_not_count);
	tcase_add_test(c, a_segment_that_no_header_names_is_no_part_of_the_log);
	tcase_add_test(c, gaps_are_hopped_and_lie_across_nothing);
	tcase_add_test(c, a_reader_begins_where_it_is_told);
	tcase_add_test(c, a_reader_follows_up_to_the_published_end);
	tcase_add_test(c, what_retention_removes_under_a_reader_is_expired_not_damaged);
	tcase_add_test(c, a_commit_never_spans_segments);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
