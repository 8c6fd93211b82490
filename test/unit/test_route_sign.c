/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_route_sign - signatures that receivers of Standard Webhooks accept
 */
#include "common/panic.h"
#include "workers/route_sign.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char why[128], out[ROUTE_SIGN_TEXT_SIZE];

/* The example of the specification's own libraries. */
#define SECRET    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID        "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define STAMP     1614265330
#define BODY      "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

START_TEST(the_specifications_example_comes_out)
{
	struct route_sign *sign = route_sign_new();
	struct bytes whole = BYTES_LIT(BODY);

	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT(SECRET), why, sizeof why), 0);
	/* The same again and again: nothing of a message stays. */
	for (int i = 0; i < 3; i++) {
		route_sign_make(sign, ID, STAMP, &whole, 1, out);
		ck_assert_str_eq(out, SIGNATURE);
		route_sign_make(sign, ID, STAMP + 1, &whole, 1, out);
		ck_assert_str_ne(out, SIGNATURE);
	}
	/* However it is cut. */
	for (size_t at = 0; at <= whole.len; at++) {
		struct bytes cut[3] = {bytes_of(whole.ptr, at), bytes_of(NULL, 0),
		    bytes_of(whole.ptr + at, whole.len - at)};

		route_sign_make(sign, ID, STAMP, cut, 3, out);
		ck_assert_str_eq(out, SIGNATURE);
	}
	route_sign_free(sign);
}
END_TEST

START_TEST(the_secret_itself_is_the_same_key)
{
	/* What the base64 of the example stands for. */
	static const uint8_t raw[] = {0x31, 0xf2, 0x90, 0xf6, 0xbf, 0x06, 0x29, 0x8a, 0xab, 0x4f,
	    0x08, 0xd4, 0x3c, 0x3f, 0x08, 0x2c, 0xf6, 0x48, 0xa3, 0x62, 0xda, 0x2d, 0xa4, 0xb0};
	struct route_sign *sign = route_sign_new();
	struct bytes body = BYTES_LIT(BODY);

	ck_assert_int_eq(route_sign_add(sign, bytes_of(raw, sizeof raw), why, sizeof why), 0);
	route_sign_make(sign, ID, STAMP, &body, 1, out);
	ck_assert_str_eq(out, SIGNATURE);
	route_sign_free(sign);
}
END_TEST

START_TEST(several_secrets_make_several_signatures)
{
	char path[] = "/tmp/sluice-sign.XXXXXX";
	int fd = mkstemp(path);
	struct route_sign *sign = route_sign_new();
	struct bytes body = BYTES_LIT(BODY);
	static const char text[] = "other secret\r\n\n" SECRET "\n";

	ck_assert_int_eq((int)write(fd, text, sizeof text - 1), (int)sizeof text - 1);
	close(fd);
	ck_assert_int_eq(route_sign_load(sign, path, why, sizeof why), 0);
	unlink(path);
	route_sign_make(sign, ID, STAMP, &body, 1, out);
	ck_assert_uint_eq(strlen(out), 2 * 47 + 1);
	ck_assert_ptr_nonnull(strstr(out, " " SIGNATURE));
	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT("3"), why, sizeof why), 0);
	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT("4"), why, sizeof why), 0);
	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT("5"), why, sizeof why), -1);
	route_sign_make(sign, ID, STAMP, &body, 1, out);
	ck_assert_uint_eq(strlen(out), 4 * 47 + 3);
	route_sign_free(sign);
}
END_TEST

START_TEST(what_is_no_secret_is_refused_with_a_reason)
{
	struct route_sign *sign = route_sign_new();
	char *longest = xcalloc(1, ROUTE_SIGN_KEY_MAX + 2);

	memset(longest, 'x', ROUTE_SIGN_KEY_MAX + 1);
	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT(""), why, sizeof why), -1);
	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT("whsec_*"), why, sizeof why), -1);
	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT("whsec_abc"), why, sizeof why), -1);
	ck_assert_int_eq(route_sign_add(sign, BYTES_LIT("whsec_a*c="), why, sizeof why), -1);
	ck_assert_int_eq(
	    route_sign_add(sign, bytes_of(longest, ROUTE_SIGN_KEY_MAX + 1), why, sizeof why), -1);
	ck_assert_int_eq(
	    route_sign_add(sign, bytes_of(longest, ROUTE_SIGN_KEY_MAX), why, sizeof why), 0);
	ck_assert_int_eq(route_sign_load(sign, "/nowhere/at/all", why, sizeof why), -1);
	ck_assert_str_ne(why, "");
	ck_assert_int_eq(route_sign_load(sign, "/dev/zero", why, sizeof why), -1);
	route_sign_free(sign);
	sign = route_sign_new();
	ck_assert_int_eq(route_sign_load(sign, "/dev/null", why, sizeof why), -1);
	route_sign_free(sign);
	free(longest);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("route_sign");
	TCase *tc = tcase_create("route_sign");
	SRunner *sr;
	int failed;

	tcase_add_test(tc, the_specifications_example_comes_out);
	tcase_add_test(tc, the_secret_itself_is_the_same_key);
	tcase_add_test(tc, several_secrets_make_several_signatures);
	tcase_add_test(tc, what_is_no_secret_is_refused_with_a_reason);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
