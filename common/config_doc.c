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
print_key(const struct config_key *key, FILE *to)
{
	char range[CONFIG_VALUE_WHY_SIZE];

	(void)fprintf(to, ".It Cm %s Ar %s\n", key->name, argument(key->type));
	print_text(key->text, to);
	if (key->type == CONFIG_TYPE_BIND)
		(void)fprintf(to, "May be given %lld times.\n", (long long)key->max);
	config_value_range(key, range);
	if (range[0] != '\0') {
		range[0] =
		    (char)(range[0] >= 'a' && range[0] <= 'z' ? range[0] - 'a' + 'A' : range[0]);
		(void)fprintf(to, "%s.\n", range);
	}
	if (key->default_text[0] != '\0')
		(void)fprintf(to, "The default is\n.Ql %s .\n", key->default_text);
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
