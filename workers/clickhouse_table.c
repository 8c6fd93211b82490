/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_table - a table's columns as they are configured, and SQL made from them
 *
 * PROCESS
 *	The ClickHouse sink; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_table.h"

#include "common/column.h"
#include "common/panic.h"

#include <stdio.h>
#include <stdlib.h>

#define TEXT_MAX (256u * 1024)

static const char *const partition_word[] = {[CONFIG_PARTITION_NONE] = "none",
    [CONFIG_PARTITION_HOUR] = "hour",
    [CONFIG_PARTITION_DAY] = "day",
    [CONFIG_PARTITION_MONTH] = "month"};

/*---- Making one */

static void
write_text(struct clickhouse_table *t)
{
	struct text_out out;
	char type[ROWBINARY_TYPE_SIZE];

	text_init(&out, TEXT_MAX);
	text_add(&out, "table\t%s\t%s\npartition\t%s\n", t->database, t->name,
	    partition_word[t->partition]);
	for (size_t i = 0; i < rowbinary_columns(t->rows); i++) {
		const struct rowbinary_column *c = rowbinary_column(t->rows, i);

		rowbinary_type_print(&c->type, type, sizeof type);
		text_add(&out, "column\t%s\t%s\t%s\n", c->name, type, c->from);
	}
	t->text = xstrdup(out.buf);
	text_free(&out);
}

static const char *
source_word(const struct column *c)
{
	static const char *const word[] = {[COLUMN_RECEIPT] = "receipt",
	    [COLUMN_RECEIVED] = "received",
	    [COLUMN_EVENT_KEY] = "event-key",
	    [COLUMN_STREAM] = "stream",
	    [COLUMN_POSITION] = "position",
	    [COLUMN_BODY] = "body"};

	return c->source == COLUMN_POINTER ? (c->pointer[0] == '\0' ? "body" : c->pointer)
					   : word[c->source];
}

struct clickhouse_table *
clickhouse_table_from_config(const struct config_sink *cfg, char *why, size_t size)
{
	struct clickhouse_table *t = xcalloc(1, sizeof *t);

	(void)snprintf(t->database, sizeof t->database, "%s", cfg->ch_database);
	(void)snprintf(t->name, sizeof t->name, "%s", cfg->ch_table);
	t->partition = cfg->partition;
	t->rows = rowbinary_new();
	for (int i = 0; i < cfg->column.n; i++) {
		struct column c;

		if (column_parse(cfg->column.at[i], &c, why, size) != 0 ||
		    rowbinary_add(t->rows, c.name, c.type, source_word(&c), why, size) != 0) {
			clickhouse_table_free(t);
			return NULL;
		}
	}
	if (rowbinary_columns(t->rows) == 0)
		rowbinary_add_default(t->rows);
	write_text(t);
	return t;
}

/* Up to the next tab or the line's end. */
static bool
read_word(const char **at, const char *end, char *buf, size_t size)
{
	size_t n = 0;

	while (*at < end && **at != '\t' && **at != '\n') {
		if (n + 1 >= size)
			return false;
		buf[n++] = *(*at)++;
	}
	buf[n] = '\0';
	if (*at < end && **at == '\t')
		(*at)++;
	return true;
}

static bool
read_line(struct clickhouse_table *t, const char *at, const char *end)
{
	char key[16], a[256], b[256], c[256], why[256];

	if (!read_word(&at, end, key, sizeof key) || !read_word(&at, end, a, sizeof a) ||
	    !read_word(&at, end, b, sizeof b) || !read_word(&at, end, c, sizeof c))
		return false;
	if (strcmp(key, "table") == 0) {
		return snprintf(t->database, sizeof t->database, "%s", a) <
			   (int)sizeof t->database &&
		       snprintf(t->name, sizeof t->name, "%s", b) < (int)sizeof t->name;
	}
	if (strcmp(key, "partition") == 0) {
		for (size_t i = 0; i < sizeof(partition_word) / sizeof(partition_word[0]); i++)
			if (strcmp(a, partition_word[i]) == 0) {
				t->partition = (enum config_partition)i;
				return true;
			}
		return false;
	}
	return strcmp(key, "column") == 0 && rowbinary_add(t->rows, a, b, c, why, sizeof why) == 0;
}

struct clickhouse_table *
clickhouse_table_from_text(const char *text, size_t len)
{
	struct clickhouse_table *t = xcalloc(1, sizeof *t);
	const char *at = text, *end = text + len;

	t->rows = rowbinary_new();
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		if (nl == NULL || !read_line(t, at, nl)) {
			clickhouse_table_free(t);
			return NULL;
		}
		at = nl + 1;
	}
	if (rowbinary_columns(t->rows) == 0 || t->name[0] == '\0') {
		clickhouse_table_free(t);
		return NULL;
	}
	write_text(t);
	return t;
}

void
clickhouse_table_free(struct clickhouse_table *t)
{
	if (t == NULL)
		return;
	rowbinary_free(t->rows);
	free(t->text);
	free(t);
}

int64_t
clickhouse_table_span(enum config_partition p, int64_t event_ms)
{
	int64_t days = event_ms / 86400000, z, era, yoe, doy;

	switch (p) {
	case CONFIG_PARTITION_HOUR:
		return event_ms / 3600000;
	case CONFIG_PARTITION_DAY:
		return days;
	case CONFIG_PARTITION_MONTH:
		/* Months counted from March of the year 0 (civil_from_days). */
		z = days + 719468;
		era = z / 146097;
		z -= era * 146097;
		yoe = (z - z / 1460 + z / 36524 - z / 146096) / 365;
		doy = z - (365 * yoe + yoe / 4 - yoe / 100);
		return (yoe + era * 400) * 12 + (5 * doy + 2) / 153;
	default:
		return 0;
	}
}

/*---- SQL */

void
clickhouse_table_quote(struct text_out *out, const char *name)
{
	text_add(out, "`");
	for (; *name != '\0'; name++)
		text_add(out, *name == '`' || *name == '\\' ? "\\%c" : "%c", *name);
	text_add(out, "`");
}

static void
add_string(struct text_out *out, const char *text)
{
	text_add(out, "'");
	for (; *text != '\0'; text++)
		text_add(out, *text == '\'' || *text == '\\' ? "\\%c" : "%c", *text);
	text_add(out, "'");
}

void
clickhouse_table_url_encode(struct text_out *out, const char *text)
{
	static const char plain[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~";

	for (; *text != '\0'; text++)
		text_add(out, strchr(plain, *text) != NULL ? "%c" : "%%%02X", (unsigned char)*text);
}

static void
add_full_name(const struct clickhouse_table *t, struct text_out *out)
{
	clickhouse_table_quote(out, t->database);
	text_add(out, ".");
	clickhouse_table_quote(out, t->name);
}

void
clickhouse_table_insert(const struct clickhouse_table *t, struct text_out *out)
{
	text_add(out, "INSERT INTO ");
	add_full_name(t, out);
	text_add(out, " (");
	for (size_t i = 0; i < rowbinary_columns(t->rows); i++) {
		if (i > 0)
			text_add(out, ", ");
		clickhouse_table_quote(out, rowbinary_column(t->rows, i)->name);
	}
	text_add(out, ") FORMAT RowBinary");
}

void
clickhouse_table_create_database(const struct clickhouse_table *t, struct text_out *out)
{
	text_add(out, "CREATE DATABASE IF NOT EXISTS ");
	clickhouse_table_quote(out, t->database);
}

static const struct rowbinary_column *
column_from(const struct clickhouse_table *t, const char *pointer)
{
	for (size_t i = 0; i < rowbinary_columns(t->rows); i++) {
		const struct rowbinary_column *c = rowbinary_column(t->rows, i);

		if (strcmp(c->from, pointer) == 0 && !c->type.is_nullable)
			return c;
	}
	return NULL;
}

static void
add_partition(const struct clickhouse_table *t, struct text_out *out)
{
	const struct rowbinary_column *c = column_from(t, "/timestamp");
	static const char *const function[] = {[CONFIG_PARTITION_HOUR] = "toStartOfHour",
	    [CONFIG_PARTITION_DAY] = "toYYYYMMDD",
	    [CONFIG_PARTITION_MONTH] = "toYYYYMM"};

	if (t->partition == CONFIG_PARTITION_NONE || c == NULL)
		return;
	switch (c->type.kind) {
	case ROWBINARY_INT64:
	case ROWBINARY_UINT64:
		text_add(out, "\nPARTITION BY %s(toDateTime(intDiv(", function[t->partition]);
		clickhouse_table_quote(out, c->name);
		text_add(out, ", 1000), 'UTC'))");
		break;
	case ROWBINARY_DATETIME:
	case ROWBINARY_DATETIME64:
		text_add(out, "\nPARTITION BY %s(toDateTime(", function[t->partition]);
		clickhouse_table_quote(out, c->name);
		text_add(out, ", 'UTC'))");
		break;
	case ROWBINARY_DATE:
		if (t->partition == CONFIG_PARTITION_HOUR)
			break;
		text_add(out, "\nPARTITION BY %s(", function[t->partition]);
		clickhouse_table_quote(out, c->name);
		text_add(out, ")");
		break;
	default:
		break;
	}
}

static void
add_order(const struct clickhouse_table *t, struct text_out *out)
{
	const struct rowbinary_column *by[2] = {
	    column_from(t, "/eventType"), column_from(t, "/timestamp")};
	int n = 0;

	if (by[0] == NULL || by[1] == NULL) {
		by[0] = by[1] = NULL;
		for (size_t i = 0; i < rowbinary_columns(t->rows) && n < 2; i++)
			if (!rowbinary_column(t->rows, i)->type.is_nullable)
				by[n++] = rowbinary_column(t->rows, i);
	} else
		n = 2;
	if (n == 0) {
		text_add(out, "\nORDER BY tuple()");
		return;
	}
	text_add(out, "\nORDER BY (");
	for (int i = 0; i < n; i++) {
		if (i > 0)
			text_add(out, ", ");
		clickhouse_table_quote(out, by[i]->name);
	}
	text_add(out, ")");
}

void
clickhouse_table_create(
    const struct clickhouse_table *t, const struct clickhouse_features *f, struct text_out *out)
{
	bool is_old = f != NULL && !f->has_async;
	char type[ROWBINARY_TYPE_SIZE];

	text_add(out, "CREATE TABLE IF NOT EXISTS ");
	add_full_name(t, out);
	text_add(out, "\n(");
	for (size_t i = 0; i < rowbinary_columns(t->rows); i++) {
		struct rowbinary_type as = rowbinary_column(t->rows, i)->type;

		if (is_old) { /* the same bytes under the name an old server knows */
			as.is_low_cardinality = false;
			if (as.kind == ROWBINARY_BOOL)
				as.kind = ROWBINARY_UINT8;
		}
		rowbinary_type_print(&as, type, sizeof type);
		text_add(out, "%s\n    ", i > 0 ? "," : "");
		clickhouse_table_quote(out, rowbinary_column(t->rows, i)->name);
		text_add(out, " %s", type);
	}
	text_add(out, "\n)\nENGINE = MergeTree");
	add_partition(t, out);
	add_order(t, out);
	if (f == NULL || f->has_window)
		text_add(out, "\nSETTINGS non_replicated_deduplication_window = %d",
		    CLICKHOUSE_TABLE_WINDOW);
}

/*---- The probe */

void
clickhouse_table_probe(const struct clickhouse_table *t, struct text_out *out)
{
	text_add(out, "SELECT concat('version\\t', version()) AS line"
		      " UNION ALL SELECT concat('setting\\t', name) AS line FROM system.settings"
		      " WHERE name IN ('async_insert', 'insert_deduplication_token',"
		      " 'http_native_compression_disable_checksumming_on_decompress')"
		      " UNION ALL SELECT concat('setting\\t', name) AS line"
		      " FROM system.merge_tree_settings"
		      " WHERE name = 'non_replicated_deduplication_window'"
		      " UNION ALL SELECT concat('table\\t', replaceAll(engine_full, '\\n', ' '))"
		      " AS line FROM system.tables WHERE database = ");
	add_string(out, t->database);
	text_add(out, " AND name = ");
	add_string(out, t->name);
	text_add(out, " UNION ALL SELECT concat('column\\t', name, '\\t', type, '\\t',"
		      " toString(default_kind)) AS line FROM system.columns WHERE database = ");
	add_string(out, t->database);
	text_add(out, " AND table = ");
	add_string(out, t->name);
	text_add(out, " FORMAT TSVRaw");
}

static void
check_column(const struct clickhouse_table *t, const char *name, const char *type,
    const char *default_kind, bool *is_there, struct text_out *out)
{
	for (size_t i = 0; i < rowbinary_columns(t->rows); i++) {
		const struct rowbinary_column *c = rowbinary_column(t->rows, i);
		struct rowbinary_type theirs;
		char ours[ROWBINARY_TYPE_SIZE], why[256];

		if (strcmp(c->name, name) != 0)
			continue;
		is_there[i] = true;
		rowbinary_type_print(&c->type, ours, sizeof ours);
		if (rowbinary_type_parse(bytes_str(type), &theirs, why, sizeof why) != 0 ||
		    !rowbinary_type_is_same(&c->type, &theirs))
			text_add(out, "column %s is %s there and %s here\n", name, type, ours);
		if (strcmp(default_kind, "MATERIALIZED") == 0 || strcmp(default_kind, "ALIAS") == 0)
			text_add(out, "column %s is %s there: nothing can be inserted into it\n",
			    name, default_kind);
	}
}

/* Does the table remember tokens?  Replicated tables do by themselves. */
static bool
keeps_tokens(const char *engine)
{
	static const char word[] = "non_replicated_deduplication_window";
	const char *at = strstr(engine, word);

	if (strncmp(engine, "Replicated", 10) == 0 || strncmp(engine, "Shared", 6) == 0)
		return true;
	return at != NULL && strtol(at + strcspn(at, "0123456789"), NULL, 10) > 0;
}

static void
check_line(const struct clickhouse_table *t, const char *at, const char *end,
    struct clickhouse_features *f, bool *is_there, struct text_out *out)
{
	char key[16], a[4096], b[256], c[64];

	if (!read_word(&at, end, key, sizeof key) || !read_word(&at, end, a, sizeof a) ||
	    !read_word(&at, end, b, sizeof b) || !read_word(&at, end, c, sizeof c))
		return;
	if (strcmp(key, "version") == 0)
		(void)snprintf(f->version, sizeof f->version, "%.31s", a);
	else if (strcmp(key, "table") == 0) {
		f->has_table = true;
		f->keeps_tokens = keeps_tokens(a);
	} else if (strcmp(key, "column") == 0) {
		f->has_table = true;
		f->columns++;
		check_column(t, a, b, c, is_there, out);
	} else if (strcmp(key, "setting") == 0) {
		f->has_async = f->has_async || strcmp(a, "async_insert") == 0;
		f->has_token = f->has_token || strcmp(a, "insert_deduplication_token") == 0;
		f->has_window =
		    f->has_window || strcmp(a, "non_replicated_deduplication_window") == 0;
		f->has_native = f->has_native || strncmp(a, "http_native_compression", 23) == 0;
	}
}

int
clickhouse_table_check(const struct clickhouse_table *t, struct bytes answer,
    struct clickhouse_features *f, struct text_out *differences)
{
	bool is_there[ROWBINARY_COLUMNS_MAX] = {false};
	const char *at = (const char *)answer.ptr, *end = at + answer.len;
	size_t before = differences->len;

	memset(f, 0, sizeof *f);
	while (at < end) {
		const char *nl = memchr(at, '\n', (size_t)(end - at));

		if (nl == NULL)
			nl = end;
		check_line(t, at, nl, f, is_there, differences);
		at = nl + 1;
	}
	if (f->has_table)
		for (size_t i = 0; i < rowbinary_columns(t->rows); i++)
			if (!is_there[i])
				text_add(differences, "column %s is not there\n",
				    rowbinary_column(t->rows, i)->name);
	return differences->len == before ? 0 : -1;
}
