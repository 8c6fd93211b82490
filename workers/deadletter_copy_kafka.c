/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_copy_kafka - copies of dead letters into a Kafka topic
 *
 * DESCRIPTION
 *	A batch is done when every record of it was acknowledged; else all of it
 *	comes again.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_copy.h"

#include "common/panic.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_MS 500

struct kafka {
	rd_kafka_t *rk;
	struct deadletter_copy *copy;
	size_t waiting;
	bool has_failed;
};

static void
on_delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct kafka *k = opaque;

	(void)rk;
	if (k->waiting > 0)
		k->waiting--;
	if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR)
		return;
	k->has_failed = true;
	(void)snprintf(k->copy->why, sizeof k->copy->why, "%s", rd_kafka_err2str(m->err));
}

/* What it has to say is said once a minute through the failed batch. */
static void
on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)rk;
	(void)level;
	(void)facility;
	(void)text;
}

static struct kafka *
begin(struct deadletter_copy *c)
{
	const char *const settings[][2] = {{"bootstrap.servers", c->cfg->copy_kafka},
	    {"enable.idempotence", "true"}, {"message.timeout.ms", "10000"},
	    {"client.id", "sluice-deadletter"}, {"message.max.bytes", "67108864"}};
	struct kafka *k = xcalloc(1, sizeof *k);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();

	k->copy = c;
	for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
		if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], c->why,
			sizeof c->why) != RD_KAFKA_CONF_OK)
			goto failed;
	rd_kafka_conf_set_dr_msg_cb(conf, on_delivered);
	rd_kafka_conf_set_log_cb(conf, on_log);
	rd_kafka_conf_set_opaque(conf, k);
	k->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, c->why, sizeof c->why);
	if (k->rk != NULL)
		return k;
failed:
	rd_kafka_conf_destroy(conf);
	free(k);
	return NULL;
}

static void
stop(struct deadletter_copy *c)
{
	struct kafka *k = c->kind;

	if (k == NULL)
		return;
	(void)rd_kafka_flush(k->rk, STOP_MS);
	(void)rd_kafka_purge(k->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	(void)rd_kafka_poll(k->rk, 0);
	rd_kafka_destroy(k->rk);
	free(k);
	c->kind = NULL;
}

static enum deadletter_copy_result
poll_batch(struct deadletter_copy *c)
{
	struct kafka *k = c->kind;

	(void)rd_kafka_poll(k->rk, 0);
	if (k->waiting > 0)
		return COPY_PENDING;
	if (!k->has_failed)
		return COPY_DONE;
	/* Also the way out of a fatal error. */
	stop(c);
	return COPY_FAILED;
}

static enum deadletter_copy_result
send_batch(struct deadletter_copy *c, const struct bytes *text, size_t n)
{
	struct kafka *k = c->kind;

	if (k == NULL && (c->kind = k = begin(c)) == NULL)
		return COPY_FAILED;
	k->has_failed = false;
	k->waiting = 0;
	for (size_t i = 0; i < n; i++) {
		rd_kafka_resp_err_t err =
		    rd_kafka_producev(k->rk, RD_KAFKA_V_TOPIC(c->cfg->copy_kafka_topic),
			RD_KAFKA_V_VALUE((void *)(uintptr_t)text[i].ptr, text[i].len),
			RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);

		if (err != RD_KAFKA_RESP_ERR_NO_ERROR) {
			(void)snprintf(c->why, sizeof c->why, "%s", rd_kafka_err2str(err));
			stop(c);
			return COPY_FAILED;
		}
		k->waiting++;
	}
	return poll_batch(c);
}

const struct deadletter_copy_ops deadletter_copy_kafka_ops = {
    .name = "kafka", .send = send_batch, .poll = poll_batch, .stop = stop};
