/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_checkpoint - torn at every byte, and what retention makes of it
 */
#include "common/panic.h"
#include "shm/layout.h"
#include "workers/checkpoint.h"
#include "workers/log_retain.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR (3600ull * 1000000000)
#define NOW  (1000 * HOUR)

static char dir[64];
static int top;

static void
setup(void)
{
	(void)snprintf(dir, sizeof dir, "/tmp/checkpoint.XXXXXX");
	assert_that(mkdtemp(dir) != NULL);
	top = open(dir, O_RDONLY | O_DIRECTORY);
	assert_that(top != -1);
}

static void
remove_path(const char *name, int flags)
{
	(void)unlinkat(top, name, flags);
}

static void
teardown(void)
{
	remove_path("cursors", 0);
	remove_path("sinks/kafka/checkpoint", 0);
	remove_path("sinks/broken/checkpoint", 0);
	remove_path("sinks/kafka", AT_REMOVEDIR);
	remove_path("sinks/broken", AT_REMOVEDIR);
	remove_path("sinks/new", AT_REMOVEDIR);
	remove_path("sinks", AT_REMOVEDIR);
	close(top);
	(void)rmdir(dir);
}

static void
fill(struct checkpoint *c, uint64_t n)
{
	memset(c, 0, sizeof *c);
	c->commit = n;
	c->streams = 4;
	for (uint64_t i = 0; i < 4; i++)
		c->stream[i] = (struct checkpoint_stream){n * 1000 + i, n};
}

START_TEST(the_newer_one_is_read)
{
	struct checkpoint_file f;
	struct checkpoint c, got;

	ck_assert_int_eq(checkpoint_read(top, "cursors", &got), CHECKPOINT_ABSENT);
	checkpoint_open(&f, top, "cursors");
	for (uint64_t n = 1; n < 8; n++) {
		fill(&c, n);
		ck_assert_int_eq(checkpoint_write(&f, &c), 0);
		ck_assert_int_eq(checkpoint_read(top, "cursors", &got), CHECKPOINT_OK);
		ck_assert_uint_eq(got.commit, n);
		ck_assert_uint_eq(got.stream[3].pos, n * 1000 + 3);
		if (n == 4) { /* a successor */
			checkpoint_close(&f);
			checkpoint_open(&f, top, "cursors");
			ck_assert_uint_eq(f.serial, 4);
		}
	}
	checkpoint_close(&f);
}
END_TEST

/* The slot that is being written may hold anything up to any byte. */
START_TEST(a_slot_torn_at_any_byte_leaves_the_other)
{
	static uint8_t new_one[CHECKPOINT_SLOT_LEN], old_one[CHECKPOINT_SLOT_LEN];
	struct checkpoint_file f;
	struct checkpoint c, got;
	unsigned wrong = 0;
	int fd;

	checkpoint_open(&f, top, "cursors");
	for (uint64_t n = 1; n <= 4; n++) {
		fill(&c, n);
		ck_assert_int_eq(checkpoint_write(&f, &c), 0);
	}
	fd = openat(top, "cursors", O_RDWR);
	ck_assert_int_eq(
	    pread(fd, old_one, sizeof old_one, CHECKPOINT_SLOT_LEN), CHECKPOINT_SLOT_LEN);
	fill(&c, 5);
	ck_assert_int_eq(checkpoint_write(&f, &c), 0);
	ck_assert_int_eq(
	    pread(fd, new_one, sizeof new_one, CHECKPOINT_SLOT_LEN), CHECKPOINT_SLOT_LEN);
	for (size_t n = 0; n <= sizeof new_one; n++) {
		bool is_whole = memcmp(new_one + n, old_one + n, sizeof new_one - n) == 0;

		ck_assert(pwrite(fd, new_one, n, CHECKPOINT_SLOT_LEN) == (ssize_t)n);
		ck_assert(pwrite(fd, old_one + n, sizeof new_one - n,
			      (off_t)(CHECKPOINT_SLOT_LEN + n)) == (ssize_t)(sizeof new_one - n));
		/* Torn: slot 0 with 4; whole: 5; untouched: 4 is newer than 3. */
		wrong += checkpoint_read(top, "cursors", &got) != CHECKPOINT_OK ||
			 got.commit != (is_whole ? 5 : 4);
	}
	ck_assert_uint_eq(wrong, 0);
	close(fd);
	checkpoint_close(&f);
}
END_TEST

START_TEST(a_file_that_is_nothing_is_bad_and_is_made_anew)
{
	struct checkpoint_file f;
	struct checkpoint c, got;
	int fd = openat(top, "cursors", O_RDWR | O_CREAT, 0600);

	ck_assert_int_eq(write(fd, "hello", 5), 5);
	close(fd);
	ck_assert_int_eq(checkpoint_read(top, "cursors", &got), CHECKPOINT_BAD);
	checkpoint_open(&f, top, "cursors");
	fill(&c, 1);
	ck_assert_int_eq(checkpoint_write(&f, &c), 0);
	ck_assert_int_eq(checkpoint_read(top, "cursors", &got), CHECKPOINT_OK);
	checkpoint_close(&f);
}
END_TEST

/*---------------------------------------------------------------------------*
 * retention
 *---------------------------------------------------------------------------*/

static const struct log_retain_rules rules = {
    .retain_ns = 24 * HOUR, .window_ns = HOUR, .max_disk_bytes = 1000};

START_TEST(a_segment_goes_when_age_and_window_allow)
{
	static const struct {
		uint64_t born, bytes;
		enum log_hold hold;
	} cases[] = {
	    {NOW + HOUR, 0, LOG_HOLD_WINDOW}, /* the clock went back */
	    {NOW, 0, LOG_HOLD_WINDOW},
	    {NOW - HOUR, 5000, LOG_HOLD_WINDOW}, /* max-disk does not break the window */
	    {NOW - HOUR - 1, 1001, LOG_HOLD_NONE},
	    {NOW - HOUR - 1, 1000, LOG_HOLD_RETAIN},
	    {NOW - 24 * HOUR, 1000, LOG_HOLD_RETAIN},
	    {NOW - 24 * HOUR - 1, 0, LOG_HOLD_NONE},
	};
	struct log_segment_header *h = xcalloc(1, sizeof *h);
	struct log_retain_answer a;
	struct log_retain r;

	log_retain_init(&r, &rules);
	log_retain_ask(&r, NULL, 0, 9999, NOW, &a);
	ck_assert_int_eq(a.hold, LOG_HOLD_ACTIVE);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		h->created_ns = cases[i].born;
		log_retain_ask(&r, h, h->created_ns, cases[i].bytes, NOW, &a);
		ck_assert_msg(a.hold == cases[i].hold, "case %zu: %d", i, a.hold);
	}
	log_retain_free(&r);
	free(h);
}
END_TEST

static void
make_sink(const char *name, uint64_t pos)
{
	struct checkpoint c = {.streams = 3, .stream = {{500, 1}, {pos, 1}, {0, 0}}};
	struct checkpoint_file f;
	char path[80];
	int fd;

	(void)snprintf(path, sizeof path, "sinks/%s", name);
	(void)mkdirat(top, "sinks", 0700);
	ck_assert_int_eq(mkdirat(top, path, 0700), 0);
	fd = openat(top, path, O_RDONLY | O_DIRECTORY);
	checkpoint_open(&f, fd, "checkpoint");
	ck_assert_int_eq(checkpoint_write(&f, &c), 0);
	checkpoint_close(&f);
	close(fd);
}

START_TEST(a_sink_holds_what_it_has_not_read)
{
	struct log_segment_header *h = xcalloc(1, sizeof *h);
	struct log_retain_answer a;
	struct log_retain r;
	int fd;

	h->created_ns = NOW - 100 * HOUR;
	h->stream[0].end = 500;
	h->stream[1].end = 800;
	log_retain_init(&r, &rules);
	log_retain_load_sinks(&r, dir);
	log_retain_ask(&r, h, h->created_ns, 5000, NOW, &a);
	ck_assert_int_eq(a.hold, LOG_HOLD_NONE);

	make_sink("kafka", 799);
	ck_assert_int_eq(mkdirat(top, "sinks/new", 0700), 0); /* has read nothing, asks nothing */
	log_retain_load_sinks(&r, dir);
	ck_assert_uint_eq(r.n_sinks, 1);
	log_retain_ask(&r, h, h->created_ns, 5000, NOW, &a);
	ck_assert_int_eq(a.hold, LOG_HOLD_SINK);
	ck_assert_str_eq(a.sink->name, "kafka");
	ck_assert_uint_eq(a.stream, 1);
	ck_assert_uint_eq(a.pos, 799);

	h->stream[1].end = 799;
	log_retain_ask(&r, h, h->created_ns, 5000, NOW, &a);
	ck_assert_int_eq(a.hold, LOG_HOLD_NONE);

	ck_assert_int_eq(mkdirat(top, "sinks/broken", 0700), 0);
	fd = openat(top, "sinks/broken/checkpoint", O_WRONLY | O_CREAT, 0600);
	ck_assert_int_eq(write(fd, "?", 1), 1);
	close(fd);
	log_retain_load_sinks(&r, dir);
	log_retain_ask(&r, h, h->created_ns, 5000, NOW, &a);
	ck_assert_int_eq(a.hold, LOG_HOLD_SINK);
	ck_assert(a.sink->is_bad);
	log_retain_free(&r);
	free(h);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("checkpoint");
	TCase *c = tcase_create("checkpoint");
	SRunner *r;
	int failed;

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_set_timeout(c, 60);
	tcase_add_test(c, the_newer_one_is_read);
	tcase_add_test(c, a_slot_torn_at_any_byte_leaves_the_other);
	tcase_add_test(c, a_file_that_is_nothing_is_bad_and_is_made_anew);
	tcase_add_test(c, a_segment_goes_when_age_and_window_allow);
	tcase_add_test(c, a_sink_holds_what_it_has_not_read);
	suite_add_tcase(s, c);
	r = srunner_create(s);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
