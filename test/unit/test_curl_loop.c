/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_curl_loop - requests against a small server on the same event loop
 *
 * PROCESS
 *	One process; the server says what each test tells it to.
 *
 * SHARED STATE
 *	None.
 */
#include "common/panic.h"
#include "workers/curl_loop.h"

#include <arpa/inet.h>
#include <check.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BIG (2 << 20)

static struct event_base *base;
static struct curl_loop *loop;
static char url[64];
static unsigned woken;
static const struct bytes x = {(const uint8_t *)"x", 1};
static const struct bytes abc = {(const uint8_t *)"abc", 3};

/*---- The server: answers every request with `answer`, then does `after` */

enum after { AFTER_KEEP = 0, AFTER_CLOSE, AFTER_CLOSE_AT_ONCE, AFTER_HANG };

static struct {
	int fd;
	struct event *accepting;
	const char *answer;
	size_t answer_len;
	enum after after;
	unsigned accepted, requests, answered, closed;
	char *head;
	size_t body_len;
	uint64_t body_sum;
	struct bufferevent *last;
} server;

static void
on_sent(struct bufferevent *bev, void *arg)
{
	(void)arg;
	/* It is called for a new connection too, when nothing was sent. */
	if (server.after == AFTER_CLOSE && server.answered < server.requests) {
		server.answered = server.requests;
		server.closed++;
		server.last = NULL;
		bufferevent_free(bev);
	}
}

static void
on_request(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
	size_t want = 0;
	const char *p;
	char *head;

	(void)arg;
	if (end.pos == -1)
		return;
	head = xcalloc(1, (size_t)end.pos + 5);
	evbuffer_copyout(in, head, (size_t)end.pos + 4);
	if ((p = strstr(head, "Content-Length: ")) != NULL)
		want = strtoul(p + 16, NULL, 10);
	if (evbuffer_get_length(in) < (size_t)end.pos + 4 + want) {
		free(head);
		return;
	}
	evbuffer_drain(in, (size_t)end.pos + 4);
	free(server.head);
	server.head = head;
	server.body_len = want;
	server.body_sum = 0;
	p = (const char *)evbuffer_pullup(in, (ssize_t)want);
	for (size_t i = 0; i < want; i++)
		server.body_sum = server.body_sum * 31 + (uint8_t)p[i];
	evbuffer_drain(in, want);
	server.requests++;
	if (server.after == AFTER_CLOSE_AT_ONCE) {
		server.last = NULL;
		bufferevent_free(bev);
	} else if (server.after != AFTER_HANG) {
		bufferevent_write(bev, server.answer, server.answer_len);
	}
}

static void
on_gone(struct bufferevent *bev, short what, void *arg)
{
	(void)what;
	(void)arg;
	server.closed++;
	if (server.last == bev)
		server.last = NULL;
	bufferevent_free(bev);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	int s = accept(fd, NULL, NULL);

	(void)what;
	(void)arg;
	if (s == -1)
		return;
	evutil_make_socket_nonblocking(s);
	server.accepted++;
	server.last = bufferevent_socket_new(base, s, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(server.last, on_request, on_sent, on_gone, NULL);
	bufferevent_enable(server.last, EV_READ | EV_WRITE);
}

static void
answers(const char *text, enum after after)
{
	server.answer = text;
	server.answer_len = strlen(text);
	server.after = after;
}

static void
on_woke(void *arg)
{
	++*(unsigned *)arg;
}

static void
set_up(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t len = sizeof a;

	base = event_base_new();
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (bind(server.fd, (struct sockaddr *)&a, len) == -1 || listen(server.fd, 16) == -1 ||
	    getsockname(server.fd, (struct sockaddr *)&a, &len) == -1)
		ck_abort_msg("no socket");
	server.accepting = event_new(base, server.fd, EV_READ | EV_PERSIST, on_accept, NULL);
	event_add(server.accepting, NULL);
	snprintf(url, sizeof url, "http://127.0.0.1:%d/in", ntohs(a.sin_port));
	loop = curl_loop_new(base, 8, 8, on_woke, &woken);
}

static void
tear_down(void)
{
	curl_loop_free(loop);
	if (server.last != NULL)
		bufferevent_free(server.last);
	event_free(server.accepting);
	if (server.fd != -1)
		close(server.fd);
	event_base_free(base);
	free(server.head);
}

/*---- What came of a request */

static struct {
	unsigned n;
	long status;
	bool may_have_arrived, is_timeout, is_cut;
	uint64_t retry_after_ms;
	size_t body_len;
	char body[256], error[256], code[64];
} got;

static void
on_done(void *ctx, const struct curl_reply *r)
{
	const char *code = curl_loop_header(r, "x-code");

	(void)ctx;
	got.n++;
	got.status = r->status;
	got.may_have_arrived = r->may_have_arrived;
	got.is_timeout = r->is_timeout;
	got.is_cut = r->body_is_cut;
	got.retry_after_ms = r->retry_after_ms;
	got.body_len = r->body.len;
	snprintf(got.body, sizeof got.body, "%.*s", (int)(r->body.len < 255 ? r->body.len : 255),
	    (const char *)r->body.ptr);
	snprintf(got.error, sizeof got.error, "%s", r->error == NULL ? "" : r->error);
	snprintf(got.code, sizeof got.code, "%s", code == NULL ? "" : code);
}

static struct curl_call *
send_request(struct curl_request r)
{
	if (r.url == NULL)
		r.url = url;
	r.done = r.done == NULL ? on_done : r.done;
	if (r.timeout_ms == 0)
		r.timeout_ms = 20000;
	return curl_loop_send(loop, &r);
}

static void
turn_until(const unsigned *n, unsigned want)
{
	while (*n < want)
		event_base_loop(base, EVLOOP_ONCE);
}

static void
ask(struct curl_request r)
{
	unsigned n = got.n;

	ck_assert_ptr_nonnull(send_request(r));
	turn_until(&got.n, n + 1);
}

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Code: 60\r\n\r\nok"

START_TEST(pieces_arrive_in_order_and_the_connection_is_kept)
{
	struct bytes body[] = {BYTES_LIT("[1"), BYTES_LIT(""), BYTES_LIT(",2"), BYTES_LIT("]")};
	uint64_t sum = 0;

	for (const char *p = "[1,2]"; *p != '\0'; p++)
		sum = sum * 31 + (uint8_t)*p;
	answers(OK_ANSWER, AFTER_KEEP);
	for (int i = 0; i < 20; i++)
		ask((struct curl_request){.body = body, .pieces = 4});
	ck_assert_uint_eq(server.requests, 20);
	ck_assert_uint_eq(server.accepted, 1);
	ck_assert_uint_eq(server.body_len, 5);
	ck_assert_uint_eq(server.body_sum, sum);
	ck_assert_int_eq(got.status, 200);
	ck_assert_str_eq(got.body, "ok");
	ck_assert_str_eq(got.code, "60");
	ck_assert(got.may_have_arrived);
	ck_assert_uint_gt(woken, 0);
	ck_assert_uint_eq(curl_loop_running(loop), 0);
}
END_TEST

START_TEST(a_great_body_goes_without_expect_and_with_our_headers)
{
	char *big = xcalloc(1, BIG);
	struct bytes body[2] = {bytes_of(big, BIG / 2), bytes_of(big + BIG / 2, BIG / 2)};
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	uint64_t sum = 0;

	for (size_t i = 0; i < BIG; i++) {
		big[i] = (char)(i * 7);
		sum = sum * 31 + (uint8_t)big[i];
	}
	headers = curl_slist_append(headers, "X-Own: 1");
	answers(OK_ANSWER, AFTER_KEEP);
	ask((struct curl_request){
	    .body = body, .pieces = 2, .headers = headers, .user = "a", .password = "b:c"});
	ck_assert_uint_eq(server.body_len, BIG);
	ck_assert_uint_eq(server.body_sum, sum);
	ck_assert_ptr_null(strstr(server.head, "Expect"));
	ck_assert_ptr_nonnull(strstr(server.head, "POST /in HTTP/1.1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.head, "Content-Type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(server.head, "X-Own: 1\r\n"));
	ck_assert_ptr_nonnull(strstr(server.head, "Authorization: Basic YTpiOmM=\r\n"));
	/* The next request of the same handle has none of it. */
	ask((struct curl_request){.method = "GET"});
	ck_assert_ptr_nonnull(strstr(server.head, "GET /in HTTP/1.1\r\n"));
	ck_assert_ptr_null(strstr(server.head, "X-Own"));
	ck_assert_ptr_null(strstr(server.head, "Authorization"));
	ck_assert_ptr_null(strstr(server.head, "Content-Length"));
	ask((struct curl_request){.method = "PUT", .body = body, .pieces = 1});
	ck_assert_ptr_nonnull(strstr(server.head, "PUT /in HTTP/1.1\r\n"));
	ck_assert_uint_eq(server.body_len, BIG / 2);
	curl_slist_free_all(headers);
	free(big);
}
END_TEST

START_TEST(any_status_is_an_answer_and_nothing_is_followed)
{
	static const int status[] = {200, 204, 302, 307, 400, 410, 429, 500, 503};
	char text[128];

	for (size_t i = 0; i < sizeof status / sizeof status[0]; i++) {
		snprintf(text, sizeof text, "HTTP/1.1 %d X\r\nLocation: /elsewhere\r\n%s\r\n",
		    status[i], status[i] == 204 ? "" : "Content-Length: 0\r\n");
		answers(text, AFTER_KEEP);
		ask((struct curl_request){0});
		ck_assert_int_eq(got.status, status[i]);
		ck_assert_str_eq(got.error, "");
		ck_assert_uint_eq(server.requests, i + 1);
	}
}
END_TEST

START_TEST(retry_after_is_seconds_or_a_date)
{
	char text[160], date[64];
	time_t t = time(NULL) + 100;

	answers("HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: 7\r\n\r\n", AFTER_KEEP);
	ask((struct curl_request){0});
	ck_assert_uint_eq(got.retry_after_ms, 7000);
	strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime(&t));
	snprintf(text, sizeof text,
	    "HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: %s\r\n\r\n", date);
	answers(text, AFTER_KEEP);
	ask((struct curl_request){0});
	ck_assert_uint_gt(got.retry_after_ms, 50000);
	ck_assert_uint_le(got.retry_after_ms, 100000);
	answers("HTTP/1.1 503 X\r\nContent-Length: 0\r\n"
		"Retry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\n\r\n",
	    AFTER_KEEP);
	ask((struct curl_request){0});
	ck_assert_uint_eq(got.retry_after_ms, 0);
	answers(
	    "HTTP/1.1 503 X\r\nContent-Length: 0\r\nRetry-After: 99999999999\r\n\r\n", AFTER_KEEP);
	ask((struct curl_request){0});
	ck_assert_uint_eq(got.retry_after_ms, CURL_LOOP_RETRY_AFTER_MS);
	answers(OK_ANSWER, AFTER_KEEP);
	ask((struct curl_request){0});
	ck_assert_uint_eq(got.retry_after_ms, 0);
}
END_TEST

START_TEST(a_refused_connection_did_not_arrive)
{
	event_del(server.accepting);
	close(server.fd);
	server.fd = -1;
	ask((struct curl_request){.body = &x, .pieces = 1});
	ck_assert_int_eq(got.status, 0);
	ck_assert(!got.may_have_arrived);
	ck_assert_str_ne(got.error, "");
}
END_TEST

START_TEST(a_server_that_dies_with_a_request_may_have_it)
{
	answers("", AFTER_CLOSE_AT_ONCE);
	ask((struct curl_request){.body = &x, .pieces = 1});
	ck_assert_int_eq(got.status, 0);
	ck_assert(got.may_have_arrived);
	ck_assert_uint_eq(server.requests, 1);
}
END_TEST

START_TEST(a_server_that_hangs_is_a_time_out)
{
	answers("", AFTER_HANG);
	ask((struct curl_request){.body = &x, .pieces = 1, .timeout_ms = 50});
	ck_assert_int_eq(got.status, 0);
	ck_assert(got.is_timeout);
	ck_assert(got.may_have_arrived);
}
END_TEST

START_TEST(half_an_answer_is_none)
{
	answers("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", AFTER_CLOSE);
	ask((struct curl_request){.body = &x, .pieces = 1});
	ck_assert_int_eq(got.status, 0);
	ck_assert(got.may_have_arrived);
	ck_assert_str_eq(got.body, "half");
}
END_TEST

START_TEST(a_kept_connection_that_was_closed_is_replaced)
{
	answers(OK_ANSWER, AFTER_CLOSE);
	for (int i = 0; i < 5; i++) {
		unsigned closed = server.closed;

		ask((struct curl_request){.body = &abc, .pieces = 1});
		turn_until(&server.closed, closed + 1);
		ck_assert_msg(got.status == 200, "%d: %s", i, got.error);
		ck_assert_int_eq(got.status, 200);
		ck_assert_uint_eq(server.body_len, 3);
	}
	ck_assert_uint_eq(server.requests, 5);
	ck_assert_uint_eq(server.accepted, 5);
}
END_TEST

START_TEST(an_answer_is_kept_up_to_its_limit)
{
	char text[2048];

	for (size_t len = 999; len <= 1001; len++) {
		int n = snprintf(
		    text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);

		memset(text + n, 'x', len);
		text[n + (int)len] = '\0';
		answers(text, AFTER_KEEP);
		ask((struct curl_request){.body_max = 1000});
		ck_assert_int_eq(got.status, 200);
		ck_assert_uint_eq(got.body_len, len < 1000 ? len : 1000);
		ck_assert_int_eq(got.is_cut, len > 1000);
	}
}
END_TEST

START_TEST(a_cancelled_request_is_not_heard_of_again)
{
	struct curl_call *c;

	answers("", AFTER_HANG);
	c = send_request((struct curl_request){.body = &x, .pieces = 1});
	turn_until(&server.requests, 1);
	ck_assert_uint_eq(curl_loop_running(loop), 1);
	curl_loop_cancel(loop, c);
	ck_assert_uint_eq(curl_loop_running(loop), 0);
	turn_until(&server.closed, 1);
	ck_assert_uint_eq(got.n, 0);
}
END_TEST

static void
send_again(void *ctx, const struct curl_reply *r)
{
	on_done(ctx, r);
	if (got.n < 100)
		send_request((struct curl_request){.done = send_again});
}

START_TEST(done_may_send_the_next)
{
	answers(OK_ANSWER, AFTER_KEEP);
	for (int i = 0; i < 4; i++)
		send_request((struct curl_request){.done = send_again});
	while (curl_loop_running(loop) > 0)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(got.n, 103);
	ck_assert_uint_eq(server.requests, 103);
	ck_assert_uint_le(server.accepted, 8);
}
END_TEST

START_TEST(environment_and_other_protocols_are_not_for_us)
{
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	answers(OK_ANSWER, AFTER_KEEP);
	ask((struct curl_request){0});
	ck_assert_int_eq(got.status, 200);
	ask((struct curl_request){.url = "file:///etc/hostname", .method = "GET"});
	ck_assert_int_eq(got.status, 0);
	ck_assert_uint_eq(got.body_len, 0);
	ask((struct curl_request){.url = "not a url"});
	ck_assert_int_eq(got.status, 0);
}
END_TEST

START_TEST(a_name_that_does_not_resolve_is_no_answer)
{
	/* RFC 6761: never resolves. */
	ask((struct curl_request){.url = "http://sluice.invalid/", .body = &x, .pieces = 1});
	ck_assert_int_eq(got.status, 0);
	ck_assert(!got.may_have_arrived);
}
END_TEST

START_TEST(freeing_ends_what_runs)
{
	answers("", AFTER_HANG);
	for (int i = 0; i < 12; i++)
		send_request((struct curl_request){.body = &x, .pieces = 1});
	turn_until(&server.requests, 8);
	/* No more connections than were allowed; the others wait. */
	ck_assert_uint_eq(server.accepted, 8);
	curl_loop_free(loop);
	loop = NULL;
	ck_assert_uint_eq(got.n, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("curl_loop");
	TCase *tc = tcase_create("curl_loop");
	SRunner *sr = srunner_create(s);
	int failed;

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, pieces_arrive_in_order_and_the_connection_is_kept);
	tcase_add_test(tc, a_great_body_goes_without_expect_and_with_our_headers);
	tcase_add_test(tc, any_status_is_an_answer_and_nothing_is_followed);
	tcase_add_test(tc, retry_after_is_seconds_or_a_date);
	tcase_add_test(tc, a_refused_connection_did_not_arrive);
	tcase_add_test(tc, a_server_that_dies_with_a_request_may_have_it);
	tcase_add_test(tc, a_server_that_hangs_is_a_time_out);
	tcase_add_test(tc, half_an_answer_is_none);
	tcase_add_test(tc, a_kept_connection_that_was_closed_is_replaced);
	tcase_add_test(tc, an_answer_is_kept_up_to_its_limit);
	tcase_add_test(tc, a_cancelled_request_is_not_heard_of_again);
	tcase_add_test(tc, done_may_send_the_next);
	tcase_add_test(tc, environment_and_other_protocols_are_not_for_us);
	tcase_add_test(tc, a_name_that_does_not_resolve_is_no_answer);
	tcase_add_test(tc, freeing_ends_what_runs);
	suite_add_tcase(s, tc);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
