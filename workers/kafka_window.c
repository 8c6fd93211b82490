/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_window - what became of each event that was given to the producer
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_window.h"

#include "common/panic.h"

#include <stdlib.h>

void
kafka_window_init(struct kafka_window *w, uint64_t max)
{
	uint64_t size = 1;

	while (size < max)
		size <<= 1;
	*w = (struct kafka_window){.mask = size - 1, .max = max};
	w->slot = xcalloc(size, sizeof *w->slot);
}

void
kafka_window_free(struct kafka_window *w)
{
	free(w->slot);
	*w = (struct kafka_window){0};
}

struct kafka_slot *
kafka_window_add(struct kafka_window *w, uint64_t ticket)
{
	struct kafka_slot *slot;

	if (w->low == w->high)
		w->low = w->high = ticket;
	assert_that(ticket >= w->high && ticket - w->low < w->max);
	for (; w->high < ticket; w->high++)
		w->slot[w->high & w->mask] = (struct kafka_slot){.state = KAFKA_SLOT_NONE};
	slot = &w->slot[ticket & w->mask];
	*slot = (struct kafka_slot){.state = KAFKA_SLOT_SENT};
	w->high = ticket + 1;
	return slot;
}

bool
kafka_window_run(struct kafka_window *w, uint64_t *first, uint64_t *n)
{
	while (w->low < w->high && w->slot[w->low & w->mask].state == KAFKA_SLOT_NONE)
		w->low++;
	*first = w->low;
	while (w->low < w->high && w->slot[w->low & w->mask].state == KAFKA_SLOT_ANSWERED)
		w->low++;
	*n = w->low - *first;
	return *n > 0;
}

void
kafka_window_rewind(struct kafka_window *w, bool answered)
{
	for (uint64_t t = w->low; t < w->high; t++) {
		struct kafka_slot *slot = &w->slot[t & w->mask];

		if (slot->state == KAFKA_SLOT_SENT ||
		    (answered && slot->state == KAFKA_SLOT_ANSWERED))
			slot->state = slot->was_suspect ? KAFKA_SLOT_SUSPECT : KAFKA_SLOT_AGAIN;
	}
}

bool
kafka_window_next(const struct kafka_window *w, uint64_t from, uint64_t *ticket)
{
	for (uint64_t t = from < w->low ? w->low : from; t < w->high; t++) {
		uint8_t state = w->slot[t & w->mask].state;

		if (state == KAFKA_SLOT_AGAIN || state == KAFKA_SLOT_SUSPECT) {
			*ticket = t;
			return true;
		}
	}
	return false;
}

uint64_t
kafka_window_count(const struct kafka_window *w, enum kafka_slot_state state)
{
	uint64_t n = 0;

	for (uint64_t t = w->low; t < w->high; t++)
		n += w->slot[t & w->mask].state == state;
	return n;
}
