/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	split - cut a body into events, and an object into members, by place
 *
 * DESCRIPTION
 *	Finds where things begin and end, and judges nothing else: quotes,
 *	backslashes, brackets and commas, 64 bytes at a time (AVX-512, AVX2 or
 *	SSE2 as the CPU has it; one byte at a time elsewhere).
 *
 *	A body is always split whole before the first slice is used, so an
 *	unbalanced body admits nothing.  An element that is balanced but bad
 *	inside is no fault here: whoever parses it alone refuses it alone.
 *	Brackets must match by kind: `[{"a":1]]` is unbalanced.
 *
 *	Slices point into the body and hold no blanks at either end.
 *
 * PROCESS
 *	Acceptors; readers of the log for members.
 *
 * SHARED STATE
 *	None; the choice of kernel is made once, before main().
 */
#ifndef COMMON_SPLIT_H
#define COMMON_SPLIT_H

#include "common/bytes.h"

#define SPLIT_DEPTH_MAX 1024 /* the outer array counts one */

enum split_result {
	SPLIT_OK = 0,
	SPLIT_NOT_ARRAY,     /* the first byte that is no blank is no `[` */
	SPLIT_UNBALANCED,    /* an open bracket or string, or the wrong closing bracket */
	SPLIT_TOO_MANY,      /* more elements than asked for */
	SPLIT_TRAILING,      /* something behind the array */
	SPLIT_BAD_SEPARATOR, /* an element is missing: `[1,,2]`, `[1,]` */
	SPLIT_TOO_DEEP,      /* deeper than SPLIT_DEPTH_MAX */
};

/* The elements of a JSON array.  out has room for `max`; *n is how many were written, 0
 * unless SPLIT_OK.  One pass over the body; reads nothing outside it. */
__attribute__((warn_unused_result)) enum split_result split_array(
    struct bytes body, size_t max, struct bytes *out, size_t *n);

/* The lines of an NDJSON body (LF or CRLF; the last may lack it).  Lines of blanks are
 * skipped and not counted.  SPLIT_OK or SPLIT_TOO_MANY. */
__attribute__((warn_unused_result)) enum split_result split_lines(
    struct bytes body, size_t max, struct bytes *out, size_t *n);

struct split_member {
	struct bytes name;  /* as sent, between the quotes */
	struct bytes value; /* as sent */
};

/* The top-level members of an object that is known to be valid JSON (an event that was
 * read).  For another text the answer is worth nothing, but nothing outside it is read.
 * SPLIT_NOT_ARRAY when it is no object, SPLIT_TOO_MANY, SPLIT_UNBALANCED. */
__attribute__((warn_unused_result)) enum split_result split_members(
    struct bytes object, size_t max, struct split_member *out, size_t *n);

/* The length of an object or array that text begins with (a bracket), up to and with its
 * closing bracket; 0 when it has none.  Reads nothing outside of text. */
size_t split_nested_len(struct bytes text);

/* The sentence for a client, e.g. "the body is not a JSON array". */
const char *split_sentence(enum split_result result);

/* The machine code for it, e.g. "not_an_array". */
const char *split_code(enum split_result result);

/* For tests and measurements; false, and nothing changes, when this CPU lacks the kernel. */
enum split_kernel {
	SPLIT_KERNEL_SCALAR = 0,
	SPLIT_KERNEL_SSE2,
	SPLIT_KERNEL_AVX2,
	SPLIT_KERNEL_AVX512
};
bool split_use_kernel(enum split_kernel kernel);

/* body without JSON blanks at either end. */
static inline struct bytes
split_trim(struct bytes b)
{
#define SPLIT_IS_BLANK(c) ((c) == ' ' || (c) == '\n' || (c) == '\r' || (c) == '\t')
	while (b.len > 0 && SPLIT_IS_BLANK(b.ptr[0])) {
		b.ptr++;
		b.len--;
	}
	while (b.len > 0 && SPLIT_IS_BLANK(b.ptr[b.len - 1]))
		b.len--;
	return b;
}

#endif
