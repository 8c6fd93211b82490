/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_rowbinary - values of any sort into columns of any type; descriptors of any bytes
 *
 * DESCRIPTION
 *	The first byte chooses a type and how much room there is.  Whatever the
 *	value, nothing is written beyond the room, the same value gives the same
 *	bytes with more room, and what fits is as long as its type is.  Input
 *	that begins with a descriptor's magic is read as one, and what is read
 *	is written as it was.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/rowbinary.h"
#include "workers/clickhouse_descriptor.h"

#define PADDING 64
#define TYPES   22

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct {
	const char *name;
	size_t len; /* 0: by its value */
} types[TYPES] = {{"String", 0}, {"FixedString(9)", 9}, {"FixedString(1000)", 1000}, {"Int8", 1},
    {"Int16", 2}, {"Int32", 4}, {"Int64", 8}, {"UInt8", 1}, {"UInt16", 2}, {"UInt32", 4},
    {"UInt64", 8}, {"Float32", 4}, {"Float64", 8}, {"Bool", 1}, {"Date", 2}, {"DateTime", 4},
    {"DateTime64(0)", 8}, {"DateTime64(9)", 8}, {"UUID", 16}, {"LowCardinality(String)", 0},
    {"Nullable(String)", 0}, {"Nullable(UInt32)", 0}};
static struct rowbinary *rows[2][TYPES];

#define check(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static void
make_rows(void)
{
	static const char *const from[2] = {"/metadata", "/metadata/a"};
	char why[256];

	for (int k = 0; k < 2; k++)
		for (int i = 0; i < TYPES; i++) {
			rows[k][i] = rowbinary_new();
			check(rowbinary_add(
				  rows[k][i], "c", types[i].name, from[k], why, sizeof why) == 0);
		}
}

static void
check_row(struct rowbinary *rb, const struct rowbinary_event *e, size_t want, size_t size)
{
	static uint8_t room[1 << 20];
	uint8_t *tight = malloc(size + 1), *wide = room;
	size_t n = 0, m = 0;
	struct rowbinary_fault fault = {0};
	enum rowbinary_result r, w;

	check(tight != NULL);
	r = rowbinary_row(rb, e, tight, size, &n, &fault);
	if (r == ROWBINARY_BAD)
		check(fault.why != NULL && fault.column == rowbinary_column(rb, 0));
	w = rowbinary_row(rb, e, wide, 1 << 20, &m, &fault);
	check(w != ROWBINARY_FULL);
	if (r == ROWBINARY_OK)
		check(w == ROWBINARY_OK && n == m && n <= size && memcmp(tight, wide, n) == 0);
	if (w == ROWBINARY_OK && want > 0)
		check(m == want);
	free(tight);
}

static void
check_descriptor(const uint8_t *data, size_t len)
{
	static struct clickhouse_descriptor d, e;
	static uint8_t *buf;
	static size_t size;

	if (!clickhouse_descriptor_decode(&d, data, len))
		return;
	len = clickhouse_descriptor_encode(&d, &buf, &size);
	check(clickhouse_descriptor_decode(&e, buf, len));
	check(d.rows == e.rows && d.spans == e.spans && d.runs == e.runs);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct rowbinary_event e = {.event_ms = 1, .instance = "01234567"};
	uint8_t *copy;
	int k;

	if (rows[0][0] == NULL)
		make_rows();
	if (len < 2 || len > 100000)
		return 0;
	check_descriptor(data, len);
	copy = calloc(1, len + PADDING);
	check(copy != NULL);
	memcpy(copy, data, len);
	e.body = bytes_of(copy + 2, len - 2);
	e.metadata = e.body;
	k = data[0] & 1;
	check_row(rows[k][(data[0] >> 1) % TYPES], &e, types[(data[0] >> 1) % TYPES].len, data[1]);
	free(copy);
	return 0;
}
