/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_http_parse - the request head, whole and in every way in parts
 *
 * DESCRIPTION
 *	Each case of http_parse_cases.def is fed whole, byte by byte and cut in two
 *	at every place, each time from a fresh allocation of exactly the size,
 *	so that the sanitizer sees a byte too much and a stale pointer.
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_parse.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct parse_case {
	const char *name;
	const char *bytes;
	size_t len;
	const char *outcome;
};

static const struct parse_case cases[] = {
#define CASE(name, bytes, outcome) { name, bytes, sizeof(bytes) - 1, outcome },
#include "http_parse_cases.def"
#undef CASE
};
enum { N_CASES = sizeof cases / sizeof cases[0] };
_Static_assert(N_CASES >= 120, "many cases");

static struct http_limits
test_limits(void)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	limits.body_bytes = 1000;
	return limits;
}

static int
add(char *text, size_t size, int at, const char *label, struct bytes value)
{
	if (value.ptr == NULL)
		return at;
	return at + snprintf(text + at, size - (size_t)at, "%s%.*s", label, (int)value.len,
	    (const char *)value.ptr);
}

/* What the parser understood, in one line. */
static void
describe(char *text, size_t size, enum http_parse_result result, const struct http_head *head)
{
	int at;

	if (result == HTTP_PARSE_MORE) {
		(void)snprintf(text, size, "more");
		return;
	}
	if (result == HTTP_PARSE_BAD) {
		(void)snprintf(text, size, "%s", http_code_name(head->code).ptr);
		return;
	}
	at = snprintf(text, size, "%s ", http_parse_method_name(head->method));
	at = add(text, size, at, "", head->path);
	at = add(text, size, at, " ?", head->query);
	at += snprintf(text + at, size - (size_t)at, " host=%.*s", (int)head->host.len,
	    (const char *)head->host.ptr);
	if (head->framing == HTTP_FRAMING_NONE)
		at += snprintf(text + at, size - (size_t)at, " body=none");
	else if (head->framing == HTTP_FRAMING_CHUNKED)
		at += snprintf(text + at, size - (size_t)at, " body=chunked");
	else
		at += snprintf(text + at, size - (size_t)at, " body=%llu",
		    (unsigned long long)head->content_length);
	at += snprintf(text + at, size - (size_t)at, "%s%s%s%s",
	    head->is_keep_alive ? " keep" : " close", head->minor == 0 ? " 1.0" : "",
	    head->expects_continue ? " expect" : "", head->wants_upgrade ? " upgrade" : "");
	at = add(text, size, at, " type=", head->content_type);
	at = add(text, size, at, " id=", head->request_id);
	at = add(text, size, at, " trace=", head->traceparent);
	at = add(text, size, at, " ack=", head->ack);
	(void)add(text, size, at, " agent=", head->user_agent);
}

/* All that `describe` leaves out, to compare one way of feeding with another. */
static uint64_t
digest(const struct http_head *head, enum http_parse_result result)
{
	uint64_t sum = head->code;
	uint32_t i;
	size_t k;

	if (result != HTTP_PARSE_OK)
		return sum;
	sum = sum * 31 + head->head_len;
	for (i = 0; i < head->n_fields; i++) {
		for (k = 0; k < head->fields[i].name.len; k++)
			sum = sum * 31 + head->fields[i].name.ptr[k];
		for (k = 0; k < head->fields[i].value.len; k++)
			sum = sum * 31 + head->fields[i].value.ptr[k];
		sum = sum * 31 + 7;
	}
	return sum;
}

/* Feed up to each of the ends; the result is that of the last call. */
static uint64_t
feed(const struct parse_case *c, const size_t *ends, size_t n, char *text, size_t size)
{
	struct http_limits limits = test_limits();
	struct http_mark mark = { 0 };
	struct http_head head;
	enum http_parse_result result = HTTP_PARSE_MORE;
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < n && result == HTTP_PARSE_MORE; i++) {
		uint8_t *copy = malloc(ends[i] == 0 ? 1 : ends[i]);

		memcpy(copy, c->bytes, ends[i]);
		result = http_parse(&head, &mark, copy, ends[i], &limits);
		describe(text, size, result, &head);
		sum = digest(&head, result);
		free(copy);
	}
	return sum;
}

START_TEST(case_has_its_outcome_however_it_is_cut)
{
	const struct parse_case *c = &cases[_i];
	char whole[512], parts[512];
	size_t ends[1024], i;
	uint64_t sum;
	int bad = 0;

	ends[0] = c->len;
	sum = feed(c, ends, 1, whole, sizeof whole);
	ck_assert_msg(strcmp(whole, c->outcome) == 0, "%s: got \"%s\", want \"%s\"", c->name, whole,
	    c->outcome);
	for (i = 0; i <= c->len; i++)
		ends[i] = i;
	bad += feed(c, ends, c->len + 1, parts, sizeof parts) != sum || strcmp(parts, whole) != 0;
	ck_assert_msg(bad == 0, "%s: byte by byte: \"%s\"", c->name, parts);
	for (i = 0; i < c->len; i++) {
		ends[0] = i;
		ends[1] = c->len;
		bad += feed(c, ends, 2, parts, sizeof parts) != sum || strcmp(parts, whole) != 0;
	}
	ck_assert_msg(bad == 0, "%s: cut in two: %d ways differ", c->name, bad);
}
END_TEST

/* ---- Limits: one below, at, one above ------------------------------------- */

static enum http_code
code_of(const char *bytes, size_t len, const struct http_limits *limits)
{
	struct http_mark mark = { 0 };
	struct http_head head;

	return http_parse(&head, &mark, (const uint8_t *)bytes, len, limits) == HTTP_PARSE_BAD ?
	    head.code :
	    HTTP_CODE_NONE;
}

START_TEST(request_line_is_limited)
{
	static const char head[] = "GET /abc HTTP/1.1\r\nHost: x\r\n\r\n";
	struct http_limits limits = test_limits();

	limits.line_bytes = 18;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_NONE);
	limits.line_bytes = 17;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_NONE);
	limits.line_bytes = 16;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_TARGET_TOO_LONG);
	/* Before the line has ended, too. */
	ck_assert_int_eq(code_of(head, 16, &limits), HTTP_CODE_NONE);
	ck_assert_int_eq(code_of(head, 17, &limits), HTTP_CODE_TARGET_TOO_LONG);
}
END_TEST

START_TEST(field_bytes_are_limited)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n";
	struct http_limits limits = test_limits();

	limits.head_bytes = 16;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_NONE);
	limits.head_bytes = 15;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_NONE);
	limits.head_bytes = 14;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_HEAD_TOO_LARGE);
	limits.head_bytes = 3;
	ck_assert_int_eq(code_of(head, 16 + 3, &limits), HTTP_CODE_NONE);
	ck_assert_int_eq(code_of(head, 16 + 4, &limits), HTTP_CODE_HEAD_TOO_LARGE);
}
END_TEST

START_TEST(fields_are_counted)
{
	static const char head[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\nC: d\r\n\r\n";
	struct http_limits limits = test_limits();

	limits.fields = 4;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_NONE);
	limits.fields = 3;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_NONE);
	limits.fields = 2;
	ck_assert_int_eq(code_of(head, sizeof head - 1, &limits), HTTP_CODE_TOO_MANY_FIELDS);
}
END_TEST

/* A limit set above the array is the array's. */
START_TEST(fields_never_pass_the_array)
{
	struct http_limits limits = test_limits();
	char head[4096];
	int at = snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: x\r\n"), i;

	limits.fields = 100000;
	for (i = 1; i < HTTP_LIMITS_FIELDS_MAX; i++)
		at += snprintf(head + at, sizeof head - (size_t)at, "A: b\r\n");
	(void)snprintf(head + at, sizeof head - (size_t)at, "\r\n");
	ck_assert_int_eq(code_of(head, (size_t)at + 2, &limits), HTTP_CODE_NONE);
	at += snprintf(head + at, sizeof head - (size_t)at, "A: b\r\n\r\n");
	ck_assert_int_eq(code_of(head, (size_t)at, &limits), HTTP_CODE_TOO_MANY_FIELDS);
}
END_TEST

START_TEST(any_field_is_found_by_name)
{
	static const char head_text[] = "GET / HTTP/1.1\r\nHost: x\r\nx-foo: 1\r\nX-FOO: 2\r\n\r\n";
	struct http_limits limits = test_limits();
	struct http_mark mark = { 0 };
	struct http_head head;

	ck_assert_int_eq(http_parse(&head, &mark, (const uint8_t *)head_text, sizeof head_text - 1,
			     &limits),
	    HTTP_PARSE_OK);
	ck_assert(bytes_is(http_parse_find(&head, "x-foo"), BYTES_LIT("1")));
	ck_assert_ptr_null(http_parse_find(&head, "x-fo").ptr);
	ck_assert_ptr_null(http_parse_find(&head, "x-fooo").ptr);
	ck_assert_uint_eq(head.n_fields, 3);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_parse");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, case_has_its_outcome_however_it_is_cut, 0, N_CASES);
	tcase_add_test(tc, request_line_is_limited);
	tcase_add_test(tc, field_bytes_are_limited);
	tcase_add_test(tc, fields_are_counted);
	tcase_add_test(tc, fields_never_pass_the_array);
	tcase_add_test(tc, any_field_is_found_by_name);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
