/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	panic - the two ways to stop: the set-up is wrong, or we are
 *
 * DESCRIPTION
 *	fatal() is for a set-up that cannot work: one line that says what to do,
 *	exit code 1 (fatal_config(): 78).  panic() is for our own bugs: last
 *	words to the log and to the hook (shm/page.c points it at the process's
 *	page), then abort().  assert_that() stays on in production and must
 *	have no side effects.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None here; the last-words buffer is lent by its owner.
 */
#ifndef COMMON_PANIC_H
#define COMMON_PANIC_H

#include <stddef.h>

enum { EXIT_FATAL = 1, EXIT_USAGE = 64, EXIT_CONFIG = 78 };

void fatal(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void fatal_config(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void panic(const char *file, int line, const char *fmt, ...)
    __attribute__((noreturn, cold, format(printf, 3, 4)));

/* Where panic() leaves its last words besides the log; NULL to take it back.
 * The buffer must outlive the process (a shared page does). */
void panic_last_words(char *buf, size_t size);

/* Who else hears what fatal() says before the process ends; NULL: nobody. */
void fatal_tell(void (*tell)(const char *text));

#define PANIC(...) panic(__FILE__, __LINE__, __VA_ARGS__)
#define assert_that(x)                                                                             \
	do {                                                                                       \
		if (__builtin_expect(!(x), 0))                                                     \
			panic(__FILE__, __LINE__, "assertion failed: %s", #x);                     \
	} while (0)

/* Start-up allocation: never NULL (fatal when there is no memory), zeroed. */
void *xcalloc(size_t n, size_t size);
char *xstrdup(const char *s);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
