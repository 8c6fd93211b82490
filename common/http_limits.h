/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_limits - everything about HTTP that a client could let grow
 *
 * DESCRIPTION
 *	One row a limit.  The parser uses the first five, the engine all.  Each
 *	limit is inclusive: a request exactly at it is served.
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None; constant after configuration.
 */
#ifndef COMMON_HTTP_LIMITS_H
#define COMMON_HTTP_LIMITS_H

#include <stdint.h>

/* No limit on fields may be set above this: the parser's array is fixed. */
enum { HTTP_LIMITS_FIELDS_MAX = 128 };

struct http_limits {
	uint32_t line_bytes;	  /* request line without CRLF; more: 414 */
	uint32_t head_bytes;	  /* field lines with their CRLFs; more: 431 */
	uint32_t fields;	  /* field lines, also in trailers; more: 431 */
	uint32_t chunk_ext_bytes; /* chunk extensions of one body, together; more: 400 */
	uint64_t body_bytes;	  /* content after decoding; more: 413 */

	uint32_t connections;	  /* of one process; more: 503 */
	uint32_t pipeline;	  /* answers pending on one connection before reading stops */
	uint64_t pending_bytes;	  /* output pending on one connection before reading stops */
	uint64_t buffered_bytes;  /* of one process, both ways; more: 503 */

	uint32_t header_timeout_ms; /* accept or first byte .. end of the head */
	uint32_t body_timeout_ms;   /* end of the head .. end of the body */
	uint32_t body_stall_ms;	    /* without one byte of an awaited body */
	uint32_t idle_timeout_ms;   /* between requests */
	uint32_t write_timeout_ms;  /* without one byte taken by the client */
	uint32_t linger_timeout_ms; /* reading on after an early error, then close */
	uint64_t linger_bytes;
	uint32_t retry_after_s; /* told with 503 */
};

#define HTTP_LIMITS_DEFAULT                                                                        \
	((struct http_limits){ .line_bytes = 8192,                                                 \
	    .head_bytes = 16384,                                                                   \
	    .fields = 64,                                                                          \
	    .chunk_ext_bytes = 4096,                                                               \
	    .body_bytes = 5u << 20,                                                                \
	    .connections = 10000,                                                                  \
	    .pipeline = 128,                                                                       \
	    .pending_bytes = 1u << 20,                                                             \
	    .buffered_bytes = 256u << 20,                                                          \
	    .header_timeout_ms = 10000,                                                            \
	    .body_timeout_ms = 60000,                                                              \
	    .body_stall_ms = 10000,                                                                \
	    .idle_timeout_ms = 120000,                                                             \
	    .write_timeout_ms = 30000,                                                             \
	    .linger_timeout_ms = 2000,                                                             \
	    .linger_bytes = 1u << 20,                                                              \
	    .retry_after_s = 1 })

#endif
