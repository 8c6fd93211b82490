/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_table - a table's columns as they are configured, and SQL made from them
 *
 * DESCRIPTION
 *	A table is the name, the columns with their encoder, and the span of a
 *	partition.  It is made from the configuration, or from the text that a
 *	batch's descriptor keeps (clickhouse_table_text()), so that a batch is
 *	finished with the encoder it began with.
 *
 * PROCESS
 *	The ClickHouse sink; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_CLICKHOUSE_TABLE_H
#define WORKERS_CLICKHOUSE_TABLE_H

#include "common/config.h"
#include "common/rowbinary.h"
#include "workers/text.h"

/* Inserts whose tokens the table remembers. */
#define CLICKHOUSE_TABLE_WINDOW 1000

struct clickhouse_table {
	char database[64], name[64];
	enum config_partition partition;
	struct rowbinary *rows;
	char *text; /* all of the above, a line each */
};

/* NULL with a sentence in why. */
struct clickhouse_table *clickhouse_table_from_config(
    const struct config_sink *cfg, char *why, size_t size);
struct clickhouse_table *clickhouse_table_from_text(const char *text, size_t len);
void clickhouse_table_free(struct clickhouse_table *t);

/* The number of the span that an event's time falls into; 0 without partitions. */
int64_t clickhouse_table_span(enum config_partition p, int64_t event_ms);

/* INSERT INTO ... FORMAT RowBinary */
void clickhouse_table_insert(const struct clickhouse_table *t, struct text_out *out);
/* What the server can and what the table is, in one query: lines of WORD TAB ... */
void clickhouse_table_probe(const struct clickhouse_table *t, struct text_out *out);

/* What the server is known to have. */
struct clickhouse_features {
	char version[32];
	bool has_async;  /* setting async_insert */
	bool has_token;  /* setting insert_deduplication_token */
	bool has_native; /* compressed blocks, without a checksum over them */
	bool has_window; /* tables may remember inserts: non_replicated_deduplication_window */
	bool has_table;
	bool keeps_tokens; /* the table does */
	size_t columns;    /* of the table */
};

/*
 * Reads the answer to the probe.  0, or -1 with what differs between the table and its
 * configuration, one line a column.
 */
int clickhouse_table_check(const struct clickhouse_table *t, struct bytes answer,
    struct clickhouse_features *f, struct text_out *differences);

void clickhouse_table_create_database(const struct clickhouse_table *t, struct text_out *out);
/* For a server with these features; NULL: a current one. */
void clickhouse_table_create(
    const struct clickhouse_table *t, const struct clickhouse_features *f, struct text_out *out);

/* `name`, with what needs it escaped. */
void clickhouse_table_quote(struct text_out *out, const char *name);
void clickhouse_table_url_encode(struct text_out *out, const char *text);

#endif
