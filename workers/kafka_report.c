/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_report - what the producer says: deliveries, errors, log lines, statistics
 *
 * DESCRIPTION
 *	librdkafka's threads put events into a queue and write to an eventfd that
 *	the loop listens on.  Deliveries come in arrays, one for each batch that
 *	a broker has answered.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None but what the skeleton writes.
 */
#include "workers/kafka_parts.h"

#include "common/crashpoint.h"
#include "common/log.h"

#include <bsd/string.h>
#include <stdio.h>
#include <string.h>

#define MESSAGES_AT_ONCE 256
#define EVENTS_A_TURN    64

void
kafka_report_finish(struct kafka *k)
{
	uint64_t first, n;

	while (kafka_window_run(&k->window, &first, &n))
		sink_done(k->s, first, n);
}

static void
refused(struct kafka *k, const rd_kafka_message_t *m, uint64_t ticket, struct kafka_slot *slot)
{
	enum kafka_class class = kafka_class_of(m->err);

	if (class == KAFKA_CLASS_RECORD && slot->was_suspect && k->is_alone) {
		if (!slot->is_replay)
			kafka_tx_bar(k, slot->stream, slot->end);
		slot->state = KAFKA_SLOT_NONE;
		sink_dead(k->s, ticket, slot->attempts + 1u, kafka_class_code(m->err), "%s",
		    rd_kafka_err2str(m->err));
		if (kafka_has_tx(k))
			kafka_producer_break(k, class, "topic %s: %s", rd_kafka_topic_name(m->rkt),
			    rd_kafka_err2str(m->err));
		return;
	}
	slot->state = KAFKA_SLOT_AGAIN;
	if (class == KAFKA_CLASS_RECORD) {
		slot->state = KAFKA_SLOT_SUSPECT;
		slot->was_suspect = true;
		k->suspects++;
	}
	kafka_producer_break(
	    k, class, "topic %s: %s", rd_kafka_topic_name(m->rkt), rd_kafka_err2str(m->err));
}

static void
report_one(struct kafka *k, const rd_kafka_message_t *m)
{
	uint64_t number = (uint64_t)(uintptr_t)m->_private;
	struct kafka_slot *slot;

	k->outstanding--;
	if (number == 0) { /* the positions record */
		if (m->err != RD_KAFKA_RESP_ERR_NO_ERROR)
			kafka_producer_break(k, kafka_class_of(m->err), "topic %s: %s",
			    rd_kafka_topic_name(m->rkt), rd_kafka_err2str(m->err));
		return;
	}
	slot = kafka_window_at(&k->window, number - 1);
	if (slot == NULL || slot->state != KAFKA_SLOT_SENT)
		return;
	if (__builtin_expect(m->err != RD_KAFKA_RESP_ERR_NO_ERROR, 0)) {
		refused(k, m, number - 1, slot);
		return;
	}
	slot->state = KAFKA_SLOT_ANSWERED;
	k->run_events++;
	k->run_bytes += m->len;
}

static void
deliveries(struct kafka *k, rd_kafka_event_t *ev)
{
	const rd_kafka_message_t *m[MESSAGES_AT_ONCE];
	size_t n;

	CRASHPOINT("kafka-answered");
	while ((n = rd_kafka_event_message_array(ev, m, MESSAGES_AT_ONCE)) > 0) {
		for (size_t i = 0; i < n; i++)
			report_one(k, m[i]);
	}
}

static void
error(struct kafka *k, rd_kafka_event_t *ev)
{
	rd_kafka_resp_err_t code = rd_kafka_event_error(ev);
	char text[KAFKA_TEXT_SIZE];

	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		kafka_producer_break(k, KAFKA_CLASS_AGAIN, "fatal");
		return;
	}
	snprintf(text, sizeof text, "%s", rd_kafka_event_error_string(ev));
	if (kafka_class_of(code) == KAFKA_CLASS_SETUP) {
		kafka_producer_trouble(k, KAFKA_CLASS_SETUP, "%s", text);
		return;
	}
	strlcpy(k->last_error, text, sizeof k->last_error);
	k->last_error_ns = clock_wall_ns();
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN)
		return;
	strlcpy(k->away, text, sizeof k->away);
	/* With nothing under way it is no failure yet. */
	if (k->outstanding > 0)
		kafka_producer_trouble(k, KAFKA_CLASS_AGAIN, "%s%s%s", text,
		    k->last_log[0] != '\0' ? ": " : "", k->last_log);
}

static void
log_event(struct kafka *k, rd_kafka_event_t *ev)
{
	const char *facility, *text;
	int level;

	if (rd_kafka_event_log(ev, &facility, &text, &level) != 0)
		return;
	strlcpy(k->last_log, text, sizeof k->last_log);
	/* Trouble is said once by the skeleton; these lines come for each try. */
	log_line(LOG_LEVEL_DEBUG, "librdkafka %s: %s", facility, text);
}

static void
one(struct kafka *k, rd_kafka_event_t *ev)
{
	switch (rd_kafka_event_type(ev)) {
	case RD_KAFKA_EVENT_DR:
		deliveries(k, ev);
		break;
	case RD_KAFKA_EVENT_ERROR:
		error(k, ev);
		break;
	case RD_KAFKA_EVENT_LOG:
		log_event(k, ev);
		break;
	case RD_KAFKA_EVENT_STATS:
		kafka_show_stats(k, rd_kafka_event_stats(ev));
		break;
	default:
		break;
	}
}

void
kafka_report_serve(struct kafka *k)
{
	rd_kafka_event_t *ev = NULL;
	int turns = 0;

	for (; k->queue != NULL && turns < EVENTS_A_TURN; turns++) {
		ev = rd_kafka_queue_poll(k->queue, 0);
		if (ev == NULL)
			break;
		one(k, ev);
		rd_kafka_event_destroy(ev);
	}
	if (turns == EVENTS_A_TURN)
		event_active(k->queue_event, EV_READ, 0);
	if (k->run_events > 0) {
		k->progress_ns = clock_mono_ns();
		sink_count_batch(k->s, k->run_events, k->run_bytes, 0);
		k->run_events = k->run_bytes = 0;
		k->is_reported = false;
		k->away[0] = '\0';
		if (k->state != KAFKA_BREAKING) {
			k->has_failed = false;
			sink_succeeded(k->s);
		}
		if (!kafka_has_tx(k))
			kafka_report_finish(k);
	}
}
