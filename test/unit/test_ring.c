/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_ring - the ring, poked: wrap, full, exactly full, 2^64, hostile bytes, guests
 */
#include "shm_fixture.h"

#include <check.h>

#define CAP 65536u

START_TEST(frame_put_is_read_back_whole)
{
	struct fixture *f = fixture_new(CAP, 0);
	uint8_t buf[2048];
	struct frame_header h;

	ck_assert_int_eq(fixture_put(&f->in, 100, NULL), RING_OK);
	ck_assert_int_eq(ring_guest_copy(&f->ring, 0, buf, sizeof buf, &h), RING_OK);
	ck_assert(fixture_is_whole(buf, &h));
	ck_assert_uint_eq(h.seq, 0);
	ck_assert_int_eq(ring_guest_copy(&f->ring, h.frame_len, buf, sizeof buf, &h), RING_EMPTY);
}
END_TEST

START_TEST(frames_run_over_the_end_of_the_ring_without_wrapping)
{
	struct fixture *f = fixture_new(CAP, 0);
	uint64_t pos = 0, seq = 0;
	unsigned bad = 0;

	/* Ten times round, the reader right behind. */
	while (f->in.tail < 10ull * CAP) {
		const uint8_t *at;
		struct frame_header h;

		if (fixture_put(&f->in, fixture_body_len(f->in.seq), NULL) != RING_OK)
			bad++;
		at = ring_at(&f->ring, pos);
		bad += frame_check_header(at, f->in.tail - pos, 3, pos, &h) != FRAME_OK;
		bad += frame_check_crc(at, &h) != FRAME_OK || !fixture_is_whole(at, &h);
		pos += h.frame_len;
		cursor_store(f->gate, pos, ++seq);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(full_ring_refuses_until_the_gate_moves)
{
	struct fixture *f = fixture_new(CAP, 0);
	enum ring_result r;
	uint64_t len, events;

	while ((r = fixture_put(&f->in, 1000, NULL)) == RING_OK)
		;
	ck_assert_int_eq(r, RING_FULL);
	ck_assert_int_eq(ring_walk(&f->ring, 0, 0, f->in.tail, 1, &len, &events), RING_OK);
	ck_assert_uint_eq(events, 1);
	cursor_store(f->gate, len, 1);
	ck_assert_int_eq(fixture_put(&f->in, 1000, NULL), RING_OK);
	ck_assert_int_eq(fixture_put(&f->in, 1000, NULL), RING_FULL);
}
END_TEST

START_TEST(ring_filled_to_the_last_byte_is_still_whole)
{
	struct fixture *f = fixture_new(CAP, 0);
	/* 64 frames of 1024 bytes: exactly the capacity. */
	const size_t body = 1024 - sizeof(struct frame_header);
	uint64_t len, events;

	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(fixture_put(&f->in, body, NULL), RING_OK);
	ck_assert_uint_eq(f->in.tail, CAP);
	ck_assert_int_eq(fixture_put(&f->in, 1, NULL), RING_FULL);
	ck_assert_int_eq(ring_walk(&f->ring, 0, 0, f->in.tail, UINT64_MAX, &len, &events),
	    RING_OK);
	ck_assert_uint_eq(events, 64);
	ck_assert_int_eq(ring_verify(&f->ring, 0, 0), RING_OK);
	cursor_store(f->gate, 1024, 1);
	ck_assert_int_eq(fixture_put(&f->in, body, NULL), RING_OK);
	ck_assert_int_eq(fixture_put(&f->in, body, NULL), RING_FULL);
}
END_TEST

START_TEST(frame_longer_than_a_quarter_is_refused_by_rule)
{
	struct fixture *f = fixture_new(CAP, 0);
	const size_t quarter = CAP / 4 - sizeof(struct frame_header);

	ck_assert_int_eq(fixture_put(&f->in, quarter - 1, NULL), RING_OK);
	ck_assert_int_eq(fixture_put(&f->in, quarter, NULL), RING_OK);
	ck_assert_int_eq(fixture_put(&f->in, quarter + 1, NULL), RING_TOO_LONG);
}
END_TEST

START_TEST(positions_pass_two_to_the_64_like_any_other)
{
	const uint64_t start = UINT64_MAX - 5 * CAP + 1;
	struct fixture *f = fixture_new(CAP, start);
	uint8_t buf[2048];
	uint64_t pos = start, seq = 0;
	unsigned bad = 0;

	while ((int64_t)(pos - start) < (int64_t)(10 * CAP)) {
		struct frame_header h;

		bad += fixture_put(&f->in, fixture_body_len(f->in.seq), NULL) != RING_OK;
		bad += ring_guest_copy(&f->ring, pos, buf, sizeof buf, &h) != RING_OK;
		bad += !fixture_is_whole(buf, &h);
		pos += h.frame_len;
		cursor_store(f->gate, pos, ++seq);
	}
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_lt(f->in.tail, start);
}
END_TEST

START_TEST(guest_that_was_overrun_is_told_so)
{
	struct fixture *f = fixture_new(CAP, 0);
	uint8_t buf[2048];
	struct frame_header h;
	uint64_t len, events;

	ck_assert_int_eq(fixture_put(&f->in, 100, NULL), RING_OK);
	/* Once round and over the first frame. */
	while (f->in.tail <= CAP) {
		ck_assert_int_eq(fixture_put(&f->in, 1000, NULL), RING_OK);
		ck_assert_int_eq(ring_walk(&f->ring, 0, 0, f->in.tail, 0, &len, &events) ==
			    RING_EMPTY,
		    0);
		cursor_store(f->gate, f->in.tail, f->in.seq);
	}
	ck_assert_int_eq(ring_guest_copy(&f->ring, 0, buf, sizeof buf, &h), RING_OVERRUN);
}
END_TEST

START_TEST(guest_is_overrun_by_a_claim_before_any_byte_is_published)
{
	struct fixture *f = fixture_new(CAP, 0);
	const size_t body = 1024 - sizeof(struct frame_header);
	enum ring_result why;
	uint8_t buf[2048];
	struct frame_header h;

	for (int i = 0; i < 64; i++)
		ck_assert_int_eq(fixture_put(&f->in, body, NULL), RING_OK);
	cursor_store(f->gate, f->in.tail, f->in.seq);
	ck_assert_int_eq(ring_guest_copy(&f->ring, 0, buf, sizeof buf, &h), RING_OK);
	ck_assert_ptr_nonnull(ring_reserve(&f->in, 1024, &why));
	ck_assert_int_eq(ring_guest_copy(&f->ring, 0, buf, sizeof buf, &h), RING_OVERRUN);
	ck_assert_int_eq(ring_guest_copy(&f->ring, 1024, buf, sizeof buf, &h), RING_OK);
}
END_TEST

START_TEST(successor_never_lowers_what_its_predecessor_claimed)
{
	struct fixture *f = fixture_new(CAP, 0);
	struct ring_in successor;
	enum ring_result why;
	uint64_t claimed;

	ck_assert_int_eq(fixture_put(&f->in, 10, NULL), RING_OK);
	ck_assert_ptr_nonnull(ring_reserve(&f->in, 8192, &why)); /* and dies here */
	claimed = f->in.claimed;
	ck_assert_int_eq(ring_in_open(&successor, &f->ring, f->gate), RING_OK);
	ck_assert_uint_eq(successor.tail, f->in.tail);
	ck_assert_uint_eq(successor.claimed, claimed);
	ck_assert_int_eq(fixture_put(&successor, 10, NULL), RING_OK);
	ck_assert_uint_eq(atomic_load(&f->ring.words->claimed), claimed);
}
END_TEST

/* What a header may say, and that none of it leads outside or passes. */
struct hostile {
	const char *name;
	size_t off;
	size_t width;
	uint64_t value;
};
static const struct hostile hostile[] = {
	{ "magic", offsetof(struct frame_header, magic), 4, 0 },
	{ "version", offsetof(struct frame_header, version), 1, 9 },
	{ "length 0", offsetof(struct frame_header, frame_len), 4, 0 },
	{ "length 7", offsetof(struct frame_header, frame_len), 4, 7 },
	{ "length of all", offsetof(struct frame_header, frame_len), 4, 0xfffffff8u },
	{ "length unaligned", offsetof(struct frame_header, frame_len), 4, 1001 },
	{ "header length 0", offsetof(struct frame_header, header_len), 2, 0 },
	{ "header length large", offsetof(struct frame_header, header_len), 2, 0xffff },
	{ "attributes large", offsetof(struct frame_header, attrs_len), 4, 0xffffffffu },
	{ "body large", offsetof(struct frame_header, body_len), 4, 0xffffffffu },
	{ "body one more", offsetof(struct frame_header, body_len), 4, 809 },
	{ "stream", offsetof(struct frame_header, stream), 4, 4 },
	{ "position", offsetof(struct frame_header, pos), 8, 8 },
	{ "type 0", offsetof(struct frame_header, type), 1, 0 },
	{ "type 77", offsetof(struct frame_header, type), 1, 77 },
	{ "gap without a body of one", offsetof(struct frame_header, type), 1, FRAME_GAP },
};

START_TEST(hostile_header_is_refused_by_every_reader)
{
	const struct hostile *c = &hostile[_i];
	struct fixture *f = fixture_new(CAP, 0);
	size_t body = c->off == offsetof(struct frame_header, type) && c->value == FRAME_GAP
	    ? 8
	    : 800;
	uint8_t buf[2048];
	struct frame_header h;
	uint64_t len, events;

	ck_assert_int_eq(fixture_put(&f->in, body, NULL), RING_OK);
	memcpy(f->ring.data + c->off, &c->value, c->width);
	ck_assert_msg(ring_guest_copy(&f->ring, 0, buf, sizeof buf, &h) == RING_DAMAGED,
	    "guest took: %s", c->name);
	ck_assert_msg(ring_verify(&f->ring, 0, 0) == RING_DAMAGED, "verify took: %s", c->name);
	ck_assert_msg(ring_walk(&f->ring, 0, 0, f->in.tail, UINT64_MAX, &len, &events) ==
		    RING_DAMAGED,
	    "walk took: %s", c->name);
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(one_flipped_bit_anywhere_is_found)
{
	struct fixture *f = fixture_new(CAP, 0);
	uint8_t buf[2048];
	struct frame_header h;
	size_t used = sizeof h + 300;
	unsigned passed = 0;

	ck_assert_int_eq(fixture_put(&f->in, 300, NULL), RING_OK);
	for (size_t bit = 0; bit < used * 8; bit++) {
		f->ring.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		passed += ring_guest_copy(&f->ring, 0, buf, sizeof buf, &h) == RING_OK;
		f->ring.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	ck_assert_uint_eq(passed, 0);
}
END_TEST

START_TEST(walk_stops_at_the_limit_and_takes_at_least_one)
{
	struct fixture *f = fixture_new(CAP, 0);
	uint64_t len, events;

	for (int i = 0; i < 10; i++)
		ck_assert_int_eq(fixture_put(&f->in, 1024 - sizeof(struct frame_header), NULL),
		    RING_OK);
	ck_assert_int_eq(ring_walk(&f->ring, 0, 0, f->in.tail, 1, &len, &events), RING_OK);
	ck_assert_uint_eq(events, 1);
	ck_assert_int_eq(ring_walk(&f->ring, 0, 0, f->in.tail, 3071, &len, &events), RING_OK);
	ck_assert_uint_eq(events, 2);
	ck_assert_int_eq(ring_walk(&f->ring, 0, 0, f->in.tail, 3072, &len, &events), RING_OK);
	ck_assert_uint_eq(events, 3);
	ck_assert_int_eq(ring_walk(&f->ring, 0, 1, f->in.tail, 3072, &len, &events),
	    RING_DAMAGED);
	ck_assert_int_eq(ring_walk(&f->ring, f->in.tail, 10, f->in.tail, 1, &len, &events),
	    RING_EMPTY);
}
END_TEST

START_TEST(cursor_survives_a_kill_between_its_stores)
{
	struct cursor c;
	uint64_t pos, seq;

	cursor_init(&c, 100, 1);
	cursor_store(&c, 200, 2);
	/* The next store would write the spare mark; die after each half of it. */
	atomic_store(&c.mark[0].pos, 300);
	ck_assert(cursor_load(&c, &pos, &seq));
	ck_assert_uint_eq(pos, 200);
	ck_assert_uint_eq(seq, 2);
	atomic_store(&c.mark[0].seq, 3);
	ck_assert(cursor_load(&c, &pos, &seq));
	ck_assert_uint_eq(seq, 2);
	cursor_store(&c, 400, 4); /* the successor goes elsewhere */
	ck_assert(cursor_load(&c, &pos, &seq));
	ck_assert_uint_eq(pos, 400);
	ck_assert_uint_eq(seq, 4);
	atomic_store(&c.pos, 999);
	ck_assert(!cursor_load(&c, &pos, &seq));
}
END_TEST

START_TEST(writer_refuses_words_that_contradict_each_other)
{
	struct fixture *f = fixture_new(CAP, 0);
	struct ring_in in;

	atomic_store(&f->ring.words->tail.pos, 4096);
	ck_assert_int_eq(ring_in_open(&in, &f->ring, f->gate), RING_DAMAGED);
	cursor_init(&f->ring.words->tail, 2 * CAP, 7); /* more unread than it can hold */
	ck_assert_int_eq(ring_in_open(&in, &f->ring, f->gate), RING_DAMAGED);
}
END_TEST

START_TEST(gap_is_hopped_and_never_backwards)
{
	uint8_t buf[FRAME_GAP_LEN];
	struct frame_header h;

	frame_make_gap(buf, 3, 1000, 5, 1ull << 40, FRAME_GAP_REGION_LOST, 1);
	ck_assert_int_eq(frame_check_header(buf, sizeof buf, 3, 1000, &h), FRAME_OK);
	ck_assert_int_eq(frame_check_crc(buf, &h), FRAME_OK);
	ck_assert_uint_eq(frame_next_pos(buf, &h), 1ull << 40);
	frame_make_gap(buf, 3, 1000, 5, 10, FRAME_GAP_REGION_LOST, 1);
	ck_assert_int_eq(frame_check_header(buf, sizeof buf, 3, 1000, &h), FRAME_OK);
	ck_assert_uint_eq(frame_next_pos(buf, &h), 1000 + h.frame_len);
}
END_TEST

START_TEST(attributes_come_back_and_unknown_ones_are_kept)
{
	uint8_t buf[128];
	struct bytes value;
	uint16_t type;
	size_t off = 0, len = 0;

	len = frame_attr_put(buf, len, sizeof buf, FRAME_ATTR_REQUEST_ID, BYTES_LIT("abcde"));
	len = frame_attr_put(buf, len, sizeof buf, (enum frame_attr)900, BYTES_LIT(""));
	len = frame_attr_put(buf, len, sizeof buf, FRAME_ATTR_USER_AGENT, BYTES_LIT("x"));
	ck_assert_uint_eq(frame_attr_put(buf, len, len + 7, FRAME_ATTR_USER_AGENT,
			      BYTES_LIT("wxyz")),
	    len);
	ck_assert_uint_eq(frame_attr_put(buf, len, len + 8, FRAME_ATTR_USER_AGENT,
			      BYTES_LIT("wxyz")),
	    len + 8);
	ck_assert(frame_attr_next(bytes_of(buf, len), &off, &type, &value));
	ck_assert(type == FRAME_ATTR_REQUEST_ID && bytes_is(value, BYTES_LIT("abcde")));
	ck_assert(frame_attr_next(bytes_of(buf, len), &off, &type, &value));
	ck_assert(type == 900 && value.len == 0);
	ck_assert(frame_attr_next(bytes_of(buf, len), &off, &type, &value));
	ck_assert(!frame_attr_next(bytes_of(buf, len), &off, &type, &value));
	off = 0;
	buf[2] = 0xff; /* a length that runs out of the attributes */
	buf[3] = 0xff;
	ck_assert(!frame_attr_next(bytes_of(buf, len), &off, &type, &value));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ring");
	TCase *t = tcase_create("ring");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_test(t, frame_put_is_read_back_whole);
	tcase_add_test(t, frames_run_over_the_end_of_the_ring_without_wrapping);
	tcase_add_test(t, full_ring_refuses_until_the_gate_moves);
	tcase_add_test(t, ring_filled_to_the_last_byte_is_still_whole);
	tcase_add_test(t, frame_longer_than_a_quarter_is_refused_by_rule);
	tcase_add_test(t, positions_pass_two_to_the_64_like_any_other);
	tcase_add_test(t, guest_that_was_overrun_is_told_so);
	tcase_add_test(t, guest_is_overrun_by_a_claim_before_any_byte_is_published);
	tcase_add_test(t, successor_never_lowers_what_its_predecessor_claimed);
	tcase_add_loop_test(t, hostile_header_is_refused_by_every_reader, 0,
	    (int)(sizeof hostile / sizeof hostile[0]));
	tcase_add_test(t, one_flipped_bit_anywhere_is_found);
	tcase_add_test(t, walk_stops_at_the_limit_and_takes_at_least_one);
	tcase_add_test(t, cursor_survives_a_kill_between_its_stores);
	tcase_add_test(t, writer_refuses_words_that_contradict_each_other);
	tcase_add_test(t, gap_is_hopped_and_never_backwards);
	tcase_add_test(t, attributes_come_back_and_unknown_ones_are_kept);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
