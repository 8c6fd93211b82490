/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_lex - a line of the configuration into words
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_lex.h"

#include "common/config_table.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct input {
	const char *p, *end;
	char *why;
};

static bool
refuse(struct input *in, const char *why)
{
	(void)snprintf(in->why, CONFIG_LEX_WHY_SIZE, "%s", why);
	return false;
}

static bool
put(struct config_lex *lex, struct input *in, char c)
{
	/* One byte is kept for the NUL. */
	if (lex->len >= sizeof lex->text - 1)
		return refuse(in, "the line is too long once ${...} is replaced");
	lex->text[lex->len++] = c;
	return true;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* At "${": puts the variable's value and steps behind the brace. */
static bool
replace(struct config_lex *lex, struct input *in)
{
	const char *from = in->p + 2, *to = from, *value;
	char name[128];

	while (to < in->end && (isalnum((unsigned char)*to) || *to == '_'))
		to++;
	if (to == in->end || *to != '}' || to == from || isdigit((unsigned char)*from) ||
	    (size_t)(to - from) >= sizeof name)
		return refuse(in, "after ${ a variable's name and } must follow (a dollar sign as "
				  "such is \\$)");
	memcpy(name, from, (size_t)(to - from));
	name[to - from] = '\0';
	if ((value = getenv(name)) == NULL) {
		(void)snprintf(in->why, CONFIG_LEX_WHY_SIZE,
		    "${%s}: the environment has no variable of this name", name);
		return false;
	}
	for (; *value != '\0'; value++) {
		if (is_control(*value)) {
			(void)snprintf(in->why, CONFIG_LEX_WHY_SIZE,
			    "${%s}: the variable holds a control character", name);
			return false;
		}
		if (!put(lex, in, *value))
			return false;
	}
	in->p = to + 1;
	lex->is_replaced = true;
	return true;
}

/* One word, up to a blank, a comment or the end. */
static bool
take_word(struct config_lex *lex, struct input *in, bool is_value)
{
	char quote = '\0';

	while (in->p < in->end) {
		char c = *in->p;

		if (quote == '\0' && (is_blank(c) || c == '#'))
			break;
		if (c == '\\') {
			if (in->p + 1 == in->end)
				return refuse(in, "a backslash ends the line: lines cannot be "
						  "continued (a backslash as such is \\\\)");
			if (!put(lex, in, in->p[1]))
				return false;
			in->p += 2;
		} else if (is_value && c == '$' && in->p + 1 < in->end && in->p[1] == '{') {
			if (!replace(lex, in))
				return false;
		} else if (quote == '\0' && (c == '"' || c == '\'')) {
			quote = c;
			in->p++;
		} else if (c == quote) {
			quote = '\0';
			in->p++;
		} else {
			if (!put(lex, in, c))
				return false;
			in->p++;
		}
	}
	if (quote != '\0')
		return refuse(in, quote == '"' ? "a \" is opened and not closed"
					       : "a ' is opened and not closed");
	return true;
}

bool
config_lex_line(struct config_lex *lex, const char *line, size_t len, char why[CONFIG_LEX_WHY_SIZE])
{
	struct input in = {line, line + len, why};
	bool has_values = true;
	size_t i;

	lex->n = 0;
	lex->len = 0;
	lex->values_from = lex->values_to = 0;
	lex->is_replaced = false;
	for (i = 0; i < len; i++) {
		if (!is_control(line[i]))
			continue;
		(void)snprintf(why, CONFIG_LEX_WHY_SIZE, "control character 0x%02x in column %zu",
		    (unsigned)(unsigned char)line[i], i + 1);
		return false;
	}
	for (;;) {
		while (in.p < in.end && is_blank(*in.p))
			in.p++;
		if (in.p == in.end || *in.p == '#')
			return true;
		if (lex->n == CONFIG_LEX_WORDS_MAX)
			return refuse(&in, "more than 64 words in a line");
		lex->word[lex->n] = lex->text + lex->len;
		if (lex->n == 1)
			lex->values_from = (size_t)(in.p - line);
		if (!take_word(lex, &in, lex->n > 0 && has_values) || !put(lex, &in, '\0'))
			return false;
		/* What follows the name of a section is a name, not a value. */
		if (lex->n == 0 && config_table_section(lex->word[0]) != CONFIG_SECTIONS)
			has_values = false;
		lex->n++;
		lex->values_to = (size_t)(in.p - line);
	}
}
