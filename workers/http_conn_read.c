/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_conn_read - from the socket to the handler
 *
 * DESCRIPTION
 *	A connection without an unfinished request reads into the process's
 *	scratch and its requests are handled there, in place.  Only a leftover is
 *	copied into a buffer of its own; it goes back to the front of the
 *	scratch at the next read, unless it has grown large: then the rest is read
 *	straight behind it.  The head is parsed again when its body is
 *	complete, so that nothing but bytes need keeping in between.
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/http_conn.h"

#include "common/panic.h"

#include <errno.h>
#include <sys/socket.h>

enum step { STEP_DONE = 0, STEP_MORE, STEP_STOP };

/* Bytes that are being taken apart. */
struct span {
	uint8_t *ptr;
	size_t len;
};

/* Answer `code` to the request in server->head and take nothing more. */
static void
refuse(struct http_conn *conn, enum http_code code)
{
	struct http_server *server = conn->server;
	const struct http_head *head = &server->head;

	if (conn->is_closing)
		return;
	if (http_code_status(code) != 408 && http_code_status(code) != 503)
		server->counters.parse_errors++;
	if (code == HTTP_CODE_MEMORY_LIMIT)
		server->counters.memory_refused++;
	http_answer_refuse(conn, code, head->request_id, head->method == HTTP_METHOD_HEAD);
	conn->may_have_more = true;
	http_pool_release(&server->pool, &conn->in);
}

void
http_conn_read_refuse(struct http_conn *conn, enum http_code code)
{
	/* What the last parse left may be another connection's. */
	conn->server->head.request_id = (struct bytes){ NULL, 0 };
	conn->server->head.method = HTTP_METHOD_NONE;
	refuse(conn, code);
}

/* ---- One request --------------------------------------------------------- */

/* server->head is this request's; is_last: nothing follows it in the buffer. */
static enum step
handle(struct http_conn *conn, struct bytes body, bool is_last)
{
	struct http_server *server = conn->server;
	const struct http_head *head = &server->head;
	struct http_request request = {
		.head = head,
		.request_id = head->request_id,
		.listener_id = conn->listener_id,
	};

	conn->phase = HTTP_CONN_PHASE_HEAD;
	conn->mark = (struct http_mark){ 0 };
	if (server->pool.used_bytes > server->limits.buffered_bytes) {
		refuse(conn, HTTP_CODE_MEMORY_LIMIT);
		return STEP_STOP;
	}
	if (!http_field_is_id(request.request_id))
		request.request_id = http_answer_new_id(server);
	server->current = (struct http_current){
		.conn = conn,
		.request_id = request.request_id,
		.is_head = head->method == HTTP_METHOD_HEAD,
		.must_close = !head->is_keep_alive || (server->is_draining && is_last),
	};
	server->counters.requests++;
	server->callbacks->request(server->ctx, conn, &request, body);
	assert_that(server->current.is_done);
	server->current.conn = NULL;
	if (!conn->is_closing)
		return STEP_DONE;
	/* Nothing after the last answer is looked at (RFC 9112 section 9.6). */
	if (!is_last || head->is_keep_alive)
		conn->may_have_more = true;
	return STEP_STOP;
}

/* The head is complete and its body is not: the client may be waiting for leave. */
static enum step
await_body(struct http_conn *conn, enum http_conn_phase phase, bool has_begun)
{
	struct http_server *server = conn->server;

	conn->phase = (uint8_t)phase;
	conn->body_start_ms = server->now_ms;
	/* RFC 9110 section 10.1.1.  It takes its place in the stream of answers. */
	if (server->head.expects_continue && !has_begun)
		http_out_lit(&server->out, "HTTP/1.1 100 Continue\r\n\r\n");
	return STEP_MORE;
}

/* The head again, now that the body is there.  It was good before. */
static void
reparse(struct http_conn *conn, const struct span *span)
{
	struct http_mark mark = { 0 };

	if (http_parse(&conn->server->head, &mark, span->ptr, conn->head_len,
		&conn->server->limits) != HTTP_PARSE_OK)
		PANIC("a head that was good is no longer: head_len=%u", conn->head_len);
}

/* Decode what lies behind the head and the content so far.  On STEP_MORE all of
 * it has been taken and span->len is the shorter, decoded length. */
static enum step
step_chunked(struct http_conn *conn, struct span *span, size_t *used, bool is_again)
{
	struct http_server *server = conn->server;
	size_t at = conn->head_len + (size_t)conn->body_len, got, taken;
	enum http_chunk_result result;

	result = http_chunk_decode(&conn->chunk, span->ptr + at, &got, span->ptr + at,
	    span->len - at, &taken, &server->limits);
	conn->body_len += got;
	if (result == HTTP_CHUNK_MORE) {
		span->len = conn->head_len + (size_t)conn->body_len;
		return STEP_MORE;
	}
	if (is_again)
		reparse(conn, span);
	if (result == HTTP_CHUNK_BAD) {
		refuse(conn, (enum http_code)conn->chunk.code);
		return STEP_STOP;
	}
	*used = at + taken;
	return handle(conn, bytes_of(span->ptr + conn->head_len, (size_t)conn->body_len),
	    *used == span->len);
}

static enum step
step_head(struct http_conn *conn, struct span *span, size_t *used)
{
	struct http_server *server = conn->server;
	struct http_head *head = &server->head;
	bool has_begun;

	switch (http_parse(head, &conn->mark, span->ptr, span->len, &server->limits)) {
	case HTTP_PARSE_OK:
		break;
	case HTTP_PARSE_MORE:
		return STEP_MORE;
	case HTTP_PARSE_BAD:
		refuse(conn, head->code);
		return STEP_STOP;
	}
	conn->head_len = head->head_len;
	has_begun = span->len > head->head_len;
	switch (head->framing) {
	case HTTP_FRAMING_NONE:
		*used = head->head_len;
		return handle(conn, bytes_of(span->ptr + *used, 0), *used == span->len);
	case HTTP_FRAMING_LENGTH:
		conn->body_len = head->content_length;
		if (span->len - head->head_len < head->content_length)
			return await_body(conn, HTTP_CONN_PHASE_LENGTH, has_begun);
		*used = head->head_len + (size_t)head->content_length;
		return handle(conn,
		    bytes_of(span->ptr + head->head_len, (size_t)head->content_length),
		    *used == span->len);
	case HTTP_FRAMING_CHUNKED:
		break;
	}
	conn->body_len = 0;
	conn->chunk = (struct http_chunk){ 0 };
	switch (step_chunked(conn, span, used, false)) {
	case STEP_DONE:
		return STEP_DONE;
	case STEP_MORE:
		return await_body(conn, HTTP_CONN_PHASE_CHUNKED, has_begun);
	case STEP_STOP:
		break;
	}
	return STEP_STOP;
}

/* Take one request off the front of the span.  STEP_DONE: *used bytes were it. */
static enum step
step(struct http_conn *conn, struct span *span, size_t *used)
{
	switch ((enum http_conn_phase)conn->phase) {
	case HTTP_CONN_PHASE_HEAD:
		return step_head(conn, span, used);
	case HTTP_CONN_PHASE_CHUNKED:
		return step_chunked(conn, span, used, true);
	case HTTP_CONN_PHASE_LENGTH:
		break;
	}
	if (span->len - conn->head_len < conn->body_len)
		return STEP_MORE;
	reparse(conn, span);
	*used = conn->head_len + (size_t)conn->body_len;
	return handle(conn, bytes_of(span->ptr + conn->head_len, (size_t)conn->body_len),
	    *used == span->len);
}

/* ---- One read ------------------------------------------------------------ */

static bool
is_large(const struct http_conn *conn)
{
	switch ((enum http_conn_phase)conn->phase) {
	case HTTP_CONN_PHASE_HEAD:
		return false;
	case HTTP_CONN_PHASE_LENGTH:
		return conn->head_len + conn->body_len > HTTP_CONN_SMALL;
	case HTTP_CONN_PHASE_CHUNKED:
		break;
	}
	return conn->in.len > HTTP_CONN_SMALL;
}

/* Room for an unfinished body of announced length of which `len` bytes are here.  It
 * grows with what has come, not with what was announced: announcing costs a client nothing. */
static size_t
room_for_body(const struct http_conn *conn, size_t len)
{
	size_t all = conn->head_len + (size_t)conn->body_len;
	size_t want = len * 2 + HTTP_CONN_SCRATCH;

	return want > all || want * 2 > all ? all : want;
}

/* Keep what was not handled; it may lie in the connection's buffer already. */
static void
keep(struct http_conn *conn, const uint8_t *ptr, size_t len)
{
	struct http_server *server = conn->server;
	struct http_block *in = &conn->in;
	size_t want = len;

	if (len == 0) {
		http_pool_release(&server->pool, in);
		return;
	}
	if (in->ptr != NULL && ptr >= in->ptr && ptr < in->ptr + in->cap) {
		if (ptr == in->ptr || len > HTTP_CONN_SMALL || in->cap <= HTTP_CONN_SMALL) {
			memmove(in->ptr, ptr, len);
			in->len = len;
			return;
		}
		/* A few bytes must not keep the buffer of a large request. */
		memcpy(server->scratch, ptr, len);
		ptr = server->scratch;
		http_pool_release(&server->pool, in);
	}
	in->len = 0;
	/* The rest of a large body will be read behind it: make that room at once. */
	if (conn->phase == HTTP_CONN_PHASE_LENGTH && is_large(conn))
		want = room_for_body(conn, len);
	if (server->pool.used_bytes + want > server->limits.buffered_bytes)
		want = len;
	if ((len > in->cap && server->pool.used_bytes + len > server->limits.buffered_bytes) ||
	    http_pool_reserve(&server->pool, in, want) == -1) {
		http_conn_read_refuse(conn, HTTP_CODE_MEMORY_LIMIT);
		return;
	}
	memcpy(in->ptr, ptr, len);
	in->len = len;
}

/* Handle every complete request in the span, then send what they answered. */
static void
take(struct http_conn *conn, uint8_t *ptr, size_t len)
{
	struct http_server *server = conn->server;
	struct span span = { ptr, len };
	enum step result = STEP_DONE;
	size_t used;
	bool has_served = false;

	while (result == STEP_DONE && span.len > 0 && http_conn_may_take(conn)) {
		used = 0;
		result = step(conn, &span, &used);
		if (result == STEP_DONE) {
			span.ptr += used;
			span.len -= used;
		}
		has_served |= result != STEP_MORE;
	}
	if (has_served && server->callbacks->batch_end != NULL)
		server->callbacks->batch_end(server->ctx);
	if (conn->is_closing)
		http_pool_release(&server->pool, &conn->in);
	else
		keep(conn, span.ptr, span.len);
	if (!conn->is_closing && !http_conn_may_take(conn)) {
		conn->is_paused = true;
		server->counters.read_paused++;
	}
	http_conn_write_commit(conn);
	http_conn_update(conn, has_served || conn->phase != HTTP_CONN_PHASE_HEAD);
}

/* Room behind a large unfinished request. */
static int
grow(struct http_conn *conn, size_t *room)
{
	struct http_server *server = conn->server;
	struct http_block *in = &conn->in;
	size_t want = in->len * 2 + HTTP_CONN_SCRATCH;

	if (conn->phase == HTTP_CONN_PHASE_LENGTH) {
		want = room_for_body(conn, in->len);
		*room = conn->head_len + (size_t)conn->body_len - in->len;
	} else {
		*room = HTTP_CONN_SCRATCH;
		if (in->cap - in->len >= HTTP_CONN_SMALL)
			want = in->cap;
	}
	if (in->cap - in->len < HTTP_CONN_SMALL && want > in->cap) {
		if (server->pool.used_bytes + (want - in->cap) > server->limits.buffered_bytes ||
		    http_pool_reserve(&server->pool, in, want) == -1)
			return -1;
	}
	if (*room > in->cap - in->len)
		*room = in->cap - in->len;
	return 0;
}

/* A reply, an error or the end; true if there are bytes. */
static bool
receive(struct http_conn *conn, uint8_t *ptr, size_t room, size_t *len)
{
	ssize_t n;

	do {
		n = recv(conn->fd, ptr, room, 0);
	} while (n == -1 && errno == EINTR);
	conn->server->counters.reads++;
	if (n > 0) {
		conn->server->counters.bytes_in += (uint64_t)n;
		conn->is_fresh = false;
		*len = (size_t)n;
		return true;
	}
	if (n == -1) {
		if (errno != EAGAIN && errno != EWOULDBLOCK)
			http_conn_close(conn);
		return false;
	}
	/* Whole requests before the end still get their answers. */
	conn->is_eof = true;
	http_pool_release(&conn->server->pool, &conn->in);
	if (conn->is_lingering)
		http_conn_close(conn);
	else
		http_conn_update(conn, false);
	return false;
}

static void
linger(struct http_conn *conn)
{
	size_t n;

	if (!receive(conn, conn->server->scratch, HTTP_CONN_SCRATCH, &n))
		return;
	conn->linger_bytes += n;
	if (conn->linger_bytes > conn->server->limits.linger_bytes)
		http_conn_close(conn);
}

/* A body that trickles is not saved by its progress. */
static bool
is_body_late(const struct http_conn *conn)
{
	const struct http_server *server = conn->server;

	return conn->phase != HTTP_CONN_PHASE_HEAD &&
	    server->now_ms - conn->body_start_ms >= server->limits.body_timeout_ms;
}

void
http_conn_read_ready(struct http_conn *conn)
{
	struct http_server *server = conn->server;
	struct http_block *in = &conn->in;
	size_t n, room, before = in->len;

	if (conn->is_lingering) {
		linger(conn);
		return;
	}
	if (is_body_late(conn)) {
		http_conn_expire(conn);
		return;
	}
	if (is_large(conn)) {
		if (grow(conn, &room) == -1) {
			reparse(conn, &(struct span){ in->ptr, in->len });
			refuse(conn, HTTP_CODE_MEMORY_LIMIT);
			http_conn_write_commit(conn);
			http_conn_update(conn, true);
		} else if (receive(conn, in->ptr + in->len, room, &n)) {
			in->len += n;
			take(conn, in->ptr, in->len);
		}
		return;
	}
	assert_that(before < HTTP_CONN_SCRATCH);
	if (receive(conn, server->scratch + before, HTTP_CONN_SCRATCH - before, &n)) {
		if (before > 0)
			memcpy(server->scratch, in->ptr, before);
		take(conn, server->scratch, before + n);
	}
}

void
http_conn_read_resume(struct http_conn *conn)
{
	struct http_block *in = &conn->in;

	/* What stays behind is never longer than the scratch unless it is one
	 * large request, which lies in its own buffer. */
	if (is_large(conn) || in->len > HTTP_CONN_SCRATCH) {
		take(conn, in->ptr, in->len);
		return;
	}
	memcpy(conn->server->scratch, in->ptr, in->len);
	take(conn, conn->server->scratch, in->len);
}
