/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_sink_part_threads - a sink's cursors and notices, with threads for processes
 *
 * DESCRIPTION
 *	Run it in the tsan build too, which sees nothing across processes.
 */
#include "shm/sink_part.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#ifdef __SANITIZE_THREAD__
#define TURNS 40000u
#else
#define TURNS 400000u
#endif

static struct sink_part *part;

static void
setup(void)
{
	const struct sink_place zero = { 0 };

	part = aligned_alloc(64, (sizeof *part + 63) & ~(size_t)63);
	ck_assert_ptr_nonnull(part);
	memset(part, 0, sizeof *part);
	sink_cursor_init(&part->stream[1].done, &zero);
}

static void
teardown(void)
{
	free(part);
}

/* Position 8n, n events; every third of them dead, which is noticed before. */
static void *
sink(void *arg)
{
	struct sink_place p = { 0 };

	(void)arg;
	for (uint64_t n = 0; n < TURNS; n++) {
		if (n % 3 == 0)
			sink_part_notice(part, 1, n * 8, SINK_DEAD);
		p.outcome[n % 3 == 0 ? SINK_DEAD : SINK_DELIVERED]++;
		p.pos = (n + 1) * 8;
		p.seq = n + 1;
		sink_cursor_store(&part->stream[1].done, &p);
	}
	return NULL;
}

START_TEST(a_cursor_is_one_fact_while_its_owner_moves_it)
{
	uint64_t bad = 0, looks = 0;
	struct sink_place p = { 0 };
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, sink, NULL), 0);
	while (p.seq < TURNS) {
		if (!sink_cursor_load(&part->stream[1].done, &p))
			continue;
		looks++;
		bad += p.pos != p.seq * 8 ||
		    p.outcome[SINK_DELIVERED] + p.outcome[SINK_DEAD] != p.seq ||
		    p.outcome[SINK_DEAD] != (p.seq + 2) / 3;
	}
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_gt(looks, 0);
}
END_TEST

START_TEST(who_sees_the_cursor_sees_the_notice_or_that_there_were_too_many)
{
	uint64_t bad = 0, found = 0, forgotten = 0, since = 0, from = 0;
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, sink, NULL), 0);
	while (from < TURNS * UINT64_C(8)) {
		uint64_t to = sink_cursor_pos(&part->stream[1].done), expect;
		struct sink_found at[SINK_PART_NOTICES];
		size_t n = 0;

		if (to == from)
			continue;
		/* Multiples of 24 in [from, to). */
		expect = (to + 23) / 24 - (from + 23) / 24;
		if (!sink_part_collect(part, since, 1, from, to, at, SINK_PART_NOTICES, &n)) {
			forgotten++;
		} else {
			bad += n != expect;
			for (size_t i = 0; i < n; i++)
				bad += at[i].pos % 24 != 0 || at[i].what != SINK_DEAD;
			found += n;
		}
		from = to;
		since = (to + 23) / 24; /* notices before `to` */
	}
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_gt(found + forgotten, 0);
}
END_TEST

/* Words under a guard are plain bytes: a race by design, so not for tsan. */
#ifndef __SANITIZE_THREAD__
static void *
talker(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < TURNS; i++)
		sink_text_store(&part->reason, i % 2 == 0 ? "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
							  : "bbbbbbbbbbbbbbbbbbbbb");
	return NULL;
}

START_TEST(a_sentence_is_read_whole)
{
	uint64_t bad = 0;
	pthread_t t;
	char buf[200];

	sink_text_store(&part->reason, "bbbbbbbbbbbbbbbbbbbbb");
	ck_assert_int_eq(pthread_create(&t, NULL, talker, NULL), 0);
	for (unsigned i = 0; i < TURNS / 4; i++)
		if (sink_text_load(&part->reason, buf, sizeof buf))
			bad += strspn(buf, "a") != 36 && strspn(buf, "b") != 21;
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_uint_eq(bad, 0);
}
END_TEST
#endif

int
main(void)
{
	Suite *s = suite_create("sink_part");
	TCase *t = tcase_create("all");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 120);
	tcase_add_test(t, a_cursor_is_one_fact_while_its_owner_moves_it);
	tcase_add_test(t, who_sees_the_cursor_sees_the_notice_or_that_there_were_too_many);
#ifndef __SANITIZE_THREAD__
	tcase_add_test(t, a_sentence_is_read_whole);
#endif
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed != 0;
}
