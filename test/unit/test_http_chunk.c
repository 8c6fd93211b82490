/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_http_chunk - chunked bodies, whole and in every way in parts
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_chunk.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct chunk_case {
	const char *name, *bytes;
	size_t len;
	const char *outcome; /* "content+unused", "more:content" or a code */
};

/* Limits: 20 content bytes, 8 of extensions, 2 trailers of 16 bytes together. */
static const struct chunk_case cases[] = {
#define CASE(name, bytes, outcome) { name, bytes, sizeof(bytes) - 1, outcome },
	CASE("empty_body", "0\r\n\r\n", "+0")
	CASE("one_chunk", "5\r\nhello\r\n0\r\n\r\n", "hello+0")
	CASE("two_chunks", "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world+0")
	CASE("upper_case_size", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789+0")
	CASE("lower_case_size", "a\r\n0123456789\r\n0\r\n\r\n", "0123456789+0")
	CASE("leading_zeros", "0005\r\nhello\r\n000\r\n\r\n", "hello+0")
	CASE("next_request_is_left", "1\r\na\r\n0\r\n\r\nGET", "a+3")
	CASE("line_ends_in_data", "4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n+0")
	CASE("extension", "1;a=b\r\nx\r\n0\r\n\r\n", "x+0")
	CASE("extension_quoted", "1;a=\"b;\"\r\nx\r\n0\r\n\r\n", "x+0")
	CASE("extension_of_last_chunk", "1\r\nx\r\n0;a\r\n\r\n", "x+0")
	CASE("extensions_at_the_limit", "1;1234567\r\nx\r\n0;8\r\n\r\n", "x+0")
	CASE("extensions_above_the_limit", "1;1234567\r\nx\r\n0;89\r\n\r\n", "chunk_extensions_too_long")
	CASE("trailer", "0\r\nA: b\r\n\r\n", "+0")
	CASE("two_trailers", "0\r\nA: b\r\nC:\r\n\r\n", "+0")
	CASE("three_trailers", "0\r\nA:\r\nB:\r\nC:\r\n\r\n", "too_many_fields")
	CASE("trailers_at_the_limit", "0\r\nA: 34567890123\r\n\r\n", "+0")
	CASE("trailers_above_the_limit", "0\r\nA: 345678901234\r\n\r\n", "head_too_large")
	CASE("content_below_the_limit", "13\r\n1234567890123456789\r\n0\r\n\r\n", "1234567890123456789+0")
	CASE("content_at_the_limit", "14\r\n12345678901234567890\r\n0\r\n\r\n", "12345678901234567890+0")
	CASE("content_above_the_limit", "15\r\n123456789012345678901\r\n0\r\n\r\n", "body_too_large")
	CASE("content_above_the_limit_in_two", "14\r\n12345678901234567890\r\n1\r\nx\r\n0\r\n\r\n", "body_too_large")
	CASE("too_large_is_told_before_the_data", "15\r\n", "body_too_large")
	CASE("largest_size", "ffffffffffffffff\r\n", "body_too_large")
	CASE("size_that_would_wrap", "10000000000000005\r\nhello\r\n", "bad_chunk")
	CASE("size_of_many_zeros", "00000000000000001\r\nx\r\n", "bad_chunk")
	CASE("no_size", "\r\nhello", "bad_chunk")
	CASE("extension_without_size", ";a\r\n", "bad_chunk")
	CASE("negative_size", "-1\r\n", "bad_chunk")
	CASE("size_with_plus", "+1\r\nx\r\n", "bad_chunk")
	CASE("size_with_0x", "0x1\r\nx\r\n", "bad_chunk")
	CASE("blank_before_size", " 1\r\nx\r\n", "bad_chunk")
	CASE("blank_after_size", "1 \r\nx\r\n", "bad_chunk")
	CASE("blank_before_extension", "1 ;a\r\nx\r\n", "bad_chunk")
	CASE("size_ends_with_bare_lf", "1\nx\r\n0\r\n\r\n", "bad_chunk")
	CASE("size_ends_with_bare_cr", "1\rx\r\n0\r\n\r\n", "bad_chunk")
	CASE("extension_ends_with_bare_lf", "1;a\nx\r\n0\r\n\r\n", "bad_chunk")
	CASE("extension_with_bare_cr", "1;a\rb\r\nx\r\n", "bad_chunk")
	CASE("extension_with_nul", "1;\0\r\nx\r\n", "bad_chunk")
	CASE("extension_with_high_byte", "1;\xe4\r\nx\r\n", "bad_chunk")
	CASE("data_longer_than_size", "1\r\nxy\r\n0\r\n\r\n", "bad_chunk")
	CASE("data_without_line_end", "1\r\nx0\r\n\r\n", "bad_chunk")
	CASE("data_ends_with_bare_lf", "1\r\nx\n0\r\n\r\n", "bad_chunk")
	CASE("data_ends_with_bare_cr", "1\r\nx\r0\r\n\r\n", "bad_chunk")
	CASE("body_ends_with_bare_lf", "0\r\n\n", "bad_trailer")
	CASE("body_ends_with_bare_cr", "0\r\n\rx", "bad_chunk")
	CASE("trailer_folded", "0\r\nA: b\r\n c\r\n\r\n", "bad_trailer")
	CASE("trailer_without_colon", "0\r\nA\r\n\r\n", "bad_trailer")
	CASE("trailer_without_name", "0\r\n: a\r\n\r\n", "bad_trailer")
	CASE("trailer_blank_before_colon", "0\r\nA : b\r\n\r\n", "bad_trailer")
	CASE("trailer_with_nul", "0\r\nA: \0\r\n\r\n", "bad_trailer")
	CASE("trailer_with_bare_lf", "0\r\nA: b\n\r\n", "bad_trailer")
	CASE("trailer_with_bare_cr", "0\r\nA: b\rc\r\n\r\n", "bad_trailer")
	CASE("request_in_place_of_trailer", "0\r\nGET / HTTP/1.1\r\n\r\n", "bad_trailer")
	CASE("nothing_yet", "", "more:")
	CASE("half_a_size", "1", "more:")
	CASE("half_the_data", "5\r\nhe", "more:he")
	CASE("no_last_chunk", "1\r\nx\r\n", "more:x")
	CASE("no_last_line", "1\r\nx\r\n0\r\n", "more:x")
#undef CASE
};
enum { N_CASES = sizeof cases / sizeof cases[0] };

static struct http_limits
test_limits(void)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;

	limits.body_bytes = 20;
	limits.chunk_ext_bytes = 8;
	limits.head_bytes = 16;
	limits.fields = 2;
	return limits;
}

/* Decode in pieces that end at each of the ends. */
static void
feed(const struct chunk_case *c, const size_t *ends, size_t n, char *text, size_t size)
{
	struct http_limits limits = test_limits();
	struct http_chunk chunk = { 0 };
	enum http_chunk_result result = HTTP_CHUNK_MORE;
	uint8_t content[64];
	size_t len = 0, from = 0, got, used, i;

	for (i = 0; i < n && result == HTTP_CHUNK_MORE; i++) {
		size_t part = ends[i] - from;
		/* In place, and exactly as large: as the engine does it. */
		uint8_t *copy = malloc(part == 0 ? 1 : part);

		memcpy(copy, c->bytes + from, part);
		result = http_chunk_decode(&chunk, copy, &got, copy, part, &used, &limits);
		memcpy(content + len, copy, got);
		free(copy);
		len += got;
		from += used;
	}
	if (result == HTTP_CHUNK_BAD)
		(void)snprintf(text, size, "%s",
		    http_code_name((enum http_code)chunk.code).ptr);
	else if (result == HTTP_CHUNK_MORE)
		(void)snprintf(text, size, "more:%.*s", (int)len, content);
	else
		(void)snprintf(text, size, "%.*s+%zu", (int)len, content, c->len - from);
}

START_TEST(case_has_its_outcome_however_it_is_cut)
{
	const struct chunk_case *c = &cases[_i];
	char text[128];
	size_t ends[256], i;
	int bad = 0;

	ends[0] = c->len;
	feed(c, ends, 1, text, sizeof text);
	ck_assert_msg(strcmp(text, c->outcome) == 0, "%s: got \"%s\", want \"%s\"", c->name, text,
	    c->outcome);
	for (i = 0; i <= c->len; i++)
		ends[i] = i;
	feed(c, ends, c->len + 1, text, sizeof text);
	bad += strcmp(text, c->outcome) != 0;
	ck_assert_msg(bad == 0, "%s: byte by byte: \"%s\"", c->name, text);
	for (i = 0; i < c->len; i++) {
		ends[0] = i;
		ends[1] = c->len;
		feed(c, ends, 2, text, sizeof text);
		bad += strcmp(text, c->outcome) != 0;
	}
	ck_assert_msg(bad == 0, "%s: cut in two: %d ways differ", c->name, bad);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("http_chunk");
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_add_loop_test(tc, case_has_its_outcome_however_it_is_cut, 0, N_CASES);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}
