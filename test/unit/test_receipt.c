/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_receipt - what is told about an event, from parts made up by hand
 */
#include "test/unit/log_fixture.h"
#include "test/unit/shm_fixture.h"
#include "shm/word.h"
#include "workers/receipt.h"

#include <check.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static unsigned opens, goes_at; /* of the log's first segment */

/* Instead of the C library's: retention takes the first segment before its n-th opening. */
int
openat(int dirfd, const char *path, int flags, ...)
{
	char name[LOG_DIR_NAME_LEN];
	mode_t mode = 0;
	va_list ap;

	va_start(ap, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(ap, mode_t);
	va_end(ap);
	log_dir_name(1, name);
	if (goes_at != 0 && strcmp(path, name) == 0 && ++opens == goes_at)
		(void)unlinkat(dirfd, path, 0);
	return (int)syscall(SYS_openat, dirfd, path, flags, mode);
}

static const struct {
	const char *word;
	struct receipt_facts f;
} facts[] = {
    {"pending", {.pos = 8, .cursor = 9, .is_ready = false, .is_match = true}},
    {"pending", {.pos = 8, .cursor = 8, .is_ready = true, .is_match = true}},
    {"pending", {.pos = 8, .cursor = 0, .is_ready = true, .dead = RECEIPT_DEAD}},
    {"delivered", {.pos = 8, .cursor = 16, .is_ready = true, .is_match = true}},
    {"skipped", {.pos = 8, .cursor = 16, .is_ready = true, .is_match = false}},
    {"skipped",
	{.pos = 8, .seq = 1, .start_seq = 2, .cursor = 16, .is_ready = true, .is_match = true}},
    {"delivered",
	{.pos = 8, .seq = 2, .start_seq = 2, .cursor = 16, .is_ready = true, .is_match = true}},
    {"expired", {.pos = 8, .cursor = 16, .is_ready = true, .lost = SINK_EXPIRED, .is_match = true}},
    {"corrupt", {.pos = 8, .cursor = 16, .is_ready = true, .lost = SINK_CORRUPT}},
    {"dead", {.pos = 8, .cursor = 16, .is_ready = true, .dead = RECEIPT_DEAD, .is_match = true}},
    {"delivered", {.pos = 8, .cursor = 16, .is_ready = true, .dead = RECEIPT_REPLAYED}},
    {"late-duplicate",
	{.pos = 8, .cursor = 16, .is_ready = true, .is_late = true, .is_match = true}},
};

START_TEST(the_word_for_what_is_known)
{
	ck_assert_str_eq(receipt_word(&facts[_i].f), facts[_i].word);
}
END_TEST

static const struct {
	const char *text;
	bool ok;
	uint32_t stream;
	uint64_t pos;
} receipts[] = {
    {"5f0c2a11:0:4096", true, 0, 4096},
    {"00000000:255:18446744073709551615", true, 255, UINT64_MAX},
    {"5f0c2a11:256:0", false, 0, 0},
    {"5f0c2a11:0:18446744073709551616", false, 0, 0},
    {"5f0c2a1:0:4096", false, 0, 0},
    {"5F0C2A11:0:4096", false, 0, 0},
    {"5f0c2a11:0", false, 0, 0},
    {"5f0c2a11:0:", false, 0, 0},
    {"5f0c2a11::1", false, 0, 0},
    {"5f0c2a11:0:-1", false, 0, 0},
    {"5f0c2a11:0:1 ", false, 0, 0},
    {"", false, 0, 0},
};

START_TEST(receipts_are_read_whole_or_not)
{
	char instance[9];
	uint32_t stream;
	uint64_t pos;

	ck_assert_int_eq(
	    receipt_parse(receipts[_i].text, instance, &stream, &pos), receipts[_i].ok);
	if (!receipts[_i].ok)
		return;
	ck_assert_uint_eq(stream, receipts[_i].stream);
	ck_assert_uint_eq(pos, receipts[_i].pos);
	ck_assert_int_eq(strncmp(instance, receipts[_i].text, 8), 0);
}
END_TEST

START_TEST(lines_of_lost_ranges_are_half_open)
{
	static const char line[] = "expired 2 100 200 5 1700000000000000000\n";

	ck_assert_int_eq(receipt_lost_line(line, 2, 99), 0);
	ck_assert_int_eq(receipt_lost_line(line, 2, 100), SINK_EXPIRED);
	ck_assert_int_eq(receipt_lost_line(line, 2, 199), SINK_EXPIRED);
	ck_assert_int_eq(receipt_lost_line(line, 2, 200), 0);
	ck_assert_int_eq(receipt_lost_line(line, 1, 150), 0);
	ck_assert_int_eq(receipt_lost_line("corrupt 2 0 8 1 0", 2, 0), SINK_CORRUPT);
	ck_assert_int_eq(receipt_lost_line("corrupt 2 0", 2, 0), 0);
	ck_assert_int_eq(receipt_lost_line("nonsense", 2, 0), 0);
	ck_assert_int_eq(receipt_lost_line("", 2, 0), 0);
}
END_TEST

/*---------------------------------------------------------------------------*
 * A region with one ring and one sink
 *---------------------------------------------------------------------------*/

static char dir[64];
static struct region region;
static struct config *cfg;
static struct deadletter_index dead;
static struct receipt receipt;
static struct text_out out;

static int
unlink_it(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static const char *
under(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

/* Five events of 256 bytes with sequences from 0; three of them durable. */
static void
fill_ring(void)
{
	struct ring ring = region_ring(&region, 0);

	ring_start(&ring, 0, 0);
	for (uint64_t n = 0; n < 5; n++) {
		uint8_t *at = region.ring_data[0] + n * 256;
		char body[128];
		int len = snprintf(body, sizeof body,
		    "{\"userId\":\"u\\n1\",\"eventType\":\"%s\",\"timestamp\":%d}",
		    n == 1 ? "view" : "order", (int)n);
		struct frame_header h = {.type = FRAME_EVENT,
		    .pos = n * 256,
		    .seq = n,
		    .event_ms = (int64_t)n,
		    .user_id = {10, 6},
		    .event_type = {29, n == 1 ? 6 : 7}};

		memset(body + len, ' ', sizeof body - (size_t)len);
		memcpy(at, &h, sizeof h);
		memcpy(at + sizeof h, body, 120);
		frame_seal(at, 0, 120);
	}
	word_store(&region.slot[0]->ring.claimed, 5 * 256);
	cursor_store(&region.slot[0]->ring.tail, 5 * 256, 5);
	cursor_init(&region.journal->stream[0].durable, 3 * 256, 3);
}

static void
setup(void)
{
	struct region_params params = {.generation = 3,
	    .instance = {0x0b, 0xad, 0xca, 0xfe},
	    .slots = 2,
	    .pages = 4,
	    .ring_capacity = 1 << 16,
	    .dedup_bytes = 1 << 16,
	    .dedup_window_ms = 3600000,
	    .uid = getuid(),
	    .gid = getgid()};
	struct sink_place place = {.pos = 512, .seq = 2};
	char text[256];

	(void)snprintf(dir, sizeof dir, "/dev/shm/receipt.XXXXXX");
	assert_that(mkdtemp(dir) != NULL);
	ck_assert_int_eq(region_create(under("region"), &params, text, sizeof text), REGION_OK);
	ck_assert_int_eq(region_open(&region, under("region"), true, text, sizeof text), REGION_OK);
	(void)snprintf(
	    region.header->sink_name[3].name, sizeof region.header->sink_name[3].name, "events");
	fill_ring();
	for (int i = 0; i < SINK_PART_STREAMS; i++)
		sink_cursor_init(&region.sink[3]->stream[i].done, &place);
	word_store(&region.sink[3]->ready_generation, 3);
	cfg = xcalloc(1, sizeof *cfg);
	cfg->sinks = 1;
	(void)snprintf(cfg->sink[0].name, sizeof cfg->sink[0].name, "events");
	cfg->sink[0].kind = CONFIG_SINK_ROUTE;
	cfg->sink[0].event_type.n = 1;
	(void)snprintf(cfg->sink[0].event_type.at[0], CONFIG_LIST_TEXT, "order");
	deadletter_index_init(&dead, dir);
	ck_assert_int_eq(mkdir(under("log"), 0750), 0);
	receipt_open(&receipt, &region, cfg, dir, open(under("log"), O_RDONLY | O_DIRECTORY));
	text_init(&out, 1 << 16);
}

static void
teardown(void)
{
	close(receipt.log_dirfd);
	receipt_close(&receipt);
	deadletter_index_free(&dead);
	text_free(&out);
	free(cfg);
	region_close(&region);
	(void)nftw(dir, unlink_it, 16, FTW_DEPTH | FTW_PHYS);
}

static const char *
ask(uint32_t stream, uint64_t pos)
{
	text_free(&out);
	ck_assert_int_eq(deadletter_index_refresh(&dead), 0);
	receipt_json(&receipt, &dead, stream, pos, &out);
	return out.buf;
}

START_TEST(durable_and_behind_the_cursor_is_delivered)
{
	ck_assert_str_eq(ask(0, 0),
	    "{\"receipt\":\"0badcafe:0:0\",\"status\":\"durable\","
	    "\"eventKey\":\"event:u\\n1:order:0\",\"sinks\":{\"events\":\"delivered\"}}");
}
END_TEST

START_TEST(what_does_not_match_was_skipped)
{
	ck_assert_ptr_nonnull(strstr(ask(0, 256), "{\"events\":\"skipped\"}"));
}
END_TEST

START_TEST(before_the_cursor_it_is_pending_and_may_be_only_in_memory)
{
	ck_assert_ptr_nonnull(strstr(ask(0, 512), "\"durable\""));
	ck_assert_ptr_nonnull(strstr(out.buf, "{\"events\":\"pending\"}"));
	ck_assert_ptr_nonnull(strstr(ask(0, 768), "\"status\":\"memory\""));
	ck_assert_ptr_nonnull(strstr(out.buf, "{\"events\":\"pending\"}"));
}
END_TEST

START_TEST(where_no_event_begins_there_is_none)
{
	static const char unknown[] = "\"status\":\"unknown\"}";

	ck_assert_ptr_nonnull(strstr(ask(0, 5 * 256), unknown));
	ck_assert_ptr_nonnull(strstr(ask(0, 800), unknown));
	ck_assert_ptr_nonnull(strstr(ask(0, UINT64_MAX), unknown));
	ck_assert_ptr_nonnull(strstr(ask(1, 0), unknown));
	ck_assert_ptr_nonnull(strstr(ask(LAYOUT_SLOTS_MAX + 2, 0), unknown));
	ck_assert_ptr_nonnull(strstr(ask(UINT32_MAX, 0), unknown));
}
END_TEST

START_TEST(a_sink_that_has_not_begun_has_everything_before_it)
{
	word_store(&region.sink[3]->ready_generation, 2);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"pending\"}"));
	region.header->sink_name[3].name[0] = '\0';
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"pending\"}"));
}
END_TEST

START_TEST(a_dead_letter_is_dead_until_it_was_replayed)
{
	struct deadletter_writer *w = deadletter_writer_open(dir, "events", (uid_t)-1, (gid_t)-1);
	struct deadletter_info i = {.code = "x", .stream = 0, .pos = 0, .last_ns = 1};
	struct deadletter_ref ref = {0, 0, 0};

	ck_assert_int_eq(deadletter_writer_add(w, &i, bytes_of("", 0)), 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"dead\"}"));
	deadletter_index_mark(&dead, ref, DEADLETTER_PURGED, 1);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"dead\"}"));
	deadletter_index_mark(&dead, ref, DEADLETTER_REPLAYED, 1);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"delivered\"}"));
	i.is_replay = true;
	i.last_ns = 2;
	ck_assert_int_eq(deadletter_writer_add(w, &i, bytes_of("", 0)), 0);
	ck_assert_int_eq(deadletter_writer_sync(w), 0);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"dead\"}"));
	deadletter_writer_close(w);
}
END_TEST

START_TEST(a_lost_range_is_told)
{
	FILE *f;

	ck_assert_int_eq(mkdir(under("sinks"), 0750), 0);
	ck_assert_int_eq(mkdir(under("sinks/events"), 0750), 0);
	f = fopen(under("sinks/events/lost"), "w");
	ck_assert_ptr_nonnull(f);
	(void)fprintf(f, "corrupt 0 256 512 1 1\nexpired 0 0 256 1 1\n");
	(void)fclose(f);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"expired\"}"));
	ck_assert_ptr_nonnull(strstr(ask(0, 256), "{\"events\":\"corrupt\"}"));
}
END_TEST

START_TEST(a_late_duplicate_is_told_for_every_sink)
{
	struct sink_place place = {.pos = 512, .seq = 2};
	struct late_writer *late;
	uint64_t count;
	int log = receipt.log_dirfd, fd;

	ck_assert_int_eq(mkdir(under("sinks"), 0750), 0);
	ck_assert_int_eq(mkdir(under("sinks/claims"), 0750), 0);
	(void)snprintf(
	    region.header->sink_name[4].name, sizeof region.header->sink_name[4].name, "claims");
	sink_cursor_init(&region.sink[4]->stream[0].done, &place);
	word_store(&region.sink[4]->ready_generation, 3);
	cfg->sinks = 2;
	(void)snprintf(cfg->sink[1].name, sizeof cfg->sink[1].name, "claims");
	cfg->sink[1].kind = CONFIG_SINK_REDIS;
	receipt_close(&receipt);
	receipt_open(&receipt, &region, cfg, dir, log);

	fd = open(under("sinks/claims"), O_RDONLY | O_DIRECTORY);
	late = late_writer_open(fd, UINT64_MAX, &count);
	ck_assert_ptr_nonnull(late);
	ck_assert_int_eq(late_writer_add(late, 1, 0, 0), 0);
	count = late_writer_flush(late);
	/* It does not count before it was published. */
	ck_assert_ptr_nonnull(
	    strstr(ask(0, 0), "{\"events\":\"delivered\",\"claims\":\"delivered\"}"));
	word_store(&region.sink[4]->late_count, count);
	ck_assert_ptr_nonnull(
	    strstr(ask(0, 0), "{\"events\":\"late-duplicate\",\"claims\":\"late-duplicate\"}"));
	ck_assert_ptr_nonnull(
	    strstr(ask(0, 256), "{\"events\":\"skipped\",\"claims\":\"delivered\"}"));

	/* What the log has no more nobody asks for: it takes no memory. */
	for (uint64_t n = 1; n <= 50000; n++)
		ck_assert_int_eq(late_writer_add(late, 1, 1, 8 * n), 0);
	word_store(&region.sink[4]->late_count, late_writer_flush(late));
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "late-duplicate"));
	ck_assert_uint_ge(late_reader_bytes(receipt.late), 50000 * 32);
	receipt_trim(&receipt);
	ck_assert_uint_ge(late_reader_bytes(receipt.late), 50000 * 32);
	word_store(&region.journal->stream[1].oldest, 8 * 50001);
	receipt_trim(&receipt);
	ck_assert_uint_le(late_reader_bytes(receipt.late), 1024 * 16);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "late-duplicate"));
	late_writer_close(late);
	close(fd);
}
END_TEST

START_TEST(an_event_of_a_former_region_was_the_sinks_own)
{
	/* The sink began at 0, and again with the new region at 2. */
	ck_assert_int_eq(mkdir(under("sinks"), 0750), 0);
	ck_assert_int_eq(mkdir(under("sinks/events"), 0750), 0);
	receipt_note_begin(&receipt, true);
	word_store(&region.sink[3]->stream[0].start_seq, 2);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"delivered\"}"));
	memset(receipt.begin, 0, sizeof receipt.begin);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"skipped\"}"));
	receipt_note_begin(&receipt, false);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"delivered\"}"));
}
END_TEST

START_TEST(a_sink_that_was_retired_begins_again)
{
	ck_assert_int_eq(mkdir(under("deadletter"), 0750), 0);
	ck_assert_int_eq(mkdir(under("sinks"), 0750), 0);
	ck_assert_int_eq(mkdir(under("sinks/events"), 0750), 0);
	receipt_note_begin(&receipt, true);
	(void)nftw(under("sinks/events"), unlink_it, 16, FTW_DEPTH | FTW_PHYS);
	ck_assert_int_eq(mkdir(under("sinks/events"), 0750), 0);
	word_store(&region.sink[3]->stream[0].start_seq, 2);
	memset(receipt.begin, 0, sizeof receipt.begin);
	receipt_note_begin(&receipt, true);
	ck_assert_ptr_nonnull(strstr(ask(0, 0), "{\"events\":\"skipped\"}"));
}
END_TEST

START_TEST(sinks_whose_names_differ_in_the_last_letter_begin_each_for_itself)
{
	static const char *const names[] = {
	    "s123456789012345678901234567890a", "s12345678901234567890123456789b"};
	char path[64];

	ck_assert_int_eq(mkdir(under("deadletter"), 0750), 0);
	ck_assert_int_eq(mkdir(under("sinks"), 0750), 0);
	cfg->sinks = 2;
	for (int i = 0; i < 2; i++) {
		(void)snprintf(cfg->sink[i].name, sizeof cfg->sink[i].name, "%s", names[i]);
		(void)snprintf(path, sizeof path, "sinks/%s", names[i]);
		ck_assert_int_eq(mkdir(under(path), 0750), 0);
		(void)snprintf(region.header->sink_name[i].name,
		    sizeof region.header->sink_name[i].name, "%s", names[i]);
		word_store(&region.sink[i]->ready_generation, 3);
		word_store(&region.sink[i]->stream[0].start_seq, (uint64_t)(7 + i));
	}
	for (int life = 0; life < 2; life++) {
		memset(receipt.begin, 0, sizeof receipt.begin);
		receipt_note_begin(&receipt, life == 0);
		for (int i = 0; i < 2; i++) {
			ck_assert(receipt.begin[i].is_known);
			ck_assert_uint_eq(receipt.begin[i].seq[0], (uint64_t)(7 + i));
		}
	}
}
END_TEST

START_TEST(a_segment_that_goes_meanwhile_is_expired_and_not_unreadable)
{
	unsigned durable = 0, expired = 0, other = 0;

	/* Stream 1 has nothing in its ring; its first event is in the first segment. */
	for (unsigned at = 1; at < 12; at++) {
		struct lf *f = lf_new();
		int log = receipt.log_dirfd;

		for (int i = 0; f->w.number < 3; i++)
			lf_commit(f, 1, 100, 1);
		cursor_init(&region.journal->stream[1].durable, f->stream[1].end, 1);
		word_store(&region.journal->log_end, layout_log_end(f->w.number, f->w.off));
		receipt.log_dirfd = f->dirfd;
		opens = 0;
		goes_at = at;
		(void)ask(1, 0);
		goes_at = 0;
		durable += strstr(out.buf, "\"durable\"") != NULL;
		expired += strstr(out.buf, "\"expired\"") != NULL;
		other += strstr(out.buf, "\"durable\"") == NULL &&
			 strstr(out.buf, "\"expired\"") == NULL;
		receipt.log_dirfd = log;
		lf_free(f);
	}
	ck_assert_uint_eq(other, 0);
	ck_assert_uint_ge(expired, 1);
	ck_assert_uint_ge(durable, 1);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("receipt");
	TCase *pure = tcase_create("pure"), *t = tcase_create("region");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_loop_test(
	    pure, the_word_for_what_is_known, 0, (int)(sizeof facts / sizeof facts[0]));
	tcase_add_loop_test(
	    pure, receipts_are_read_whole_or_not, 0, (int)(sizeof receipts / sizeof receipts[0]));
	tcase_add_test(pure, lines_of_lost_ranges_are_half_open);
	suite_add_tcase(s, pure);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, durable_and_behind_the_cursor_is_delivered);
	tcase_add_test(t, what_does_not_match_was_skipped);
	tcase_add_test(t, before_the_cursor_it_is_pending_and_may_be_only_in_memory);
	tcase_add_test(t, where_no_event_begins_there_is_none);
	tcase_add_test(t, a_sink_that_has_not_begun_has_everything_before_it);
	tcase_add_test(t, a_dead_letter_is_dead_until_it_was_replayed);
	tcase_add_test(t, a_lost_range_is_told);
	tcase_add_test(t, a_late_duplicate_is_told_for_every_sink);
	tcase_add_test(t, an_event_of_a_former_region_was_the_sinks_own);
	tcase_add_test(t, a_sink_that_was_retired_begins_again);
	tcase_add_test(t, a_segment_that_goes_meanwhile_is_expired_and_not_unreadable);
	tcase_add_test(t, sinks_whose_names_differ_in_the_last_letter_begin_each_for_itself);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
