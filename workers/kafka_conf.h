/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_conf - what librdkafka is told, made from a sink's section
 *
 * DESCRIPTION
 *	Our own keys first, then the lines `option NAME VALUE` as they stand,
 *	last what a promise rests on.  Options that would break a promise are
 *	refused, those that librdkafka does not know too.  Files that only the
 *	supervisor's user may read (password, keys) are read here, before
 *	privileges go, and given to librdkafka as text.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_KAFKA_CONF_H
#define WORKERS_KAFKA_CONF_H

#include "common/config.h"

#include <librdkafka/rdkafka.h>
#include <stddef.h>

/* Records beside the events that may wait in the producer. */
#define KAFKA_CONF_SPARE 16

/* NULL with a line in why that says what to do.  transactional_id: "" without. */
rd_kafka_conf_t *kafka_conf_producer(
    const struct config_sink *cfg, const char *transactional_id, char *why, size_t size);
/* For reading back positions. */
rd_kafka_conf_t *kafka_conf_consumer(const struct config_sink *cfg, char *why, size_t size);

#endif
