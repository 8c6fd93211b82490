/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_match - any conditions, patterns and templates, against any event
 *
 * DESCRIPTION
 *	The first line is a condition, the second a pattern, the third a template,
 *	what follows is the event.  Globs are held against a slow way to say the
 *	same; a condition and its opposite never agree.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/column.h"
#include "common/match.h"
#include "common/status_map.h"
#include "common/template.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define check(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* Byte by byte, with a table instead of going back. */
static bool
slow_glob(const char *glob, struct bytes text)
{
	static bool can[258];
	size_t i;

	memset(can, 0, sizeof can);
	can[0] = true;
	for (; *glob != '\0'; glob++) {
		if (*glob == '*') {
			for (i = 1; i <= text.len; i++)
				can[i] = can[i] || can[i - 1];
			continue;
		}
		for (i = text.len; i > 0; i--)
			can[i] = can[i - 1] && (*glob == '?' || (uint8_t)*glob == text.ptr[i - 1]);
		can[0] = false;
	}
	return can[text.len];
}

static void
check_opposite(const char *condition, struct bytes type, struct bytes body, bool holds)
{
	static const char *const pairs[][2] = {
	    {" = ", " != "}, {" ~ ", " !~ "}, {" exists", " absent"}};
	char text[512], why[256];
	struct match *m = match_new();
	const char *at;
	size_t i;

	for (i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		/* Only where the operator is the first thing that looks like one. */
		if (condition[0] != '/' || (at = strchr(condition, ' ')) == NULL ||
		    strncmp(at, pairs[i][0], strlen(pairs[i][0])) != 0)
			continue;
		(void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - condition), condition,
		    pairs[i][1], at + strlen(pairs[i][0]));
		check(match_add_where(m, text, why, sizeof why) == 0);
		check(match_event(m, type, body) != holds);
		break;
	}
	match_free(m);
}

/* The line at *at as a text of its own. */
static char *
take_line(const uint8_t **at, const uint8_t *end, size_t max)
{
	const uint8_t *newline = memchr(*at, '\n', (size_t)(end - *at)), *from = *at;
	size_t len = (size_t)((newline == NULL ? end : newline) - from);

	*at = newline == NULL ? end : newline + 1;
	return strndup((const char *)from, len < max ? len : max);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const uint8_t *at = data, *end = data + len;
	char *condition, *glob, *text, why[256], name[64];
	struct match *types = match_new(), *wheres = match_new();
	struct template *t;
	struct column column;
	struct status_map map;
	struct bytes body, type;
	uint8_t *exact;

	condition = take_line(&at, end, 255);
	glob = take_line(&at, end, 255);
	text = take_line(&at, end, 255);
	body.len = (size_t)(end - at);
	exact = malloc(body.len + 1);
	check(exact != NULL);
	if (body.len > 0)
		memcpy(exact + 1, at, body.len);
	body.ptr = exact + 1;
	/* A type that is none must do no harm. */
	type = body.len > 0 && body.ptr[0] == '"' ? body : BYTES_LIT("\"cart_updated\"");

	if (match_add_type(types, glob, why, sizeof why) == 0)
		(void)match_event(types, type, body);
	if (match_add_where(wheres, condition, why, sizeof why) == 0)
		check_opposite(condition, type, body, match_event(wheres, type, body));
	else
		check(match_is_all(wheres) && match_event(wheres, type, body));
	if (body.len < 256)
		check(match_glob(glob, body) == slow_glob(glob, body));
	if ((t = template_new(text, why, sizeof why)) != NULL) {
		size_t n = template_run(t, type, type, body, name, sizeof name);

		check(n < sizeof name && name[n] == '\0');
		template_free(t);
	}
	(void)!column_parse(text, &column, why, sizeof why);
	status_map_init(&map);
	(void)!status_map_add(&map, text, why, sizeof why);
	free(condition);
	free(glob);
	free(text);
	free(exact);
	match_free(types);
	match_free(wheres);
	return 0;
}
