/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_send - an event becomes a message: topic, key, headers, value
 *
 * DESCRIPTION
 *	The value is the event's bytes as the producer sent them.  librdkafka
 *	copies key and value, so nothing here outlives the call.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_parts.h"

#include "common/panic.h"

#include <bsd/string.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RECEIPT_SIZE 48

static bool
is_legal(const char *name)
{
	size_t len = strlen(name);

	return len > 0 && len < KAFKA_TOPIC_NAME_SIZE && strcmp(name, ".") != 0 &&
	       strcmp(name, "..") != 0 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
		   len;
}

static size_t
topic_of(const struct template *t, struct bytes type, struct bytes user, struct bytes body,
    char name[KAFKA_TOPIC_NAME_SIZE])
{
	size_t len = template_run(t, type, user, body, name, KAFKA_TOPIC_NAME_SIZE);

	/* The two legal words that are no names. */
	if (len <= 2 && (strcmp(name, ".") == 0 || strcmp(name, "..") == 0))
		memset(name, '_', len);
	return len;
}

void
kafka_send_start(struct kafka *k)
{
	const struct config_sink *cfg = k->cfg;
	char why[256];
	char name[KAFKA_TOPIC_NAME_SIZE];

	k->topic = template_new(cfg->topic, why, sizeof why);
	if (k->topic == NULL)
		fatal_config("sink %s: topic \"%s\": %s", cfg->name, cfg->topic, why);
	topic_of(k->topic, BYTES_LIT("\"x\""), BYTES_LIT("\"x\""), BYTES_LIT("{}"), name);
	if (!is_legal(name))
		fatal_config("sink %s: topic \"%s\": a topic's name has 1 to 249 characters of "
			     "A-Z a-z 0-9 . _ - only",
		    cfg->name, cfg->topic);
	if (template_is_fixed(k->topic))
		strlcpy(k->fixed_topic, name, sizeof k->fixed_topic);
	k->is_user_key = strcmp(cfg->key, "/userId") == 0;
	if (cfg->key[0] != '\0' && !k->is_user_key) {
		k->pick = pick_new();
		if (pick_add(k->pick, cfg->key, why, sizeof why) == -1)
			fatal_config("sink %s: key \"%s\": %s", cfg->name, cfg->key, why);
	}
	k->scratch_size = 4096;
	k->scratch = xcalloc(1, k->scratch_size);
}

/* The characters of a string, another value as it stands; {NULL,0} for absent and null. */
static struct bytes
plain(struct kafka *k, struct bytes raw)
{
	struct bytes out;

	if (raw.len == 0 || (raw.len == 4 && memcmp(raw.ptr, "null", 4) == 0))
		return (struct bytes){NULL, 0};
	if (!pick_is_string(raw))
		return raw;
	if (raw.len > k->scratch_size) {
		free(k->scratch);
		k->scratch_size = raw.len * 2;
		k->scratch = xcalloc(1, k->scratch_size);
	}
	return pick_string(raw, k->scratch, k->scratch_size, &out) ? out : raw;
}

static struct bytes
key_of(struct kafka *k, const struct sink_event *e)
{
	struct bytes raw;

	if (k->is_user_key)
		return plain(k, sink_event_value(e, e->h.user_id));
	if (k->pick == NULL)
		return (struct bytes){NULL, 0};
	pick_run(k->pick, e->body, &raw);
	return plain(k, raw);
}

/* A list of our own: rd_kafka_produceva() frees headers given one by one twice when the
 * topic is known to be refused (librdkafka issue 4627). */
static rd_kafka_resp_err_t
produce_with_headers(struct kafka *k, rd_kafka_topic_t *topic, const struct sink_event *e,
    struct bytes key, struct bytes type, void *opaque)
{
	rd_kafka_headers_t *headers = rd_kafka_headers_new(3);
	char receipt[RECEIPT_SIZE];
	int n = snprintf(
	    receipt, sizeof receipt, "%s:%u:%" PRIu64, k->s->instance, e->h.stream, e->h.pos);
	rd_kafka_resp_err_t r = RD_KAFKA_RESP_ERR_NO_ERROR;
	rd_kafka_error_t *error;
	rd_kafka_vu_t vu[] = {
	    {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
	    {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = RD_KAFKA_PARTITION_UA},
	    {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
	    {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
	    {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)e->body.ptr, e->body.len}},
	    {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key.ptr, key.len}},
	    {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
	};

	(void)rd_kafka_header_add(headers, "receipt", 7, receipt, n);
	(void)rd_kafka_header_add(headers, "content-type", 12, "application/json", 16);
	if (type.ptr != NULL)
		(void)rd_kafka_header_add(headers, "eventType", 9, type.ptr, (ssize_t)type.len);
	error = rd_kafka_produceva(k->producer, vu, sizeof vu / sizeof vu[0]);
	if (error != NULL) {
		r = rd_kafka_error_code(error);
		rd_kafka_error_destroy(error);
		rd_kafka_headers_destroy(headers); /* still ours */
	}
	return r;
}

static enum kafka_send
refused(struct kafka *k, const char *topic, rd_kafka_resp_err_t error)
{
	if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL)
		return KAFKA_SEND_FULL;
	if (kafka_class_of(error) == KAFKA_CLASS_RECORD)
		return KAFKA_SEND_REFUSED;
	kafka_producer_break(
	    k, kafka_class_of(error), "topic %s: %s", topic, rd_kafka_err2str(error));
	return KAFKA_SEND_BROKEN;
}

enum kafka_send
kafka_send_event(struct kafka *k, const struct sink_event *e, rd_kafka_resp_err_t *error)
{
	struct bytes raw_type = sink_event_value(e, e->h.event_type);
	/* 0 is no ticket of an event: the positions record has none. */
	void *opaque = (void *)(uintptr_t)(e->ticket + 1);
	char made[KAFKA_TOPIC_NAME_SIZE];
	const char *name = k->fixed_topic;
	size_t len;
	rd_kafka_topic_t *topic;
	struct bytes key;

	if (name[0] == '\0') {
		len =
		    topic_of(k->topic, raw_type, sink_event_value(e, e->h.user_id), e->body, made);
		name = made;
	} else
		len = strlen(name);
	topic = kafka_topics_get(&k->topics, k->producer, name, len);
	if (topic == NULL) {
		*error = rd_kafka_last_error();
		return refused(k, name, *error);
	}
	if (k->cfg->headers) {
		char short_type[256];
		struct bytes type = {NULL, 0};

		/* Key and type are unescaped into the same place, one after the other. */
		if (!pick_is_string(raw_type) ||
		    !pick_string(raw_type, short_type, sizeof short_type, &type))
			type = raw_type;
		key = key_of(k, e);
		*error = produce_with_headers(k, topic, e, key, type, opaque);
	} else {
		key = key_of(k, e);
		*error =
		    rd_kafka_produce(topic, RD_KAFKA_PARTITION_UA, RD_KAFKA_MSG_F_COPY,
			(void *)(uintptr_t)e->body.ptr, e->body.len, key.ptr, key.len, opaque) == 0
			? RD_KAFKA_RESP_ERR_NO_ERROR
			: rd_kafka_last_error();
	}
	if (*error != RD_KAFKA_RESP_ERR_NO_ERROR)
		return refused(k, name, *error);
	if (k->outstanding++ == 0)
		k->progress_ns = clock_mono_ns();
	return KAFKA_SEND_OK;
}
