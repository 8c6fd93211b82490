/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_value - one value: from text to field and back
 *
 * PROCESS
 *	Those that load or print a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_value.h"

#include "common/config_bind.h"
#include "common/config_errors.h"
#include "common/panic.h"
#include "common/units.h"

#include <inttypes.h>
#include <string.h>

static const char *
number_text(enum config_type type, int64_t n, char buf[UNITS_TEXT_SIZE])
{
	switch (type) {
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_POWER:
		return units_print_size(n, buf);
	case CONFIG_TYPE_TIME:
		return units_print_time(n, buf);
	case CONFIG_TYPE_MODE:
		(void)snprintf(buf, UNITS_TEXT_SIZE, "%04o", (unsigned)n);
		return buf;
	default:
		(void)snprintf(buf, UNITS_TEXT_SIZE, "%" PRId64, n);
		return buf;
	}
}

/* `what` and the examples name the type; `q` is the text in quotes. */
static bool
explain(enum units_result result, const char *q, const char *what, const char *tries, char *why)
{
	switch (result) {
	case UNITS_OK:
	case UNITS_TOO_BIG: /* out of range, and that is what the caller says */
		return true;
	case UNITS_NO_UNIT:
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE, "%s has no unit (try %s)", q, tries);
		return false;
	default:
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE, "%s is not %s (try %s)", q, what, tries);
		return false;
	}
}

static bool
parse_mode(const char *text, int64_t *n)
{
	const char *p;

	if (strlen(text) < 3 || strlen(text) > 5)
		return false;
	for (*n = 0, p = text; *p >= '0' && *p <= '7'; p++)
		*n = *n * 8 + (*p - '0');
	return *p == '\0';
}

static bool
parse_number(const struct config_key *key, const char *text, int64_t *n, char *why)
{
	char q[CONFIG_ERRORS_QUOTE_SIZE], range[CONFIG_VALUE_WHY_SIZE], low[UNITS_TEXT_SIZE];
	char high[UNITS_TEXT_SIZE];
	bool is_parsed;

	/* Where a parser finds too much it writes nothing: out of any range. */
	*n = INT64_MAX;
	config_errors_quote(text, q);
	switch (key->type) {
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_POWER:
		is_parsed = explain(units_parse_size(text, n), q, "a size", "64k, 4m, 1g", why);
		break;
	case CONFIG_TYPE_TIME:
		is_parsed =
		    explain(units_parse_time(text, n), q, "a time", "200ms, 10s, 5m, 1h", why);
		break;
	case CONFIG_TYPE_MODE:
		if (!(is_parsed = parse_mode(text, n)))
			(void)snprintf(
			    why, CONFIG_VALUE_WHY_SIZE, "%s is not a mode (try 0660)", q);
		break;
	default:
		is_parsed = explain(
		    units_parse_count(text, n), q, "a whole number", key->default_of[0], why);
		break;
	}
	if (!is_parsed)
		return false;
	if (*n < key->min || *n > key->max) {
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE, "%s is out of range (%s)", q,
		    config_value_range(key, range));
		return false;
	}
	if (key->type == CONFIG_TYPE_POWER && (*n & (*n - 1)) != 0) {
		int64_t below = (int64_t)1 << (63 - __builtin_clzll((unsigned long long)*n));

		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE,
		    "%s is not a power of two (try %s or %s)", q, units_print_size(below, low),
		    units_print_size(below * 2, high));
		return false;
	}
	return true;
}

static bool
set_number(const struct config_key *key, void *field, const char *text, char *why)
{
	int64_t n = 0;
	uint64_t size;
	mode_t mode;
	int count;

	if (!parse_number(key, text, &n, why))
		return false;
	switch (key->type) {
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_POWER:
		size = (uint64_t)n;
		memcpy(field, &size, sizeof size);
		break;
	case CONFIG_TYPE_TIME:
	case CONFIG_TYPE_COUNT:
		memcpy(field, &n, sizeof n);
		break;
	case CONFIG_TYPE_MODE:
		mode = (mode_t)n;
		memcpy(field, &mode, sizeof mode);
		break;
	default:
		count = (int)n;
		memcpy(field, &count, sizeof count);
		break;
	}
	return true;
}

static void
words_list(const struct config_word *words, char *buf, size_t size)
{
	size_t at = 0;

	for (buf[0] = '\0'; words->word != NULL && at < size; words++)
		at +=
		    (size_t)snprintf(buf + at, size - at, "%s%s", at == 0 ? "" : ", ", words->word);
}

static bool
set_word(const struct config_key *key, void *field, const char *text, char *why)
{
	const struct config_word *words = config_table_words(key->type), *w;
	char q[CONFIG_ERRORS_QUOTE_SIZE], list[128];

	for (w = words; w->word != NULL; w++)
		if (strcmp(w->word, text) == 0) {
			memcpy(field, &w->value, sizeof w->value);
			return true;
		}
	words_list(words, list, sizeof list);
	(void)snprintf(why, CONFIG_VALUE_WHY_SIZE,
	    words[1].word == NULL ? "%s is not known (write %s)" : "%s is not one of %s",
	    config_errors_quote(text, q), list);
	return false;
}

/* Is the length of a text one that the row allows? */
static bool
has_length(const struct config_key *key, const char *text, char *why)
{
	char q[CONFIG_ERRORS_QUOTE_SIZE];
	size_t len = strlen(text);

	if (len == 0 && key->min > 0) {
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE, "must not be empty%s%s%s",
		    key->default_of[0][0] != '\0' ? " (try " : "", key->default_of[0],
		    key->default_of[0][0] != '\0' ? ")" : "");
		return false;
	}
	if (len > (size_t)key->max) {
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE, "%s has %zu bytes, %lld are allowed",
		    config_errors_quote(text, q), len, (long long)key->max);
		return false;
	}
	return true;
}

static bool
set_text(const struct config_key *key, void *field, const char *text, char *why)
{
	char q[CONFIG_ERRORS_QUOTE_SIZE];
	size_t len = strlen(text);

	if (!has_length(key, text, why))
		return false;
	if (key->type == CONFIG_TYPE_PATH && len > 0 && text[0] != '/') {
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE, "%s must begin with /",
		    config_errors_quote(text, q));
		return false;
	}
	/* One folder has one spelling, or comparing them would mislead. */
	while (key->type == CONFIG_TYPE_PATH && len > 1 && text[len - 1] == '/')
		len--;
	assert_that(len < key->size);
	memset(field, 0, key->size);
	memcpy(field, text, len);
	return true;
}

static bool
add_line(const struct config_key *key, struct config_list *list, const char *text, char *why)
{
	if (list->n == CONFIG_LIST_MAX) {
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE,
		    "%d lines of it are allowed in a section", CONFIG_LIST_MAX);
		return false;
	}
	if (!has_length(key, text, why))
		return false;
	memcpy(list->at[list->n++], text, strlen(text));
	return true;
}

static bool
set_bind(const struct config_key *key, struct config_binds *binds, const char *text, char *why)
{
	if (binds->n == key->max) {
		(void)snprintf(why, CONFIG_VALUE_WHY_SIZE,
		    "%lld addresses are allowed in a section", (long long)key->max);
		return false;
	}
	if (!config_bind_parse(text, &binds->at[binds->n], why, CONFIG_VALUE_WHY_SIZE))
		return false;
	binds->n++;
	return true;
}

void
config_value_default(const struct config_key *key, void *base, enum config_sink_kind kind)
{
	const char *text = config_table_default(key, kind), *end;
	char why[CONFIG_VALUE_WHY_SIZE], line[CONFIG_LIST_TEXT];
	bool is_list = config_table_is_list(key->type) || key->type == CONFIG_TYPE_BIND;

	if (is_list)
		memset((char *)base + key->offset, 0, key->size);
	if (is_list && text[0] == '\0')
		return;
	if (!config_table_is_list(key->type)) {
		if (!config_value_set(key, base, text, why))
			PANIC("the default of %s: %s", key->name, why);
		return;
	}
	for (; *text != '\0'; text = *end == '\0' ? end : end + 1) {
		end = strchrnul(text, '\n');
		(void)snprintf(line, sizeof line, "%.*s", (int)(end - text), text);
		if (!config_value_set(key, base, line, why))
			PANIC("the default of %s: %s", key->name, why);
	}
}

bool
config_value_set(
    const struct config_key *key, void *base, const char *text, char why[CONFIG_VALUE_WHY_SIZE])
{
	void *field = (char *)base + key->offset;

	switch (key->type) {
	case CONFIG_TYPE_STRING:
	case CONFIG_TYPE_PATH:
		return set_text(key, field, text, why);
	case CONFIG_TYPE_BIND:
		return set_bind(key, field, text, why);
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_WORDS:
	case CONFIG_TYPE_VERBATIM:
		return add_line(key, field, text, why);
	default:
		return config_table_words(key->type) != NULL ? set_word(key, field, text, why)
							     : set_number(key, field, text, why);
	}
}

/* What the lexer would not give back as it stands goes into quotes. */
static const char *
quote_word(const char *text, char buf[CONFIG_VALUE_TEXT_SIZE])
{
	static const char special[] = " \t#\"'\\$";
	size_t n = 0, i;

	if (text[0] != '\0' && strpbrk(text, special) == NULL) {
		(void)snprintf(buf, CONFIG_VALUE_TEXT_SIZE, "%s", text);
		return buf;
	}
	buf[n++] = '"';
	for (i = 0; text[i] != '\0' && n < CONFIG_VALUE_TEXT_SIZE - 4; i++) {
		if (text[i] == '"' || text[i] == '\\' || text[i] == '$')
			buf[n++] = '\\';
		buf[n++] = text[i];
	}
	buf[n++] = '"';
	buf[n] = '\0';
	return buf;
}

static const char *
number_field_text(const struct config_key *key, const void *field, char *buf)
{
	char text[UNITS_TEXT_SIZE];
	int64_t n = 0;
	mode_t mode;
	int count;

	switch (key->type) {
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_POWER:
	case CONFIG_TYPE_TIME:
	case CONFIG_TYPE_COUNT:
		memcpy(&n, field, sizeof n);
		break;
	case CONFIG_TYPE_MODE:
		memcpy(&mode, field, sizeof mode);
		n = (int64_t)mode;
		break;
	default:
		memcpy(&count, field, sizeof count);
		n = count;
		break;
	}
	(void)snprintf(buf, CONFIG_VALUE_TEXT_SIZE, "%s", number_text(key->type, n, text));
	return buf;
}

const char *
config_value_text(
    const struct config_key *key, const void *base, int at, char buf[CONFIG_VALUE_TEXT_SIZE])
{
	const void *field = (const char *)base + key->offset;
	const struct config_word *words = config_table_words(key->type);
	const struct config_binds *binds;
	const struct config_list *list;
	int value;

	if (words != NULL) {
		memcpy(&value, field, sizeof value);
		while (words->word != NULL && words->value != value)
			words++;
		assert_that(words->word != NULL);
		(void)snprintf(buf, CONFIG_VALUE_TEXT_SIZE, "%s", words->word);
		return buf;
	}
	switch (key->type) {
	case CONFIG_TYPE_STRING:
	case CONFIG_TYPE_PATH:
		return quote_word(field, buf);
	case CONFIG_TYPE_BIND:
		binds = field;
		assert_that(at >= 0 && at < binds->n);
		return quote_word(binds->at[at].text, buf);
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_WORDS:
	case CONFIG_TYPE_VERBATIM:
		list = field;
		assert_that(at >= 0 && at < list->n);
		return quote_word(list->at[at], buf);
	default:
		return number_field_text(key, field, buf);
	}
}

int
config_value_lines(const struct config_key *key, const void *base)
{
	const void *field = (const char *)base + key->offset;

	if (key->type == CONFIG_TYPE_BIND)
		return ((const struct config_binds *)field)->n;
	if (config_table_is_list(key->type))
		return ((const struct config_list *)field)->n;
	return 1;
}

const char *
config_value_range(const struct config_key *key, char buf[CONFIG_VALUE_WHY_SIZE])
{
	const struct config_word *words = config_table_words(key->type);
	char low[UNITS_TEXT_SIZE], high[UNITS_TEXT_SIZE], list[128];

	buf[0] = '\0';
	if (words != NULL) {
		words_list(words, list, sizeof list);
		(void)snprintf(buf, CONFIG_VALUE_WHY_SIZE,
		    words[1].word == NULL ? "only %s" : "one of %s", list);
		return buf;
	}
	switch (key->type) {
	case CONFIG_TYPE_STRING:
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_LIST:
	case CONFIG_TYPE_WORDS:
	case CONFIG_TYPE_VERBATIM:
		(void)snprintf(
		    buf, CONFIG_VALUE_WHY_SIZE, "at most %lld bytes", (long long)key->max);
		return buf;
	case CONFIG_TYPE_BIND:
		return buf;
	default:
		(void)snprintf(buf, CONFIG_VALUE_WHY_SIZE, "%s to %s%s",
		    number_text(key->type, key->min, low), number_text(key->type, key->max, high),
		    key->type == CONFIG_TYPE_POWER ? ", a power of two" : "");
		return buf;
	}
}
