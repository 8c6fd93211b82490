/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_deadletter_index - what is listed, what is over, what stays after a death
 */
#include "common/clock.h"
#include "common/panic.h"
#include "workers/deadletter_inbox.h"
#include "workers/deadletter_json.h"
#include "workers/deadletter_marks.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static char dir[64];
static struct deadletter_index ix;
static int syncs_that_fail;

/* Instead of the C library's: fails when it was told to. */
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

static void
setup(void)
{
	(void)snprintf(dir, sizeof dir, "/tmp/deadindex.XXXXXX");
	assert_that(mkdtemp(dir) != NULL);
	syncs_that_fail = 0;
	deadletter_index_init(&ix, dir);
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
teardown(void)
{
	deadletter_index_free(&ix);
	(void)nftw(dir, unlink_it, 16, FTW_DEPTH | FTW_PHYS);
}

/* An event frame of (stream 1, pos n * 256) whose body says n. */
static size_t
make_frame(uint8_t *at, uint64_t n)
{
	struct frame_header h = {.type = FRAME_EVENT, .stream = 1, .pos = n * 256, .seq = n};
	char body[64];
	int len = snprintf(body, sizeof body, "{\"n\":\n%llu}", (unsigned long long)n);

	memcpy(at, &h, sizeof h);
	memcpy(at + sizeof h, body, (size_t)len);
	frame_seal(at, 0, (uint32_t)len);
	return frame_len_for(0, (size_t)len);
}

/* Records [from, to), last attempt at n seconds, codes by turns. */
static void
write_at(const char *stage, uint64_t from, uint64_t to, uint64_t later_s, bool is_replay)
{
	struct deadletter_writer *w = deadletter_writer_open(dir, stage, (uid_t)-1, (gid_t)-1);
	uint8_t frame[512];

	ck_assert_ptr_nonnull(w);
	for (uint64_t n = from; n < to; n++) {
		struct deadletter_info i = {.attempts = 1,
		    .first_ns = n * 1000000000,
		    .last_ns = (n + later_s) * 1000000000,
		    .is_replay = is_replay,
		    .stream = 1,
		    .pos = n * 256,
		    .seq = n};

		(void)snprintf(i.code, sizeof i.code, "%s", n % 2 == 0 ? "even" : "odd");
		(void)snprintf(i.text, sizeof i.text, "no\n\"%llu\"", (unsigned long long)n);
		ck_assert_int_eq(
		    deadletter_writer_add(w, &i, bytes_of(frame, make_frame(frame, n))), 0);
	}
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	deadletter_writer_close(w);
}

static void
write_records(const char *stage, uint64_t from, uint64_t to)
{
	write_at(stage, from, to, 0, false);
}

/* How many the words choose. */
static size_t
chosen(const char *words)
{
	struct deadletter_query q = {.limit = 0};
	struct deadletter_ref *refs;
	char buf[128], *at = buf, *word;
	size_t n;

	(void)snprintf(buf, sizeof buf, "%s", words);
	while ((word = strsep(&at, " ")) != NULL)
		if (*word != '\0')
			ck_assert_msg(deadletter_index_parse(&q, word), "%s", word);
	refs = deadletter_index_select(&ix, &q, &n);
	free(refs);
	return n;
}

START_TEST(no_folder_is_no_error)
{
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 0);
	ck_assert_int_eq(deadletter_marks_load(&ix, NULL, NULL), 0);
}
END_TEST

START_TEST(what_comes_later_is_found_later)
{
	write_records("a", 0, 10);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.open, 10);
	write_records("a", 10, 15);
	write_records("b-2", 100, 103);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.open, 18);
	ck_assert_uint_eq(chosen(""), 18);
	ck_assert_uint_eq(chosen("stage=b-2"), 3);
	ck_assert_uint_eq(chosen("sink=a code=odd"), 7);
	ck_assert_uint_eq(chosen("since=14000000000"), 4);
	ck_assert_uint_eq(chosen("since=14000000000 until=102000000000"), 3);
	ck_assert_uint_eq(chosen("limit=5"), 5);
	ck_assert_uint_eq(chosen("stage=none"), 0);
}
END_TEST

/* Folders of sinks that are gone stay as long as there are records in them. */
START_TEST(folders_up_to_the_limit_are_looked_at_and_more_are_told)
{
	char path[128];

	for (unsigned n = 0; n <= DEADLETTER_INDEX_STAGES; n++) {
		(void)snprintf(path, sizeof path, "%s/deadletter/s%u", dir, n);
		if (n == 0 || n == 100 || n == DEADLETTER_INDEX_STAGES - 1) {
			(void)snprintf(path, sizeof path, "s%u", n);
			write_records(path, n, n + 1);
		} else {
			ck_assert_int_eq(mkdir(path, 0750), 0);
		}
		if (n < DEADLETTER_INDEX_STAGES - 2)
			continue;
		ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
		ck_assert_uint_eq(ix.open, n == DEADLETTER_INDEX_STAGES - 2 ? 2 : 3);
		ck_assert_int_eq(ix.is_crowded, n == DEADLETTER_INDEX_STAGES);
	}
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert(!ix.is_crowded);
}
END_TEST

START_TEST(the_newest_come_first)
{
	struct deadletter_query q = {.limit = 3};
	struct deadletter_ref *refs;
	size_t n;

	write_records("a", 0, 10);
	write_records("b", 5, 20);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	refs = deadletter_index_select(&ix, &q, &n);
	ck_assert_uint_eq(n, 3);
	for (uint64_t i = 0; i < 3; i++)
		ck_assert_uint_eq(
		    deadletter_index_entry(&ix, refs[i])->last_ns, (19 - i) * 1000000000);
	free(refs);
}
END_TEST

START_TEST(the_newest_of_many_come_first_too)
{
	struct deadletter_query q = {.limit = 100};
	struct deadletter_ref *refs;
	unsigned bad = 0;
	size_t n;

	write_records("b", 5000, 10000);
	write_records("a", 0, 5000);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	for (q.limit = 127; q.limit < 131; q.limit++) {
		refs = deadletter_index_select(&ix, &q, &n);
		ck_assert_uint_eq(n, q.limit);
		for (uint64_t i = 0; i < n; i++)
			bad += deadletter_index_entry(&ix, refs[i])->last_ns !=
			       (9999 - i) * 1000000000;
		free(refs);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(of_several_records_of_one_event_the_newest_is_chosen_and_all_are_found)
{
	struct deadletter_query q = {.stage = "api"};
	struct deadletter_ref *refs, *same;
	size_t n, same_n;

	write_records("api", 1, 5);
	write_records("other", 2, 3);
	write_at("api", 2, 4, 100, true);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	refs = deadletter_index_select(&ix, &q, &n);
	ck_assert_uint_eq(n, 6);
	n = deadletter_index_unique(&ix, refs, n);
	ck_assert_uint_eq(n, 4);
	for (size_t i = 0; i < n; i++) {
		const struct deadletter_entry *e = deadletter_index_entry(&ix, refs[i]);
		uint64_t event = e->pos / 256;

		ck_assert_uint_eq(
		    e->last_ns / CLOCK_NS_PER_S, event == 2 || event == 3 ? event + 100 : event);
		if (i > 0)
			ck_assert_uint_ge(
			    deadletter_index_entry(&ix, refs[i - 1])->last_ns, e->last_ns);
	}
	same = deadletter_index_same(&ix, refs, n, &same_n);
	ck_assert_uint_eq(same_n, 6);
	for (size_t i = 0; i < same_n; i++)
		deadletter_index_mark(&ix, same[i], DEADLETTER_REPLAYED, 1);
	free(same);
	ck_assert_ptr_null(deadletter_index_same(&ix, refs, n, &same_n));
	ck_assert_uint_eq(same_n, 0);
	ck_assert_uint_eq(ix.open, 1); /* the other sink's */
	ck_assert_uint_eq(deadletter_index_unique(&ix, refs, 0), 0);
	free(refs);
}
END_TEST

START_TEST(words_that_mean_nothing_are_refused)
{
	static const char *const bad[] = {"", "stage", "stage=", "code=", "limit=", "limit=-1",
	    "limit=1x", "since=abc", "what=1", "since=99999999999999999999",
	    "stage=0123456789012345678901234567890123456789"};
	struct deadletter_query q;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!deadletter_index_parse(&q, bad[i]), "%s", bad[i]);
}
END_TEST

static size_t
mark(struct deadletter_marks *m, const char *code, enum deadletter_over over)
{
	struct deadletter_query q = {.limit = 0};
	struct deadletter_ref *refs;
	size_t n;
	int64_t marked;

	(void)snprintf(q.code, sizeof q.code, "%s", code);
	refs = deadletter_index_select(&ix, &q, &n);
	marked = deadletter_marks_add(m, &ix, refs, n, over, 77);
	free(refs);
	ck_assert_int_ge(marked, 0);
	return (size_t)marked;
}

static void
reload(void)
{
	deadletter_index_free(&ix);
	deadletter_index_init(&ix, dir);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
}

START_TEST(marks_outlive_the_process)
{
	struct deadletter_marks m;

	write_records("a", 0, 3000);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_int_eq(deadletter_marks_open(&m, &ix), 0);
	ck_assert_uint_eq(mark(&m, "even", DEADLETTER_REPLAYED), 1500);
	ck_assert_uint_eq(mark(&m, "even", DEADLETTER_PURGED), 0);
	ck_assert_uint_eq(ix.open, 1500);
	deadletter_marks_close(&m);
	reload();
	ck_assert_uint_eq(ix.open, 3000);
	ck_assert_int_eq(deadletter_marks_open(&m, &ix), 0);
	ck_assert_uint_eq(ix.open, 1500);
	ck_assert_uint_eq(m.n, 1500);
	ck_assert_uint_eq(chosen("code=even"), 0);
	ck_assert_uint_eq(chosen("code=even all"), 1500);
	deadletter_marks_close(&m);
}
END_TEST

START_TEST(torn_marks_are_cut)
{
	struct deadletter_marks m;
	char path[96];
	unsigned bad = 0;

	write_records("a", 0, 4);
	(void)snprintf(path, sizeof path, "%s/deadletter/marks", dir);
	for (off_t cut = 0; cut <= 144; cut++) {
		struct deadletter_ref two[2] = {{0, 0, 0}, {0, 0, 1}};

		reload();
		(void)unlink(path);
		ck_assert_int_eq(deadletter_marks_open(&m, &ix), 0);
		ck_assert_int_eq(deadletter_marks_add(&m, &ix, two, 2, DEADLETTER_PURGED, 1), 2);
		deadletter_marks_close(&m);
		ck_assert_int_eq(truncate(path, cut), 0);
		reload();
		ck_assert_int_eq(deadletter_marks_open(&m, &ix), 0);
		if (m.n != (uint64_t)cut / 72 || ix.open != 4 - (uint64_t)cut / 72)
			bad++;
		if (deadletter_marks_add(&m, &ix, two, 2, DEADLETTER_PURGED, 1) != 2 - cut / 72)
			bad++;
		deadletter_marks_close(&m);
		reload();
		if (deadletter_marks_load(&ix, NULL, NULL) != 0 || ix.open != 2)
			bad++;
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(a_failed_sync_marks_nothing_and_the_next_try_does)
{
	struct deadletter_marks m;
	struct deadletter_ref one = {0, 0, 0}, two = {0, 0, 1};

	write_records("a", 0, 4);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_int_eq(deadletter_marks_open(&m, &ix), 0);
	ck_assert_int_eq(deadletter_marks_add(&m, &ix, &one, 1, DEADLETTER_REPLAYED, 1), 1);
	syncs_that_fail = 1;
	ck_assert_int_eq(deadletter_marks_add(&m, &ix, &two, 1, DEADLETTER_REPLAYED, 1), -1);
	ck_assert_uint_eq(ix.open, 3);
	ck_assert_int_eq(deadletter_marks_add(&m, &ix, &two, 1, DEADLETTER_PURGED, 1), 1);
	deadletter_marks_close(&m);
	reload();
	ck_assert_int_eq(deadletter_marks_load(&ix, NULL, NULL), 0);
	ck_assert_uint_eq(ix.open, 2);
	ck_assert_int_eq(deadletter_index_entry(&ix, one)->over, DEADLETTER_REPLAYED);
	ck_assert_int_eq(deadletter_index_entry(&ix, two)->over, DEADLETTER_PURGED);
}
END_TEST

START_TEST(marks_of_files_that_are_gone_are_compacted_away)
{
	struct deadletter_marks m;
	char path[96];

	write_records("a", 0, 5000);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_int_eq(deadletter_marks_open(&m, &ix), 0);
	ck_assert_uint_eq(mark(&m, "", DEADLETTER_PURGED), 5000);
	(void)snprintf(path, sizeof path, "%s/deadletter/a/00000001.dead", dir);
	ck_assert_int_eq(deadletter_marks_compact(&m, &ix), 0);
	ck_assert_uint_eq(m.n, 5000);
	ck_assert_int_eq(unlink(path), 0);
	write_records("b", 0, 10);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 10);
	ck_assert_uint_eq(mark(&m, "odd", DEADLETTER_REPLAYED), 5);
	ck_assert_int_eq(deadletter_marks_compact(&m, &ix), 0);
	ck_assert_uint_eq(m.n, 5);
	deadletter_marks_close(&m);
	reload();
	ck_assert_int_eq(deadletter_marks_load(&ix, NULL, NULL), 0);
	ck_assert_uint_eq(ix.open, 5);
}
END_TEST

START_TEST(what_the_writer_took_back_is_forgotten)
{
	char path[96];
	struct stat st;

	write_records("a", 0, 10);
	(void)snprintf(path, sizeof path, "%s/deadletter/a/00000001.dead", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_int_eq(truncate(path, st.st_size - 8), 0);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 9);
	ck_assert_uint_eq(ix.open, 9);
	write_records("a", 9, 12);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 12);
}
END_TEST

START_TEST(a_record_in_the_place_of_a_torn_tail_of_its_length_is_found)
{
	static uint8_t tail[4096];
	char path[96];
	struct stat st;
	off_t before;
	int fd;

	write_records("a", 100, 101);
	(void)snprintf(path, sizeof path, "%s/deadletter/a/00000001.dead", dir);
	ck_assert_int_eq(stat(path, &st), 0);
	before = st.st_size;
	write_records("a", 101, 102);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(truncate(path, before), 0);
	fd = open(path, O_WRONLY | O_APPEND);
	ck_assert_int_eq(write(fd, tail, (size_t)(st.st_size - before)), st.st_size - before);
	close(fd);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 1);
	write_records("a", 101, 102);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 2);
}
END_TEST

START_TEST(more_than_the_limit_is_listed_when_others_have_gone)
{
	ix.max = 10;
	write_records("a", 0, 9);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert(!ix.is_unlisted);
	write_records("a", 9, 10);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 10);
	write_records("a", 10, 12);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 10);
	ck_assert(ix.is_unlisted);
	ix.max = 20;
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(ix.n, 12);
	ck_assert(!ix.is_unlisted);
}
END_TEST

START_TEST(old_ones_expire)
{
	write_records("a", 0, 10);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_uint_eq(deadletter_index_expire(&ix, 4000000000ull, 5), 4);
	ck_assert_uint_eq(deadletter_index_expire(&ix, 4000000000ull, 5), 0);
	ck_assert_uint_eq(ix.open, 6);
	ck_assert_uint_eq(chosen("all"), 10);
	ck_assert(!deadletter_index_may_go(&ix, 0, 0));
}
END_TEST

START_TEST(a_record_as_json_is_one_line)
{
	struct deadletter_view v = {.instance = "0badcafe"};
	struct deadletter_ref ref = {0, 0, 3};
	struct deadletter_record r;
	struct deadletter_file f;
	struct text_out out;

	write_records("a", 0, 10);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	deadletter_index_id(&ix, ref, v.id);
	ck_assert(deadletter_index_find(&ix, v.id, &ref));
	ck_assert_int_eq(deadletter_index_read(&ix, ref, &f, &r), DEADLETTER_FILE_OK);
	text_init(&out, 1 << 20);
	deadletter_json(&out, &v, &r, true);
	ck_assert_ptr_null(strchr(out.buf, '\n'));
	ck_assert_ptr_nonnull(strstr(out.buf, "\"reason\":\"no\\n\\\"3\\\"\""));
	ck_assert_ptr_nonnull(strstr(out.buf, "\"receipt\":\"0badcafe:1:768\""));
	ck_assert_ptr_nonnull(strstr(out.buf, "\"event\":{\"n\": 3}}"));
	text_free(&out);
	deadletter_file_close(&f);
	ck_assert(!deadletter_index_find(&ix, "a-1-33", &ref));
	ck_assert(!deadletter_index_find(&ix, "b-1-32", &ref));
	ck_assert(!deadletter_index_find(&ix, "a-2-32", &ref));
}
END_TEST

START_TEST(an_inbox_file_is_whole_frames_under_its_name_or_nothing)
{
	struct deadletter_inbox in;
	struct deadletter_ref ref = {0, 0, 0};
	char path[128];
	struct stat st;
	off_t len = 0;

	write_records("a", 0, 10);
	ck_assert_int_eq(deadletter_index_refresh(&ix), 0);
	ck_assert_int_eq(deadletter_inbox_open(&in, dir, "a", "x.frames"), -1);
	ck_assert_int_eq(errno, ENOENT);
	(void)snprintf(path, sizeof path, "%s/sinks", dir);
	ck_assert_int_eq(mkdir(path, 0750), 0);
	(void)snprintf(path, sizeof path, "%s/sinks/a", dir);
	ck_assert_int_eq(mkdir(path, 0750), 0);
	ck_assert_int_eq(deadletter_inbox_open(&in, dir, "a", "x.frames"), 0);
	(void)snprintf(path, sizeof path, "%s/sinks/a/inbox/x.frames", dir);
	for (ref.entry = 0; ref.entry < 10; ref.entry++) {
		struct deadletter_record r;
		struct deadletter_file f;

		ck_assert_int_eq(deadletter_index_read(&ix, ref, &f, &r), DEADLETTER_FILE_OK);
		ck_assert_int_eq(deadletter_inbox_add(&in, &r), 1);
		len += (off_t)r.frame.len;
		r.frame.len = 0;
		ck_assert_int_eq(deadletter_inbox_add(&in, &r), 0);
		deadletter_file_close(&f);
	}
	ck_assert_int_eq(stat(path, &st), -1);
	ck_assert_int_eq(deadletter_inbox_commit(&in), 0);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, len);
	deadletter_inbox_drop(&in);
	ck_assert_int_eq(stat(path, &st), -1);
}
END_TEST

START_TEST(a_sinks_answer_about_a_replay_is_understood)
{
	struct deadletter_replay r;

	ck_assert(deadletter_inbox_status("id=x state=done read=10 delivered=7 dead=2 skipped=1 "
					  "total=10 at_ns=0 reason=\"all read\"\n\n",
	    &r));
	ck_assert_str_eq(r.state, "done");
	ck_assert_uint_eq(r.delivered, 7);
	ck_assert_uint_eq(r.dead, 2);
	ck_assert_uint_eq(r.skipped, 1);
	ck_assert_str_eq(r.reason, "all read");
	ck_assert(!deadletter_inbox_status("unknown command\n\n", &r));
	ck_assert(!deadletter_inbox_status("", &r));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("deadletter_index");
	TCase *t = tcase_create("index");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, no_folder_is_no_error);
	tcase_add_test(t, what_comes_later_is_found_later);
	tcase_add_test(t, folders_up_to_the_limit_are_looked_at_and_more_are_told);
	tcase_add_test(t, the_newest_come_first);
	tcase_add_test(t, the_newest_of_many_come_first_too);
	tcase_add_test(t, of_several_records_of_one_event_the_newest_is_chosen_and_all_are_found);
	tcase_add_test(t, words_that_mean_nothing_are_refused);
	tcase_add_test(t, marks_outlive_the_process);
	tcase_add_test(t, torn_marks_are_cut);
	tcase_add_test(t, a_failed_sync_marks_nothing_and_the_next_try_does);
	tcase_add_test(t, marks_of_files_that_are_gone_are_compacted_away);
	tcase_add_test(t, what_the_writer_took_back_is_forgotten);
	tcase_add_test(t, a_record_in_the_place_of_a_torn_tail_of_its_length_is_found);
	tcase_add_test(t, more_than_the_limit_is_listed_when_others_have_gone);
	tcase_add_test(t, old_ones_expire);
	tcase_add_test(t, a_record_as_json_is_one_line);
	tcase_add_test(t, an_inbox_file_is_whole_frames_under_its_name_or_nothing);
	tcase_add_test(t, a_sinks_answer_about_a_replay_is_understood);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
