/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	column - one column of a table and what stands in it
 *
 * PROCESS
 *	Those that load a configuration; the ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "common/column.h"

#include "common/config_errors.h"
#include "common/pick.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *word;
	enum column_source source;
} sources[] = {{"receipt", COLUMN_RECEIPT}, {"received", COLUMN_RECEIVED},
    {"event-key", COLUMN_EVENT_KEY}, {"stream", COLUMN_STREAM}, {"position", COLUMN_POSITION},
    {"body", COLUMN_BODY}};

static const struct {
	const char *word;
	enum column_base base;
	int bits;
} plain[] = {{"String", COLUMN_STRING, 0}, {"Int8", COLUMN_INT, 8}, {"Int16", COLUMN_INT, 16},
    {"Int32", COLUMN_INT, 32}, {"Int64", COLUMN_INT, 64}, {"UInt8", COLUMN_UINT, 8},
    {"UInt16", COLUMN_UINT, 16}, {"UInt32", COLUMN_UINT, 32}, {"UInt64", COLUMN_UINT, 64},
    {"Float32", COLUMN_FLOAT, 32}, {"Float64", COLUMN_FLOAT, 64}, {"Bool", COLUMN_BOOL, 8},
    {"Date", COLUMN_DATE, 16}, {"DateTime", COLUMN_DATE_TIME, 32}, {"UUID", COLUMN_UUID, 128}};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*------------------------------------------------------------------- types */

/* `text` is WORD( ... ): what is between the brackets, as a text of its own in buf. */
static bool
is_wrapped(const char *text, const char *word, char *buf, size_t size)
{
	size_t len = strlen(text), word_len = strlen(word);

	if (strncmp(text, word, word_len) != 0 || text[word_len] != '(' || text[len - 1] != ')' ||
	    len - word_len - 2 >= size)
		return false;
	(void)snprintf(buf, size, "%.*s", (int)(len - word_len - 2), text + word_len + 1);
	return true;
}

/* A whole number from min to max; *end is what follows it. */
static bool
take_number(const char *text, int min, int max, int *n, const char **end)
{
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > 7)
		return false;
	*n = (int)strtol(text, NULL, 10);
	*end = text + len;
	return *n >= min && *n <= max;
}

/* 'Europe/Berlin' */
static bool
is_zone(const char *text)
{
	size_t len = strlen(text), i;

	if (len < 3 || text[0] != '\'' || text[len - 1] != '\'')
		return false;
	for (i = 1; i < len - 1; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("/_+-", text[i]) == NULL)
			return false;
	return true;
}

static bool
parse_base(const char *type, struct column_type *out)
{
	char inner[96];
	const char *end;
	size_t i;

	for (i = 0; i < COUNT(plain); i++)
		if (strcmp(type, plain[i].word) == 0) {
			out->base = plain[i].base;
			out->bits = plain[i].bits;
			return true;
		}
	if (is_wrapped(type, "FixedString", inner, sizeof inner)) {
		out->base = COLUMN_FIXED_STRING;
		return take_number(inner, 1, 65536, &out->n, &end) && *end == '\0';
	}
	if (is_wrapped(type, "DateTime", inner, sizeof inner)) {
		out->base = COLUMN_DATE_TIME;
		out->bits = 32;
		return is_zone(inner);
	}
	if (is_wrapped(type, "DateTime64", inner, sizeof inner)) {
		out->base = COLUMN_DATE_TIME64;
		out->bits = 64;
		if (!take_number(inner, 0, 9, &out->n, &end))
			return false;
		if (*end == '\0')
			return true;
		return *end == ',' && is_zone(end + 1 + strspn(end + 1, " "));
	}
	return false;
}

bool
column_type_parse(const char *type, struct column_type *out)
{
	struct column_type t = {0};
	char outer[96], inner[96];

	(void)snprintf(outer, sizeof outer, "%s", type);
	if (is_wrapped(outer, "LowCardinality", inner, sizeof inner)) {
		t.is_low_cardinality = true;
		memcpy(outer, inner, sizeof outer);
	}
	if (is_wrapped(outer, "Nullable", inner, sizeof inner)) {
		t.is_nullable = true;
		memcpy(outer, inner, sizeof outer);
	}
	if (!parse_base(outer, &t))
		return false;
	*out = t;
	return true;
}

/*------------------------------------------------------------------- lines */

/* Names go into SQL: nothing in them needs quotes. */
static size_t
name_len(const char *text)
{
	size_t len = 0;

	while (isalnum((unsigned char)text[len]) || text[len] == '_')
		len++;
	return isdigit((unsigned char)text[0]) ? 0 : len;
}

static int
parse_source(const char *text, struct column *c, char *why, size_t size)
{
	char q[CONFIG_ERRORS_QUOTE_SIZE], reason[128];
	struct pick *pick;
	int index;
	size_t i;

	for (i = 0; i < COUNT(sources); i++)
		if (strcmp(text, sources[i].word) == 0) {
			c->source = sources[i].source;
			return 0;
		}
	if (text[0] != '/') {
		(void)snprintf(why, size,
		    "%s is no source: write a JSON pointer such as /userId, or receipt, received, "
		    "event-key, stream, position, body",
		    config_errors_quote(text, q));
		return -1;
	}
	if (strlen(text) >= sizeof c->pointer) {
		(void)snprintf(why, size, "a pointer has at most %zu bytes", sizeof c->pointer - 1);
		return -1;
	}
	pick = pick_new();
	index = pick_add(pick, text, reason, sizeof reason);
	pick_free(pick);
	if (index == -1) {
		(void)snprintf(why, size, "%s", reason);
		return -1;
	}
	c->source = COLUMN_POINTER;
	(void)snprintf(c->pointer, sizeof c->pointer, "%s", text);
	return 0;
}

int
column_parse(const char *text, struct column *out, char *why, size_t size)
{
	struct column c = {.name = ""};
	struct column_type type;
	char q[CONFIG_ERRORS_QUOTE_SIZE];
	const char *from, *at;
	size_t len = name_len(text);

	if (len == 0 || text[len] != ' ' || (from = strstr(text + len, " from ")) == NULL ||
	    from == text + len) {
		(void)snprintf(why, size,
		    "%s is not NAME TYPE from SOURCE (try userId String from /userId)",
		    config_errors_quote(text, q));
		return -1;
	}
	if (len >= sizeof c.name) {
		(void)snprintf(why, size, "a name has at most %zu bytes", sizeof c.name - 1);
		return -1;
	}
	memcpy(c.name, text, len);
	for (at = text + len; *at == ' '; at++)
		continue;
	while (from > at && from[-1] == ' ')
		from--;
	if (from <= at || (size_t)(from - at) >= sizeof c.type) {
		(void)snprintf(why, size, "the type is missing, or has more than %zu bytes",
		    sizeof c.type - 1);
		return -1;
	}
	memcpy(c.type, at, (size_t)(from - at));
	if (!column_type_parse(c.type, &type)) {
		(void)snprintf(why, size, "%s is not a type that can be written",
		    config_errors_quote(c.type, q));
		return -1;
	}
	for (at = strstr(from, " from ") + 6; *at == ' '; at++)
		continue;
	if (parse_source(at, &c, why, size) == -1)
		return -1;
	*out = c;
	return 0;
}
