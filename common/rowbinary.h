/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	rowbinary - an event as a row of ClickHouse's RowBinary format
 *
 * DESCRIPTION
 *	A set of columns, each with a type and a source, is made once;
 *	rowbinary_row() then writes one event's values one behind the other.
 *	userId, eventType, timestamp, metadata and id come from their places in
 *	the frame and cost no look at the rest of the body; other pointers are
 *	one pick_run() over it.
 *
 *	What a value becomes:
 *
 *	String		a JSON string unescaped; anything else as its JSON text, byte for
 *			byte as it was sent
 *	FixedString(N)	the same with zeros behind it; longer than N does not fit
 *	Int, UInt	a number without a fraction, also as a string; true is 1
 *	Float32, 64	a number, also as a string
 *	Bool		true, false, 0, 1, also as a string
 *	Date, DateTime, DateTime64(P)
 *			a number is milliseconds since 1970, as in every event; a
 *			string is YYYY-MM-DD, or that with Thh:mm:ss[.fraction][Z|+hh:mm]
 *			(a blank for the T), in UTC unless it says so
 *	UUID		a string of 36 characters
 *	Nullable(T)	absent and null are NULL
 *	LowCardinality(T)  as T
 *
 *	Absent and null are the type's default ("", 0, 1970) where there is no NULL.
 *
 * PROCESS
 *	Sinks; the configuration's check; sluicectl.
 *
 * SHARED STATE
 *	None.
 *
 * SEE ALSO
 *	docs/sinks/clickhouse.md
 */
#ifndef COMMON_ROWBINARY_H
#define COMMON_ROWBINARY_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ROWBINARY_COLUMNS_MAX 128
#define ROWBINARY_NAME_SIZE   128
#define ROWBINARY_TYPE_SIZE   96
#define ROWBINARY_FIXED_MAX   65536 /* N of FixedString(N) */

/* Grows when the same event and columns would give other bytes. */
#define ROWBINARY_VERSION 1

enum rowbinary_kind {
	ROWBINARY_STRING = 0,
	ROWBINARY_FIXED_STRING,
	ROWBINARY_INT8,
	ROWBINARY_INT16,
	ROWBINARY_INT32,
	ROWBINARY_INT64,
	ROWBINARY_UINT8,
	ROWBINARY_UINT16,
	ROWBINARY_UINT32,
	ROWBINARY_UINT64,
	ROWBINARY_FLOAT32,
	ROWBINARY_FLOAT64,
	ROWBINARY_BOOL,
	ROWBINARY_DATE,
	ROWBINARY_DATETIME,
	ROWBINARY_DATETIME64,
	ROWBINARY_UUID,
	ROWBINARY_KINDS
};

struct rowbinary_type {
	enum rowbinary_kind kind;
	unsigned n; /* FixedString: its length; DateTime64: digits behind the second */
	bool is_nullable;
	bool is_low_cardinality;
};

/* 0, or -1 with a sentence in why.  Blanks around are allowed; a time zone of DateTime and
 * DateTime64 is read and means nothing here. */
int rowbinary_type_parse(struct bytes text, struct rowbinary_type *out, char *why, size_t size);
/* As ClickHouse writes it, without time zones. */
void rowbinary_type_print(const struct rowbinary_type *t, char *buf, size_t size);
/* Do the same bytes mean the same in both?  (Bool and UInt8; LowCardinality or not.) */
bool rowbinary_type_is_same(const struct rowbinary_type *a, const struct rowbinary_type *b);

enum rowbinary_source {
	ROWBINARY_POINTER = 0,
	ROWBINARY_RECEIPT,   /* instance:stream:position */
	ROWBINARY_RECEIVED,  /* when it came, milliseconds since 1970 */
	ROWBINARY_EVENT_KEY, /* event:{userId}:{eventType}:{timestamp} */
	ROWBINARY_STREAM,
	ROWBINARY_POSITION,
	ROWBINARY_BODY /* the event as it was sent */
};

struct rowbinary_column {
	char name[ROWBINARY_NAME_SIZE];
	struct rowbinary_type type;
	enum rowbinary_source source;
	char from[256]; /* the source as it was written */
};

/* What of an event is needed; slices as they stand in the body, {NULL,0}: absent. */
struct rowbinary_event {
	struct bytes body, id, user_id, event_type, timestamp, metadata;
	int64_t event_ms;
	uint64_t recv_ns;
	uint32_t stream;
	uint64_t pos;
	const char *instance; /* first 8 digits, for receipts */
};

struct rowbinary;

struct rowbinary *rowbinary_new(void);
void rowbinary_free(struct rowbinary *rb);
/* 0, or -1 with a sentence in why.  from: a JSON pointer or a word of enum rowbinary_source. */
int rowbinary_add(struct rowbinary *rb, const char *name, const char *type, const char *from,
    char *why, size_t size);
/* The columns that a table has when the configuration names none. */
void rowbinary_add_default(struct rowbinary *rb);
size_t rowbinary_columns(const struct rowbinary *rb);
const struct rowbinary_column *rowbinary_column(const struct rowbinary *rb, size_t i);

enum rowbinary_result {
	ROWBINARY_OK = 0,
	ROWBINARY_FULL, /* `size` is too small; nothing is lost */
	ROWBINARY_BAD   /* a value does not fit its column: the fault says which */
};

struct rowbinary_fault {
	const struct rowbinary_column *column;
	const char *why; /* static: "is not a number", ... */
	struct bytes value;
};

/*
 * Writes the row; *len is its length.  The event must be valid JSON and have 64 readable
 * bytes behind it.  Never allocates.
 */
enum rowbinary_result rowbinary_row(struct rowbinary *rb, const struct rowbinary_event *e,
    uint8_t *buf, size_t size, size_t *len, struct rowbinary_fault *fault)
    __attribute__((warn_unused_result));

#endif
