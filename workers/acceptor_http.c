/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	acceptor_http - what each path of the intake answers
 *
 * PROCESS
 *	http N.
 *
 * SHARED STATE
 *	By admit.c only.
 */
#include "workers/acceptor.h"

#include "common/clock.h"
#include "common/http_media.h"
#include "common/http_query.h"
#include "common/http_route.h"
#include "shm/word.h"

#include <stdio.h>

/* A printed key: two strings of 256 bytes, each byte at most six when escaped. */
#define KEY_PRINTED_MAX 4096
/* Held answers outlive their connections, so the cap on those does not bound them. */
#define HELD_PER_CONNECTION 4

enum route { ROUTE_EVENTS_POST, ROUTE_BATCH, ROUTE_EVENTS_GET, ROUTE_RECEIPT, ROUTE_HEALTH };

static const struct http_route routes[] = {
	{ HTTP_METHOD_POST, "/events", ROUTE_EVENTS_POST },
	{ HTTP_METHOD_POST, "/events/batch", ROUTE_BATCH },
	{ HTTP_METHOD_GET, "/events", ROUTE_EVENTS_GET },
	{ HTTP_METHOD_GET, "/events/receipts/:receipt", ROUTE_RECEIPT },
	{ HTTP_METHOD_GET, "/health", ROUTE_HEALTH },
};

struct admit_request
acceptor_http_shared(struct acceptor *a, struct http_conn *conn, const struct http_request *rq)
{
	size_t len = 0;

	a->slot.claimer.patience_ns = DEDUP_PATIENCE_NS;
	if (a->cfg->attributes != CONFIG_ATTRIBUTES_NONE)
		len = frame_attr_put(a->attrs, len, sizeof a->attrs, FRAME_ATTR_REQUEST_ID,
		    rq->request_id);
	if (a->cfg->attributes != CONFIG_ATTRIBUTES_NONE && rq->head->traceparent.len > 0)
		len = frame_attr_put(a->attrs, len, sizeof a->attrs, FRAME_ATTR_TRACEPARENT,
		    rq->head->traceparent);
	if (a->cfg->attributes == CONFIG_ATTRIBUTES_ALL) {
		len = frame_attr_put(a->attrs, len, sizeof a->attrs, FRAME_ATTR_CLIENT_ADDRESS,
		    http_conn_peer(conn));
		len = frame_attr_put(a->attrs, len, sizeof a->attrs, FRAME_ATTR_USER_AGENT,
		    rq->head->user_agent);
	}
	return (struct admit_request){ .listener = rq->listener_id,
		.recv_ns = clock_wall_ns(),
		.tick = dedup_tick(&a->slot.claimer.table, clock_boot_ns()),
		.attrs = a->attrs,
		.attrs_len = (uint32_t)len };
}

/* The level this request is answered at, or -1 when the answer went out. */
static int
ask_ack(struct acceptor *a, struct http_conn *conn, const struct http_request *rq)
{
	struct bytes asked = rq->head->ack;
	uint8_t buf[16];
	enum config_ack ack;

	if (rq->head->query.len > 0) {
		struct bytes in_query;

		switch (http_query_find(rq->head->query, "ack", buf, sizeof buf, &in_query)) {
		case HTTP_QUERY_OK:
			asked = in_query;
			break;
		case HTTP_QUERY_ABSENT:
			break;
		case HTTP_QUERY_LONG:
			asked = BYTES_LIT("?");
			break;
		case HTTP_QUERY_BAD:
		case HTTP_QUERY_REPEATED:
			http_answer_code(conn, HTTP_CODE_BAD_QUERY, bytes_of(NULL, 0), NULL);
			return -1;
		}
	}
	if (asked.ptr == NULL)
		return (int)a->cfg->ack;
	if (bytes_is(asked, BYTES_LIT("memory"))) {
		ack = CONFIG_ACK_MEMORY;
	} else if (bytes_is(asked, BYTES_LIT("durable"))) {
		ack = CONFIG_ACK_DURABLE;
	} else if (bytes_is(asked, BYTES_LIT("delivered"))) {
		ack = CONFIG_ACK_DELIVERED;
	} else {
		http_answer_error(conn, 400, BYTES_LIT("bad_ack"),
		    BYTES_LIT("The ack level must be memory, durable or delivered."), NULL);
		return -1;
	}
	if (ack > a->cfg->max_ack) {
		http_answer_error(conn, 400, BYTES_LIT("ack_not_offered"),
		    BYTES_LIT("This listener does not offer that ack level; leave ack out or ask "
			      "for a weaker one."),
		    NULL);
		return -1;
	}
	/* A stronger promise than asked for is kept, and named in the answer. */
	return (int)(ack < a->cfg->min_ack ? a->cfg->min_ack : ack);
}

/* May intake be tried at this level now?  If not, the answer went out. */
static bool
is_open_for(struct acceptor *a, struct http_conn *conn, enum config_ack ack)
{
	const struct journal_part *journal = a->worker->env->region->journal;
	const struct http_answer soon = { .retry_after_s = 1 };
	enum layout_trouble trouble;
	uint64_t stopped;
	char text[256];

	if (!a->is_admitting) {
		http_answer_error(conn, 503, BYTES_LIT("starting"),
		    BYTES_LIT("The service is starting; send the request again in a second."),
		    &soon);
		return false;
	}
	stopped = word_load(&journal->intake_stop);
	if (stopped != 0 && stopped <= SINK_PART_MAX) {
		(void)snprintf(text, sizeof text,
		    "The sink %.40s must have every event and is too far behind; send the request "
		    "again later.",
		    a->worker->env->region->header->sink_name[stopped - 1].name);
		http_answer_error(conn, 503, BYTES_LIT("sink_behind"), bytes_str(text), &soon);
		return false;
	}
	if (ack < CONFIG_ACK_DURABLE)
		return true;
	if (http_server_counters(a->server)->held_now >=
	    (uint64_t)a->cfg->max_connections * HELD_PER_CONNECTION) {
		http_answer_error(conn, 503, BYTES_LIT("durable_unavailable"),
		    BYTES_LIT("Too many answers wait for the log already; send the request again "
			      "later."),
		    &soon);
		return false;
	}
	trouble = (enum layout_trouble)word_load(&journal->trouble);
	if (trouble == LAYOUT_TROUBLE_NONE)
		return true;
	(void)snprintf(text, sizeof text,
	    "The log cannot be written now (%s: %s), so nothing can be made durable; send the "
	    "request again later.",
	    layout_trouble_name(trouble),
	    strerror((int)word_load(&journal->trouble_errno)));
	http_answer_error(conn, 503, BYTES_LIT("durable_unavailable"), bytes_str(text), &soon);
	return false;
}

uint64_t
acceptor_http_join(struct acceptor *a, struct http_conn *conn, enum config_ack *ack,
    uint64_t events, bool has_duplicate)
{
	int waits = http_conn_wait(conn);

	/* Answers of one connection go out in order, so all that wait at one time
	 * wait for the same: behind one that waits for delivery, durable waits
	 * too; behind one that waits for the log, only for the log. */
	if (*ack == CONFIG_ACK_DELIVERED && waits == ACK_LEVEL_DURABLE)
		*ack = CONFIG_ACK_DURABLE;
	if (*ack == CONFIG_ACK_DELIVERED || waits == ACK_LEVEL_DELIVERED)
		return ack_wait_join(&a->delivered, events, has_duplicate);
	return ack_wait_join(&a->wait, events, has_duplicate);
}

static const unsigned ack_counter[] = {
	[CONFIG_ACK_MEMORY] = counter_id(STREAM, ack_memory),
	[CONFIG_ACK_DURABLE] = counter_id(STREAM, ack_durable),
	[CONFIG_ACK_DELIVERED] = counter_id(STREAM, ack_delivered),
};

static void
answer_single(struct acceptor *a, struct http_conn *conn, const struct admit_event *e,
    enum config_ack ack)
{
	bool is_dup = e->verdict == VERDICT_DUPLICATE;
	struct http_answer answer = { .status = (uint16_t)verdict_http(e->verdict),
		.tag = ACCEPTOR_TAG_SINGLE };
	struct http_out *out;
	struct json_out j;

	/* With claims in Redis the first of its kind may be another node's, whose
	 * delivery nobody here knows of. */
	if (ack == CONFIG_ACK_DELIVERED && is_dup && a->sinks.claimer != NULL)
		ack = CONFIG_ACK_DURABLE;
	if (ack >= CONFIG_ACK_DURABLE)
		answer.ticket = acceptor_http_join(a, conn, &ack, 1, is_dup);
	out = http_answer_begin(conn, &answer);
	j = json_out_on(http_out_reserve(out, KEY_PRINTED_MAX), KEY_PRINTED_MAX);
	if (is_dup)
		json_out_lit(&j, "{\"status\":\"duplicate\",\"eventKey\":\"");
	else
		json_out_lit(&j, "{\"status\":\"accepted\",\"eventKey\":\"");
	event_key_print(&j, &e->event);
	if (!is_dup) {
		json_out_lit(&j, "\",\"receipt\":\"");
		json_out_raw(&j, bytes_of(a->receipt_prefix, a->receipt_prefix_len));
		json_out_u64(&j, e->pos);
	}
	json_out_lit(&j, "\",\"ack\":\"");
	json_out_raw(&j, bytes_str(config_ack_word(ack)));
	json_out_lit(&j, "\"}");
	out->len += j.len;
	http_answer_end(conn);
}

/* An answer that says no: invalid or retry, with code, sentence and pointer. */
static void
answer_refused(struct http_conn *conn, const struct http_request *rq, const struct admit_event *e)
{
	struct http_answer answer = { .status = (uint16_t)verdict_http(e->verdict) };
	const char *code, *text, *pointer = "";
	struct http_out *out;

	if (e->verdict == VERDICT_INVALID) {
		answer.status = (uint16_t)event_code_http(e->error.code);
		code = event_code_name(e->error.code);
		text = e->error.message;
		pointer = e->error.pointer;
	} else {
		answer.retry_after_s = 1;
		code = admit_retry_code(e->retry);
		text = admit_retry_text(e->retry);
	}
	out = http_answer_begin(conn, &answer);
	http_out_lit(out, "{\"status\":");
	http_out_json(out, bytes_str(verdict_word(e->verdict)));
	http_out_lit(out, ",\"message\":");
	http_out_json(out, bytes_str(text));
	http_out_lit(out, ",\"error\":{\"code\":");
	http_out_json(out, bytes_str(code));
	http_out_lit(out, ",\"message\":");
	http_out_json(out, bytes_str(text));
	http_out_lit(out, ",\"pointer\":");
	http_out_json(out, bytes_str(pointer));
	http_out_lit(out, "},\"requestId\":");
	http_out_json(out, rq->request_id);
	http_out_lit(out, "}");
	http_answer_end(conn);
}

static void
post_event(struct acceptor *a, struct http_conn *conn, const struct http_request *rq,
    struct bytes body)
{
	enum http_media media = http_media_of(rq->head->content_type);
	struct admit_request shared;
	struct admit_event e;
	int ack;

	if (media != HTTP_MEDIA_JSON && media != HTTP_MEDIA_NONE) {
		http_answer_code(conn, HTTP_CODE_UNSUPPORTED_MEDIA_TYPE,
		    BYTES_LIT("Send one event as Content-Type: application/json."), NULL);
		return;
	}
	ack = ask_ack(a, conn, rq);
	if (ack == -1 || !is_open_for(a, conn, (enum config_ack)ack))
		return;
	shared = acceptor_http_shared(a, conn, rq);
	counters_add(a->slot.page->counter, counter_id(STREAM, received_bytes), body.len);
	switch (admit_event(&a->admit, &shared, body, &e)) {
	case VERDICT_ACCEPTED:
		a->has_put = true;
		answer_single(a, conn, &e, (enum config_ack)ack);
		break;
	case VERDICT_DUPLICATE:
		answer_single(a, conn, &e, (enum config_ack)ack);
		break;
	default:
		a->has_put |= a->admit.keeps_invalid && e.verdict == VERDICT_INVALID;
		answer_refused(conn, rq, &e);
		return;
	}
	counters_add(a->slot.page->counter, ack_counter[ack], 1);
}

static void
post_batch(struct acceptor *a, struct http_conn *conn, const struct http_request *rq,
    struct bytes body)
{
	int ack = ask_ack(a, conn, rq);

	if (ack != -1 && is_open_for(a, conn, (enum config_ack)ack))
		acceptor_batch(a, conn, rq, body, (enum config_ack)ack);
}

static void
get_events(struct acceptor *a, struct http_conn *conn)
{
	static const char endpoints[] =
	    "\"endpoints\":["
	    "{\"method\":\"POST\",\"path\":\"/events\",\"takes\":\"one event as a JSON object\"},"
	    "{\"method\":\"POST\",\"path\":\"/events/batch\",\"takes\":\"a JSON array or NDJSON "
	    "of events\"},"
	    "{\"method\":\"GET\",\"path\":\"/events\",\"gives\":\"this list\"},"
	    "{\"method\":\"GET\",\"path\":\"/events/receipts/{receipt}\",\"gives\":\"what "
	    "became of an event\"},"
	    "{\"method\":\"GET\",\"path\":\"/health\",\"gives\":\"status, uptime, version\"}]}";
	struct http_out *out = http_answer_begin(conn, &(struct http_answer){ .status = 200 });

	http_out_lit(out, "{\"service\":\"sluice\",\"version\":\"" SLUICE_VERSION "\",\"status\":");
	http_out_json(out, bytes_str(a->is_admitting ? "running" : "starting"));
	http_out_lit(out, ",\"ack\":{\"default\":");
	http_out_json(out, bytes_str(config_ack_word(a->cfg->ack)));
	http_out_lit(out, ",\"min\":");
	http_out_json(out, bytes_str(config_ack_word(a->cfg->min_ack)));
	http_out_lit(out, ",\"max\":");
	http_out_json(out, bytes_str(config_ack_word(a->cfg->max_ack)));
	http_out_lit(out, "},\"limits\":{\"batch\":");
	http_out_u64(out, (uint64_t)a->cfg->max_batch);
	http_out_lit(out, ",\"eventBytes\":");
	http_out_u64(out, a->cfg->max_event_bytes);
	http_out_lit(out, ",\"bodyBytes\":");
	http_out_u64(out, a->cfg->max_body_bytes);
	http_out_lit(out, "},");
	http_out_bytes(out, endpoints, sizeof endpoints - 1);
	http_answer_end(conn);
}

static void
get_health(struct acceptor *a, struct http_conn *conn)
{
	const struct journal_part *journal = a->worker->env->region->journal;
	uint64_t trouble = word_load(&journal->trouble);
	uint64_t now = clock_wall_ns();
	const char *status = !a->is_admitting	      ? "starting"
	    : a->worker->draining		      ? "draining"
	    : trouble != LAYOUT_TROUBLE_NONE ? "degraded"
					     : "ok";
	struct http_answer answer = { .status = a->is_admitting ? 200 : 503,
		.retry_after_s = a->is_admitting ? 0 : 1 };
	struct http_out *out = http_answer_begin(conn, &answer);
	struct json_out j;

	http_out_lit(out, "{\"status\":");
	http_out_json(out, bytes_str(status));
	http_out_lit(out, ",\"timestamp\":");
	j = json_out_on(http_out_reserve(out, 64), 64);
	json_out_time_ms(&j, (int64_t)(now / CLOCK_NS_PER_MS));
	out->len += j.len;
	http_out_lit(out, ",\"uptime\":");
	http_out_u64(out, (now - a->started_ns) / CLOCK_NS_PER_S);
	http_out_lit(out, ",\"service\":\"sluice\",\"version\":\"" SLUICE_VERSION "\",\"log\":");
	http_out_json(out, bytes_str(layout_trouble_name((enum layout_trouble)trouble)));
	http_out_lit(out, "}");
	http_answer_end(conn);
}

void
acceptor_http_request(void *ctx, struct http_conn *conn, const struct http_request *rq,
    struct bytes body)
{
	struct acceptor *a = ctx;
	int id;

	worker_woke(a->worker);
	id = http_answer_route(conn, routes, sizeof routes / sizeof routes[0], rq->head);
	if (id == -1)
		return;
	switch ((enum route)id) {
	case ROUTE_EVENTS_POST:
		post_event(a, conn, rq, body);
		break;
	case ROUTE_BATCH:
		post_batch(a, conn, rq, body);
		break;
	case ROUTE_EVENTS_GET:
		get_events(a, conn);
		break;
	case ROUTE_RECEIPT:
		acceptor_receipt(a, conn, rq);
		break;
	case ROUTE_HEALTH:
		get_health(a, conn);
		break;
	}
}

void
acceptor_http_rewrite(void *ctx, struct http_conn *conn, const struct http_held *held)
{
	struct acceptor *a = ctx;
	struct http_answer answer = { .status = (uint16_t)verdict_http(VERDICT_UNKNOWN),
		.retry_after_s = 1 };
	struct http_out *out;

	if (held->tag == ACCEPTOR_TAG_RECEIPT) {
		acceptor_receipt_rewrite(a, conn, held);
		return;
	}
	if (a->rewrite != ACCEPTOR_UNKNOWN) {
		acceptor_rewrite_found(a, conn, held);
		return;
	}
	if (held->tag == ACCEPTOR_TAG_BATCH) {
		acceptor_batch_unknown(a, conn, held);
		return;
	}
	out = http_answer_begin(conn, &answer);
	http_out_lit(out,
	    "{\"status\":\"unknown\",\"message\":\"" ADMIT_UNKNOWN_TEXT
	    "\",\"error\":{\"code\":\"durable_unknown\",\"message\":\"" ADMIT_UNKNOWN_TEXT
	    "\",\"pointer\":\"\"},\"requestId\":");
	http_out_json(out, held->request_id);
	http_out_lit(out, "}");
	http_answer_end(conn);
}
