/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_event - the envelope is judged member by member, at its limits
 *
 * DESCRIPTION
 *	Codes and pointers case by case, with hostile bytes behind each body; limits at
 *	minus one, at, and plus one; and that both ways of reading find the same places.
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

#include "common/event.h"

#define BODY_MAX  2048
#define DEPTH_MAX 8
#define U         "\"userId\":\"u\""
#define T         "\"eventType\":\"t\""
#define S         "\"timestamp\":1"

static const struct {
	const char *body;
	enum event_code code;
	const char *pointer;
} cases[] = {
    {"{" U "," T "," S "}", EVENT_OK, ""},
    {" \n{ " U " , " T ",\t\"timestamp\" : 253402300799999 } \r\n", EVENT_OK, ""},
    {"{" S "," T ",\"x\":[1,{\"userId\":2}],\"metadata\":{}," U ",\"x\":0}", EVENT_OK, ""},
    {"{" U "," T "," S ",\"id\":\"i\",\"metadata\":{\"a\":{\"b\":[]}}}", EVENT_OK, ""},
    {"{\"userId\":\"\\u0000\"," T "," S "}", EVENT_OK, ""},
    {"{\"us\\u0065rId\":\"u\"," T "," S "}", EVENT_OK, ""},
    {"{" U "," T "," S ",\"x\":-0.5e-3,\"y\":18446744073709551615}", EVENT_OK, ""},
    {"{" U "," T "," S ",\"userid\":1,\"userId2\":2,\"ids\":3,\"i\":4}", EVENT_OK, ""},
    {"", EVENT_INVALID_JSON, ""},
    {"{", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S "}}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S "},", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S "]", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":01}", EVENT_INVALID_JSON, ""},
    {"{" U "," T ",\"timestamp\":01}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":[1}}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":\"\\ud800\"}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":\"\\ud800\\ue000\"}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":\"\\q\"}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":\"a\"b\"c\"}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":truey}", EVENT_INVALID_JSON, ""},
    {"{" U "," T "," S ",\"x\":\"\t\"}", EVENT_INVALID_JSON, ""},
    {"{\"userId\":\"\xff\"," T "," S "}", EVENT_INVALID_UTF8, ""},
    {"{" U "," T "," S ",\"x\":1e999}", EVENT_NUMBER_OUT_OF_RANGE, ""},
    {"{" U "," T ",\"timestamp\":123456789012345678901}", EVENT_NUMBER_OUT_OF_RANGE, ""},
    {"[]", EVENT_NOT_OBJECT, ""},
    {"\"x\"", EVENT_NOT_OBJECT, ""},
    {"7", EVENT_NOT_OBJECT, ""},
    {"{" U "," T "," S "," U "}", EVENT_MEMBER_REPEATED, "/userId"},
    {"{" U "," T "," S ",\"event\\u0054ype\":1}", EVENT_MEMBER_REPEATED, "/eventType"},
    {"{" U "," T "," S "," S "}", EVENT_MEMBER_REPEATED, "/timestamp"},
    {"{\"metadata\":{}," U "," T "," S ",\"metadata\":{}}", EVENT_MEMBER_REPEATED, "/metadata"},
    {"{\"id\":\"a\"," U "," T "," S ",\"id\":\"a\"}", EVENT_MEMBER_REPEATED, "/id"},
    {"{}", EVENT_USER_ID_MISSING, "/userId"},
    {"{" T "," S "}", EVENT_USER_ID_MISSING, "/userId"},
    {"{\"userId\":null," T "," S "}", EVENT_USER_ID_NOT_STRING, "/userId"},
    {"{\"userId\":\"\"," T "," S "}", EVENT_USER_ID_EMPTY, "/userId"},
    {"{" U "," S "}", EVENT_EVENT_TYPE_MISSING, "/eventType"},
    {"{" U "," S ",\"eventType\":7}", EVENT_EVENT_TYPE_NOT_STRING, "/eventType"},
    {"{" U "," S ",\"eventType\":\"\"}", EVENT_EVENT_TYPE_EMPTY, "/eventType"},
    {"{" U "," T "}", EVENT_TIMESTAMP_MISSING, "/timestamp"},
    {"{" U "," T ",\"timestamp\":\"1\"}", EVENT_TIMESTAMP_NOT_INTEGER, "/timestamp"},
    {"{" U "," T ",\"timestamp\":1.0}", EVENT_TIMESTAMP_NOT_INTEGER, "/timestamp"},
    {"{" U "," T ",\"timestamp\":0}", EVENT_TIMESTAMP_OUT_OF_RANGE, "/timestamp"},
    {"{" U "," T ",\"timestamp\":-1}", EVENT_TIMESTAMP_OUT_OF_RANGE, "/timestamp"},
    {"{" U "," T ",\"timestamp\":253402300800000}", EVENT_TIMESTAMP_OUT_OF_RANGE, "/timestamp"},
    {"{" U "," T ",\"timestamp\":18446744073709551615}", EVENT_TIMESTAMP_OUT_OF_RANGE,
	"/timestamp"},
    {"{" U "," T "," S ",\"metadata\":null}", EVENT_METADATA_NOT_OBJECT, "/metadata"},
    {"{" U "," T "," S ",\"metadata\":[]}", EVENT_METADATA_NOT_OBJECT, "/metadata"},
    {"{" U "," T "," S ",\"id\":5}", EVENT_ID_NOT_STRING, "/id"},
    {"{" U "," T "," S ",\"id\":\"\"}", EVENT_ID_EMPTY, "/id"},
};

static uint8_t room[BODY_MAX + 1 + JSON_PADDING];
static struct event_reader *reader;
static struct event event;
static struct event_error err;

static void
start(void)
{
	struct event_limits limits = {.body_max = BODY_MAX, .depth_max = DEPTH_MAX};

	reader = event_reader_new(&limits);
}

static void
stop(void)
{
	event_reader_free(reader);
}

static enum event_code
read_text(const char *s)
{
	memset(room, '9', sizeof(room)); /* hostile padding */
	memcpy(room, s, strlen(s));
	return event_read(reader, bytes_of(room, strlen(s)), &event, &err);
}

START_TEST(events_are_judged)
{
	ck_assert_msg(read_text(cases[_i].body) == cases[_i].code, "%s: %s", cases[_i].body,
	    err.message != NULL ? err.message : "accepted");
	if (cases[_i].code == EVENT_OK)
		return;
	ck_assert_int_eq(err.code, cases[_i].code);
	ck_assert_str_eq(err.pointer, cases[_i].pointer);
	ck_assert_str_eq(err.message, event_code_sentence(cases[_i].code));
}
END_TEST

/* An exponent sends an event to the tree, which must say the same as the plain walk. */
START_TEST(both_ways_find_the_same_places)
{
	static const char plain[] =
	    " { \"x\" : [0,{\"}\":0}] , \"userId\" : \"u\xc3\xbc\" ,\"metadata\" : "
	    "{ \"a\" : [ { } ] } , \"eventType\":\"t\" , \"timestamp\" : 15 , "
	    "\"id\":\"i\" } ";
	struct event first;
	char other[sizeof(plain) + 8], *zero;
	struct json_value root;

	ck_assert_int_eq(read_text(plain), EVENT_OK);
	first = event;
	(void)snprintf(other, sizeof(other), "%s", plain);
	zero = strstr(other, "[0,");
	memcpy(zero, "[0e0,", 5);
	(void)snprintf(
	    zero + 5, sizeof(other) - (size_t)(zero + 5 - other), "%s", strstr(plain, "{\"}\""));
	ck_assert_int_eq(read_text(other), EVENT_OK);
	ck_assert_uint_eq(first.user_id.off + 2, event.user_id.off);
	ck_assert_uint_eq(first.user_id.len, event.user_id.len);
	ck_assert_uint_eq(first.event_type.off + 2, event.event_type.off);
	ck_assert_uint_eq(first.metadata.off + 2, event.metadata.off);
	ck_assert_uint_eq(first.metadata.len, event.metadata.len);
	ck_assert_uint_eq(first.timestamp.off + 2, event.timestamp.off);
	ck_assert_uint_eq(first.timestamp.len, event.timestamp.len);
	ck_assert_uint_eq(first.id.off + 2, event.id.off);
	ck_assert(first.timestamp_ms == 15 && event.timestamp_ms == 15);
	ck_assert(bytes_is(event_slice(&event, event.metadata), BYTES_LIT("{ \"a\" : [ { } ] }")));
	ck_assert(bytes_is(event_slice(&event, event.user_id), BYTES_LIT("\"u\xc3\xbc\"")));
	ck_assert(bytes_is(event.user_id_text, BYTES_LIT("u\xc3\xbc")));
	ck_assert(bytes_is(event.id_text, BYTES_LIT("i")) && event.has_id);
	ck_assert(event_tree(reader, &root) && json_count(root) == 6);
}
END_TEST

START_TEST(escapes_are_undone_and_places_keep_them)
{
	ck_assert_int_eq(
	    read_text("{\"userId\":\"a\\\"\\u00fc\",\"eventType\":\"\\/\"," S "}"), EVENT_OK);
	ck_assert(bytes_is(event.user_id_text, BYTES_LIT("a\"\xc3\xbc")));
	ck_assert(bytes_is(event.event_type_text, BYTES_LIT("/")));
	ck_assert(bytes_is(event_slice(&event, event.user_id), BYTES_LIT("\"a\\\"\\u00fc\"")));
	ck_assert(event.metadata.len == 0 && event.id.len == 0 && !event.has_id);
}
END_TEST

START_TEST(tree_of_a_plain_event_can_be_had)
{
	struct json_value root, value;

	ck_assert_int_eq(read_text(cases[3].body), EVENT_OK);
	ck_assert(event_tree(reader, &root) && event_tree(reader, &root));
	ck_assert(json_find(root, BYTES_LIT("id"), &value));
	ck_assert(bytes_is(json_string(value), event.id_text));
}
END_TEST

/* Of the three strings: 255, 256, 257 bytes, plain, as escapes and as UTF-8. */
START_TEST(string_limits_are_exact)
{
	static const char *const names[] = {"userId", "eventType", "id"};
	static const char *const rest[] = {T "," S, U "," S, U "," T "," S};
	static const enum event_code too_long[] = {
	    EVENT_USER_ID_TOO_LONG, EVENT_EVENT_TYPE_TOO_LONG, EVENT_ID_TOO_LONG};
	static const char *const units[] = {"x", "\\u0061", "\xc3\xbc"};
	size_t bad = 0;

	for (int name = 0; name < 3; name++) {
		for (int unit = 0; unit < 3; unit++) {
			for (size_t len = EVENT_STRING_MAX - 1; len <= EVENT_STRING_MAX + 1;
			     len++) {
				char value[6 * (EVENT_STRING_MAX + 2)] = "", body[BODY_MAX];
				size_t at = 0, left = len;

				for (; unit == 2 ? left > 1 : left > 0; left -= unit == 2 ? 2 : 1) {
					memcpy(value + at, units[unit], strlen(units[unit]));
					at += strlen(units[unit]);
				}
				value[at] = left > 0 ? 'x' : '\0';
				value[at + 1] = '\0';
				(void)snprintf(body, sizeof(body), "{\"%s\":\"%s\",%s}",
				    names[name], value, rest[name]);
				bad += read_text(body) !=
				       (len <= EVENT_STRING_MAX ? EVENT_OK : too_long[name]);
			}
		}
	}
	ck_assert_uint_eq(bad, 0);
}
END_TEST

START_TEST(size_limit_is_exact)
{
	for (size_t len = BODY_MAX - 1; len <= BODY_MAX + 1; len++) {
		memset(room, ' ', sizeof(room));
		memcpy(room, cases[0].body, strlen(cases[0].body));
		ck_assert_int_eq(event_read(reader, bytes_of(room, len), &event, &err),
		    len <= BODY_MAX ? EVENT_OK : EVENT_TOO_LARGE);
	}
	ck_assert_int_eq(event_code_http(err.code), 413);
}
END_TEST

START_TEST(depth_limit_is_exact)
{
	for (size_t depth = DEPTH_MAX - 1; depth <= DEPTH_MAX + 1; depth++) {
		char body[256];

		/* the event is one level, the arrays are the others */
		(void)snprintf(body, sizeof(body), "{" U "," T "," S ",\"x\":%.*s1%.*s}",
		    (int)depth - 1, "[[[[[[[[[[[[", (int)depth - 1, "]]]]]]]]]]]]");
		ck_assert_int_eq(read_text(body), depth <= DEPTH_MAX ? EVENT_OK : EVENT_TOO_DEEP);
	}
}
END_TEST

START_TEST(id_can_be_insisted_on)
{
	struct event_limits limits = {
	    .body_max = BODY_MAX, .depth_max = DEPTH_MAX, .needs_id = true};

	event_reader_free(reader);
	reader = event_reader_new(&limits);
	ck_assert_int_eq(read_text(cases[0].body), EVENT_ID_MISSING);
	ck_assert_int_eq(read_text(cases[3].body), EVENT_OK);
}
END_TEST

START_TEST(place_of_the_mistake_is_told)
{
	ck_assert_int_eq(read_text("{\"a\":1,}"), EVENT_INVALID_JSON);
	ck_assert_uint_eq(err.off, 7);
}
END_TEST

START_TEST(codes_have_a_row_each)
{
	for (int code = EVENT_OK + 1; code < EVENT_CODES; code++) {
		ck_assert(event_code_name((enum event_code)code)[0] != '\0');
		ck_assert(event_code_sentence((enum event_code)code)[0] != '\0');
		ck_assert_int_ge(event_code_http((enum event_code)code), 400);
	}
	ck_assert_str_eq(event_code_name(EVENT_NUMBER_OUT_OF_RANGE), "number_out_of_range");
	ck_assert_int_eq(event_code_http(EVENT_INVALID_UTF8), 400);
	ck_assert_int_eq(event_code_http(EVENT_MEMBER_REPEATED), 422);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("event");
	TCase *tc = tcase_create("event");
	SRunner *runner = srunner_create(suite);
	int failed;

	tcase_add_checked_fixture(tc, start, stop);
	tcase_add_loop_test(tc, events_are_judged, 0, (int)(sizeof(cases) / sizeof(cases[0])));
	tcase_add_test(tc, both_ways_find_the_same_places);
	tcase_add_test(tc, escapes_are_undone_and_places_keep_them);
	tcase_add_test(tc, tree_of_a_plain_event_can_be_had);
	tcase_add_test(tc, string_limits_are_exact);
	tcase_add_test(tc, size_limit_is_exact);
	tcase_add_test(tc, depth_limit_is_exact);
	tcase_add_test(tc, id_can_be_insisted_on);
	tcase_add_test(tc, place_of_the_mistake_is_told);
	tcase_add_test(tc, codes_have_a_row_each);
	suite_add_tcase(suite, tc);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
