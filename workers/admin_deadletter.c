/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	admin_deadletter - dead letters over HTTP: the newest, and send again
 *
 * PROCESS
 *	admin.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/admin_deadletter.h"

#include "common/clock.h"
#include "common/http_media.h"
#include "common/http_query.h"
#include "common/json.h"
#include "common/panic.h"
#include "workers/deadletter.h"
#include "workers/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_NS (10 * CLOCK_NS_PER_S)
#define WAITING_MAX 64
#define FIRST_ROOM  (16u << 10)
#define ANSWER_MAX  ((16u << 20) + 4096)
#define LIMIT       100 /* when nobody says */
#define LIMIT_MAX   1000
#define BODY_MAX    4096

enum tag { TAG_LS = 1, TAG_RETRY };

struct admin_deadletter {
	struct worker *w;
	struct http_server *server;
	struct json_parser *parser;
	int fd; /* -1: not connected */
	struct event *event;
	char *in;
	size_t len, room;
	size_t looked;            /* no end of an answer before this */
	uint64_t asked, answered; /* tickets, from 1 */
	uint64_t since_ns;        /* the oldest question's */
	struct bytes body;        /* of the answer that is written now; empty: none came */
};

struct admin_deadletter *
admin_deadletter_new(struct worker *w)
{
	struct admin_deadletter *d = xcalloc(1, sizeof *d);

	d->w = w;
	d->fd = -1;
	d->parser = json_parser_new(BODY_MAX, 8);
	return d;
}

void
admin_deadletter_serve(struct admin_deadletter *d, struct http_server *server)
{
	d->server = server;
}

/*---------------------------------------------------------------------------*
 * The stage's socket
 *---------------------------------------------------------------------------*/

static void
hang_up(struct admin_deadletter *d)
{
	if (d->fd == -1)
		return;
	event_free(d->event);
	(void)close(d->fd);
	d->fd = -1;
	free(d->in);
	d->in = NULL;
	d->len = d->room = d->looked = 0;
}

static void
give_up(struct admin_deadletter *d)
{
	hang_up(d);
	d->body = bytes_of(NULL, 0);
	if (d->answered < d->asked) {
		d->answered = d->asked;
		http_server_settle(d->server, http_ticket(HTTP_WAIT_ALONE, d->asked), false);
	}
}

/* An answer is lines of text that an empty line ends; an empty answer is that line alone. */
static bool
take_answer(struct admin_deadletter *d)
{
	const char *end;
	size_t used;

	if (d->len == 0 || d->answered == d->asked)
		return false;
	if (d->in[0] == '\n') {
		d->body = bytes_of(d->in, 0);
		used = 1;
	} else {
		if ((end = memmem(d->in + d->looked, d->len - d->looked, "\n\n", 2)) == NULL) {
			d->looked = d->len - 1;
			return false;
		}
		d->body = bytes_of(d->in, (size_t)(end - d->in) + 1);
		used = d->body.len + 1;
	}
	d->answered++;
	d->since_ns = clock_mono_ns();
	http_server_settle(d->server, http_ticket(HTTP_WAIT_ALONE, d->answered), false);
	memmove(d->in, d->in + used, d->len - used);
	d->len -= used;
	d->looked = 0;
	return true;
}

static bool
make_room(struct admin_deadletter *d)
{
	size_t room = d->room == 0 ? FIRST_ROOM : d->room * 2;
	char *in;

	if (d->len < d->room)
		return true;
	if (d->len >= ANSWER_MAX || (in = realloc(d->in, room)) == NULL)
		return false;
	d->in = in;
	d->room = room;
	return true;
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct admin_deadletter *d = ctx;
	ssize_t n;

	(void)what;
	worker_woke(d->w);
	if (!make_room(d)) {
		give_up(d);
		return;
	}
	n = read(fd, d->in + d->len, d->room - d->len);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		give_up(d);
		return;
	}
	d->len += (size_t)n;
	while (d->fd != -1 && take_answer(d))
		continue;
}

static bool
connect_to(struct admin_deadletter *d)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int n;

	if (d->fd != -1)
		return true;
	n = snprintf(
	    to.sun_path, sizeof to.sun_path, "%s/stage/deadletter.sock", d->w->env->runtime_dir);
	if (n < 0 || (size_t)n >= sizeof to.sun_path)
		return false;
	d->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (d->fd == -1)
		return false;
	d->event = event_new(d->w->base, d->fd, EV_READ | EV_PERSIST, on_readable, d);
	if (d->event != NULL && connect(d->fd, (struct sockaddr *)&to, sizeof to) == 0 &&
	    event_add(d->event, NULL) == 0)
		return true;
	if (d->event != NULL)
		event_free(d->event);
	(void)close(d->fd);
	d->fd = -1;
	return false;
}

static void
answer_unavailable(struct http_conn *conn)
{
	const struct http_answer soon = {.retry_after_s = 1};

	http_answer_error(conn, 503, BYTES_LIT("deadletter_unavailable"),
	    BYTES_LIT("The deadletter stage does not answer; it runs when a sink is configured."),
	    &soon);
}

static void
ask(struct admin_deadletter *d, struct http_conn *conn, const char *line, enum tag tag)
{
	size_t len = strlen(line);

	if (http_conn_wait(conn) != -1 || d->asked - d->answered >= WAITING_MAX || !connect_to(d) ||
	    send(d->fd, line, len, MSG_NOSIGNAL) != (ssize_t)len) {
		if (d->asked == d->answered)
			hang_up(d);
		answer_unavailable(conn);
		return;
	}
	if (d->asked++ == d->answered)
		d->since_ns = clock_mono_ns();
	http_answer(conn,
	    &(struct http_answer){
		.status = 200, .ticket = http_ticket(HTTP_WAIT_ALONE, d->asked), .tag = tag},
	    NULL, 0);
}

void
admin_deadletter_tick(struct admin_deadletter *d, uint64_t mono_ns)
{
	if (d->answered < d->asked && mono_ns > d->since_ns && mono_ns - d->since_ns > PATIENCE_NS)
		give_up(d);
}

/*---------------------------------------------------------------------------*
 * Questions
 *---------------------------------------------------------------------------*/

/* What may stand in a line to the stage. */
static bool
is_word(struct bytes text, size_t max)
{
	if (text.len == 0 || text.len > max)
		return false;
	for (size_t i = 0; i < text.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-",
			text.ptr[i]) == NULL ||
		    text.ptr[i] == '\0')
			return false;
	return true;
}

static void
bad(struct http_conn *conn, const char *text)
{
	http_answer_error(conn, 400, BYTES_LIT("bad_request"), bytes_str(text), NULL);
}

/* " name=value" behind the line if the query has it; false: it is not fit to be asked. */
static bool
add_word(char *line, size_t size, struct bytes query, const char *name)
{
	uint8_t buf[DEADLETTER_ID_SIZE];
	struct bytes value;
	size_t len = strlen(line);

	switch (http_query_find(query, name, buf, sizeof buf, &value)) {
	case HTTP_QUERY_ABSENT:
		return true;
	case HTTP_QUERY_OK:
		break;
	default:
		return false;
	}
	if (!is_word(value, 39))
		return false;
	(void)snprintf(
	    line + len, size - len, " %s=%.*s", name, (int)value.len, (const char *)value.ptr);
	return true;
}

void
admin_deadletter_get(
    struct admin_deadletter *d, struct http_conn *conn, const struct http_request *rq)
{
	struct bytes query = rq->head->query, value;
	unsigned limit = LIMIT;
	uint8_t buf[16];
	char line[256];

	switch (http_query_find(query, "limit", buf, sizeof buf, &value)) {
	case HTTP_QUERY_ABSENT:
		break;
	case HTTP_QUERY_OK:
		limit = 0;
		for (size_t i = 0; i < value.len && limit <= LIMIT_MAX; i++)
			limit = value.ptr[i] < '0' || value.ptr[i] > '9'
				    ? LIMIT_MAX + 1
				    : limit * 10 + (unsigned)(value.ptr[i] - '0');
		if (limit >= 1 && limit <= LIMIT_MAX)
			break;
		/* fallthrough */
	default:
		bad(conn, "limit is a number from 1 to 1000");
		return;
	}
	(void)snprintf(line, sizeof line, "ls limit=%u", limit);
	if (!add_word(line, sizeof line, query, "sink") ||
	    !add_word(line, sizeof line, query, "code")) {
		bad(conn, "sink and code are names");
		return;
	}
	(void)snprintf(line + strlen(line), sizeof line - strlen(line), "\n");
	ask(d, conn, line, TAG_LS);
}

void
admin_deadletter_retry(struct admin_deadletter *d, struct http_conn *conn,
    const struct http_request *rq, struct bytes body)
{
	struct bytes text = {NULL, 0};
	struct json_value root, value;
	char line[256];
	bool is_id;

	if (http_media_of(rq->head->content_type) != HTTP_MEDIA_JSON) {
		http_answer_code(
		    conn, HTTP_CODE_UNSUPPORTED_MEDIA_TYPE, (struct bytes){NULL, 0}, NULL);
		return;
	}
	if (body.len > BODY_MAX || json_parse(d->parser, body, &root) != JSON_OK ||
	    !json_is(root, JSON_TYPE_OBJECT)) {
		bad(conn, "the body is a JSON object with id or sink");
		return;
	}
	is_id = json_find(root, BYTES_LIT("id"), &value);
	if ((is_id || json_find(root, BYTES_LIT("sink"), &value)) &&
	    json_is(value, JSON_TYPE_STRING))
		text = json_string(value);
	if (!is_word(text, is_id ? DEADLETTER_ID_SIZE - 1 : 39)) {
		bad(conn, "id is what GET /deadletter says, sink the name of a sink");
		return;
	}
	(void)snprintf(line, sizeof line, "retry %s%.*s\n", is_id ? "" : "sink=", (int)text.len,
	    (const char *)text.ptr);
	ask(d, conn, line, TAG_RETRY);
}

/*---------------------------------------------------------------------------*
 * Answers
 *---------------------------------------------------------------------------*/

/* Lines of objects as one array.  A line that was cut is no object any more. */
static void
answer_list(struct http_conn *conn, struct bytes lines)
{
	const char *at = (const char *)lines.ptr, *end = at + lines.len;
	struct text_out out;
	struct bytes body;
	bool is_first = true;

	text_init(&out, ANSWER_MAX + 4096);
	text_add(&out, "{\"deadletter\":[");
	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (stop == NULL)
			break;
		if (*at == '{' && stop[-1] == '}') {
			if (!is_first)
				text_add(&out, ",");
			text_add_bytes(&out, at, (size_t)(stop - at));
			is_first = false;
		}
		at = stop + 1;
	}
	text_add(&out, "]}");
	body = bytes_of(out.buf, out.len);
	http_answer(conn, &(struct http_answer){.status = 200}, &body, 1);
	text_free(&out);
}

static void
answer_retry(struct http_conn *conn, struct bytes line)
{
	char text[256], sink[40] = "", id[40] = "";
	unsigned long long n;
	struct text_out out;
	struct bytes body;

	(void)snprintf(text, sizeof text, "%.*s", (int)strcspn((const char *)line.ptr, "\n"),
	    (const char *)line.ptr);
	if (sscanf(text, "retried=%llu id=%39s sink=%39s", &n, id, sink) < 1) {
		bool is_unknown = strstr(text, "no such dead letter") != NULL;
		const char *why = strncmp(text, "error: ", 7) == 0 ? text + 7 : text;

		http_answer_error(conn, is_unknown ? 404 : 409,
		    is_unknown ? BYTES_LIT("not_found") : BYTES_LIT("not_retried"), bytes_str(why),
		    NULL);
		return;
	}
	text_init(&out, 4096);
	text_add(&out, "{\"status\":\"retried\",\"count\":%llu", n);
	if (sink[0] != '\0')
		text_add(&out, ",\"sink\":\"%s\",\"replay\":\"%s\"", sink, id);
	text_add(&out, "}");
	body = bytes_of(out.buf, out.len);
	http_answer(conn, &(struct http_answer){.status = 200}, &body, 1);
	text_free(&out);
}

void
admin_deadletter_rewrite(
    struct admin_deadletter *d, struct http_conn *conn, const struct http_held *held)
{
	if (d->body.ptr == NULL)
		answer_unavailable(conn);
	else if (held->tag == TAG_LS)
		answer_list(conn, d->body);
	else if (d->body.len == 0)
		answer_unavailable(conn);
	else
		answer_retry(conn, d->body);
}
