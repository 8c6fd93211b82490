/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_again - what was not answered, once more and in order
 *
 * DESCRIPTION
 *	A new producer first gets everything its predecessor left, ticket by
 *	ticket, before anything new is taken.  A suspect (its batch was refused
 *	because of one record in it) goes alone, with nothing before or behind
 *	it, so that the answer is about it.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_parts.h"

void
kafka_again_start(struct kafka *k)
{
	uint64_t ticket;

	k->again_at = k->window.low;
	k->is_again = kafka_window_next(&k->window, k->again_at, &ticket);
	if (k->is_again)
		kafka_again_go_on(k);
	else
		sink_done(k->s, 0, 0); /* nothing: offer again what we did not take */
}

/* It can never be sent: tell, and let the dead letter become durable first. */
static void
give_up(
    struct kafka *k, uint64_t ticket, struct kafka_slot *slot, const char *code, const char *text)
{
	if (!slot->is_replay)
		kafka_tx_bar(k, slot->stream, slot->end);
	slot->state = KAFKA_SLOT_NONE;
	sink_dead(k->s, ticket, slot->attempts, code, "%s", text);
}

/* False: not now. */
static bool
send_again(struct kafka *k, uint64_t ticket, struct kafka_slot *slot)
{
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
	struct sink_event e;

	if (!sink_reread(k->s, ticket, &e)) {
		give_up(k, ticket, slot, "unreadable",
		    "the event left the log before the broker took it");
		return true;
	}
	e.ticket = ticket;
	if (kafka_has_tx(k) && !kafka_tx_begin(k))
		return false;
	switch (kafka_send_event(k, &e, &error)) {
	case KAFKA_SEND_OK:
		break;
	case KAFKA_SEND_REFUSED:
		give_up(k, ticket, slot, kafka_class_code(error), rd_kafka_err2str(error));
		return true;
	case KAFKA_SEND_FULL:
	case KAFKA_SEND_BROKEN:
		return false;
	}
	e.is_replay = slot->is_replay;
	if (kafka_has_tx(k))
		kafka_tx_note(k, &e);
	slot->was_suspect = slot->state == KAFKA_SLOT_SUSPECT;
	slot->state = KAFKA_SLOT_SENT;
	if (slot->attempts < UINT8_MAX)
		slot->attempts++;
	k->resent++;
	counters_add(k->s->part->counter, counter_id(SINK, resent), 1);
	return true;
}

/* A transaction is cut where a batch would be. */
static bool
is_cut(const struct kafka *k)
{
	return kafka_has_tx(k) && (k->tx_events >= (uint64_t)k->cfg->batch_events ||
				      k->tx_bytes >= k->cfg->batch_bytes);
}

void
kafka_again_go_on(struct kafka *k)
{
	for (int n = 0; k->is_again && n < KAFKA_AGAIN_BUDGET; n++) {
		struct kafka_slot *slot;
		bool is_suspect;
		uint64_t ticket;

		if (k->state != KAFKA_RUNNING || (k->is_alone && k->outstanding > 0))
			return;
		k->is_alone = false;
		if (kafka_tx_is_barred(k))
			return;
		if (!kafka_window_next(&k->window, k->again_at, &ticket)) {
			k->is_again = false;
			if (k->in_tx)
				kafka_tx_end(k);
			else
				sink_done(k->s, 0, 0);
			return;
		}
		slot = kafka_window_at(&k->window, ticket);
		is_suspect = slot->state == KAFKA_SLOT_SUSPECT;
		if ((is_suspect && k->in_tx) || is_cut(k)) {
			kafka_tx_end(k);
			return;
		}
		if (is_suspect && k->outstanding > 0)
			return;
		if (!send_again(k, ticket, slot))
			return;
		k->again_at = ticket + 1;
		k->is_alone = is_suspect && k->outstanding > 0;
		if (k->is_alone && k->in_tx)
			kafka_tx_end(k);
	}
	if (k->is_again)
		event_active(k->queue_event, EV_READ, 0);
}
