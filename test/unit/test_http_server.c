/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_http_server - requests, bodies, errors and limits over real sockets
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "test/lib/http_rig.h"
#include "workers/http_conn.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/un.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path, len, body)                                                                      \
	"POST " path " HTTP/1.1\r\nHost: x\r\nContent-Length: " len "\r\n\r\n" body

START_TEST(connection_at_rest_is_small)
{
	(void)printf("sizeof(struct http_conn) = %zu\n", sizeof(struct http_conn));
	ck_assert_uint_le(sizeof(struct http_conn), 512);
}
END_TEST

START_TEST(keep_alive_serves_many_and_holds_no_buffer)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig), i;

	for (i = 1; i <= 50; i++) {
		rig_say(rig, fd, POST("/echo", "5", "hello"));
		rig_wait(rig, fd, i);
	}
	RIG_HAS(rig, "HTTP/1.1 200 OK\r\nServer: sluice\r\nDate: ");
	RIG_HAS(rig, "Content-Type: application/json\r\n");
	RIG_LACKS(rig, "Connection: close");
	ck_assert_uint_eq(rig_counters(rig)->accepted, 1);
	ck_assert_uint_eq(rig_counters(rig)->requests, 50);
	ck_assert_uint_eq(rig_counters(rig)->answers_2xx, 50);
	/* One receive and one send a request. */
	ck_assert_uint_eq(rig_counters(rig)->reads, 50);
	ck_assert_uint_eq(rig_counters(rig)->writes, 50);
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	ck_assert_str_eq(rig->peer, "127.0.0.1");
	(void)close(fd);
	RIG_UNTIL(rig, rig_counters(rig)->connections_now == 0);
	rig_close(rig);
}
END_TEST

START_TEST(hundred_pipelined_requests_are_answered_in_order_in_one_write)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig), i, at = 0;
	char text[8192];
	const char *p;

	for (i = 0; i < 100; i++)
		at += snprintf(text + at, sizeof text - (size_t)at,
		    "GET /%d HTTP/1.1\r\nHost: x\r\n\r\n", i);
	rig_say(rig, fd, text);
	rig_wait(rig, fd, 100);
	for (i = 0, p = rig->text; i < 100; i++) {
		(void)snprintf(text, sizeof text, "\r\n\r\nok /%dH", i);
		text[strlen(text) - 1] = '\0';
		p = strstr(p, text);
		ck_assert_msg(p != NULL, "answer %d is not behind its predecessor", i);
	}
	ck_assert_uint_eq(rig_counters(rig)->reads, 1);
	ck_assert_uint_eq(rig_counters(rig)->writes, 1);
	ck_assert_int_eq(rig->n_batches, 1);
	rig_close(rig);
	(void)close(fd);
}
END_TEST

START_TEST(a_stream_cut_anywhere_gives_the_same_answers)
{
	static const char stream[] = POST("/echo", "5", "hello") GET("/a")
	    "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	    "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: u\r\n\r\n" POST("/echo", "3", "end");
	struct rig *rig = rig_open(NULL);
	size_t cut, i;
	int fd;

	for (cut = 1; cut < sizeof stream - 1; cut++) {
		fd = rig_connect(rig);
		rig_send(rig, fd, stream, cut);
		rig_calm(rig);
		rig_send(rig, fd, stream + cut, sizeof stream - 1 - cut);
		rig_wait(rig, fd, 4);
		RIG_HAS(rig, "\r\n\r\nabcde");
		(void)close(fd);
	}
	fd = rig_connect(rig);
	for (i = 0; i < sizeof stream - 1; i++) {
		rig_send(rig, fd, stream + i, 1);
		rig_calm(rig);
	}
	rig_wait(rig, fd, 4);
	RIG_HAS(rig, "\r\n\r\nabcde");
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	rig_close(rig);
	(void)close(fd);
}
END_TEST

START_TEST(body_is_limited_at_its_limit)
{
	static const struct { size_t len; bool is_chunked, fits; } cases[] = {
		{ 299999, false, true }, { 300000, false, true }, { 300001, false, false },
		{ 299999, true, true }, { 300000, true, true }, { 300001, true, false },
	};
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	char *body = malloc(300001), head[200];
	struct rig *rig;
	size_t i;
	int fd;

	limits.body_bytes = 300000;
	rig = rig_open(&limits);
	memset(body, 'x', 300001);
	for (i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		fd = rig_connect(rig);
		if (cases[i].is_chunked)
			(void)snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: x\r\n"
			    "Transfer-Encoding: chunked\r\n\r\n%zx\r\n", cases[i].len);
		else
			(void)snprintf(head, sizeof head, "POST /echo HTTP/1.1\r\nHost: x\r\n"
			    "Content-Length: %zu\r\n\r\n", cases[i].len);
		rig_say(rig, fd, head);
		rig_send(rig, fd, body, cases[i].len);
		if (cases[i].is_chunked)
			rig_say(rig, fd, "\r\n0\r\n\r\n");
		/* What follows a large body is served too. */
		if (cases[i].fits)
			rig_say(rig, fd, GET("/next"));
		rig_wait(rig, fd, cases[i].fits ? 2 : 1);
		if (cases[i].fits) {
			RIG_HAS(rig, "ok /next");
			ck_assert_uint_gt(rig->len, cases[i].len);
		} else {
			RIG_HAS(rig, "HTTP/1.1 413 ");
			RIG_HAS(rig, "\"code\":\"body_too_large\"");
			RIG_HAS(rig, "Connection: close\r\n");
		}
		ck_assert(!rig->is_reset);
		(void)close(fd);
	}
	RIG_UNTIL(rig, rig_counters(rig)->connections_now == 0);
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	rig_close(rig);
	free(body);
}
END_TEST

START_TEST(expectation_is_answered_only_if_the_body_is_wanted)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct rig *rig;
	int fd;

	limits.body_bytes = 10;
	rig = rig_open(&limits);
	fd = rig_connect(rig);
	rig_say(rig, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
			 "Content-Length: 5\r\n\r\n");
	RIG_UNTIL(rig, (rig_take(rig, fd), rig->len > 0));
	ck_assert_str_eq(rig->text, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_say(rig, fd, "hello");
	rig_wait(rig, fd, 1);
	/* The body is there already. */
	rig->len = 0;
	rig_say(rig, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
			 "Content-Length: 5\r\n\r\nhello");
	rig_wait(rig, fd, 1);
	RIG_LACKS(rig, "100 Continue");
	/* The body is too large. */
	rig->len = 0;
	rig_say(rig, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
			 "Content-Length: 11\r\n\r\n");
	rig_wait_closed(rig, fd);
	RIG_LACKS(rig, "100 Continue");
	RIG_HAS(rig, "HTTP/1.1 413 ");
	(void)close(fd);
	fd = rig_connect(rig);
	rig_say(rig, fd, "POST /echo HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
			 "Transfer-Encoding: chunked\r\n\r\n");
	RIG_UNTIL(rig, (rig_take(rig, fd), rig->len > 0));
	ck_assert_str_eq(rig->text, "HTTP/1.1 100 Continue\r\n\r\n");
	rig_say(rig, fd, "0\r\n\r\n");
	rig_wait(rig, fd, 1);
	rig_close(rig);
	(void)close(fd);
}
END_TEST

START_TEST(errors_have_a_body_an_id_and_an_end)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig);

	/* The good request before it is answered; what follows it is not read. */
	rig_say(rig, fd, GET("/a") "GET / HTTP/1.1\r\nX-Request-Id: my-id\r\n\r\n" GET("/b"));
	rig_wait_closed(rig, fd);
	ck_assert(!rig->is_reset);
	ck_assert_int_eq(rig_answers(rig), 2);
	RIG_HAS(rig, "ok /a");
	RIG_HAS(rig, "HTTP/1.1 400 Bad Request\r\n");
	RIG_HAS(rig, "X-Request-Id: my-id\r\n");
	RIG_HAS(rig, "{\"status\":\"error\",\"message\":\"An HTTP/1.1 request needs a Host header.\","
		     "\"error\":{\"code\":\"missing_host\",\"message\":\"An HTTP/1.1 request needs "
		     "a Host header.\"},\"requestId\":\"my-id\"}");
	RIG_HAS(rig, "Connection: close\r\n");
	RIG_LACKS(rig, "/b");
	ck_assert_uint_eq(rig_counters(rig)->parse_errors, 1);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(request_ids_are_the_clients_or_ours_and_differ)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig), i;
	char last[80] = "";

	rig_say(rig, fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: a.b-C_1\r\n\r\n");
	rig_wait(rig, fd, 1);
	ck_assert_str_eq(rig->request_id, "a.b-C_1");
	RIG_HAS(rig, "X-Request-Id: a.b-C_1\r\n");
	for (i = 2; i < 40; i++) {
		rig_say(rig, fd, "GET / HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\"b\r\n\r\n");
		rig_wait(rig, fd, i);
		ck_assert_str_ne(rig->request_id, last);
		ck_assert_uint_eq(strlen(rig->request_id), HTTP_CONN_ID_LEN);
		(void)snprintf(last, sizeof last, "%s", rig->request_id);
		RIG_HAS(rig, last);
	}
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(answers_without_content_have_none)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig);

	rig_say(rig, fd, "HEAD /big HTTP/1.1\r\nHost: x\r\n\r\n");
	RIG_UNTIL(rig, (rig_take(rig, fd), rig->len > 0));
	RIG_HAS(rig, "Content-Length:     100000\r\n");
	ck_assert_str_eq(rig->text + rig->len - 4, "\r\n\r\n");
	rig->len = 0;
	rig_say(rig, fd, "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n");
	RIG_UNTIL(rig, (rig_take(rig, fd), rig->len > 0));
	RIG_HAS(rig, "Content-Length: 5\r\n\r\n");
	RIG_LACKS(rig, "ok /a");
	rig->len = 0;
	rig_say(rig, fd, GET("/none"));
	rig_wait(rig, fd, 1);
	RIG_HAS(rig, "HTTP/1.1 204 No Content\r\n");
	RIG_LACKS(rig, "Content-Length");
	RIG_LACKS(rig, "Content-Type");
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(connection_closes_when_either_side_says_so)
{
	static const char *const requests[] = {
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET / HTTP/1.0\r\n\r\n",
		GET("/bye"),
		/* What comes after the last request is not answered. */
		"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" GET("/more") };
	struct rig *rig = rig_open(NULL);
	size_t i;
	int fd;

	for (i = 0; i < sizeof requests / sizeof requests[0]; i++) {
		fd = rig_connect(rig);
		rig_say(rig, fd, requests[i]);
		rig_wait_closed(rig, fd);
		ck_assert(!rig->is_reset);
		ck_assert_int_eq(rig_answers(rig), 1);
		RIG_HAS(rig, "Connection: close\r\n");
		(void)close(fd);
	}
	rig_close(rig);
}
END_TEST

START_TEST(half_closed_client_gets_its_answer)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig);

	rig_say(rig, fd, GET("/a") GET("/b") "GET /half");
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	rig_wait_closed(rig, fd);
	ck_assert(!rig->is_reset);
	ck_assert_int_eq(rig_answers(rig), 2);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 0);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(client_that_sends_on_after_an_error_still_reads_the_answer)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	static char junk[200000];
	struct rig *rig;
	int fd;

	limits.linger_bytes = 1 << 20;
	rig = rig_open(&limits);
	fd = rig_connect(rig);
	memset(junk, 'j', sizeof junk);
	rig_say(rig, fd, "BAD LINE\r\n\r\n");
	rig_send(rig, fd, junk, sizeof junk);
	rig_wait_closed(rig, fd);
	ck_assert(!rig->is_reset);
	RIG_HAS(rig, "bad_request_line");
	/* It lingers for a client that never ends, but not for ever. */
	rig_calm(rig);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 1);
	rig_pass(rig, limits.linger_timeout_ms);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 0);
	(void)close(fd);
	/* Nor for more bytes than the limit. */
	fd = rig_connect(rig);
	rig_say(rig, fd, "BAD LINE\r\n\r\n");
	while (rig_counters(rig)->connections_now > 0)
		rig_send(rig, fd, junk, sizeof junk);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(connections_above_the_cap_are_told)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct rig *rig;
	int a, b, c;

	limits.connections = 2;
	rig = rig_open(&limits);
	a = rig_connect(rig);
	b = rig_connect(rig);
	c = rig_connect(rig);
	rig_say(rig, c, GET("/"));
	rig_wait_closed(rig, c);
	ck_assert(!rig->is_reset);
	RIG_HAS(rig, "HTTP/1.1 503 Service Unavailable\r\n");
	RIG_HAS(rig, "Retry-After: 1\r\n");
	RIG_HAS(rig, "too_many_connections");
	ck_assert_uint_eq(rig_counters(rig)->refused, 1);
	(void)close(a);
	(void)close(c);
	RIG_UNTIL(rig, rig_counters(rig)->connections_now == 1);
	c = rig_connect(rig);
	rig_say(rig, c, GET("/"));
	rig_wait(rig, c, 1);
	RIG_HAS(rig, "200 OK");
	(void)close(b);
	(void)close(c);
	rig_close(rig);
}
END_TEST

START_TEST(memory_for_unfinished_requests_is_bounded)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	char *body = calloc(1, 1 << 20);
	int fds[20], i, n_refused = 0;
	struct rig *rig;

	limits.buffered_bytes = 4 << 20;
	rig = rig_open(&limits);
	for (i = 0; i < 20; i++) {
		fds[i] = rig_connect(rig);
		rig_say(rig, fds[i], "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
		rig_send(rig, fds[i], body, (1 << 20) - 1);
		rig_calm(rig);
		ck_assert_uint_le(rig_counters(rig)->buffered_bytes_now, limits.buffered_bytes);
		rig_take(rig, fds[i]);
		if (rig->len > 0) {
			RIG_HAS(rig, "503 ");
			RIG_HAS(rig, "memory_limit");
			n_refused++;
		}
	}
	ck_assert_int_ge(n_refused, 10);
	ck_assert_int_lt(n_refused, 20);
	for (i = 0; i < 20; i++)
		(void)close(fds[i]);
	RIG_UNTIL(rig, rig_counters(rig)->connections_now == 0);
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	rig_close(rig);
	free(body);
}
END_TEST

START_TEST(without_descriptors_accepting_pauses_and_resumes)
{
	struct rig *rig = rig_open(NULL);
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(rig->port) };
	struct rlimit old, low;
	int fd = socket(AF_INET, SOCK_STREAM, 0), top = open("/dev/null", O_RDONLY);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	low = old;
	low.rlim_cur = (rlim_t)top;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &low), 0);
	(void)close(top);
	/* The lowest free number is now out of bounds. */
	RIG_UNTIL(rig, rig_counters(rig)->accept_paused == 1);
	rig_turn(rig);
	ck_assert_uint_eq(rig_counters(rig)->accept_paused, 1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	rig_pass(rig, 200);
	RIG_UNTIL(rig, rig_counters(rig)->accepted == 1);
	rig_say(rig, fd, GET("/"));
	rig_wait(rig, fd, 1);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(unix_sockets_are_served)
{
	struct rig *rig = rig_open(NULL);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), client;

	/* An abstract name needs no file. */
	(void)snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "http-test-%d",
	    (int)getpid());
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 16), 0);
	ck_assert_int_eq(http_server_listen(rig->server, fd, 8), 0);
	client = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0);
	rig_say(rig, client, GET("/"));
	rig_wait(rig, client, 1);
	ck_assert_str_eq(rig->peer, "unix");
	(void)close(client);
	rig_close(rig);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, connection_at_rest_is_small);
	tcase_add_test(tc, keep_alive_serves_many_and_holds_no_buffer);
	tcase_add_test(tc, hundred_pipelined_requests_are_answered_in_order_in_one_write);
	tcase_add_test(tc, a_stream_cut_anywhere_gives_the_same_answers);
	tcase_add_test(tc, body_is_limited_at_its_limit);
	tcase_add_test(tc, expectation_is_answered_only_if_the_body_is_wanted);
	tcase_add_test(tc, errors_have_a_body_an_id_and_an_end);
	tcase_add_test(tc, request_ids_are_the_clients_or_ours_and_differ);
	tcase_add_test(tc, answers_without_content_have_none);
	tcase_add_test(tc, connection_closes_when_either_side_says_so);
	tcase_add_test(tc, half_closed_client_gets_its_answer);
	tcase_add_test(tc, client_that_sends_on_after_an_error_still_reads_the_answer);
	tcase_add_test(tc, connections_above_the_cap_are_told);
	tcase_add_test(tc, memory_for_unfinished_requests_is_bounded);
	tcase_add_test(tc, without_descriptors_accepting_pauses_and_resumes);
	tcase_add_test(tc, unix_sockets_are_served);
}

int
main(void)
{
	return rig_run("http_server", add);
}
