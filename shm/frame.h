/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	frame - the unit of every stream: one header, attributes, one body
 *
 * DESCRIPTION
 *	A frame is what an acceptor puts into its ring, what the journal writes
 *	to the log byte for byte, and what every reader gets.  It is a multiple
 *	of 8 bytes long, never wraps (the ring is mapped twice) and never changes
 *	after it is published.
 *
 *	      0       4       8         12   13      14         16     20    22      24
 *	    0 | magic | crc   | frame_len | type| version| header_len| stream| flags | content |
 *	   24 | pos            | seq            | recv_ns        | hash_lo        | hash_hi        |
 *	   64 | tenant | key_id | listener | schema | attrs_len | body_len | event_ms              |
 *	   96 | places: id, user_id, event_type, timestamp, metadata (offset, length each)        |
 *	  136 = header_len: attributes (attrs_len bytes), the body (body_len bytes), zeros to 8
 *
 *	The CRC (CRC-32C, RFC 3720 appendix B.4) covers everything from byte 8
 *	to the end of the body; the magic is compared instead.  All integers
 *	are little-endian; `version` is the frame's own, separate from the
 *	region's layout, and every release reads the one before it.
 *
 *	Attributes: u16 type, u16 length, the bytes, padded to 4.  Unknown
 *	types are kept as they are.
 *
 *	A GAP frame stands for positions that hold nothing: its body is
 *	struct frame_gap, and the position after it is gap.to.
 *
 * PROCESS
 *	Made by acceptors (EVENT) and the journal (GAP); read by all.
 *
 * SHARED STATE
 *	Describes bytes in rings and in the log; owns none itself.
 */
#ifndef SHM_FRAME_H
#define SHM_FRAME_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC   0x31464c53u /* "SLF1" */
#define FRAME_VERSION 1
#define FRAME_ALIGN   8
/* No frame is longer, whatever the configuration: a length from memory or
 * from disk is compared with this before it is believed. */
#define FRAME_MAX_LEN (64u << 20)

enum frame_type { FRAME_EVENT = 1, FRAME_PAD = 2, FRAME_GAP = 3, FRAME_CONTROL = 4 };

enum frame_content { FRAME_CONTENT_JSON = 1 };

enum frame_attr {
	FRAME_ATTR_REQUEST_ID = 1,
	FRAME_ATTR_TRACEPARENT = 2,
	FRAME_ATTR_CLIENT_ADDRESS = 3,
	FRAME_ATTR_USER_AGENT = 4,
	/* Of a CONTROL frame that holds what intake refused: */
	FRAME_ATTR_REASON_CODE = 16,
	FRAME_ATTR_REASON_TEXT = 17,
	FRAME_ATTR_POINTER = 18,
};

enum frame_gap_reason {
	FRAME_GAP_REGION_LOST = 1,	/* a stream began again without its region */
	FRAME_GAP_RING_DAMAGED = 2,	/* a ring was set aside up to its tail */
	FRAME_GAP_LOG_CORRUPT = 3,	/* the log was unreadable there */
};

/* Where a value stands in the body, as the producer wrote it (quotes and
 * escapes included); len 0: absent. */
struct frame_place {
	uint32_t off;
	uint32_t len;
};

struct frame_header {
	uint32_t magic;
	uint32_t crc;
	uint32_t frame_len;  /* all of it, padding included */
	uint8_t type;	     /* enum frame_type */
	uint8_t version;
	uint16_t header_len; /* where the attributes begin */
	uint32_t stream;
	uint16_t flags;
	uint16_t content_type; /* enum frame_content */
	uint64_t pos;	       /* of this frame's first byte in its stream */
	uint64_t seq;	       /* EVENT: its own number, from 0; others: that of the next EVENT */
	uint64_t recv_ns;      /* wall clock; information only */
	uint64_t hash_lo;      /* of the event's key; 0,0: no key */
	uint64_t hash_hi;
	uint32_t tenant;
	uint32_t key_id; /* which credential sent it; 0: none */
	uint32_t listener;
	uint32_t schema; /* 0: none applied */
	uint32_t attrs_len;
	uint32_t body_len;
	int64_t event_ms; /* the event's own timestamp */
	struct frame_place id;
	struct frame_place user_id;
	struct frame_place event_type;
	struct frame_place timestamp;
	struct frame_place metadata;
};

_Static_assert(sizeof(struct frame_header) == 136, "frame header v1 is 136 bytes");
_Static_assert(offsetof(struct frame_header, pos) == 24, "pos");
_Static_assert(offsetof(struct frame_header, event_ms) == 88, "event_ms");
_Static_assert(offsetof(struct frame_header, metadata) == 128, "metadata");

struct frame_gap {
	uint64_t to;	 /* the position after the gap */
	uint32_t reason; /* enum frame_gap_reason */
	uint32_t reserved;
};

enum frame_result {
	FRAME_OK = 0,
	FRAME_SHORT,	    /* fewer bytes than the header or its length ask for */
	FRAME_BAD_MAGIC,
	FRAME_BAD_VERSION,
	FRAME_BAD_LENGTH,   /* lengths that do not fit each other or the limits */
	FRAME_BAD_POSITION, /* not the stream, position or sequence that was asked for */
	FRAME_BAD_CRC,
};

const char *frame_result_text(enum frame_result r);

/* The frame's length for these parts, padding included. */
static inline size_t
frame_len_for(size_t attrs_len, size_t body_len)
{
	return bytes_round_up(sizeof(struct frame_header) + attrs_len + body_len, FRAME_ALIGN);
}

/*
 * Finish a frame that stands at `at` with all fields but magic, version,
 * lengths and crc filled in, its attributes and body behind the header:
 * writes those fields and zeroes the padding.  Cost: one CRC over the frame.
 */
void frame_seal(uint8_t *at, uint32_t attrs_len, uint32_t body_len);

/*
 * Is there a well-formed frame of (stream, pos) in these bytes?  Checks the
 * header against `avail` and the limits, not the CRC: reading nothing beyond
 * the header.  `at` may be hostile and need not be aligned.
 */
enum frame_result frame_check_header(const uint8_t *at, size_t avail, uint32_t stream,
    uint64_t pos, struct frame_header *out) __attribute__((warn_unused_result));

/* The CRC of a frame whose header passed frame_check_header(). */
enum frame_result frame_check_crc(const uint8_t *at, const struct frame_header *h)
    __attribute__((warn_unused_result));

/* A GAP frame of (stream, pos, seq) that jumps to `to`, sealed, into `at`
 * (FRAME_GAP_LEN bytes). */
#define FRAME_GAP_LEN ((sizeof(struct frame_header) + sizeof(struct frame_gap) + 7) & ~(size_t)7)
void frame_make_gap(uint8_t *at, uint32_t stream, uint64_t pos, uint64_t seq, uint64_t to,
    enum frame_gap_reason reason, uint64_t now_ns);

/* The position after a frame: pos + frame_len, or where a GAP jumps to (never
 * backwards: a GAP that says so counts as its own length). */
uint64_t frame_next_pos(const uint8_t *at, const struct frame_header *h);

static inline struct bytes
frame_attrs(const uint8_t *at, const struct frame_header *h)
{
	return bytes_of(at + h->header_len, h->attrs_len);
}

static inline struct bytes
frame_body(const uint8_t *at, const struct frame_header *h)
{
	return bytes_of(at + h->header_len + h->attrs_len, h->body_len);
}

/* Append one attribute; returns the new length, or `len` unchanged when it
 * does not fit in `size`.  A value is cut at 1024 bytes. */
size_t frame_attr_put(uint8_t *buf, size_t len, size_t size, enum frame_attr type,
    struct bytes value);
/* Walk attributes: *off starts at 0; false at the end or at damage. */
bool frame_attr_next(struct bytes attrs, size_t *off, uint16_t *type, struct bytes *value);

#endif
