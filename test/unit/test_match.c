/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_match - a sink gets what its patterns and conditions say, and nothing else
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
#include <string.h>

#include "common/match.h"
#include "common/pick.h"

static const struct {
	const char *glob, *text;
	bool matches;
} globs[] = {
    {"", "", true},
    {"", "a", false},
    {"a", "a", true},
    {"a", "ab", false},
    {"*", "", true},
    {"*", "anything", true},
    {"**", "x", true},
    {"a*", "a", true},
    {"a*", "abc", true},
    {"a*", "ba", false},
    {"*c", "abc", true},
    {"*c", "abcd", false},
    {"a*c", "abbc", true},
    {"a*c", "ac", true},
    {"a*b*c", "aXbXbXc", true},
    {"a*b*c", "aXcXb", false},
    {"?", "a", true},
    {"?", "", false},
    {"??", "a", false},
    {"a?c", "abc", true},
    {"*a?", "xxaab", true},
    {"*.*", "a.b", true},
    {"[a]", "[a]", true},
    {"\\*", "*", false},
    {"*aab", "aaaaaaab", true},
    {"a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
};

START_TEST(a_glob_matches_whole_texts)
{
	ck_assert_int_eq(match_glob(globs[_i].glob, bytes_str(globs[_i].text)), globs[_i].matches);
}
END_TEST

static const struct {
	const char *globs[4];
	const char *type; /* as it stands in the body */
	bool matches;
} types[] = {
    {{NULL}, "\"anything\"", true},
    {{"cart_*"}, "\"cart_updated\"", true},
    {{"cart_*"}, "\"page_view\"", false},
    {{"page_view"}, "\"page_view\"", true},
    {{"page_view"}, "\"page_views\"", false},
    {{"page_view", "cart_*"}, "\"cart_x\"", true},
    {{"!debug_*"}, "\"debug_x\"", false},
    {{"!debug_*"}, "\"page\"", true},
    {{"!a", "!b"}, "\"c\"", true},
    {{"!a", "!b"}, "\"a\"", false},
    {{"cart_*", "!cart_debug"}, "\"cart_debug\"", false},
    {{"cart_*", "!cart_debug"}, "\"cart_x\"", true},
    {{"cart_*", "!cart_debug"}, "\"page\"", false},
    /* The last one that matches decides. */
    {{"!cart_debug", "cart_*"}, "\"cart_debug\"", true},
    {{"*", "!a*", "ab"}, "\"ab\"", true},
    {{"*", "!a*", "ab"}, "\"ac\"", false},
    {{"*", "!a*", "ab"}, "\"x\"", true},
    {{"p\xc3\xa4ge"}, "\"p\\u00e4ge\"", true},
    {{"a\"b"}, "\"a\\\"b\"", true},
    {{"*"}, "", true},
    {{"x"}, "", false},
};

START_TEST(patterns_of_types_are_looked_at_from_the_last)
{
	struct match *m = match_new();
	struct bytes type = bytes_str(types[_i].type);
	char why[128];
	int i;

	for (i = 0; i < 4 && types[_i].globs[i] != NULL; i++)
		ck_assert_int_eq(match_add_type(m, types[_i].globs[i], why, sizeof why), 0);
	ck_assert_int_eq(match_is_all(m), i == 0);
	ck_assert_int_eq(match_event(m, type, BYTES_LIT("{}")), types[_i].matches);
	match_free(m);
}
END_TEST

#define BODY                                                                                       \
	"{\"eventType\":\"cart_updated\",\"timestamp\":1431857103000,\"metadata\":{\"status\":"    \
	"404,"                                                                                     \
	"\"path\":\"/api/v1\",\"total\":12.50,\"bot\":true,\"human\":false,\"ref\":null,"          \
	"\"list\":[1,{\"a\":\"x y\"}],\"text5\":\"5\",\"neg\":-3,\"big\":9007199254740993,"        \
	"\"huge\":1e400,\"esc\":\"a\\u00e4\\n\",\"empty\":\"\",\"obj\":{},\"zero\":0,\"mzero\":-"  \
	"0,"                                                                                       \
	"\"u64\":18446744073709551615}}"

static const struct {
	const char *where;
	bool holds;
} wheres[] = {
    {"/metadata/status = 404", true},
    {"/metadata/status = 404.0", true},
    {"/metadata/status = 4.04e2", true},
    {"/metadata/status = 405", false},
    {"/metadata/status = \"404\"", false},
    {"/metadata/status != 404", false},
    {"/metadata/status != \"404\"", true},
    {"/metadata/status >= 404", true},
    {"/metadata/status >= 405", false},
    {"/metadata/status <= 404", true},
    {"/metadata/status < 404", false},
    {"/metadata/status < 404.5", true},
    {"/metadata/status > 403", true},
    {"/metadata/status > -1", true},
    {"/metadata/neg < 0", true},
    {"/metadata/neg = -3", true},
    {"/metadata/neg >= -3", true},
    {"/metadata/total = 12.5", true},
    {"/metadata/total > 12", true},
    {"/metadata/zero = -0", true},
    {"/metadata/mzero = 0", true},
    {"/timestamp >= 1431857103000", true},
    {"/timestamp > 1431857103000", false},
    {"/metadata/big = 9007199254740993", true},
    {"/metadata/big = 9007199254740992", false},
    {"/metadata/big > 9007199254740992", true},
    {"/metadata/u64 > 18446744073709551614", false}, /* as floating point */
    {"/metadata/u64 > 1e19", true},
    {"/metadata/huge > 1e300", true},
    /* Strings. */
    {"/metadata/path = /api/v1", true},
    {"/metadata/path = \"/api/v1\"", true},
    {"/metadata/path = '/api/v1'", true},
    {"/metadata/path = /api", false},
    {"/metadata/path > /api", true},
    {"/metadata/path < /b", true},
    {"/metadata/path >= /api/v1", true},
    {"/metadata/path <= /api/v1", true},
    {"/metadata/text5 = 5", false},
    {"/metadata/text5 = \"5\"", true},
    {"/metadata/text5 > 4", false},
    {"/metadata/text5 <= 4", false},
    {"/metadata/text5 != 5", true},
    {"/metadata/esc = \"a\xc3\xa4\n\"", true},
    {"/metadata/empty = \"\"", true},
    {"/metadata/empty = ''", true},
    {"/metadata/empty exists", true},
    {"/metadata/empty < a", true},
    /* Patterns. */
    {"/metadata/path ~ /api/*", true},
    {"/metadata/path ~ \"/api/*\"", true},
    {"/metadata/path ~ /web/*", false},
    {"/metadata/path !~ /web/*", true},
    {"/metadata/path !~ /api/*", false},
    {"/metadata/text5 ~ 5", true},
    {"/metadata/status ~ 4*", false},
    {"/metadata/status !~ 4*", true},
    {"/metadata/empty ~ *", true},
    /* Words. */
    {"/metadata/bot = true", true},
    {"/metadata/bot = false", false},
    {"/metadata/bot = \"true\"", false},
    {"/metadata/bot != false", true},
    {"/metadata/human = false", true},
    {"/metadata/ref = null", true},
    {"/metadata/ref != null", false},
    {"/metadata/ref exists", true},
    {"/metadata/ref absent", false},
    {"/metadata/bot > false", false},
    {"/metadata/bot >= true", false},
    /* Absent: nothing but absent, != and !~. */
    {"/metadata/none absent", true},
    {"/metadata/none exists", false},
    {"/metadata/none = null", false},
    {"/metadata/none != 1", true},
    {"/metadata/none !~ *", true},
    {"/metadata/none ~ *", false},
    {"/metadata/none < 1", false},
    {"/metadata/none >= 1", false},
    {"/metadata/none in 1, 2", false},
    /* Objects and arrays are equal to nothing. */
    {"/metadata/obj exists", true},
    {"/metadata/obj = {}", false},
    {"/metadata/obj != x", true},
    {"/metadata/list/1/a = \"x y\"", true},
    {"/metadata/list/0 = 1", true},
    {"/metadata/list < 5", false},
    /* Lists. */
    {"/eventType in cart_updated", true},
    {"/eventType in a, cart_updated,b", true},
    {"/eventType in a,b", false},
    {"/eventType in \"cart_updated\" , 'x, y'", true},
    {"/metadata/status in 403, 404", true},
    {"/metadata/status in \"404\", 405", false},
    {"/metadata/bot in 1, true", true},
    /* Blanks and quotes. */
    {"  /metadata/status   =   404  ", true},
    {"/metadata/status\t=\t404", true},
    {"\"/metadata/status\" = 404", true},
    {"/metadata/list/1/a = 'x y'", true},
    {"/metadata/list/1/a = \"x\\ y\"", true},
};

START_TEST(a_condition_holds_or_not)
{
	struct match *m = match_new();
	char why[256] = "";

	ck_assert_msg(match_add_where(m, wheres[_i].where, why, sizeof why) == 0, "%s", why);
	ck_assert_msg(
	    match_event(m, BYTES_LIT("\"cart_updated\""), BYTES_LIT(BODY)) == wheres[_i].holds,
	    "%s", wheres[_i].where);
	ck_assert(!match_is_all(m));
	match_free(m);
}
END_TEST

static const struct {
	const char *where, *why;
} refused[] = {
    {"", "a condition begins with a JSON pointer: /metadata/status >= 500"},
    {"   ", "a condition begins with a JSON pointer: /metadata/status >= 500"},
    {"status = 1", "a condition begins with a JSON pointer: /metadata/status >= 500"},
    {"/a", "behind the pointer and a blank follows one of = != < <= > >= ~ !~ in exists absent"},
    {"/a=1", "behind the pointer and a blank follows one of = != < <= > >= ~ !~ in exists absent"},
    {"/a == 1",
	"behind the pointer and a blank follows one of = != < <= > >= ~ !~ in exists absent"},
    {"/a '=' 1",
	"behind the pointer and a blank follows one of = != < <= > >= ~ !~ in exists absent"},
    {"/a EXISTS",
	"behind the pointer and a blank follows one of = != < <= > >= ~ !~ in exists absent"},
    {"/a =", "a value is missing behind the operator"},
    {"/a in", "a value is missing behind the operator"},
    {"/a in 1,", "a value is missing behind the operator"},
    {"/a in ,1", "a value is missing behind the operator"},
    {"/a in 1 2", "the values behind in are parted by commas"},
    {"/a = 1 2", "one value follows the operator: put one that has blanks in quotes"},
    {"/a exists 1", "nothing follows exists or absent"},
    {"/a = \"x", "a quote is opened and not closed"},
    {"/a = 'x\"", "a quote is opened and not closed"},
    {"\"/a = 1", "a quote is opened and not closed"},
    {"/a~2 = 1", "in a JSON pointer ~ is written ~0 and / in a name is written ~1"},
};

START_TEST(a_condition_that_makes_no_sense_is_refused_and_changes_nothing)
{
	struct match *m = match_new();
	char why[256];

	ck_assert_int_eq(match_add_where(m, refused[_i].where, why, sizeof why), -1);
	ck_assert_str_eq(why, refused[_i].why);
	ck_assert(match_is_all(m));
	ck_assert(match_event(m, BYTES_LIT("\"x\""), BYTES_LIT("{}")));
	match_free(m);
}
END_TEST

START_TEST(all_conditions_and_a_pattern_must_hold)
{
	struct match *m = match_new();
	char why[256];

	ck_assert_int_eq(match_add_type(m, "cart_*", why, sizeof why), 0);
	ck_assert_int_eq(match_add_where(m, "/a > 1", why, sizeof why), 0);
	ck_assert_int_eq(match_add_where(m, "/a < 5", why, sizeof why), 0);
	ck_assert_int_eq(match_add_where(m, "/b exists", why, sizeof why), 0);
	ck_assert(match_event(m, BYTES_LIT("\"cart_x\""), BYTES_LIT("{\"a\":2,\"b\":0}")));
	ck_assert(!match_event(m, BYTES_LIT("\"page\""), BYTES_LIT("{\"a\":2,\"b\":0}")));
	ck_assert(!match_event(m, BYTES_LIT("\"cart_x\""), BYTES_LIT("{\"a\":5,\"b\":0}")));
	ck_assert(!match_event(m, BYTES_LIT("\"cart_x\""), BYTES_LIT("{\"a\":2}")));
	ck_assert(!match_event(m, BYTES_LIT("\"cart_x\""), BYTES_LIT("rubbish")));
	match_free(m);
}
END_TEST

START_TEST(lists_of_values_and_conditions_have_their_limits)
{
	struct match *m = match_new();
	char text[512] = "/a in 0", why[256], one[32];
	int i;

	for (i = 1; i < 64; i++) {
		(void)snprintf(one, sizeof one, ",%d", i);
		(void)strncat(text, one, sizeof text - strlen(text) - 1);
	}
	ck_assert_int_eq(match_add_where(m, text, why, sizeof why), 0);
	(void)strncat(text, ",64", sizeof text - strlen(text) - 1);
	ck_assert_int_eq(match_add_where(m, text, why, sizeof why), -1);
	ck_assert_str_eq(why, "at most 64 values may follow in");
	ck_assert(match_event(m, BYTES_LIT("\"x\""), BYTES_LIT("{\"a\":63}")));
	ck_assert(!match_event(m, BYTES_LIT("\"x\""), BYTES_LIT("{\"a\":64}")));
	for (i = 1; i < PICK_MAX; i++) {
		(void)snprintf(one, sizeof one, "/x%d absent", i);
		ck_assert_int_eq(match_add_where(m, one, why, sizeof why), 0);
	}
	ck_assert_int_eq(match_add_where(m, "/y absent", why, sizeof why), -1);
	ck_assert_str_eq(why, "there are too many conditions");
	ck_assert(match_event(m, BYTES_LIT("\"x\""), BYTES_LIT("{\"a\":63}")));
	match_free(m);
}
END_TEST

/* A string with escapes that is longer than the room for it is compared as it stands. */
START_TEST(long_strings_do_no_harm)
{
	struct match *m = match_new();
	char *body = calloc(1, 20000), why[128];
	size_t at;

	ck_assert_int_eq(match_add_where(m, "/a ~ *z", why, sizeof why), 0);
	at = (size_t)snprintf(body, 20000, "{\"a\":\"\\n");
	memset(body + at, 'y', 9000);
	memcpy(body + at + 9000, "z\"}", 4);
	ck_assert(match_event(m, bytes_of(body + 5, at - 5 + 9002), bytes_str(body)));
	match_free(m);
	free(body);
}
END_TEST

#define LOOP(tc, test, table)                                                                      \
	tcase_add_loop_test(tc, test, 0, (int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("match");
	TCase *tc = tcase_create("match");
	SRunner *runner = srunner_create(suite);
	int failed;

	LOOP(tc, a_glob_matches_whole_texts, globs);
	LOOP(tc, patterns_of_types_are_looked_at_from_the_last, types);
	LOOP(tc, a_condition_holds_or_not, wheres);
	LOOP(tc, a_condition_that_makes_no_sense_is_refused_and_changes_nothing, refused);
	tcase_add_test(tc, all_conditions_and_a_pattern_must_hold);
	tcase_add_test(tc, lists_of_values_and_conditions_have_their_limits);
	tcase_add_test(tc, long_strings_do_no_harm);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
