/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	rowbinary_type - types of columns, as ClickHouse writes them
 *
 * PROCESS
 *	As rowbinary.h.
 *
 * SHARED STATE
 *	None.
 */
#include "common/rowbinary.h"

#include <ctype.h>
#include <stdio.h>

static const struct {
	const char *name;
	enum rowbinary_kind kind;
} plain[] = {
    {"String", ROWBINARY_STRING},
    {"Int8", ROWBINARY_INT8},
    {"Int16", ROWBINARY_INT16},
    {"Int32", ROWBINARY_INT32},
    {"Int64", ROWBINARY_INT64},
    {"UInt8", ROWBINARY_UINT8},
    {"UInt16", ROWBINARY_UINT16},
    {"UInt32", ROWBINARY_UINT32},
    {"UInt64", ROWBINARY_UINT64},
    {"Float32", ROWBINARY_FLOAT32},
    {"Float64", ROWBINARY_FLOAT64},
    {"Bool", ROWBINARY_BOOL},
    {"Date", ROWBINARY_DATE},
    {"DateTime", ROWBINARY_DATETIME},
    {"UUID", ROWBINARY_UUID},
};

#define TYPES                                                                                      \
	"String, FixedString(N), Int8 to Int64, UInt8 to UInt64, Float32, Float64, Bool, Date, "   \
	"DateTime, DateTime64(P), UUID, LowCardinality(String) or Nullable of one of these"

static struct bytes
trim(struct bytes t)
{
	while (t.len > 0 && isspace(t.ptr[0])) {
		t.ptr++;
		t.len--;
	}
	while (t.len > 0 && isspace(t.ptr[t.len - 1]))
		t.len--;
	return t;
}

/* NAME(...): what is between the brackets. */
static bool
is_call(struct bytes t, const char *name, struct bytes *inner)
{
	size_t n = strlen(name);

	if (t.len < n + 2 || memcmp(t.ptr, name, n) != 0 || t.ptr[n] != '(' ||
	    t.ptr[t.len - 1] != ')')
		return false;
	*inner = trim(bytes_of(t.ptr + n + 1, t.len - n - 2));
	return true;
}

/* The number at the start of "3" or "3, 'UTC'". */
static bool
read_number(struct bytes t, unsigned max, bool may_go_on, unsigned *out)
{
	unsigned v = 0;
	size_t i = 0;

	while (i < t.len && isdigit(t.ptr[i]) && v <= max)
		v = v * 10 + (unsigned)(t.ptr[i++] - '0');
	*out = v;
	return i > 0 && v <= max && (i == t.len || (may_go_on && t.ptr[i] == ','));
}

static int
refuse(char *why, size_t size, const char *what, struct bytes t)
{
	(void)snprintf(
	    why, size, "\"%.*s\" %s", t.len > 64 ? 64 : (int)t.len, (const char *)t.ptr, what);
	return -1;
}

static int
parse_plain(struct bytes t, struct rowbinary_type *out, char *why, size_t size)
{
	struct bytes inner;

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		if (bytes_is(t, bytes_str(plain[i].name))) {
			out->kind = plain[i].kind;
			return 0;
		}
	if (is_call(t, "FixedString", &inner)) {
		out->kind = ROWBINARY_FIXED_STRING;
		if (!read_number(inner, ROWBINARY_FIXED_MAX, false, &out->n) || out->n == 0)
			return refuse(why, size, "needs a length from 1 to 65536", t);
		return 0;
	}
	if (is_call(t, "DateTime64", &inner)) {
		out->kind = ROWBINARY_DATETIME64;
		if (!read_number(inner, 9, true, &out->n))
			return refuse(why, size, "needs a precision from 0 to 9", t);
		return 0;
	}
	if (is_call(t, "DateTime", &inner)) {
		out->kind = ROWBINARY_DATETIME;
		return 0;
	}
	return refuse(why, size, "is not a type known here: " TYPES, t);
}

int
rowbinary_type_parse(struct bytes text, struct rowbinary_type *out, char *why, size_t size)
{
	struct bytes t = trim(text), inner;

	memset(out, 0, sizeof *out);
	if (is_call(t, "LowCardinality", &inner)) {
		out->is_low_cardinality = true;
		t = inner;
	}
	if (is_call(t, "Nullable", &inner)) {
		out->is_nullable = true;
		t = inner;
	}
	if (parse_plain(t, out, why, size) != 0)
		return -1;
	if (out->is_low_cardinality && out->kind != ROWBINARY_STRING)
		return refuse(
		    why, size, "is not a type known here: LowCardinality takes String", trim(text));
	return 0;
}

void
rowbinary_type_print(const struct rowbinary_type *t, char *buf, size_t size)
{
	char inner[48] = "";

	if (t->kind == ROWBINARY_FIXED_STRING)
		(void)snprintf(inner, sizeof inner, "FixedString(%u)", t->n);
	else if (t->kind == ROWBINARY_DATETIME64)
		(void)snprintf(inner, sizeof inner, "DateTime64(%u)", t->n);
	else
		for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
			if (plain[i].kind == t->kind)
				(void)snprintf(inner, sizeof inner, "%s", plain[i].name);
	(void)snprintf(buf, size, "%s%s%s%s%s", t->is_low_cardinality ? "LowCardinality(" : "",
	    t->is_nullable ? "Nullable(" : "", inner, t->is_nullable ? ")" : "",
	    t->is_low_cardinality ? ")" : "");
}

bool
rowbinary_type_is_same(const struct rowbinary_type *a, const struct rowbinary_type *b)
{
	enum rowbinary_kind x = a->kind == ROWBINARY_BOOL ? ROWBINARY_UINT8 : a->kind;
	enum rowbinary_kind y = b->kind == ROWBINARY_BOOL ? ROWBINARY_UINT8 : b->kind;

	return x == y && a->n == b->n && a->is_nullable == b->is_nullable;
}
