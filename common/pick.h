/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	pick - values out of a JSON text by pointer, in one pass and without a tree
 *
 * DESCRIPTION
 *	A set of JSON pointers (RFC 6901) is compiled once; pick_run() then goes
 *	through a text from left to right, skips what no pointer leads into, and
 *	gives for each pointer the slice of the text that is its value: strings
 *	with their quotes, objects and arrays whole.  It stops when all are
 *	found.
 *
 *	The text must be valid JSON (acceptors see to that); for one that is not
 *	the result is some slices within the text, never a byte outside.
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	None.
 *
 * SEE ALSO
 *	RFC 6901.  A member that stands twice counts where it stands first.
 */
#ifndef COMMON_PICK_H
#define COMMON_PICK_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define PICK_MAX       128 /* pointers in a set */
#define PICK_DEPTH_MAX 32  /* tokens of a pointer */

struct pick;

struct pick *pick_new(void);
void pick_free(struct pick *p);

/* Index of the pointer's slice, or -1 with a sentence in why.  A pointer that is
 * there already gets the same index.  "" is the whole text. */
int pick_add(struct pick *p, const char *pointer, char *why, size_t size);
int pick_count(const struct pick *p);

/* Fills out[0..pick_count): {NULL, 0} where there is none. */
void pick_run(const struct pick *p, struct bytes text, struct bytes *out);

/* Is the slice a JSON string (number, ...)? */
static inline bool
pick_is_string(struct bytes raw)
{
	return raw.len >= 2 && raw.ptr[0] == '"';
}

/*
 * The characters of a JSON string: into buf when there are escapes, else where
 * they stand.  False: not a string, or it does not fit.  buf needs raw.len bytes
 * at the most.
 */
bool pick_string(struct bytes raw, char *buf, size_t size, struct bytes *out);

#endif
