/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	frame - the unit of every stream: one header, attributes, one body
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None of its own: works on the bytes it is given.
 */
#include "shm/frame.h"

#include "common/crc32c.h"
#include "common/panic.h"

#define CRC_FROM 8 /* magic and the crc itself are not covered */
#define ATTR_MAX 1024

const char *
frame_result_text(enum frame_result r)
{
	switch (r) {
	case FRAME_OK:
		return "ok";
	case FRAME_SHORT:
		return "cut short";
	case FRAME_BAD_MAGIC:
		return "bad magic";
	case FRAME_BAD_VERSION:
		return "unknown version";
	case FRAME_BAD_LENGTH:
		return "bad length";
	case FRAME_BAD_POSITION:
		return "wrong stream or position";
	case FRAME_BAD_CRC:
		return "bad CRC";
	}
	return "?";
}

void
frame_seal(uint8_t *at, uint32_t attrs_len, uint32_t body_len)
{
	struct frame_header *h = (struct frame_header *)(void *)at;
	size_t used = sizeof *h + attrs_len + body_len;
	size_t len = bytes_round_up(used, FRAME_ALIGN);

	h->magic = FRAME_MAGIC;
	h->version = FRAME_VERSION;
	h->header_len = sizeof *h;
	h->attrs_len = attrs_len;
	h->body_len = body_len;
	h->frame_len = (uint32_t)len;
	memset(at + used, 0, len - used);
	h->crc = crc32c(0, at + CRC_FROM, used - CRC_FROM);
}

enum frame_result
frame_check_header(const uint8_t *at, size_t avail, uint32_t stream, uint64_t pos,
    struct frame_header *out)
{
	if (avail < sizeof *out)
		return FRAME_SHORT;
	memcpy(out, at, sizeof *out);
	if (out->magic != FRAME_MAGIC)
		return FRAME_BAD_MAGIC;
	if (out->version != FRAME_VERSION)
		return FRAME_BAD_VERSION;
	if (out->stream != stream || out->pos != pos)
		return FRAME_BAD_POSITION;
	if (out->frame_len % FRAME_ALIGN != 0 || out->frame_len > FRAME_MAX_LEN ||
	    out->header_len < sizeof *out)
		return FRAME_BAD_LENGTH;
	/* In 64 bits no sum of three 32-bit lengths can wrap. */
	if (bytes_round_up((uint64_t)out->header_len + out->attrs_len + out->body_len,
		FRAME_ALIGN) != out->frame_len)
		return FRAME_BAD_LENGTH;
	if (out->type < FRAME_EVENT || out->type > FRAME_CONTROL)
		return FRAME_BAD_LENGTH;
	if (out->type == FRAME_GAP && out->body_len < sizeof(struct frame_gap))
		return FRAME_BAD_LENGTH;
	if (out->frame_len > avail)
		return FRAME_SHORT;
	return FRAME_OK;
}

enum frame_result
frame_check_crc(const uint8_t *at, const struct frame_header *h)
{
	size_t used = (size_t)h->header_len + h->attrs_len + h->body_len;

	return crc32c(0, at + CRC_FROM, used - CRC_FROM) == h->crc ? FRAME_OK : FRAME_BAD_CRC;
}

void
frame_make_gap(uint8_t *at, uint32_t stream, uint64_t pos, uint64_t seq, uint64_t to,
    enum frame_gap_reason reason, uint64_t now_ns)
{
	struct frame_header h = {
		.type = FRAME_GAP, .stream = stream, .pos = pos, .seq = seq, .recv_ns = now_ns
	};
	struct frame_gap gap = { .to = to, .reason = reason };

	memcpy(at, &h, sizeof h);
	memcpy(at + sizeof h, &gap, sizeof gap);
	frame_seal(at, 0, sizeof gap);
}

uint64_t
frame_next_pos(const uint8_t *at, const struct frame_header *h)
{
	struct frame_gap gap;

	if (h->type == FRAME_GAP && h->body_len >= sizeof gap) {
		memcpy(&gap, frame_body(at, h).ptr, sizeof gap);
		if ((int64_t)(gap.to - h->pos) > 0)
			return gap.to;
	}
	return h->pos + h->frame_len;
}

size_t
frame_attr_put(uint8_t *buf, size_t len, size_t size, enum frame_attr type, struct bytes value)
{
	uint16_t head[2];
	size_t n = value.len < ATTR_MAX ? value.len : ATTR_MAX;
	size_t padded = bytes_round_up(n, 4);

	if (len + sizeof head + padded > size)
		return len;
	head[0] = (uint16_t)type;
	head[1] = (uint16_t)n;
	memcpy(buf + len, head, sizeof head);
	memcpy(buf + len + sizeof head, value.ptr, n);
	memset(buf + len + sizeof head + n, 0, padded - n);
	return len + sizeof head + padded;
}

bool
frame_attr_next(struct bytes attrs, size_t *off, uint16_t *type, struct bytes *value)
{
	uint16_t head[2];

	if (*off + sizeof head > attrs.len)
		return false;
	memcpy(head, attrs.ptr + *off, sizeof head);
	if (*off + sizeof head + head[1] > attrs.len)
		return false;
	*type = head[0];
	*value = bytes_of(attrs.ptr + *off + sizeof head, head[1]);
	*off += sizeof head + bytes_round_up(head[1], 4);
	return true;
}
