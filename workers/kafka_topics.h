/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_topics - handles of the topics in use, a bounded number of them
 *
 * DESCRIPTION
 *	A topic made from a template is as many topics as producers like to send
 *	event types.  At most KAFKA_TOPICS_MAX handles are kept; the one that was
 *	not used for the longest time is closed for a new one.  librdkafka keeps
 *	what it knows of a topic as long as the producer lives, so who asks
 *	kafka_topics_is_worn() makes a new producer now and then.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_KAFKA_TOPICS_H
#define WORKERS_KAFKA_TOPICS_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdint.h>

#define KAFKA_TOPICS_MAX      1024
#define KAFKA_TOPICS_WORN     8192 /* handles made for one producer */
#define KAFKA_TOPICS_HEADS    2048
#define KAFKA_TOPIC_NAME_SIZE 250 /* Kafka allows 249 characters */

struct kafka_topic {
	rd_kafka_topic_t *handle;
	uint64_t used; /* number of its last use */
	uint32_t hash;
	int16_t next; /* in its chain, -1: the last */
	uint16_t len;
	char name[KAFKA_TOPIC_NAME_SIZE];
};

struct kafka_topics {
	int n;
	int last;      /* used last */
	uint64_t made; /* since the producer was made */
	uint64_t uses;
	uint64_t closed;
	struct kafka_topic *at;
	int16_t head[KAFKA_TOPICS_HEADS];
};

void kafka_topics_init(struct kafka_topics *t);
/* Closes all handles: before the producer ends. */
void kafka_topics_clear(struct kafka_topics *t);
void kafka_topics_free(struct kafka_topics *t);

/* Valid until the next call.  name: NUL-terminated, at most 249 bytes.  NULL:
 * rd_kafka_last_error() says why. */
rd_kafka_topic_t *kafka_topics_get(
    struct kafka_topics *t, rd_kafka_t *producer, const char *name, size_t len);

static inline bool
kafka_topics_is_worn(const struct kafka_topics *t)
{
	return t->made >= KAFKA_TOPICS_WORN;
}

#endif
