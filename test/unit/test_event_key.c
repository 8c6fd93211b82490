/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_event_key - equal events have equal keys, others have not
 *
 * DESCRIPTION
 *	Fields moved over their borders, kinds, tenants; and the key as printed.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <check.h>
#include <stdlib.h>

#include "common/event_key.h"

static const uint8_t secret[EVENT_KEY_SECRET_LEN] = "0123456789abcde";

static struct event
event_of(const char *id, const char *user_id, const char *event_type, int64_t timestamp_ms)
{
	return (struct event){
	    .has_id = id != NULL,
	    .id_text = id != NULL ? bytes_str(id) : bytes_of(NULL, 0),
	    .user_id_text = bytes_str(user_id),
	    .event_type_text = bytes_str(event_type),
	    .timestamp_ms = timestamp_ms,
	};
}

static bool
is_same(const struct event *a, const struct event *b, enum event_key_kind kind)
{
	return event_hash_is(
	    event_key_hash(secret, 1, a, kind), event_key_hash(secret, 1, b, kind));
}

START_TEST(fields_do_not_run_into_each_other)
{
	struct event a = event_of(NULL, "a:b", "c", 5), b = event_of(NULL, "a", "b:c", 5);
	struct event c = event_of(NULL, "ab", "c", 5), d = event_of(NULL, "a", "bc", 5);

	ck_assert(!is_same(&a, &b, EVENT_KEY_AUTO));
	ck_assert(!is_same(&c, &d, EVENT_KEY_AUTO));
	ck_assert(is_same(&a, &a, EVENT_KEY_AUTO));
}
END_TEST

START_TEST(every_field_counts)
{
	struct event a = event_of(NULL, "u", "t", 5), b = event_of(NULL, "v", "t", 5);
	struct event c = event_of(NULL, "u", "s", 5), d = event_of(NULL, "u", "t", 6);
	static const uint8_t other[EVENT_KEY_SECRET_LEN] = "another secret.";

	ck_assert(!is_same(&a, &b, EVENT_KEY_AUTO) && !is_same(&a, &c, EVENT_KEY_AUTO));
	ck_assert(!is_same(&a, &d, EVENT_KEY_AUTO));
	ck_assert(!event_hash_is(event_key_hash(secret, 1, &a, EVENT_KEY_AUTO),
	    event_key_hash(secret, 2, &a, EVENT_KEY_AUTO)));
	ck_assert(!event_hash_is(event_key_hash(secret, 1, &a, EVENT_KEY_AUTO),
	    event_key_hash(other, 1, &a, EVENT_KEY_AUTO)));
}
END_TEST

START_TEST(id_stands_for_the_event_where_it_should)
{
	struct event a = event_of("x", "u", "t", 5), b = event_of("x", "v", "s", 6);
	struct event c = event_of("y", "u", "t", 5), d = event_of(NULL, "u", "t", 5);

	ck_assert(is_same(&a, &b, EVENT_KEY_AUTO) && is_same(&a, &b, EVENT_KEY_ID));
	ck_assert(!is_same(&a, &b, EVENT_KEY_TUPLE));
	ck_assert(!is_same(&a, &c, EVENT_KEY_AUTO) && is_same(&a, &c, EVENT_KEY_TUPLE));
	ck_assert(!is_same(&a, &d, EVENT_KEY_AUTO) && is_same(&a, &d, EVENT_KEY_TUPLE));
}
END_TEST

START_TEST(id_is_never_a_tuple)
{
	struct event a = event_of("u", "x", "y", 5), b = event_of(NULL, "u", "", 0);

	ck_assert(!is_same(&a, &b, EVENT_KEY_AUTO));
}
END_TEST

START_TEST(longest_fields_are_hashed_whole)
{
	char user[EVENT_STRING_MAX + 1], type[EVENT_STRING_MAX + 1];
	struct event a, b;
	struct event_hash before;

	memset(user, 'u', sizeof(user));
	memset(type, 't', sizeof(type));
	user[EVENT_STRING_MAX] = type[EVENT_STRING_MAX] = '\0';
	a = event_of(NULL, user, type, 5);
	before = event_key_hash(secret, 1, &a, EVENT_KEY_AUTO);
	type[EVENT_STRING_MAX - 1] = 'x';
	b = event_of(NULL, user, type, 5);
	ck_assert(!event_hash_is(before, event_key_hash(secret, 1, &b, EVENT_KEY_AUTO)));
}
END_TEST

/* Frames carry the hash, so it is part of the log's format. */
START_TEST(message_does_not_change_between_releases)
{
	struct event a = event_of(NULL, "user-1", "page_view", 1431857103000);
	struct event_hash got = event_key_hash(secret, 7, &a, EVENT_KEY_AUTO);

	ck_assert_uint_eq(got.lo, UINT64_C(0x4a0f05bf4c8b3649));
	ck_assert_uint_eq(got.hi, UINT64_C(0x50ec260aaa8952ba));
}
END_TEST

START_TEST(printed_key_is_escaped)
{
	char room[64];
	struct json_out out = json_out_on(room, sizeof(room));
	struct event a = event_of("ignored", "a\"b:", "t\n", 1700000000000);

	event_key_print(&out, &a);
	ck_assert(bytes_is(json_out_bytes(&out), BYTES_LIT("event:a\\\"b::t\\n:1700000000000")));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event_key");
	TCase *tc = tcase_create("event_key");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_test(tc, fields_do_not_run_into_each_other);
	tcase_add_test(tc, every_field_counts);
	tcase_add_test(tc, id_stands_for_the_event_where_it_should);
	tcase_add_test(tc, id_is_never_a_tuple);
	tcase_add_test(tc, longest_fields_are_hashed_whole);
	tcase_add_test(tc, message_does_not_change_between_releases);
	tcase_add_test(tc, printed_key_is_escaped);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
