/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	json_check - is it JSON, and if not, where does it stop being JSON
 *
 * DESCRIPTION
 *	A plain checker of the RFC 8259 grammar, one byte at a time.  It runs
 *	only after the fast parser has refused a text: to tell a number that is
 *	out of range from one that is no number, and to say at which byte the
 *	mistake is.  It is also the second opinion of the fuzzers.
 *
 *	Beyond the grammar it refuses lone surrogates (`\ud800` without its
 *	pair), because no UTF-8 string can hold them.  It does not look at UTF-8.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_JSON_CHECK_H
#define COMMON_JSON_CHECK_H

#include "common/bytes.h"

#define JSON_CHECK_DEPTH_MAX 4096

enum json_check_result {
	JSON_CHECK_OK = 0,
	JSON_CHECK_SYNTAX,
	JSON_CHECK_SURROGATE,
	JSON_CHECK_DEEP, /* deeper than depth_max (at most JSON_CHECK_DEPTH_MAX); counts as json.h
			  */
};

/* *off: the byte at which it stops being JSON (text.len: it ends too early). */
__attribute__((warn_unused_result)) enum json_check_result json_check(
    struct bytes text, size_t depth_max, size_t *off);

/* Is it exactly one JSON number, with no blanks around it? */
bool json_check_is_number(struct bytes text);

#endif
