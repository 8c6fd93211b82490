/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_show - what a Kafka sink says about itself
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_parts.h"

#include "common/panic.h"
#include "workers/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
	STATS_MESSAGES = 0,
	STATS_BYTES,
	STATS_REQUESTS,
	STATS_TX_BYTES,
	STATS_TX_MESSAGES,
	STATS_N
};

const char *
kafka_show_state(enum kafka_state state)
{
	static const char *const name[] = {
	    [KAFKA_CLOSED] = "closed",
	    [KAFKA_OPENING] = "opening",
	    [KAFKA_RUNNING] = "running",
	    [KAFKA_COMMITTING] = "committing",
	    [KAFKA_BREAKING] = "breaking",
	    [KAFKA_CLOSING] = "closing",
	};

	return name[state];
}

void
kafka_show_start(struct kafka *k)
{
	static const char *const pointer[STATS_N] = {
	    "/msg_cnt", "/msg_size", "/tx", "/tx_bytes", "/txmsgs"};
	char why[128];

	k->stats_pick = pick_new();
	for (int i = 0; i < STATS_N; i++) {
		if (pick_add(k->stats_pick, pointer[i], why, sizeof why) != i)
			PANIC("%s: %s", pointer[i], why);
	}
}

static uint64_t
number(struct bytes raw)
{
	char text[24];

	if (raw.len == 0 || raw.len >= sizeof text)
		return 0;
	memcpy(text, raw.ptr, raw.len);
	text[raw.len] = '\0';
	return strtoull(text, NULL, 10);
}

void
kafka_show_stats(struct kafka *k, const char *json)
{
	struct bytes raw[STATS_N];
	struct kafka_stats *st = &k->stats;
	uint64_t tx_bytes;

	pick_run(k->stats_pick, bytes_str(json), raw);
	tx_bytes = number(raw[STATS_TX_BYTES]);
	/* They begin anew with each producer. */
	counters_add(k->s->part->counter, counter_id(SINK, wire_bytes),
	    tx_bytes >= st->tx_bytes ? tx_bytes - st->tx_bytes : tx_bytes);
	*st = (struct kafka_stats){.at_ns = clock_mono_ns(),
	    .messages = number(raw[STATS_MESSAGES]),
	    .bytes = number(raw[STATS_BYTES]),
	    .requests = number(raw[STATS_REQUESTS]),
	    .tx_bytes = tx_bytes,
	    .tx_messages = number(raw[STATS_TX_MESSAGES])};
}

static void
show_tx(struct kafka *k, struct text_out *out)
{
	text_add(out, "transactional-id   %s\n", k->transactional_id);
	text_add(out, "positions-topic    %s\n", k->positions_topic);
	text_add(out,
	    "transactions       committed=%" PRIu64 " given-up=%" PRIu64 " open=%d events=%" PRIu64
	    "\n",
	    k->committed, k->aborted, k->in_tx, k->tx_events);
	for (int i = 0; i < KAFKA_POSITIONS_STREAMS; i++) {
		if (k->known.at[i].pos != 0)
			text_add(out,
			    "committed          stream=%d pos=%" PRIu64 " seq=%" PRIu64 "\n", i,
			    k->known.at[i].pos, k->known.at[i].seq);
	}
}

static void
show(struct kafka *k, struct text_out *out)
{
	text_add(out, "librdkafka         %s\n", rd_kafka_version_str());
	text_add(out, "producer           %s opened=%" PRIu64 " broken=%" PRIu64 "\n",
	    kafka_show_state(k->state), k->opened, k->broken);
	text_add(out,
	    "window             in-flight=%" PRIu64 " of=%" PRIu64 " sent=%" PRIu64
	    " answered=%" PRIu64 " again=%" PRIu64 " suspects=%" PRIu64 "\n",
	    k->window.high - k->window.low, k->window.max,
	    kafka_window_count(&k->window, KAFKA_SLOT_SENT),
	    kafka_window_count(&k->window, KAFKA_SLOT_ANSWERED),
	    kafka_window_count(&k->window, KAFKA_SLOT_AGAIN),
	    kafka_window_count(&k->window, KAFKA_SLOT_SUSPECT));
	text_add(out, "queue              without-report=%" PRIu64 " in-producer=%d reports=%zu\n",
	    k->outstanding, k->producer == NULL ? 0 : rd_kafka_outq_len(k->producer),
	    k->queue == NULL ? (size_t)0 : rd_kafka_queue_length(k->queue));
	text_add(out, "topics             open=%d of=%d opened=%" PRIu64 " closed=%" PRIu64 "\n",
	    k->topics.n, KAFKA_TOPICS_MAX, k->topics.made, k->topics.closed);
	text_add(out, "sent-again         events=%" PRIu64 " one-by-one=%" PRIu64 "\n", k->resent,
	    k->suspects);
	if (kafka_has_tx(k))
		show_tx(k, out);
	if (k->stats.at_ns != 0)
		text_add(out,
		    "statistics         age-ms=%llu requests=%" PRIu64 " messages=%" PRIu64
		    " bytes-on-wire=%" PRIu64 " waiting=%" PRIu64 " waiting-bytes=%" PRIu64 "\n",
		    (clock_mono_ns() - k->stats.at_ns) / CLOCK_NS_PER_MS, k->stats.requests,
		    k->stats.tx_messages, k->stats.tx_bytes, k->stats.messages, k->stats.bytes);
	if (k->last_error[0] != '\0')
		text_add(out, "last-error         age-ms=%llu %s\n",
		    (clock_wall_ns() - k->last_error_ns) / CLOCK_NS_PER_MS, k->last_error);
	if (k->last_log[0] != '\0')
		text_add(out, "last-log           %s\n", k->last_log);
}

bool
kafka_show_command(struct kafka *k, const char *line, struct text_out *out)
{
	if (strcmp(line, "show kafka") != 0)
		return false;
	show(k, out);
	return true;
}
