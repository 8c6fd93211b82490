/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_ring - the ring alone: nanoseconds a frame
 *
 * DESCRIPTION
 *	bench_ring [clickstream.ndjson]: frames of real sizes through a ring of
 *	16 MiB, best of ROUNDS.
 *
 *	publish		reserve and put: what the protocol itself costs
 *	put		the header, the body's copy and its CRC too
 *	drain		what the journal does: walk the headers, copy the bytes out
 *	both		put and drain in turns of 1 MiB, one thread
 *	apart		put on one processor, drain on another, at the same time
 *
 * PROCESS
 *	A program of its own, with a second thread for the last line.
 *
 * SHARED STATE
 *	A ring in its own memory.
 */
#include "test/bench/bench_client.h"

#include "shm/ring.h"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#define CAPACITY (16u << 20)
#define TURN	 (1u << 20)
#define ROUNDS	 5
#define FRAMES	 1000000

static struct bench_events events;
static struct ring ring;
static struct ring_in in;
static struct cursor gate;
static struct ring_words words;
static uint8_t *out;
static uint64_t drained, drained_seq;

static void
make_ring(void)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	uint8_t *at;

	if (fd == -1 || ftruncate(fd, CAPACITY) == -1)
		fatal("memfd: %s", strerror(errno));
	at = mmap(NULL, 2 * CAPACITY, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 2; i++)
		if (at == MAP_FAILED ||
		    mmap(at + i * (size_t)CAPACITY, CAPACITY, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_FIXED | MAP_POPULATE, fd, 0) == MAP_FAILED)
			fatal("mmap: %s", strerror(errno));
	ring = (struct ring){ .words = &words, .data = at, .capacity = CAPACITY };
	ring_start(&ring, 0, 0);
	cursor_init(&gate, 0, 0);
	if (ring_in_open(&in, &ring, &gate) != RING_OK)
		fatal("ring_in_open");
	out = xcalloc(1, 2 * TURN);
}

/* False when the ring is full. */
static bool
put(struct bytes body, bool with_bytes)
{
	size_t len = frame_len_for(0, body.len);
	enum ring_result why;
	uint8_t *at = ring_reserve(&in, len, &why);

	if (at == NULL)
		return false;
	if (with_bytes) {
		struct frame_header *h = (struct frame_header *)(void *)at;

		*h = (struct frame_header){ .type = FRAME_EVENT, .pos = in.tail, .seq = in.seq };
		memcpy(at + sizeof *h, body.ptr, body.len);
		frame_seal(at, 0, (uint32_t)body.len);
	}
	ring_put(&in, len, true);
	return true;
}

/* Up to TURN bytes, as the journal takes them; returns events. */
static uint64_t
drain(void)
{
	uint64_t tail = ring_tail(&ring), len, n;
	enum ring_result r = ring_walk(&ring, drained, drained_seq, tail, TURN, &len, &n);

	if (r == RING_EMPTY)
		return 0;
	if (r != RING_OK)
		fatal("ring_walk: %s", ring_result_text(r));
	memcpy(out, ring_at(&ring, drained), len);
	drained += len;
	drained_seq += n;
	cursor_store(&gate, drained, drained_seq);
	return n;
}

static void
skip(void)
{
	drained = in.tail;
	drained_seq = in.seq;
	cursor_store(&gate, drained, drained_seq);
}

struct sums {
	uint64_t publish_ns, put_ns, drain_ns, both_ns, apart_ns;
};

static void
keep_least(uint64_t *least, uint64_t ns)
{
	if (*least == 0 || ns < *least)
		*least = ns;
}

static void
turns(struct sums *s)
{
	uint64_t put_ns = 0, drain_ns = 0, t, now;
	size_t next = 0, frames = 0;

	t = clock_mono_ns();
	for (frames = 0; frames < FRAMES; frames++)
		if (!put(events.line[frames % events.n], false)) {
			skip();
			frames--;
		}
	keep_least(&s->publish_ns, clock_mono_ns() - t);
	skip();
	t = clock_mono_ns();
	for (frames = 0; frames < FRAMES;) {
		uint64_t from = in.tail;

		while (in.tail - from < TURN) {
			if (!put(events.line[next++ % events.n], true))
				fatal("the ring is full");
			frames++;
		}
		now = clock_mono_ns();
		put_ns += now - t;
		t = now;
		while (drain() > 0)
			;
		now = clock_mono_ns();
		drain_ns += now - t;
		t = now;
	}
	keep_least(&s->put_ns, put_ns * FRAMES / frames);
	keep_least(&s->drain_ns, drain_ns * FRAMES / frames);
	keep_least(&s->both_ns, (put_ns + drain_ns) * FRAMES / frames);
}

static void
pin(size_t processor)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(processor, &set);
	(void)pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *
drain_all(void *arg)
{
	uint64_t left = FRAMES;

	(void)arg;
	pin(1);
	while (left > 0)
		left -= drain();
	return NULL;
}

static void
apart(struct sums *s)
{
	pthread_t thread;
	uint64_t began = clock_mono_ns();

	if (pthread_create(&thread, NULL, drain_all, NULL) != 0)
		fatal("pthread_create");
	for (size_t i = 0; i < FRAMES;)
		i += put(events.line[i % events.n], true) ? 1 : 0;
	(void)pthread_join(thread, NULL);
	keep_least(&s->apart_ns, clock_mono_ns() - began);
}

int
main(int argc, char **argv)
{
	struct sums s = { 0 };
	uint64_t bytes = 0;

	bench_events_load(&events, argc > 1 ? argv[1] : "test/data/clickstream.ndjson",
	    BENCH_EVENTS_MAX);
	for (size_t i = 0; i < events.n; i++)
		bytes += frame_len_for(0, events.line[i].len);
	make_ring();
	for (int i = 0; i < ROUNDS; i++) {
		pin(0);
		turns(&s);
		if (sysconf(_SC_NPROCESSORS_ONLN) > 1)
			apart(&s);
	}
	(void)printf("frame_bytes %llu publish_ns %.1f put_ns %.1f drain_ns %.1f both_ns %.1f "
		     "apart_ns %.1f\n",
	    (unsigned long long)(bytes / events.n), (double)s.publish_ns / FRAMES,
	    (double)s.put_ns / FRAMES, (double)s.drain_ns / FRAMES, (double)s.both_ns / FRAMES,
	    (double)s.apart_ns / FRAMES);
	return 0;
}
