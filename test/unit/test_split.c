/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_split - bodies are cut whole, at the right places, or not at all
 *
 * DESCRIPTION
 *	Every case runs on every kernel that the CPU has, and behind paddings of
 *	blanks that move it over the blocks' edges.  Texts end where the memory
 *	does, so that the address sanitizer sees a byte too many.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdlib.h>

#include "common/split.h"

#define MAX 8

static const struct {
	const char *body;
	enum split_result result;
	const char *elements[MAX];
} arrays[] = {
    {"[]", SPLIT_OK, {NULL}},
    {"[ \r\n\t]  ", SPLIT_OK, {NULL}},
    {"[1]", SPLIT_OK, {"1"}},
    {"[ {\"a\":[1,2]} , \"x,]\" ,null]", SPLIT_OK, {"{\"a\":[1,2]}", "\"x,]\"", "null"}},
    {"[\"\\\"]\",\"\\\\\",[]]", SPLIT_OK, {"\"\\\"]\"", "\"\\\\\"", "[]"}},
    {"[\"\\\\\\\",[\",{}]", SPLIT_OK, {"\"\\\\\\\",[\"", "{}"}},
    {"[nul,{} {},1:2]", SPLIT_OK, {"nul", "{} {}", "1:2"}},
    {"[1,2,3,4,5,6,7,8]", SPLIT_OK, {"1", "2", "3", "4", "5", "6", "7", "8"}},
    {"[1,2,3,4,5,6,7,8,9]", SPLIT_TOO_MANY, {NULL}},
    {"", SPLIT_NOT_ARRAY, {NULL}},
    {"{}", SPLIT_NOT_ARRAY, {NULL}},
    {"\xef\xbb\xbf[]", SPLIT_NOT_ARRAY, {NULL}},
    {"[", SPLIT_UNBALANCED, {NULL}},
    {"[1,2", SPLIT_UNBALANCED, {NULL}},
    {"[\"]", SPLIT_UNBALANCED, {NULL}},
    {"[\"\\\"]", SPLIT_UNBALANCED, {NULL}},
    {"[{]", SPLIT_UNBALANCED, {NULL}},
    {"[{]}", SPLIT_UNBALANCED, {NULL}},
    {"[{\"a\":1],{\"b\":2}]", SPLIT_UNBALANCED, {NULL}},
    {"[}", SPLIT_UNBALANCED, {NULL}},
    {"[] x", SPLIT_TRAILING, {NULL}},
    {"[][]", SPLIT_TRAILING, {NULL}},
    {"[]]", SPLIT_TRAILING, {NULL}},
    {"[1],", SPLIT_TRAILING, {NULL}},
    {"[1,,2]", SPLIT_BAD_SEPARATOR, {NULL}},
    {"[1,]", SPLIT_BAD_SEPARATOR, {NULL}},
    {"[1, ]", SPLIT_BAD_SEPARATOR, {NULL}},
    {"[,1]", SPLIT_BAD_SEPARATOR, {NULL}},
    {"[,]", SPLIT_BAD_SEPARATOR, {NULL}},
};

/* The bytes alone, at the end of their memory. */
static uint8_t *
alone(const char *blanks, size_t n_blanks, const char *s, size_t len)
{
	uint8_t *p = malloc(n_blanks + len + 1);

	ck_assert_ptr_nonnull(p);
	memcpy(p + 1, blanks, n_blanks);
	memcpy(p + 1 + n_blanks, s, len);
	return p;
}

static bool
is_as_expected(int i, struct bytes body)
{
	struct bytes out[MAX];
	size_t n = 99, want = 0;

	if (split_array(body, MAX, out, &n) != arrays[i].result)
		return false;
	while (want < MAX && arrays[i].elements[want] != NULL)
		want++;
	for (size_t k = 0; n == want && k < want; k++) {
		if (!bytes_is(out[k], bytes_str(arrays[i].elements[k])))
			return false;
	}
	return n == want;
}

START_TEST(arrays_are_cut_by_every_kernel)
{
	char blanks[130];
	size_t bad = 0;

	memset(blanks, ' ', sizeof(blanks));
	for (int k = SPLIT_KERNEL_SCALAR; k <= SPLIT_KERNEL_AVX512; k++) {
		if (!split_use_kernel((enum split_kernel)k))
			continue;
		for (size_t n = 0; n <= sizeof(blanks); n++) {
			const char *s = arrays[_i].body;
			size_t len = strlen(s);
			uint8_t *p = alone(blanks, n, s, len);

			bad += !is_as_expected(_i, bytes_of(p + 1, n + len));
			free(p);
		}
	}
	ck_assert_msg(bad == 0, "%s", arrays[_i].body);
}
END_TEST

/* A long string of backslashes before a quote, over every place in a block. */
START_TEST(runs_of_backslashes_cross_blocks)
{
	size_t bad = 0;

	for (int k = SPLIT_KERNEL_SCALAR; k <= SPLIT_KERNEL_AVX512; k++) {
		if (!split_use_kernel((enum split_kernel)k))
			continue;
		for (size_t run = 0; run < 200; run++) {
			char s[256] = "[\"";
			struct bytes out[2];
			size_t n;
			bool is_odd = run % 2 == 1;

			memset(s + 2, '\\', run);
			memcpy(s + 2 + run, "\",[\"],1]", 9);
			/* even: "..",["],1] is an open string; odd: the string goes on to the
			 * second quote */
			bad += split_array(bytes_str(s), 2, out, &n) !=
			       (is_odd ? SPLIT_TRAILING : SPLIT_UNBALANCED);
		}
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(element_limit_is_exact)
{
	struct bytes out[3] = {{NULL, 0}, {NULL, 0}, {NULL, 77}};
	size_t n;

	ck_assert_int_eq(split_array(BYTES_LIT("[1]"), 2, out, &n), SPLIT_OK);
	ck_assert_int_eq(split_array(BYTES_LIT("[1,2]"), 2, out, &n), SPLIT_OK);
	ck_assert_int_eq(split_array(BYTES_LIT("[1,2,3]"), 2, out, &n), SPLIT_TOO_MANY);
	ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(out[2].len, 77);
	ck_assert_int_eq(split_array(BYTES_LIT("[]"), 0, NULL, &n), SPLIT_OK);
	ck_assert_int_eq(split_array(BYTES_LIT("[1]"), 0, NULL, &n), SPLIT_TOO_MANY);
	ck_assert_int_eq(split_array(BYTES_LIT("[1,2]"), 0, NULL, &n), SPLIT_TOO_MANY);
}
END_TEST

START_TEST(depth_limit_is_exact)
{
	char s[2 * (SPLIT_DEPTH_MAX + 1)];
	struct bytes out[1];
	size_t n;

	for (size_t depth = SPLIT_DEPTH_MAX - 1; depth <= SPLIT_DEPTH_MAX + 1; depth++) {
		memset(s, '[', depth);
		memset(s + depth, ']', depth);
		ck_assert_int_eq(split_array(bytes_of(s, 2 * depth), 1, out, &n),
		    depth <= SPLIT_DEPTH_MAX ? SPLIT_OK : SPLIT_TOO_DEEP);
	}
}
END_TEST

START_TEST(lines_are_cut_and_trimmed)
{
	struct bytes out[3];
	size_t n;

	ck_assert_int_eq(
	    split_lines(BYTES_LIT("{}\r\n\n \t\r\n[1] \n\"x\""), 3, out, &n), SPLIT_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert(bytes_is(out[0], BYTES_LIT("{}")) && bytes_is(out[1], BYTES_LIT("[1]")));
	ck_assert(bytes_is(out[2], BYTES_LIT("\"x\"")));
	ck_assert_int_eq(split_lines(BYTES_LIT("1\n2\n"), 3, out, &n), SPLIT_OK);
	ck_assert_int_eq(split_lines(BYTES_LIT("1\n2\n3\n\n"), 3, out, &n), SPLIT_OK);
	ck_assert_int_eq(split_lines(BYTES_LIT("1\n2\n3\n4"), 3, out, &n), SPLIT_TOO_MANY);
	ck_assert_int_eq(split_lines(BYTES_LIT(""), 3, out, &n), SPLIT_OK);
	ck_assert_uint_eq(n, 0);
}
END_TEST

START_TEST(members_are_found_by_every_kernel)
{
	struct bytes in =
	    BYTES_LIT(" { \"a\" : 1 ,\"b\":{\"}\":[\"\\\\\",{}]}, \"c\\\"\":\"x\\\"}\","
		      "\"d\":-1.5e3,\"e\":true } ");
	static const char *const want[] = {"a", "1", "b", "{\"}\":[\"\\\\\",{}]}", "c\\\"",
	    "\"x\\\"}\"", "d", "-1.5e3", "e", "true"};
	struct split_member out[5];
	size_t n, bad = 0;

	for (int k = SPLIT_KERNEL_SCALAR; k <= SPLIT_KERNEL_AVX512; k++) {
		if (!split_use_kernel((enum split_kernel)k))
			continue;
		ck_assert_int_eq(split_members(in, 5, out, &n), SPLIT_OK);
		ck_assert_uint_eq(n, 5);
		for (size_t i = 0; i < n; i++) {
			bad += !bytes_is(out[i].name, bytes_str(want[2 * i]));
			bad += !bytes_is(out[i].value, bytes_str(want[2 * i + 1]));
		}
	}
	ck_assert_uint_eq(bad, 0);
	ck_assert_int_eq(split_members(in, 4, out, &n), SPLIT_TOO_MANY);
	ck_assert_int_eq(split_members(BYTES_LIT("{}"), 0, NULL, &n), SPLIT_OK);
	ck_assert_int_eq(split_members(BYTES_LIT("[]"), 5, out, &n), SPLIT_NOT_ARRAY);
	ck_assert_int_eq(split_members(BYTES_LIT("{\"a\":[1"), 5, out, &n), SPLIT_UNBALANCED);
	ck_assert_int_eq(split_members(BYTES_LIT("{\"a"), 5, out, &n), SPLIT_UNBALANCED);
}
END_TEST

START_TEST(every_result_has_words)
{
	for (int r = SPLIT_NOT_ARRAY; r <= SPLIT_TOO_DEEP; r++) {
		ck_assert(split_code((enum split_result)r)[0] != '\0');
		ck_assert(split_sentence((enum split_result)r)[0] != '\0');
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("split");
	TCase *tc = tcase_create("split");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(
	    tc, arrays_are_cut_by_every_kernel, 0, (int)(sizeof(arrays) / sizeof(arrays[0])));
	tcase_add_test(tc, runs_of_backslashes_cross_blocks);
	tcase_add_test(tc, element_limit_is_exact);
	tcase_add_test(tc, depth_limit_is_exact);
	tcase_add_test(tc, lines_are_cut_and_trimmed);
	tcase_add_test(tc, members_are_found_by_every_kernel);
	tcase_add_test(tc, every_result_has_words);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
