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

#include "common/clock.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static char process_name[32] = "sluice";
static enum log_level threshold = LOG_LEVEL_INFO;
static bool has_time;

void
log_name(const char *process)
{
	(void)snprintf(process_name, sizeof process_name, "%s", process);
}

void
log_time(void)
{
	has_time = true;
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

/* What stands before the name: journald adds the time itself. */
static int
put_prefix(char *to, size_t size, enum log_level level)
{
	static const char *const words[] = { "", "", "critical: ", "error: ", "warning: ",
		"notice: ", "", "debug: " };
	uint64_t now_ns;
	time_t seconds;
	struct tm tm;

	if (getenv("JOURNAL_STREAM") != NULL)
		return snprintf(to, size, "<%d>", (int)level);
	if (!has_time)
		return snprintf(to, size, "%s", words[level]);
	now_ns = clock_wall_ns();
	seconds = (time_t)(now_ns / CLOCK_NS_PER_S);
	(void)gmtime_r(&seconds, &tm);
	return snprintf(to, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ %s", tm.tm_year + 1900,
	    tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
	    (unsigned)(now_ns % CLOCK_NS_PER_S / CLOCK_NS_PER_MS), words[level]);
}

void
log_line(enum log_level level, const char *fmt, ...)
{
	char line[1200];
	va_list ap;
	int at, more;

	if (level > threshold)
		return;
	at = put_prefix(line, sizeof line - 1, level);
	at += snprintf(line + at, sizeof line - 1 - (size_t)at, "%s: ", process_name);
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
