/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	acceptor_receipt - what became of an event: asked of the deadletter stage
 *
 * DESCRIPTION
 *	An acceptor reads no disk, so GET /events/receipts/... is passed on to the
 *	stage that does, one line on its socket, and the answer waits like one
 *	that waits for the log.  Questions are answered in order; when the stage
 *	is not there, or says nothing for two seconds, all that wait hear 503.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/acceptor.h"

#include "common/clock.h"
#include "shm/word.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_NS (2 * CLOCK_NS_PER_S)
#define WAITING_MAX 256 /* questions that wait */
#define ANSWER_MAX  (64u << 10)

struct acceptor_relay {
	struct acceptor *a;
	int fd; /* -1: not connected */
	struct event *event;
	char in[ANSWER_MAX];
	size_t len;
	uint64_t asked, answered; /* tickets, from 1 */
	uint64_t since_ns;        /* the oldest question's */
	struct bytes body;        /* of the answer that is written now; empty: none came */
};

static struct acceptor_relay *
relay_of(struct acceptor *a)
{
	if (a->relay == NULL) {
		a->relay = calloc(1, sizeof *a->relay);
		if (a->relay != NULL) {
			a->relay->a = a;
			a->relay->fd = -1;
		}
	}
	return a->relay;
}

static void
hang_up(struct acceptor_relay *r)
{
	if (r->fd == -1)
		return;
	event_free(r->event);
	close(r->fd);
	r->fd = -1;
	r->len = 0;
}

/* Nobody will answer what waits. */
static void
give_up(struct acceptor_relay *r)
{
	hang_up(r);
	r->body = bytes_of(NULL, 0);
	if (r->answered < r->asked) {
		r->answered = r->asked;
		http_server_settle(r->a->server, http_ticket(HTTP_WAIT_ALONE, r->asked), false);
	}
}

/* An answer is lines of text that an empty line ends. */
static bool
take_answer(struct acceptor_relay *r)
{
	char *end = memmem(r->in, r->len, "\n\n", 2);
	bool is_empty = r->len > 0 && r->in[0] == '\n';
	size_t used;

	if ((end == NULL && !is_empty) || r->answered == r->asked)
		return false;
	used = is_empty ? 1 : (size_t)(end + 2 - r->in);
	r->body = bytes_of(r->in, is_empty ? 0 : used - 2);
	r->answered++;
	r->since_ns = clock_mono_ns();
	http_server_settle(r->a->server, http_ticket(HTTP_WAIT_ALONE, r->answered), false);
	memmove(r->in, r->in + used, r->len - used);
	r->len -= used;
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct acceptor_relay *r = ctx;
	ssize_t n;

	(void)what;
	worker_woke(r->a->worker);
	n = read(fd, r->in + r->len, sizeof r->in - r->len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		give_up(r);
		return;
	}
	r->len += (size_t)n;
	while (r->fd != -1 && take_answer(r))
		continue;
	if (r->len == sizeof r->in)
		give_up(r);
}

static bool
connect_to(struct acceptor_relay *r)
{
	struct worker *w = r->a->worker;
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int n = snprintf(
	    to.sun_path, sizeof to.sun_path, "%s/stage/deadletter.sock", w->env->runtime_dir);

	if (r->fd != -1)
		return true;
	if (n < 0 || (size_t)n >= sizeof to.sun_path)
		return false;
	r->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd == -1)
		return false;
	r->event = event_new(w->base, r->fd, EV_READ | EV_PERSIST, on_readable, r);
	if (r->event == NULL || connect(r->fd, (struct sockaddr *)&to, sizeof to) == -1 ||
	    event_add(r->event, NULL) == -1) {
		if (r->event != NULL)
			event_free(r->event);
		close(r->fd);
		r->fd = -1;
		return false;
	}
	return true;
}

static void
answer_unavailable(struct http_conn *conn)
{
	const struct http_answer soon = {.retry_after_s = 1};

	http_answer_error(conn, 503, BYTES_LIT("receipt_unavailable"),
	    BYTES_LIT("What became of the event cannot be asked now; ask again in a second."),
	    &soon);
}

/* "instance:stream:position" of ours; 0 or a status with its code. */
static unsigned
parse(const struct acceptor *a, struct bytes receipt, unsigned *stream, unsigned long long *pos)
{
	char text[80], ours[16];
	int n = 0;

	if (receipt.len >= sizeof text)
		return 400;
	memcpy(text, receipt.ptr, receipt.len);
	text[receipt.len] = '\0';
	(void)snprintf(ours, sizeof ours, "%.8s", a->receipt_prefix);
	if (strlen(text) < 10 || strspn(text, "0123456789abcdef") != 8 || text[8] != ':' ||
	    strspn(text + 9, "0123456789:") != strlen(text + 9) ||
	    sscanf(text + 9, "%3u:%20llu%n", stream, pos, &n) != 2 || text[9 + n] != '\0')
		return 400;
	return strncmp(text, ours, 8) == 0 ? 0 : 404;
}

void
acceptor_receipt(struct acceptor *a, struct http_conn *conn, const struct http_request *rq)
{
	static const char prefix[] = "/events/receipts/";
	struct acceptor_relay *r = relay_of(a);
	struct bytes path = rq->head->path;
	unsigned long long pos = 0;
	unsigned stream = 0, status;
	char line[96];
	int n;

	status = parse(a, bytes_of(path.ptr + sizeof prefix - 1, path.len - (sizeof prefix - 1)),
	    &stream, &pos);
	if (status == 400) {
		http_answer_error(conn, 400, BYTES_LIT("bad_receipt"),
		    BYTES_LIT("A receipt is instance:stream:position, as an answer gave it."),
		    NULL);
		return;
	}
	if (status == 404) {
		http_answer_error(conn, 404, BYTES_LIT("not_this_node"),
		    BYTES_LIT("Another node gave this receipt; ask that one."), NULL);
		return;
	}
	n = snprintf(line, sizeof line, "receipt %u %llu json\n", stream, pos);
	if (http_conn_wait(conn) != -1 || r == NULL || r->asked - r->answered >= WAITING_MAX ||
	    !connect_to(r) || send(r->fd, line, (size_t)n, MSG_NOSIGNAL) != n) {
		if (r != NULL && r->asked == r->answered)
			hang_up(r);
		answer_unavailable(conn);
		return;
	}
	if (r->asked++ == r->answered)
		r->since_ns = clock_mono_ns();
	http_answer(conn,
	    &(struct http_answer){.status = 200,
		.ticket = http_ticket(HTTP_WAIT_ALONE, r->asked),
		.tag = ACCEPTOR_TAG_RECEIPT},
	    NULL, 0);
}

/* The held answer is empty; this is the one that goes out. */
void
acceptor_receipt_rewrite(struct acceptor *a, struct http_conn *conn, const struct http_held *held)
{
	struct bytes body = a->relay->body;
	bool is_unknown;

	(void)held;
	if (body.len == 0 || body.ptr[0] != '{') {
		answer_unavailable(conn);
		return;
	}
	is_unknown = memmem(body.ptr, body.len, "\"status\":\"unknown\"", 18) != NULL;
	http_answer(conn, &(struct http_answer){.status = is_unknown ? 404 : 200}, &body, 1);
}

void
acceptor_receipt_tick(struct acceptor *a, uint64_t mono_ns)
{
	struct acceptor_relay *r = a->relay;

	if (r != NULL && r->answered < r->asked && mono_ns > r->since_ns &&
	    mono_ns - r->since_ns > PATIENCE_NS)
		give_up(r);
}
