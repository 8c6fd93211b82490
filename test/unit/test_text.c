/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_text - a growing text that knows where to stop
 */
#include "workers/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(text_grows_and_stays_terminated)
{
	struct text_out t;
	size_t bad = 0;

	text_init(&t, 1 << 20);
	for (int i = 0; i < 5000; i++) {
		text_add(&t, "%d,", i % 10);
		bad += t.buf[t.len] != '\0' || strlen(t.buf) != t.len;
		if (i % 100 != 0)
			bad = bad > 0;
	}
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_eq(t.len, 10000);
	ck_assert(!t.is_cut);
	text_free(&t);
	ck_assert_ptr_null(t.buf);
}
END_TEST

START_TEST(long_format_is_whole)
{
	struct text_out t;
	char *word = calloc(1, 3001);

	memset(word, 'x', 3000);
	text_init(&t, 1 << 20);
	text_add(&t, "%s", word);
	ck_assert_uint_eq(t.len, 3000);
	ck_assert_str_eq(t.buf, word);
	text_free(&t);
	free(word);
}
END_TEST

/* "... cut\n" has 8 bytes: 92 of 100 are for the text. */
START_TEST(limit_is_kept_and_said)
{
	static const struct {
		size_t len;
		bool is_cut;
	} cases[] = { { 91, false }, { 92, false }, { 93, true }, { 100, true }, { 5000, true } };
	struct text_out t;
	char *word = calloc(1, 5001);

	memset(word, 'x', 5000);
	text_init(&t, 100);
	text_add_bytes(&t, word, cases[_i].len);
	ck_assert_int_eq(t.is_cut, cases[_i].is_cut);
	ck_assert_uint_le(t.len, 100);
	if (cases[_i].is_cut) {
		ck_assert_str_eq(t.buf + t.len - 8, "\xe2\x80\xa6 cut\n");
		text_add(&t, "more");
		ck_assert_str_eq(t.buf + t.len - 8, "\xe2\x80\xa6 cut\n");
	}
	text_free(&t);
	free(word);
}
END_TEST

START_TEST(cut_splits_no_character)
{
	struct text_out t;

	text_init(&t, 20);
	text_add(&t, "0123456789a\xc3\xa4z");
	ck_assert(t.is_cut);
	ck_assert_str_eq(t.buf, "0123456789a \xe2\x80\xa6 cut\n");
	text_free(&t);
}
END_TEST

START_TEST(json_strings_are_escaped)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{ "", "\"\"" },
		{ "plain", "\"plain\"" },
		{ "a\"b\\c", "\"a\\\"b\\\\c\"" },
		{ "line\nend\t", "\"line\\nend\\u0009\"" },
		{ "\x01", "\"\\u0001\"" },
		{ "\xc3\xa4", "\"\xc3\xa4\"" },
	};
	struct text_out t;

	text_init(&t, 1000);
	text_add_json(&t, cases[_i].in);
	ck_assert_str_eq(t.buf, cases[_i].out);
	text_free(&t);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("text");
	TCase *tc = tcase_create("text");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, text_grows_and_stays_terminated);
	tcase_add_test(tc, long_format_is_whole);
	tcase_add_loop_test(tc, limit_is_kept_and_said, 0, 5);
	tcase_add_test(tc, cut_splits_no_character);
	tcase_add_loop_test(tc, json_strings_are_escaped, 0, 6);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
