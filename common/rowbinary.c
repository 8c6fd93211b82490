/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	rowbinary - an event as a row of ClickHouse's RowBinary format
 *
 * DESCRIPTION
 *	Columns and their sources.  The members that every frame has a place for
 *	are taken from there; what is left goes through one set of pointers.
 *
 * PROCESS
 *	As rowbinary.h.
 *
 * SHARED STATE
 *	None.
 */
#include "common/rowbinary_parts.h"

#include "common/panic.h"
#include "common/pick.h"

#include <stdio.h>
#include <stdlib.h>

/* Where a column's value is found. */
enum place {
	PLACE_PICK = 0, /* pick[column.pick] */
	PLACE_ID,
	PLACE_USER_ID,
	PLACE_EVENT_TYPE,
	PLACE_TIMESTAMP,
	PLACE_METADATA,
	PLACE_OTHER, /* by column.source */
};

static const struct {
	const char *pointer;
	enum place place;
} places[] = {
    {"/id", PLACE_ID},
    {"/userId", PLACE_USER_ID},
    {"/eventType", PLACE_EVENT_TYPE},
    {"/timestamp", PLACE_TIMESTAMP},
    {"/metadata", PLACE_METADATA},
};

static const struct {
	const char *word;
	enum rowbinary_source source;
} words[] = {
    {"receipt", ROWBINARY_RECEIPT},
    {"received", ROWBINARY_RECEIVED},
    {"event-key", ROWBINARY_EVENT_KEY},
    {"stream", ROWBINARY_STREAM},
    {"position", ROWBINARY_POSITION},
    {"body", ROWBINARY_BODY},
};

struct rowbinary {
	size_t n;
	bool must_pick;
	struct pick *pick;
	enum place place[ROWBINARY_COLUMNS_MAX];
	int index[ROWBINARY_COLUMNS_MAX]; /* of picked[] */
	struct rowbinary_column column[ROWBINARY_COLUMNS_MAX];
	struct bytes picked[PICK_MAX];
};

struct rowbinary *
rowbinary_new(void)
{
	struct rowbinary *rb = xcalloc(1, sizeof *rb);

	rb->pick = pick_new();
	return rb;
}

void
rowbinary_free(struct rowbinary *rb)
{
	if (rb == NULL)
		return;
	pick_free(rb->pick);
	free(rb);
}

size_t
rowbinary_columns(const struct rowbinary *rb)
{
	return rb->n;
}

const struct rowbinary_column *
rowbinary_column(const struct rowbinary *rb, size_t i)
{
	assert_that(i < rb->n);
	return &rb->column[i];
}

static int
add_pointer(struct rowbinary *rb, const char *pointer, char *why, size_t size)
{
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
		if (strcmp(pointer, places[i].pointer) == 0) {
			rb->place[rb->n] = places[i].place;
			return 0;
		}
	rb->place[rb->n] = PLACE_PICK;
	rb->index[rb->n] = pick_add(rb->pick, pointer, why, size);
	if (rb->index[rb->n] < 0)
		return -1;
	rb->must_pick = true;
	return 0;
}

static int
add_source(
    struct rowbinary *rb, struct rowbinary_column *c, const char *from, char *why, size_t size)
{
	if (from[0] == '/')
		return add_pointer(rb, from, why, size);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(from, words[i].word) == 0) {
			c->source = words[i].source;
			rb->place[rb->n] = PLACE_OTHER;
			return 0;
		}
	(void)snprintf(why, size,
	    "\"%s\" is no source: use a JSON pointer such as /metadata/path, or receipt, "
	    "received, event-key, stream, position, body",
	    from);
	return -1;
}

int
rowbinary_add(struct rowbinary *rb, const char *name, const char *type, const char *from, char *why,
    size_t size)
{
	struct rowbinary_column *c = &rb->column[rb->n];

	if (rb->n == ROWBINARY_COLUMNS_MAX) {
		(void)snprintf(why, size, "more than %d columns", ROWBINARY_COLUMNS_MAX);
		return -1;
	}
	if (name[0] == '\0' || strlen(name) >= sizeof c->name || strlen(from) >= sizeof c->from) {
		(void)snprintf(why, size,
		    "a column's name has 1 to %zu characters, its source "
		    "at most %zu",
		    sizeof c->name - 1, sizeof c->from - 1);
		return -1;
	}
	for (size_t i = 0; i < rb->n; i++)
		if (strcmp(rb->column[i].name, name) == 0) {
			(void)snprintf(why, size, "column \"%s\" is there twice", name);
			return -1;
		}
	memset(c, 0, sizeof *c);
	(void)snprintf(c->name, sizeof c->name, "%s", name);
	(void)snprintf(c->from, sizeof c->from, "%s", from);
	if (rowbinary_type_parse(bytes_str(type), &c->type, why, size) != 0 ||
	    add_source(rb, c, from, why, size) != 0)
		return -1;
	rb->n++;
	return 0;
}

void
rowbinary_add_default(struct rowbinary *rb)
{
	static const char *const column[][3] = {
	    {"userId", "String", "/userId"},
	    {"eventType", "String", "/eventType"},
	    {"timestamp", "UInt64", "/timestamp"},
	    {"metadata", "String", "/metadata"},
	};
	char why[128];

	for (size_t i = 0; i < sizeof(column) / sizeof(column[0]); i++)
		if (rowbinary_add(rb, column[i][0], column[i][1], column[i][2], why, sizeof why) !=
		    0)
			PANIC("default column: %s", why);
}

/* event:{userId}:{eventType}:{timestamp}, its parts unescaped. */
static enum rowbinary_result
put_event_key(struct rowbinary_out *out, const struct rowbinary_type *t,
    const struct rowbinary_event *e, const char **why)
{
	char room[2 * 6 * 256 + 64], number[24];
	struct bytes part[3], text;
	size_t n = 6;

	(void)snprintf(number, sizeof number, "%lld", (long long)e->event_ms);
	part[2] = bytes_str(number);
	memcpy(room, "event:", n);
	for (int i = 0; i < 3; i++) {
		text = i == 2 ? part[2] : bytes_of(NULL, 0);
		if (i < 2 && !pick_string(i == 0 ? e->user_id : e->event_type, room + n,
				 sizeof room - n, &text))
			text = bytes_of(NULL, 0);
		if (text.len + 2 > sizeof room - n)
			return ROWBINARY_BAD;
		memmove(room + n, text.ptr, text.len);
		n += text.len;
		if (i < 2)
			room[n++] = ':';
	}
	return rowbinary_value_text(out, t, bytes_of(room, n), why);
}

static enum rowbinary_result
put_other(struct rowbinary_out *out, const struct rowbinary_column *c,
    const struct rowbinary_event *e, const char **why)
{
	char text[64];

	switch (c->source) {
	case ROWBINARY_RECEIPT:
		(void)snprintf(text, sizeof text, "%.8s:%u:%llu", e->instance, e->stream,
		    (unsigned long long)e->pos);
		return rowbinary_value_text(out, &c->type, bytes_str(text), why);
	case ROWBINARY_RECEIVED:
		return rowbinary_value_uint(out, &c->type, e->recv_ns / 1000000, why);
	case ROWBINARY_EVENT_KEY:
		return put_event_key(out, &c->type, e, why);
	case ROWBINARY_STREAM:
		return rowbinary_value_uint(out, &c->type, e->stream, why);
	case ROWBINARY_POSITION:
		return rowbinary_value_uint(out, &c->type, e->pos, why);
	default:
		return rowbinary_value_text(out, &c->type, e->body, why);
	}
}

static struct bytes
raw_of(const struct rowbinary *rb, size_t i, const struct rowbinary_event *e)
{
	switch (rb->place[i]) {
	case PLACE_ID:
		return e->id;
	case PLACE_USER_ID:
		return e->user_id;
	case PLACE_EVENT_TYPE:
		return e->event_type;
	case PLACE_TIMESTAMP:
		return e->timestamp;
	case PLACE_METADATA:
		return e->metadata;
	case PLACE_PICK:
		return rb->picked[rb->index[i]];
	default:
		return bytes_of(NULL, 0);
	}
}

enum rowbinary_result
rowbinary_row(struct rowbinary *rb, const struct rowbinary_event *e, uint8_t *buf, size_t size,
    size_t *len, struct rowbinary_fault *fault)
{
	struct rowbinary_out out = {.at = buf, .end = buf + size};
	enum rowbinary_result r = ROWBINARY_OK;

	if (rb->must_pick)
		pick_run(rb->pick, e->body, rb->picked);
	for (size_t i = 0; i < rb->n; i++) {
		const struct rowbinary_column *c = &rb->column[i];
		struct bytes raw = raw_of(rb, i, e);
		const char *why = "does not fit";

		if (rb->place[i] == PLACE_TIMESTAMP && c->type.kind != ROWBINARY_STRING &&
		    c->type.kind != ROWBINARY_FIXED_STRING)
			r = rowbinary_value_uint(&out, &c->type, (uint64_t)e->event_ms, &why);
		else if (rb->place[i] == PLACE_OTHER)
			r = put_other(&out, c, e, &why);
		else
			r = rowbinary_value(&out, &c->type, raw, &why);
		if (r == ROWBINARY_OK)
			continue;
		if (fault != NULL)
			*fault = (struct rowbinary_fault){.column = c, .why = why, .value = raw};
		return r;
	}
	*len = (size_t)(out.at - buf);
	return ROWBINARY_OK;
}
