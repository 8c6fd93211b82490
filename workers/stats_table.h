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
 *	The same rows can be printed as JSON: an object a row, its members called
 *	as the headings; "-" is null, and what looks like a number in a column
 *	that is aligned right is one.
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

#include <stdbool.h>

#define STATS_TABLE_COLUMNS 24

struct stats_table {
	const char *const *heads;
	unsigned columns;
	bool is_json; /* its end is stats_table_json(): numbers without a unit are wanted */
	size_t cells;
	struct text_out text; /* cells, each with a NUL */
};

void stats_table_begin(struct stats_table *t, const char *const *heads, unsigned columns);
void stats_table_cell(struct stats_table *t, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* A number; every column that holds one is a column of numbers. */
void stats_table_number(struct stats_table *t, unsigned long long n);
/* For a command that takes "json" or nothing: false, with a line in out, for any other arg. */
bool stats_table_begin_as(struct stats_table *t, const char *const *heads, unsigned columns,
    const char *command, const char *arg, struct text_out *out);
/* The end of that: a table, or {"NAME":[..]} on one line. */
void stats_table_end_as(struct stats_table *t, const char *name, struct text_out *out);
/* Prints the heading and all whole rows; the table is gone then. */
void stats_table_end(struct stats_table *t, struct text_out *out);

#endif
