/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_deadletter_retain - which files go, and which never
 */
#include "common/panic.h"
#include "workers/deadletter_parts.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#define S CLOCK_NS_PER_S

static char dir[64];
static int syncs_that_fail;
static struct process_page *page;
static struct worker worker;
static struct config_deadletter cfg;
static struct deadletter_stage *d;

/* Instead of the C library's: after a failure the writer begins another file. */
int
fdatasync(int fd)
{
	if (syncs_that_fail > 0) {
		syncs_that_fail--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static int
unlink_it(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static void
setup(void)
{
	(void)snprintf(dir, sizeof dir, "/tmp/deadretain.XXXXXX");
	assert_that(mkdtemp(dir) != NULL);
	page = xcalloc(1, sizeof *page);
	worker.page = page;
	cfg = (struct config_deadletter){.retain_ms = 1000 * 1000, .max_disk_bytes = 1 << 30};
	d = xcalloc(1, sizeof *d);
	d->w = &worker;
	d->cfg = &cfg;
	deadletter_index_init(&d->index, dir);
}

static void
teardown(void)
{
	deadletter_marks_close(&d->marks);
	deadletter_index_free(&d->index);
	free(d);
	free(page);
	(void)nftw(dir, unlink_it, 16, FTW_DEPTH | FTW_PHYS);
}

/* `files` files of ten records; those of file k were last tried at k * 1000 s. */
static void
write_files(const char *stage, uint64_t files)
{
	struct deadletter_writer *w = deadletter_writer_open(dir, stage, (uid_t)-1, (gid_t)-1);

	for (uint64_t k = 1; k <= files; k++) {
		for (uint64_t n = 0; n < 10; n++) {
			struct deadletter_info i = {
			    .code = "x", .last_ns = k * 1000 * S + n, .pos = (k * 10 + n) * 8};

			ck_assert_int_eq(deadletter_writer_add(w, &i, BYTES_LIT("frame")), 0);
		}
		if (k > 1)
			syncs_that_fail = 1;
		(void)!deadletter_writer_sync(w);
		ck_assert_int_eq(deadletter_writer_sync(w), 0);
	}
	deadletter_writer_close(w);
	ck_assert_int_eq(deadletter_index_refresh(&d->index), 0);
	if (d->marks.fd <= 0)
		ck_assert_int_eq(deadletter_marks_open(&d->marks, &d->index), 0);
	ck_assert_uint_eq(d->index.stage[d->index.stages - 1].n, files);
}

static uint32_t
first_file(size_t stage)
{
	return d->index.stage[stage].file[0].number;
}

START_TEST(nothing_goes_before_its_time)
{
	write_files("a", 5);
	deadletter_retain(d, 1999 * S);
	ck_assert_uint_eq(d->index.open, 50);
	ck_assert_uint_eq(d->index.stage[0].n, 5);
}
END_TEST

START_TEST(old_files_go_and_the_newest_stays_whatever_its_age)
{
	write_files("a", 5);
	deadletter_retain(d, 3001 * S); /* before 2001 s: files 1 and 2 */
	ck_assert_uint_eq(d->index.stage[0].n, 3);
	ck_assert_uint_eq(first_file(0), 3);
	ck_assert_uint_eq(d->index.open, 30);
	deadletter_retain(d, 99999 * S);
	ck_assert_uint_eq(d->index.stage[0].n, 1);
	ck_assert_uint_eq(first_file(0), 5);
	ck_assert_uint_eq(d->index.open, 0);
	ck_assert_uint_eq(d->dropped, 0);
}
END_TEST

START_TEST(a_file_with_one_open_record_stays)
{
	struct deadletter_query q = {.until_ns = 2000 * S + 9};
	struct deadletter_ref *refs;
	size_t n;

	write_files("a", 3);
	refs = deadletter_index_select(&d->index, &q, &n);
	ck_assert_uint_eq(n, 19); /* all of file 1, all but one of file 2 */
	ck_assert_int_eq(
	    deadletter_marks_add(&d->marks, &d->index, refs, n, DEADLETTER_PURGED, 1), 19);
	free(refs);
	deadletter_retain(d, 1001 * S);
	ck_assert_uint_eq(d->index.stage[0].n, 2);
	ck_assert_uint_eq(first_file(0), 2);
	ck_assert_uint_eq(d->index.open, 11);
}
END_TEST

START_TEST(above_max_disk_the_oldest_go_and_are_counted)
{
	write_files("a", 5);
	write_files("b", 2);
	cfg.max_disk_bytes = d->index.bytes;
	deadletter_retain(d, 1001 * S);
	ck_assert_uint_eq(d->index.open, 70);
	cfg.max_disk_bytes = d->index.bytes - 1;
	deadletter_retain(d, 1001 * S);
	ck_assert_uint_eq(d->index.open, 60);
	ck_assert_uint_eq(d->dropped, 10);
	cfg.max_disk_bytes = 1;
	deadletter_retain(d, 1001 * S);
	ck_assert_uint_eq(d->index.stage[0].n, 1);
	ck_assert_uint_eq(d->index.stage[1].n, 1);
	ck_assert_uint_eq(d->dropped, 50);
	ck_assert_uint_gt(page->error[0].count, 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_goes_with_its_age_only)
{
	char path[96];
	int fd;

	write_files("a", 3);
	(void)snprintf(path, sizeof path, "%s/deadletter/a/00000002.dead", dir);
	fd = open(path, O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "X", 1, 0), 1);
	close(fd);
	deadletter_index_free(&d->index);
	deadletter_index_init(&d->index, dir);
	ck_assert_int_eq(deadletter_index_refresh(&d->index), 0);
	ck_assert_uint_eq(d->index.open, 20);
	deadletter_retain(d, 1001 * S); /* before it was written, by the file's own time */
	ck_assert_uint_eq(d->index.stage[0].n, 3);
	deadletter_retain(d, clock_wall_ns() + 2000 * S);
	ck_assert_uint_eq(d->index.stage[0].n, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("deadletter_retain");
	TCase *t = tcase_create("retain");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_goes_before_its_time);
	tcase_add_test(t, old_files_go_and_the_newest_stays_whatever_its_age);
	tcase_add_test(t, a_file_with_one_open_record_stays);
	tcase_add_test(t, above_max_disk_the_oldest_go_and_are_counted);
	tcase_add_test(t, a_file_that_cannot_be_read_goes_with_its_age_only);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
