/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_toy - the HTTP server with a handler that does nothing
 *
 * DESCRIPTION
 *	http_toy PORT [held]: answers 202 to any POST and 200 to any GET on
 *	127.0.0.1:PORT until it is killed.  With `held`, each answer waits for a
 *	ticket that is settled once a loop, as durable answers do.
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "common/panic.h"
#include "workers/http_server.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

struct toy {
	struct http_server *server;
	struct event_base *base;
	uint64_t ticket;
	bool is_held;
	struct event *settle;
};

static void
on_request(void *ctx, struct http_conn *conn, const struct http_request *request,
    struct bytes body)
{
	static const struct bytes reply = { (const uint8_t *)"{\"status\":\"accepted\"}", 21 };
	struct toy *toy = ctx;
	struct http_answer answer = { .status = 202 };

	(void)body;
	if (request->head->method != HTTP_METHOD_POST)
		answer.status = 200;
	if (toy->is_held)
		answer.ticket = ++toy->ticket;
	http_answer(conn, &answer, &reply, 1);
}

static void
on_batch_end(void *ctx)
{
	struct toy *toy = ctx;

	if (toy->is_held)
		event_active(toy->settle, EV_TIMEOUT, 0);
}

static void
on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct toy *toy = arg;

	(void)fd;
	(void)what;
	http_server_settle(toy->server, toy->ticket, true);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct toy *toy = arg;

	(void)fd;
	(void)what;
	http_server_tick(toy->server, clock_mono_ns() / CLOCK_NS_PER_MS);
}

int
main(int argc, char **argv)
{
	static const struct http_callbacks callbacks = { .request = on_request,
		.batch_end = on_batch_end };
	struct http_limits limits = HTTP_LIMITS_DEFAULT;
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct timeval tick = { 0, 100000 };
	struct toy toy = { 0 };
	int fd, on = 1;

	if (argc < 2)
		fatal("usage: http_toy PORT [held]");
	toy.is_held = argc > 2;
	address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1 ||
	    bind(fd, (struct sockaddr *)&address, sizeof address) == -1 || listen(fd, 4096) == -1)
		fatal("cannot listen on 127.0.0.1:%s", argv[1]);
	toy.base = event_base_new();
	toy.server = http_server_new(toy.base, &limits, &callbacks, &toy);
	toy.settle = event_new(toy.base, -1, 0, on_settle, &toy);
	if (http_server_listen(toy.server, fd, 1) == -1)
		fatal("cannot watch the listening socket");
	event_add(event_new(toy.base, -1, EV_PERSIST, on_tick, &toy), &tick);
	return event_base_dispatch(toy.base) == 0 ? 0 : 1;
}
