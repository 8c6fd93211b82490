/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_tx - exactly once: events and positions in one transaction
 *
 * DESCRIPTION
 *	Each transaction carries its events and a record with our place in every
 *	stream, in a topic of this sink alone.  At start the coordinator ends
 *	what a predecessor left open (init_transactions), and then the last
 *	committed record says where to go on: whatever a predecessor sent beyond
 *	it was never visible, whatever stands before it was.
 *
 *	A transaction ends when a batch would.  While it ends nothing is taken;
 *	the calls that wait for the coordinator run in the helper thread.
 *
 *	One topic for each sink, not one for all: a neighbour's open transaction
 *	would hide our own committed record.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_parts.h"

#include "common/crashpoint.h"
#include "common/panic.h"

#include <bsd/string.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPEN_TRIES  3
#define READ_SPAN   64 /* records at the end of the topic that are looked at first */
#define READ_TRIES  60
#define TOPIC_TRIES 30

void
kafka_tx_start(struct kafka *k)
{
	char uuid[33];

	if (!k->cfg->exactly_once)
		return;
	for (int i = 0; i < 16; i++)
		snprintf(uuid + 2 * i, 3, "%02x", k->s->uuid[i]);
	snprintf(
	    k->transactional_id, sizeof k->transactional_id, "sluice-%s-%s", uuid, k->cfg->name);
	snprintf(k->positions_topic, sizeof k->positions_topic, "sluice-positions.%s.%s", uuid,
	    k->cfg->name);
	k->positions_text = xcalloc(1, KAFKA_POSITIONS_SIZE);
}

/*----------------------------------------------------- in the helper thread */

static bool
failed(struct kafka_job *job, rd_kafka_resp_err_t error, const char *what, const char *text)
{
	job->class = kafka_class_of(error);
	if (job->class == KAFKA_CLASS_OK || job->class == KAFKA_CLASS_RECORD)
		job->class = KAFKA_CLASS_AGAIN;
	snprintf(job->text, sizeof job->text, "%s: %s", what, text);
	return false;
}

static bool
init(struct kafka_job *job)
{
	rd_kafka_error_t *error = NULL;

	for (int i = 0; i < OPEN_TRIES * 10 && !kafka_work_is_ending(job->work); i++) {
		bool is_retriable;

		error = rd_kafka_init_transactions(job->producer, KAFKA_CALL_MS);
		if (error == NULL)
			return true;
		is_retriable = rd_kafka_error_is_retriable(error);
		failed(job, rd_kafka_error_code(error), "init_transactions",
		    rd_kafka_error_string(error));
		rd_kafka_error_destroy(error);
		if (!is_retriable)
			break;
	}
	if (job->class == KAFKA_CLASS_OK)
		failed(job, RD_KAFKA_RESP_ERR__TIMED_OUT, "init_transactions", "the stage ends");
	return false;
}

/* It may be there, or we may not have the right: reading it tells. */
static void
make_topic(struct kafka_job *job)
{
	char text[256];
	rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(job->topic, 1, -1, text, sizeof text);
	rd_kafka_AdminOptions_t *options =
	    rd_kafka_AdminOptions_new(job->producer, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	rd_kafka_queue_t *queue = rd_kafka_queue_new(job->producer);
	rd_kafka_event_t *ev;

	if (topic != NULL) {
		(void)rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
		(void)rd_kafka_NewTopic_set_config(topic, "segment.bytes", "16777216");
		(void)rd_kafka_NewTopic_set_config(topic, "min.cleanable.dirty.ratio", "0.1");
		(void)rd_kafka_AdminOptions_set_request_timeout(
		    options, 10 * KAFKA_CALL_MS, text, sizeof text);
		rd_kafka_CreateTopics(job->producer, &topic, 1, options, queue);
		ev = rd_kafka_queue_poll(queue, 11 * KAFKA_CALL_MS);
		if (ev != NULL)
			rd_kafka_event_destroy(ev);
		rd_kafka_NewTopic_destroy(topic);
	}
	rd_kafka_queue_destroy(queue);
	rd_kafka_AdminOptions_destroy(options);
}

/* The records [from, to): the last one that is ours and committed. */
static bool
read_span(struct kafka_job *job, rd_kafka_topic_t *topic, int64_t from, int64_t to)
{
	bool is_end = false;

	if (rd_kafka_consume_start(topic, 0, from) == -1)
		return failed(job, rd_kafka_last_error(), job->topic,
		    rd_kafka_err2str(rd_kafka_last_error()));
	for (int i = 0; !is_end && i < READ_TRIES && !kafka_work_is_ending(job->work);) {
		rd_kafka_message_t *m = rd_kafka_consume(topic, 0, KAFKA_CALL_MS);

		if (m == NULL) {
			i++;
			continue;
		}
		if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
			struct kafka_positions p;

			if (kafka_positions_read(&p, bytes_of(m->payload, m->len))) {
				job->positions = p;
				job->has_positions = true;
			}
			is_end = m->offset + 1 >= to;
		} else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF)
			is_end = m->offset >= to;
		else
			failed(job, m->err, job->topic, rd_kafka_message_errstr(m));
		rd_kafka_message_destroy(m);
	}
	(void)rd_kafka_consume_stop(topic, 0);
	if (!is_end) {
		if (job->class == KAFKA_CLASS_OK)
			return failed(job, RD_KAFKA_RESP_ERR__TIMED_OUT, job->topic,
			    "the positions cannot be read to their end");
		return false;
	}
	job->class = KAFKA_CLASS_OK;
	return true;
}

static bool
read_positions(struct kafka_job *job, rd_kafka_t *consumer)
{
	rd_kafka_topic_t *topic = rd_kafka_topic_new(consumer, job->topic, NULL);
	int64_t low = 0, high = 0, span = READ_SPAN, from;
	rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR__TIMED_OUT;
	bool is_ok = true;

	/* A topic that was just made is not known everywhere at once. */
	for (int i = 0; i < TOPIC_TRIES && !kafka_work_is_ending(job->work); i++) {
		e = rd_kafka_query_watermark_offsets(
		    consumer, job->topic, 0, &low, &high, KAFKA_CALL_MS);
		if (e == RD_KAFKA_RESP_ERR_NO_ERROR)
			break;
		(void)usleep(100000);
	}
	if (e != RD_KAFKA_RESP_ERR_NO_ERROR)
		is_ok = failed(job, e, job->topic, rd_kafka_err2str(e));
	while (is_ok && high > low && !job->has_positions) {
		from = high - low > span ? high - span : low;
		is_ok = read_span(job, topic, from, high);
		if (from == low)
			break;
		span *= 16;
	}
	rd_kafka_topic_destroy(topic);
	return is_ok;
}

void
kafka_tx_open_job(void *arg)
{
	struct kafka_job *job = arg;
	char text[256];
	rd_kafka_t *consumer;

	if (!init(job)) {
		rd_kafka_conf_destroy(job->consumer_conf);
		return;
	}
	job->class = KAFKA_CLASS_OK;
	make_topic(job);
	consumer = rd_kafka_new(RD_KAFKA_CONSUMER, job->consumer_conf, text, sizeof text);
	if (consumer == NULL) {
		rd_kafka_conf_destroy(job->consumer_conf);
		failed(job, RD_KAFKA_RESP_ERR__AUTHENTICATION, "consumer", text);
		return;
	}
	(void)read_positions(job, consumer);
	rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static void
commit_job(void *arg)
{
	struct kafka_job *job = arg;
	rd_kafka_error_t *error;

	do {
		error = rd_kafka_commit_transaction(job->producer, KAFKA_CALL_MS);
		if (error == NULL) {
			job->class = KAFKA_CLASS_OK;
			return;
		}
		if (!rd_kafka_error_is_retriable(error) || kafka_work_is_ending(job->work))
			break;
		rd_kafka_error_destroy(error);
	} while (true);
	failed(job, rd_kafka_error_code(error), "commit", rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
}

/*------------------------------------------------------------- in the loop */

bool
kafka_tx_begin(struct kafka *k)
{
	rd_kafka_error_t *error;

	if (k->in_tx)
		return true;
	error = rd_kafka_begin_transaction(k->producer);
	if (error == NULL) {
		k->in_tx = true;
		return true;
	}
	kafka_producer_break(k, kafka_class_of(rd_kafka_error_code(error)), "begin: %s",
	    rd_kafka_error_string(error));
	rd_kafka_error_destroy(error);
	return false;
}

void
kafka_tx_note(struct kafka *k, const struct sink_event *e)
{
	k->tx_events++;
	k->tx_bytes += e->body.len;
	/* A replayed event is behind us; it says nothing about where we are. */
	if (!e->is_replay && e->h.stream < KAFKA_POSITIONS_STREAMS)
		k->next.at[e->h.stream] = (struct kafka_place){e->end, e->h.seq + 1};
}

void
kafka_tx_end(struct kafka *k)
{
	rd_kafka_topic_t *topic;
	size_t len;

	if (k->state != KAFKA_RUNNING || !k->in_tx)
		return;
	topic = kafka_topics_get(
	    &k->topics, k->producer, k->positions_topic, strlen(k->positions_topic));
	len = kafka_positions_print(&k->next, k->positions_text);
	if (topic == NULL || rd_kafka_produce(topic, 0, RD_KAFKA_MSG_F_COPY, k->positions_text, len,
				 k->transactional_id, strlen(k->transactional_id), NULL) == -1) {
		rd_kafka_resp_err_t e = rd_kafka_last_error();

		kafka_producer_break(
		    k, kafka_class_of(e), "topic %s: %s", k->positions_topic, rd_kafka_err2str(e));
		return;
	}
	k->outstanding++;
	k->state = KAFKA_COMMITTING;
	k->is_committed = false;
	k->job = (struct kafka_job){.producer = k->producer, .work = &k->work};
	CRASHPOINT("kafka-commit");
	kafka_work_post(&k->work, commit_job, &k->job);
}

void
kafka_tx_finish(struct kafka *k)
{
	CRASHPOINT("kafka-committed");
	k->state = KAFKA_RUNNING;
	k->in_tx = k->is_committed = false;
	k->tx_events = k->tx_bytes = 0;
	k->known = k->next;
	k->committed++;
	k->is_reported = k->has_failed = false;
	sink_succeeded(k->s);
	kafka_report_finish(k);
}

void
kafka_tx_decide(struct kafka *k)
{
	struct kafka_window *w = &k->window;

	for (uint64_t t = w->low; t < w->high; t++) {
		struct kafka_slot *slot = kafka_window_at(w, t);

		if (slot->state != KAFKA_SLOT_NONE && !slot->is_replay &&
		    slot->stream < KAFKA_POSITIONS_STREAMS &&
		    slot->end <= k->known.at[slot->stream].pos)
			slot->state = KAFKA_SLOT_ANSWERED;
	}
}

void
kafka_tx_bar(struct kafka *k, uint32_t stream, uint64_t end)
{
	if (!kafka_has_tx(k))
		return;
	k->has_barrier = true;
	k->barrier_stream = stream;
	k->barrier_end = end;
}

bool
kafka_tx_is_barred(struct kafka *k)
{
	if (!k->has_barrier)
		return false;
	if (sink_place_of(k->s, k->barrier_stream).pos < k->barrier_end)
		return true;
	k->has_barrier = false;
	return false;
}
