/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_json - simdjson behind its C interface: limits, errors, the walk
 *
 * DESCRIPTION
 *	Also fixes the tape layout that json.h walks, so that an upgrade of simdjson
 *	that changes it is seen here first; and json_check beside it.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/json_check.h"

#define LEN_MAX   256
#define DEPTH_MAX 8

static const struct {
	const char *text;
	enum json_result parsed;
	enum json_check_result checked;
	size_t off; /* where json_check() stops */
} cases[] = {
    {"{\"a\":1}", JSON_OK, JSON_CHECK_OK, 7},
    {" [ ] ", JSON_OK, JSON_CHECK_OK, 5},
    {"", JSON_EMPTY, JSON_CHECK_SYNTAX, 0},
    {" \n\t\r ", JSON_EMPTY, JSON_CHECK_SYNTAX, 5},
    {"{\"a\":1}x", JSON_SYNTAX, JSON_CHECK_SYNTAX, 7},
    {"{\"a\":1,}", JSON_SYNTAX, JSON_CHECK_SYNTAX, 7},
    {"{a:1}", JSON_SYNTAX, JSON_CHECK_SYNTAX, 1},
    {"[1 2]", JSON_SYNTAX, JSON_CHECK_SYNTAX, 3},
    {"[1", JSON_SYNTAX, JSON_CHECK_SYNTAX, 2},
    {"[\"a", JSON_SYNTAX, JSON_CHECK_SYNTAX, 3},
    {"[\"\n\"]", JSON_SYNTAX, JSON_CHECK_SYNTAX, 2},
    {"[nul]", JSON_SYNTAX, JSON_CHECK_SYNTAX, 4},
    {"[truex]", JSON_SYNTAX, JSON_CHECK_SYNTAX, 5},
    {"[01]", JSON_NUMBER, JSON_CHECK_SYNTAX, 2},
    {"[1.]", JSON_NUMBER, JSON_CHECK_SYNTAX, 3},
    {"[-]", JSON_NUMBER, JSON_CHECK_SYNTAX, 2},
    {"[1e]", JSON_NUMBER, JSON_CHECK_SYNTAX, 3},
    {"[1e999]", JSON_NUMBER, JSON_CHECK_OK, 7},
    {"[18446744073709551615]", JSON_OK, JSON_CHECK_OK, 22},
    {"[18446744073709551616]", JSON_NUMBER, JSON_CHECK_OK, 22},
    {"[-9223372036854775808]", JSON_OK, JSON_CHECK_OK, 22},
    {"[-9223372036854775809]", JSON_NUMBER, JSON_CHECK_OK, 22},
    {"[\"\\ud83d\\ude00\"]", JSON_OK, JSON_CHECK_OK, 16},
    {"[\"\\ud83d\"]", JSON_SYNTAX, JSON_CHECK_SURROGATE, 8},
    {"[\"\\ude00\"]", JSON_SYNTAX, JSON_CHECK_SURROGATE, 8},
    {"[\"\\x\"]", JSON_SYNTAX, JSON_CHECK_SYNTAX, 3},
    {"[\"\\u12g4\"]", JSON_SYNTAX, JSON_CHECK_SYNTAX, 6},
    {"[\"\xc3\x28\"]", JSON_UTF8, JSON_CHECK_OK, 6},
    {"[\"\xed\xa0\x80\"]", JSON_UTF8, JSON_CHECK_OK, 7},
    {"[\"\xf4\x90\x80\x80\"]", JSON_UTF8, JSON_CHECK_OK, 8},
    {"[[[[[[[[1]]]]]]]]", JSON_OK, JSON_CHECK_OK, 17},
    {"[[[[[[[[[1]]]]]]]]]", JSON_DEEP, JSON_CHECK_DEEP, 9},
};

static struct json_parser *parser;
static uint8_t text[LEN_MAX + 1 + JSON_PADDING];

static struct bytes
padded(const char *s, size_t len)
{
	memset(text, '}', sizeof(text));
	memcpy(text, s, len);
	return bytes_of(text, len);
}

static struct json_value
root_of(const char *s)
{
	struct json_value root = {NULL, 0};

	if (parser == NULL)
		parser = json_parser_new(LEN_MAX, DEPTH_MAX);
	ck_assert_int_eq(json_parse(parser, padded(s, strlen(s)), &root), JSON_OK);
	return root;
}

START_TEST(texts_are_judged)
{
	struct bytes in = padded(cases[_i].text, strlen(cases[_i].text));
	struct json_parser *p = json_parser_new(LEN_MAX, DEPTH_MAX);
	struct json_value root;
	size_t off;

	ck_assert_msg(json_parse(p, in, &root) == cases[_i].parsed, "%s", cases[_i].text);
	ck_assert_msg(json_check(in, DEPTH_MAX, &off) == cases[_i].checked, "%s", cases[_i].text);
	ck_assert_uint_eq(off, cases[_i].off);
	json_parser_free(p);
}
END_TEST

START_TEST(length_limit_is_exact)
{
	struct json_parser *p = json_parser_new(LEN_MAX, DEPTH_MAX);
	char s[LEN_MAX + 1];
	struct json_value root;
	const uint32_t *indexes;
	size_t n;

	memset(s, ' ', sizeof(s));
	s[0] = '7';
	ck_assert_int_eq(json_parse(p, padded(s, LEN_MAX - 1), &root), JSON_OK);
	ck_assert_int_eq(json_parse(p, padded(s, LEN_MAX), &root), JSON_OK);
	ck_assert_int_eq(json_parse(p, padded(s, LEN_MAX + 1), &root), JSON_BIG);
	ck_assert_int_eq(json_index(p, padded(s, LEN_MAX + 1), &indexes, &n), JSON_BIG);
	json_parser_free(p);
}
END_TEST

START_TEST(every_type_reads_back)
{
	struct json_value root = root_of("{\"n\":null,\"t\":true,\"f\":false,\"i\":-5,"
					 "\"u\":18446744073709551615,\"d\":2.5,\"s\":\"a\\u0000b\","
					 "\"a\":[1,[2,3],{}],\"o\":{\"x\":{\"y\":1}},\"last\":1}");
	struct json_value v;

	ck_assert(json_is(root, JSON_TYPE_OBJECT) && json_count(root) == 10);
	ck_assert(json_find(root, BYTES_LIT("n"), &v) && json_is(v, JSON_TYPE_NULL));
	ck_assert(json_find(root, BYTES_LIT("t"), &v) && json_is(v, JSON_TYPE_TRUE));
	ck_assert(json_find(root, BYTES_LIT("f"), &v) && json_is(v, JSON_TYPE_FALSE));
	ck_assert(json_find(root, BYTES_LIT("i"), &v) && json_is(v, JSON_TYPE_INT));
	ck_assert(json_int(v) == -5 && json_number(v) == -5.0);
	ck_assert(json_find(root, BYTES_LIT("u"), &v) && json_is(v, JSON_TYPE_UINT));
	ck_assert(json_uint(v) == UINT64_MAX);
	ck_assert(json_find(root, BYTES_LIT("d"), &v) && json_is(v, JSON_TYPE_DOUBLE));
	ck_assert(json_double(v) == 2.5);
	ck_assert(json_find(root, BYTES_LIT("s"), &v) && json_is(v, JSON_TYPE_STRING));
	ck_assert(bytes_is(json_string(v), bytes_of("a\0b", 3)));
	ck_assert(json_find(root, BYTES_LIT("a"), &v) && json_count(v) == 3);
	ck_assert(!json_find(v, BYTES_LIT("x"), &v));
	ck_assert(json_find(root, BYTES_LIT("o"), &v) && json_count(v) == 1);
	ck_assert(json_find(root, BYTES_LIT("last"), &v) && json_int(v) == 1);
	ck_assert(!json_find(root, BYTES_LIT("las"), &v));
}
END_TEST

START_TEST(elements_come_in_order)
{
	struct json_value root = root_of("[10,[11,12],\"x\",13]"), v;
	struct json_iter it = json_iter(root);

	ck_assert(json_next_element(&it, &v) && json_int(v) == 10);
	ck_assert(json_next_element(&it, &v) && json_is(v, JSON_TYPE_ARRAY));
	ck_assert(json_next_element(&it, &v) && json_is(v, JSON_TYPE_STRING));
	ck_assert(json_next_element(&it, &v) && json_int(v) == 13);
	ck_assert(!json_next_element(&it, &v));
	it = json_iter(v);
	ck_assert(!json_next_element(&it, &v));
}
END_TEST

START_TEST(index_names_every_structural_byte)
{
	static const uint32_t want[] = {0, 1, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 21};
	struct json_parser *p = json_parser_new(LEN_MAX, DEPTH_MAX);
	const uint32_t *indexes;
	struct json_value root;
	size_t n, bad = 0;

	ck_assert_int_eq(
	    json_index(p, padded("{\"a\":[1,2],\"b\":\"{:,\" }", 22), &indexes, &n), JSON_OK);
	bad += n != sizeof(want) / sizeof(want[0]);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++)
		bad += indexes[i] != want[i];
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_eq(indexes[n - 1], 21);
	ck_assert_uint_eq(indexes[n], 22);
	ck_assert_uint_eq(indexes[n + 1], 22);
	ck_assert_int_eq(json_tree(p, &root), JSON_OK);
	ck_assert_uint_eq(json_count(root), 2);
	json_parser_free(p);
}
END_TEST

START_TEST(numbers_and_utf8_alone)
{
	ck_assert(json_check_is_number(BYTES_LIT("-0.5e+10")));
	ck_assert(!json_check_is_number(BYTES_LIT("")) && !json_check_is_number(BYTES_LIT("1 ")));
	ck_assert(!json_check_is_number(BYTES_LIT("+1")) && !json_check_is_number(BYTES_LIT("00")));
	ck_assert(
	    json_is_utf8(BYTES_LIT("gr\xc3\xbc\xc3\x9f")) && !json_is_utf8(BYTES_LIT("\xff")));
	ck_assert(json_kernel()[0] != '\0');
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("json");
	TCase *tc = tcase_create("json");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, texts_are_judged, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, length_limit_is_exact);
	tcase_add_test(tc, every_type_reads_back);
	tcase_add_test(tc, elements_come_in_order);
	tcase_add_test(tc, index_names_every_structural_byte);
	tcase_add_test(tc, numbers_and_utf8_alone);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
