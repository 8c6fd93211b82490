/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_template - names made from events are names, whatever the events say
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

#include "common/template.h"

#define BODY                                                                                       \
	"{\"a\":\"x/y\",\"n\":-1.5,\"t\":true,\"z\":null,\"o\":{\"k\":\"v\"},\"e\":\"\","          \
	"\"u\":\"\xc3\xa4\\u20ac\",\"q\":\"\\\"\\n\"}"

static const struct {
	const char *text, *type, *user, *name;
} cases[] = {
    {"", "\"t\"", "\"u\"", ""},
    {"events", "\"t\"", "\"u\"", "events"},
    {"events.%{eventType}", "\"cart_x\"", "\"u\"", "events.cart_x"},
    {"%{userId}-%{eventType}", "\"cart_x\"", "\"u\"", "u-cart_x"},
    {"%{userId}%{userId}", "\"t\"", "\"u\"", "uu"},
    {"100%%", "\"t\"", "\"u\"", "100%"},
    {"%%{eventType}", "\"t\"", "\"u\"", "%{eventType}"},
    {"a%%b%%%{userId}%%", "\"t\"", "\"u\"", "a%b%u%"},
    {"%{/a}", "\"t\"", "\"u\"", "x_y"},
    {"%{/n}", "\"t\"", "\"u\"", "-1.5"},
    {"%{/t}", "\"t\"", "\"u\"", "true"},
    {"%{/z}", "\"t\"", "\"u\"", "none"},
    {"%{/o}", "\"t\"", "\"u\"", "none"},
    {"%{/o/k}", "\"t\"", "\"u\"", "v"},
    {"%{/e}", "\"t\"", "\"u\"", "none"},
    {"%{/absent}", "\"t\"", "\"u\"", "none"},
    /* One _ for each character, however many bytes it has. */
    {"%{/u}", "\"t\"", "\"u\"", "__"},
    {"%{/q}", "\"t\"", "\"u\"", "__"},
    {"%{eventType}", "\"../../etc/passwd\"", "\"u\"", ".._.._etc_passwd"},
    {"%{eventType}", "\"a b\\tc{}*\"", "\"u\"", "a_b_c___"},
    {"%{eventType}", "", "", "none"},
    {"%{eventType}.%{userId}", "\"\"", "", "none.none"},
    {"%{userId}", "", "17", "17"},
    /* What the template itself says stays. */
    {"a:b/%{userId}", "", "\"u\"", "a:b/u"},
};

START_TEST(a_name_is_made)
{
	char why[128] = "", name[64];
	struct template *t = template_new(cases[_i].text, why, sizeof why);
	size_t len;

	ck_assert_msg(t != NULL, "%s", why);
	ck_assert_int_eq(template_is_fixed(t),
	    strstr(cases[_i].text, "%{") == NULL || strcmp(cases[_i].name, "%{eventType}") == 0);
	len = template_run(t, bytes_str(cases[_i].type), bytes_str(cases[_i].user), BYTES_LIT(BODY),
	    name, sizeof name);
	ck_assert_str_eq(name, cases[_i].name);
	ck_assert_uint_eq(len, strlen(name));
	template_free(t);
}
END_TEST

static const struct {
	const char *text, *why;
} refused[] = {
    {"%", "behind % follows {NAME} or another %"},
    {"a%b", "behind % follows {NAME} or another %"},
    {"%{eventType", "a %{ is opened and not closed with }"},
    {"%{}", "%{} is not known: write %{eventType}, %{userId} or a JSON pointer such as "
	    "%{/metadata/path}"},
    {"%{type}", "%{type} is not known: write %{eventType}, %{userId} or a JSON pointer such as "
		"%{/metadata/path}"},
    {"%{/a~}", "in a JSON pointer ~ is written ~0 and / in a name is written ~1"},
};

START_TEST(a_template_that_makes_no_sense_is_refused)
{
	char why[256];

	ck_assert_ptr_null(template_new(refused[_i].text, why, sizeof why));
	ck_assert_str_eq(why, refused[_i].why);
}
END_TEST

START_TEST(a_name_is_cut_at_its_limit)
{
	char why[128], name[12];
	struct template *t = template_new("%{userId}.%{eventType}", why, sizeof why);
	size_t size, bad = 0;

	for (size = 1; size <= sizeof name; size++) {
		size_t len;

		memset(name, '#', sizeof name);
		len = template_run(
		    t, BYTES_LIT("\"tttttt\""), BYTES_LIT("\"uuuu\""), BYTES_LIT("{}"), name, size);
		bad += len != (size - 1 < 11 ? size - 1 : 11) || strlen(name) != len ||
		       strncmp(name, "uuuu.tttttt", len) != 0;
		bad += size < sizeof name && name[size] != '#';
	}
	ck_assert_uint_eq(bad, 0);
	template_free(t);
}
END_TEST

START_TEST(parts_have_their_limit)
{
	char text[512] = "", why[128];
	struct template *t;
	int i;

	for (i = 0; i < 32; i++)
		(void)strncat(text, "%{userId}x", sizeof text - strlen(text) - 1);
	t = template_new(text, why, sizeof why);
	ck_assert_ptr_nonnull(t);
	template_free(t);
	(void)strncat(text, "%{userId}", sizeof text - strlen(text) - 1);
	ck_assert_ptr_null(template_new(text, why, sizeof why));
	ck_assert_str_eq(why, "more than 64 parts");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("template");
	TCase *tc = tcase_create("template");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_loop_test(tc, a_name_is_made, 0, (int)(sizeof cases / sizeof cases[0]));
	tcase_add_loop_test(tc, a_template_that_makes_no_sense_is_refused, 0,
	    (int)(sizeof refused / sizeof refused[0]));
	tcase_add_test(tc, a_name_is_cut_at_its_limit);
	tcase_add_test(tc, parts_have_their_limit);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
