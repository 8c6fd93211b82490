/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_table - columns that stand under each other
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/stats_table.h"

#include "common/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TABLE_MAX_BYTES (4u << 20)
#define CELL_SIZE       256

void
stats_table_begin(struct stats_table *t, const char *const *heads, unsigned columns)
{
	assert_that(columns <= STATS_TABLE_COLUMNS);
	*t = (struct stats_table){.heads = heads, .columns = columns};
	text_init(&t->text, TABLE_MAX_BYTES);
}

void
stats_table_cell(struct stats_table *t, const char *fmt, ...)
{
	char cell[CELL_SIZE];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(cell, sizeof cell, fmt, ap);
	va_end(ap);
	text_add_bytes(&t->text, cell, strlen(cell) + 1);
	if (!t->text.is_cut)
		t->cells++;
}

void
stats_table_number(struct stats_table *t, unsigned long long n)
{
	stats_table_cell(t, "%llu", n);
}

static void
print_cell(const struct stats_table *t, unsigned column, size_t width, const char *cell,
    struct text_out *out)
{
	bool is_left = t->heads[column][0] == '<';
	size_t len = strlen(cell);
	int pad = width > len ? (int)(width - len) : 0;

	if (column > 0)
		text_add_bytes(out, "  ", 2);
	if (is_left && column + 1 == t->columns)
		pad = 0;
	if (is_left)
		text_add(out, "%s%*s", cell, pad, "");
	else
		text_add(out, "%*s%s", pad, "", cell);
}

void
stats_table_end(struct stats_table *t, struct text_out *out)
{
	size_t width[STATS_TABLE_COLUMNS] = {0}, rows = t->cells / t->columns, len;
	const char *cell = t->text.buf;

	for (unsigned c = 0; c < t->columns; c++)
		width[c] = strlen(t->heads[c] + (t->heads[c][0] == '<'));
	for (size_t i = 0; i < rows * t->columns; i++) {
		len = strlen(cell);
		if (len > width[i % t->columns])
			width[i % t->columns] = len;
		cell += len + 1;
	}
	for (unsigned c = 0; c < t->columns; c++)
		print_cell(t, c, width[c], t->heads[c] + (t->heads[c][0] == '<'), out);
	text_add_bytes(out, "\n", 1);
	cell = t->text.buf;
	for (size_t i = 0; i < rows * t->columns; i++) {
		print_cell(t, (unsigned)(i % t->columns), width[i % t->columns], cell, out);
		cell += strlen(cell) + 1;
		if ((i + 1) % t->columns == 0)
			text_add_bytes(out, "\n", 1);
	}
	text_free(&t->text);
}

bool
stats_table_begin_as(struct stats_table *t, const char *const *heads, unsigned columns,
    const char *command, const char *arg, struct text_out *out)
{
	bool is_json = strcmp(arg, "json") == 0;

	if (*arg != '\0' && !is_json) {
		text_add(out, "%s takes json or nothing\n", command);
		return false;
	}
	stats_table_begin(t, heads, columns);
	t->is_json = is_json;
	return true;
}

/* Digits, a dot between some of them. */
static bool
is_number(const char *cell)
{
	size_t whole = strspn(cell, "0123456789"), part = 0;

	if (cell[whole] == '.') {
		part = strspn(cell + whole + 1, "0123456789");
		if (part++ == 0)
			return false;
	}
	return whole > 0 && cell[whole + part] == '\0' && (cell[0] != '0' || whole == 1);
}

static void
print_json(const struct stats_table *t, const char *name, struct text_out *out)
{
	size_t rows = t->cells / t->columns;
	const char *cell = t->text.buf;

	text_add(out, "{\"%s\":[", name);
	for (size_t i = 0; i < rows * t->columns; i++) {
		const char *head = t->heads[i % t->columns];
		bool is_left = *head == '<';

		text_add(out, "%s\"%s\":",
		    i % t->columns != 0 ? ","
		    : i == 0            ? "{"
					: ",{",
		    head + is_left);
		if (strcmp(cell, "-") == 0 || strcmp(cell, "?") == 0)
			text_add(out, "null");
		else if (!is_left && is_number(cell))
			text_add(out, "%s", cell);
		else
			text_add_json(out, cell);
		if ((i + 1) % t->columns == 0)
			text_add(out, "}");
		cell += strlen(cell) + 1;
	}
	text_add(out, "]}\n");
}

void
stats_table_end_as(struct stats_table *t, const char *name, struct text_out *out)
{
	if (!t->is_json) {
		stats_table_end(t, out);
		return;
	}
	print_json(t, name, out);
	text_free(&t->text);
}
