/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_code - the errors HTTP itself can call for, by name
 *
 * DESCRIPTION
 *	One enum value a row of http_codes.def: a machine code, an HTTP status
 *	and a sentence a person can act on.
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_CODE_H
#define COMMON_HTTP_CODE_H

#include "common/bytes.h"

enum http_code {
#define CODE(tag, name, status, text) HTTP_CODE_##tag,
#include "common/http_codes.def"
#undef CODE
	HTTP_CODE_COUNT
};

/* All three are constant; `code` must be a value of the enum. */
struct bytes http_code_name(enum http_code code);
struct bytes http_code_text(enum http_code code);
unsigned int http_code_status(enum http_code code);

/* "202 Accepted": the status code and its reason phrase (RFC 9110 section 15).
 * A status we have no phrase for has an empty one, in a buffer that the next
 * such call overwrites.  `status` must be 100..599. */
struct bytes http_code_reason(unsigned int status);

#endif
