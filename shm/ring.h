/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ring - one acceptor writes; the journal gates it; everyone else is a guest
 *
 * DESCRIPTION
 *	A ring is the newest `capacity` bytes of one stream.  Positions run
 *	free; a frame of position p lies at offset p mod capacity, and because
 *	the data is mapped twice, side by side, no frame ever wraps.
 *
 *	word		written by	read by			order
 *	tail		acceptor	journal, guests, ctl	release, acquire
 *	claimed		acceptor	guests			store, release fence, the bytes
 *	data[]		acceptor, only in [tail, gate + capacity)
 *	gate		journal (its durable cursor, in its own part), acquire here
 *
 *	`claimed` never goes back, over all lives of the slot: a guest that is
 *	copying now was promised so.
 *
 *	The gate is the acceptor's licence to overwrite.  A stale gate only
 *	makes the ring look fuller than it is.  A guest copies first and then
 *	asks whether `claimed` has passed its frame; if so the copy is worth
 *	nothing and it reads that position from the log.
 *
 *	struct ring is a map of the bytes; struct ring_in is the writer's
 *	handle and the only one with a put; struct ring_out reads.
 *
 * PROCESS
 *	ring_in: the acceptor that holds the slot's lock.  ring_out: the
 *	journal (bounded by the gate it owns) and, through ring_guest_*(),
 *	anybody.
 *
 * SHARED STATE
 *	See the table.
 */
#ifndef SHM_RING_H
#define SHM_RING_H

#include "shm/cursor.h"
#include "shm/frame.h"

/* The words of one ring, in the slot's page. */
struct ring_words {
	struct cursor tail;
	_Alignas(64) _Atomic uint64_t claimed;
};

struct ring {
	struct ring_words *words;
	uint8_t *data;	   /* 2 x capacity bytes of address space */
	uint64_t capacity; /* a power of two */
	uint32_t stream;
};

enum ring_result {
	RING_OK = 0,
	RING_FULL,	/* the journal has not made room: answer `retry` */
	RING_TOO_LONG,	/* longer than a quarter of the ring: never fits by rule */
	RING_EMPTY,
	RING_OVERRUN,	/* guest: the writer has claimed that place; use the log */
	RING_DAMAGED,	/* what lies there is no frame of that position */
};

struct ring_in {
	struct ring ring;
	const struct cursor *gate;
	uint64_t tail;
	uint64_t seq;
	uint64_t claimed;
	uint64_t gate_seen; /* a stale copy of the gate; read again when it says full */
};

/*
 * Take over as the writer; the caller holds the slot's lock.  Goes on at the
 * published tail.  RING_DAMAGED when the words contradict each other.
 */
enum ring_result ring_in_open(struct ring_in *in, const struct ring *ring,
    const struct cursor *gate) __attribute__((warn_unused_result));

/* An empty ring's first words: the journal says where the stream begins. */
void ring_start(const struct ring *ring, uint64_t pos, uint64_t seq);

/*
 * Room for a frame of `len` bytes (a multiple of 8) at position in->tail:
 * where to write it, or NULL with *why RING_FULL or RING_TOO_LONG.  Nothing
 * is published; asking again without a put gives the same place.
 */
uint8_t *ring_reserve(struct ring_in *in, size_t len, enum ring_result *why);

/* Publish the frame of `len` bytes that was written at the reserved place. */
void ring_put(struct ring_in *in, size_t len, bool counts_as_event);

/* Unread bytes in front of the gate, as far as the writer knows (never less). */
uint64_t ring_in_backlog(struct ring_in *in);

/*
 * Every frame from `from` to the published tail, header and CRC: what a
 * successor runs when its predecessor died with its hands inside.  Cost: a
 * CRC over at most `capacity` bytes.
 */
enum ring_result ring_verify(const struct ring *ring, uint64_t from, uint64_t from_seq)
    __attribute__((warn_unused_result));

/* The bytes at a position, for the reader whose gate protects them. */
static inline const uint8_t *
ring_at(const struct ring *ring, uint64_t pos)
{
	return ring->data + (pos & (ring->capacity - 1));
}

/* The published tail (acquire; pairs with ring_put()). */
static inline uint64_t
ring_tail(const struct ring *ring)
{
	return cursor_pos(&ring->words->tail);
}

/*
 * Walk whole frames in [from, tail): *len becomes the bytes of the frames
 * that end within `max_len` (at least one frame, if there is one), *events how
 * many EVENTs.  Headers only: magic, lengths, stream, position, sequence.
 * RING_EMPTY when from is the tail; RING_DAMAGED with *len up to the last
 * good frame when something is no frame.
 */
enum ring_result ring_walk(const struct ring *ring, uint64_t from, uint64_t from_seq, uint64_t tail,
    uint64_t max_len, uint64_t *len, uint64_t *events) __attribute__((warn_unused_result));

/*
 * A guest's copy of the frame at `pos` into buf (size bytes).  RING_OK: *h is
 * its header and buf its bytes, whole and checked (CRC).  RING_EMPTY: not
 * written yet.  RING_OVERRUN: gone from the ring, read the log.
 * RING_TOO_LONG: h->frame_len says how much room it needs.
 */
enum ring_result ring_guest_copy(const struct ring *ring, uint64_t pos, uint8_t *buf, size_t size,
    struct frame_header *h) __attribute__((warn_unused_result));

const char *ring_result_text(enum ring_result r);

#endif
