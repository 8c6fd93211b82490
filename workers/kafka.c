/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka - the sink that writes events to Apache Kafka
 *
 * DESCRIPTION
 *	Events go into librdkafka's queue as they are taken; its threads make
 *	batches, compress, send and try again, idempotently and with acks=all.
 *	Reports of delivery come back through a queue with a file descriptor.
 *	The number of events in flight is bounded by the window, which is also
 *	what a death may send twice.  With exactly-once a batch is a transaction.
 *
 *	kafka.c		 the kind's operations
 *	kafka_conf.c	 what librdkafka is told
 *	kafka_send.c	 an event becomes a message
 *	kafka_report.c	 what the producer says
 *	kafka_producer.c the producer's life
 *	kafka_again.c	 what was not answered, once more
 *	kafka_tx.c	 transactions
 *	kafka_window.c, kafka_positions.c, kafka_topics.c, kafka_class.c, kafka_work.c
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None but what the skeleton writes.
 *
 * DIAGNOSTICS
 *	fatal: an option that librdkafka does not know, a file that cannot be
 *	read, a topic that is no name.
 *
 * SEE ALSO
 *	docs/sinks/kafka.md
 */
#include "workers/kafka_parts.h"

#include "common/crashpoint.h"
#include "common/panic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*------------------------------------------------------------------ start */

/* Secrets are read while we may. */
static void
kafka_open_early(struct sink *s)
{
	struct kafka *k = xcalloc(1, sizeof *k);
	char why[KAFKA_TEXT_SIZE];

	k->s = s;
	k->cfg = s->cfg;
	s->kind = k;
	kafka_tx_start(k);
	k->conf = kafka_conf_producer(s->cfg, k->transactional_id, why, sizeof why);
	if (k->conf == NULL)
		fatal_config("sink %s: %s", s->cfg->name, why);
	if (kafka_has_tx(k)) {
		k->consumer_conf = kafka_conf_consumer(s->cfg, why, sizeof why);
		if (k->consumer_conf == NULL)
			fatal_config("sink %s: %s", s->cfg->name, why);
	}
	kafka_send_start(k);
}

static void
queue_is_readable(evutil_socket_t fd, short what, void *arg)
{
	struct kafka *k = arg;
	uint64_t n;

	(void)what;
	sink_woke(k->s);
	if (read(fd, &n, sizeof n) == -1 && errno != EAGAIN)
		PANIC("the producer's eventfd: %s", strerror(errno));
	kafka_report_serve(k);
	kafka_producer_settle(k, clock_mono_ns());
}

static void
job_is_done(evutil_socket_t fd, short what, void *arg)
{
	struct kafka *k = arg;

	(void)fd;
	(void)what;
	sink_woke(k->s);
	if (kafka_work_finished(&k->work))
		kafka_producer_job_done(k);
}

/* Some mistakes only the whole shows: librdkafka says them when a producer is made. */
static void
try_conf(struct kafka *k)
{
	char text[KAFKA_TEXT_SIZE];
	rd_kafka_conf_t *conf = rd_kafka_conf_dup(k->conf);
	rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);

	if (producer == NULL)
		fatal_config("sink %s: librdkafka: %s", k->cfg->name, text);
	rd_kafka_destroy(producer);
}

static void
kafka_start(struct sink *s)
{
	struct kafka *k = s->kind;

	try_conf(k);
	kafka_window_init(&k->window, (uint64_t)(s->cfg->in_flight < 1 ? 1 : s->cfg->in_flight));
	kafka_topics_init(&k->topics);
	kafka_show_start(k);
	kafka_work_start(&k->work);
	k->queue_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (k->queue_fd == -1)
		fatal("no eventfd for sink %s: %s", s->cfg->name, strerror(errno));
	k->queue_event =
	    event_new(s->base, k->queue_fd, EV_READ | EV_PERSIST, queue_is_readable, k);
	k->work_event = event_new(s->base, k->work.fd, EV_READ | EV_PERSIST, job_is_done, k);
	if (k->queue_event == NULL || k->work_event == NULL ||
	    event_add(k->queue_event, NULL) == -1 || event_add(k->work_event, NULL) == -1)
		fatal("no memory for the events of sink %s", s->cfg->name);
	if (kafka_has_tx(k))
		sink_hold(s, true);
	kafka_producer_open(k);
}

/*----------------------------------------------------------------- events */

static bool
may_take(struct kafka *k, const struct sink_event *e)
{
	return k->state == KAFKA_RUNNING && !k->is_again && !k->is_renewing &&
	       !k->s->breaker.is_forced_open && kafka_window_fits(&k->window, e->ticket) &&
	       (!kafka_has_tx(k) || !kafka_tx_is_barred(k));
}

static enum sink_take
kafka_take(struct sink *s, const struct sink_event *e)
{
	struct kafka *k = s->kind;
	rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
	struct kafka_slot *slot;

	if (!may_take(k, e) || (kafka_has_tx(k) && !kafka_tx_begin(k)))
		return SINK_FULL;
	switch (kafka_send_event(k, e, &error)) {
	case KAFKA_SEND_OK:
		break;
	case KAFKA_SEND_REFUSED:
		sink_refuse(s, e, kafka_class_code(error), "%s", rd_kafka_err2str(error));
		if (!e->is_replay)
			kafka_tx_bar(k, e->h.stream, e->end);
		return SINK_REFUSED;
	case KAFKA_SEND_FULL:
	case KAFKA_SEND_BROKEN:
		return SINK_FULL;
	}
	slot = kafka_window_add(&k->window, e->ticket);
	slot->stream = e->h.stream;
	slot->end = e->end;
	slot->is_replay = e->is_replay;
	if (kafka_has_tx(k))
		kafka_tx_note(k, e);
	CRASHPOINT("kafka-sent");
	return SINK_TAKEN;
}

/* Without transactions librdkafka's own linger sends. */
static void
kafka_flush(struct sink *s)
{
	struct kafka *k = s->kind;

	if (kafka_has_tx(k) && k->state == KAFKA_RUNNING && !k->is_again)
		kafka_tx_end(k);
}

static void
kafka_attempt(struct sink *s)
{
	struct kafka *k = s->kind;

	k->is_reported = false;
	k->progress_ns = clock_mono_ns();
	/* A producer that lives tries by itself. */
	if (k->producer == NULL || k->state == KAFKA_BREAKING)
		k->wants_open = true;
	/* Nobody flushes before a success. */
	kafka_flush(s);
	kafka_producer_settle(k, k->progress_ns);
}

static void
kafka_tick(struct sink *s, uint64_t mono_ns)
{
	struct kafka *k = s->kind;

	if (kafka_work_finished(&k->work))
		kafka_producer_job_done(k);
	kafka_report_serve(k);
	kafka_producer_settle(k, mono_ns);
	/* Nobody calls attempt() while we are held. */
	if (s->is_held && k->state == KAFKA_CLOSED && breaker_may_try(&s->breaker, mono_ns))
		kafka_attempt(s);
	/* What made us say "full" may be over without an event of ours having finished. */
	if (k->state == KAFKA_RUNNING && !k->is_again)
		sink_done(s, 0, 0);
}

static void
kafka_stop(struct sink *s)
{
	struct kafka *k = s->kind;

	kafka_producer_stop(k);
}

static bool
kafka_resume_at(struct sink *s, uint32_t stream, uint64_t *pos, uint64_t *seq)
{
	const struct kafka *k = s->kind;

	if (!kafka_has_tx(k) || stream >= KAFKA_POSITIONS_STREAMS || k->known.at[stream].pos == 0)
		return false;
	*pos = k->known.at[stream].pos;
	*seq = k->known.at[stream].seq;
	return true;
}

static bool
kafka_command(struct sink *s, const char *line, struct text_out *out)
{
	return kafka_show_command(s->kind, line, out);
}

const struct sink_ops kafka_sink_ops = {
    .kind = "kafka",
    .open_early = kafka_open_early,
    .start = kafka_start,
    .take = kafka_take,
    .flush = kafka_flush,
    .attempt = kafka_attempt,
    .resume_at = kafka_resume_at,
    .tick = kafka_tick,
    .stop = kafka_stop,
    .command = kafka_command,
    .help = "show kafka\t\tproducer, queues, topics, transactions, last error\n",
};
