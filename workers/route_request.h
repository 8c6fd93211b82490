/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_request - a job on its way: its headers, its signature, its packed body
 *
 * DESCRIPTION
 *	As many requests as may be under way at a time are made once and used
 *	again and again.  Each has these headers, then those of the
 *	configuration, which replace one of the same name:
 *
 *	Content-Type		application/json or application/x-ndjson
 *	Content-Encoding	gzip, when bodies are packed
 *	Idempotency-Key		the same whenever these events come again
 *	webhook-id		the same without dots; with the next two when there is a secret
 *	webhook-timestamp	seconds, of this attempt
 *	webhook-signature	of id, timestamp and the body before it was packed
 *	Sluice-Receipt		of the first event, or first-last/number-sum
 *	Sluice-Attempt		from 1
 *	traceparent		that of the event, when its request had one
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_ROUTE_REQUEST_H
#define WORKERS_ROUTE_REQUEST_H

#include "workers/curl_loop.h"
#include "workers/route_job.h"
#include "workers/route_sign.h"

#include <zlib.h>

#define ROUTE_REQUEST_FIELDS 9
#define ROUTE_REQUEST_TEXT   (6 * ROUTE_KEY_SIZE)

/* What all requests of a route have in common. */
struct route_form {
	const struct config_sink *cfg;
	const char *instance;
	struct route_sign *sign; /* NULL: not signed */
	struct curl_slist *own;  /* headers of the configuration */
	bool has_own_type;       /* Content-Type is one of them */
	bool is_packed;
	z_stream pack;
};

struct route;

struct route_request {
	struct route *route;
	struct route_request *next_idle;
	struct route_job *job; /* NULL: idle */
	struct curl_call *call;
	uint64_t since_ns;
	bool is_probe; /* the one that may go while the breaker is not closed */
	size_t body_bytes, wire_bytes;
	int server; /* whom it went to */
	struct curl_slist field[ROUTE_REQUEST_FIELDS];
	unsigned fields;
	char text[ROUTE_REQUEST_TEXT];
	size_t text_len;
	struct bytes piece[3];
	size_t pieces;
	uint8_t *packed;
	size_t packed_size;
};

/* fatal() with one line when a secret cannot be read. */
void route_form_open(struct route_form *form, const struct config_sink *cfg);
void route_form_close(struct route_form *form);

/*
 * Headers and body of rq->job, as they are to go now.  What rq points to stays as
 * long as the job.  0, or -1: no memory.
 */
int route_request_make(struct route_form *form, const struct route_pool *pool,
    struct route_request *rq, uint64_t wall_ns);

#endif
