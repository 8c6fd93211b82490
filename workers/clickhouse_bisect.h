/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_bisect - which rows to insert next, until the bad ones are found
 *
 * DESCRIPTION
 *	Begins with all rows of a part.  A refused range is halved; one refused
 *	row is bad.  n rows with one bad row cost at most 2*log2(n) + 1 inserts,
 *	each further bad row at most 2*log2(n) more.  The ranges depend on what
 *	was refused only, so that the same answers give the same inserts again.
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_CLICKHOUSE_BISECT_H
#define WORKERS_CLICKHOUSE_BISECT_H

#include <stdbool.h>
#include <stdint.h>

#define CLICKHOUSE_BISECT_DEPTH 40 /* of the stack: one a halving, and one */

struct clickhouse_bisect {
	struct clickhouse_range {
		uint32_t from, to;
	} stack[CLICKHOUSE_BISECT_DEPTH];
	int n;
	uint32_t inserts; /* answered so far */
};

void clickhouse_bisect_begin(struct clickhouse_bisect *b, uint32_t from, uint32_t to);
/* The range to insert now; false: all is done. */
bool clickhouse_bisect_next(const struct clickhouse_bisect *b, struct clickhouse_range *out);
/* It was inserted. */
void clickhouse_bisect_good(struct clickhouse_bisect *b);
/* It was refused: true when it is a single row, which is bad then. */
bool clickhouse_bisect_bad(struct clickhouse_bisect *b);

#endif
