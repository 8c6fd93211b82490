/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_positions - the record that says how far a transaction went
 *
 * DESCRIPTION
 *	With exactly-once each transaction carries, beside its events, one record
 *	with the place in every stream.  The record is text, so that people can
 *	read it with any consumer:
 *
 *		sluice-positions 1
 *		0 1048576 312
 *		1 2199023255552 17
 *
 *	stream, position, sequence: where to go on.  The last committed one counts.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_KAFKA_POSITIONS_H
#define WORKERS_KAFKA_POSITIONS_H

#include "common/bytes.h"

#define KAFKA_POSITIONS_STREAMS 256
#define KAFKA_POSITIONS_SIZE    (32 + KAFKA_POSITIONS_STREAMS * 48)

struct kafka_place {
	uint64_t pos; /* 0: nothing is known of this stream */
	uint64_t seq;
};

struct kafka_positions {
	struct kafka_place at[KAFKA_POSITIONS_STREAMS];
};

/* Length written. */
size_t kafka_positions_print(const struct kafka_positions *p, char buf[KAFKA_POSITIONS_SIZE]);
/* False: not such a record (another version, cut short); *p is then all zero. */
bool kafka_positions_read(struct kafka_positions *p, struct bytes text);

#endif
