/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_job - events that travel in one request, and how often they have tried
 *
 * DESCRIPTION
 *	See route_job.h.
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/route_job.h"

#include "common/panic.h"

#include <stdlib.h>

#define ROOM_KEPT 1024 /* events */

void
route_pool_init(struct route_pool *p, enum config_format format)
{
	p->format = format;
	p->jobs = 0;
	p->bytes = 0;
	TAILQ_INIT(&p->idle);
}

static void
destroy(struct route_job *job)
{
	free(job->buf);
	free(job->end);
	free(job->place);
	free(job);
}

void
route_pool_free(struct route_pool *p)
{
	struct route_job *job;

	while ((job = TAILQ_FIRST(&p->idle)) != NULL) {
		TAILQ_REMOVE(&p->idle, job, link);
		destroy(job);
	}
}

struct route_job *
route_job_new(struct route_pool *p)
{
	struct route_job *job = TAILQ_FIRST(&p->idle);

	if (job != NULL)
		TAILQ_REMOVE(&p->idle, job, link);
	else if ((job = calloc(1, sizeof *job)) == NULL)
		return NULL;
	p->jobs++;
	return job;
}

void
route_job_free(struct route_pool *p, struct route_job *job)
{
	struct route_job empty = {.buf = job->buf,
	    .size = job->size,
	    .end = job->end,
	    .place = job->place,
	    .room = job->room};

	p->jobs--;
	p->bytes -= job->len;
	if (empty.size > ROUTE_JOB_KEPT_BYTES) {
		free(empty.buf);
		empty.buf = NULL;
		empty.size = 0;
	}
	if (empty.room > ROOM_KEPT) {
		free(empty.end);
		free(empty.place);
		empty.end = NULL;
		empty.place = NULL;
		empty.room = 0;
	}
	*job = empty;
	TAILQ_INSERT_HEAD(&p->idle, job, link);
}

static int
grow_buf(struct route_job *job, size_t want)
{
	size_t size = job->size == 0 ? 1024 : job->size;
	char *p;

	if (want <= job->size)
		return 0;
	if (want > UINT32_MAX)
		return -1;
	while (size < want)
		size *= 2;
	if ((p = realloc(job->buf, size)) == NULL)
		return -1;
	job->buf = p;
	job->size = size;
	return 0;
}

static int
grow_room(struct route_job *job, size_t want)
{
	size_t room = job->room == 0 ? 1 : job->room;
	struct route_place *place;
	uint32_t *end;

	if (want <= job->room)
		return 0;
	while (room < want)
		room *= 2;
	if ((end = realloc(job->end, room * sizeof *end)) == NULL)
		return -1;
	job->end = end;
	if ((place = realloc(job->place, room * sizeof *place)) == NULL)
		return -1;
	job->place = place;
	job->room = room;
	return 0;
}

int
route_job_add(struct route_pool *p, struct route_job *job, uint64_t ticket,
    struct route_place place, struct bytes body)
{
	size_t off = job->len;

	if (grow_buf(job, job->len + 1 + body.len) == -1 || grow_room(job, job->events + 1) == -1)
		return -1;
	if (job->events == 0)
		job->ticket = ticket;
	else
		job->buf[off++] = p->format == CONFIG_FORMAT_ARRAY ? ',' : '\n';
	assert_that(ticket == job->ticket + job->events);
	memcpy(job->buf + off, body.ptr, body.len);
	if (p->format == CONFIG_FORMAT_NDJSON) {
		/* Within strings they are escaped: these stand between tokens. */
		for (size_t i = off; i < off + body.len; i++)
			if (job->buf[i] == '\n' || job->buf[i] == '\r')
				job->buf[i] = ' ';
	}
	p->bytes += off + body.len - job->len;
	job->len = off + body.len;
	job->end[job->events] = (uint32_t)job->len;
	job->place[job->events++] = place;
	return 0;
}

struct route_job *
route_job_split(struct route_pool *p, struct route_job *job)
{
	unsigned half = job->events / 2;
	uint32_t from = job->end[half - 1] + 1; /* behind what parts them */
	unsigned rest = job->events - half;
	struct route_job *second;

	assert_that(job->events >= 2);
	if ((second = route_job_new(p)) == NULL)
		return NULL;
	if (grow_buf(second, job->len - from) == -1 || grow_room(second, rest) == -1) {
		route_job_free(p, second);
		return NULL;
	}
	memcpy(second->buf, job->buf + from, job->len - from);
	for (unsigned i = 0; i < rest; i++) {
		second->end[i] = job->end[half + i] - from;
		second->place[i] = job->place[half + i];
	}
	second->len = job->len - from;
	second->events = rest;
	second->ticket = job->ticket + half;
	second->attempts = job->attempts;
	second->failures = job->failures;
	second->row_serial = job->row_serial;
	second->may_be_twice = job->may_be_twice;
	job->events = half;
	job->len = job->end[half - 1];
	p->bytes--; /* what parted them */
	job->key[0] = '\0';
	return second;
}

size_t
route_job_body(const struct route_pool *p, const struct route_job *job, struct bytes piece[3])
{
	struct bytes events = bytes_of(job->buf, job->len);

	switch (p->format) {
	case CONFIG_FORMAT_ARRAY:
		piece[0] = BYTES_LIT("[");
		piece[1] = events;
		piece[2] = BYTES_LIT("]");
		return 3;
	case CONFIG_FORMAT_NDJSON:
		piece[0] = events;
		piece[1] = BYTES_LIT("\n");
		return 2;
	case CONFIG_FORMAT_EVENT:
		break;
	}
	piece[0] = events;
	return 1;
}
