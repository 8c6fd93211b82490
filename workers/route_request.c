/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_request - a job on its way: its headers, its signature, its packed body
 *
 * DESCRIPTION
 *	See route_request.h.
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/route_request.h"

#include "common/clock.h"
#include "common/panic.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*---- What all have in common */

static void
open_own(struct route_form *form)
{
	static const char type[] = "Content-Type:";

	for (int i = 0; i < form->cfg->header.n; i++) {
		const char *line = form->cfg->header.at[i];

		form->own = curl_slist_append(form->own, line);
		if (form->own == NULL)
			fatal("no memory for headers");
		if (strncasecmp(line, type, sizeof type - 1) == 0)
			form->has_own_type = true;
	}
}

void
route_form_open(struct route_form *form, const struct config_sink *cfg)
{
	char why[256];

	memset(form, 0, sizeof *form);
	form->cfg = cfg;
	form->instance = "";
	if (cfg->secret_file[0] != '\0') {
		form->sign = route_sign_new();
		if (route_sign_load(form->sign, cfg->secret_file, why, sizeof why) == -1)
			fatal("sink %s: secret-file %s: %s", cfg->name, cfg->secret_file, why);
	}
	form->is_packed = cfg->compression == CONFIG_COMPRESSION_GZIP;
	/* 15 + 16: the greatest window, in gzip's wrapping. */
	if (form->is_packed && deflateInit2(&form->pack, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16,
				   8, Z_DEFAULT_STRATEGY) != Z_OK)
		fatal("sink %s: no memory to pack requests", cfg->name);
	open_own(form);
}

void
route_form_close(struct route_form *form)
{
	route_sign_free(form->sign);
	curl_slist_free_all(form->own);
	if (form->is_packed)
		(void)deflateEnd(&form->pack);
}

/*---- One request */

static void add_field(struct route_request *rq, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
add_field(struct route_request *rq, const char *fmt, ...)
{
	size_t room = sizeof rq->text - rq->text_len;
	struct curl_slist *f = &rq->field[rq->fields];
	va_list ap;
	int n;

	assert_that(rq->fields < ROUTE_REQUEST_FIELDS);
	va_start(ap, fmt);
	n = vsnprintf(rq->text + rq->text_len, room, fmt, ap);
	va_end(ap);
	assert_that(n > 0 && (size_t)n < room);
	f->data = rq->text + rq->text_len;
	f->next = NULL;
	if (rq->fields > 0)
		rq->field[rq->fields - 1].next = f;
	rq->fields++;
	rq->text_len += (size_t)n + 1;
}

static int
pack(struct route_form *form, struct route_request *rq)
{
	z_stream *z = &form->pack;
	size_t most;

	if (deflateReset(z) != Z_OK)
		return -1;
	most = deflateBound(z, rq->body_bytes);
	if (most > rq->packed_size) {
		uint8_t *p = realloc(rq->packed, most);

		if (p == NULL)
			return -1;
		rq->packed = p;
		rq->packed_size = most;
	}
	z->next_out = rq->packed;
	z->avail_out = (uInt)rq->packed_size;
	for (size_t i = 0; i < rq->pieces; i++) {
		bool is_last = i + 1 == rq->pieces;

		z->next_in = (Bytef *)(uintptr_t)rq->piece[i].ptr;
		z->avail_in = (uInt)rq->piece[i].len;
		if (deflate(z, is_last ? Z_FINISH : Z_NO_FLUSH) != (is_last ? Z_STREAM_END : Z_OK))
			return -1;
	}
	rq->piece[0] = bytes_of(rq->packed, rq->packed_size - z->avail_out);
	rq->pieces = 1;
	return 0;
}

static void
add_key(const struct route_form *form, struct route_job *job)
{
	if (job->key[0] != '\0')
		return;
	if (job->events == 1)
		route_key_receipt(job->key, sizeof job->key, form->instance, job->place[0]);
	else
		route_key_batch(job->key, sizeof job->key, form->instance, job->place, job->events);
}

static void
add_receipt(const struct route_form *form, struct route_request *rq)
{
	const struct route_job *job = rq->job;
	char receipt[128];

	if (job->events == 1)
		route_key_receipt(receipt, sizeof receipt, form->instance, job->place[0]);
	else
		route_key_batch(receipt, sizeof receipt, form->instance, job->place, job->events);
	add_field(rq, "Sluice-Receipt: %s", receipt);
}

static void
add_signature(const struct route_form *form, struct route_request *rq, uint64_t wall_ns)
{
	char id[3 * ROUTE_KEY_SIZE + 1], signature[ROUTE_SIGN_TEXT_SIZE];
	uint64_t now_s = wall_ns / CLOCK_NS_PER_S;

	if (form->sign == NULL)
		return;
	route_key_message_id(id, sizeof id, rq->job->key);
	route_sign_make(form->sign, id, now_s, rq->piece, rq->pieces, signature);
	add_field(rq, "webhook-id: %s", id);
	add_field(rq, "webhook-timestamp: %" PRIu64, now_s);
	add_field(rq, "webhook-signature: %s", signature);
}

int
route_request_make(struct route_form *form, const struct route_pool *pool, struct route_request *rq,
    uint64_t wall_ns)
{
	struct route_job *job = rq->job;

	rq->fields = 0;
	rq->text_len = 0;
	rq->pieces = route_job_body(pool, job, rq->piece);
	rq->body_bytes = 0;
	for (size_t i = 0; i < rq->pieces; i++)
		rq->body_bytes += rq->piece[i].len;
	add_key(form, job);
	add_field(rq, "Idempotency-Key: %s", job->key);
	add_signature(form, rq, wall_ns);
	add_receipt(form, rq);
	add_field(rq, "Sluice-Attempt: %u", job->failures + 1);
	if (job->traceparent[0] != '\0')
		add_field(rq, "traceparent: %s", job->traceparent);
	if (!form->has_own_type)
		add_field(rq, "Content-Type: %s",
		    pool->format == CONFIG_FORMAT_NDJSON ? "application/x-ndjson"
							 : "application/json");
	if (form->is_packed) {
		if (pack(form, rq) == -1)
			return -1;
		add_field(rq, "Content-Encoding: gzip");
	}
	rq->wire_bytes = 0;
	for (size_t i = 0; i < rq->pieces; i++)
		rq->wire_bytes += rq->piece[i].len;
	rq->field[rq->fields - 1].next = form->own;
	return 0;
}
