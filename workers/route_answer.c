/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_answer - what an answer, or none, means for the events that were sent
 *
 * DESCRIPTION
 *	The status map says ok, retry, drop or dead-letter.
 *
 *	Retry is for the job alone: it waits, twice as long after each failure, and
 *	others pass it.  But a host that fails for all is the skeleton's
 *	affair: `breaker-failures` failures in a row, each of another job, open the
 *	breaker.  No answer at all counts each time, for it is the host that is
 *	silent and not the event that is bad; so does any failure when one request
 *	goes at a time, for then there are no others to compare with.
 *
 *	While the breaker is not closed a failure counts against a job's attempts
 *	only when the answer speaks of the job (500, 408) and not of the host (none,
 *	429, 502 to 504): a host that is down makes no dead letters.
 *
 *	A batch that is refused (or has used up its attempts) is split in two until
 *	the bad events stand alone.
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	Counters of its sink's part.
 */
#include "workers/route_parts.h"

#include "shm/sink_part.h"

#include <bsd/stdlib.h>
#include <stdio.h>

#define ASK_MAX_MS (10 * 60 * UINT64_C(1000))
#define WORDS_MAX 200 /* of the receiver's own words in a dead letter */

static void
count(struct route *r, unsigned id, uint64_t n)
{
	counters_add(r->sink->part->counter, id, n);
}

/* Printable, one line. */
static void
words_of(const struct curl_reply *reply, char out[WORDS_MAX + 1])
{
	size_t n = reply->body.len < WORDS_MAX ? reply->body.len : WORDS_MAX;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = reply->body.ptr[i];

		out[i] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	/* Not in the middle of a character. */
	while (n > 0 && n == WORDS_MAX && ((uint8_t)out[n - 1] & 0xc0) == 0x80)
		n--;
	if (n > 0 && ((uint8_t)out[n - 1] & 0xc0) == 0xc0)
		n--;
	out[n] = '\0';
}

static void
code_of(const struct curl_reply *reply, char out[24])
{
	if (reply->status != 0)
		(void)snprintf(out, 24, "http_%ld", reply->status);
	else
		(void)snprintf(out, 24, "%s", reply->is_timeout ? "timeout" : "no_answer");
}

/*---- The host */

static void
host_answers(struct route *r)
{
	r->row = 0;
	r->may_probe = false;
	r->successes++;
	sink_succeeded(r->sink);
}

/* A server that was left for the next one has nothing more to say. */
static bool
counts_against_host(
    const struct route *r, const struct route_request *rq, const struct curl_reply *reply)
{
	if (rq->server != r->server)
		return false;
	return r->is_ordered || reply->status == 0 || rq->job->row_serial != r->successes + 1;
}

/* The server speaks of itself, not of what it was sent. */
static bool
is_about_host(long status)
{
	return status == 0 || status == 429 || (status >= 502 && status <= 504);
}

static void
host_failed(struct route *r, struct route_request *rq, const struct curl_reply *reply)
{
	struct sink *s = r->sink;
	struct route_job *job = rq->job;
	const char *name = r->name[rq->server];
	char text[512];

	if (reply->status != 0)
		(void)snprintf(text, sizeof text, "%s: status %ld", name, reply->status);
	else
		(void)snprintf(text, sizeof text, "%s: %s", name, reply->error);
	if (counts_against_host(r, rq, reply))
		r->row++;
	job->row_serial = r->successes + 1;
	if (rq->is_probe ||
	    (s->breaker.state == BREAKER_CLOSED && r->row >= (unsigned)r->cfg->breaker_failures)) {
		/* The failures before were counted here: it hears of them at once. */
		s->breaker.failures = s->breaker.failures_max - 1;
		sink_failed(s, reply->retry_after_ms, "%s", text);
	} else {
		count(r, counter_id(SINK, failures), 1);
		sink_text_store(&s->part->reason, text);
		worker_error(s->worker, "%s: retried", text);
	}
	if (rq->server == r->server)
		r->server = (r->server + 1) % r->cfg->server.n;
}

/*---- The job */

uint64_t
route_answer_wait_ms(
    const struct config_sink *cfg, unsigned failures, uint64_t random, uint64_t ask_ms)
{
	uint64_t ms = (uint64_t)cfg->retry_min_ms, most = (uint64_t)cfg->retry_max_ms;

	while (failures-- > 1 && ms < most)
		ms *= 2;
	if (ms > most)
		ms = most;
	ms = ms / 2 + random % (ms / 2 + 1);
	/* One answer that asks for hours must not hold the front of the window up. */
	if (ask_ms > ASK_MAX_MS)
		ask_ms = ASK_MAX_MS > most ? ASK_MAX_MS : most;
	return ms > ask_ms ? ms : ask_ms;
}

bool
route_answer_may_split(long status)
{
	switch (status) {
	case 401: /* about us, or about the place we ask: the same for any event */
	case 402:
	case 403:
	case 404:
	case 405:
	case 406:
	case 407:
	case 410:
	case 411:
	case 414:
	case 415:
	case 421:
	case 426:
	case 431:
		return false;
	default:
		return true;
	}
}

static void
job_waits(struct route *r, struct route_job *job, uint64_t ms)
{
	struct route_job *before;

	job->due_ns = clock_mono_ns() + ms * CLOCK_NS_PER_MS;
	before = TAILQ_LAST(&r->waiting, route_jobs);
	while (before != NULL && before->due_ns > job->due_ns)
		before = TAILQ_PREV(before, route_jobs, link);
	if (before == NULL)
		TAILQ_INSERT_HEAD(&r->waiting, job, link);
	else
		TAILQ_INSERT_AFTER(&r->waiting, before, job, link);
	r->waiters++;
}

static bool
split(struct route *r, struct route_job *job)
{
	struct route_job *second = route_job_split(&r->pool, job);

	if (second == NULL)
		return false;
	r->split++;
	count(r, counter_id(SINK, bisections), 2);
	TAILQ_INSERT_HEAD(&r->ready, second, link);
	TAILQ_INSERT_HEAD(&r->ready, job, link);
	return true;
}

static void
dead(struct route *r, struct route_job *job, const struct curl_reply *reply, bool may_split)
{
	char code[24], words[WORDS_MAX + 1];

	if (may_split && job->events > 1 && split(r, job))
		return;
	code_of(reply, code);
	words_of(reply, words);
	if (reply->status == 0)
		(void)snprintf(words, sizeof words, "%s", reply->error);
	else if (words[0] == '\0')
		(void)snprintf(words, sizeof words, "status %ld", reply->status);
	for (unsigned i = 0; i < job->events; i++)
		sink_dead(r->sink, job->ticket + i, job->failures + 1, code, "%s", words);
	route_job_free(&r->pool, job);
}

static void
retry(struct route *r, struct route_request *rq, const struct curl_reply *reply)
{
	struct route_job *job = rq->job;
	unsigned most = (unsigned)r->cfg->attempts;
	bool is_counted = !rq->is_probe || !is_about_host(reply->status);

	host_failed(r, rq, reply);
	job->may_be_twice = job->may_be_twice || reply->may_have_arrived;
	if (is_counted && most != 0 && job->attempts + 1 >= most) {
		/* A half has one attempt left. */
		dead(r, job, reply, true);
		return;
	}
	if (is_counted)
		job->attempts++;
	job->failures++;
	r->retried++;
	count(r, counter_id(SINK, resent), job->events);
	job_waits(r, job,
	    route_answer_wait_ms(r->cfg, job->failures, (uint64_t)arc4random() << 32 | arc4random(),
		reply->retry_after_ms));
}

static void
finished(struct route *r, struct route_job *job)
{
	uint64_t ticket = job->ticket, n = job->events;

	route_job_free(&r->pool, job);
	sink_done(r->sink, ticket, n);
}

void
route_answer(struct route *r, struct route_request *rq, const struct curl_reply *reply)
{
	struct route_job *job = rq->job;
	enum status_action action =
	    reply->status == 0 ? STATUS_RETRY : status_map_action(&r->map, (int)reply->status);

	if (action != STATUS_RETRY) {
		r->answered++;
		host_answers(r);
	}
	switch (action) {
	case STATUS_OK:
		sink_count_batch(r->sink, job->events, rq->body_bytes, rq->wire_bytes);
		finished(r, job);
		break;
	case STATUS_DROP:
		/* The receiver wants no more of it: that is what the user calls finished. */
		r->dropped += job->events;
		worker_error(r->sink->worker, "%s: status %ld: events are dropped, as configured",
		    r->name[rq->server], reply->status);
		finished(r, job);
		break;
	case STATUS_DEAD_LETTER:
		dead(r, job, reply, route_answer_may_split(reply->status));
		break;
	case STATUS_RETRY:
		retry(r, rq, reply);
		break;
	}
}
