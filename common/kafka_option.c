/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_option - which options of librdkafka a sink's section may not set
 *
 * PROCESS
 *	Those that load a configuration; Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "common/kafka_option.h"

#include <string.h>

struct row {
	const char *name;
	const char *text;
};

/* Options that a promise rests on, or that stand under a key of our own. */
static const struct row refused[] = {
    {"bootstrap.servers", "use `server HOST:PORT`"},
    {"metadata.broker.list", "use `server HOST:PORT`"},
    {"enable.idempotence", "the sink always writes idempotently"},
    {"acks", "the sink always waits for all replicas in sync"},
    {"request.required.acks", "the sink always waits for all replicas in sync"},
    {"transactional.id", "use `exactly-once yes`"},
    {"message.timeout.ms", "an event is never given up because of time"},
    {"delivery.timeout.ms", "an event is never given up because of time"},
    {"message.send.max.retries", "an event is never given up because of retries"},
    {"retries", "an event is never given up because of retries"},
    {"compression.codec", "use `compression`"},
    {"compression.type", "use `compression`"},
    {"queue.buffering.max.messages", "use `in-flight`"},
    {"batch.num.messages", "use `batch-events`"},
    {"batch.size", "use `batch-bytes`"},
    {"linger.ms", "use `linger`"},
    {"queue.buffering.max.ms", "use `linger`"},
    {"delivery.report.only.error", "the sink needs every report"},
    {"enabled_events", "events are the sink's own"},
    {"log.queue", "the log is the sink's own"},
    {"plugin.library.paths", "plugins are not loaded"},
};

static const struct row files[] = {
    {"ssl.ca.location", "ssl.ca.pem"},
    {"ssl.key.location", "ssl.key.pem"},
    {"ssl.certificate.location", "ssl.certificate.pem"},
};

static const char *
find(const struct row *row, size_t rows, const char *name, size_t len)
{
	for (size_t i = 0; i < rows; i++)
		if (strlen(row[i].name) == len && memcmp(row[i].name, name, len) == 0)
			return row[i].text;
	return NULL;
}

const char *
kafka_option_refused(const char *name, size_t len)
{
	return find(refused, sizeof refused / sizeof refused[0], name, len);
}

const char *
kafka_option_text_of(const char *name, size_t len)
{
	return find(files, sizeof files / sizeof files[0], name, len);
}
