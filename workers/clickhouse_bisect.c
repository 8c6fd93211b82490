/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_bisect - which rows to insert next, until the bad ones are found
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_bisect.h"

#include "common/panic.h"

void
clickhouse_bisect_begin(struct clickhouse_bisect *b, uint32_t from, uint32_t to)
{
	b->n = 0;
	b->inserts = 0;
	if (from < to)
		b->stack[b->n++] = (struct clickhouse_range){from, to};
}

bool
clickhouse_bisect_next(const struct clickhouse_bisect *b, struct clickhouse_range *out)
{
	if (b->n == 0)
		return false;
	*out = b->stack[b->n - 1];
	return true;
}

void
clickhouse_bisect_good(struct clickhouse_bisect *b)
{
	assert_that(b->n > 0);
	b->n--;
	b->inserts++;
}

bool
clickhouse_bisect_bad(struct clickhouse_bisect *b)
{
	struct clickhouse_range r;
	uint32_t half;

	assert_that(b->n > 0 && b->n < CLICKHOUSE_BISECT_DEPTH);
	r = b->stack[--b->n];
	b->inserts++;
	if (r.to - r.from == 1)
		return true;
	half = r.from + (r.to - r.from) / 2;
	b->stack[b->n++] = (struct clickhouse_range){half, r.to};
	b->stack[b->n++] = (struct clickhouse_range){r.from, half};
	return false;
}
