/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log - one line to standard error
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char process_name[32] = "sluice";
static enum log_level threshold = LOG_LEVEL_INFO;

void
log_name(const char *process)
{
	(void)snprintf(process_name, sizeof process_name, "%s", process);
}

void
log_threshold(enum log_level level)
{
	threshold = level;
}

enum log_level
log_threshold_now(void)
{
	return threshold;
}

static const char *
severity_prefix(enum log_level level)
{
	static const char *const words[] = { "", "", "critical: ", "error: ", "warning: ",
		"notice: ", "", "debug: " };
	static const char *const numbers[] = { "", "", "<2>", "<3>", "<4>", "<5>", "<6>", "<7>" };

	return getenv("JOURNAL_STREAM") != NULL ? numbers[level] : words[level];
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	char line[1200];
	va_list ap;
	int at, more;

	if (level > threshold)
		return;
	at = snprintf(line, sizeof line - 1, "%s%s: ", severity_prefix(level), process_name);
	va_start(ap, fmt);
	more = vsnprintf(line + at, sizeof line - 1 - (size_t)at, fmt, ap);
	va_end(ap);
	at += more < 0 ? 0 : more;
	if ((size_t)at > sizeof line - 2)
		at = (int)sizeof line - 2;
	line[at++] = '\n';
	/* A log that cannot be written is no reason to stop taking events. */
	if (write(STDERR_FILENO, line, (size_t)at) == -1)
		return;
}
