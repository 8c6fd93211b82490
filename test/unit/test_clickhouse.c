/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_clickhouse - the pure parts of the ClickHouse sink
 *
 * DESCRIPTION
 *	What answers mean, how bad rows are found, descriptors whole and torn,
 *	SQL from columns, bodies packed and unpacked.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <fcntl.h>
#include <lz4.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "workers/clickhouse_bisect.h"
#include "workers/clickhouse_descriptor.h"
#include "workers/clickhouse_error.h"
#include "workers/clickhouse_pack.h"
#include "workers/clickhouse_table.h"

/*---- Answers */

static const struct {
	long status;
	const char *header, *body;
	int code;
	enum clickhouse_error what;
} answers[] = {
    {200, NULL, "", 0, CLICKHOUSE_ERROR_NONE},
    {200, NULL, "Ok.\n", 0, CLICKHOUSE_ERROR_NONE},
    {200, NULL, "Code: 241, e.displayText() = DB::Exception: Memory", 241, CLICKHOUSE_ERROR_LOAD},
    {500, NULL, "Code: 33, e.displayText() = DB::Exception: Cannot read all data", 33,
	CLICKHOUSE_ERROR_DATA},
    {400, "117", "Code: 117. DB::Exception: x", 117, CLICKHOUSE_ERROR_DATA},
    {404, NULL, "Code: 60, e.displayText() = DB::Exception: Table x doesn't exist.", 60,
	CLICKHOUSE_ERROR_SETUP},
    {404, "81", "", 81, CLICKHOUSE_ERROR_SETUP},
    {401, NULL, "Code: 194, e.displayText() = DB::Exception: Password required", 194,
	CLICKHOUSE_ERROR_SETUP},
    {403, "516", "x", 516, CLICKHOUSE_ERROR_SETUP},
    {403, "497", "x", 497, CLICKHOUSE_ERROR_SETUP},
    {500, "16", "x", 16, CLICKHOUSE_ERROR_SETUP},
    {500, "252", "Too many parts", 252, CLICKHOUSE_ERROR_LOAD},
    {500, "202", "x", 202, CLICKHOUSE_ERROR_LOAD},
    {500, "31337", "nobody knows", 31337, CLICKHOUSE_ERROR_LOAD},
    {502, NULL, "<html>bad gateway</html>", 0, CLICKHOUSE_ERROR_LOAD},
    {429, NULL, "", 0, CLICKHOUSE_ERROR_LOAD},
    {413, NULL, "too large", 0, CLICKHOUSE_ERROR_DATA},
    {404, NULL, "nothing here", 0, CLICKHOUSE_ERROR_SETUP},
    {302, NULL, "", 0, CLICKHOUSE_ERROR_SETUP},
};

START_TEST(answer_means_this)
{
	struct bytes body = bytes_str(answers[_i].body);
	int code = clickhouse_error_code(answers[_i].header, body);

	ck_assert_int_eq(code, answers[_i].code);
	ck_assert_int_eq(clickhouse_error_of(answers[_i].status, code, body), answers[_i].what);
}
END_TEST

START_TEST(words_are_one_line_without_the_tail)
{
	char text[64];

	clickhouse_error_text(
	    BYTES_LIT("Code: 6. DB::Exception: bad\tvalue (version 24.1)\nx"), text, sizeof text);
	ck_assert_str_eq(text, "Code: 6. DB::Exception: bad value");
	clickhouse_error_text(BYTES_LIT("abcdefgh"), text, 5);
	ck_assert_str_eq(text, "abcd");
	clickhouse_error_text(bytes_of(NULL, 0), text, sizeof text);
	ck_assert_str_eq(text, "");
}
END_TEST

/*---- Bad rows */

static unsigned
log2_up(uint32_t n)
{
	unsigned l = 0;

	while ((UINT32_C(1) << l) < n)
		l++;
	return l;
}

START_TEST(bad_rows_are_found_with_few_inserts)
{
	static const uint32_t sizes[] = {1, 2, 3, 7, 1000, 1024, 50000};
	static bool is_bad[50000];
	size_t wrong = 0;

	for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++)
		for (unsigned bad = 0; bad <= 5 && bad <= sizes[s]; bad++) {
			struct clickhouse_bisect b;
			struct clickhouse_range r;
			uint32_t n = sizes[s], found = 0, rows = 0, at = 0;

			memset(is_bad, 0, sizeof is_bad);
			for (unsigned i = 0; i < bad; i++)
				is_bad[(uint64_t)i * 7919 % n] = true;
			for (uint32_t i = bad = 0; i < n; i++)
				bad += is_bad[i];
			clickhouse_bisect_begin(&b, 0, n);
			while (clickhouse_bisect_next(&b, &r)) {
				bool has_bad = false;

				wrong += r.from != at;
				for (uint32_t i = r.from; i < r.to; i++)
					has_bad = has_bad || is_bad[i];
				if (has_bad && clickhouse_bisect_bad(&b)) {
					found++;
					wrong += !is_bad[r.from];
					at = r.to;
				} else if (!has_bad) {
					clickhouse_bisect_good(&b);
					rows += r.to - r.from;
					at = r.to;
				}
			}
			wrong += found != bad || rows != n - bad || at != n;
			wrong += b.inserts > bad * 2 * log2_up(n) + 1;
		}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

/*---- Descriptors */

static struct clickhouse_descriptor d, e;

static void
fill(struct clickhouse_descriptor *to)
{
	struct clickhouse_span *s;

	clickhouse_descriptor_clear(to);
	memcpy(to->instance, "0123456789abcdef", 16);
	to->token_lo = 1;
	to->token_hi = UINT64_MAX;
	to->encoder = 1;
	clickhouse_descriptor_table(to, "table\ta\tb\n", 10);
	for (uint32_t i = 0; i < 3; i++) {
		s = clickhouse_descriptor_span(to, i * 100);
		s->done_pos = s->from = 1000 * i;
		s->to = s->from + 4096;
		s->done_seq = 7;
		for (uint64_t seq = 7; seq < 300; seq++)
			if (seq % 10 != 3)
				clickhouse_descriptor_add(to, seq + i * UINT64_C(10000000000));
	}
}

static bool
is_same(const struct clickhouse_descriptor *a, const struct clickhouse_descriptor *b)
{
	return a->rows == b->rows && a->spans == b->spans && a->runs == b->runs &&
	       a->table_len == b->table_len && memcmp(a->table, b->table, a->table_len) == 0 &&
	       a->token_lo == b->token_lo && a->token_hi == b->token_hi &&
	       memcmp(a->span, b->span, a->spans * sizeof a->span[0]) == 0 &&
	       memcmp(a->run, b->run, a->runs * sizeof a->run[0]) == 0 &&
	       memcmp(a->instance, b->instance, 16) == 0;
}

START_TEST(descriptor_read_is_the_one_written_and_torn_is_none)
{
	uint8_t *buf = NULL;
	size_t size = 0, len, believed = 0;

	fill(&d);
	len = clickhouse_descriptor_encode(&d, &buf, &size);
	ck_assert(clickhouse_descriptor_decode(&e, buf, len));
	ck_assert(is_same(&d, &e));
	for (size_t n = 0; n < len; n++)
		believed += clickhouse_descriptor_decode(&e, buf, n);
	/* Any byte but the word in front, which says that it is finished. */
	for (size_t n = 16; n < len; n++) {
		buf[n] ^= 0x10;
		believed += clickhouse_descriptor_decode(&e, buf, len);
		buf[n] ^= 0x10;
	}
	ck_assert_uint_eq(believed, 0);
	free(buf);
}
END_TEST

START_TEST(newest_whole_descriptor_of_two_files_counts)
{
	struct clickhouse_descriptor_file f;
	char dir[] = "/tmp/test_clickhouse.XXXXXX";
	bool has_one;
	int dirfd;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	dirfd = open(dir, O_RDONLY | O_DIRECTORY);
	ck_assert_int_eq(clickhouse_descriptor_open(&f, dirfd, &e, &has_one), 0);
	ck_assert(!has_one);
	fill(&d);
	for (uint64_t i = 1; i <= 3; i++) {
		d.token_lo = i;
		ck_assert_int_eq(clickhouse_descriptor_write(&f, &d), 0);
	}
	clickhouse_descriptor_close(&f);
	ck_assert_int_eq(clickhouse_descriptor_open(&f, dirfd, &e, &has_one), 0);
	ck_assert(has_one && e.token_lo == 3 && !e.is_finished && is_same(&d, &e));
	ck_assert_int_eq(clickhouse_descriptor_finish(&f), 0);
	clickhouse_descriptor_close(&f);
	ck_assert_int_eq(clickhouse_descriptor_open(&f, dirfd, &e, &has_one), 0);
	ck_assert(has_one && e.token_lo == 3 && e.is_finished);
	/* A write that was torn: the one before it counts. */
	ck_assert_int_eq(ftruncate(f.fd[e.serial % 2], 200), 0);
	clickhouse_descriptor_close(&f);
	ck_assert_int_eq(clickhouse_descriptor_open(&f, dirfd, &e, &has_one), 0);
	ck_assert(has_one && e.token_lo == 2 && !e.is_finished);
	clickhouse_descriptor_close(&f);
	(void)unlinkat(dirfd, "batch-0", 0);
	(void)unlinkat(dirfd, "batch-1", 0);
	(void)close(dirfd);
	(void)rmdir(dir);
}
END_TEST

/*---- Tables */

static struct clickhouse_table *
a_table(void)
{
	static const char text[] =
	    "table\tdb\tt`x\npartition\tday\ncolumn\tuserId\tString\t/userId\n"
	    "column\teventType\tLowCardinality(String)\t/eventType\n"
	    "column\tts\tUInt64\t/timestamp\n"
	    "column\tok\tNullable(Bool)\t/metadata/ok\n";
	struct clickhouse_table *t = clickhouse_table_from_text(text, sizeof text - 1);

	ck_assert_ptr_nonnull(t);
	ck_assert_str_eq(t->text, text);
	return t;
}

START_TEST(sql_is_made_from_columns)
{
	struct clickhouse_table *t = a_table();
	struct clickhouse_features old = {0};
	struct text_out out;

	text_init(&out, 65536);
	clickhouse_table_insert(t, &out);
	ck_assert_str_eq(out.buf,
	    "INSERT INTO `db`.`t\\`x` (`userId`, `eventType`, `ts`, `ok`) FORMAT RowBinary");
	out.len = 0;
	clickhouse_table_create(t, NULL, &out);
	ck_assert_str_eq(out.buf,
	    "CREATE TABLE IF NOT EXISTS `db`.`t\\`x`\n(\n    `userId` String,\n"
	    "    `eventType` LowCardinality(String),\n    `ts` UInt64,\n    `ok` "
	    "Nullable(Bool)\n)\n"
	    "ENGINE = MergeTree\nPARTITION BY toYYYYMMDD(toDateTime(intDiv(`ts`, 1000), 'UTC'))\n"
	    "ORDER BY (`eventType`, `ts`)\nSETTINGS non_replicated_deduplication_window = 1000");
	out.len = 0;
	clickhouse_table_create(t, &old, &out);
	ck_assert_ptr_nonnull(strstr(out.buf, "`eventType` String,"));
	ck_assert_ptr_nonnull(strstr(out.buf, "`ok` Nullable(UInt8)"));
	ck_assert_ptr_null(strstr(out.buf, "SETTINGS"));
	out.len = 0;
	clickhouse_table_url_encode(&out, "a b`(%");
	ck_assert_str_eq(out.buf, "a%20b%60%28%25");
	text_free(&out);
	clickhouse_table_free(t);
}
END_TEST

static const struct {
	const char *answer, *differences;
} probes[] = {
    {"version\t18.16.1\n", ""},
    {"version\t1\ncolumn\tuserId\tString\t\ncolumn\teventType\tString\t\ncolumn\tts\tUInt64\t\n"
     "column\tok\tNullable(UInt8)\t\ncolumn\tmore\tArray(String)\tDEFAULT\n",
	""},
    {"column\tuserId\tString\t\ncolumn\teventType\tString\t\ncolumn\tts\tUInt32\t\n",
	"column ts is UInt32 there and UInt64 here\ncolumn ok is not there\n"},
    {"column\tuserId\tNullable(String)\t\ncolumn\teventType\tString\tMATERIALIZED\n"
     "column\tts\tUInt64\t\ncolumn\tok\tNullable(Bool)\t\n",
	"column userId is Nullable(String) there and String here\n"
	"column eventType is MATERIALIZED there: nothing can be inserted into it\n"},
};

START_TEST(table_that_differs_is_told_column_by_column)
{
	struct clickhouse_table *t = a_table();
	struct clickhouse_features f;
	struct text_out out;
	int rc;

	text_init(&out, 65536);
	rc = clickhouse_table_check(t, bytes_str(probes[_i].answer), &f, &out);
	ck_assert_int_eq(rc, probes[_i].differences[0] == '\0' ? 0 : -1);
	ck_assert_str_eq(out.len == 0 ? "" : out.buf, probes[_i].differences);
	text_free(&out);
	clickhouse_table_free(t);
}
END_TEST

START_TEST(features_are_what_the_server_lists)
{
	static const char answer[] =
	    "version\t24.8\nsetting\tasync_insert\nsetting\tinsert_deduplication_token\n"
	    "setting\tnon_replicated_deduplication_window\n"
	    "table\tMergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100\n";
	struct clickhouse_table *t = a_table();
	struct clickhouse_features f;
	struct text_out out;

	text_init(&out, 65536);
	(void)clickhouse_table_check(t, bytes_str(answer), &f, &out);
	ck_assert_str_eq(f.version, "24.8");
	ck_assert(f.has_async && f.has_token && f.has_window && f.has_table && f.keeps_tokens);
	ck_assert(!f.has_native);
	(void)clickhouse_table_check(t,
	    BYTES_LIT("table\tMergeTree SETTINGS non_replicated_deduplication_window = 0\n"), &f,
	    &out);
	ck_assert(!f.keeps_tokens);
	(void)clickhouse_table_check(t, BYTES_LIT("table\tReplicatedMergeTree(x)\n"), &f, &out);
	ck_assert(f.keeps_tokens);
	text_free(&out);
	clickhouse_table_free(t);
}
END_TEST

START_TEST(spans_are_those_of_utc)
{
	const int64_t last_of_may = INT64_C(1433116799999), first_of_june = last_of_may + 1;

	ck_assert_int_eq(clickhouse_table_span(CONFIG_PARTITION_MONTH, first_of_june) -
			     clickhouse_table_span(CONFIG_PARTITION_MONTH, last_of_may),
	    1);
	ck_assert_int_eq(clickhouse_table_span(CONFIG_PARTITION_MONTH, first_of_june),
	    clickhouse_table_span(CONFIG_PARTITION_MONTH, first_of_june + INT64_C(29) * 86400000));
	ck_assert_int_eq(clickhouse_table_span(CONFIG_PARTITION_DAY, first_of_june) -
			     clickhouse_table_span(CONFIG_PARTITION_DAY, last_of_may),
	    1);
	ck_assert_int_eq(clickhouse_table_span(CONFIG_PARTITION_HOUR, first_of_june) -
			     clickhouse_table_span(CONFIG_PARTITION_HOUR, last_of_may),
	    1);
	ck_assert_int_eq(clickhouse_table_span(CONFIG_PARTITION_NONE, first_of_june), 0);
}
END_TEST

/*---- Packing */

static size_t
unpack(enum config_compression how, struct bytes in, uint8_t *out, size_t size)
{
	size_t len = 0;

	if (how == CONFIG_COMPRESSION_GZIP) {
		z_stream z = {.next_in = (Bytef *)(uintptr_t)in.ptr,
		    .avail_in = (uInt)in.len,
		    .next_out = out,
		    .avail_out = (uInt)size};

		ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
		ck_assert_int_eq(inflate(&z, Z_FINISH), Z_STREAM_END);
		len = z.total_out;
		(void)inflateEnd(&z);
		return len;
	}
	while (in.len > 0) {
		uint32_t packed, plain;

		ck_assert_uint_ge(in.len, 25);
		memcpy(&packed, in.ptr + 17, 4);
		memcpy(&plain, in.ptr + 21, 4);
		ck_assert(packed + 16 <= in.len && len + plain <= size);
		ck_assert_int_eq(in.ptr[16], how == CONFIG_COMPRESSION_LZ4 ? 0x82 : 0x90);
		if (how == CONFIG_COMPRESSION_LZ4)
			ck_assert_int_eq(LZ4_decompress_safe((const char *)in.ptr + 25,
					     (char *)out + len, (int)packed - 9, (int)plain),
			    plain);
		else
			ck_assert_uint_eq(
			    ZSTD_decompress(out + len, plain, in.ptr + 25, packed - 9), plain);
		len += plain;
		in = bytes_of(in.ptr + 16 + packed, in.len - 16 - packed);
	}
	return len;
}

START_TEST(packed_pieces_are_the_pieces)
{
	static const enum config_compression how[] = {
	    CONFIG_COMPRESSION_LZ4, CONFIG_COMPRESSION_ZSTD, CONFIG_COMPRESSION_GZIP};
	static const size_t border = CLICKHOUSE_PACK_BLOCK;
	size_t lens[] = {1, border - 1, border, border + 1, 3 * border + 17, 100};
	size_t size = 8 * border, at = 0, n = sizeof(lens) / sizeof(lens[0]);
	uint8_t *text = malloc(size), *back = malloc(size);
	struct clickhouse_pack *p = clickhouse_pack_new();
	struct bytes piece[6], got;

	for (size_t i = 0; i < size; i++)
		text[i] = (uint8_t)((i * i >> 7) % 61);
	for (size_t i = 0; i < n; i++) {
		piece[i] = bytes_of(text + at, lens[i]);
		at += lens[i];
	}
	got = clickhouse_pack(p, how[_i], piece, n);
	ck_assert_ptr_nonnull(got.ptr);
	ck_assert_uint_eq(unpack(how[_i], got, back, size), at);
	ck_assert(memcmp(text, back, at) == 0);
	clickhouse_pack_free(p);
	free(text);
	free(back);
}
END_TEST

#define COUNT(a) ((int)(sizeof(a) / sizeof(a[0])))

int
main(void)
{
	Suite *s = suite_create("clickhouse");
	TCase *tc = tcase_create("pure");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_loop_test(tc, answer_means_this, 0, COUNT(answers));
	tcase_add_test(tc, words_are_one_line_without_the_tail);
	tcase_add_test(tc, bad_rows_are_found_with_few_inserts);
	tcase_add_test(tc, descriptor_read_is_the_one_written_and_torn_is_none);
	tcase_add_test(tc, newest_whole_descriptor_of_two_files_counts);
	tcase_add_test(tc, sql_is_made_from_columns);
	tcase_add_loop_test(tc, table_that_differs_is_told_column_by_column, 0, COUNT(probes));
	tcase_add_test(tc, features_are_what_the_server_lists);
	tcase_add_test(tc, spans_are_those_of_utc);
	tcase_add_loop_test(tc, packed_pieces_are_the_pieces, 0, 3);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
