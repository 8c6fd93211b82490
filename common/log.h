/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log - one line to standard error
 *
 * DESCRIPTION
 *	log_line() writes one line `<N>process: text` in a single write, where
 *	<N> is the syslog severity that journald reads.  Without journald
 *	(JOURNAL_STREAM is not set) it is a word, in the daemon behind the time
 *	in UTC: `2026-11-21T18:00:00.123Z notice: process: text`.  Lines say what
 *	happened, then key=value pairs, and what we do about it.  Event data is
 *	never logged.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

enum log_level {
	LOG_LEVEL_CRIT = 2,
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* The name that stands before each line, copied; at most 31 bytes are kept. */
void log_name(const char *process);
/* From now on lines begin with the time, unless journald adds it: a daemon's
 * do, a tool's do not. */
void log_time(void);
/* Lines less severe than this are dropped.  Default: LOG_LEVEL_INFO. */
void log_threshold(enum log_level level);
enum log_level log_threshold_now(void);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
