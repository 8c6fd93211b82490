/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_format - what a segment of the log holds, byte by byte
 *
 * PROCESS
 *	Written by the journal; read by recovery, readers and sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_format.h"

#include "common/crc32c.h"

#define SEGMENT_CRC_FROM 12
#define CHUNK_CRC_FROM   8

void
log_format_seal_segment(struct log_segment_header *h)
{
	h->magic = LOG_SEGMENT_MAGIC;
	h->format = LOG_FORMAT;
	h->header_len = LOG_HEADER_LEN;
	h->frame_version = FRAME_VERSION;
	h->streams = LOG_STREAMS;
	h->crc = crc32c(0, (const uint8_t *)h + SEGMENT_CRC_FROM, sizeof *h - SEGMENT_CRC_FROM);
}

enum log_format_result
log_format_check_segment(const struct log_segment_header *h, uint32_t number)
{
	if (h->magic == 0 && h->crc == 0)
		return LOG_FORMAT_ZERO;
	if (h->magic != LOG_SEGMENT_MAGIC || crc32c(0, (const uint8_t *)h + SEGMENT_CRC_FROM,
						 sizeof *h - SEGMENT_CRC_FROM) != h->crc)
		return LOG_FORMAT_BAD;
	if (h->format != LOG_FORMAT || h->header_len != LOG_HEADER_LEN ||
	    h->streams != LOG_STREAMS || h->frame_version > FRAME_VERSION)
		return LOG_FORMAT_VERSION;
	if (h->number != number || h->prev >= number || h->prev_end % FRAME_ALIGN != 0)
		return LOG_FORMAT_BAD;
	return LOG_FORMAT_OK;
}

void
log_format_seal_chunk(struct log_chunk *c)
{
	c->magic = LOG_CHUNK_MAGIC;
	c->crc = crc32c(0, (const uint8_t *)c + CHUNK_CRC_FROM, sizeof *c - CHUNK_CRC_FROM);
}

static bool
lengths_fit(const struct log_chunk *c, const struct log_format_place *place)
{
	uint64_t end;

	if (c->commit_off < LOG_HEADER_LEN || c->commit_off > place->off ||
	    c->commit_off % FRAME_ALIGN != 0 || c->commit_len % FRAME_ALIGN != 0)
		return false;
	if (c->commit_len > place->limit || c->commit_off > place->limit - c->commit_len)
		return false;
	end = c->commit_off + c->commit_len;
	if (c->len == 0 || c->len % FRAME_ALIGN != 0 || c->len > end ||
	    place->off + sizeof *c > end || c->len > end - place->off - sizeof *c)
		return false;
	if ((c->flags & LOG_CHUNK_GAP) != 0)
		return c->to > c->from;
	return c->to == c->from + c->len;
}

enum log_format_result
log_format_check_chunk(
    const uint8_t *at, const struct log_format_place *place, struct log_chunk *out)
{
	static const uint8_t zeros[LOG_CHUNK_LEN];

	memcpy(out, at, sizeof *out);
	if (out->magic != LOG_CHUNK_MAGIC)
		return memcmp(at, zeros, sizeof zeros) == 0 ? LOG_FORMAT_ZERO : LOG_FORMAT_BAD;
	if (crc32c(0, at + CHUNK_CRC_FROM, sizeof *out - CHUNK_CRC_FROM) != out->crc)
		return LOG_FORMAT_BAD;
	if (out->segment != place->segment || (!place->any_salt && out->salt != place->salt))
		return LOG_FORMAT_BAD;
	if (out->stream >= LOG_STREAMS || out->index >= out->count || !lengths_fit(out, place))
		return LOG_FORMAT_BAD;
	return LOG_FORMAT_OK;
}

const char *
log_format_gap_text(uint32_t reason)
{
	switch (reason) {
	case FRAME_GAP_REGION_LOST:
		return "region lost";
	case FRAME_GAP_RING_DAMAGED:
		return "ring damaged";
	case FRAME_GAP_LOG_CORRUPT:
		return "log corrupt";
	}
	return "unknown reason";
}
