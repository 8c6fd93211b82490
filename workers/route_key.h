/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_key - the name by which a receiver knows a request that comes again
 *
 * DESCRIPTION
 *	Of one event it is what dedup goes by: `id:{id}` when the event has an
 *	id, else its eventKey, `event:{userId}:{eventType}:{timestamp}`.  Of a
 *	batch it is the receipts of its first and last event, their number, and
 *	a checksum over the places of all:
 *
 *		1f0c93aa:0:4096-1:8192/100-5ab3c01e
 *
 *	Bytes that may not stand in a header, blanks and '%' are written %XX.
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_ROUTE_KEY_H
#define WORKERS_ROUTE_KEY_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROUTE_KEY_SIZE 512 /* with the NUL; a key that does not fit is replaced by the receipt */

struct route_place {
	uint32_t stream;
	uint64_t pos;
};

/* Values as they stand in the body, with their quotes; id {NULL, 0}: it has none.
 * False: it does not fit. */
bool route_key_event(char *out, size_t size, struct bytes id, struct bytes user_id,
    struct bytes event_type, int64_t timestamp_ms);
/* instance:stream:position; size at least 48. */
void route_key_receipt(char *out, size_t size, const char *instance, struct route_place place);
/* size at least 128. */
void route_key_batch(
    char *out, size_t size, const char *instance, const struct route_place *places, size_t n);
/* The key without '.', which parts the fields of what is signed: a dot is written %2E.
 * size: 3 * strlen(key) + 1 always do. */
void route_key_message_id(char *out, size_t size, const char *key);

#endif
