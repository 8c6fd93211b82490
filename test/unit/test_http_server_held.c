/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_http_server_held - tickets, back-pressure, timeouts, draining
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "test/lib/http_rig.h"

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"
#define POST(path, len, body)                                                                      \
	"POST " path " HTTP/1.1\r\nHost: x\r\nContent-Length: " len "\r\n\r\n" body

/* ---- Tickets ----------------------------------------------------------------- */

START_TEST(held_answers_leave_in_order_and_those_behind_them_wait)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig);

	rig_say(rig, fd, GET("/a") POST("/held", "3", "one") GET("/b") POST("/held", "3", "two")
	    GET("/c"));
	/* What comes before the first held answer leaves. */
	rig_wait(rig, fd, 1);
	rig_calm(rig);
	rig_take(rig, fd);
	ck_assert_int_eq(rig_answers(rig), 1);
	ck_assert_uint_eq(rig_counters(rig)->held_now, 2);
	ck_assert_uint_eq(http_server_waiting(rig->server), 1);
	http_server_settle(rig->server, 1, true);
	rig_wait(rig, fd, 3);
	RIG_HAS(rig, "\r\n\r\noneHTTP/1.1 200");
	ck_assert_uint_eq(http_server_waiting(rig->server), 2);
	http_server_settle(rig->server, 1, true);
	rig_calm(rig);
	rig_take(rig, fd);
	ck_assert_int_eq(rig_answers(rig), 3);
	http_server_settle(rig->server, 2, true);
	rig_wait(rig, fd, 5);
	RIG_HAS(rig, "\r\n\r\ntwoHTTP/1.1 200");
	RIG_HAS(rig, "ok /c");
	ck_assert_uint_eq(rig_counters(rig)->held_now, 0);
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	/* A ticket that is settled already does not wait. */
	rig->ticket = 1;
	rig_say(rig, fd, POST("/held", "3", "tri"));
	rig_wait(rig, fd, 6);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(one_settle_is_one_write_per_connection)
{
	struct rig *rig = rig_open(NULL);
	int a = rig_connect(rig), b = rig_connect(rig), i;
	uint64_t writes;

	for (i = 0; i < 10; i++) {
		rig_say(rig, a, POST("/held", "1", "a"));
		rig_calm(rig);
		rig_say(rig, b, POST("/held", "1", "b"));
		rig_calm(rig);
	}
	ck_assert_uint_eq(rig_counters(rig)->writes, 0);
	http_server_settle(rig->server, rig->ticket, true);
	writes = rig_counters(rig)->writes;
	ck_assert_uint_eq(writes, 2);
	rig_wait(rig, a, 10);
	rig->len = 0;
	rig_wait(rig, b, 10);
	(void)close(a);
	(void)close(b);
	rig_close(rig);
}
END_TEST

START_TEST(failed_tickets_are_answered_anew_in_their_place)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig);

	rig_say(rig, fd, GET("/a"));
	rig_wait(rig, fd, 1);
	rig_say(rig, fd, POST("/held", "3", "one")
	    "POST /held HTTP/1.1\r\nHost: x\r\nX-Request-Id: mine\r\nContent-Length: 3\r\n\r\ntwo"
	    GET("/b") POST("/held", "5", "three") GET("/c"));
	rig_calm(rig);
	rig->len = 0;
	http_server_settle(rig->server, 1, true);
	http_server_settle(rig->server, 2, false);
	rig_wait(rig, fd, 3);
	RIG_HAS(rig, "\r\n\r\noneHTTP/1.1 503 Service Unavailable\r\n");
	RIG_HAS(rig, "X-Request-Id: mine\r\n");
	RIG_HAS(rig, "Retry-After: 2\r\n");
	RIG_HAS(rig, "\r\n\r\nunknown:twoHTTP/1.1 200 OK\r\n");
	RIG_HAS(rig, "ok /b");
	rig->len = 0;
	http_server_settle(rig->server, 3, true);
	rig_wait(rig, fd, 2);
	RIG_HAS(rig, "\r\n\r\nthreeHTTP/1.1 200 OK\r\n");
	/* A batch fails at once: a replacement each, in order. */
	rig->len = 0;
	rig_say(rig, fd, POST("/held", "1", "x") GET("/d") POST("/held", "1", "y") GET("/e")
	    POST("/held", "1", "z"));
	rig_calm(rig);
	http_server_settle(rig->server, rig->ticket, false);
	rig_wait(rig, fd, 5);
	RIG_HAS(rig, "unknown:x");
	ck_assert(strstr(rig->text, "unknown:x") < strstr(rig->text, "ok /d"));
	ck_assert(strstr(rig->text, "ok /d") < strstr(rig->text, "unknown:y"));
	ck_assert(strstr(rig->text, "unknown:y") < strstr(rig->text, "ok /e"));
	ck_assert(strstr(rig->text, "ok /e") < strstr(rig->text, "unknown:z"));
	ck_assert_uint_eq(rig_counters(rig)->rewritten, 4);
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(client_gone_while_held_is_dropped)
{
	struct rig *rig = rig_open(NULL);
	struct linger hard = { 1, 0 };
	int a = rig_connect(rig), b = rig_connect(rig), i;

	for (i = 0; i < 5; i++) {
		rig_say(rig, a, POST("/held", "1", "a"));
		rig_say(rig, b, POST("/held", "1", "b"));
	}
	rig_calm(rig);
	/* A reset, not a FIN: nobody is left to read. */
	ck_assert_int_eq(setsockopt(a, SOL_SOCKET, SO_LINGER, &hard, sizeof hard), 0);
	(void)close(a);
	RIG_UNTIL(rig, rig_counters(rig)->connections_now == 1);
	http_server_settle(rig->server, 4, true);
	rig_pass(rig, 100);
	http_server_settle(rig->server, 6, false);
	http_server_settle(rig->server, rig->ticket, true);
	ck_assert_uint_eq(rig_counters(rig)->dropped, 5);
	ck_assert_uint_eq(rig_counters(rig)->held_now, 0);
	rig_wait(rig, b, 5);
	rig_pass(rig, 100);
	/* Freeing a server with held answers of the dead and the living. */
	rig_say(rig, b, POST("/held", "1", "b"));
	rig_calm(rig);
	rig_close(rig);
	(void)close(b);
}
END_TEST

START_TEST(half_closed_client_gets_its_held_answers)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig);

	rig_say(rig, fd, POST("/held", "3", "one") POST("/held", "3", "two"));
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	rig_calm(rig);
	rig_pass(rig, 1000000);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 1);
	http_server_settle(rig->server, 1, true);
	rig_wait(rig, fd, 1);
	ck_assert(!rig->is_closed);
	http_server_settle(rig->server, 2, true);
	rig_wait_closed(rig, fd);
	ck_assert_int_eq(rig_answers(rig), 2);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 0);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(error_behind_a_held_answer_waits_for_it)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig);

	rig_say(rig, fd, POST("/held", "3", "one") "BAD\r\n\r\n");
	rig_calm(rig);
	rig_take(rig, fd);
	ck_assert_uint_eq(rig->len, 0);
	http_server_settle(rig->server, 1, true);
	rig_wait_closed(rig, fd);
	ck_assert(!rig->is_reset);
	RIG_HAS(rig, "\r\n\r\noneHTTP/1.1 400 ");
	(void)close(fd);
	rig_close(rig);
}
END_TEST

/* ---- Back-pressure ------------------------------------------------------------- */

START_TEST(pipeline_limit_stops_reading_and_settling_resumes_it)
{
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct rig *rig;
	int fd, i;

	limits.pipeline = 4;
	rig = rig_open(&limits);
	fd = rig_connect(rig);
	for (i = 0; i < 11; i++)
		rig_say(rig, fd, POST("/held", "1", "a"));
	rig_calm(rig);
	ck_assert_int_eq(rig->n_requests, 4);
	ck_assert_uint_eq(rig_counters(rig)->held_now, 4);
	http_server_settle(rig->server, 1, true);
	/* No handler runs inside of the settle. */
	ck_assert_int_eq(rig->n_requests, 4);
	rig_calm(rig);
	ck_assert_int_eq(rig->n_requests, 5);
	while (rig_counters(rig)->held_now > 0) {
		http_server_settle(rig->server, rig->ticket, true);
		rig_calm(rig);
		ck_assert_uint_le(rig_counters(rig)->held_now, 4);
	}
	ck_assert_int_eq(rig->n_requests, 11);
	rig_wait(rig, fd, 11);
	/* It also pauses with half a request in hand. */
	rig_say(rig, fd, POST("/held", "1", "a") POST("/held", "1", "a") POST("/held", "1", "a")
	    POST("/held", "1", "a") "POST /held HTTP/1.1\r\nHo");
	rig_calm(rig);
	rig_pass(rig, 1000000);
	http_server_settle(rig->server, rig->ticket, true);
	rig_calm(rig);
	rig_say(rig, fd, "st: x\r\n\r\n");
	rig_calm(rig);
	http_server_settle(rig->server, rig->ticket, true);
	rig_wait(rig, fd, 16);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(client_that_does_not_read_is_not_read_and_holds_little)
{
	struct rig *rig = rig_open(NULL);
	int fd = rig_connect(rig), i, n = 200;
	uint64_t most;

	/* 20 MB of answers to a client that sleeps. */
	for (i = 0; i < n; i++)
		rig_say(rig, fd, GET("/big"));
	rig_calm(rig);
	most = rig_counters(rig)->buffered_bytes_now;
	ck_assert_int_lt(rig->n_requests, n);
	ck_assert_uint_gt(most, 0);
	/* Twice, for the buffer grows by doubling. */
	ck_assert_uint_le(most, 2 * (rig->limits.pending_bytes + RIG_BIG + 1000));
	/* Now it reads, and gets everything. */
	for (i = 0; i < n; i++) {
		size_t want = RIG_BIG;

		rig->len = 0;
		RIG_UNTIL(rig, (rig_take(rig, fd), rig->len >= want || rig->n_requests == n));
		if (rig->n_requests == n)
			break;
	}
	rig_calm(rig);
	ck_assert_uint_eq(rig_counters(rig)->timeouts_write, 0);
	RIG_UNTIL(rig, (rig->len = 0, rig_take(rig, fd),
	    rig_counters(rig)->bytes_out > (uint64_t)n * RIG_BIG &&
	    rig_counters(rig)->buffered_bytes_now == 0));
	ck_assert_int_eq(rig->n_requests, n);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

/* ---- Timeouts -------------------------------------------------------------------- */

START_TEST(heads_must_come_in_time)
{
	struct rig *rig = rig_open(NULL);
	uint64_t timeout_ms = rig->limits.header_timeout_ms;
	int silent = rig_connect(rig), slow = rig_connect(rig);

	rig_say(rig, slow, "GET / HT");
	rig_calm(rig);
	rig_pass(rig, timeout_ms / 2);
	/* A byte now and then does not help. */
	rig_say(rig, slow, "TP");
	rig_calm(rig);
	rig_pass(rig, timeout_ms / 2 - 1);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 2);
	rig_pass(rig, 1);
	rig_wait_closed(rig, silent);
	ck_assert_uint_eq(rig->len, 0);
	rig->is_closed = false;
	rig_wait_closed(rig, slow);
	ck_assert(!rig->is_reset);
	RIG_HAS(rig, "HTTP/1.1 408 Request Timeout\r\n");
	RIG_HAS(rig, "header_timeout");
	RIG_HAS(rig, "Connection: close\r\n");
	ck_assert_uint_eq(rig_counters(rig)->timeouts_header, 2);
	(void)close(silent);
	(void)close(slow);
	rig_close(rig);
}
END_TEST

START_TEST(second_request_has_its_own_time)
{
	struct rig *rig = rig_open(NULL);
	uint64_t timeout_ms = rig->limits.header_timeout_ms;
	int fd = rig_connect(rig);

	rig_say(rig, fd, "GET / HT");
	rig_calm(rig);
	rig_pass(rig, timeout_ms - 1);
	rig_say(rig, fd, "TP/1.1\r\nHost: x\r\n\r\nGET / HT");
	rig_wait(rig, fd, 1);
	rig_pass(rig, timeout_ms - 1);
	ck_assert_uint_eq(rig_counters(rig)->timeouts_header, 0);
	rig_say(rig, fd, "TP/1.1\r\nHost: x\r\n\r\n");
	rig_wait(rig, fd, 2);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(bodies_must_come_in_time_and_without_stalling)
{
	static const char *const heads[] = {
		"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx",
		"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nx",
	};
	struct rig *rig = rig_open(NULL);
	uint64_t spent_ms;
	int fd;
	size_t i;

	for (i = 0; i < 2; i++) {
		fd = rig_connect(rig);
		rig_say(rig, fd, heads[i]);
		rig_calm(rig);
		rig_pass(rig, rig->limits.body_stall_ms - 1);
		rig_say(rig, fd, "x");
		rig_calm(rig);
		rig_pass(rig, rig->limits.body_stall_ms - 1);
		ck_assert_uint_eq(rig_counters(rig)->timeouts_body, 2 * i);
		rig_pass(rig, 1);
		rig_wait_closed(rig, fd);
		RIG_HAS(rig, "HTTP/1.1 408 ");
		RIG_HAS(rig, "body_timeout");
		(void)close(fd);
		/* A trickle is progress, but not for ever. */
		fd = rig_connect(rig);
		rig_say(rig, fd, heads[i]);
		rig_calm(rig);
		for (spent_ms = 0; spent_ms < rig->limits.body_timeout_ms; spent_ms += 5000) {
			ck_assert_uint_eq(rig_counters(rig)->timeouts_body, 2 * i + 1);
			rig_pass(rig, 5000);
			rig_say(rig, fd, "x");
			rig_calm(rig);
		}
		rig_wait_closed(rig, fd);
		RIG_HAS(rig, "body_timeout");
		ck_assert_uint_eq(rig_counters(rig)->timeouts_body, 2 * i + 2);
		(void)close(fd);
	}
	rig_close(rig);
}
END_TEST

START_TEST(idle_connections_are_closed_silently)
{
	struct rig *rig = rig_open(NULL);
	uint64_t timeout_ms = rig->limits.idle_timeout_ms;
	int fd = rig_connect(rig);

	rig_say(rig, fd, GET("/"));
	rig_wait(rig, fd, 1);
	rig_pass(rig, timeout_ms - 1);
	rig_say(rig, fd, GET("/"));
	rig_wait(rig, fd, 2);
	rig_pass(rig, timeout_ms - 1);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 1);
	rig_pass(rig, 1);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 0);
	ck_assert_uint_eq(rig_counters(rig)->timeouts_idle, 1);
	rig_wait_closed(rig, fd);
	ck_assert_int_eq(rig_answers(rig), 2);
	/* Who waits for us is not idle. */
	(void)close(fd);
	fd = rig_connect(rig);
	rig_say(rig, fd, POST("/held", "1", "a"));
	rig_calm(rig);
	rig_pass(rig, timeout_ms * 2);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 1);
	http_server_settle(rig->server, 1, true);
	rig_wait(rig, fd, 1);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

START_TEST(client_that_takes_nothing_is_closed)
{
	struct rig *rig = rig_open(NULL);
	uint64_t timeout_ms = rig->limits.write_timeout_ms;
	int fd = rig_connect(rig), i;

	for (i = 0; i < 200; i++)
		rig_say(rig, fd, GET("/big"));
	rig_calm(rig);
	rig_pass(rig, timeout_ms - 1);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 1);
	/* Some progress, some more time. */
	RIG_UNTIL(rig, (rig->len = 0, rig_take(rig, fd), rig_counters(rig)->bytes_out > 8u << 20));
	rig_calm(rig);
	rig_pass(rig, timeout_ms - 1);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 1);
	rig_pass(rig, 1);
	ck_assert_uint_eq(rig_counters(rig)->connections_now, 0);
	ck_assert_uint_eq(rig_counters(rig)->timeouts_write, 1);
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

/* ---- Draining --------------------------------------------------------------------- */

START_TEST(drain_closes_the_idle_and_lets_the_busy_finish)
{
	struct rig *rig = rig_open(NULL);
	int idle = rig_connect(rig), held, body, unseen, fresh;

	rig_say(rig, idle, GET("/"));
	rig_wait(rig, idle, 1);
	unseen = rig_connect(rig);
	rig_say(rig, unseen, GET("/"));
	rig_wait(rig, unseen, 1);
	held = rig_connect(rig);
	rig_say(rig, held, POST("/held", "1", "h"));
	rig_calm(rig);
	body = rig_connect(rig);
	rig_say(rig, body, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na");
	rig_calm(rig);
	fresh = rig_connect(rig);
	/* On its way when the drain begins: still served. */
	ck_assert_int_eq(send(unseen, GET("/late"), sizeof GET("/late") - 1, 0),
	    (int)sizeof GET("/late") - 1);
	http_server_drain(rig->server);
	rig_wait_closed(rig, idle);
	rig->len = 0;
	rig->is_closed = false;
	rig_wait_closed(rig, unseen);
	RIG_HAS(rig, "ok /late");
	RIG_HAS(rig, "Connection: close\r\n");
	(void)close(unseen);
	RIG_UNTIL(rig, rig_counters(rig)->connections_now == 3);
	rig->len = 0;
	rig->is_closed = false;
	rig_say(rig, body, "b");
	rig_wait_closed(rig, body);
	RIG_HAS(rig, "Connection: close\r\n");
	RIG_HAS(rig, "\r\n\r\nab");
	rig_say(rig, fresh, GET("/first"));
	rig->len = 0;
	rig->is_closed = false;
	rig_wait_closed(rig, fresh);
	RIG_HAS(rig, "ok /first");
	ck_assert_int_eq(rig->n_drained, 0);
	rig->len = 0;
	rig->is_closed = false;
	http_server_settle(rig->server, rig->ticket, true);
	rig_wait_closed(rig, held);
	ck_assert_int_eq(rig_answers(rig), 1);
	/* A lingering client is waited for, but not long. */
	rig_pass(rig, rig->limits.linger_timeout_ms);
	RIG_UNTIL(rig, rig->n_drained == 1);
	rig_calm(rig);
	ck_assert_int_eq(rig->n_drained, 1);
	(void)close(idle);
	(void)close(held);
	(void)close(body);
	(void)close(fresh);
	rig_close(rig);
}
END_TEST

START_TEST(drain_of_the_empty_and_of_the_silent_ends)
{
	struct rig *rig = rig_open(NULL);
	int fd;

	http_server_drain(rig->server);
	RIG_UNTIL(rig, rig->n_drained == 1);
	rig_close(rig);
	rig = rig_open(NULL);
	fd = rig_connect(rig);
	http_server_drain(rig->server);
	rig_calm(rig);
	ck_assert_int_eq(rig->n_drained, 0);
	rig_pass(rig, 1000);
	RIG_UNTIL(rig, rig->n_drained == 1);
	(void)close(fd);
	rig_close(rig);
}
END_TEST

static void
add(TCase *tc)
{
	tcase_add_test(tc, held_answers_leave_in_order_and_those_behind_them_wait);
	tcase_add_test(tc, one_settle_is_one_write_per_connection);
	tcase_add_test(tc, failed_tickets_are_answered_anew_in_their_place);
	tcase_add_test(tc, client_gone_while_held_is_dropped);
	tcase_add_test(tc, half_closed_client_gets_its_held_answers);
	tcase_add_test(tc, error_behind_a_held_answer_waits_for_it);
	tcase_add_test(tc, pipeline_limit_stops_reading_and_settling_resumes_it);
	tcase_add_test(tc, client_that_does_not_read_is_not_read_and_holds_little);
	tcase_add_test(tc, heads_must_come_in_time);
	tcase_add_test(tc, second_request_has_its_own_time);
	tcase_add_test(tc, bodies_must_come_in_time_and_without_stalling);
	tcase_add_test(tc, idle_connections_are_closed_silently);
	tcase_add_test(tc, client_that_takes_nothing_is_closed);
	tcase_add_test(tc, drain_closes_the_idle_and_lets_the_busy_finish);
	tcase_add_test(tc, drain_of_the_empty_and_of_the_silent_ends);
}

int
main(void)
{
	return rig_run("http_server_held", add);
}
