/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_producer - the life of one librdkafka producer: made, broken, replaced
 *
 * DESCRIPTION
 *	librdkafka tries again by itself, in order and without duplicates, for as
 *	long as a producer lives; so a broker that is away is only reported, and
 *	nothing is thrown away.  A producer is replaced when it says that it
 *	cannot go on: a fatal error, a refused record, a topic that is not there,
 *	a transaction that must be given up.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_parts.h"

#include "common/log.h"
#include "common/panic.h"

#include <bsd/string.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STOP_MS 2000

/*---------------------------------------------------------------- opening */

static void
make_failed(struct kafka *k, const char *text)
{
	kafka_producer_trouble(k, KAFKA_CLASS_SETUP, "librdkafka: %s", text);
	k->state = KAFKA_CLOSED;
}

void
kafka_producer_open(struct kafka *k)
{
	uint64_t one = 1;
	char text[KAFKA_TEXT_SIZE];
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(k->conf);

	assert_that(k->state == KAFKA_CLOSED && k->producer == NULL && !k->work.is_busy);
	k->wants_open = false;
	k->is_reported = false;
	k->away[0] = '\0';
	k->producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
	if (k->producer == NULL) {
		rd_kafka_conf_destroy(conf);
		make_failed(k, text);
		return;
	}
	k->queue = rd_kafka_queue_get_main(k->producer);
	rd_kafka_set_log_queue(k->producer, NULL);
	rd_kafka_queue_io_event_enable(k->queue, k->queue_fd, &one, sizeof one);
	k->outstanding = 0;
	k->opened++;
	k->progress_ns = clock_mono_ns();
	if (!kafka_has_tx(k)) {
		k->state = KAFKA_RUNNING;
		kafka_again_start(k);
		return;
	}
	k->state = KAFKA_OPENING;
	k->job = (struct kafka_job){.producer = k->producer,
	    .consumer_conf = rd_kafka_conf_dup(k->consumer_conf),
	    .work = &k->work};
	strlcpy(k->job.topic, k->positions_topic, sizeof k->job.topic);
	kafka_work_post(&k->work, kafka_tx_open_job, &k->job);
}

/*---------------------------------------------------------------- trouble */

static void
report(struct kafka *k, enum kafka_class class, const char *text)
{
	strlcpy(k->last_error, text, sizeof k->last_error);
	k->last_error_ns = clock_wall_ns();
	if (k->is_reported)
		return;
	k->is_reported = k->has_failed = true;
	if (class == KAFKA_CLASS_FENCED)
		sink_misconfigured(k->s,
		    "fenced: another producer uses %s; does a copy of this state run elsewhere? "
		    "(%s)",
		    k->transactional_id, text);
	else if (class == KAFKA_CLASS_SETUP)
		sink_misconfigured(k->s, "%s", text);
	else
		sink_failed(k->s, 0, "%s", text);
}

void
kafka_producer_trouble(struct kafka *k, enum kafka_class class, const char *fmt, ...)
{
	char text[KAFKA_TEXT_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	report(k, class, text);
}

void
kafka_producer_break(struct kafka *k, enum kafka_class class, const char *fmt, ...)
{
	char text[KAFKA_TEXT_SIZE], fatal_text[KAFKA_TEXT_SIZE - 128];
	rd_kafka_resp_err_t fatal_error;
	va_list ap;

	if (k->state == KAFKA_BREAKING || k->state == KAFKA_CLOSING || k->state == KAFKA_CLOSED)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	/* Once it is fatal, every call says no more than that. */
	fatal_error = rd_kafka_fatal_error(k->producer, fatal_text, sizeof fatal_text);
	if (fatal_error != RD_KAFKA_RESP_ERR_NO_ERROR) {
		class = kafka_class_of(fatal_error);
		if (class == KAFKA_CLASS_RECORD)
			class = KAFKA_CLASS_AGAIN;
		snprintf(text, sizeof text, "fatal for this producer: %s: %s",
		    rd_kafka_err2name(fatal_error), fatal_text);
	}
	if (class == KAFKA_CLASS_FENCED && !kafka_has_tx(k))
		class = KAFKA_CLASS_AGAIN;
	k->state = KAFKA_BREAKING;
	k->broken++;
	k->aborted += k->in_tx;
	k->break_until_ns = clock_mono_ns() + KAFKA_BREAK_NS;
	/* A refused record is no failure of theirs. */
	if (class == KAFKA_CLASS_RECORD) {
		k->wants_open = true;
		strlcpy(k->last_error, text, sizeof k->last_error);
		k->last_error_ns = clock_wall_ns();
		log_line(
		    LOG_LEVEL_INFO, "records are sent one by one to find the bad ones: %s", text);
	} else
		report(k, class, text);
	(void)rd_kafka_purge(
	    k->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_NON_BLOCKING |
			     /* Of a transaction that comes to nothing no answer is of interest. */
			     (kafka_has_tx(k) ? RD_KAFKA_PURGE_F_INFLIGHT : 0));
	kafka_work_cancel(&k->work);
}

/*---------------------------------------------------------------- closing */

static void
close_job(void *arg)
{
	struct kafka_job *job = arg;

	(void)rd_kafka_purge(job->producer,
	    RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT | RD_KAFKA_PURGE_F_NON_BLOCKING);
	rd_kafka_destroy_flags(job->producer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void
begin_close(struct kafka *k)
{
	kafka_topics_clear(&k->topics);
	rd_kafka_queue_io_event_enable(k->queue, -1, NULL, 0);
	rd_kafka_queue_destroy(k->queue);
	k->queue = NULL;
	k->job = (struct kafka_job){.producer = k->producer, .work = &k->work};
	k->producer = NULL;
	k->outstanding = 0;
	k->is_alone = k->in_tx = k->is_committed = false;
	k->tx_events = k->tx_bytes = 0;
	k->next = k->known;
	k->state = KAFKA_CLOSING;
	kafka_window_rewind(&k->window, kafka_has_tx(k));
	kafka_work_post(&k->work, close_job, &k->job);
}

static void
opened(struct kafka *k)
{
	struct kafka_job *job = &k->job;

	if (job->class != KAFKA_CLASS_OK) {
		kafka_producer_break(k, job->class, "%s", job->text);
		return;
	}
	k->away[0] = '\0';
	k->known = k->next = job->positions;
	kafka_tx_decide(k);
	k->state = KAFKA_RUNNING;
	sink_hold(k->s, false);
	kafka_report_finish(k);
	kafka_again_start(k);
}

void
kafka_producer_job_done(struct kafka *k)
{
	switch (k->state) {
	case KAFKA_CLOSING:
		k->state = KAFKA_CLOSED;
		break;
	case KAFKA_OPENING:
		opened(k);
		break;
	case KAFKA_COMMITTING:
		if (k->job.class == KAFKA_CLASS_OK)
			k->is_committed = true;
		else
			kafka_producer_break(k, k->job.class, "%s", k->job.text);
		break;
	default:
		/* BREAKING, while a transaction was ending: read back when it opens again. */
		break;
	}
	kafka_producer_settle(k, clock_mono_ns());
}

/*---------------------------------------------------------------- turning */

static void
watch(struct kafka *k, uint64_t now_ns)
{
	uint64_t limit_ns = (uint64_t)k->cfg->timeout_ms * CLOCK_NS_PER_MS;

	if (k->outstanding == 0 && !k->work.is_busy)
		k->progress_ns = now_ns;
	/* Long before the time-out: but an idle connection that was closed is made anew. */
	if (k->away[0] != '\0' && !k->is_reported && now_ns >= k->progress_ns + KAFKA_AWAY_NS)
		kafka_producer_trouble(k, KAFKA_CLASS_AGAIN, "%s%s%s", k->away,
		    k->last_log[0] != '\0' ? ": " : "", k->last_log);
	if (now_ns < k->progress_ns + limit_ns)
		return;
	k->progress_ns = now_ns;
	kafka_producer_trouble(k, KAFKA_CLASS_AGAIN, "no answer for %lld ms%s%s",
	    (long long)k->cfg->timeout_ms, k->last_log[0] != '\0' ? ": " : "", k->last_log);
}

void
kafka_producer_settle(struct kafka *k, uint64_t now_ns)
{
	if (k->state == KAFKA_COMMITTING && k->is_committed && k->outstanding == 0)
		kafka_tx_finish(k);
	if (k->state == KAFKA_RUNNING) {
		kafka_again_go_on(k);
		if (k->state == KAFKA_RUNNING && kafka_topics_is_worn(&k->topics) && !k->in_tx &&
		    !k->is_again) {
			/* Nothing new until all is answered. */
			k->is_renewing = true;
			if (k->outstanding == 0) {
				k->wants_open = true;
				begin_close(k);
			}
		}
	}
	if (k->state == KAFKA_RUNNING || k->state == KAFKA_OPENING || k->state == KAFKA_COMMITTING)
		watch(k, now_ns);
	if (k->state == KAFKA_BREAKING && !k->work.is_busy &&
	    (k->outstanding == 0 || now_ns >= k->break_until_ns))
		begin_close(k);
	if (k->state == KAFKA_CLOSED && k->wants_open) {
		k->is_renewing = false;
		kafka_producer_open(k);
	}
}

void
kafka_producer_stop(struct kafka *k)
{
	if (k->producer != NULL && !k->work.is_busy)
		begin_close(k);
	/* What does not end in time ends with the process. */
	(void)kafka_work_stop(&k->work, STOP_MS);
}
