/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_server_listen - taking connections
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None; the listening socket is shared with the other acceptors.
 */
#include "common/log.h"
#include "common/panic.h"
#include "workers/http_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* One at a turn, so that the other acceptors get their share: with
	 * sixteen, four connections made at once landed on one process. */
	ACCEPT_BURST = 1,
	ACCEPT_PAUSE_MS = 200,
};

union peer_address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

static void
note_peer(struct http_conn *conn, const union peer_address *peer, socklen_t len)
{
	if (len < sizeof peer->any.sa_family)
		return;
	if (peer->any.sa_family == AF_INET) {
		conn->peer_family = AF_INET;
		memcpy(conn->peer_addr, &peer->in.sin_addr, 4);
		conn->peer_port = ntohs(peer->in.sin_port);
	} else if (peer->any.sa_family == AF_INET6) {
		conn->peer_family = AF_INET6;
		memcpy(conn->peer_addr, &peer->in6.sin6_addr, 16);
		conn->peer_port = ntohs(peer->in6.sin6_port);
		/* An IPv4 client on a dual-stack socket is an IPv4 client. */
		if (IN6_IS_ADDR_V4MAPPED(&peer->in6.sin6_addr)) {
			conn->peer_family = AF_INET;
			memmove(conn->peer_addr, conn->peer_addr + 12, 4);
		}
	}
}

/* Beyond the cap: say so, but keep only so many waiting to hear it. */
static void
turn_away(struct http_server *server, struct http_conn *conn)
{
	server->counters.refused++;
	conn->is_refused = true;
	server->n_refusing++;
	if (server->n_refusing > HTTP_CONN_REFUSING_MAX) {
		http_conn_close(conn);
		return;
	}
	http_answer_refuse(conn, HTTP_CODE_TOO_MANY_CONNECTIONS, (struct bytes){ NULL, 0 }, false);
	conn->may_have_more = true;
	http_conn_write_commit(conn);
	http_conn_update(conn, true);
}

static void
admit(struct http_listener *listener, int fd, const union peer_address *peer, socklen_t len)
{
	struct http_server *server = listener->server;
	struct http_conn *conn = http_conn_open(server, fd, listener->id);

	if (conn == NULL) {
		server->counters.refused++;
		(void)close(fd);
		return;
	}
	note_peer(conn, peer, len);
	if (server->counters.connections_now >= server->limits.connections) {
		turn_away(server, conn);
		return;
	}
	server->counters.connections_now++;
	server->counters.accepted++;
	http_conn_update(conn, false);
}

static void
pause_accepting(struct http_server *server)
{
	uint32_t i;

	server->counters.accept_paused++;
	server->accept_again_ms = server->now_ms + ACCEPT_PAUSE_MS;
	for (i = 0; i < server->n_listeners; i++)
		(void)event_del(&server->listeners[i]->event);
}

static void
on_accept(evutil_socket_t fd, short what, void *arg)
{
	struct http_listener *listener = arg;
	union peer_address peer;
	socklen_t len;
	int i, client;

	(void)what;
	for (i = 0; i < ACCEPT_BURST; i++) {
		len = sizeof peer;
		client = accept4(fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client != -1) {
			admit(listener, client, &peer, len);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
			pause_accepting(listener->server);
		/* The rest is about one client that has gone already. */
		else if (errno != EAGAIN && errno != EWOULDBLOCK)
			continue;
		return;
	}
}

void
http_server_listen_resume(struct http_server *server)
{
	uint32_t i;

	server->accept_again_ms = 0;
	for (i = 0; i < server->n_listeners; i++)
		if (event_add(&server->listeners[i]->event, NULL) == -1)
			log_line(LOG_LEVEL_ERR, "cannot watch a listening socket: listener=%u",
			    server->listeners[i]->id);
}

void
http_server_listen_close(struct http_server *server)
{
	struct http_listener *listener;

	while (server->n_listeners > 0) {
		listener = server->listeners[--server->n_listeners];
		(void)event_del(&listener->event);
		(void)close(listener->fd);
		free(listener);
	}
}

int
http_server_listen(struct http_server *server, int fd, uint32_t listener_id)
{
	struct http_listener *listener;
	int on = 1;

	if (server->n_listeners == HTTP_SERVER_LISTENERS_MAX) {
		errno = ENOSPC;
		return -1;
	}
	/* Taken over by accepted sockets, so it costs nothing per connection.
	 * Unix sockets refuse it and need it not. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	listener = xcalloc(1, sizeof *listener);
	*listener = (struct http_listener){ .server = server, .fd = fd, .id = listener_id };
	(void)event_assign(&listener->event, server->base, fd, EV_READ | EV_PERSIST, on_accept,
	    listener);
	if (event_add(&listener->event, NULL) == -1) {
		free(listener);
		errno = EINVAL;
		return -1;
	}
	server->listeners[server->n_listeners++] = listener;
	return 0;
}
