/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_topics - handles of the topics in use, a bounded number of them
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_topics.h"

#include "common/panic.h"

#include <stdlib.h>
#include <string.h>

static uint32_t
hash_of(const char *name, size_t len)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < len; i++)
		h = (h ^ (uint8_t)name[i]) * 16777619u;
	return h;
}

void
kafka_topics_init(struct kafka_topics *t)
{
	memset(t, 0, sizeof *t);
	t->at = xcalloc(KAFKA_TOPICS_MAX, sizeof *t->at);
	memset(t->head, -1, sizeof t->head);
}

void
kafka_topics_clear(struct kafka_topics *t)
{
	for (int i = 0; i < t->n; i++)
		rd_kafka_topic_destroy(t->at[i].handle);
	t->n = 0;
	t->made = 0;
	memset(t->head, -1, sizeof t->head);
}

void
kafka_topics_free(struct kafka_topics *t)
{
	kafka_topics_clear(t);
	free(t->at);
	t->at = NULL;
}

static bool
is_named(const struct kafka_topic *topic, const char *name, size_t len)
{
	return topic->len == len && memcmp(topic->name, name, len) == 0;
}

static void
unlink_topic(struct kafka_topics *t, int i)
{
	int16_t *at = &t->head[t->at[i].hash % KAFKA_TOPICS_HEADS];

	while (*at != i)
		at = &t->at[*at].next;
	*at = t->at[i].next;
}

/* A place for one more: the one that was not used for the longest time is closed. */
static int
place_for(struct kafka_topics *t)
{
	int oldest = 0;

	if (t->n < KAFKA_TOPICS_MAX)
		return t->n++;
	for (int i = 1; i < t->n; i++) {
		if (t->at[i].used < t->at[oldest].used)
			oldest = i;
	}
	unlink_topic(t, oldest);
	rd_kafka_topic_destroy(t->at[oldest].handle);
	t->closed++;
	return oldest;
}

rd_kafka_topic_t *
kafka_topics_get(struct kafka_topics *t, rd_kafka_t *producer, const char *name, size_t len)
{
	rd_kafka_topic_t *handle;
	uint32_t hash;
	int16_t *head;
	int i;

	/* Mostly it is the one of the event before. */
	if (t->last < t->n && is_named(&t->at[t->last], name, len)) {
		t->at[t->last].used = ++t->uses;
		return t->at[t->last].handle;
	}
	hash = hash_of(name, len);
	head = &t->head[hash % KAFKA_TOPICS_HEADS];
	for (i = *head; i >= 0; i = t->at[i].next) {
		struct kafka_topic *topic = &t->at[i];

		if (topic->hash == hash && is_named(topic, name, len)) {
			topic->used = ++t->uses;
			t->last = i;
			return topic->handle;
		}
	}
	handle = rd_kafka_topic_new(producer, name, NULL);
	if (handle == NULL)
		return NULL;
	i = place_for(t);
	t->at[i].handle = handle;
	t->at[i].hash = hash;
	t->at[i].len = (uint16_t)len;
	memcpy(t->at[i].name, name, len);
	t->at[i].name[len] = '\0';
	t->at[i].used = ++t->uses;
	t->at[i].next = *head;
	*head = (int16_t)i;
	t->last = i;
	t->made++;
	return handle;
}
