/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_json_out - answers are escaped, bounded and dated right
 *
 * DESCRIPTION
 *	Cases, every buffer size, every byte; dates against gmtime_r().
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/json.h"
#include "common/json_out.h"

static const struct {
	const char *text, *written;
} strings[] = {
    {"", "\"\""},
    {"plain text of more than eight", "\"plain text of more than eight\""},
    {"a\"b\\c/", "\"a\\\"b\\\\c/\""},
    {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
    {"\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""},
    {"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80",
	"\"gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\""},
    {"\xff", "\"\xef\xbf\xbd\""},
    {"a\xe2\x82", "\"a\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
    {"\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
};

START_TEST(strings_are_escaped)
{
	char room[128];
	struct json_out out = json_out_on(room, sizeof(room));

	json_out_string(&out, bytes_str(strings[_i].text));
	ck_assert_msg(bytes_is(json_out_bytes(&out), bytes_str(strings[_i].written)), "%s",
	    strings[_i].written);
}
END_TEST

START_TEST(every_byte_at_every_place_reads_back)
{
	struct json_parser *parser = json_parser_new(256, 1);
	size_t bad = 0;

	for (int c = 0; c < 128; c++) {
		for (size_t at = 0; at < 20; at++) {
			char text[20], room[64 + JSON_PADDING];
			struct json_out out = json_out_on(room, 64);
			struct json_value root;

			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			json_out_string(&out, bytes_of(text, sizeof(text)));
			bad += json_parse(parser, json_out_bytes(&out), &root) != JSON_OK ||
			       !bytes_is(json_string(root), bytes_of(text, sizeof(text)));
		}
	}
	ck_assert_uint_eq(bad, 0);
	json_parser_free(parser);
}
END_TEST

static void
write_all(struct json_out *out)
{
	json_out_char(out, '{');
	json_out_name(out, BYTES_LIT("key"));
	json_out_string(out, BYTES_LIT("a\nb"));
	json_out_lit(out, ",\"n\":");
	json_out_i64(out, -12);
	json_out_char(out, ',');
	json_out_name(out, BYTES_LIT("t"));
	json_out_time_ms(out, 0);
	json_out_char(out, '}');
}

START_TEST(full_buffer_takes_nothing_more)
{
	static const char want[] =
	    "{\"key\":\"a\\nb\",\"n\":-12,\"t\":\"1970-01-01T00:00:00.000Z\"}";
	size_t len = sizeof(want) - 1, bad = 0;

	for (size_t cap = 0; cap <= len + 1; cap++) {
		char *room = malloc(cap + 1);
		struct json_out out = json_out_on(room, cap);

		write_all(&out);
		bad += out.is_full != (cap < len) || out.len > cap;
		bad += memcmp(room, want, out.len) != 0;
		bad += cap >= len && out.len != len;
		free(room);
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(one_that_does_not_fit_leaves_nothing_behind)
{
	char room[8];
	struct json_out out = json_out_on(room, sizeof(room));

	json_out_lit(&out, "ab");
	json_out_string(&out, BYTES_LIT("x\ny\nz"));
	ck_assert(out.is_full && out.len == 2);
	json_out_char(&out, 'c');
	ck_assert_uint_eq(out.len, 2);
}
END_TEST

START_TEST(numbers_are_written_as_printf_does)
{
	uint64_t value = 0;
	size_t bad = 0;

	for (int i = 0; i < 200; i++) {
		char want[64], room[64];
		struct json_out out = json_out_on(room, sizeof(room));

		(void)snprintf(want, sizeof(want), "%llu", (unsigned long long)value);
		json_out_u64(&out, value);
		bad += !bytes_is(json_out_bytes(&out), bytes_str(want));
		out.len = 0;
		(void)snprintf(want, sizeof(want), "%lld", (long long)value);
		json_out_i64(&out, (int64_t)value);
		bad += !bytes_is(json_out_bytes(&out), bytes_str(want));
		value = i % 3 == 0 ? value * 10 : i % 3 == 1 ? value - 1 : value * 2 + 9;
		if (i == 100)
			value = UINT64_MAX;
		if (i == 150)
			value = (uint64_t)INT64_MIN;
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(times_agree_with_gmtime)
{
	size_t bad = 0;

	/* A step of 9 days, 7 hours and some: all months, all leap years up to 9999. */
	for (int64_t ms = 0; ms <= INT64_C(253402300799999); ms += INT64_C(803456789)) {
		time_t s = (time_t)(ms / 1000);
		char want[64], got[JSON_OUT_TIME_LEN];
		struct tm tm;

		(void)gmtime_r(&s, &tm);
		(void)snprintf(want, sizeof(want), "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ",
		    tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
		    (int)(ms % 1000));
		json_out_time_to(got, ms);
		bad += memcmp(got, want, sizeof(got)) != 0;
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(times_are_clamped)
{
	char got[JSON_OUT_TIME_LEN];

	json_out_time_to(got, -1);
	ck_assert(memcmp(got, "1970-01-01T00:00:00.000Z", sizeof(got)) == 0);
	json_out_time_to(got, INT64_C(253402300799999));
	ck_assert(memcmp(got, "9999-12-31T23:59:59.999Z", sizeof(got)) == 0);
	json_out_time_to(got, INT64_MAX);
	ck_assert(memcmp(got, "9999-12-31T23:59:59.999Z", sizeof(got)) == 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json_out");
	TCase *tc = tcase_create("json_out");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tc, strings_are_escaped, 0, (int)(sizeof(strings) / sizeof(strings[0])));
	tcase_add_test(tc, every_byte_at_every_place_reads_back);
	tcase_add_test(tc, full_buffer_takes_nothing_more);
	tcase_add_test(tc, one_that_does_not_fit_leaves_nothing_behind);
	tcase_add_test(tc, numbers_are_written_as_printf_does);
	tcase_add_test(tc, times_agree_with_gmtime);
	tcase_add_test(tc, times_are_clamped);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
