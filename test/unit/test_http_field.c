/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_http_field - fields, media types, queries, routes, codes, buffers
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_field.h"

#include "common/http_media.h"
#include "common/http_out.h"
#include "common/http_pool.h"
#include "common/http_query.h"
#include "common/http_route.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

START_TEST(request_ids_that_may_be_repeated)
{
	static const char *const good[] = { "a", "A-b_c.9", "01234567890123456789012345678901"
							   "23456789012345678901234567890123" };
	static const char *const bad[] = { "", "a b", "a\"", "a/b", "\xc3\xa4", "a\r\n",
		"01234567890123456789012345678901234567890123456789012345678901234" };
	size_t i;

	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(http_field_is_id(bytes_str(good[i])), "%s", good[i]);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!http_field_is_id(bytes_str(bad[i])), "%s", bad[i]);
}
END_TEST

START_TEST(traceparent_is_checked)
{
#define T "4bf92f3577b34da6a3ce929d0e0e4736"
#define P "00f067aa0ba902b7"
	static const char *const good[] = { "00-" T "-" P "-01", "01-" T "-" P "-01-more" };
	static const char *const bad[] = { "", "00-" T "-" P, "00-" T "-" P "-01-more",
		"ff-" T "-" P "-01", "00-00000000000000000000000000000000-" P "-01",
		"00-" T "-0000000000000000-01", "00-" T "-" P "-0G", "00-" T "_" P "-01",
		"00-4BF92F3577B34DA6A3CE929D0E0E4736-" P "-01" };
	size_t i;

	for (i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(http_field_is_traceparent(bytes_str(good[i])), "%s", good[i]);
	for (i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_msg(!http_field_is_traceparent(bytes_str(bad[i])), "%s", bad[i]);
#undef T
#undef P
}
END_TEST

START_TEST(names_compare_without_case_and_whole)
{
	ck_assert(http_field_is(BYTES_LIT("Content-LENGTH"), "content-length"));
	ck_assert(!http_field_is(BYTES_LIT("content-lengt"), "content-length"));
	ck_assert(!http_field_is(BYTES_LIT("content-lengths"), "content-length"));
	ck_assert(!http_field_is(BYTES_LIT("content-length\0"), "content-length"));
	/* CR and '-' differ in one bit only. */
	ck_assert(!http_field_is(BYTES_LIT("content\rlength"), "content-length"));
}
END_TEST

START_TEST(lists_are_taken_apart)
{
	struct bytes list = BYTES_LIT(" , a ,,\tb c, ,d,"), e;
	struct http_out text = { 0 };

	while (http_field_next(&list, &e)) {
		http_out_view(&text, e);
		http_out_byte(&text, '|');
	}
	ck_assert(bytes_is(bytes_of(text.ptr, text.len), BYTES_LIT("a|b c|d|")));
	http_out_free(&text);
}
END_TEST

struct media_case {
	const char *text;
	enum http_media media;
};

static const struct media_case media_cases[] = {
	{ "", HTTP_MEDIA_NONE },
	{ "application/json", HTTP_MEDIA_JSON },
	{ "Application/JSON", HTTP_MEDIA_JSON },
	{ "application/json; charset=utf-8", HTTP_MEDIA_JSON },
	{ "application/json;charset=\"UTF-8\"", HTTP_MEDIA_JSON },
	{ "application/json ; a=b ; charset=utf8", HTTP_MEDIA_JSON },
	{ "application/json;", HTTP_MEDIA_JSON },
	{ "application/json; charset=latin1", HTTP_MEDIA_BAD },
	{ "application/json; charset=utf-16", HTTP_MEDIA_BAD },
	{ "application/json; charset", HTTP_MEDIA_BAD },
	{ "application/json; charset=", HTTP_MEDIA_BAD },
	{ "application/json; a=\"b", HTTP_MEDIA_BAD },
	{ "application/json; a=\"b\\", HTTP_MEDIA_BAD },
	{ "application/json x", HTTP_MEDIA_BAD },
	{ "application/json, text/plain", HTTP_MEDIA_BAD },
	{ "application", HTTP_MEDIA_BAD },
	{ "application/", HTTP_MEDIA_BAD },
	{ "/json", HTTP_MEDIA_BAD },
	{ "application/x-ndjson", HTTP_MEDIA_NDJSON },
	{ "application/jsonl", HTTP_MEDIA_NDJSON },
	{ "application/cloudevents+json; charset=utf-8", HTTP_MEDIA_CLOUDEVENT },
	{ "application/cloudevents-batch+json", HTTP_MEDIA_CLOUDEVENTS_BATCH },
	{ "application/vnd.x+json", HTTP_MEDIA_JSON },
	{ "application/+json", HTTP_MEDIA_OTHER },
	{ "text/plain", HTTP_MEDIA_TEXT },
	{ "text/html", HTTP_MEDIA_OTHER },
	{ "application/x-www-form-urlencoded", HTTP_MEDIA_FORM },
};

START_TEST(media_types_are_known)
{
	const struct media_case *c = &media_cases[_i];

	ck_assert_msg(http_media_of(bytes_str(c->text)) == c->media, "%s", c->text);
}
END_TEST

struct query_case {
	const char *query, *name;
	enum http_query_result result;
	const char *value;
};

static const struct query_case query_cases[] = {
	{ "ack=durable", "ack", HTTP_QUERY_OK, "durable" },
	{ "a=1&ack=durable&b=2", "ack", HTTP_QUERY_OK, "durable" },
	{ "a=1&b=2", "ack", HTTP_QUERY_ABSENT, "" },
	{ "", "ack", HTTP_QUERY_ABSENT, "" },
	{ "ack", "ack", HTTP_QUERY_OK, "" },
	{ "ack=", "ack", HTTP_QUERY_OK, "" },
	{ "ack=a=b", "ack", HTTP_QUERY_OK, "a=b" },
	{ "xack=1&acks=2&ac=3", "ack", HTTP_QUERY_ABSENT, "" },
	{ "%61ck=1", "ack", HTTP_QUERY_OK, "1" },
	{ "ack=a%20b+c", "ack", HTTP_QUERY_OK, "a b c" },
	{ "ack=%C3%a4", "ack", HTTP_QUERY_OK, "\xc3\xa4" },
	{ "ack=1&ack=1", "ack", HTTP_QUERY_REPEATED, "" },
	{ "ack=%", "ack", HTTP_QUERY_BAD, "" },
	{ "ack=%4", "ack", HTTP_QUERY_BAD, "" },
	{ "ack=%4g", "ack", HTTP_QUERY_BAD, "" },
	{ "ack=%00", "ack", HTTP_QUERY_BAD, "" },
	{ "ack=%0a", "ack", HTTP_QUERY_BAD, "" },
	{ "%zz=1&ack=1", "ack", HTTP_QUERY_BAD, "" },
	{ "ack=1234567", "ack", HTTP_QUERY_OK, "1234567" },
	{ "ack=12345678", "ack", HTTP_QUERY_OK, "12345678" },
	{ "ack=123456789", "ack", HTTP_QUERY_LONG, "" },
	{ "&&ack=1&", "ack", HTTP_QUERY_OK, "1" },
};

START_TEST(query_parameters_are_found)
{
	const struct query_case *c = &query_cases[_i];
	struct bytes value = { NULL, 0 };
	uint8_t buf[8];
	enum http_query_result result =
	    http_query_find(bytes_str(c->query), c->name, buf, sizeof buf, &value);

	ck_assert_msg(result == c->result, "%s: %d", c->query, (int)result);
	if (result == HTTP_QUERY_OK)
		ck_assert_msg(bytes_is(value, bytes_str(c->value)), "%s", c->query);
}
END_TEST

static const struct http_route routes[] = {
	{ HTTP_METHOD_POST, "/events", 1 },
	{ HTTP_METHOD_GET, "/events", 2 },
	{ HTTP_METHOD_GET, "/schemas/:version", 3 },
	{ HTTP_METHOD_PUT, "/schemas/:version", 4 },
	{ HTTP_METHOD_POST, "/schemas/:version/validate", 5 },
	{ HTTP_METHOD_POST, "/only", 6 },
};

struct route_case {
	enum http_method method;
	const char *path;
	enum http_route_result result;
	const char *detail; /* id[:param] or Allow */
};

static const struct route_case route_cases[] = {
	{ HTTP_METHOD_POST, "/events", HTTP_ROUTE_OK, "1" },
	{ HTTP_METHOD_GET, "/events", HTTP_ROUTE_OK, "2" },
	{ HTTP_METHOD_HEAD, "/events", HTTP_ROUTE_OK, "2" },
	{ HTTP_METHOD_GET, "/events/", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_GET, "/", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_GET, "/Events", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_PUT, "/events", HTTP_ROUTE_NOT_ALLOWED, "GET, HEAD, POST, OPTIONS" },
	{ HTTP_METHOD_HEAD, "/only", HTTP_ROUTE_NOT_ALLOWED, "POST, OPTIONS" },
	{ HTTP_METHOD_OPTIONS, "/only", HTTP_ROUTE_OPTIONS, "POST, OPTIONS" },
	{ HTTP_METHOD_OPTIONS, "/none", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_OPTIONS, "*", HTTP_ROUTE_OPTIONS, "GET, HEAD, POST, PUT, OPTIONS" },
	{ HTTP_METHOD_GET, "/schemas/v1", HTTP_ROUTE_OK, "3:v1" },
	{ HTTP_METHOD_PUT, "/schemas/v%201", HTTP_ROUTE_OK, "4:v%201" },
	{ HTTP_METHOD_POST, "/schemas/v1/validate", HTTP_ROUTE_OK, "5:v1" },
	{ HTTP_METHOD_GET, "/schemas/", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_GET, "/schemas", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_GET, "/schemas/v1/", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_POST, "/schemas//validate", HTTP_ROUTE_NOT_FOUND, "" },
	{ HTTP_METHOD_POST, "/schemas/v1", HTTP_ROUTE_NOT_ALLOWED, "GET, HEAD, PUT, OPTIONS" },
};

START_TEST(routes_are_found)
{
	const struct route_case *c = &route_cases[_i];
	struct http_route_match match = { 0 };
	char detail[128] = "";
	enum http_route_result result = http_route_find(routes, sizeof routes / sizeof routes[0],
	    c->method, bytes_str(c->path), &match);

	ck_assert_msg(result == c->result, "%s: %d", c->path, (int)result);
	if (result == HTTP_ROUTE_OK && match.n_params > 0)
		(void)snprintf(detail, sizeof detail, "%d:%.*s", match.id, (int)match.params[0].len,
		    (const char *)match.params[0].ptr);
	else if (result == HTTP_ROUTE_OK)
		(void)snprintf(detail, sizeof detail, "%d", match.id);
	else
		(void)snprintf(detail, sizeof detail, "%.*s", (int)match.allow_len, match.allow);
	ck_assert_str_eq(detail, c->detail);
}
END_TEST

START_TEST(codes_are_complete)
{
	int code;

	for (code = 0; code < HTTP_CODE_COUNT; code++) {
		enum http_code c = (enum http_code)code;

		ck_assert_uint_gt(http_code_name(c).len, 0);
		ck_assert_uint_gt(http_code_text(c).len, 8);
		/* Every status of ours has a reason phrase. */
		ck_assert_uint_gt(http_code_reason(http_code_status(c)).len, 4);
	}
	ck_assert(bytes_is(http_code_reason(418), BYTES_LIT("418 ")));
}
END_TEST

START_TEST(output_grows_and_escapes)
{
	struct http_out out = { 0 };
	int i;

	for (i = 0; i < 10000; i++)
		http_out_byte(&out, 'x');
	ck_assert_uint_eq(out.len, 10000);
	out.len = 0;
	http_out_u64(&out, 0);
	http_out_u64(&out, UINT64_MAX);
	http_out_json(&out, BYTES_LIT("a\"b\\c\n\x01\xc3\xa4"));
	ck_assert(bytes_is(bytes_of(out.ptr, out.len),
	    BYTES_LIT("018446744073709551615\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa4\"")));
	http_out_free(&out);
}
END_TEST

START_TEST(pool_keeps_bytes_counts_and_gives_back)
{
	struct http_pool pool = { 0 };
	struct http_block b = { 0 }, c = { 0 };
	size_t cap;
	int i;

	for (cap = 1; cap < (1u << 21); cap *= 3) {
		ck_assert_int_eq(http_pool_reserve(&pool, &b, cap), 0);
		ck_assert_uint_ge(b.cap, cap);
		ck_assert_uint_eq(pool.used_bytes, b.cap);
		/* The padding is ours too. */
		memset(b.ptr + b.len, (int)(cap & 0xff), b.cap + HTTP_POOL_PAD - b.len);
		if (b.len > 0)
			ck_assert_int_eq(b.ptr[0], 1);
		b.len = cap;
	}
	ck_assert_int_eq(http_pool_reserve(&pool, &c, 600), 0);
	http_pool_release(&pool, &b);
	http_pool_release(&pool, &c);
	ck_assert_ptr_null(b.ptr);
	ck_assert_uint_eq(pool.used_bytes, 0);
	for (i = 0; i < 64; i++)
		http_pool_trim(&pool);
	for (i = 0; i < HTTP_POOL_CLASSES; i++)
		ck_assert_uint_eq(pool.classes[i].n_idle, 0);
	http_pool_free(&pool);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_field");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_test(tc, request_ids_that_may_be_repeated);
	tcase_add_test(tc, traceparent_is_checked);
	tcase_add_test(tc, names_compare_without_case_and_whole);
	tcase_add_test(tc, lists_are_taken_apart);
	tcase_add_loop_test(tc, media_types_are_known, 0,
	    sizeof media_cases / sizeof media_cases[0]);
	tcase_add_loop_test(tc, query_parameters_are_found, 0,
	    sizeof query_cases / sizeof query_cases[0]);
	tcase_add_loop_test(tc, routes_are_found, 0, sizeof route_cases / sizeof route_cases[0]);
	tcase_add_test(tc, codes_are_complete);
	tcase_add_test(tc, output_grows_and_escapes);
	tcase_add_test(tc, pool_keeps_bytes_counts_and_gives_back);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
