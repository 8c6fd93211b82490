/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_doc - the KEYS section of sluice.conf(5)
 *
 * PROCESS
 *	None that runs for long: called when the documents are made.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_value.h"

#include <string.h>

/* The name of a value in the page, by type. */
static const char *
argument(enum config_type type)
{
	switch (type) {
	case CONFIG_TYPE_INT:
	case CONFIG_TYPE_COUNT:
		return "number";
	case CONFIG_TYPE_SIZE:
	case CONFIG_TYPE_POWER:
		return "size";
	case CONFIG_TYPE_TIME:
		return "time";
	case CONFIG_TYPE_PATH:
		return "path";
	case CONFIG_TYPE_BIND:
		return "address";
	case CONFIG_TYPE_MODE:
		return "mode";
	case CONFIG_TYPE_STRING:
		return "name";
	case CONFIG_TYPE_LIST:
		return "text";
	case CONFIG_TYPE_WORDS:
		return "words";
	case CONFIG_TYPE_VERBATIM:
		return "line";
	default:
		return "word";
	}
}

/* A sentence a line, as mdoc wants it, with what roff would act on escaped. */
static void
print_text(const char *text, FILE *to)
{
	const char *p;

	for (p = text; *p != '\0'; p++) {
		if (*p == '\\')
			(void)fputs("\\e", to);
		else if (*p == '.' && p[1] == ' ')
			(void)fputs(".\n", to), p++;
		else
			(void)fputc(*p, to);
	}
	(void)fputc('\n', to);
}

static void
print_quoted(const char *text, FILE *to)
{
	const char *p;

	for (p = text; *p != '\0'; p++)
		(void)fputs(*p == '\n' ? "\n.Ql " : (char[2]){*p, '\0'}, to);
}

/* A key that only some kinds of sink have. */
static void
print_kinds(const struct config_key *key, FILE *to)
{
	const struct config_word *w = config_table_words(CONFIG_TYPE_SINK_KIND);
	bool is_first = true;

	if (key->section != CONFIG_SECTION_sink || key->kinds == (1U << CONFIG_SINK_KINDS) - 1)
		return;
	(void)fputs("Kinds:\n", to);
	for (; w->word != NULL; w++) {
		if ((key->kinds & 1U << w->value) == 0)
			continue;
		(void)fprintf(to, "%s.Cm %s", is_first ? "" : " ,\n", w->word);
		is_first = false;
	}
	(void)fputs(" .\n", to);
}

/* Does the default differ among the kinds that have the key? */
static bool
has_default_by_kind(const struct config_key *key)
{
	const char *first;
	int kind;

	if (key->section != CONFIG_SECTION_sink)
		return false;
	first = config_table_default(key, (enum config_sink_kind)__builtin_ctz(key->kinds));
	for (kind = 0; kind < CONFIG_SINK_KINDS; kind++)
		if ((key->kinds & 1U << kind) != 0 &&
		    strcmp(first, config_table_default(key, (enum config_sink_kind)kind)) != 0)
			return true;
	return false;
}

static void
print_defaults_by_kind(const struct config_key *key, FILE *to)
{
	const struct config_word *w = config_table_words(CONFIG_TYPE_SINK_KIND);
	unsigned left = key->kinds;
	const char *text;

	(void)fputs("The default is\n", to);
	for (; w->word != NULL; w++) {
		if ((left & 1U << w->value) == 0)
			continue;
		left &= ~(1U << w->value);
		text = config_table_default(key, (enum config_sink_kind)w->value);
		if (text[0] != '\0')
			(void)fprintf(to, ".Ql %s\nfor", text);
		else
			(void)fputs("none for", to);
		(void)fprintf(to, " %s%s\n", w->word, left == 0 ? "." : ",");
	}
}

static void
print_default(const struct config_key *key, FILE *to)
{
	const char *text;

	if (key->section == CONFIG_SECTION_sink && key->type == CONFIG_TYPE_SINK_KIND)
		return;
	if (has_default_by_kind(key)) {
		print_defaults_by_kind(key, to);
		return;
	}
	text = config_table_default(key, (enum config_sink_kind)__builtin_ctz(key->kinds));
	if (text[0] == '\0')
		return;
	(void)fprintf(to, "The default is\n.Ql ");
	print_quoted(text, to);
	(void)fputs(" .\n", to);
}

static void
print_key(const struct config_key *key, FILE *to)
{
	char range[CONFIG_VALUE_WHY_SIZE];

	(void)fprintf(to, ".It Cm %s Ar %s\n", key->name, argument(key->type));
	print_text(key->text, to);
	print_kinds(key, to);
	if (key->type == CONFIG_TYPE_BIND)
		(void)fprintf(to, "May be given %lld times.\n", (long long)key->max);
	if (config_table_is_list(key->type))
		(void)fprintf(to, "May be given %d times.\n", CONFIG_LIST_MAX);
	config_value_range(key, range);
	if (range[0] != '\0') {
		range[0] =
		    (char)(range[0] >= 'a' && range[0] <= 'z' ? range[0] - 'a' + 'A' : range[0]);
		(void)fprintf(to, "%s.\n", range);
	}
	print_default(key, to);
}

void
config_doc_mdoc(FILE *to)
{
	const struct config_key *key;
	int s;

	(void)fprintf(to, ".Sh KEYS\n");
	for (s = 0; s < CONFIG_SECTIONS; s++) {
		const struct config_section_row *row = &config_table_sections[s];

		(void)fprintf(to, ".Ss %s%s\n", row->name, row->is_named ? " NAME" : "");
		print_text(row->text, to);
		(void)fprintf(to, ".Bl -tag -width Ds\n");
		for (key = config_table_keys; key < config_table_keys + CONFIG_KEYS; key++)
			if (key->section == (enum config_section)s)
				print_key(key, to);
		(void)fprintf(to, ".El\n");
	}
}
