/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_batch - rows of a batch, their order, its parts and its token
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_parts.h"

#include "common/crc32c.h"
#include "common/panic.h"
#include "common/siphash.h"

#include <bsd/stdlib.h>
#include <stdlib.h>

#define BUF_FIRST (256u * 1024)
#define BUF_MAX   ((size_t)4 << 30)

void
clickhouse_batch_init(struct clickhouse_batch *b, size_t rows_max)
{
	memset(b, 0, sizeof *b);
	b->rows_max = rows_max;
	b->row = xcalloc(rows_max, sizeof *b->row);
	b->order = xcalloc(rows_max, sizeof *b->order);
	b->size = BUF_FIRST;
	b->buf = xcalloc(1, b->size);
}

void
clickhouse_batch_clear(struct clickhouse_batch *b)
{
	b->rows = 0;
	b->len = 0;
	b->parts = b->part_at = 0;
	b->sent_inserts = b->bad_rows = 0;
	b->is_replay = b->is_again = b->is_swallow = false;
}

static bool
grow_buf(struct clickhouse_batch *b)
{
	size_t size = b->size * 2;
	uint8_t *buf = size > BUF_MAX ? NULL : realloc(b->buf, size);

	if (buf == NULL)
		return false;
	b->buf = buf;
	b->size = size;
	return true;
}

static void
event_of(const struct clickhouse *ch, const struct sink_event *e, struct rowbinary_event *out)
{
	*out = (struct rowbinary_event){.body = e->body,
	    .id = sink_event_value(e, e->h.id),
	    .user_id = sink_event_value(e, e->h.user_id),
	    .event_type = sink_event_value(e, e->h.event_type),
	    .timestamp = sink_event_value(e, e->h.timestamp),
	    .metadata = sink_event_value(e, e->h.metadata),
	    .event_ms = e->h.event_ms,
	    .recv_ns = e->h.recv_ns,
	    .stream = e->h.stream,
	    .pos = e->h.pos,
	    .instance = ch->s->instance};
}

enum clickhouse_add
clickhouse_batch_add(struct clickhouse *ch, struct clickhouse_batch *b, const struct sink_event *e,
    size_t limit, struct rowbinary_fault *fault)
{
	struct rowbinary_event event;
	struct clickhouse_row *row;
	enum rowbinary_result r;
	size_t len = 0;

	if (b->rows == b->rows_max || (b->rows > 0 && b->len >= limit))
		return CLICKHOUSE_NO_ROOM;
	event_of(ch, e, &event);
	for (;;) {
		r = rowbinary_row(
		    b->table->rows, &event, b->buf + b->len, b->size - b->len, &len, fault);
		if (r != ROWBINARY_FULL)
			break;
		if (b->size - b->len > CLICKHOUSE_ROW_MAX || !grow_buf(b)) {
			*fault = (struct rowbinary_fault){.why = "makes a row too large to hold"};
			return b->rows > 0 ? CLICKHOUSE_NO_ROOM : CLICKHOUSE_REFUSED;
		}
	}
	if (r == ROWBINARY_BAD)
		return CLICKHOUSE_REFUSED;
	if (b->rows > 0 && b->len + len > limit)
		return CLICKHOUSE_NO_ROOM;
	row = &b->row[b->rows++];
	*row = (struct clickhouse_row){.ticket = e->ticket,
	    .pos = e->h.pos,
	    .end = e->end,
	    .seq = e->h.seq,
	    .span = clickhouse_table_span(b->table->partition, e->h.event_ms),
	    .stream = e->h.stream,
	    .len = (uint32_t)len,
	    .off = b->len};
	b->len += len;
	return CLICKHOUSE_ADDED;
}

/*---- Order and parts */

static void
add_part(struct clickhouse_batch *b, int64_t span, uint32_t at)
{
	if (b->parts == b->parts_max) {
		b->parts_max = b->parts_max == 0 ? 16 : 2 * b->parts_max;
		b->part = realloc(b->part, b->parts_max * sizeof *b->part);
		if (b->part == NULL)
			fatal("no memory for the parts of a batch");
	}
	b->part[b->parts++] = (struct clickhouse_part){.span = span, .from = at, .to = at};
}

static int
compare_rows(const void *x, const void *y, void *arg)
{
	const struct clickhouse_row *row = arg;
	uint32_t i = *(const uint32_t *)x, j = *(const uint32_t *)y;
	const struct clickhouse_row *a = &row[i], *b = &row[j];

	if (a->span != b->span)
		return a->span < b->span ? -1 : 1;
	if (a->stream != b->stream)
		return a->stream < b->stream ? -1 : 1;
	return i < j ? -1 : i > j;
}

/* By stream, keeping the order within each: two passes over the rows. */
static void
order_by_stream(struct clickhouse_batch *b)
{
	uint32_t at[SINK_PART_STREAMS + 1] = {0};

	for (size_t i = 0; i < b->rows; i++)
		at[b->row[i].stream + 1]++;
	for (int i = 0; i < SINK_PART_STREAMS; i++)
		at[i + 1] += at[i];
	for (size_t i = 0; i < b->rows; i++)
		b->order[at[b->row[i].stream]++] = (uint32_t)i;
}

static void
make_parts(struct clickhouse_batch *b)
{
	bool is_one = true;

	for (size_t i = 0; i < b->rows; i++) {
		assert_that(b->row[i].stream < SINK_PART_STREAMS);
		is_one = is_one && b->row[i].span == b->row[0].span;
	}
	/* By stream they are already. */
	if (!is_one)
		qsort_r(b->order, b->rows, sizeof *b->order, compare_rows, b->row);
	b->parts = b->part_at = 0;
	for (uint32_t i = 0; i < b->rows; i++) {
		int64_t span = b->row[b->order[i]].span;

		if (b->parts == 0 || b->part[b->parts - 1].span != span)
			add_part(b, span, i);
		b->part[b->parts - 1].to = i + 1;
	}
}

/*---- Descriptor and token */

/* Streams in order, and within each its rows: whatever the parts are. */
static void
describe_rows(struct clickhouse_batch *b, struct clickhouse_descriptor *d)
{
	struct clickhouse_span *span = NULL;

	order_by_stream(b);
	for (size_t i = 0; i < b->rows; i++) {
		const struct clickhouse_row *row = &b->row[b->order[i]];

		if (span == NULL || span->stream != row->stream) {
			span = clickhouse_descriptor_span(d, row->stream);
			span->from = row->pos;
			span->done_pos = row->pos;
			span->done_seq = row->seq;
		}
		span->to = row->end;
		clickhouse_descriptor_add(d, row->seq);
	}
}

/* What makes the batch itself and no other: the events, the columns, the bytes. */
static void
make_token(struct clickhouse_batch *b, struct clickhouse_descriptor *d)
{
	static const uint8_t key[SIPHASH_KEY_LEN] = "sluice insert 1";
	uint32_t crc = 0;
	uint8_t *bytes = NULL;
	size_t size = 0, len;
	struct siphash h;

	if (b->is_replay) {
		arc4random_buf(&b->token_lo, sizeof b->token_lo);
		arc4random_buf(&b->token_hi, sizeof b->token_hi);
		return;
	}
	for (size_t i = 0; i < b->rows; i++) {
		const struct clickhouse_row *row = &b->row[b->order[i]];

		crc = crc32c(crc, b->buf + row->off, row->len);
	}
	d->serial = 0;
	d->token_lo = crc;
	d->token_hi = 0;
	/* Where other streams stand is not the batch's own: span by span with rows only. */
	len = clickhouse_descriptor_encode(d, &bytes, &size);
	h = siphash_128(key, bytes, len);
	free(bytes);
	b->token_lo = h.lo;
	b->token_hi = h.hi;
}

void
clickhouse_batch_seal(
    struct clickhouse *ch, struct clickhouse_batch *b, struct clickhouse_descriptor *d)
{
	clickhouse_descriptor_clear(d);
	memcpy(d->instance, ch->s->uuid, sizeof d->instance);
	d->encoder = ROWBINARY_VERSION;
	if (d->table == NULL || strcmp(d->table, b->table->text) != 0)
		clickhouse_descriptor_table(d, b->table->text, strlen(b->table->text));
	describe_rows(b, d);
	make_token(b, d);
	make_parts(b);
	d->token_lo = b->token_lo;
	d->token_hi = b->token_hi;
	b->sealed_ns = clock_mono_ns();
}

size_t
clickhouse_batch_pieces(struct clickhouse *ch, const struct clickhouse_batch *b, uint32_t from,
    uint32_t to, size_t *len)
{
	size_t n = 0, all = 0;

	if (ch->pieces_max < to - from) {
		free(ch->piece);
		ch->pieces_max = to - from;
		ch->piece = xcalloc(ch->pieces_max, sizeof *ch->piece);
	}
	for (uint32_t i = from; i < to; i++) {
		const struct clickhouse_row *row = &b->row[b->order[i]];
		const uint8_t *at = b->buf + row->off;

		all += row->len;
		if (n > 0 && ch->piece[n - 1].ptr + ch->piece[n - 1].len == at)
			ch->piece[n - 1].len += row->len;
		else
			ch->piece[n++] = bytes_of(at, row->len);
	}
	*len = all;
	return n;
}
