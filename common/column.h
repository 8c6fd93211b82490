/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	column - one column of a table and what stands in it
 *
 * DESCRIPTION
 *	"NAME TYPE from SOURCE", where SOURCE is a JSON pointer into the event or
 *	one of receipt, received, event-key, stream, position, body.  Types are
 *	those of ClickHouse: String, FixedString(N), Int8 ... Int64, UInt8 ...
 *	UInt64, Float32, Float64, Bool, Date, DateTime, DateTime('zone'),
 *	DateTime64(P), DateTime64(P, 'zone'), UUID, and of these
 *	LowCardinality(...) and Nullable(...).
 *
 * PROCESS
 *	Those that load a configuration; the ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_COLUMN_H
#define COMMON_COLUMN_H

#include <stdbool.h>
#include <stddef.h>

enum column_source {
	COLUMN_POINTER = 0, /* a value of the event */
	COLUMN_RECEIPT,     /* what the producer was given */
	COLUMN_RECEIVED,    /* when the event was taken */
	COLUMN_EVENT_KEY,   /* event:{userId}:{eventType}:{timestamp} */
	COLUMN_STREAM,
	COLUMN_POSITION,
	COLUMN_BODY /* the whole event */
};

struct column {
	char name[64];
	char type[96]; /* as written, without blanks but one behind a comma */
	enum column_source source;
	char pointer[128]; /* of COLUMN_POINTER; "" else */
};

enum column_base {
	COLUMN_STRING = 0,
	COLUMN_FIXED_STRING, /* of `n` bytes */
	COLUMN_INT,          /* of `bits` */
	COLUMN_UINT,
	COLUMN_FLOAT,
	COLUMN_BOOL,
	COLUMN_DATE,
	COLUMN_DATE_TIME,
	COLUMN_DATE_TIME64, /* with `n` decimals */
	COLUMN_UUID
};

/* A type taken apart. */
struct column_type {
	enum column_base base;
	int bits;
	int n;
	bool is_nullable;
	bool is_low_cardinality;
};

/* 0, or -1 with a sentence in why; *out is not touched then. */
int column_parse(const char *text, struct column *out, char *why, size_t size)
    __attribute__((warn_unused_result));
/* Is it a type that we can write? */
bool column_type_parse(const char *type, struct column_type *out)
    __attribute__((warn_unused_result));

#endif
