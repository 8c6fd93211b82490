/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_parts - a route's own state, and what its files do for each other
 *
 * DESCRIPTION
 *	route.c		what the skeleton calls: events become jobs, jobs are sent
 *	route_answer.c	what an answer, or none, means for a job
 *
 *	A job is in one of four places: open (a batch that is being gathered),
 *	ready (to be sent as soon as there is room), waiting (for its back-off to
 *	be over, by the time when it is), or on its way in a request.
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_ROUTE_PARTS_H
#define WORKERS_ROUTE_PARTS_H

#include "common/status_map.h"
#include "workers/route_request.h"
#include "workers/sink.h"

struct route {
	struct sink *sink;
	const struct config_sink *cfg;
	struct route_form form;
	struct status_map map;
	struct curl_loop *curl;
	struct event *timer; /* the first of `waiting` is due */
	struct route_pool pool;
	struct route_job *open; /* NULL: none */
	struct route_jobs ready, waiting;
	unsigned waiters;
	struct route_request *request; /* cfg->concurrency of them */
	struct route_request *idle;
	unsigned running;
	int server;         /* the one that is asked */
	char **name;        /* of each server, for people: without user, password and query */
	bool is_ordered;    /* one request at a time: nothing passes one that failed */
	bool may_probe;     /* the skeleton wants an attempt, whatever the breaker says */
	unsigned row;       /* failures in a row that count against the host */
	uint64_t successes; /* serial number: a row ends with each */
	uint64_t sent, answered, retried, dropped, split; /* requests; dropped: events */
};

/* route.c: send what may be sent now. */
void route_pump(struct route *r);

/* route_answer.c */
void route_answer(struct route *r, struct route_request *rq, const struct curl_reply *reply);

/* route_answer.c: the wait before a job goes again, in ms; random: any 64 bits. */
uint64_t route_answer_wait_ms(
    const struct config_sink *cfg, unsigned failures, uint64_t random, uint64_t ask_ms);
/* May bad events of a batch that was refused so be found by halving it? */
bool route_answer_may_split(long status);

#endif
