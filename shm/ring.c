/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ring - one acceptor writes; the journal gates it; everyone else is a guest
 *
 * PROCESS
 *	Acceptors (ring_in), the journal and guests (reading).
 *
 * SHARED STATE
 *	struct ring_words and the ring's data; ring.h has the table.
 */
#include "shm/ring.h"

#include "common/panic.h"

const char *
ring_result_text(enum ring_result r)
{
	static const char *const text[] = { "ok", "full", "too long", "empty", "overrun",
		"damaged" };

	return text[r];
}

void
ring_start(const struct ring *ring, uint64_t pos, uint64_t seq)
{
	/* relaxed: cursor_init()'s release publishes it too. */
	uint64_t claimed =
	    atomic_load_explicit(&ring->words->claimed, memory_order_relaxed);

	if ((int64_t)(pos - claimed) > 0)
		atomic_store_explicit(&ring->words->claimed, pos, memory_order_relaxed);
	cursor_init(&ring->words->tail, pos, seq);
}

enum ring_result
ring_in_open(struct ring_in *in, const struct ring *ring, const struct cursor *gate)
{
	*in = (struct ring_in){ .ring = *ring, .gate = gate };
	if (!cursor_load(&ring->words->tail, &in->tail, &in->seq))
		return RING_DAMAGED;
	in->gate_seen = cursor_pos(gate);
	/* Never under the predecessor's claim: a guest that is copying now was
	 * promised that the word does not go back. */
	in->claimed = atomic_load_explicit(&ring->words->claimed, memory_order_relaxed);
	if (in->tail - in->gate_seen > ring->capacity)
		return RING_DAMAGED;
	return RING_OK;
}

uint8_t *
ring_reserve(struct ring_in *in, size_t len, enum ring_result *why)
{
	assert_that(len % FRAME_ALIGN == 0);
	if (len > in->ring.capacity / 4) {
		*why = RING_TOO_LONG;
		return NULL;
	}
	if (in->tail + len - in->gate_seen > in->ring.capacity) {
		/* acquire: pairs with the journal's cursor_store(): its reads of
		 * the frames behind the gate are over. */
		in->gate_seen = cursor_pos(in->gate);
		if (in->tail + len - in->gate_seen > in->ring.capacity) {
			*why = RING_FULL;
			return NULL;
		}
	}
	if ((int64_t)(in->tail + len - in->claimed) > 0) {
		in->claimed = in->tail + len;
		atomic_store_explicit(&in->ring.words->claimed, in->claimed, memory_order_relaxed);
	}
	/*
	 * release fence: no byte below becomes visible before `claimed`.
	 * Without it a guest could see new bytes under an old claim and take
	 * a mixture for a frame.  Pairs with the fence in ring_guest_copy().
	 */
	atomic_thread_fence(memory_order_release);
	*why = RING_OK;
	return in->ring.data + (in->tail & (in->ring.capacity - 1));
}

void
ring_put(struct ring_in *in, size_t len, bool counts_as_event)
{
	assert_that(len > 0 && (int64_t)(in->claimed - (in->tail + len)) >= 0);
	in->tail += len;
	in->seq += counts_as_event ? 1 : 0;
	/* release in cursor_store(): until that store the frame does not exist,
	 * so an acceptor killed above leaves no half frame behind. */
	cursor_store(&in->ring.words->tail, in->tail, in->seq);
}

uint64_t
ring_in_backlog(struct ring_in *in)
{
	in->gate_seen = cursor_pos(in->gate);
	return in->tail - in->gate_seen;
}

static enum ring_result
walk(const struct ring *ring, uint64_t from, uint64_t seq, uint64_t tail, uint64_t max_len,
    bool with_crc, uint64_t *len, uint64_t *events)
{
	uint64_t pos = from;
	uint64_t count = 0;
	enum ring_result result = RING_OK;

	*len = 0;
	*events = 0;
	if (pos == tail)
		return RING_EMPTY;
	if (tail - from > ring->capacity)
		return RING_DAMAGED;
	while (pos != tail) {
		const uint8_t *at = ring_at(ring, pos);
		const struct frame_header *h = (const struct frame_header *)(const void *)at;
		struct frame_header checked;

		/* The next header is a cache miss as soon as frames are longer
		 * than a line; ask for it while this one is looked at. */
		if (h->frame_len < tail - pos) {
			__builtin_prefetch(at + h->frame_len);
			__builtin_prefetch(at + h->frame_len + 64);
		}
		if (frame_check_header(at, tail - pos, ring->stream, pos, &checked) != FRAME_OK ||
		    checked.seq != seq + count ||
		    (with_crc && frame_check_crc(at, &checked) != FRAME_OK)) {
			result = RING_DAMAGED;
			break;
		}
		if (pos != from && pos + checked.frame_len - from > max_len)
			break;
		pos += checked.frame_len;
		count += checked.type == FRAME_EVENT ? 1 : 0;
	}
	*len = pos - from;
	*events = count;
	return result;
}

enum ring_result
ring_walk(const struct ring *ring, uint64_t from, uint64_t from_seq, uint64_t tail,
    uint64_t max_len, uint64_t *len, uint64_t *events)
{
	return walk(ring, from, from_seq, tail, max_len, false, len, events);
}

enum ring_result
ring_verify(const struct ring *ring, uint64_t from, uint64_t from_seq)
{
	uint64_t tail, seq, len, events;
	enum ring_result result;

	if (!cursor_load(&ring->words->tail, &tail, &seq))
		return RING_DAMAGED;
	result = walk(ring, from, from_seq, tail, UINT64_MAX, true, &len, &events);
	if (result == RING_EMPTY)
		return from_seq == seq ? RING_OK : RING_DAMAGED;
	if (result == RING_OK && from_seq + events != seq)
		return RING_DAMAGED;
	return result;
}

/*
 * Copy bytes that their writer may be overwriting.  The race is the protocol:
 * the caller throws the copy away unless `claimed` proves that there was none.
 * Word by word and out of the thread sanitizer's sight, which knows no such
 * thing as a copy that is judged afterwards.
 */
__attribute__((no_sanitize("thread"), noinline)) static void
copy_unstable(uint8_t *to, const uint8_t *from, size_t len)
{
	const volatile uint64_t *words = (const volatile uint64_t *)(const void *)from;

	/* Frames are 8-byte aligned in the ring, so no word is torn by us. */
	for (size_t i = 0; i + 8 <= len; i += 8) {
		uint64_t w = words[i / 8];

		memcpy(to + i, &w, sizeof w);
	}
	for (size_t i = len & ~(size_t)7; i < len; i++)
		to[i] = ((const volatile uint8_t *)from)[i];
}

enum ring_result
ring_guest_copy(const struct ring *ring, uint64_t pos, uint8_t *buf, size_t size,
    struct frame_header *h)
{
	uint64_t tail = ring_tail(ring);
	uint64_t claimed, want;
	const uint8_t *at = ring_at(ring, pos);
	enum frame_result checked;

	if ((int64_t)(tail - pos) <= 0)
		return RING_EMPTY;
	if (tail - pos > ring->capacity)
		return RING_OVERRUN;
	if (size < sizeof *h) {
		h->frame_len = sizeof *h;
		return RING_TOO_LONG;
	}
	/*
	 * The length first, bounded before it is believed: the writer may be
	 * overwriting this very place, so nothing read here is a fact yet.
	 */
	copy_unstable(buf, at, sizeof *h);
	memcpy(h, buf, sizeof *h);
	want = h->frame_len;
	if (want < sizeof *h || want > ring->capacity || want > tail - pos)
		want = sizeof *h;
	if (want <= size)
		copy_unstable(buf + sizeof *h, at + sizeof *h, want - sizeof *h);
	/*
	 * acquire fence: the copy is over before `claimed` is read.  Pairs with
	 * the release fence in ring_reserve(): if one byte of the copy was
	 * newer than our frame, the claim that preceded it is visible now.
	 */
	atomic_thread_fence(memory_order_acquire);
	claimed = atomic_load_explicit(&ring->words->claimed, memory_order_relaxed);
	if (claimed - pos > ring->capacity)
		return RING_OVERRUN;
	if (want > size)
		return RING_TOO_LONG;
	checked = frame_check_header(buf, want, ring->stream, pos, h);
	if (checked == FRAME_OK)
		checked = frame_check_crc(buf, h);
	return checked == FRAME_OK ? RING_OK : RING_DAMAGED;
}
