/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_format - what a segment of the log holds, byte by byte
 *
 * DESCRIPTION
 *	A segment is a file NNNNNNNN.log (its number in hexadecimal, from 1): a
 *	header of 16 KiB and then chunks, each 8-byte aligned.  A chunk is a
 *	header of 112 bytes and then frames of one stream exactly as they lie in
 *	its ring.  All chunks of one commit lie side by side and were written by
 *	one call.  Integers are little-endian.
 *
 *	A chunk header's CRC covers the header.  The frames carry a CRC each, so
 *	a writer makes no second pass over the bytes; a chunk is valid when its
 *	header is and all its frames chain and pass.
 *
 *	`salt` is drawn for each segment and stands in each chunk: whoever looks
 *	for the next chunk behind damage may not take bytes for one that a
 *	client made up.
 *
 * PROCESS
 *	Written by the journal; read by recovery, readers and sluicectl.
 *
 * SHARED STATE
 *	None; the files belong to whoever holds the log's lock.
 *
 * SEE ALSO
 *	docs/JOURNAL.md
 */
#ifndef WORKERS_LOG_FORMAT_H
#define WORKERS_LOG_FORMAT_H

#include "common/bytes.h"
#include "shm/layout.h"

#define LOG_SEGMENT_MAGIC 0x0031474553434c53ull /* "SLCSEG1" */
#define LOG_FORMAT        1
#define LOG_HEADER_LEN    16384
#define LOG_CHUNK_MAGIC   0x31434c53u /* "SLC1" */
#define LOG_CHUNK_LEN     112
#define LOG_STREAMS       256
/* Position blocks: a stream that lost its region goes on in the next one. */
#define LOG_BLOCK (1ull << 40)

/* Where a stream stood when the segment was opened. */
struct log_stream {
	uint64_t end; /* the segment's first chunk of the stream begins here */
	uint64_t end_seq;
	uint64_t oldest; /* first position that was still in the log then */
	uint64_t gap_bytes;
	uint64_t retired;
};

struct log_segment_header {
	uint64_t magic;
	uint32_t crc; /* of everything behind it, to the header's end */
	uint32_t format;
	uint32_t header_len;
	uint32_t frame_version;
	uint32_t number;
	uint32_t prev;     /* the segment before it; 0: none */
	uint64_t prev_end; /* nothing behind this offset of `prev` belongs to the log */
	uint64_t salt;
	uint8_t instance[16];
	uint64_t generation; /* of the region */
	uint64_t created_ns; /* wall clock */
	uint64_t first_commit;
	uint64_t ring_capacity;
	uint32_t slots;
	uint32_t streams; /* LOG_STREAMS */
	uint8_t reserved[152];
	struct log_stream stream[LOG_STREAMS];
	uint8_t zero[LOG_HEADER_LEN - 256 - LOG_STREAMS * sizeof(struct log_stream)];
};

enum log_chunk_flag { LOG_CHUNK_GAP = 1 }; /* one GAP frame and nothing else */

struct log_chunk {
	uint32_t magic;
	uint32_t crc; /* of the rest of this header */
	uint64_t salt;
	uint64_t commit;
	uint64_t commit_off; /* offset in the segment where the commit began */
	uint64_t commit_len; /* bytes of the commit, headers included */
	uint32_t index;      /* chunk i of n */
	uint32_t count;
	uint32_t stream;
	uint32_t segment;
	uint64_t from;
	uint64_t to;  /* the position after: from + len, or where the GAP jumps to */
	uint64_t len; /* bytes of frames that follow */
	uint64_t first_seq;
	uint64_t events;
	uint64_t wall_ns; /* of the commit */
	uint32_t flags;
	uint32_t reserved;
};

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the log is little-endian");
_Static_assert(sizeof(struct log_segment_header) == LOG_HEADER_LEN, "segment header");
_Static_assert(offsetof(struct log_segment_header, stream) == 256, "streams");
_Static_assert(sizeof(struct log_chunk) == LOG_CHUNK_LEN, "chunk header");
_Static_assert(LOG_STREAMS == LAYOUT_SLOTS_MAX + 2, "a stream for each slot");

enum log_format_result {
	LOG_FORMAT_OK = 0,
	LOG_FORMAT_ZERO,    /* nothing was ever written here */
	LOG_FORMAT_BAD,     /* not what it should be */
	LOG_FORMAT_VERSION, /* of a format this program does not read */
};

/* Fill in magic, format, lengths and CRC. */
void log_format_seal_segment(struct log_segment_header *h);
enum log_format_result log_format_check_segment(const struct log_segment_header *h, uint32_t number)
    __attribute__((warn_unused_result));

void log_format_seal_chunk(struct log_chunk *c);

/* What is known about the place a chunk is expected at. */
struct log_format_place {
	uint32_t segment;
	bool any_salt; /* the segment's header was unreadable */
	uint64_t salt;
	uint64_t off;
	uint64_t limit; /* no chunk reaches behind this offset */
};

/*
 * Is there a chunk header at this place?  Checks it against itself and the
 * place; its frames are the caller's to check.  `at` has LOG_CHUNK_LEN bytes,
 * may be hostile and need not be aligned.
 */
enum log_format_result log_format_check_chunk(
    const uint8_t *at, const struct log_format_place *place, struct log_chunk *out)
    __attribute__((warn_unused_result));

/* The next position block that nobody can have used: above `end` and all that
 * a ring of `capacity` may have held beyond it. */
static inline uint64_t
log_format_next_block(uint64_t end, uint64_t capacity)
{
	return ((end + capacity) / LOG_BLOCK + 1) * LOG_BLOCK;
}

const char *log_format_gap_text(uint32_t reason);

#endif
