/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_ring_threads - the shared structures with threads for processes
 *
 * DESCRIPTION
 *	ThreadSanitizer sees nothing across processes, so here the writer, the
 *	journal and the guests are threads.  Run it in the tsan build.
 */
#include "shm_fixture.h"

#include "shm/dedup.h"
#include "shm/dedup_word.h"

#include <check.h>
#include <pthread.h>
#include <sched.h>

#ifdef __SANITIZE_THREAD__
#define EVENTS 60000u
#else
#define EVENTS 600000u
#endif
#define CAP (1u << 16)

struct stage {
	struct fixture *f;
	_Atomic uint64_t bad;
	_Atomic uint64_t copies;
	_Atomic uint64_t overruns;
	_Atomic uint64_t is_over;
};

static void *
writer(void *arg)
{
	struct stage *s = arg;

	while (s->f->in.seq < EVENTS)
		if (fixture_put(&s->f->in, fixture_body_len(s->f->in.seq), NULL) == RING_FULL)
			sched_yield();
	return NULL;
}

static void *
journal(void *arg)
{
	struct stage *s = arg;
	uint64_t pos = 0, seq = 0, bad = 0;

	while (seq < EVENTS) {
		uint64_t tail = ring_tail(&s->f->ring);
		uint64_t len, events;
		enum ring_result r =
		    ring_walk(&s->f->ring, pos, seq, tail, CAP / 4, &len, &events);

		if (r == RING_EMPTY) {
			sched_yield();
			continue;
		}
		bad += r != RING_OK;
		for (uint64_t at = pos; at != pos + len;) {
			struct frame_header h;
			const uint8_t *p = ring_at(&s->f->ring, at);

			if (frame_check_header(p, tail - at, 3, at, &h) != FRAME_OK ||
			    frame_check_crc(p, &h) != FRAME_OK || !fixture_is_whole(p, &h)) {
				bad++;
				break;
			}
			at += h.frame_len;
		}
		pos += len;
		seq += events;
		cursor_store(s->f->gate, pos, seq);
	}
	atomic_fetch_add(&s->bad, bad);
	atomic_store(&s->is_over, 1);
	return NULL;
}

/* Reads where it likes, mostly far behind, and must never take a torn frame. */
static void *
guest(void *arg)
{
	struct stage *s = arg;
	static _Thread_local uint8_t buf[4096];
	uint64_t pos = 0;

	while (atomic_load(&s->is_over) == 0) {
		struct frame_header h;

		switch (ring_guest_copy(&s->f->ring, pos, buf, sizeof buf, &h)) {
		case RING_OK:
			atomic_fetch_add(&s->bad, !fixture_is_whole(buf, &h));
			atomic_fetch_add(&s->copies, 1);
			pos += h.frame_len;
			break;
		case RING_OVERRUN: {
			uint64_t seq;

			/* Hop to the gate: the next frame border we know. */
			atomic_fetch_add(&s->overruns, 1);
			if (!cursor_load(s->f->gate, &pos, &seq))
				atomic_fetch_add(&s->bad, 1);
			break;
		}
		case RING_EMPTY:
			sched_yield();
			break;
		default:
			atomic_fetch_add(&s->bad, 1);
		}
	}
	return NULL;
}

START_TEST(writer_journal_and_guests_agree)
{
	struct stage s = { .f = fixture_new(CAP, 0) };
	pthread_t t[4];

	pthread_create(&t[0], NULL, guest, &s);
	pthread_create(&t[1], NULL, guest, &s);
	pthread_create(&t[2], NULL, journal, &s);
	pthread_create(&t[3], NULL, writer, &s);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	printf("guest copies %lu, overruns %lu\n", (unsigned long)s.copies,
	    (unsigned long)s.overruns);
	ck_assert_uint_eq(s.bad, 0);
	ck_assert_uint_gt(s.copies, 0);
}
END_TEST

struct claims {
	struct dedup_claimer c;
	_Atomic uint64_t *puts;
	_Atomic uint64_t *wrong;
};

#define KEYS (EVENTS / 10)

static void *
claimer(void *arg)
{
	struct claims *me = arg;

	for (uint64_t i = 0; i < KEYS; i++) {
		enum dedup_result r;

		while ((r = dedup_claim(&me->c, (i + 1) << 21, i * 31, 0, 1)) == DEDUP_BUSY)
			;
		if (r == DEDUP_CLAIMED) {
			atomic_fetch_add(&me->puts[i], 1);
			dedup_settle(&me->c);
		} else if (atomic_load(&me->puts[i]) != 1) {
			atomic_fetch_add(me->wrong, 1);
		}
	}
	return NULL;
}

START_TEST(claims_of_many_threads_put_each_key_once)
{
	static uint8_t memory[1 << 21] __attribute__((aligned(4096)));
	static _Atomic uint64_t puts[KEYS];
	_Atomic uint64_t wrong = 0;
	uint64_t bad = 0;
	struct dedup d;
	struct claims me[4];
	pthread_t t[4];

	dedup_init(memory, 1 << 20, 3600000, 0);
	ck_assert(dedup_open(&d, memory, sizeof memory));
	for (uint8_t i = 0; i < 4; i++) {
		me[i] = (struct claims){
			.c = { .table = d, .owner = (uint8_t)(i + 1),
			    .note = aligned_alloc(64, sizeof(struct dedup_note)) },
			.puts = puts,
			.wrong = &wrong,
		};
		pthread_create(&t[i], NULL, claimer, &me[i]);
	}
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (uint64_t i = 0; i < KEYS; i++)
		bad += puts[i] != 1;
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

/*
 * Two claim one key in one bucket while places in it come and go, so that they
 * do not meet in one place: only the second look at the bucket can tell.
 */
struct meeting {
	struct dedup_claimer c;
	unsigned me;
	_Atomic uint64_t *at; /* of each of the two */
	_Atomic uint64_t *puts;
};

static void
meet(struct meeting *m, uint64_t i)
{
	atomic_store(&m->at[m->me], i);
	for (unsigned spin = 0; atomic_load(&m->at[1 - m->me]) < i; spin++)
		if (spin > 10000)
			sched_yield();
}

static void *
meeter(void *arg)
{
	struct meeting *m = arg;

	for (uint64_t i = 1; i < KEYS; i++) {
		enum dedup_result r;

		/* One of them holds the first place with a key of its own. */
		if (m->me == 0 &&
		    dedup_claim(&m->c, ~i << 21, i * 31, 0, 1) != DEDUP_CLAIMED)
			atomic_fetch_add(&m->puts[i], 100);
		meet(m, i * 2);
		for (unsigned delay = (unsigned)(i * 7 % 61); m->me == i % 2 && delay > 0; delay--)
			__asm__ volatile("");
		if (m->me == 0)
			dedup_drop(&m->c);
		while ((r = dedup_claim(&m->c, (i + 1) << 21, i * 31, 0, 1)) == DEDUP_BUSY)
			;
		if (r == DEDUP_CLAIMED) {
			atomic_fetch_add(&m->puts[i], 1);
			dedup_settle(&m->c);
		}
		meet(m, i * 2 + 1);
	}
	return NULL;
}

START_TEST(two_that_claim_different_places_for_one_key_put_it_once)
{
	static uint8_t memory[1 << 21] __attribute__((aligned(4096)));
	static _Atomic uint64_t puts[KEYS];
	static _Atomic uint64_t at[2];
	uint64_t bad = 0;
	struct dedup d;
	struct meeting m[2];
	pthread_t t[2];

	dedup_init(memory, 1 << 20, 3600000, 0);
	ck_assert(dedup_open(&d, memory, sizeof memory));
	for (unsigned i = 0; i < 2; i++) {
		m[i] = (struct meeting){
			.c = { .table = d, .owner = (uint8_t)(i + 1),
			    .note = aligned_alloc(64, sizeof(struct dedup_note)) },
			.me = i,
			.at = at,
			.puts = puts,
		};
		pthread_create(&t[i], NULL, meeter, &m[i]);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	for (uint64_t i = 1; i < KEYS; i++)
		bad += puts[i] != 1;
	ck_assert_uint_eq(bad, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("threads");
	TCase *t = tcase_create("threads");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_test(t, writer_journal_and_guests_agree);
	tcase_add_test(t, claims_of_many_threads_put_each_key_once);
	tcase_add_test(t, two_that_claim_different_places_for_one_key_put_it_once);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
