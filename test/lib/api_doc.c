/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	api_doc - what the intake may answer, as markdown
 *
 * DESCRIPTION
 *	Prints the tables between the marks in docs/API.md from the rows the
 *	daemon itself is made of; test/lint/api_doc.sh compares the two.
 */
#include <stdio.h>

/* A sentence in a cell. */
static void
cell(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text == '|' || *text == '\\')
			(void)putchar('\\');
		(void)putchar(*text);
	}
}

static void
verdicts(void)
{
	printf("### Verdicts\n\n| status | HTTP, single event | meaning |\n|---|---:|---|\n");
#define VERDICT(name, word, http, text) printf("| `%s` | %d | %s |\n", word, http, text);
#include "workers/verdicts.def"
#undef VERDICT
}

static void
events(void)
{
	printf("\n### Why an event is `invalid`\n\n"
	       "| code | HTTP, single event | pointer | message |\n|---|---:|---|---|\n");
#define EVENT_CODE(name, code, http, pointer, sentence)                                            \
	printf("| `%s` | %d | `%s` | ", code, http, *pointer == '\0' ? "\"\"" : pointer);          \
	cell(sentence);                                                                            \
	printf(" |\n");
#include "common/event_codes.def"
#undef EVENT_CODE
}

static void
http(void)
{
	printf("\n### Why a request was not read\n\n| code | HTTP | message |\n|---|---:|---|\n");
#define CODE(tag, code, http, sentence)                                                            \
	if (http != 200) {                                                                         \
		printf("| `%s` | %d | ", code, http);                                              \
		cell(sentence);                                                                    \
		printf(" |\n");                                                                    \
	}
#include "common/http_codes.def"
#undef CODE
}

int
main(void)
{
	verdicts();
	events();
	http();
	return ferror(stdout) != 0;
}
