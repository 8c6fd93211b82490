/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_answer - what a request handler says
 *
 * DESCRIPTION
 *	Heads are put together from prepared pieces: the part that is the same
 *	for all answers of one second is made by the tick.
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/http_answer.h"

#include "common/panic.h"
#include "workers/http_conn.h"

/* Room for a length that is not known yet.  Blanks before a value are legal (RFC
 * 9112 section 5), leading zeros are odd. */
#define LENGTH_BLANKS "          "
enum { LENGTH_WIDTH = sizeof LENGTH_BLANKS - 1, HEAD_ROOM = 512 };

struct bytes
http_answer_new_id(struct http_server *server)
{
	static const char next[256] = { ['0'] = '1', ['1'] = '2', ['2'] = '3', ['3'] = '4',
		['4'] = '5', ['5'] = '6', ['6'] = '7', ['7'] = '8', ['8'] = '9', ['9'] = 'a',
		['a'] = 'b', ['b'] = 'c', ['c'] = 'd', ['d'] = 'e', ['e'] = 'f' };
	int i;

	/* Count up in the text itself; the last ten digits are the counter. */
	for (i = HTTP_CONN_ID_LEN - 1; i > HTTP_CONN_ID_LEN - 11; i--) {
		char c = next[(uint8_t)server->id[i]];

		server->id[i] = c == 0 ? '0' : c;
		if (c != 0)
			break;
	}
	return bytes_of(server->id, HTTP_CONN_ID_LEN);
}

/* ---- The head ------------------------------------------------------------ */

static bool
has_no_content(unsigned int status)
{
	return status < 200 || status == 204 || status == 304;
}

static void
put_field(struct http_out *out, struct bytes name, struct bytes value)
{
	http_out_view(out, name);
	http_out_lit(out, ": ");
	http_out_view(out, value);
	http_out_lit(out, "\r\n");
}

/* Everything but the length and the empty line. */
static void
head_write(struct http_server *server, const struct http_answer *answer, bool has_type)
{
	struct http_current *current = &server->current;
	struct http_out *out = &server->out;
	size_t i;

	(void)http_out_reserve(out, HEAD_ROOM);
	http_out_lit(out, "HTTP/1.1 ");
	if (answer->status == 202)
		http_out_lit(out, "202 Accepted");
	else
		http_out_view(out, http_code_reason(answer->status));
	http_out_lit(out, "\r\n");
	http_out_bytes(out, server->common, server->common_len);
	current->id_off = (uint32_t)(out->len - current->start);
	http_out_view(out, current->request_id);
	http_out_lit(out, "\r\n");
	if (has_type && !has_no_content(answer->status)) {
		if (answer->content_type.len > 0)
			put_field(out, BYTES_LIT("Content-Type"), answer->content_type);
		else
			http_out_lit(out, "Content-Type: application/json\r\n");
	}
	if (answer->retry_after_s > 0) {
		http_out_lit(out, "Retry-After: ");
		http_out_u64(out, answer->retry_after_s);
		http_out_lit(out, "\r\n");
	}
	if (answer->allow.len > 0)
		put_field(out, BYTES_LIT("Allow"), answer->allow);
	for (i = 0; i < answer->n_extra; i++)
		put_field(out, answer->extra[i].name, answer->extra[i].value);
	if (current->must_close)
		http_out_lit(out, "Connection: close\r\n");
}

/* Is it this connection's turn to be answered? */
static void
open_answer(struct http_conn *conn, const struct http_answer *answer)
{
	struct http_server *server = conn->server;
	struct http_current *current = &server->current;

	assert_that(current->conn == conn && !current->is_open && !current->is_done);
	assert_that(answer->status >= 200 && answer->status <= 599);
	current->is_open = true;
	/* A rewritten answer may have others behind it: it closes only if the
	 * one in its place did. */
	current->must_close |= answer->must_close && !current->is_rewrite;
	current->start = server->out.len;
	current->status = answer->status;
	current->ticket = current->is_rewrite ? 0 : answer->ticket;
	current->tag = answer->tag;
}

static void
count_answer(struct http_counters *counters, unsigned int status)
{
	if (status < 300)
		counters->answers_2xx++;
	else if (status < 400)
		counters->answers_3xx++;
	else if (status < 500)
		counters->answers_4xx++;
	else
		counters->answers_5xx++;
}

/* The answer stands in the scratch: hold it if it has to wait. */
static void
close_answer(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct http_current *current = &server->current;
	struct http_held_queue *queue;

	current->is_open = false;
	current->is_done = true;
	if (current->must_close)
		conn->is_closing = true;
	if (current->is_rewrite)
		return;
	count_answer(&server->counters, current->status);
	if (current->ticket == 0)
		return;
	queue = &server->held[current->ticket >> HTTP_WAIT_SHIFT];
	if (current->ticket <= queue->settled_ticket)
		return;
	assert_that(current->ticket >= queue->last_ticket);
	assert_that(conn->n_held == 0 ||
	    conn->held_last >> HTTP_WAIT_SHIFT == current->ticket >> HTTP_WAIT_SHIFT);
	queue->last_ticket = current->ticket;
	http_server_held_add(server,
	    &(struct http_held_answer){
		.conn = conn,
		.ticket = current->ticket,
		.tag = current->tag,
		.start = conn->end + current->start,
		.end = conn->end + server->out.len,
		.head_len = (uint32_t)(current->body - current->start),
		.id_off = current->id_off,
		.id_len = (uint8_t)current->request_id.len,
		.status = current->status,
		.must_close = current->must_close,
		.has_no_body = current->is_head,
	    });
}

/* ---- For handlers --------------------------------------------------------- */

void
http_answer(struct http_conn *conn, const struct http_answer *answer, const struct bytes *parts,
    size_t n_parts)
{
	struct http_server *server = conn->server;
	struct http_out *out = &server->out;
	size_t i, len = 0;

	for (i = 0; i < n_parts; i++)
		len += parts[i].len;
	open_answer(conn, answer);
	head_write(server, answer, len > 0 || answer->content_type.len > 0);
	if (has_no_content(answer->status)) {
		http_out_lit(out, "\r\n");
		server->current.body = out->len;
	} else {
		http_out_lit(out, "Content-Length: ");
		http_out_u64(out, len);
		http_out_lit(out, "\r\n\r\n");
		server->current.body = out->len;
		for (i = 0; i < n_parts && !server->current.is_head; i++)
			http_out_view(out, parts[i]);
	}
	close_answer(conn);
}

struct http_out *
http_answer_begin(struct http_conn *conn, const struct http_answer *answer)
{
	struct http_server *server = conn->server;
	struct http_out *out = &server->out;

	open_answer(conn, answer);
	head_write(server, answer, true);
	if (has_no_content(answer->status)) {
		http_out_lit(out, "\r\n");
		server->current.length_off = 0;
	} else {
		http_out_lit(out, "Content-Length: " LENGTH_BLANKS);
		server->current.length_off = out->len - LENGTH_WIDTH;
		http_out_lit(out, "\r\n\r\n");
	}
	server->current.body = out->len;
	return out;
}

void
http_answer_end(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct http_current *current = &server->current;
	size_t len, at;

	assert_that(current->conn == conn && current->is_open);
	len = server->out.len - current->body;
	if (current->is_head || current->length_off == 0)
		server->out.len = current->body;
	if (current->length_off > 0) {
		at = current->length_off + LENGTH_WIDTH;
		do {
			server->out.ptr[--at] = (uint8_t)('0' + len % 10);
			len /= 10;
		} while (len > 0 && at > current->length_off);
		assert_that(len == 0);
	}
	close_answer(conn);
}

void
http_answer_error(struct http_conn *conn, unsigned int status, struct bytes code,
    struct bytes text, const struct http_answer *more)
{
	struct http_answer answer = { 0 };
	struct http_out *out;

	if (more != NULL)
		answer = *more;
	answer.status = (uint16_t)status;
	answer.content_type = (struct bytes){ NULL, 0 };
	out = http_answer_begin(conn, &answer);
	http_out_lit(out, "{\"status\":\"error\",\"message\":");
	http_out_json(out, text);
	http_out_lit(out, ",\"error\":{\"code\":");
	http_out_json(out, code);
	http_out_lit(out, ",\"message\":");
	http_out_json(out, text);
	http_out_lit(out, "},\"requestId\":");
	http_out_json(out, conn->server->current.request_id);
	http_out_lit(out, "}");
	http_answer_end(conn);
}

void
http_answer_code(struct http_conn *conn, enum http_code code, struct bytes text,
    const struct http_answer *more)
{
	http_answer_error(conn, http_code_status(code), http_code_name(code),
	    text.len > 0 ? text : http_code_text(code), more);
}

void
http_answer_refuse(struct http_conn *conn, enum http_code code, struct bytes request_id,
    bool is_head)
{
	struct http_server *server = conn->server;
	struct http_answer answer = { .must_close = true };

	if (http_code_status(code) == 503)
		answer.retry_after_s = server->limits.retry_after_s;
	server->current = (struct http_current){
		.conn = conn,
		.request_id =
		    http_field_is_id(request_id) ? request_id : http_answer_new_id(server),
		.is_head = is_head,
	};
	http_answer_code(conn, code, (struct bytes){ NULL, 0 }, &answer);
	server->current.conn = NULL;
}

int
http_answer_route(struct http_conn *conn, const struct http_route *table, size_t n,
    const struct http_head *head)
{
	struct http_answer answer = { 0 };
	struct http_route_match match;

	switch (http_route_find(table, n, head->method, head->path, &match)) {
	case HTTP_ROUTE_OK:
		return match.id;
	case HTTP_ROUTE_NOT_FOUND:
		http_answer_code(conn, HTTP_CODE_NOT_FOUND, bytes_of(NULL, 0), NULL);
		return -1;
	case HTTP_ROUTE_NOT_ALLOWED:
		answer.allow = bytes_of(match.allow, match.allow_len);
		http_answer_code(conn, HTTP_CODE_METHOD_NOT_ALLOWED, bytes_of(NULL, 0), &answer);
		return -1;
	case HTTP_ROUTE_OPTIONS:
		answer.status = 204;
		answer.allow = bytes_of(match.allow, match.allow_len);
		http_answer(conn, &answer, NULL, 0);
		return -1;
	}
	return -1;
}
