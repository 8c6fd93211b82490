/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_error - what an answer of ClickHouse means for the events that were sent
 *
 * DESCRIPTION
 *	DATA	some row is not acceptable: find it, set it aside, send the rest
 *	SETUP	nothing can be accepted until a person changes something
 *	LOAD	not now; the same again later
 *
 *	A code that is not known is LOAD: waiting loses nothing.
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_CLICKHOUSE_ERROR_H
#define WORKERS_CLICKHOUSE_ERROR_H

#include "common/bytes.h"

enum clickhouse_error {
	CLICKHOUSE_ERROR_NONE = 0,
	CLICKHOUSE_ERROR_DATA,
	CLICKHOUSE_ERROR_SETUP,
	CLICKHOUSE_ERROR_LOAD
};

/* The server's number: from its header (NULL: there is none) or "Code: N" in the body; 0:
 * none was given. */
int clickhouse_error_code(const char *header, struct bytes body);

/* status: of HTTP.  A status of 200 with an exception in the body is an error too. */
enum clickhouse_error clickhouse_error_of(long status, int code, struct bytes body);

/* The server's words on one line, without the stack and the version; cut to size. */
void clickhouse_error_text(struct bytes body, char *buf, size_t size);

#endif
