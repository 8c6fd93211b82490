/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	acceptor_batch - a batch: split it, decide each event, answer once
 *
 * DESCRIPTION
 *	The body is split whole before anything is admitted.  Then some events
 *	are read before the first of them is decided (admit.h says why), and
 *	each result is written straight into the connection's output.
 *
 * PROCESS
 *	http N.
 *
 * SHARED STATE
 *	By admit.c only.
 */
#include "workers/acceptor.h"
#include "workers/acceptor_text.h"

#include "common/clock.h"
#include "common/http_media.h"
#include "common/split.h"

#include <stdlib.h>

#define RESULT_MAX   8192 /* a result with the longest key, all of it escaped */

/* Split by content type; false: the answer went out. */
static bool
split_body(struct acceptor *a, struct http_conn *conn, const struct http_request *rq,
    struct bytes body, size_t *n)
{
	size_t max = (size_t)a->cfg->max_batch;
	enum split_result r;

	switch (http_media_of(rq->head->content_type)) {
	case HTTP_MEDIA_JSON:
	case HTTP_MEDIA_NONE:
		r = split_array(body, max, a->slices, n);
		break;
	case HTTP_MEDIA_NDJSON:
		r = split_lines(body, max, a->slices, n);
		break;
	default:
		http_answer_code(conn, HTTP_CODE_UNSUPPORTED_MEDIA_TYPE,
		    BYTES_LIT("Send a batch as a JSON array (Content-Type: application/json) or "
			      "one event a line (application/x-ndjson)."),
		    NULL);
		return false;
	}
	if (r == SPLIT_OK)
		return true;
	http_answer_error(conn, r == SPLIT_TOO_MANY ? 413 : 400, bytes_str(split_code(r)),
	    bytes_str(split_sentence(r)), NULL);
	return false;
}

static void
write_error(struct json_out *j, const char *code, const char *text, const char *pointer)
{
	json_out_lit(j, ",\"error\":{\"code\":");
	json_out_string(j, bytes_str(code));
	json_out_lit(j, ",\"message\":");
	json_out_string(j, bytes_str(text));
	json_out_lit(j, ",\"pointer\":");
	json_out_string(j, bytes_str(pointer));
	json_out_char(j, '}');
}

static void
write_result(const struct acceptor *a, struct http_out *out, const struct admit_event *e)
{
	struct json_out j = json_out_on(http_out_reserve(out, RESULT_MAX), RESULT_MAX);

	switch (e->verdict) {
	case VERDICT_ACCEPTED:
		json_out_lit(&j, ACCEPTOR_TEXT_OPEN "accepted\",\"eventKey\":\"");
		event_key_print(&j, &e->event);
		json_out_lit(&j, "\",\"receipt\":\"");
		json_out_raw(&j, bytes_of(a->receipt_prefix, a->receipt_prefix_len));
		json_out_u64(&j, e->pos);
		json_out_char(&j, '"');
		break;
	case VERDICT_DUPLICATE:
		json_out_lit(&j, ACCEPTOR_TEXT_OPEN "duplicate\",\"eventKey\":\"");
		event_key_print(&j, &e->event);
		json_out_char(&j, '"');
		break;
	case VERDICT_INVALID:
		json_out_lit(&j, ACCEPTOR_TEXT_OPEN "invalid\"");
		write_error(&j, event_code_name(e->error.code), e->error.message,
		    e->error.pointer);
		break;
	default:
		json_out_lit(&j, ACCEPTOR_TEXT_OPEN "retry\",\"eventKey\":\"");
		event_key_print(&j, &e->event);
		json_out_lit(&j, "\",\"retryAfterMs\":1000");
		write_error(&j, admit_retry_code(e->retry), admit_retry_text(e->retry), "");
		break;
	}
	json_out_char(&j, '}');
	out->len += j.len;
}

void
acceptor_text_end(struct http_out *out, const struct acceptor_tally *t, enum config_ack ack)
{
	struct json_out j = json_out_on(http_out_reserve(out, 512), 512);

	json_out_lit(&j, ACCEPTOR_TEXT_COUNTS);
	json_out_u64(&j, t->n[VERDICT_ACCEPTED]);
	json_out_lit(&j, ",\"duplicate\":");
	json_out_u64(&j, t->n[VERDICT_DUPLICATE]);
	json_out_lit(&j, ",\"invalid\":");
	json_out_u64(&j, t->n[VERDICT_INVALID]);
	json_out_lit(&j, ",\"retry\":");
	json_out_u64(&j, t->n[VERDICT_RETRY]);
	json_out_lit(&j, ",\"unknown\":");
	json_out_u64(&j, t->n[VERDICT_UNKNOWN]);
	json_out_lit(&j, ",\"ack\":");
	json_out_string(&j,
	    bytes_str(t->n[VERDICT_UNKNOWN] > 0 ? "none" : config_ack_word(ack)));
	json_out_lit(&j, ",\"timestamp\":");
	json_out_time_ms(&j, (int64_t)(clock_wall_ns() / CLOCK_NS_PER_MS));
	json_out_char(&j, '}');
	out->len += j.len;
}

enum verdict
acceptor_text_verdict(struct bytes word)
{
	for (int v = 0; v < VERDICTS; v++)
		if (bytes_is(word, bytes_str(verdict_word((enum verdict)v))))
			return (enum verdict)v;
	return VERDICT_RETRY;
}

static void
admit_all(struct acceptor *a, const struct admit_request *shared, size_t n, struct http_out *out,
    struct acceptor_tally *t)
{
	struct admit_event e[ADMIT_AHEAD];

	for (size_t i = 0; i < n; i += ADMIT_AHEAD) {
		size_t ahead = n - i < ADMIT_AHEAD ? n - i : ADMIT_AHEAD;

		for (size_t k = 0; k < ahead; k++)
			admit_read(&a->admit, a->slices[i + k], &e[k]);
		admit_fetch(&a->admit, e, ahead);
		for (size_t k = 0; k < ahead; k++) {
			t->n[admit_decide(&a->admit, shared, &e[k])]++;
			if (i + k > 0)
				http_out_byte(out, ',');
			write_result(a, out, &e[k]);
		}
	}
}

void
acceptor_batch(struct acceptor *a, struct http_conn *conn, const struct http_request *rq,
    struct bytes body, enum config_ack ack)
{
	struct http_answer answer = { .status = 200, .tag = ACCEPTOR_TAG_BATCH };
	struct acceptor_tally t = { { 0 } };
	struct admit_request shared;
	enum config_ack reached;
	struct http_out *out;
	size_t n;

	if (!split_body(a, conn, rq, body, &n))
		return;
	shared = acceptor_http_shared(a, conn, rq);
	counters_add(a->slot.page->counter, counter_id(STREAM, received_bytes), body.len);
	/* The head is written first, so the answer joins the group before its
	 * events are known; what they add to it is said below. */
	if (ack >= CONFIG_ACK_DURABLE)
		answer.ticket = acceptor_http_join(a, conn, &ack, 0, false);
	out = http_answer_begin(conn, &answer);
	http_out_lit(out, "{\"status\":\"batch_processed\",\"count\":");
	http_out_u64(out, n);
	http_out_lit(out, ",\"results\":[");
	admit_all(a, &shared, n, out, &t);
	reached = ack == CONFIG_ACK_DELIVERED && t.n[VERDICT_DUPLICATE] > 0 &&
		a->sinks.claimer != NULL
	    ? CONFIG_ACK_DURABLE
	    : ack;
	acceptor_text_end(out, &t, reached);
	if (ack >= CONFIG_ACK_DURABLE)
		(void)ack_wait_join(answer.ticket >> HTTP_WAIT_SHIFT == ACK_LEVEL_DELIVERED
			? &a->delivered
			: &a->wait,
		    t.n[VERDICT_ACCEPTED] + t.n[VERDICT_DUPLICATE], t.n[VERDICT_DUPLICATE] > 0);
	http_answer_end(conn);
	a->has_put |= t.n[VERDICT_ACCEPTED] > 0 ||
	    (a->admit.keeps_invalid && t.n[VERDICT_INVALID] > 0);
	counters_add(a->slot.page->counter,
	    ack == CONFIG_ACK_DELIVERED	    ? counter_id(STREAM, ack_delivered)
		: ack == CONFIG_ACK_DURABLE ? counter_id(STREAM, ack_durable)
					    : counter_id(STREAM, ack_memory),
	    1);
}

/*
 * The body is our own text, and `{"status":"` cannot stand inside one of its
 * strings, where a quote would be escaped.  So each result begins at that mark,
 * and its word is what follows.
 */
void
acceptor_batch_unknown(struct acceptor *a, struct http_conn *conn, const struct http_held *held)
{
	struct http_answer answer = { .status = (uint16_t)verdict_http(VERDICT_UNKNOWN),
		.retry_after_s = 1 };
	const uint8_t *at = held->body.ptr;
	const uint8_t *end = held->body.ptr + held->body.len;
	const size_t open = sizeof ACCEPTOR_TEXT_OPEN - 1;
	struct acceptor_tally t = { { 0 } };
	struct http_out *out = http_answer_begin(conn, &answer);
	const uint8_t *counts;
	bool is_head = true;

	(void)a;
	for (;;) {
		const uint8_t *next = memmem(at, (size_t)(end - at), ACCEPTOR_TEXT_OPEN, open);
		struct bytes word;

		if (next == NULL)
			break;
		next += open;
		http_out_bytes(out, at, (size_t)(next - at));
		at = next;
		if (is_head) { /* the batch's own status */
			is_head = false;
			continue;
		}
		word = bytes_of(at, (size_t)((const uint8_t *)memchr(at, '"', (size_t)(end - at)) -
				       at));
		if (bytes_is(word, BYTES_LIT("accepted")) ||
		    bytes_is(word, BYTES_LIT("duplicate"))) {
			http_out_lit(out, "unknown");
			at += word.len;
			t.n[VERDICT_UNKNOWN]++;
		} else {
			t.n[bytes_is(word, BYTES_LIT("invalid")) ? VERDICT_INVALID
								 : VERDICT_RETRY]++;
		}
	}
	counts = memmem(at, (size_t)(end - at), ACCEPTOR_TEXT_COUNTS,
	    sizeof ACCEPTOR_TEXT_COUNTS - 1);
	http_out_bytes(out, at, (size_t)((counts == NULL ? end : counts) - at));
	acceptor_text_end(out, &t, CONFIG_ACK_DURABLE);
	http_answer_end(conn);
}
