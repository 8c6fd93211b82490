/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_errors - the list of mistakes found in a configuration
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_errors.h"

#include "common/panic.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void
config_errors_add(struct config_errors *errs, const char *fmt, ...)
{
	char line[1024];
	va_list ap;

	if (errs->text == NULL)
		errs->text = xcalloc(CONFIG_ERRORS_MAX, sizeof *errs->text);
	if (errs->n == CONFIG_ERRORS_MAX) {
		errs->unlisted++;
		return;
	}
	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	errs->text[errs->n++] = xstrdup(line);
}

const char *
config_errors_quote(const char *text, char buf[CONFIG_ERRORS_QUOTE_SIZE])
{
	size_t n = 0, i;

	buf[n++] = '"';
	for (i = 0; text[i] != '\0' && n < CONFIG_ERRORS_QUOTE_SIZE - 8; i++)
		buf[n++] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
	if (text[i] != '\0') {
		memcpy(buf + n, "...", 3);
		n += 3;
	}
	buf[n++] = '"';
	buf[n] = '\0';
	return buf;
}

void
config_errors_print(const struct config_errors *errs, FILE *to)
{
	int i;

	for (i = 0; i < errs->n; i++)
		(void)fprintf(to, "%s\n", errs->text[i]);
	if (errs->unlisted > 0)
		(void)fprintf(to, "and %d more\n", errs->unlisted);
}

void
config_errors_free(struct config_errors *errs)
{
	int i;

	for (i = 0; i < errs->n; i++)
		free(errs->text[i]);
	free(errs->text);
	*errs = (struct config_errors){0};
}
