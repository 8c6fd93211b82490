/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_send - the parts of sluicectl send that can be poked alone
 */
#include "daemon/ctl_send.h"

#include "daemon/ctl_send_report.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Input of these bytes, all there at once. */
static int
input_of(struct ctl_send_input *in, const char *bytes, size_t len)
{
	char path[] = "/tmp/test_send.XXXXXX";
	int fd = mkstemp(path);

	ck_assert_int_ne(fd, -1);
	(void)unlink(path);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	(void)lseek(fd, 0, SEEK_SET);
	ctl_send_input_open(in, fd);
	return fd;
}

START_TEST(lines_become_batches)
{
	static const char text[] = "{1}\n\n  {2}\r\n \t\n{3}\n{4}\n{5}";
	struct ctl_send_input in;
	struct ctl_send_batch *b;
	int fd = input_of(&in, text, sizeof text - 1);

	b = ctl_send_input_take(&in, 2);
	ck_assert_uint_eq(b->n, 2);
	ck_assert_uint_eq(b->line[0].number, 1);
	ck_assert_uint_eq(b->line[1].number, 3);
	ck_assert_uint_eq(b->len, 8);
	ck_assert_int_eq(memcmp(b->bytes, "{1}\n{2}\n", 8), 0);
	ctl_send_batch_free(b);
	b = ctl_send_input_take(&in, 100);
	ck_assert_uint_eq(b->n, 3);
	ck_assert_uint_eq(b->line[2].number, 7);
	ck_assert_int_eq(memcmp(b->bytes, "{3}\n{4}\n{5}\n", 12), 0);
	ctl_send_batch_free(b);
	ck_assert_ptr_null(ctl_send_input_take(&in, 100));
	ck_assert(ctl_send_input_is_done(&in));
	ctl_send_input_close(&in);
	(void)close(fd);
}
END_TEST

START_TEST(silent_pipe_gives_what_it_has)
{
	struct ctl_send_input in;
	struct ctl_send_batch *b;
	int fds[2];

	ck_assert_int_eq(pipe(fds), 0);
	ctl_send_input_open(&in, fds[0]);
	ck_assert_ptr_null(ctl_send_input_take(&in, 10));
	ck_assert_int_eq(write(fds[1], "{1}\n{2", 6), 6);
	b = ctl_send_input_take(&in, 10);
	ck_assert_uint_eq(b->n, 1);
	ctl_send_batch_free(b);
	ck_assert_ptr_null(ctl_send_input_take(&in, 10));
	ck_assert(!ctl_send_input_is_done(&in));
	ck_assert_int_eq(write(fds[1], "}", 1), 1);
	(void)close(fds[1]);
	b = ctl_send_input_take(&in, 10);
	ck_assert_uint_eq(b->n, 1);
	ck_assert_int_eq(memcmp(b->bytes, "{2}\n", 4), 0);
	ctl_send_batch_free(b);
	ck_assert_ptr_null(ctl_send_input_take(&in, 10));
	ck_assert(ctl_send_input_is_done(&in));
	ctl_send_input_close(&in);
	(void)close(fds[0]);
}
END_TEST

START_TEST(longest_line_is_taken_and_a_longer_one_ends_it)
{
	static const size_t more[] = { 0, 1, 2 };
	size_t len = CTL_SEND_LINE_MAX - 1 + more[_i];
	char *text = malloc(len + 5);
	struct ctl_send_input in;
	struct ctl_send_batch *b;
	int fd;

	memset(text, 'x', len);
	memcpy(text + len, "\n{2}\n", 5);
	fd = input_of(&in, text, len + 5);
	b = ctl_send_input_take(&in, 10);
	if (len <= CTL_SEND_LINE_MAX) {
		ck_assert_uint_eq(b->n, 1);
		ck_assert_uint_eq(b->line[0].len, len);
		ck_assert_uint_eq(in.long_line, 0);
		ctl_send_batch_free(b);
		b = ctl_send_input_take(&in, 10);
		ck_assert_uint_eq(b->n, 1);
		ctl_send_batch_free(b);
	} else {
		ck_assert_ptr_null(b);
		ck_assert_uint_eq(in.long_line, 1);
	}
	(void)ctl_send_input_take(&in, 10);
	ck_assert(ctl_send_input_is_done(&in));
	ctl_send_input_close(&in);
	(void)close(fd);
	free(text);
}
END_TEST

START_TEST(heads_are_read_strictly)
{
	static const struct {
		const char *head;
		int len; /* 0: more, -1: no HTTP, 1: all of it */
		unsigned status;
		size_t body;
		bool must_close;
		unsigned retry_after;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 1, 200, 12, false, 0 },
		{ "HTTP/1.1 200\r\ncontent-length:0\r\n\r\n", 1, 200, 0, false, 0 },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 12\r\n\r\n", 1, 200, 12, true, 0 },
		{ "HTTP/1.1 503 X\r\nRetry-After: 3\r\nConnection: close\r\nContent-Length: 1\r\n\r\n",
		    1, 503, 1, true, 3 },
		{ "HTTP/1.1 503 X\r\nRetry-After: 9999\r\nContent-Length: 1\r\n\r\n", 1, 503, 1,
		    false, 60 },
		{ "HTTP/1.1 100 Continue\r\n\r\n", 1, 100, 0, false, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n", 0, 0, 0, false, 0 },
		{ "", 0, 0, 0, false, 0 },
		{ "HTTP/1.1 200 OK\r\n\r\n", -1, 0, 0, false, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", -1, 0, 0,
		    false, 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", -1, 0, 0, false, 0 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", -1, 0, 0, false, 0 },
		{ "HTTP/1.1 2x0 OK\r\nContent-Length: 1\r\n\r\n", -1, 0, 0, false, 0 },
		{ "HTTP/2.0 200 OK\r\nContent-Length: 1\r\n\r\n", -1, 0, 0, false, 0 },
		{ "SSH-2.0-x\r\n\r\n", -1, 0, 0, false, 0 },
		{ "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", -1, 0, 0, false, 0 },
		{ "HTTP/1.1 200 OK\r\n\nContent-Length: 1\r\n\r\n", -1, 0, 0, false, 0 },
		{ "\r\n\r\n", -1, 0, 0, false, 0 },
	};
	struct ctl_send_answer a;
	size_t body = 0;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		size_t len = strlen(cases[i].head);
		/* A copy of exactly its length: a byte too far is seen. */
		uint8_t *head = malloc(len + 1);
		int got;

		memcpy(head, cases[i].head, len);
		got = ctl_send_conn_head(head, len, &body, &a);
		ck_assert_msg(got == (cases[i].len == 1 ? (int)len : cases[i].len), "%s: %d",
		    cases[i].head, got);
		if (cases[i].len == 1) {
			ck_assert_uint_eq(a.status, cases[i].status);
			ck_assert_uint_eq(body, cases[i].body);
			ck_assert_int_eq(a.must_close, cases[i].must_close);
			ck_assert_uint_eq(a.retry_after_s, cases[i].retry_after);
		}
		free(head);
	}
}
END_TEST

#define BATCH(results) "{\"status\":\"batch_processed\",\"results\":" results ",\"ack\":\"durable\"}"

START_TEST(answers_decide_each_event)
{
	static const struct {
		const char *body;
		uint32_t n;
		int rc;
	} cases[] = {
		{ BATCH("[{\"status\":\"accepted\"},{\"status\":\"invalid\",\"error\":{\"code\":\"c\","
			"\"message\":\"a \\\"b\\\" \",\"pointer\":\"/p\"}}]"),
		    2, 0 },
		{ BATCH("[{\"status\":\"accepted\"}]"), 2, -1 },
		{ BATCH("[{\"status\":\"accepted\"},{\"status\":\"accepted\"}]"), 1, -1 },
		{ BATCH("[{\"status\":\"perhaps\"}]"), 1, -1 },
		{ BATCH("{}"), 1, -1 },
		{ "{\"status\":\"error\",\"error\":{\"code\":\"x\"}}", 1, -1 },
		{ "[]", 1, -1 },
		{ "", 1, -1 },
		{ "{\"results\":", 1, -1 },
		{ BATCH("[]"), 0, 0 },
	};
	struct ctl_send_result r[2];
	char text[40];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_msg(ctl_send_answer_results(bytes_str(cases[i].body), cases[i].n, r) ==
			cases[i].rc, "%s", cases[i].body);
	ck_assert_int_eq(ctl_send_answer_results(bytes_str(cases[0].body), 2, r), 0);
	ck_assert_int_eq(r[0].verdict, CTL_SEND_ACCEPTED);
	ck_assert_int_eq(r[1].verdict, CTL_SEND_INVALID);
	ck_assert(bytes_is(r[1].code, BYTES_LIT("c")));
	ck_assert(bytes_is(r[1].pointer, BYTES_LIT("/p")));
	ck_assert(bytes_is(ctl_send_answer_ack(bytes_str(cases[0].body)), BYTES_LIT("durable")));
	ck_assert_str_eq(ctl_send_answer_error(
			     bytes_str("{\"error\":{\"code\":\"a\",\"message\":\"b\"}}"), text,
			     sizeof text),
	    "a: b");
	ck_assert_str_eq(ctl_send_answer_error(bytes_str("gone\r\nfishing"), text, sizeof text),
	    "gone  fishing");
}
END_TEST

START_TEST(targets_are_urls)
{
	static const struct {
		const char *url, *host;
	} cases[] = { { "http://127.0.0.1:3001", "127.0.0.1:3001" },
		{ "http://127.0.0.1:3001/", "127.0.0.1:3001" }, { "http://[::1]:80", "[::1]:80" },
		{ "unix:/run/x.sock", "localhost" }, { "unix:x", NULL }, { "http://127.0.0.1", NULL },
		{ "http://[::1]", NULL }, { "http://127.0.0.1:", NULL }, { "http://:80", NULL },
		{ "http://127.0.0.1:80/x", NULL }, { "https://127.0.0.1:80", NULL },
		{ "http://a b:80", NULL }, { "http://127.0.0.1:99999", NULL }, { "", NULL } };
	struct ctl_send_target t;
	const char *why;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		why = NULL;
		if (cases[i].host == NULL) {
			ck_assert_msg(ctl_send_target_open(&t, cases[i].url, NULL, &why) == -1,
			    "%s", cases[i].url);
			ck_assert_ptr_nonnull(why);
		} else {
			ck_assert_msg(ctl_send_target_open(&t, cases[i].url, "memory", &why) == 0,
			    "%s: %s", cases[i].url, why);
			ck_assert_str_eq(t.host, cases[i].host);
			ck_assert_str_eq(t.path, "/events/batch?ack=memory");
		}
		ctl_send_target_close(&t);
	}
}
END_TEST

START_TEST(rate_is_that_of_the_last_seconds)
{
	struct ctl_send_report r = { .start_ns = CLOCK_NS_PER_S };
	uint64_t now = CLOCK_NS_PER_S;
	double rate = -1;

	ck_assert_double_eq(ctl_send_report_rate(&r, now), 0);
	/* Ten seconds at 1000 a second, then nothing, then 100. */
	for (int i = 0; i < 100; i++) {
		now += CLOCK_NS_PER_S / 10;
		r.verdict[CTL_SEND_ACCEPTED] += 100;
		rate = ctl_send_report_rate(&r, now);
	}
	ck_assert_double_eq_tol(rate, 1000, 1);
	for (int i = 0; i < 70; i++) {
		now += CLOCK_NS_PER_S / 10;
		rate = ctl_send_report_rate(&r, now);
	}
	ck_assert_double_eq(rate, 0);
	for (int i = 0; i < 70; i++) {
		now += CLOCK_NS_PER_S / 10;
		r.verdict[CTL_SEND_DUPLICATE] += 10;
		rate = ctl_send_report_rate(&r, now);
	}
	ck_assert_double_eq_tol(rate, 100, 1);
}
END_TEST

/* What documents begin with, and what events do. */
START_TEST(document_is_told_from_events)
{
	static const struct {
		const char *text;
		bool is_document;
		uint64_t lines;
	} cases[] = {
		{ "[\n{}\n]\n", true, 3 },
		{ "\n  [{},\n{}]\n", true, 2 },
		{ "{\r\n}\n", true, 2 },
		{ "{}\n[\n", false, 2 },
		{ "{\"a\":1}\n\n{\n}", false, 3 },
		{ "", false, 0 },
	};
	struct ctl_send_input in;
	int fds[2];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_int_eq(pipe(fds), 0);
		ck_assert_int_eq(write(fds[1], cases[i].text, strlen(cases[i].text)),
		    (ssize_t)strlen(cases[i].text));
		(void)close(fds[1]);
		ctl_send_input_open(&in, fds[0]);
		ck_assert_uint_eq(ctl_send_input_rest(&in, CLOCK_NS_PER_S), cases[i].lines);
		ck_assert(ctl_send_input_is_done(&in));
		ck_assert_int_eq(in.is_document, cases[i].is_document);
		ctl_send_input_close(&in);
		(void)close(fds[0]);
	}
}
END_TEST

START_TEST(first_ten_invalid_lines_are_kept_in_order)
{
	static const uint64_t lines[] = { 50, 3, 40, 20, 9, 7, 8, 60, 70, 80, 90, 1, 100, 2 };
	static const uint64_t kept[] = { 1, 2, 3, 7, 8, 9, 20, 40, 50, 60 };
	struct ctl_send_report r = { 0 };

	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
		ctl_send_report_invalid(&r, lines[i], BYTES_LIT("c"), BYTES_LIT("m"),
		    BYTES_LIT(""));
	ck_assert_uint_eq(r.shown, CTL_SEND_SHOWN);
	for (unsigned i = 0; i < CTL_SEND_SHOWN; i++)
		ck_assert_uint_eq(r.invalid[i].line, kept[i]);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("send");
	TCase *tc = tcase_create("send");
	SRunner *sr;
	int failed;

	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, lines_become_batches);
	tcase_add_test(tc, silent_pipe_gives_what_it_has);
	tcase_add_loop_test(tc, longest_line_is_taken_and_a_longer_one_ends_it, 0, 3);
	tcase_add_test(tc, heads_are_read_strictly);
	tcase_add_test(tc, answers_decide_each_event);
	tcase_add_test(tc, targets_are_urls);
	tcase_add_test(tc, rate_is_that_of_the_last_seconds);
	tcase_add_test(tc, document_is_told_from_events);
	tcase_add_test(tc, first_ten_invalid_lines_are_kept_in_order);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
