/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_pick - values are found where RFC 6901 says, and nothing outside the text is read
 *
 * DESCRIPTION
 *	Texts end where their memory does, so that the address sanitizer sees a
 *	byte too many.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pick.h"

/* In a copy that ends where the text does; the slice is told by what it holds. */
static char *
pick_one(const char *text, size_t len, const char *pointer)
{
	struct pick *p = pick_new();
	uint8_t *exact = malloc(len + 1);
	struct bytes out[1];
	char why[128], *found = NULL;

	ck_assert_int_eq(pick_add(p, pointer, why, sizeof why), 0);
	memcpy(exact + 1, text, len); /* not aligned */
	pick_run(p, bytes_of(exact + 1, len), out);
	if (out[0].ptr != NULL) {
		ck_assert(out[0].ptr > exact && out[0].ptr + out[0].len <= exact + 1 + len);
		ck_assert_uint_gt(out[0].len, 0);
		found = strndup((const char *)out[0].ptr, out[0].len);
	}
	free(exact);
	pick_free(p);
	return found;
}

static const struct {
	const char *text, *pointer, *value; /* NULL: absent */
} cases[] = {
    {"{\"a\":1}", "/a", "1"},
    {"{\"a\":1}", "/b", NULL},
    {"{\"a\":1}", "", "{\"a\":1}"},
    {" \n{\"a\":1} ", "", "{\"a\":1}"},
    {"  17 ", "", "17"},
    {"17", "/a", NULL},
    {"\"a\"", "", "\"a\""},
    {"{\"a\" : \"x\\\"y\" , \"b\":2}", "/a", "\"x\\\"y\""},
    {"{\"a\" : \"x\\\\\" , \"b\":2}", "/b", "2"},
    {"{\"a\":{\"b\":{\"c\":[1,2,{\"d\":null}]}}}", "/a/b/c/2/d", "null"},
    {"{\"a\":{\"b\":{\"c\":[1,2,{\"d\":null}]}}}", "/a/b/c", "[1,2,{\"d\":null}]"},
    {"[[1,2],[3,4]]", "/1/0", "3"},
    {"[[1,2],[3,4]]", "/2", NULL},
    {"[1,2]", "/01", NULL},
    {"[1,2]", "/-", NULL},
    {"[1,2]", "/ 1", NULL},
    {"[0,1,2,3,4,5,6,7,8,9,10]", "/10", "10"},
    {"{\"01\":1,\"1\":2}", "/01", "1"},
    {"{\"-\":1}", "/-", "1"},
    {"[]", "/0", NULL},
    {"{}", "/0", NULL},
    {"[ ]", "/0", NULL},
    {"{\"\":5}", "/", "5"},
    {"{\"\":{\"\":6}}", "//", "6"},
    {"{\"a/b\":1,\"a~b\":2,\"a~1b\":3}", "/a~1b", "1"},
    {"{\"a/b\":1,\"a~b\":2,\"a~1b\":3}", "/a~0b", "2"},
    {"{\"a/b\":1,\"a~b\":2,\"a~1b\":3}", "/a~01b", "3"},
    /* The first of two counts, even when it has not what is looked for. */
    {"{\"a\":1,\"a\":2}", "/a", "1"},
    {"{\"a\":{\"x\":1},\"a\":{\"y\":2}}", "/a/y", NULL},
    {"{\"a\":1,\"a\":{\"y\":2}}", "/a/y", NULL},
    /* Names with escapes. */
    {"{\"\\u0061\":7}", "/a", "7"},
    {"{\"\\u00e4\":7}", "/\xc3\xa4", "7"},
    {"{\"\\ud83d\\ude00\":7}", "/\xf0\x9f\x98\x80", "7"},
    {"{\"a\\/b\":7}", "/a~1b", "7"},
    {"{\"a\\\"b\":7,\"c\":8}", "/a\"b", "7"},
    {"{\"a\\\"b\":7,\"c\":8}", "/c", "8"},
    /* Brackets in strings are none. */
    {"{\"x\":\"}]{[\",\"y\":{\"z\":\"}\\\"}\"},\"a\":true}", "/a", "true"},
    {"{\"x\":[{\"q\":[\"]\"]}],\"a\":false}", "/a", "false"},
    {"{\"x\":-1.5e+10,\"a\":-0.0}", "/a", "-0.0"},
    {"{\"a\":\t1\r\n}", "/a", "1"},
    {"{\"a\":123456789012345678901234567890123456789012345678901234567890}", "/a",
	"123456789012345678901234567890123456789012345678901234567890"},
    /* Texts that are no JSON: something within, or nothing. */
    {"", "", NULL},
    {"   ", "", NULL},
    {"{", "/a", NULL},
    {"{\"a\"", "/a", NULL},
    {"{\"a\":", "/a", NULL},
    {"{\"a\": ", "/a", NULL},
    {"{\"a\":}", "/a", NULL},
    {"{\"a\":,\"b\":1}", "/b", NULL},
    {"{\"a\":\"", "/a", NULL},
    {"{\"a\":\"\\", "/a", NULL},
    {"{\"a\":\"\\\"", "/a", NULL},
    {"{\"a\":[1,2", "/a", NULL},
    {"{\"a\":{\"b\":1", "/a", NULL},
    {"{\"a\":{\"b\":1", "/a/b", "1"},
    {"{\"a\\", "/a", NULL},
    {"{\"a\\u00", "/a", NULL},
    {"{\"\\u00zz\":1,\"a\":2}", "/a", "2"},
    {"{\"\\ud83d\":1,\"a\":2}", "/a", "2"},
    {"{a:1}", "/a", NULL},
    {"{,}", "/a", NULL},
    {"[,]", "/1", NULL},
    {"[1", "/0", "1"},
    {"}", "/a", NULL},
    {"]]]]", "/0", NULL},
    {"{\"x\":[[[[[[{{{{", "/a", NULL},
    {"{\"x\":1 2,\"a\":3}", "/a", NULL},
};

START_TEST(a_value_is_found_as_it_stands)
{
	char *found = pick_one(cases[_i].text, strlen(cases[_i].text), cases[_i].pointer);

	if (cases[_i].value == NULL)
		ck_assert_ptr_null(found);
	else
		ck_assert_str_eq(found == NULL ? "(absent)" : found, cases[_i].value);
	free(found);
}
END_TEST

/* Behind each number of blanks, so that every place of a block is met. */
START_TEST(blocks_of_bytes_make_no_difference)
{
	char text[512], value[64], *found;
	unsigned bad = 0, len, pad;

	for (len = 0; len < 40; len++)
		for (pad = 0; pad < 70; pad++) {
			(void)snprintf(value, sizeof value, "\"%.*s\"", (int)len,
			    "abcdefghijklmnopqrstuvwxyz0123456789abcdefg");
			(void)snprintf(text, sizeof text,
			    "{%*s\"skipped\":{\"deep\":[\"\\\\\",%s]},\"a\":%s}", (int)pad, "",
			    value, value);
			found = pick_one(text, strlen(text), "/a");
			bad += found == NULL || strcmp(found, value) != 0;
			free(found);
			found = pick_one(text, strlen(text), "/skipped/deep/1");
			bad += found == NULL || strcmp(found, value) != 0;
			free(found);
		}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(a_text_cut_anywhere_gives_slices_of_it_or_nothing)
{
	static const char text[] = "{\"userId\":\"a\\u00e4\",\"eventType\":\"x\",\"metadata\":"
				   "{\"list\":[1,{\"b\":\"c\\\"\"}],\"n\":-1.5},\"last\":true}";
	static const char *const pointers[] = {
	    "/userId", "/metadata", "/metadata/list/1/b", "/metadata/n", "/last", ""};
	size_t len, i;

	for (len = 0; len < sizeof text; len++)
		for (i = 0; i < sizeof pointers / sizeof pointers[0]; i++)
			free(pick_one(text, len, pointers[i]));
}
END_TEST

START_TEST(many_pointers_are_found_in_one_pass)
{
	static const char text[] = "{\"a\":{\"b\":1,\"c\":{\"d\":2}},\"e\":[3,4],\"f\":5}";
	static const char *const pointers[] = {
	    "/f", "/a/c/d", "/a", "/e/1", "", "/a/c", "/none", "/a/b", "/a/none", "/f/deeper"};
	static const char *const values[] = {
	    "5", "2", "{\"b\":1,\"c\":{\"d\":2}}", "4", text, "{\"d\":2}", NULL, "1", NULL, NULL};
	struct pick *p = pick_new();
	struct bytes out[10];
	char why[128];
	int i;

	for (i = 0; i < 10; i++)
		ck_assert_int_eq(pick_add(p, pointers[i], why, sizeof why), i);
	ck_assert_int_eq(pick_add(p, "/a/c", why, sizeof why), 5);
	ck_assert_int_eq(pick_count(p), 10);
	memset(out, 0xff, sizeof out);
	pick_run(p, BYTES_LIT("{\"a\":{\"b\":1,\"c\":{\"d\":2}},\"e\":[3,4],\"f\":5}"), out);
	for (i = 0; i < 10; i++) {
		ck_assert_int_eq(out[i].ptr == NULL, values[i] == NULL);
		if (values[i] != NULL)
			ck_assert(bytes_is(out[i], bytes_str(values[i])));
		else
			ck_assert_uint_eq(out[i].len, 0);
	}
	pick_free(p);
}
END_TEST

/* While another pointer keeps the run going. */
START_TEST(the_first_of_two_members_counts)
{
	struct pick *p = pick_new();
	struct bytes out[4];
	char why[128];

	ck_assert_int_eq(pick_add(p, "/a", why, sizeof why), 0);
	ck_assert_int_eq(pick_add(p, "/o/x", why, sizeof why), 1);
	ck_assert_int_eq(pick_add(p, "/o/y", why, sizeof why), 2);
	ck_assert_int_eq(pick_add(p, "/last", why, sizeof why), 3);
	pick_run(p,
	    BYTES_LIT(
		"{\"a\":1,\"a\":2,\"o\":{\"x\":3,\"x\":4},\"o\":{\"y\":5},\"a\":6,\"last\":7}"),
	    out);
	ck_assert(bytes_is(out[0], BYTES_LIT("1")));
	ck_assert(bytes_is(out[1], BYTES_LIT("3")));
	ck_assert_ptr_null(out[2].ptr);
	ck_assert(bytes_is(out[3], BYTES_LIT("7")));
	pick_free(p);
}
END_TEST

START_TEST(pointers_have_their_limits)
{
	struct pick *p = pick_new();
	char why[128], pointer[300];
	int i;

	ck_assert_int_eq(pick_add(p, "a", why, sizeof why), -1);
	ck_assert_str_eq(why, "\"a\" is not a JSON pointer: it begins with /");
	ck_assert_int_eq(pick_add(p, "/a~", why, sizeof why), -1);
	ck_assert_int_eq(pick_add(p, "/a~2", why, sizeof why), -1);
	memset(pointer, 'a', sizeof pointer);
	pointer[0] = '/';
	pointer[256] = '\0';
	ck_assert_int_eq(pick_add(p, pointer, why, sizeof why), -1);
	pointer[255] = '\0';
	ck_assert_int_eq(pick_add(p, pointer, why, sizeof why), 0);
	pointer[0] = '\0';
	for (i = 0; i < PICK_DEPTH_MAX; i++)
		(void)strncat(pointer, "/x", 3);
	ck_assert_int_eq(pick_add(p, pointer, why, sizeof why), 1);
	(void)strncat(pointer, "/x", 3);
	ck_assert_int_eq(pick_add(p, pointer, why, sizeof why), -1);
	ck_assert_str_eq(why, "a pointer has at most 32 steps");
	pick_free(p);

	p = pick_new();
	for (i = 0; i < PICK_MAX; i++) {
		(void)snprintf(pointer, sizeof pointer, "/m%d", i);
		ck_assert_int_eq(pick_add(p, pointer, why, sizeof why), i);
	}
	ck_assert_int_eq(pick_add(p, "/one-more", why, sizeof why), -1);
	ck_assert_str_eq(why, "at most 128 pointers are possible");
	ck_assert_int_eq(pick_add(p, "/m127", why, sizeof why), 127);
	pick_free(p);
}
END_TEST

/* The largest tree that can be: each pointer 32 steps long, with nothing in common. */
START_TEST(the_largest_set_finds_all)
{
	struct pick *p = pick_new();
	struct bytes out[PICK_MAX];
	char why[128], pointer[256], *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);
	unsigned bad = 0;
	int i, j;

	(void)fputc('{', to);
	for (i = 0; i < PICK_MAX; i++) {
		int at = snprintf(pointer, sizeof pointer, "/m%d", i);

		(void)fprintf(to, "%s\"m%d\":", i == 0 ? "" : ",", i);
		for (j = 1; j < PICK_DEPTH_MAX; j++) {
			at += snprintf(pointer + at, sizeof pointer - (size_t)at, "/d");
			(void)fputs("{\"x\":0,\"d\":", to);
		}
		(void)fprintf(to, "%d", i);
		for (j = 1; j < PICK_DEPTH_MAX; j++)
			(void)fputc('}', to);
		ck_assert_int_eq(pick_add(p, pointer, why, sizeof why), i);
	}
	(void)fputc('}', to);
	(void)fclose(to);
	pick_run(p, bytes_of(text, len), out);
	for (i = 0; i < PICK_MAX; i++) {
		(void)snprintf(pointer, sizeof pointer, "%d", i);
		bad += !bytes_is(out[i], bytes_str(pointer));
	}
	ck_assert_uint_eq(bad, 0);
	free(text);
	pick_free(p);
}
END_TEST

/* A text that nests without end costs no stack. */
START_TEST(deep_nesting_is_skipped)
{
	size_t depth = 1000000, len = 5 + 2 * depth + 7;
	char *text = malloc(len + 1), *found;

	memcpy(text, "{\"x\":", 5);
	memset(text + 5, '[', depth);
	memset(text + 5 + depth, ']', depth);
	memcpy(text + 5 + 2 * depth, ",\"a\":1}", 8);
	found = pick_one(text, len, "/a");
	ck_assert_str_eq(found == NULL ? "(absent)" : found, "1");
	free(found);
	ck_assert_ptr_null(pick_one(text, 5 + depth, "/a"));
	free(text);
}
END_TEST

static const struct {
	const char *raw, *text; /* NULL: refused */
} strings[] = {
    {"\"\"", ""},
    {"\"abc\"", "abc"},
    {"\"a\\n\\t\\b\\f\\r\\\\\\/\\\"z\"", "a\n\t\b\f\r\\/\"z"},
    {"\"\\u0041\\u00e4\\u20ac\"", "A\xc3\xa4\xe2\x82\xac"},
    {"\"\\uD83D\\uDE00!\"", "\xf0\x9f\x98\x80!"},
    {"\"\\ud83d\"", "\xef\xbf\xbd"},
    {"\"\\ud83dx\"", "\xef\xbf\xbdx"},
    {"\"\\ude00\"", "\xef\xbf\xbd"},
    {"\"\\ud83d\\u0041\"", "\xef\xbf\xbd"
			   "A"},
    {"\"\\u12\"", NULL},
    {"\"\\q\"", NULL},
    {"\"\\\"", NULL},
    {"\"", NULL},
    {"", NULL},
    {"17", NULL},
    {"\"abc", NULL},
};

START_TEST(a_string_is_given_as_it_is_meant)
{
	const char *raw = strings[_i].raw;
	size_t len = strlen(raw);
	uint8_t *exact = malloc(len + 1);
	char *buf = malloc(len + 1);
	struct bytes out;
	bool is_good;

	memcpy(exact + 1, raw, len);
	is_good = pick_string(bytes_of(exact + 1, len), buf, len, &out);
	ck_assert_int_eq(is_good, strings[_i].text != NULL);
	if (is_good) {
		ck_assert(bytes_is(out, bytes_str(strings[_i].text)));
		/* Where they stand, if nothing had to be changed. */
		ck_assert_int_eq(out.ptr == exact + 2, strchr(raw, '\\') == NULL);
	}
	free(exact);
	free(buf);
}
END_TEST

START_TEST(a_string_needs_room_for_what_it_says)
{
	struct bytes out;
	char buf[8];

	ck_assert(pick_string(BYTES_LIT("\"ab\\ncd\""), buf, 5, &out));
	ck_assert(bytes_is(out, BYTES_LIT("ab\ncd")));
	ck_assert(!pick_string(BYTES_LIT("\"ab\\ncd\""), buf, 4, &out));
	ck_assert(!pick_string(BYTES_LIT("\"\\u20ac\""), buf, 2, &out));
	ck_assert(pick_string(BYTES_LIT("\"\\u20ac\""), buf, 3, &out));
	/* Without escapes no room is needed. */
	ck_assert(pick_string(BYTES_LIT("\"abcdefghijkl\""), NULL, 0, &out));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("pick");
	TCase *tc = tcase_create("pick");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tc, a_value_is_found_as_it_stands, 0, (int)(sizeof cases / sizeof cases[0]));
	tcase_add_test(tc, blocks_of_bytes_make_no_difference);
	tcase_add_test(tc, a_text_cut_anywhere_gives_slices_of_it_or_nothing);
	tcase_add_test(tc, many_pointers_are_found_in_one_pass);
	tcase_add_test(tc, the_first_of_two_members_counts);
	tcase_add_test(tc, pointers_have_their_limits);
	tcase_add_test(tc, the_largest_set_finds_all);
	tcase_add_test(tc, deep_nesting_is_skipped);
	tcase_add_loop_test(
	    tc, a_string_is_given_as_it_is_meant, 0, (int)(sizeof strings / sizeof strings[0]));
	tcase_add_test(tc, a_string_needs_room_for_what_it_says);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
