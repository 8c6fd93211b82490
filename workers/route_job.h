/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_job - events that travel in one request, and how often they have tried
 *
 * DESCRIPTION
 *	A job holds copies of its events, one behind the other with what parts
 *	them in between (',' in an array, a newline in ndjson), so that its body
 *	is one piece of memory however often it goes.  Its tickets follow each
 *	other.  A job of several can be split in two halves.
 *
 *	Jobs come from a pool; a pool keeps the memory of small ones.
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_ROUTE_JOB_H
#define WORKERS_ROUTE_JOB_H

#include "common/config.h"
#include "workers/route_key.h"

#include <sys/queue.h>

#define ROUTE_JOB_KEPT_BYTES   65536 /* greater buffers are given back */
#define ROUTE_TRACEPARENT_SIZE 64

struct route_job {
	TAILQ_ENTRY(route_job) link;
	uint64_t ticket; /* of the first */
	unsigned events;
	unsigned attempts;   /* that count against the limit */
	unsigned failures;   /* all of them, for the back-off */
	uint64_t due_ns;     /* not before */
	uint64_t row_serial; /* of the last failure that counted against the host */
	bool may_be_twice;   /* something of it was sent and not answered */
	char *buf;
	size_t len, size;
	uint32_t *end; /* of each event in buf, what parts them left out */
	struct route_place *place;
	size_t room; /* of both, in events */
	char key[ROUTE_KEY_SIZE];
	char traceparent[ROUTE_TRACEPARENT_SIZE]; /* "": none */
};

TAILQ_HEAD(route_jobs, route_job);

struct route_pool {
	enum config_format format;
	struct route_jobs idle;
	unsigned jobs;  /* in use */
	uint64_t bytes; /* of events in them */
};

void route_pool_init(struct route_pool *p, enum config_format format);
void route_pool_free(struct route_pool *p);

/* NULL: no memory. */
struct route_job *route_job_new(struct route_pool *p);
/* It is in no list. */
void route_job_free(struct route_pool *p, struct route_job *job);
/* Copies the event, whose ticket follows those it has.  In ndjson line ends between
 * tokens become blanks.  0, or -1: no memory, or more than 4 GiB. */
int route_job_add(struct route_pool *p, struct route_job *job, uint64_t ticket,
    struct route_place place, struct bytes body);
/* The second half of the events as a job of its own, with the attempts of the first;
 * NULL: no memory, and nothing is changed.  Needs two events or more. */
struct route_job *route_job_split(struct route_pool *p, struct route_job *job);
/* What is sent: at most 3 pieces; returns how many. */
size_t route_job_body(
    const struct route_pool *p, const struct route_job *job, struct bytes piece[3]);

#endif
