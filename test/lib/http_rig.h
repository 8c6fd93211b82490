/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_rig - an HTTP server and its clients in one test process
 *
 * DESCRIPTION
 *	The server listens on loopback; clients are non-blocking sockets.  The
 *	rig turns the loop until a condition holds.  Time is rig->now_ms: it moves
 *	only when a test says so.
 *
 *	Paths: /echo answers the body; /held the same, with the next ticket; /big
 *	RIG_BIG bytes; /none 204; /bye closes; anything else "ok PATH".
 *
 * PROCESS
 *	Test programs.
 *
 * SHARED STATE
 *	None.
 */
#ifndef TEST_LIB_HTTP_RIG_H
#define TEST_LIB_HTTP_RIG_H

#include "workers/http_server.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RIG_BIG = 100000, RIG_TEXT = 8 << 20, RIG_PATIENCE_S = 20 };

struct rig {
	struct event_base *base;
	struct http_server *server;
	struct http_limits limits;
	uint64_t now_ms;
	uint16_t port;
	uint64_t ticket;
	int n_requests, n_batches, n_drained;
	size_t body_sum;
	char peer[64], request_id[80];
	/* What the client under test has received. */
	char *text;
	size_t len;
	bool is_closed; /* the server ended */
	bool is_reset;
};

static inline void
rig_request(void *ctx, struct http_conn *conn, const struct http_request *request,
    struct bytes body)
{
	struct rig *rig = ctx;
	struct bytes path = request->head->path;
	struct http_answer answer = { .status = 200, .tag = body.len };
	struct bytes parts[2] = { BYTES_LIT("ok "), path };
	struct http_out *out;
	size_t i;

	rig->n_requests++;
	for (i = 0; i < body.len + 64; i++)
		rig->body_sum += body.ptr[i] != 0; /* the padding is readable */
	(void)snprintf(rig->peer, sizeof rig->peer, "%.*s", (int)http_conn_peer(conn).len,
	    (const char *)http_conn_peer(conn).ptr);
	(void)snprintf(rig->request_id, sizeof rig->request_id, "%.*s",
	    (int)request->request_id.len, (const char *)request->request_id.ptr);
	if (bytes_is(path, BYTES_LIT("/held")))
		answer.ticket = ++rig->ticket;
	if (bytes_is(path, BYTES_LIT("/bye")))
		answer.must_close = true;
	if (bytes_is(path, BYTES_LIT("/none"))) {
		answer.status = 204;
		http_answer(conn, &answer, NULL, 0);
	} else if (bytes_is(path, BYTES_LIT("/big"))) {
		out = http_answer_begin(conn, &answer);
		memset(http_out_reserve(out, RIG_BIG), 'b', RIG_BIG);
		out->len += RIG_BIG;
		http_answer_end(conn);
	} else if (bytes_is(path, BYTES_LIT("/echo")) || bytes_is(path, BYTES_LIT("/held"))) {
		http_answer(conn, &answer, &body, 1);
	} else {
		http_answer(conn, &answer, parts, 2);
	}
}

static inline void
rig_rewrite(void *ctx, struct http_conn *conn, const struct http_held *held)
{
	struct bytes parts[2] = { BYTES_LIT("unknown:"), held->body };
	struct http_answer answer = { .status = 503, .retry_after_s = 2 };

	(void)ctx;
	ck_assert_uint_eq(held->tag, held->body.len);
	http_answer(conn, &answer, parts, 2);
}

static inline void
rig_batch_end(void *ctx)
{
	((struct rig *)ctx)->n_batches++;
}

static inline void
rig_drained(void *ctx)
{
	((struct rig *)ctx)->n_drained++;
}

static inline struct rig *
rig_open(const struct http_limits *limits)
{
	static const struct http_callbacks callbacks = { rig_request, rig_rewrite, rig_batch_end,
		rig_drained };
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct rig *rig = calloc(1, sizeof *rig);
	socklen_t len = sizeof address;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	rig->text = malloc(RIG_TEXT);
	rig->limits = limits != NULL ? *limits : HTTP_LIMITS_DEFAULT;
	rig->base = event_base_new();
	rig->server = http_server_new(rig->base, &rig->limits, &callbacks, rig);
	rig->now_ms = 1000000;
	http_server_tick(rig->server, rig->now_ms);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	ck_assert_int_eq(listen(fd, 128), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	rig->port = ntohs(address.sin_port);
	ck_assert_int_eq(http_server_listen(rig->server, fd, 7), 0);
	return rig;
}

static inline void
rig_close(struct rig *rig)
{
	http_server_free(rig->server);
	event_base_free(rig->base);
	free(rig->text);
	free(rig);
}

static inline const struct http_counters *
rig_counters(struct rig *rig)
{
	return http_server_counters(rig->server);
}

static inline void
rig_turn(struct rig *rig)
{
	(void)event_base_loop(rig->base, EVLOOP_NONBLOCK);
}

static inline void
rig_pass(struct rig *rig, uint64_t ms)
{
	rig->now_ms += ms;
	http_server_tick(rig->server, rig->now_ms);
}

/* Turn the loop until `condition`; a test that waits too long has failed. */
#define RIG_UNTIL(rig, condition)                                                                  \
	do {                                                                                       \
		time_t until = time(NULL) + RIG_PATIENCE_S;                                        \
		while (!(condition)) {                                                             \
			rig_turn(rig);                                                             \
			ck_assert_msg(time(NULL) < until, "waited in vain: %s", #condition);       \
		}                                                                                  \
	} while (0)

static inline int
rig_connect(struct rig *rig)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(rig->port) };
	uint64_t before = rig_counters(rig)->accepted + rig_counters(rig)->refused;
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	/* What a test has sent, the server can read at once. */
	ck_assert_int_eq(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	RIG_UNTIL(rig, rig_counters(rig)->accepted + rig_counters(rig)->refused > before);
	rig->len = 0;
	rig->text[0] = '\0';
	rig->is_closed = rig->is_reset = false;
	return fd;
}

/* Send all, turning the loop while the socket is full. */
static inline void
rig_send(struct rig *rig, int fd, const void *ptr, size_t len)
{
	time_t until = time(NULL) + RIG_PATIENCE_S;
	size_t at = 0;

	while (at < len && time(NULL) < until) {
		ssize_t n = send(fd, (const char *)ptr + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0)
			at += (size_t)n;
		else if (errno != EAGAIN)
			return;
		rig_turn(rig);
	}
}

#define rig_say(rig, fd, text) rig_send((rig), (fd), (text), strlen(text))

static inline void
rig_take(struct rig *rig, int fd)
{
	ssize_t n = recv(fd, rig->text + rig->len, RIG_TEXT - 1 - rig->len, MSG_DONTWAIT);

	if (n > 0)
		rig->len += (size_t)n;
	else if (n == 0)
		rig->is_closed = true;
	else if (errno != EAGAIN)
		rig->is_closed = rig->is_reset = true;
	rig->text[rig->len] = '\0';
}

/* Complete final answers received so far. */
static inline int
rig_answers(const struct rig *rig)
{
	const char *p = rig->text, *end = rig->text + rig->len, *body, *length;
	int n = 0;

	while (p < end && (body = strstr(p, "\r\n\r\n")) != NULL) {
		body += 4;
		length = strstr(p, "Content-Length:");
		if (length != NULL && length < body)
			body += strtoul(length + 15, NULL, 10);
		if (body > end)
			break;
		n += strncmp(p, "HTTP/1.1 1", 10) != 0;
		p = body;
	}
	return n;
}

static inline void
rig_wait(struct rig *rig, int fd, int n_answers)
{
	RIG_UNTIL(rig, (rig_take(rig, fd), rig_answers(rig) >= n_answers || rig->is_closed));
	ck_assert_int_eq(rig_answers(rig), n_answers);
}

static inline void
rig_wait_closed(struct rig *rig, int fd)
{
	RIG_UNTIL(rig, (rig_take(rig, fd), rig->is_closed));
}

/* Turn the loop until the server has had every chance to act on what was sent. */
static inline void
rig_calm(struct rig *rig)
{
	uint64_t before;

	do {
		before = rig_counters(rig)->reads + rig_counters(rig)->writes;
		rig_turn(rig);
		rig_turn(rig);
	} while (rig_counters(rig)->reads + rig_counters(rig)->writes != before);
}

#define RIG_HAS(rig, part)                                                                         \
	ck_assert_msg(strstr((rig)->text, (part)) != NULL, "no \"%s\" in:\n%s", (part),            \
	    (rig)->text)
#define RIG_LACKS(rig, part)                                                                       \
	ck_assert_msg(strstr((rig)->text, (part)) == NULL, "\"%s\" in:\n%s", (part), (rig)->text)

static inline int
rig_run(const char *name, void (*add)(TCase *))
{
	Suite *suite = suite_create(name);
	TCase *tc = tcase_create("all");
	SRunner *runner;
	int failed;

	tcase_set_timeout(tc, RIG_PATIENCE_S * 2);
	add(tc);
	suite_add_tcase(suite, tc);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? 0 : 1;
}

#endif
