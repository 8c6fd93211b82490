/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	crashpoint - a named place where a test may kill the process
 *
 * DESCRIPTION
 *	CRASHPOINT("ring.copied") compiles to nothing unless CRASHPOINTS is
 *	defined (the `crash` and sanitizer builds).  Then the environment
 *	variable SLUICE_CRASH=name:n kills the process at the n-th visit of that
 *	name, by SIGKILL, as a power cut would.  test/crash/points.sh visits
 *	every name it finds in the source.
 *
 * PROCESS
 *	All, in test builds.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CRASHPOINT_H
#define COMMON_CRASHPOINT_H

#include <stddef.h>

#ifdef CRASHPOINTS
void crashpoint_visit(const char *name);
#define CRASHPOINT(name) crashpoint_visit(name)
/* Dies of SIGSEGV at an event that contains the text of $SLUICE_POISON. */
void crashpoint_poison(const void *event, size_t len);
#define CRASHPOINT_POISON(event, len) crashpoint_poison(event, len)
#else
#define CRASHPOINT(name)                                                                           \
	do {                                                                                       \
	} while (0)
#define CRASHPOINT_POISON(event, len)                                                              \
	do {                                                                                       \
	} while (0)
#endif

#endif
