/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_send_conn - one keep-alive connection: a batch out, its answer in
 *
 * DESCRIPTION
 *	Enough of an HTTP/1.1 client for our own server: Content-Length bodies,
 *	1xx answers skipped, everything bounded.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "common/http_field.h"
#include "common/panic.h"
#include "daemon/ctl_send.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define HEAD_MAX_BYTES   16384
#define RESULT_MAX_BYTES 8192 /* of one event in an answer */
#define STILL_NS         (30 * CLOCK_NS_PER_S)
#define BACK_OFF_MIN_NS  (50 * CLOCK_NS_PER_MS)
#define BACK_OFF_MAX_NS  (2 * CLOCK_NS_PER_S)

/*---------------------------------------------------------------------------*
 * Where to
 *---------------------------------------------------------------------------*/

static int
open_unix(struct ctl_send_target *t, const char *path, const char **why)
{
	struct sockaddr_un *sun = (struct sockaddr_un *)&t->unix_address;

	if (path[0] != '/' || strlen(path) >= sizeof sun->sun_path) {
		*why = "unix: needs an absolute path of at most 107 bytes";
		return -1;
	}
	sun->sun_family = AF_UNIX;
	memcpy(sun->sun_path, path, strlen(path) + 1);
	(void)snprintf(t->host, sizeof t->host, "localhost");
	return 0;
}

/* "127.0.0.1:3001", "[::1]:3001", with a lone / behind it or nothing. */
static int
open_tcp(struct ctl_send_target *t, const char *where, const char **why)
{
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
	const char *colon, *end = where + strcspn(where, "/");
	char host[256];
	size_t len;
	int rc;

	if ((end[0] == '/' && end[1] != '\0') || (size_t)(end - where) >= sizeof t->host) {
		*why = "the URL must be http://HOST:PORT without a path";
		return -1;
	}
	(void)snprintf(t->host, sizeof t->host, "%.*s", (int)(end - where), where);
	colon = strrchr(t->host, ':');
	if (!http_field_is_host(bytes_str(t->host)) || colon == NULL || colon[1] == '\0' ||
	    strchr(colon, ']') != NULL) {
		*why = "the URL needs a host and a port, like http://127.0.0.1:3001";
		return -1;
	}
	len = (size_t)(colon - t->host);
	(void)snprintf(host, sizeof host, "%.*s", (int)len, t->host);
	if (host[0] == '[') {
		host[strcspn(host, "]")] = '\0';
		memmove(host, host + 1, strlen(host));
	}
	if ((rc = getaddrinfo(host, colon + 1, &hints, &t->addresses)) != 0) {
		*why = gai_strerror(rc);
		return -1;
	}
	return 0;
}

int
ctl_send_target_open(struct ctl_send_target *t, const char *url, const char *ack, const char **why)
{
	*t = (struct ctl_send_target){0};
	(void)snprintf(t->path, sizeof t->path, "/events/batch%s%s",
	    ack == NULL ? "" : "?ack=", ack == NULL ? "" : ack);
	if (strncmp(url, "unix:", 5) == 0)
		return open_unix(t, url + 5, why);
	if (strncmp(url, "http://", 7) == 0)
		return open_tcp(t, url + 7, why);
	*why = "the URL must begin with http:// or unix:";
	return -1;
}

void
ctl_send_target_close(struct ctl_send_target *t)
{
	if (t->addresses != NULL)
		freeaddrinfo(t->addresses);
	t->addresses = NULL;
}

/*---------------------------------------------------------------------------*
 * Connecting
 *---------------------------------------------------------------------------*/

void
ctl_send_conn_close(struct ctl_send_conn *c)
{
	if (c->state != CTL_SEND_DOWN)
		(void)close(c->fd);
	c->state = CTL_SEND_DOWN;
	c->fd = -1;
}

/* Down, and not before a moment that grows with each failure in a row. */
static enum ctl_send_event
broken(struct ctl_send_conn *c, int error, uint64_t now_ns)
{
	uint64_t wait = BACK_OFF_MIN_NS << (c->failures < 8 ? c->failures : 8);

	ctl_send_conn_close(c);
	c->error = error;
	c->failures++;
	c->not_before_ns = now_ns + (wait > BACK_OFF_MAX_NS ? BACK_OFF_MAX_NS : wait);
	return CTL_SEND_BROKEN;
}

void
ctl_send_conn_dial(struct ctl_send_conn *c, const struct ctl_send_target *t, uint64_t now_ns)
{
	const struct sockaddr *to = (const struct sockaddr *)&t->unix_address;
	socklen_t len = sizeof(struct sockaddr_un);
	int one = 1;

	if (t->addresses != NULL) {
		/* The next address of the host at each try. */
		c->address = c->address == NULL || c->address->ai_next == NULL
				 ? t->addresses
				 : c->address->ai_next;
		to = c->address->ai_addr;
		len = c->address->ai_addrlen;
	}
	c->fd = socket(to->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd == -1) {
		(void)broken(c, errno, now_ns);
		return;
	}
	c->active_ns = now_ns;
	c->state = CTL_SEND_CONNECTING;
	if (to->sa_family != AF_UNIX)
		(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(c->fd, to, len) == 0)
		c->state = CTL_SEND_IDLE;
	else if (errno != EINPROGRESS)
		(void)broken(c, errno, now_ns);
}

short
ctl_send_conn_events(const struct ctl_send_conn *c)
{
	switch (c->state) {
	case CTL_SEND_CONNECTING:
		return POLLOUT;
	case CTL_SEND_WRITING: /* a refusal may come before all was sent */
		return POLLIN | POLLOUT;
	case CTL_SEND_IDLE: /* the server may close it */
	case CTL_SEND_READING:
		return POLLIN;
	default:
		return 0;
	}
}

/*---------------------------------------------------------------------------*
 * A request and its answer
 *---------------------------------------------------------------------------*/

void
ctl_send_conn_start(struct ctl_send_conn *c, const struct ctl_send_target *t,
    struct ctl_send_batch *b, uint64_t now_ns)
{
	int n;

	assert_that(c->state == CTL_SEND_IDLE && c->batch == NULL);
	n = snprintf(c->head, sizeof c->head,
	    "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: sluicectl/" SLUICE_VERSION
	    "\r\nContent-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
	    t->path, t->host, b->len);
	assert_that(n > 0 && (size_t)n < sizeof c->head);
	c->head_len = (size_t)n;
	c->sent = 0;
	c->in_len = 0;
	c->in_max = HEAD_MAX_BYTES + (size_t)(b->n + 1) * RESULT_MAX_BYTES;
	c->batch = b;
	c->active_ns = now_ns;
	c->error = 0;
	c->state = CTL_SEND_WRITING;
}

static enum ctl_send_event
write_some(struct ctl_send_conn *c, uint64_t now_ns)
{
	size_t all = c->head_len + c->batch->len, off;
	struct iovec iov[2];
	struct msghdr msg = {.msg_iov = iov};
	ssize_t n;

	while (c->sent < all) {
		off = c->sent > c->head_len ? c->sent - c->head_len : 0;
		msg.msg_iovlen = 0;
		if (c->sent < c->head_len)
			iov[msg.msg_iovlen++] =
			    (struct iovec){c->head + c->sent, c->head_len - c->sent};
		iov[msg.msg_iovlen++] = (struct iovec){c->batch->bytes + off, c->batch->len - off};
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN)
				return CTL_SEND_PENDING;
			/* The server may have said why before it closed. */
			c->error = errno;
			break;
		}
		c->sent += (size_t)n;
		c->active_ns = now_ns;
	}
	c->state = CTL_SEND_READING;
	return CTL_SEND_PENDING;
}

int
ctl_send_conn_head(const uint8_t *buf, size_t len, size_t *body_len, struct ctl_send_answer *answer)
{
	const uint8_t *end = memmem(buf, len, "\r\n\r\n", 4), *line, *next;
	bool has_length = false;
	struct http_field f;
	uint64_t n;

	if (end == NULL)
		return len > HEAD_MAX_BYTES ? -1 : 0;
	*answer = (struct ctl_send_answer){0};
	if (end - buf < 12 || memcmp(buf, "HTTP/1.", 7) != 0 || buf[8] != ' ' ||
	    http_field_length(bytes_of(buf + 9, 3), &n) == -1 || n < 100)
		return -1;
	answer->status = (unsigned)n;
	answer->must_close = buf[7] == '0';
	*body_len = 0;
	end += 2;
	for (line = (const uint8_t *)memchr(buf, '\n', (size_t)(end - buf)) + 1; line < end;
	     line = next) {
		next = (const uint8_t *)memchr(line, '\n', (size_t)(end - line)) + 1;
		if (next - line < 2 || next[-2] != '\r')
			return -1;
		if (http_field_split(bytes_of(line, (size_t)(next - line) - 2), &f) !=
		    HTTP_CODE_NONE)
			return -1;
		if (http_field_is(f.name, "content-length")) {
			if (has_length || http_field_length(f.value, &n) == -1 || n > SIZE_MAX / 2)
				return -1;
			has_length = true;
			*body_len = (size_t)n;
		} else if (http_field_is(f.name, "transfer-encoding")) {
			return -1;
		} else if (http_field_is(f.name, "connection")) {
			answer->must_close |= http_field_is(f.value, "close");
		} else if (http_field_is(f.name, "retry-after")) {
			if (http_field_length(f.value, &n) == 0)
				answer->retry_after_s = n > 60 ? 60 : (unsigned)n;
		}
	}
	if (!has_length && answer->status >= 200 && answer->status != 204)
		return -1;
	return (int)(end + 2 - buf);
}

/* Is a whole answer held? */
static enum ctl_send_event
read_answer(struct ctl_send_conn *c, uint64_t now_ns, struct ctl_send_answer *answer)
{
	size_t body_len = 0;
	int head;

	for (;;) {
		head = ctl_send_conn_head(c->in, c->in_len, &body_len, answer);
		if (head == 0)
			return CTL_SEND_PENDING;
		if (head == -1 || body_len > c->in_max) {
			ctl_send_conn_close(c);
			return CTL_SEND_NO_HTTP;
		}
		if (answer->status >= 200)
			break;
		c->in_len -= (size_t)head;
		memmove(c->in, c->in + head, c->in_len);
	}
	if (c->in_len - (size_t)head < body_len)
		return CTL_SEND_PENDING;
	answer->body = bytes_of(c->in + head, body_len);
	c->failures = 0;
	/* An answer before the whole request was taken is the last on this connection. */
	if (answer->must_close || c->sent < c->head_len + c->batch->len ||
	    c->in_len > (size_t)head + body_len) {
		ctl_send_conn_close(c);
		c->not_before_ns = now_ns;
	} else {
		c->state = CTL_SEND_IDLE;
	}
	return CTL_SEND_ANSWERED;
}

static enum ctl_send_event
read_some(struct ctl_send_conn *c, uint64_t now_ns, struct ctl_send_answer *answer)
{
	enum ctl_send_event e;
	uint8_t *in;
	ssize_t n;

	for (;;) {
		if (c->in_size - c->in_len < 32768) {
			if (c->in_len > c->in_max + HEAD_MAX_BYTES) {
				ctl_send_conn_close(c);
				return CTL_SEND_NO_HTTP;
			}
			if ((in = realloc(c->in, c->in_size * 2 + 65536)) == NULL)
				fatal("no memory for an answer: try a smaller --batch");
			c->in = in;
			c->in_size = c->in_size * 2 + 65536;
		}
		n = recv(c->fd, c->in + c->in_len, c->in_size - c->in_len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return CTL_SEND_PENDING;
		if (n <= 0)
			return broken(c, n == -1 ? errno : c->error, now_ns);
		c->active_ns = now_ns;
		c->in_len += (size_t)n;
		if ((e = read_answer(c, now_ns, answer)) != CTL_SEND_PENDING)
			return e;
	}
}

enum ctl_send_event
ctl_send_conn_step(
    struct ctl_send_conn *c, short revents, uint64_t now_ns, struct ctl_send_answer *answer)
{
	socklen_t len = sizeof c->error;

	if (c->state != CTL_SEND_DOWN && c->state != CTL_SEND_IDLE &&
	    now_ns - c->active_ns > STILL_NS)
		return broken(c, ETIMEDOUT, now_ns);
	if (revents == 0)
		return CTL_SEND_PENDING;
	switch (c->state) {
	case CTL_SEND_CONNECTING:
		if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &c->error, &len) == -1 || c->error != 0)
			return broken(c, c->error, now_ns);
		c->state = CTL_SEND_IDLE;
		return CTL_SEND_PENDING;
	case CTL_SEND_IDLE:
		/* Nothing was asked, so this is its end. */
		return broken(c, 0, now_ns);
	case CTL_SEND_WRITING:
		if ((revents & (POLLIN | POLLOUT)) != POLLOUT)
			return read_some(c, now_ns, answer);
		return write_some(c, now_ns);
	case CTL_SEND_READING:
		return read_some(c, now_ns, answer);
	default:
		return CTL_SEND_PENDING;
	}
}
