/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_http_server_time - timeouts and draining
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
	return rig_run("http_server_time", add);
}
