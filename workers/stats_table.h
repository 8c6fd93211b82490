/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_table - columns that stand under each other
 *
 * DESCRIPTION
 *	Fill a table cell by cell, row by row, then print it: every column as
 *	wide as its widest cell.  A heading that begins with '<' makes a column
 *	that is aligned left; the last column is not padded.
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_STATS_TABLE_H
#define WORKERS_STATS_TABLE_H

#include "workers/text.h"

#define STATS_TABLE_COLUMNS 24

struct stats_table {
	const char *const *heads;
	unsigned columns;
	size_t cells;
	struct text_out text; /* cells, each with a NUL */
};

void stats_table_begin(struct stats_table *t, const char *const *heads, unsigned columns);
void stats_table_cell(struct stats_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A number; every column that holds one is a column of numbers. */
void stats_table_number(struct stats_table *t, unsigned long long n);
/* Prints the heading and all whole rows; the table is gone then. */
void stats_table_end(struct stats_table *t, struct text_out *out);

#endif
