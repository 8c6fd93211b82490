/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	shm_fixture - a ring in memory of the test's own, mapped twice as the real one
 */
#ifndef TEST_SHM_FIXTURE_H
#define TEST_SHM_FIXTURE_H

#include "common/panic.h"
#include "shm/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct fixture {
	struct ring ring;
	struct cursor *gate;
	struct ring_in in;
};

/* Shared anonymous memory, so that children see it too. */
static inline struct fixture *
fixture_new(uint64_t capacity, uint64_t start)
{
	struct fixture *f = mmap(NULL, sizeof *f, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int fd = memfd_create("ring", 0);
	uint8_t *space = mmap(NULL, 2 * capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	assert_that(f != MAP_FAILED && fd != -1 && space != MAP_FAILED);
	assert_that(ftruncate(fd, (off_t)capacity) == 0);
	for (int i = 0; i < 2; i++)
		assert_that(mmap(space + (uint64_t)i * capacity, capacity, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, fd, 0) != MAP_FAILED);
	close(fd);
	f->ring.words = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_that(f->ring.words != MAP_FAILED);
	f->gate = (struct cursor *)(void *)((uint8_t *)f->ring.words + 4096);
	f->ring.data = space;
	f->ring.capacity = capacity;
	f->ring.stream = 3;
	cursor_init(f->gate, start, 0);
	atomic_store(&f->ring.words->claimed, start); /* no life before this one */
	ring_start(&f->ring, start, 0);
	assert_that(ring_in_open(&f->in, &f->ring, f->gate) == RING_OK);
	return f;
}

/* Body byte i of the n-th event: reproducible, different from its neighbours'. */
static inline uint8_t
fixture_byte(uint64_t seq, size_t i)
{
	return (uint8_t)(seq * 131 + i * 7 + (seq >> 8));
}

static inline size_t
fixture_body_len(uint64_t seq)
{
	return 1 + (size_t)(seq * 2654435761u % 700);
}

/* Put the next event; RING_OK or why not.  `pause` is called between copy and put. */
static inline enum ring_result
fixture_put(struct ring_in *in, size_t body_len, void (*pause_fn)(void))
{
	enum ring_result why;
	size_t len = frame_len_for(0, body_len);
	uint8_t *at = ring_reserve(in, len, &why);
	struct frame_header h = { .type = FRAME_EVENT,
		.stream = in->ring.stream,
		.pos = in->tail,
		.seq = in->seq };

	if (at == NULL)
		return why;
	memcpy(at, &h, sizeof h);
	for (size_t i = 0; i < body_len; i++)
		at[sizeof h + i] = fixture_byte(in->seq, i);
	frame_seal(at, 0, (uint32_t)body_len);
	if (pause_fn != NULL)
		pause_fn();
	ring_put(in, len, true);
	return RING_OK;
}

/* Is this the whole n-th event? */
static inline bool
fixture_is_whole(const uint8_t *at, const struct frame_header *h)
{
	struct bytes body = frame_body(at, h);
	unsigned bad = 0;

	for (size_t i = 0; i < body.len; i++)
		bad += body.ptr[i] != fixture_byte(h->seq, i);
	return bad == 0;
}

#endif
