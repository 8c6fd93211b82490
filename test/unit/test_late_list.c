/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_late_list - cut at every byte, killed between any two steps, read while written
 */
#include "common/panic.h"
#include "workers/late_list.h"
#include "workers/late_list_parts.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], claimer_dir[128];
static int top;

static void
setup(void)
{
	(void)snprintf(dir, sizeof dir, "/tmp/late_list.XXXXXX");
	assert_that(mkdtemp(dir) != NULL);
	(void)snprintf(claimer_dir, sizeof claimer_dir, "%s/sinks", dir);
	assert_that(mkdir(claimer_dir, 0700) == 0);
	(void)snprintf(claimer_dir, sizeof claimer_dir, "%s/sinks/claims", dir);
	assert_that(mkdir(claimer_dir, 0700) == 0);
	top = open(claimer_dir, O_RDONLY | O_DIRECTORY);
	assert_that(top != -1);
}

static int
late_dir(void)
{
	return openat(top, LATE_LIST_DIR, O_RDONLY | O_DIRECTORY);
}

static void
remove_files(void)
{
	char name[LATE_LIST_NAME_LEN];
	int fd = late_dir();
	int64_t n;

	while (fd != -1 && (n = late_list_next(fd, 0)) >= 0) {
		late_list_name((uint32_t)n, name);
		assert_that(unlinkat(fd, name, 0) == 0);
	}
	if (fd != -1)
		close(fd);
	(void)unlinkat(top, LATE_LIST_DIR, AT_REMOVEDIR);
}

static void
teardown(void)
{
	char path[128];

	remove_files();
	close(top);
	(void)rmdir(claimer_dir);
	(void)snprintf(path, sizeof path, "%s/sinks", dir);
	(void)rmdir(path);
	(void)rmdir(dir);
}

static struct late_writer *
writer(uint64_t published, uint64_t expected)
{
	uint64_t count = UINT64_MAX;
	struct late_writer *w = late_writer_open(top, published, &count);

	ck_assert_ptr_nonnull(w);
	ck_assert_uint_eq(count, expected);
	return w;
}

/* Entries n of [from, to): stream n % 3, position 8 * n; 100 a segment. */
static void
add(struct late_writer *w, uint64_t from, uint64_t to)
{
	int bad = 0;

	for (uint64_t n = from; n < to; n++)
		bad += late_writer_add(w, 1 + (uint32_t)(n / 100), (uint32_t)(n % 3), 8 * n) != 0;
	ck_assert_int_eq(bad, 0);
}

static uint64_t
has(const struct late_reader *r, uint64_t from, uint64_t to)
{
	uint64_t found = 0;

	for (uint64_t n = from; n < to; n++)
		found += late_reader_has(r, (uint32_t)(n % 3), 8 * n);
	return found;
}

static struct late_reader *
reader(uint64_t count)
{
	struct late_reader *r = late_reader_open(dir, "claims");

	ck_assert_ptr_nonnull(r);
	ck_assert_int_eq(late_reader_refresh(r, count), 0);
	return r;
}

START_TEST(what_is_published_is_found_and_nothing_else)
{
	struct late_reader *r = late_reader_open(dir, "claims");
	struct late_writer *w;

	ck_assert(!late_reader_has(r, 0, 0));
	ck_assert_int_eq(late_reader_refresh(r, 5), 0); /* no file yet */
	w = writer(0, 0);
	for (uint64_t n = 0; n < 1000; n += 7) {
		add(w, n, n + 7);
		ck_assert_uint_eq(late_writer_flush(w), n + 7);
		/* The last three are in the file and not published. */
		ck_assert_int_eq(late_reader_refresh(r, n + 4), 0);
		ck_assert_uint_eq(has(r, 0, n + 10), n + 4);
	}
	ck_assert(!late_reader_has(r, 2, 0));
	ck_assert(!late_reader_has(r, 0, 8));
	ck_assert_int_eq(late_writer_sync(w), 0);
	late_writer_close(w);
	late_reader_close(r);
}
END_TEST

START_TEST(a_reader_goes_through_many_segments_at_once)
{
	struct late_writer *w = writer(UINT64_MAX, 0);
	struct late_reader *r;

	add(w, 0, 10000);
	ck_assert_uint_eq(late_writer_flush(w), 10000);
	r = reader(9950);
	ck_assert_uint_eq(has(r, 0, 20000), 9950);
	ck_assert_int_eq(late_reader_refresh(r, 10000), 0);
	ck_assert_uint_eq(has(r, 0, 20000), 10000);
	late_reader_close(r);
	late_writer_close(w);
}
END_TEST

START_TEST(what_was_not_published_is_cut_and_its_numbers_are_used_again)
{
	struct late_writer *w = writer(0, 0);
	struct late_reader *r;

	add(w, 0, 350); /* segments 1 to 4 */
	ck_assert_uint_eq(late_writer_flush(w), 350);
	late_writer_close(w);
	w = writer(150, 150); /* in the middle of segment 2; 3 and 4 go */
	ck_assert_int_eq(late_writer_add(w, 3, 7, 4096), 0);
	ck_assert_uint_eq(late_writer_flush(w), 151);
	r = reader(151);
	ck_assert_uint_eq(has(r, 0, 400), 150);
	ck_assert(late_reader_has(r, 7, 4096));
	late_reader_close(r);
	late_writer_close(w);
	w = writer(0, 0); /* nothing was */
	late_writer_close(w);
	r = reader(151);
	ck_assert_uint_eq(has(r, 0, 400), 0);
	late_reader_close(r);
}
END_TEST

START_TEST(numbers_that_readers_know_are_never_used_twice)
{
	struct late_writer *w = writer(0, 0);
	struct late_reader *r;

	add(w, 0, 50);
	(void)late_writer_flush(w);
	late_writer_close(w);
	remove_files();
	w = writer(50, 50); /* somebody removed the files */
	r = reader(50);
	ck_assert_uint_eq(has(r, 0, 100), 0);
	add(w, 50, 60);
	ck_assert_uint_eq(late_writer_flush(w), 60);
	ck_assert_int_eq(late_reader_refresh(r, 60), 0);
	ck_assert_uint_eq(has(r, 0, 100), 10);
	late_reader_close(r);
	late_writer_close(w);
}
END_TEST

/* A power cut leaves any prefix of what was not synced. */
START_TEST(a_file_cut_at_any_byte_keeps_its_whole_entries)
{
	static uint8_t whole[32 + 24 * 20];
	uint64_t wrong = 0;

	for (size_t cut = 0; cut <= sizeof whole; cut++) {
		uint64_t entries = cut < 32 + 24 ? 0 : (cut - 32) / 24, count;
		struct late_writer *w;
		struct late_reader *r;
		int fd, latefd;

		remove_files();
		w = writer(UINT64_MAX, 0);
		add(w, 0, 20);
		(void)late_writer_flush(w);
		late_writer_close(w);
		latefd = late_dir();
		fd = openat(latefd, "00000001.late", O_RDWR);
		ck_assert_int_eq(ftruncate(fd, (off_t)cut), 0);
		close(fd);
		close(latefd);

		r = reader(20); /* who reads the torn file as it is */
		wrong += has(r, 0, 30) != entries;
		late_reader_close(r);
		w = late_writer_open(top, UINT64_MAX, &count);
		wrong += w == NULL || count != entries;
		add(w, count, 25);
		wrong += late_writer_flush(w) != 25;
		late_writer_close(w);
		r = reader(25);
		wrong += has(r, 0, 30) != 25;
		late_reader_close(r);
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(any_byte_changed_costs_one_entry_at_most)
{
	struct late_writer *w = writer(0, 0);
	uint64_t wrong = 0;
	int fd, latefd;

	add(w, 0, 20);
	(void)late_writer_flush(w);
	late_writer_close(w);
	latefd = late_dir();
	fd = openat(latefd, "00000001.late", O_RDWR);
	for (off_t off = 0; off < 32 + 24 * 20; off++) {
		uint8_t was, now;
		struct late_reader *r;
		uint64_t count, left;

		ck_assert_int_eq(pread(fd, &was, 1, off), 1);
		now = (uint8_t)~was;
		ck_assert_int_eq(pwrite(fd, &now, 1, off), 1);
		r = reader(20);
		left = has(r, 0, 30);
		wrong += left != (off < 32 ? 20 : 19);
		late_reader_close(r);
		w = late_writer_open(top, 20, &count);
		wrong += w == NULL || count != 20;
		late_writer_close(w);
		ck_assert_int_eq(pwrite(fd, &was, 1, off), 1);
		if (off >= 32 + 24 * 19) /* the last entry was cut: put it back */
			break;
	}
	close(fd);
	close(latefd);
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

/* The writer is killed again and again; the published number is all that a
 * successor has, as in shared memory. */
START_TEST(killed_at_any_time_nothing_published_is_lost)
{
	int page = open(dir, O_TMPFILE | O_RDWR, 0600);
	uint64_t published = 0;
	struct late_reader *r = late_reader_open(dir, "claims");

	ck_assert_int_ne(page, -1);
	for (unsigned life = 0; life < 60; life++) {
		pid_t pid;
		int status;

		pid = fork();
		if (pid == 0) {
			uint64_t count;
			struct late_writer *w = late_writer_open(top, published, &count);

			if (w == NULL || count != published)
				_exit(9);
			for (unsigned turn = 0;; turn++) {
				for (unsigned i = 0; i < 37; i++, count++)
					if (late_writer_add(w, 1 + (uint32_t)(count / 100),
						(uint32_t)(count % 3), 8 * count) != 0)
						_exit(9);
				if (turn == life % 7 && life % 2 == 0)
					_exit(0);
				(void)late_writer_flush(w);
				if (turn == life % 7)
					_exit(0);
				if (pwrite(page, &count, sizeof count, 0) != sizeof count)
					_exit(9);
			}
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
		if (pread(page, &published, sizeof published, 0) != sizeof published)
			published = 0;
		ck_assert_int_eq(late_reader_refresh(r, published), 0);
		ck_assert_uint_eq(has(r, 0, published + 100), published);
	}
	ck_assert_uint_gt(published, 1000);
	late_reader_close(r);
	r = reader(published);
	ck_assert_uint_eq(has(r, 0, published + 100), published);
	late_reader_close(r);
	close(page);
}
END_TEST

START_TEST(files_of_segments_that_are_gone_go_too)
{
	struct late_writer *w = writer(0, 0);
	struct late_reader *r;
	int latefd = late_dir();

	add(w, 0, 350);
	(void)late_writer_flush(w);
	late_writer_expire(w, 1);
	ck_assert_int_eq(late_list_next(latefd, 0), 1);
	late_writer_expire(w, 3);
	ck_assert_int_eq(late_list_next(latefd, 0), 3);
	r = reader(350);
	ck_assert_uint_eq(has(r, 0, 400), 150);
	late_reader_close(r);
	late_writer_expire(w, 100); /* the newest stays: it holds the number */
	ck_assert_int_eq(late_list_next(latefd, 0), 4);
	late_writer_close(w);
	w = writer(UINT64_MAX, 350);
	late_writer_close(w);
	close(latefd);
}
END_TEST

START_TEST(what_is_forgotten_does_not_take_room_for_ever)
{
	struct late_writer *w = writer(0, 0);
	struct late_reader *r = late_reader_open(dir, "claims");
	uint64_t missing = 0;

	for (uint64_t n = 0; n < 300000; n += 1000) {
		int bad = 0;

		for (uint64_t i = n; i < n + 1000; i++)
			bad += late_writer_add(w, 1, 0, 8 * i);
		ck_assert_int_eq(bad, 0);
		ck_assert_int_eq(late_reader_refresh(r, late_writer_flush(w)), 0);
		for (uint64_t i = n; i < n + 1000; i++)
			missing += !late_reader_has(r, 0, 8 * i);
		late_reader_forget(r, 0, 8 * (n + 500));
		missing += !late_reader_has(r, 0, 8 * (n + 500));
	}
	ck_assert_uint_eq(missing, 0);
	late_reader_close(r);
	r = late_reader_open(dir, "claims"); /* a restart forgets first, then reads */
	late_reader_forget(r, 0, 8 * 299999);
	ck_assert_int_eq(late_reader_refresh(r, 300000), 0);
	ck_assert(late_reader_has(r, 0, 8 * 299999));
	ck_assert(!late_reader_has(r, 0, 8 * 299998));
	late_reader_close(r);
	late_writer_close(w);
}
END_TEST

START_TEST(what_is_forgotten_gives_its_room_back)
{
	struct late_writer *w = writer(0, 0);
	struct late_reader *r = late_reader_open(dir, "claims");
	size_t least, most;

	add(w, 0, 100);
	ck_assert_int_eq(late_reader_refresh(r, late_writer_flush(w)), 0);
	least = late_reader_bytes(r);
	add(w, 100, 200000);
	ck_assert_int_eq(late_reader_refresh(r, late_writer_flush(w)), 0);
	most = late_reader_bytes(r);
	ck_assert_uint_ge(most, 200000 * 32);
	ck_assert_uint_le(most, 200000 * 128);
	late_reader_trim(r);
	for (uint32_t stream = 0; stream < 3; stream++)
		late_reader_forget(r, stream, 8 * 100000);
	late_reader_trim(r); /* half of it is no reason */
	ck_assert_uint_eq(late_reader_bytes(r), most);
	for (uint32_t stream = 0; stream < 3; stream++)
		late_reader_forget(r, stream, 8 * 199990);
	late_reader_trim(r);
	ck_assert_uint_le(late_reader_bytes(r), least);
	ck_assert_uint_eq(has(r, 0, 210000), 10);
	add(w, 200000, 200050);
	ck_assert_int_eq(late_reader_refresh(r, late_writer_flush(w)), 0);
	ck_assert_uint_eq(has(r, 0, 210000), 60);
	late_reader_close(r);
	late_writer_close(w);
}
END_TEST

/* Room on a disk is taken away by a limit on file sizes. */
START_TEST(what_cannot_be_written_waits_and_is_not_published)
{
	struct late_writer *w = writer(0, 0);
	struct late_reader *r = late_reader_open(dir, "claims");
	struct rlimit room;
	int wrong = 0;

	ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &room), 0);
	(void)signal(SIGXFSZ, SIG_IGN);
	add(w, 0, 10);
	ck_assert_uint_eq(late_writer_flush(w), 10);
	ck_assert_int_eq(late_writer_sync(w), 0);
	/* No asserts in here: the runner hears of them through a file. */
	room.rlim_cur = 32 + 24 * 10 + 12; /* half an entry more */
	wrong += setrlimit(RLIMIT_FSIZE, &room) != 0;
	for (uint64_t n = 10; n < 5000; n++) {
		wrong += late_writer_add(
			     w, 1 + (uint32_t)(n / 100), (uint32_t)(n % 3), 8 * n) != 0;
		if (n != 20 && n != 4999)
			continue;
		wrong += late_writer_flush(w) != 10;
		wrong += late_writer_sync(w) != -1; /* no checkpoint on this */
	}
	wrong += late_reader_refresh(r, 11) != 0; /* a number ahead of the files */
	room.rlim_cur = room.rlim_max;
	wrong += setrlimit(RLIMIT_FSIZE, &room) != 0;
	ck_assert_int_eq(wrong, 0);
	ck_assert_uint_eq(has(r, 0, 6000), 10);
	ck_assert_uint_eq(late_writer_flush(w), 5000);
	ck_assert_int_eq(late_writer_sync(w), 0);
	ck_assert_int_eq(late_reader_refresh(r, 5000), 0);
	ck_assert_uint_eq(has(r, 0, 6000), 5000);
	late_reader_close(r);
	late_writer_close(w);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("late_list");
	TCase *t = tcase_create("late_list");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, what_is_published_is_found_and_nothing_else);
	tcase_add_test(t, a_reader_goes_through_many_segments_at_once);
	tcase_add_test(t, what_was_not_published_is_cut_and_its_numbers_are_used_again);
	tcase_add_test(t, numbers_that_readers_know_are_never_used_twice);
	tcase_add_test(t, a_file_cut_at_any_byte_keeps_its_whole_entries);
	tcase_add_test(t, any_byte_changed_costs_one_entry_at_most);
	tcase_add_test(t, killed_at_any_time_nothing_published_is_lost);
	tcase_add_test(t, files_of_segments_that_are_gone_go_too);
	tcase_add_test(t, what_is_forgotten_does_not_take_room_for_ever);
	tcase_add_test(t, what_is_forgotten_gives_its_room_back);
	tcase_add_test(t, what_cannot_be_written_waits_and_is_not_published);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed != 0;
}
