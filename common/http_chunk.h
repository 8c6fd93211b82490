/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_chunk - the chunked transfer coding, strictly and in place
 *
 * DESCRIPTION
 *	http_chunk_decode() takes coded bytes as they come and leaves the content
 *	(RFC 9112 section 7.1).  Extensions are skipped up to a limit; trailers are
 *	held to the grammar and limits of header fields and dropped.  The result
 *	does not depend on how the bytes were split.
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_CHUNK_H
#define COMMON_HTTP_CHUNK_H

#include "common/bytes.h"
#include "common/http_code.h"
#include "common/http_limits.h"

enum http_chunk_result {
	HTTP_CHUNK_OK = 0, /* the body is complete */
	HTTP_CHUNK_MORE,
	HTTP_CHUNK_BAD, /* chunk->code says why */
};

/* Zero it before each body. */
struct http_chunk {
	uint64_t left;	/* of the current chunk */
	uint64_t total; /* content bytes so far, the current chunk's among them */
	uint32_t ext_bytes;
	uint32_t trailer_bytes;
	uint16_t n_trailers;
	uint8_t state;
	uint8_t n_digits;
	uint8_t code; /* enum http_code */
};

/* Read src[0, src_len), write content to dst, which may be src or lie before
 * it.  *dst_len is what was written, *used what was read: less than
 * src_len only when the body ended or is bad. */
enum http_chunk_result http_chunk_decode(struct http_chunk *chunk, uint8_t *dst, size_t *dst_len,
    const uint8_t *src, size_t src_len, size_t *used, const struct http_limits *limits)
    __attribute__((warn_unused_result));

#endif
