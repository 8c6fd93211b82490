/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	crashpoint - a named place where a test may kill the process
 *
 * PROCESS
 *	All, in test builds.
 *
 * SHARED STATE
 *	None.
 */
#include "common/crashpoint.h"

#ifdef CRASHPOINTS
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
crashpoint_visit(const char *name)
{
	static const char *wanted;
	static unsigned long left;
	static size_t len;
	static int is_read;

	if (!is_read) {
		const char *colon;

		is_read = 1;
		wanted = getenv("SLUICE_CRASH");
		colon = wanted == NULL ? NULL : strrchr(wanted, ':');
		if (colon == NULL) {
			wanted = NULL;
			return;
		}
		len = (size_t)(colon - wanted);
		left = strtoul(colon + 1, NULL, 10);
	}
	if (wanted == NULL || strlen(name) != len || memcmp(name, wanted, len) != 0)
		return;
	if (--left == 0)
		(void)kill(getpid(), SIGKILL);
}

void
crashpoint_poison(const void *event, size_t len)
{
	static const char *wanted;
	static int is_read;

	if (!is_read) {
		is_read = 1;
		wanted = getenv("SLUICE_POISON");
	}
	if (wanted != NULL && wanted[0] != '\0' &&
	    memmem(event, len, wanted, strlen(wanted)) != NULL)
		(void)raise(SIGSEGV);
}
#endif
