/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_http_server_held - tickets and back-pressure
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

/* ---- Everything at once --------------------------------------------------------- */

static uint32_t
dice(uint32_t *seed, uint32_t sides)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 8) % sides;
}

/* One request whose body begins with its number; returns its length. */
static size_t
request_write(char *at, size_t room, uint32_t *seed, int number)
{
	static const size_t lens[] = { 10, 10, 10, 300, 5000, 70000, 300000 };
	size_t len = lens[dice(seed, 7)], n, part, left;
	const char *path = dice(seed, 2) == 0 ? "/held" : "/echo";

	if (dice(seed, 2) == 0) {
		n = (size_t)snprintf(at, room,
		    "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n", path, len);
		n += (size_t)snprintf(at + n, room - n, "%010d", number);
		memset(at + n, 'z', len - 10);
		return n + len - 10;
	}
	n = (size_t)snprintf(at, room,
	    "POST %s HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\na\r\n%010d\r\n",
	    path, number);
	for (left = len - 10; left > 0; left -= part) {
		part = 1 + dice(seed, left > 100000 ? 100000 : (uint32_t)left);
		n += (size_t)snprintf(at + n, room - n, "%zx\r\n", part);
		memset(at + n, 'z', part);
		n += part;
		n += (size_t)snprintf(at + n, room - n, "\r\n");
	}
	return n + (size_t)snprintf(at + n, room - n, "0\r\n\r\n");
}

/* Take complete answers off the front of what was received. */
static void
answers_check(struct rig *rig, int *n_seen, int *bad)
{
	char *p = rig->text, *body, *length;
	char want[16];

	while ((body = strstr(p, "\r\n\r\n")) != NULL) {
		body += 4;
		length = strstr(p, "Content-Length:");
		if (length == NULL || body + strtoul(length + 15, NULL, 10) > rig->text + rig->len)
			break;
		(void)snprintf(want, sizeof want, "%010d", (*n_seen)++);
		*bad += strncmp(body, want, 10) != 0 || strncmp(p, "HTTP/1.1 200", 12) != 0;
		p = body + strtoul(length + 15, NULL, 10);
	}
	rig->len -= (size_t)(p - rig->text);
	memmove(rig->text, p, rig->len + 1);
}

START_TEST(random_traffic_is_answered_in_order)
{
	enum { N = 150, ROOM = N * 310000 };
	uint32_t seed = 1000 + (uint32_t)_i;
	struct rig *rig = rig_open(NULL);
	char *stream = malloc(ROOM);
	size_t len = 0, at = 0, part;
	ssize_t n;
	int fd = rig_connect(rig), i, n_seen = 0, bad = 0;
	time_t until = time(NULL) + RIG_PATIENCE_S;

	for (i = 0; i < N; i++)
		len += request_write(stream + len, ROOM - len, &seed, i);
	while (n_seen < N && !rig->is_closed && time(NULL) < until) {
		if (at < len) {
			part = 1 + dice(&seed, dice(&seed, 3) == 0 ? 50 : 200000);
			part = part > len - at ? len - at : part;
			n = send(fd, stream + at, part, MSG_DONTWAIT | MSG_NOSIGNAL);
			at += n > 0 ? (size_t)n : 0;
		}
		rig_turn(rig);
		if (dice(&seed, 4) == 0 || at == len)
			http_server_settle(rig->server, dice(&seed, 2) == 0 && at < len ?
				http_server_waiting(rig->server) : rig->ticket, true);
		if (dice(&seed, 10) == 0)
			rig_pass(rig, 1);
		if (dice(&seed, 5) != 0) {
			rig_take(rig, fd);
			answers_check(rig, &n_seen, &bad);
		}
	}
	ck_assert_int_eq(n_seen, N);
	ck_assert_int_eq(bad, 0);
	ck_assert_uint_eq(rig_counters(rig)->buffered_bytes_now, 0);
	(void)close(fd);
	rig_close(rig);
	free(stream);
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
	tcase_add_loop_test(tc, random_traffic_is_answered_in_order, 0, 20);
}

int
main(void)
{
	return rig_run("http_server_held", add);
}
