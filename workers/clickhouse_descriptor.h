/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_descriptor - which events a batch holds, on the disk before it is sent
 *
 * DESCRIPTION
 *	A batch that was sent and not answered must go again with the same bytes
 *	and the same token, whatever happened in between.  Its descriptor says
 *	all that takes: per stream the positions it spans and, by sequence, the
 *	events in it; the table and its columns; what makes the token.
 *
 *	Two files, batch-0 and batch-1, written in turn: a write that was torn
 *	leaves the other, and its batch was never sent.  A word in front, which
 *	the CRC leaves out, says that the batch is finished; it is not synced: it
 *	saves a second sending after a crash of the process, and the token does
 *	after a power cut.
 *
 *	    0 | finished (= serial) | 0 |
 *	   16 | magic | crc | len | version | encoder | serial | instance (16) |
 *	   64 | token lo, hi | rows | streams | table_len | 0 |
 *	   96 | table_len bytes of text | streams: head, runs |
 *
 *	Runs are pairs of variable-length numbers: events left out, events held.
 *
 * PROCESS
 *	The ClickHouse sink, in its own folder.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_CLICKHOUSE_DESCRIPTOR_H
#define WORKERS_CLICKHOUSE_DESCRIPTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLICKHOUSE_DESCRIPTOR_STREAMS 256

struct clickhouse_run {
	uint64_t from, to; /* sequences */
};

struct clickhouse_span {
	uint32_t stream;
	uint64_t done_pos, done_seq; /* everything of the stream before is finished */
	uint64_t from, to;           /* positions; equal: none of this stream */
	uint32_t first_run, runs;
};

struct clickhouse_descriptor {
	uint64_t serial;
	uint8_t instance[16];
	uint64_t token_lo, token_hi;
	uint32_t encoder; /* ROWBINARY_VERSION */
	uint64_t rows;
	bool is_finished;
	uint32_t spans;
	struct clickhouse_span span[CLICKHOUSE_DESCRIPTOR_STREAMS];
	struct clickhouse_run *run;
	size_t runs, runs_size;
	char *table; /* text of a table, table_len bytes and a NUL */
	size_t table_len;
};

void clickhouse_descriptor_clear(struct clickhouse_descriptor *d); /* keeps its memory */
void clickhouse_descriptor_free(struct clickhouse_descriptor *d);
/* An event of the span last begun, by its sequence, ascending. */
struct clickhouse_span *clickhouse_descriptor_span(
    struct clickhouse_descriptor *d, uint32_t stream);
void clickhouse_descriptor_add(struct clickhouse_descriptor *d, uint64_t seq);
void clickhouse_descriptor_table(struct clickhouse_descriptor *d, const char *text, size_t len);

/* Into *buf (grown by realloc()); the length. */
size_t clickhouse_descriptor_encode(
    const struct clickhouse_descriptor *d, uint8_t **buf, size_t *size);
/* False: the bytes are not a whole descriptor.  Hostile bytes are refused, not believed. */
bool clickhouse_descriptor_decode(struct clickhouse_descriptor *d, const uint8_t *at, size_t len);

struct clickhouse_descriptor_file {
	int dirfd; /* the caller's */
	int fd[2];
	uint64_t serial;
	uint8_t *buf;
	size_t size;
};

/* 0 or -1 with errno.  *has_one: *d is the newest whole one. */
int clickhouse_descriptor_open(struct clickhouse_descriptor_file *f, int dirfd,
    struct clickhouse_descriptor *d, bool *has_one);
void clickhouse_descriptor_close(struct clickhouse_descriptor_file *f);
/* Gives it the next serial; 0 when it is on the disk, -1 with errno. */
int clickhouse_descriptor_write(
    struct clickhouse_descriptor_file *f, struct clickhouse_descriptor *d);
/* The batch of the last write (or of open) is finished: not synced. */
int clickhouse_descriptor_finish(struct clickhouse_descriptor_file *f);

#endif
