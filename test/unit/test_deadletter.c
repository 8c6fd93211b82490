/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_deadletter - records are whole or absent, whatever fails and whenever it is cut
 */
#include "common/panic.h"
#include "workers/deadletter_file.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char dir[64];
static int stage_fd = -1;
static int syncs_that_fail, syncs;

/* Instead of the C library's: fails when it was told to. */
int
fdatasync(int fd)
{
	syncs++;
	if (syncs_that_fail > 0) {
		syncs_that_fail--;
		errno = EIO;
		return -1;
	}
	return (int)syscall(SYS_fdatasync, fd);
}

static void
setup(void)
{
	(void)snprintf(dir, sizeof dir, "/tmp/deadletter.XXXXXX");
	assert_that(mkdtemp(dir) != NULL);
	syncs_that_fail = 0;
}

static void
teardown(void)
{
	char command[128];

	if (stage_fd != -1)
		close(stage_fd);
	stage_fd = -1;
	for (unsigned i = 1; i < 20; i++) {
		(void)snprintf(command, sizeof command, "%s/deadletter/events/%08u.dead", dir, i);
		(void)unlink(command);
	}
	(void)snprintf(command, sizeof command, "%s/deadletter/events", dir);
	(void)rmdir(command);
	(void)snprintf(command, sizeof command, "%s/deadletter", dir);
	(void)rmdir(command);
	(void)rmdir(dir);
}

static int
stage_dir(void)
{
	char path[96];

	(void)snprintf(path, sizeof path, "%s/deadletter/events", dir);
	if (stage_fd == -1)
		stage_fd = open(path, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ne(stage_fd, -1);
	return stage_fd;
}

static struct deadletter_writer *
writer(void)
{
	struct deadletter_writer *w = deadletter_writer_open(dir, "events", (uid_t)-1, (gid_t)-1);

	ck_assert_ptr_nonnull(w);
	return w;
}

static struct deadletter_info
info_of(uint64_t n)
{
	struct deadletter_info i = {.code = "data_error",
	    .attempts = 3,
	    .first_ns = 100 + n,
	    .last_ns = 200 + n,
	    .stream = (uint32_t)(n % 3),
	    .pos = n * 8,
	    .seq = n};

	(void)snprintf(i.text, sizeof i.text, "refused, number %llu", (unsigned long long)n);
	return i;
}

static void
add(struct deadletter_writer *w, uint64_t n)
{
	struct deadletter_info i = info_of(n);
	char frame[64];

	(void)snprintf(frame, sizeof frame, "frame %llu", (unsigned long long)n);
	ck_assert_int_eq(deadletter_writer_add(w, &i, bytes_str(frame)), 0);
}

/* Records n = `first`, first + 1, ... in one file; how many there are. */
static unsigned
count(uint32_t number, uint64_t first)
{
	struct deadletter_file f;
	struct deadletter_record r;
	char frame[64];
	uint64_t at;
	unsigned n = 0, bad = 0;

	if (deadletter_file_open(&f, stage_dir(), number, 0) != DEADLETTER_FILE_OK) {
		deadletter_file_close(&f);
		return 0;
	}
	while (deadletter_file_next(&f, &r, &at) == DEADLETTER_FILE_OK) {
		struct deadletter_info i = info_of(first + n);

		(void)snprintf(frame, sizeof frame, "frame %llu", (unsigned long long)first + n);
		if (strcmp(r.info.stage, "events") != 0 || strcmp(r.info.code, i.code) != 0 ||
		    strcmp(r.info.text, i.text) != 0 || r.info.pos != i.pos ||
		    r.info.seq != i.seq || r.info.stream != i.stream || r.info.attempts != 3 ||
		    r.info.first_ns != i.first_ns || r.info.last_ns != i.last_ns ||
		    !bytes_is(r.frame, bytes_str(frame)))
			bad++;
		n++;
	}
	ck_assert_uint_eq(bad, 0);
	deadletter_file_close(&f);
	return n;
}

static off_t
size_of(uint32_t number)
{
	char name[DEADLETTER_NAME_LEN];
	struct stat st;

	deadletter_format_name(number, name);
	return fstatat(stage_dir(), name, &st, 0) == -1 ? -1 : st.st_size;
}

START_TEST(what_was_synced_is_read_back)
{
	struct deadletter_writer *w = writer();

	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	ck_assert_int_eq(size_of(1), -1); /* nothing added, no file */
	for (uint64_t n = 0; n < 100; n++)
		add(w, n);
	ck_assert_uint_eq(count(1, 0), 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	ck_assert_uint_eq(count(1, 0), 100);
	syncs = 0;
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	ck_assert_int_eq(syncs, 0);
	deadletter_writer_close(w);
}
END_TEST

START_TEST(a_frame_may_be_empty_and_texts_are_cut_at_their_size)
{
	struct deadletter_writer *w = writer();
	struct deadletter_info i = info_of(1);
	struct deadletter_file f;
	struct deadletter_record r;
	uint64_t at;

	memset(i.text, 'x', sizeof i.text);
	memset(i.code, 'y', sizeof i.code);
	ck_assert_int_eq(deadletter_writer_add(w, &i, (struct bytes){NULL, 0}), 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	ck_assert_int_eq(deadletter_file_open(&f, stage_dir(), 1, 0), DEADLETTER_FILE_OK);
	ck_assert_int_eq(deadletter_file_next(&f, &r, &at), DEADLETTER_FILE_OK);
	ck_assert_uint_eq(strlen(r.info.text), DEADLETTER_TEXT_SIZE - 1);
	ck_assert_uint_eq(strlen(r.info.code), DEADLETTER_CODE_SIZE - 1);
	ck_assert_uint_eq(r.frame.len, 0);
	deadletter_file_close(&f);
}
END_TEST

START_TEST(a_successor_goes_on_and_writes_nothing_twice)
{
	struct deadletter_writer *w = writer();

	for (uint64_t n = 0; n < 5000; n++)
		add(w, n);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	w = writer();
	for (uint64_t n = 4000; n < 6000; n++)
		add(w, n);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	ck_assert_uint_eq(count(1, 0), 6000);
	ck_assert_int_eq(size_of(2), -1);
	deadletter_writer_close(w);
}
END_TEST

START_TEST(refused_again_in_a_replay_is_written_again)
{
	struct deadletter_writer *w = writer();
	struct deadletter_info i = info_of(0);

	add(w, 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	w = writer();
	i.is_replay = true;
	ck_assert_int_eq(deadletter_writer_add(w, &i, BYTES_LIT("frame 0")), 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	ck_assert_int_eq(size_of(1) - 32,
	    2 * (off_t)deadletter_format_len(
		    &(struct deadletter_info){
			.stage = "events", .code = "data_error", .text = "refused, number 0"},
		    7));
}
END_TEST

START_TEST(after_a_failed_sync_the_next_file_gets_what_was_not_durable)
{
	struct deadletter_writer *w = writer();

	add(w, 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	add(w, 1);
	add(w, 2);
	syncs_that_fail = 1;
	ck_assert_int_eq(deadletter_writer_sync(w), -1);
	ck_assert_int_eq(errno, EIO);
	ck_assert_uint_eq(count(1, 0), 1);
	add(w, 3);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	ck_assert_uint_eq(count(1, 0), 1);
	ck_assert_uint_eq(count(2, 1), 3);
	deadletter_writer_close(w);
}
END_TEST

START_TEST(failures_leave_no_empty_files_and_numbers_are_not_used_twice)
{
	struct deadletter_writer *w = writer();

	add(w, 0);
	syncs_that_fail = 3;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(deadletter_writer_sync(w), -1);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	for (uint32_t n = 1; n < 4; n++)
		ck_assert_int_eq(size_of(n), -1);
	ck_assert_uint_eq(count(4, 0), 1);
	deadletter_writer_close(w);
}
END_TEST

/* The file cut at every byte: whole records stay, the rest goes, and the writer goes on. */
START_TEST(torn_at_any_byte_the_tail_is_cut)
{
	struct deadletter_writer *w = writer();
	off_t one, all;
	unsigned bad = 0;
	char path[96];

	add(w, 10);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	one = size_of(1);
	add(w, 11);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	all = size_of(1);
	deadletter_writer_close(w);
	(void)snprintf(path, sizeof path, "%s/deadletter/events/00000001.dead", dir);
	for (off_t cut = all - 1; cut >= one; cut--) {
		ck_assert_int_eq(truncate(path, cut), 0);
		w = writer();
		if (size_of(1) != one || count(1, 10) != 1)
			bad++;
		add(w, 10); /* there */
		add(w, 11); /* gone: written again */
		if (deadletter_writer_sync(w) != 0 || count(1, 10) != 2)
			bad++;
		deadletter_writer_close(w);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(a_file_without_a_whole_head_is_left_alone)
{
	struct deadletter_writer *w;
	unsigned bad = 0;

	w = writer();
	deadletter_writer_close(w);
	for (off_t len = 0; len < 32; len++) {
		int fd = openat(stage_dir(), "00000001.dead", O_WRONLY | O_CREAT | O_TRUNC, 0640);

		ck_assert_int_ne(fd, -1);
		ck_assert_int_eq(ftruncate(fd, len), 0);
		close(fd);
		w = writer();
		add(w, 7);
		if (deadletter_writer_sync(w) != 0 || count(2, 7) != 1 || size_of(1) != len)
			bad++;
		deadletter_writer_close(w);
		(void)unlinkat(stage_dir(), "00000002.dead", 0);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(damage_in_the_middle_costs_the_damaged_record_only)
{
	struct deadletter_writer *w = writer();
	struct deadletter_file f;
	struct deadletter_record r;
	uint64_t at, second = 0;
	unsigned n = 0;
	int fd;

	for (uint64_t i = 0; i < 3; i++)
		add(w, i);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	ck_assert_int_eq(deadletter_file_open(&f, stage_dir(), 1, 0), DEADLETTER_FILE_OK);
	for (int i = 0; i < 2; i++) {
		ck_assert_int_eq(deadletter_file_next(&f, &r, &at), DEADLETTER_FILE_OK);
		second = at;
	}
	deadletter_file_close(&f);
	fd = openat(stage_dir(), "00000001.dead", O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "X", 1, (off_t)second + 80), 1);
	close(fd);
	ck_assert_int_eq(deadletter_file_open(&f, stage_dir(), 1, 0), DEADLETTER_FILE_OK);
	while (deadletter_file_next(&f, &r, &at) == DEADLETTER_FILE_OK)
		n++;
	ck_assert_uint_eq(n, 2);
	ck_assert_uint_gt(f.bad_bytes, 0);
	ck_assert_int_eq(deadletter_file_read(&f, second, &r), DEADLETTER_FILE_END);
	ck_assert_int_eq(deadletter_file_read(&f, 32, &r), DEADLETTER_FILE_OK);
	deadletter_file_close(&f);
	w = writer();
	add(w, 1); /* the damaged one is not there */
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	ck_assert_int_gt(size_of(1), 0);
}
END_TEST

START_TEST(a_record_inside_an_event_is_no_record)
{
	struct deadletter_writer *w = writer();
	struct deadletter_info inner = info_of(99), outer = info_of(1);
	static uint8_t frame[2048];
	size_t len = deadletter_format_len(&inner, 0);
	struct deadletter_file f;
	struct deadletter_record r;
	uint64_t at;
	int fd;

	deadletter_format_put(frame, &inner, (struct bytes){NULL, 0});
	(void)deadletter_format_seal(frame, 0); /* a producer does not know the salt */
	ck_assert_int_eq(deadletter_writer_add(w, &outer, bytes_of(frame, len)), 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	fd = openat(stage_dir(), "00000001.dead", O_WRONLY);
	ck_assert_int_eq(pwrite(fd, "X", 1, 40), 1);
	close(fd);
	ck_assert_int_eq(deadletter_file_open(&f, stage_dir(), 1, 0), DEADLETTER_FILE_OK);
	ck_assert_int_eq(deadletter_file_next(&f, &r, &at), DEADLETTER_FILE_END);
	deadletter_file_close(&f);
}
END_TEST

START_TEST(files_are_rotated)
{
	struct deadletter_writer *w = writer();
	struct deadletter_info i = info_of(0);
	size_t len = 10u << 20;
	uint8_t *frame = xcalloc(1, len);

	for (uint64_t n = 0; n < 8; n++) {
		i.pos = n * 8;
		ck_assert_int_eq(deadletter_writer_add(w, &i, bytes_of(frame, len)), 0);
		ck_assert_int_eq(deadletter_writer_sync(w), 0);
	}
	ck_assert_int_le(size_of(1), 64 << 20);
	ck_assert_int_gt(size_of(1), 50 << 20);
	ck_assert_int_gt(size_of(2), 10 << 20);
	ck_assert_int_eq(size_of(3), -1);
	deadletter_writer_close(w);
	free(frame);
}
END_TEST

START_TEST(the_longest_frame_fits_and_one_byte_more_does_not)
{
	struct deadletter_writer *w = writer();
	struct deadletter_info i = info_of(0);
	uint8_t *frame = xcalloc(1, FRAME_MAX_LEN + 1);

	ck_assert_int_eq(deadletter_writer_add(w, &i, bytes_of(frame, FRAME_MAX_LEN + 1)), -1);
	ck_assert_int_eq(errno, EFBIG);
	ck_assert_int_eq(deadletter_writer_add(w, &i, bytes_of(frame, FRAME_MAX_LEN)), 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
	free(frame);
}
END_TEST

static const struct {
	const char *id, *stage;
	uint32_t file;
	uint64_t off;
} ids[] = {
    {"events-1-32", "events", 1, 32},
    {"my-sink-2-12-99", "my-sink-2", 12, 99},
    {"a-99999999-9223372036854775807", "a", 99999999, 9223372036854775807ull},
    {"events-0-32", NULL, 0, 0},
    {"events-100000000-1", NULL, 0, 0},
    {"events-1-", NULL, 0, 0},
    {"events--1", NULL, 0, 0},
    {"-1-1", NULL, 0, 0},
    {"1-1", NULL, 0, 0},
    {"", NULL, 0, 0},
    {"events-01-1", NULL, 0, 0},
    {"events-1-+1", NULL, 0, 0},
    {"events-1-99999999999999999999", NULL, 0, 0},
    {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1-1", NULL, 0, 0},
};

START_TEST(ids_are_read_from_the_right)
{
	char stage[40], back[DEADLETTER_ID_SIZE];
	uint32_t file;
	uint64_t off;
	bool ok = deadletter_format_parse_id(ids[_i].id, stage, &file, &off);

	ck_assert_msg(ok == (ids[_i].stage != NULL), "%s", ids[_i].id);
	if (!ok)
		return;
	ck_assert_str_eq(stage, ids[_i].stage);
	ck_assert_uint_eq(file, ids[_i].file);
	ck_assert_uint_eq(off, ids[_i].off);
	deadletter_format_id(stage, file, off, back);
	ck_assert_str_eq(back, ids[_i].id);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("deadletter");
	TCase *t = tcase_create("store");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, what_was_synced_is_read_back);
	tcase_add_test(t, a_frame_may_be_empty_and_texts_are_cut_at_their_size);
	tcase_add_test(t, a_successor_goes_on_and_writes_nothing_twice);
	tcase_add_test(t, refused_again_in_a_replay_is_written_again);
	tcase_add_test(t, after_a_failed_sync_the_next_file_gets_what_was_not_durable);
	tcase_add_test(t, failures_leave_no_empty_files_and_numbers_are_not_used_twice);
	tcase_add_test(t, torn_at_any_byte_the_tail_is_cut);
	tcase_add_test(t, a_file_without_a_whole_head_is_left_alone);
	tcase_add_test(t, damage_in_the_middle_costs_the_damaged_record_only);
	tcase_add_test(t, a_record_inside_an_event_is_no_record);
	tcase_add_test(t, files_are_rotated);
	tcase_add_test(t, the_longest_frame_fits_and_one_byte_more_does_not);
	tcase_add_loop_test(t, ids_are_read_from_the_right, 0, (int)(sizeof ids / sizeof ids[0]));
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
