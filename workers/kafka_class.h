/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_class - what to do about an error of librdkafka or of a broker
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_KAFKA_CLASS_H
#define WORKERS_KAFKA_CLASS_H

#include <librdkafka/rdkafka.h>

enum kafka_class {
	KAFKA_CLASS_OK = 0,
	KAFKA_CLASS_AGAIN,  /* the world: send again, in order, with another producer */
	KAFKA_CLASS_RECORD, /* one record of the batch is what they do not want */
	KAFKA_CLASS_SETUP,  /* a person must do something: topic, rights, password */
	KAFKA_CLASS_FENCED, /* somebody else uses our transactional.id */
};

enum kafka_class kafka_class_of(rd_kafka_resp_err_t error);
/* "too_large" or "invalid_record": the code of a dead letter. */
const char *kafka_class_code(rd_kafka_resp_err_t error);

#endif
