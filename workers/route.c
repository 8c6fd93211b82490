/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route - the sink that POSTs events to a URL
 *
 * DESCRIPTION
 *	Format event: a request for each event, sent as soon as it is taken and
 *	one of the `concurrency` requests is idle.  Formats array and ndjson: a
 *	request for each batch.  With concurrency 1 events arrive in the order of
 *	their stream, and one that fails holds up those behind it; with more they
 *	pass each other.
 *
 *	While the breaker is open nothing is sent; half-open, one request goes:
 *	that of the job which was tried least, so that one bad event cannot keep
 *	the breaker open.
 *
 * PROCESS
 *	Each sink of kind route.
 *
 * SHARED STATE
 *	Counters of its sink's part.
 *
 * SEE ALSO
 *	route_answer.c, docs/sinks/route.md
 */
#include "common/crashpoint.h"
#include "common/panic.h"
#include "workers/route_parts.h"
#include "workers/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of events that are held; beyond it none are taken until some are finished. */
#define HELD_BYTES_MAX (64ull << 20)
#define SHOWN_MAX      20 /* waiting jobs in `show requests` */

static struct route *
route_of(const struct sink *s)
{
	return s->kind;
}

/*---- Sending */

static void
on_woke(void *arg)
{
	struct route *r = arg;

	sink_woke(r->sink);
	/* Something happened to one of them: sent, or answered and not looked at. */
	if (r->running > 0)
		CRASHPOINT("route-sent");
}

static void
on_done(void *arg, const struct curl_reply *reply)
{
	struct route_request *rq = arg;
	struct route *r = rq->route;

	CRASHPOINT("route-answered");
	r->running--;
	route_answer(r, rq, reply);
	rq->job = NULL;
	rq->call = NULL;
	rq->next_idle = r->idle;
	r->idle = rq;
	route_pump(r);
}

/* False: it cannot go now, and is first in line again. */
static bool
send_job(struct route *r, struct route_job *job)
{
	struct route_request *rq = r->idle;
	struct curl_request request = {.url = r->cfg->server.at[r->server],
	    .body = rq->piece,
	    .ca_file = r->cfg->ca_file,
	    .connect_timeout_ms = (long)r->cfg->connect_timeout_ms,
	    .timeout_ms = (long)r->cfg->timeout_ms,
	    .done = on_done,
	    .ctx = rq};

	rq->job = job;
	rq->server = r->server;
	rq->is_probe = r->may_probe || r->sink->breaker.state != BREAKER_CLOSED;
	rq->since_ns = clock_mono_ns();
	if (route_request_make(&r->form, &r->pool, rq, clock_wall_ns()) == 0) {
		request.pieces = rq->pieces;
		request.headers = rq->field;
		rq->call = curl_loop_send(r->curl, &request);
	}
	if (rq->call == NULL) {
		rq->job = NULL;
		TAILQ_INSERT_HEAD(&r->ready, job, link);
		worker_error(r->sink->worker, "a request cannot be made: no memory: later");
		return false;
	}
	r->idle = rq->next_idle;
	r->running++;
	r->sent++;
	r->may_probe = false;
	return true;
}

/* Those whose wait is over go before those that were never sent. */
static void
move_due(struct route *r)
{
	uint64_t now_ns = clock_mono_ns();
	struct route_job *job, *last = NULL;

	while ((job = TAILQ_FIRST(&r->waiting)) != NULL && job->due_ns <= now_ns) {
		TAILQ_REMOVE(&r->waiting, job, link);
		r->waiters--;
		if (last == NULL)
			TAILQ_INSERT_HEAD(&r->ready, job, link);
		else
			TAILQ_INSERT_AFTER(&r->ready, last, job, link);
		last = job;
	}
}

static void
set_timer(struct route *r)
{
	const struct route_job *job = TAILQ_FIRST(&r->waiting);
	uint64_t now_ns = clock_mono_ns(), wait_us;
	struct timeval tv;

	if (job == NULL) {
		(void)event_del(r->timer);
		return;
	}
	wait_us = job->due_ns > now_ns ? (job->due_ns - now_ns) / 1000 + 1 : 0;
	tv.tv_sec = (time_t)(wait_us / 1000000);
	tv.tv_usec = (suseconds_t)(wait_us % 1000000);
	(void)event_add(r->timer, &tv);
}

/* The one that was tried least: of equals, the first. */
static struct route_job *
probe_job(struct route *r)
{
	struct route_job *job, *best = NULL;

	TAILQ_FOREACH(job, &r->waiting, link)
		if (best == NULL || job->failures < best->failures)
			best = job;
	if (best != NULL) {
		TAILQ_REMOVE(&r->waiting, best, link);
		r->waiters--;
	}
	return best;
}

static struct route_job *
next_job(struct route *r)
{
	struct route_job *job = TAILQ_FIRST(&r->ready);

	/* In order, the one that waits is before all others, due or not. */
	if (r->is_ordered && r->waiters > 0)
		return probe_job(r);
	if (r->sink->breaker.state != BREAKER_CLOSED && !r->is_ordered && job != NULL)
		for (struct route_job *j = job; j != NULL; j = TAILQ_NEXT(j, link))
			if (j->failures < job->failures)
				job = j;
	if (job != NULL)
		TAILQ_REMOVE(&r->ready, job, link);
	else if (r->may_probe)
		job = probe_job(r);
	return job;
}

void
route_pump(struct route *r)
{
	struct sink *s = r->sink;
	struct route_job *job;

	move_due(r);
	while (r->idle != NULL) {
		bool is_closed = s->breaker.state == BREAKER_CLOSED;

		if (!r->may_probe && !sink_may_send(s))
			break;
		if (s->breaker.is_forced_open || (!is_closed && r->running > 0))
			break;
		if (r->is_ordered && !r->may_probe && r->waiters > 0)
			break;
		if ((job = next_job(r)) == NULL || !send_job(r, job))
			break;
	}
	set_timer(r);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct route *r = arg;

	(void)fd;
	(void)what;
	sink_woke(r->sink);
	route_pump(r);
}

/*---- What the skeleton calls */

/* A URL may hold a password or a token: those are for nobody's eyes. */
static char *
name_of(const char *url)
{
	CURLU *u = curl_url();
	char *text = NULL, *name = NULL;

	if (u != NULL && curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
	    curl_url_set(u, CURLUPART_QUERY, NULL, 0) == CURLUE_OK &&
	    curl_url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		name = xstrdup(text);
	curl_free(text);
	curl_url_cleanup(u);
	return name == NULL ? xstrdup("the server") : name;
}

static void
route_open_early(struct sink *s)
{
	struct route *r = xcalloc(1, sizeof *r);
	char why[256];

	s->kind = r;
	r->sink = s;
	r->cfg = s->cfg;
	status_map_init(&r->map);
	for (int i = 0; i < s->cfg->status.n; i++)
		if (status_map_add(&r->map, s->cfg->status.at[i], why, sizeof why) == -1)
			fatal("sink %s: status: %s", s->cfg->name, why);
	route_form_open(&r->form, s->cfg);
}

static void
route_start(struct sink *s)
{
	struct route *r = route_of(s);
	int n = r->cfg->concurrency;

	r->form.instance = s->instance;
	r->is_ordered = n == 1;
	TAILQ_INIT(&r->ready);
	TAILQ_INIT(&r->waiting);
	route_pool_init(&r->pool, r->cfg->format);
	r->request = xcalloc((size_t)n, sizeof *r->request);
	for (int i = n; i-- > 0;) {
		r->request[i].route = r;
		r->request[i].next_idle = r->idle;
		r->idle = &r->request[i];
	}
	r->curl = curl_loop_new(s->base, n, n, on_woke, r);
	r->name = xcalloc((size_t)s->cfg->server.n, sizeof *r->name);
	for (int i = 0; i < s->cfg->server.n; i++)
		r->name[i] = name_of(s->cfg->server.at[i]);
	if ((r->timer = event_new(s->base, -1, 0, on_timer, r)) == NULL)
		fatal("no memory for a timer");
}

static void
close_open(struct route *r)
{
	if (r->open == NULL)
		return;
	TAILQ_INSERT_TAIL(&r->ready, r->open, link);
	r->open = NULL;
}

static void
take_traceparent(struct route_job *job, const struct sink_event *e)
{
	struct bytes attrs = frame_attrs(e->frame, &e->h), value;
	uint16_t type;
	size_t off = 0;

	while (frame_attr_next(attrs, &off, &type, &value)) {
		if (type != FRAME_ATTR_TRACEPARENT || value.len >= sizeof job->traceparent)
			continue;
		for (size_t i = 0; i < value.len; i++)
			if (value.ptr[i] <= 0x20 || value.ptr[i] >= 0x7f)
				return;
		memcpy(job->traceparent, value.ptr, value.len);
		job->traceparent[value.len] = '\0';
	}
}

/* Until something is finished; nothing may be left that nobody sends. */
static enum sink_take
no_room(struct route *r)
{
	if (r->pool.jobs == 0)
		fatal("no memory for one event");
	close_open(r);
	route_pump(r);
	return SINK_FULL;
}

static enum sink_take
route_take(struct sink *s, const struct sink_event *e)
{
	struct route *r = route_of(s);
	struct route_place place = {e->h.stream, e->h.pos};
	bool is_single = r->cfg->format == CONFIG_FORMAT_EVENT;
	struct route_job *job = r->open;

	if (r->pool.jobs > 0 && r->pool.bytes + e->body.len > HELD_BYTES_MAX)
		return no_room(r);
	if (job != NULL && (job->len + 1 + e->body.len > r->cfg->batch_bytes ||
			       e->ticket != job->ticket + job->events)) {
		close_open(r);
		job = NULL;
	}
	if (job == NULL && (job = route_job_new(&r->pool)) == NULL)
		return no_room(r);
	if (route_job_add(&r->pool, job, e->ticket, place, e->body) == -1) {
		if (job->events == 0)
			route_job_free(&r->pool, job);
		return no_room(r);
	}
	r->open = job;
	if (is_single) {
		if (!route_key_event(job->key, sizeof job->key, sink_event_value(e, e->h.id),
			sink_event_value(e, e->h.user_id), sink_event_value(e, e->h.event_type),
			e->h.event_ms))
			job->key[0] = '\0';
		take_traceparent(job, e);
	}
	if (is_single || job->events >= (unsigned)r->cfg->batch_events) {
		close_open(r);
		route_pump(r);
	}
	return SINK_TAKEN;
}

static void
route_flush(struct sink *s)
{
	struct route *r = route_of(s);

	close_open(r);
	route_pump(r);
}

static void
route_attempt(struct sink *s)
{
	struct route *r = route_of(s);

	/* When there is nothing to send now, the next that comes is the attempt. */
	r->may_probe = true;
	route_flush(s);
}

static void
route_tick(struct sink *s, uint64_t mono_ns)
{
	(void)mono_ns;
	route_pump(route_of(s));
}

static void
free_jobs(struct route *r, struct route_jobs *jobs)
{
	struct route_job *job;

	while ((job = TAILQ_FIRST(jobs)) != NULL) {
		TAILQ_REMOVE(jobs, job, link);
		route_job_free(&r->pool, job);
	}
}

static void
route_stop(struct sink *s)
{
	struct route *r = route_of(s);

	curl_loop_free(r->curl);
	event_free(r->timer);
	close_open(r);
	for (int i = 0; i < r->cfg->concurrency; i++) {
		if (r->request[i].job != NULL)
			route_job_free(&r->pool, r->request[i].job);
		free(r->request[i].packed);
	}
	free_jobs(r, &r->ready);
	free_jobs(r, &r->waiting);
	route_pool_free(&r->pool);
	route_form_close(&r->form);
	for (int i = 0; i < r->cfg->server.n; i++)
		free(r->name[i]);
	free(r->name);
	free(r->request);
	free(r);
	s->kind = NULL;
}

/*---- show requests */

static void
show_job(const struct route *r, const struct route_job *job, struct text_out *out)
{
	char receipt[128];

	if (job->events == 1)
		route_key_receipt(receipt, sizeof receipt, r->sink->instance, job->place[0]);
	else
		route_key_batch(
		    receipt, sizeof receipt, r->sink->instance, job->place, job->events);
	text_add(out, " %s events=%u bytes=%zu failures=%u", receipt, job->events, job->len,
	    job->failures);
}

static void
show_requests(const struct route *r, struct text_out *out)
{
	uint64_t now_ns = clock_mono_ns();
	const struct route_job *job;
	unsigned ready = 0, shown = 0;

	TAILQ_FOREACH(job, &r->ready, link)
		ready++;
	text_add(out,
	    "running=%u ready=%u waiting=%u held_bytes=%" PRIu64 " sent=%" PRIu64
	    " answered=%" PRIu64 " retried=%" PRIu64 " dropped=%" PRIu64 " split=%" PRIu64
	    " row=%u\n",
	    r->running, ready, r->waiters, r->pool.bytes, r->sent, r->answered, r->retried,
	    r->dropped, r->split, r->row);
	for (int i = 0; i < r->cfg->concurrency; i++) {
		const struct route_request *rq = &r->request[i];

		if (rq->job == NULL)
			continue;
		text_add(out,
		    "running for %llu ms to %s:", (now_ns - rq->since_ns) / CLOCK_NS_PER_MS,
		    r->name[rq->server]);
		show_job(r, rq->job, out);
		text_add(out, "%s\n", rq->is_probe ? " probe" : "");
	}
	TAILQ_FOREACH(job, &r->waiting, link) {
		if (shown++ == SHOWN_MAX)
			break;
		text_add(out, "again in %llu ms:",
		    job->due_ns > now_ns ? (job->due_ns - now_ns) / CLOCK_NS_PER_MS : 0ull);
		show_job(r, job, out);
		text_add(out, "\n");
	}
}

static bool
route_command(struct sink *s, const char *line, struct text_out *out)
{
	if (strcmp(line, "show requests") != 0)
		return false;
	show_requests(route_of(s), out);
	return true;
}

const struct sink_ops route_sink_ops = {
    .kind = "route",
    .open_early = route_open_early,
    .start = route_start,
    .take = route_take,
    .flush = route_flush,
    .attempt = route_attempt,
    .tick = route_tick,
    .stop = route_stop,
    .command = route_command,
    .help = "show requests        what is under way, and what waits to go again\n",
};
