/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	panic - the two ways to stop: the set-up is wrong, or we are
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	Writes the last-words buffer that panic_last_words() was given.
 */
#include "common/panic.h"

#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void (*told)(const char *text);
static char *last_words;
static size_t last_words_size;

void
panic_last_words(char *buf, size_t size)
{
	last_words = buf;
	last_words_size = size;
}

void
fatal_tell(void (*tell)(const char *text))
{
	told = tell;
}

static void __attribute__((format(printf, 2, 0)))
say_and_exit(int code, const char *fmt, va_list ap)
{
	char line[1024];

	(void)vsnprintf(line, sizeof line, fmt, ap);
	log_line(LOG_LEVEL_ERR, "%s", line);
	if (told != NULL)
		told(line);
	exit(code);
}

void
fatal(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_and_exit(EXIT_FATAL, fmt, ap);
	va_end(ap);
	abort();
}

void
fatal_config(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_and_exit(EXIT_CONFIG, fmt, ap);
	va_end(ap);
	abort();
}

void
panic(const char *file, int line, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	int at;

	at = snprintf(text, sizeof text, "%s:%d: ", file, line);
	va_start(ap, fmt);
	if (at > 0 && (size_t)at < sizeof text)
		(void)vsnprintf(text + at, sizeof text - (size_t)at, fmt, ap);
	va_end(ap);
	if (last_words != NULL && last_words_size > 0) {
		strncpy(last_words, text, last_words_size - 1);
		last_words[last_words_size - 1] = '\0';
	}
	log_line(LOG_LEVEL_CRIT, "panic: %s", text);
	abort();
}

void *
xcalloc(size_t n, size_t size)
{
	void *p = calloc(n == 0 ? 1 : n, size == 0 ? 1 : size);

	if (p == NULL)
		fatal("out of memory at start: need %zu bytes more: give this machine more memory "
		      "or lower the limits in the configuration",
		    n * size);
	return p;
}

char *
xstrdup(const char *s)
{
	size_t len = strlen(s) + 1;

	return memcpy(xcalloc(1, len), s, len);
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s = NULL;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) == -1)
		fatal("out of memory at start");
	va_end(ap);
	return s;
}
