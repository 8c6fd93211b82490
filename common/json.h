/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	json - read one JSON text: simdjson behind a C interface
 *
 * DESCRIPTION
 *	A parser is made once, with its limits, and reads one text after another
 *	without allocating.  json_parse() builds the tree and gives its root;
 *	the tree is simdjson's tape, so walking it is array indexing and stays
 *	inline here.  json_index() only finds the structural characters (and
 *	proves UTF-8, closed strings and no bare control characters); it is what
 *	the event reader walks when it needs no tree.
 *
 *	The text must have JSON_PADDING readable bytes behind it.  What stands in
 *	them does not matter, and the text is never copied.
 *
 *	Numbers: an integer that fits int64 is JSON_TYPE_INT, one that only fits
 *	uint64 is JSON_TYPE_UINT, anything with a point or an exponent is
 *	JSON_TYPE_DOUBLE; what fits none is refused (JSON_NUMBER), and
 *	json_check() tells whether the grammar was at fault.
 *
 * PROCESS
 *	All; a parser belongs to one thread.
 *
 * SHARED STATE
 *	None.
 *
 * BUGS
 *	The tape's layout is simdjson's; test_json checks it, so an upgrade that
 *	changes it does not pass.
 *
 * SEE ALSO
 *	json_check.h, split.h, json_out.h
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/bytes.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JSON_PADDING 64

enum json_result {
	JSON_OK = 0,
	JSON_EMPTY,  /* nothing but blanks */
	JSON_SYNTAX, /* not JSON; a bad escape or a lone surrogate too */
	JSON_UTF8,   /* not UTF-8 */
	JSON_NUMBER, /* a number that is no JSON or fits no type */
	JSON_DEEP,   /* nested deeper than the parser's limit */
	JSON_BIG,    /* longer than the parser's limit */
};

enum json_type {
	JSON_TYPE_NULL = 'n',
	JSON_TYPE_TRUE = 't',
	JSON_TYPE_FALSE = 'f',
	JSON_TYPE_INT = 'l',
	JSON_TYPE_UINT = 'u',
	JSON_TYPE_DOUBLE = 'd',
	JSON_TYPE_STRING = '"',
	JSON_TYPE_ARRAY = '[',
	JSON_TYPE_OBJECT = '{',
};

struct json_doc {
	const uint64_t *tape;
	const uint8_t *strings;
};

/* A value of the tree; valid until the parser's next json_parse(). */
struct json_value {
	const struct json_doc *doc;
	size_t at;
};

struct json_iter {
	const struct json_doc *doc;
	size_t at, end;
};

struct json_parser;

/* All memory a parser will ever use: about 15 bytes for each byte of len_max.
 * An array or object with something in it counts one level, anything else none.  fatal()
 * when there is no memory. */
struct json_parser *json_parser_new(size_t len_max, size_t depth_max);
void json_parser_free(struct json_parser *parser);

/* The whole text must be one JSON value. */
__attribute__((warn_unused_result)) enum json_result json_parse(
    struct json_parser *parser, struct bytes text, struct json_value *root);

/* Offsets of `{ } [ ] : ,` outside strings and of the first byte of every string and
 * scalar, ascending.  indexes[n] and indexes[n + 1] are readable and equal text.len.
 * JSON_OK does not say that the grammar is right. */
__attribute__((warn_unused_result)) enum json_result json_index(
    struct json_parser *parser, struct bytes text, const uint32_t **indexes, size_t *n);

/* The tree of the text that json_index() has just indexed; cheaper than json_parse(). */
__attribute__((warn_unused_result)) enum json_result json_tree(
    struct json_parser *parser, struct json_value *root);

/* The indexes of the last json_parse() that gave JSON_OK, or of the last json_index(). */
const uint32_t *json_indexes(const struct json_parser *parser, size_t *n);

bool json_is_utf8(struct bytes text);

/* Name of the kernel that simdjson chose for this CPU: "icelake", "haswell", ... */
const char *json_kernel(void);

#ifdef __cplusplus
}
#else /* the walk over the tree is for C */

#define JSON_TAPE_PAYLOAD 0x00ffffffffffffffull

static inline enum json_type
json_type(struct json_value v)
{
	return (enum json_type)(v.doc->tape[v.at] >> 56);
}

static inline bool
json_is(struct json_value v, enum json_type type)
{
	return json_type(v) == type;
}

/* For JSON_TYPE_INT (and JSON_TYPE_UINT, as its bits). */
static inline int64_t
json_int(struct json_value v)
{
	return (int64_t)v.doc->tape[v.at + 1];
}

static inline uint64_t
json_uint(struct json_value v)
{
	return v.doc->tape[v.at + 1];
}

static inline double
json_double(struct json_value v)
{
	double d;

	memcpy(&d, &v.doc->tape[v.at + 1], sizeof(d));
	return d;
}

/* Any number as a double; 0 for what is no number. */
static inline double
json_number(struct json_value v)
{
	switch (json_type(v)) {
	case JSON_TYPE_INT:
		return (double)json_int(v);
	case JSON_TYPE_UINT:
		return (double)json_uint(v);
	case JSON_TYPE_DOUBLE:
		return json_double(v);
	default:
		return 0;
	}
}

/* Unescaped; may hold NUL bytes; lives in the parser, with a NUL behind it. */
static inline struct bytes
json_string(struct json_value v)
{
	const uint8_t *s = v.doc->strings + (v.doc->tape[v.at] & JSON_TAPE_PAYLOAD);
	uint32_t len;

	memcpy(&len, s, sizeof(len));
	return bytes_of(s + sizeof(len), len);
}

/* Where the tape goes on behind the value. */
static inline size_t
json_after(struct json_value v)
{
	switch (json_type(v)) {
	case JSON_TYPE_ARRAY:
	case JSON_TYPE_OBJECT:
		return (uint32_t)v.doc->tape[v.at];
	case JSON_TYPE_INT:
	case JSON_TYPE_UINT:
	case JSON_TYPE_DOUBLE:
		return v.at + 2;
	default:
		return v.at + 1;
	}
}

/* Over the members of an object or the elements of an array; over nothing for the rest. */
static inline struct json_iter
json_iter(struct json_value v)
{
	if (!json_is(v, JSON_TYPE_ARRAY) && !json_is(v, JSON_TYPE_OBJECT))
		return (struct json_iter){v.doc, 0, 0};
	return (struct json_iter){v.doc, v.at + 1, json_after(v) - 1};
}

static inline bool
json_next_element(struct json_iter *it, struct json_value *value)
{
	if (it->at >= it->end)
		return false;
	*value = (struct json_value){it->doc, it->at};
	it->at = json_after(*value);
	return true;
}

/* In the order sent; a repeated name comes as often as it was sent. */
static inline bool
json_next_member(struct json_iter *it, struct bytes *name, struct json_value *value)
{
	if (it->at >= it->end)
		return false;
	*name = json_string((struct json_value){it->doc, it->at});
	*value = (struct json_value){it->doc, it->at + 1};
	it->at = json_after(*value);
	return true;
}

/* The first member of that name; linear. */
static inline bool
json_find(struct json_value object, struct bytes name, struct json_value *value)
{
	struct json_iter it = json_iter(object);
	struct bytes at;

	if (!json_is(object, JSON_TYPE_OBJECT))
		return false;
	while (json_next_member(&it, &at, value)) {
		if (bytes_is(at, name))
			return true;
	}
	return false;
}

/* Members or elements; linear. */
static inline size_t
json_count(struct json_value v)
{
	struct json_iter it = json_iter(v);
	struct json_value value;
	size_t n = 0;

	if (json_is(v, JSON_TYPE_OBJECT)) {
		struct bytes name;

		while (json_next_member(&it, &name, &value))
			n++;
		return n;
	}
	while (json_next_element(&it, &value))
		n++;
	return n;
}

#endif
#endif
