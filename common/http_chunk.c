/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_chunk - the chunked transfer coding, strictly and in place
 *
 * DESCRIPTION
 *	One state a byte position (RFC 9112 section 7.1):
 *
 *	chunk   = SIZE [ ";" EXT ] CR LF  DATA  CR LF
 *	last    = 1*"0" [ ";" EXT ] CR LF
 *	trailer = *( NAME ":" VALUE CR LF )  CR LF
 *
 * PROCESS
 *	HTTP acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_chunk.h"

#include "common/http_field.h"

enum chunk_state {
	STATE_SIZE = 0,
	STATE_EXT,
	STATE_SIZE_LF,
	STATE_DATA,
	STATE_DATA_CR,
	STATE_DATA_LF,
	STATE_TRAILER, /* first byte of a trailer line or of the last CR LF */
	STATE_NAME,
	STATE_VALUE,
	STATE_VALUE_LF,
	STATE_END_LF,
	STATE_DONE,
	STATE_BAD,
};

enum { DIGITS_MAX = 16 };

static int
hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static enum http_code
size_byte(struct http_chunk *chunk, uint8_t c)
{
	int digit = hex_digit(c);

	if (digit != -1) {
		/* Sixteen digits fill the word exactly, so nothing overflows. */
		if (chunk->n_digits == DIGITS_MAX)
			return HTTP_CODE_BAD_CHUNK;
		chunk->n_digits++;
		chunk->left = chunk->left << 4 | (uint64_t)digit;
		return HTTP_CODE_NONE;
	}
	if (chunk->n_digits == 0)
		return HTTP_CODE_BAD_CHUNK;
	/* No blanks before ';' or CR: parsers differ on them. */
	if (c == ';')
		chunk->state = STATE_EXT;
	else if (c == '\r')
		chunk->state = STATE_SIZE_LF;
	else
		return HTTP_CODE_BAD_CHUNK;
	return HTTP_CODE_NONE;
}

static enum http_code
ext_byte(struct http_chunk *chunk, uint8_t c, const struct http_limits *limits)
{
	if (c == '\r') {
		chunk->state = STATE_SIZE_LF;
		return HTTP_CODE_NONE;
	}
	if ((c < 0x20 && c != '\t') || c >= 0x7f)
		return HTTP_CODE_BAD_CHUNK;
	if (++chunk->ext_bytes > limits->chunk_ext_bytes)
		return HTTP_CODE_CHUNK_EXTENSIONS_TOO_LONG;
	return HTTP_CODE_NONE;
}

static enum http_code
size_end(struct http_chunk *chunk, uint8_t c, const struct http_limits *limits)
{
	if (c != '\n')
		return HTTP_CODE_BAD_CHUNK;
	if (chunk->left > limits->body_bytes - chunk->total)
		return HTTP_CODE_BODY_TOO_LARGE;
	chunk->total += chunk->left;
	chunk->state = chunk->left == 0 ? STATE_TRAILER : STATE_DATA;
	chunk->n_digits = 0;
	return HTTP_CODE_NONE;
}

/* Section 7.1.2: the trailer section has the grammar of header fields. */
static enum http_code
trailer_byte(struct http_chunk *chunk, uint8_t c, const struct http_limits *limits)
{
	if (chunk->state == STATE_TRAILER && c == '\r') {
		chunk->state = STATE_END_LF;
		return HTTP_CODE_NONE;
	}
	if (++chunk->trailer_bytes > limits->head_bytes)
		return HTTP_CODE_HEAD_TOO_LARGE;
	switch (chunk->state) {
	case STATE_TRAILER:
		if (http_field_tchar[c] == 0)
			return HTTP_CODE_BAD_TRAILER;
		if (++chunk->n_trailers > limits->fields)
			return HTTP_CODE_TOO_MANY_FIELDS;
		chunk->state = STATE_NAME;
		return HTTP_CODE_NONE;
	case STATE_NAME:
		if (c == ':')
			chunk->state = STATE_VALUE;
		else if (http_field_tchar[c] == 0)
			return HTTP_CODE_BAD_TRAILER;
		return HTTP_CODE_NONE;
	case STATE_VALUE:
		if (c == '\r')
			chunk->state = STATE_VALUE_LF;
		else if ((c < 0x20 && c != '\t') || c == 0x7f)
			return HTTP_CODE_BAD_TRAILER;
		return HTTP_CODE_NONE;
	default:
		if (c != '\n')
			return HTTP_CODE_BAD_TRAILER;
		chunk->state = STATE_TRAILER;
		return HTTP_CODE_NONE;
	}
}

static enum http_code
expect_byte(struct http_chunk *chunk, uint8_t c, uint8_t wanted, enum chunk_state next)
{
	if (c != wanted)
		return HTTP_CODE_BAD_CHUNK;
	chunk->state = next;
	return HTTP_CODE_NONE;
}

static enum http_code
framing_byte(struct http_chunk *chunk, uint8_t c, const struct http_limits *limits)
{
	switch ((enum chunk_state)chunk->state) {
	case STATE_SIZE:
		return size_byte(chunk, c);
	case STATE_EXT:
		return ext_byte(chunk, c, limits);
	case STATE_SIZE_LF:
		return size_end(chunk, c, limits);
	case STATE_DATA_CR:
		return expect_byte(chunk, c, '\r', STATE_DATA_LF);
	case STATE_DATA_LF:
		return expect_byte(chunk, c, '\n', STATE_SIZE);
	case STATE_TRAILER:
	case STATE_NAME:
	case STATE_VALUE:
	case STATE_VALUE_LF:
		return trailer_byte(chunk, c, limits);
	case STATE_END_LF:
		return expect_byte(chunk, c, '\n', STATE_DONE);
	case STATE_DATA:
	case STATE_DONE:
	case STATE_BAD:
		break;
	}
	return HTTP_CODE_BAD_CHUNK;
}

enum http_chunk_result
http_chunk_decode(struct http_chunk *chunk, uint8_t *dst, size_t *dst_len, const uint8_t *src,
    size_t src_len, size_t *used, const struct http_limits *limits)
{
	size_t at = 0, out = 0, take;
	enum http_code code;

	while (at < src_len && chunk->state != STATE_DONE && chunk->state != STATE_BAD) {
		if (chunk->state == STATE_DATA) {
			take = src_len - at < chunk->left ? src_len - at : (size_t)chunk->left;
			memmove(dst + out, src + at, take);
			out += take;
			at += take;
			if ((chunk->left -= take) == 0)
				chunk->state = STATE_DATA_CR;
			continue;
		}
		if ((code = framing_byte(chunk, src[at], limits)) != HTTP_CODE_NONE) {
			chunk->code = (uint8_t)code;
			chunk->state = STATE_BAD;
			break;
		}
		at++;
	}
	*dst_len = out;
	*used = at;
	if (chunk->state == STATE_BAD)
		return HTTP_CHUNK_BAD;
	return chunk->state == STATE_DONE ? HTTP_CHUNK_OK : HTTP_CHUNK_MORE;
}
