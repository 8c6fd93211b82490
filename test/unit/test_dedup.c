/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_dedup - the claim protocol, alone and among processes that die
 */
#include "common/clock.h"
#include "common/panic.h"
#include "shm/dedup.h"
#include "shm/dedup_word.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define TABLE 65536u

static void *
shared(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_that(at != MAP_FAILED);
	return at;
}

static struct dedup
table_new(uint64_t bytes)
{
	struct dedup d;
	void *at = shared(dedup_bytes(bytes));

	dedup_init(at, bytes, 2048, 1000); /* a tick is a millisecond */
	assert_that(dedup_open(&d, at, dedup_bytes(bytes)));
	return d;
}

static struct dedup_claimer
claimer_new(struct dedup d, uint8_t owner)
{
	return (struct dedup_claimer){ .table = d, .note = shared(4096), .owner = owner,
		.patience_ns = DEDUP_PATIENCE_NS,
		.stats = { .evict_age_ticks = UINT64_MAX } };
}

/* A key of its own in bucket `hi`. */
static uint64_t
key(uint64_t n)
{
	return (n + 1) << 21;
}

static enum dedup_result
claim_and_settle(struct dedup_claimer *c, uint64_t lo, uint64_t hi, uint64_t tick)
{
	enum dedup_result r = dedup_claim(c, lo, hi, 0, tick);

	if (r == DEDUP_CLAIMED)
		dedup_settle(c);
	return r;
}

START_TEST(key_is_claimed_once_and_then_a_duplicate)
{
	struct dedup_claimer c = claimer_new(table_new(TABLE), 1);

	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 10), DEDUP_CLAIMED);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 10), DEDUP_DUPLICATE);
	ck_assert_int_eq(claim_and_settle(&c, key(2), 5, 10), DEDUP_CLAIMED);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 6, 10), DEDUP_CLAIMED);
}
END_TEST

START_TEST(key_expires_at_the_end_of_the_window_and_not_before)
{
	struct dedup_claimer c = claimer_new(table_new(TABLE), 1);

	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 100), DEDUP_CLAIMED);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 100 + 2046), DEDUP_DUPLICATE);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 100 + 2047), DEDUP_DUPLICATE);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 100 + 2048), DEDUP_CLAIMED);
	/* A clock that stepped back is no reason to forget. */
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 50), DEDUP_DUPLICATE);
}
END_TEST

START_TEST(dropped_claim_leaves_nothing_behind)
{
	struct dedup_claimer c = claimer_new(table_new(TABLE), 1);
	uint64_t settled, claimed;

	ck_assert_int_eq(dedup_claim(&c, key(1), 5, 0, 1), DEDUP_CLAIMED);
	dedup_drop(&c);
	dedup_count(&c.table, 1, &settled, &claimed);
	ck_assert_uint_eq(settled + claimed, 0);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 1), DEDUP_CLAIMED);
}
END_TEST

START_TEST(full_bucket_evicts_its_oldest_and_says_how_old_it_was)
{
	struct dedup_claimer c = claimer_new(table_new(TABLE), 1);

	for (uint64_t i = 0; i < 8; i++)
		ck_assert_int_eq(claim_and_settle(&c, key(i), 5, 100 + i), DEDUP_CLAIMED);
	ck_assert_uint_eq(c.stats.evicted, 0);
	ck_assert_int_eq(claim_and_settle(&c, key(8), 5, 200), DEDUP_CLAIMED);
	ck_assert_uint_eq(c.stats.evicted, 1);
	ck_assert_uint_eq(c.stats.evict_age_ticks, 100);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 200), DEDUP_DUPLICATE);
	ck_assert_int_eq(claim_and_settle(&c, key(0), 5, 200), DEDUP_CLAIMED);
}
END_TEST

START_TEST(live_claims_are_never_evicted)
{
	struct dedup d = table_new(TABLE);
	struct dedup_claimer c[9];

	for (uint8_t i = 0; i < 9; i++)
		c[i] = claimer_new(d, (uint8_t)(i + 1));
	for (uint64_t i = 0; i < 8; i++)
		ck_assert_int_eq(dedup_claim(&c[i], key(i), 5, 0, 1), DEDUP_CLAIMED);
	ck_assert_int_eq(dedup_claim(&c[8], key(8), 5, 0, 1), DEDUP_BUSY);
	/* Not even when they are as old as can be. */
	ck_assert_int_eq(dedup_claim(&c[8], key(8), 5, 0, 4000), DEDUP_BUSY);
	dedup_settle(&c[3]);
	ck_assert_int_eq(dedup_claim(&c[8], key(8), 5, 0, 1), DEDUP_CLAIMED);
	dedup_sweep(&c[8], 1 + 2048, UINT64_MAX);
	for (int i = 0; i < 9; i++)
		if (i != 3)
			dedup_drop(&c[i]);
}
END_TEST

START_TEST(claim_that_never_ends_makes_others_retry)
{
	struct dedup d = table_new(TABLE);
	struct dedup_claimer dead = claimer_new(d, 1), c = claimer_new(d, 2);

	ck_assert_int_eq(dedup_claim(&dead, key(1), 5, 640, 1), DEDUP_CLAIMED);
	ck_assert_int_eq(dedup_claim(&c, key(1), 5, 0, 1), DEDUP_BUSY);
	ck_assert(!c.has_claim);
	ck_assert_int_eq(claim_and_settle(&c, key(2), 5, 1), DEDUP_CLAIMED);
}
END_TEST

START_TEST(claim_of_a_dead_owner_is_settled_if_its_put_was_published)
{
	struct dedup_claimer dead = claimer_new(table_new(TABLE), 1);
	struct dedup_claimer heir = dead;

	ck_assert_int_eq(dedup_claim(&dead, key(1), 5, 640, 1), DEDUP_CLAIMED);
	ck_assert_int_eq(dedup_recover(&heir, 641), DEDUP_SETTLED);
	ck_assert_int_eq(dedup_recover(&heir, 641), DEDUP_NOTHING);
	ck_assert_int_eq(claim_and_settle(&heir, key(1), 5, 1), DEDUP_DUPLICATE);
}
END_TEST

START_TEST(claim_of_a_dead_owner_is_freed_if_its_put_was_not_published)
{
	struct dedup_claimer dead = claimer_new(table_new(TABLE), 1);
	struct dedup_claimer heir = dead;

	ck_assert_int_eq(dedup_claim(&dead, key(1), 5, 640, 1), DEDUP_CLAIMED);
	ck_assert_int_eq(dedup_recover(&heir, 640), DEDUP_FREED);
	ck_assert_int_eq(claim_and_settle(&heir, key(1), 5, 1), DEDUP_CLAIMED);
}
END_TEST

START_TEST(torn_note_of_a_claim_never_made_touches_nobody_else)
{
	struct dedup d = table_new(TABLE);
	struct dedup_claimer dead = claimer_new(d, 1), other = claimer_new(d, 2);
	struct dedup_claimer heir;

	ck_assert_int_eq(dedup_claim(&other, key(1), 5, 0, 1), DEDUP_CLAIMED);
	atomic_store(&dead.note->index, other.index); /* was about to */
	heir = dead;
	ck_assert_int_eq(dedup_recover(&heir, UINT64_MAX / 2), DEDUP_NOTHING);
	atomic_store(&dead.note->index, UINT64_MAX); /* rubbish */
	ck_assert_int_eq(dedup_recover(&heir, 1), DEDUP_NOTHING);
	dedup_settle(&other);
}
END_TEST

START_TEST(sweep_clears_what_expired_before_its_age_can_wrap)
{
	struct dedup_claimer c = claimer_new(table_new(TABLE), 1);
	uint64_t settled, claimed;

	for (uint64_t i = 0; i < 500; i++)
		ck_assert_int_eq(claim_and_settle(&c, key(i), i, 1), DEDUP_CLAIMED);
	/* A tick at a time, as slowly as an acceptor may. */
	for (uint64_t tick = 1; tick <= 1 + 4096; tick += 16)
		dedup_sweep(&c, tick, dedup_sweep_step(&c.table, 16 * c.table.header->tick_ns));
	dedup_count(&c.table, 1, &settled, &claimed); /* at tick 1 they would count as new */
	ck_assert_uint_eq(settled, 0);
	ck_assert_uint_gt(dedup_last_sweep(&c.table), 1024);
}
END_TEST

START_TEST(rebuilt_table_knows_what_the_log_held)
{
	struct dedup d = table_new(TABLE);
	struct dedup_claimer c = claimer_new(d, 1);

	dedup_insert_settled(&d, key(1), 5, 10, 0);
	dedup_insert_settled(&d, key(2), 5, 10, 2047);
	dedup_insert_settled(&d, key(3), 5, 10, 2048);
	dedup_insert_settled(&d, key(2), 5, 10, 7); /* seen again, later */
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 10), DEDUP_DUPLICATE);
	ck_assert_int_eq(claim_and_settle(&c, key(2), 5, 10 + 2000), DEDUP_DUPLICATE);
	ck_assert_int_eq(claim_and_settle(&c, key(3), 5, 10), DEDUP_CLAIMED);
	dedup_clear(&d, 10);
	ck_assert_int_eq(claim_and_settle(&c, key(1), 5, 10), DEDUP_CLAIMED);
}
END_TEST

START_TEST(word_of_another_memory_is_no_table)
{
	struct dedup d;
	uint8_t *at = shared(dedup_bytes(TABLE));

	ck_assert(!dedup_open(&d, at, dedup_bytes(TABLE)));
	dedup_init(at, TABLE, 1000, 0);
	ck_assert(dedup_open(&d, at, dedup_bytes(TABLE)));
	ck_assert(!dedup_open(&d, at, dedup_bytes(TABLE) - 1));
	ck_assert(!dedup_open(&d, at, 100));
}
END_TEST

/*---------------------------------------------------------------------------*
 * Several processes claim the same keys in the same order at the same time;
 * some are killed anywhere and succeeded by an heir under the same owner.
 *---------------------------------------------------------------------------*/

#define RACERS 3
#define KEYS   120000u

struct race {
	_Atomic uint64_t puts[KEYS];	  /* by all, as a counter only */
	_Atomic uint64_t at[RACERS];	  /* where each racer is */
	_Atomic uint64_t published[RACERS]; /* its tail */
	_Atomic uint64_t wrong;
	_Atomic uint64_t retries;
};

static void
racer(struct dedup_claimer *c, struct race *r, unsigned me)
{
	uint64_t tail = atomic_load(&r->published[me]);

	for (uint64_t i = atomic_load(&r->at[me]); i < KEYS; i++) {
		/* Near enough together to meet. */
		for (unsigned o = 0; o < RACERS; o++)
			for (int spin = 0; spin < 50 && atomic_load(&r->at[o]) + 2 < i; spin++)
				sched_yield();
		atomic_store(&r->at[me], i);
		for (;;) {
			enum dedup_result d = dedup_claim(c, key(i), i * 7919, tail, 1);

			if (d == DEDUP_BUSY) {
				atomic_fetch_add(&r->retries, 1);
				continue;
			}
			if (d == DEDUP_DUPLICATE) {
				/* Whoever says so promises that the twin is put. */
				if (atomic_load(&r->puts[i]) == 0)
					atomic_fetch_add(&r->wrong, 1);
				break;
			}
			/* One word says put and tail: a kill falls before or after. */
			tail += KEYS;
			atomic_fetch_add(&r->puts[i], 1);
			atomic_store(&r->published[me], tail);
			dedup_settle(c);
			break;
		}
	}
	atomic_store(&r->at[me], KEYS);
}

START_TEST(equal_events_of_several_processes_are_put_once)
{
	struct dedup d = table_new(4u << 20);
	struct race *r = shared(sizeof *r);
	pid_t pid[RACERS];
	uint64_t bad = 0;

	for (unsigned i = 0; i < RACERS; i++) {
		struct dedup_claimer c = claimer_new(d, (uint8_t)(i + 1));

		pid[i] = fork();
		if (pid[i] == 0) {
			racer(&c, r, i);
			_exit(0);
		}
	}
	for (unsigned i = 0; i < RACERS; i++)
		ck_assert_int_eq(waitpid(pid[i], NULL, 0), pid[i]);
	for (uint64_t i = 0; i < KEYS; i++)
		bad += atomic_load(&r->puts[i]) != 1;
	ck_assert_uint_eq(bad, 0);
	ck_assert_uint_eq(atomic_load(&r->wrong), 0);
}
END_TEST

START_TEST(equal_events_are_put_once_though_processes_are_killed)
{
	struct dedup d = table_new(4u << 20);
	struct race *r = shared(sizeof *r);
	struct dedup_claimer c[RACERS];
	pid_t pid[RACERS];
	uint64_t twice = 0, never = 0, settled, claimed;
	unsigned kills = 0;

	for (unsigned i = 0; i < RACERS; i++) {
		c[i] = claimer_new(d, (uint8_t)(i + 1));
		pid[i] = 0;
	}
	srandom(42);
	for (;;) {
		bool is_over = true;

		for (unsigned i = 0; i < RACERS; i++) {
			if (atomic_load(&r->at[i]) == KEYS)
				continue;
			is_over = false;
			if (pid[i] == 0) {
				struct dedup_claimer heir = c[i];

				(void)dedup_recover(&heir, atomic_load(&r->published[i]));
				pid[i] = fork();
				if (pid[i] == 0) {
					racer(&heir, r, i);
					_exit(0);
				}
			}
		}
		if (is_over)
			break;
		usleep((useconds_t)(random() % 1500));
		unsigned victim = (unsigned)random() % RACERS;

		if (pid[victim] != 0 && kills < 300) {
			kill(pid[victim], SIGKILL);
			kills++;
		}
		for (unsigned i = 0; i < RACERS; i++)
			if (pid[i] != 0 && waitpid(pid[i], NULL, WNOHANG) == pid[i])
				pid[i] = 0;
	}
	for (unsigned i = 0; i < RACERS; i++)
		if (pid[i] != 0)
			waitpid(pid[i], NULL, 0);
	for (uint64_t i = 0; i < KEYS; i++) {
		uint64_t n = atomic_load(&r->puts[i]);

		/* The put and the tail are two words here, so a kill between them
		 * may count a put that was never published: at most one a kill. */
		twice += n > 1;
		never += n == 0;
	}
	dedup_count(&d, 1, &settled, &claimed);
	printf("kills %u, keys with an unpublished put %lu, retries %lu\n", kills,
	    (unsigned long)twice, (unsigned long)atomic_load(&r->retries));
	ck_assert_uint_eq(never, 0);
	ck_assert_uint_le(twice, kills);
	ck_assert_uint_eq(claimed, 0);
	ck_assert_uint_eq(settled, KEYS);
	ck_assert_uint_eq(atomic_load(&r->wrong), 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("dedup");
	TCase *t = tcase_create("claims");
	TCase *many = tcase_create("many processes");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_add_test(t, key_is_claimed_once_and_then_a_duplicate);
	tcase_add_test(t, key_expires_at_the_end_of_the_window_and_not_before);
	tcase_add_test(t, dropped_claim_leaves_nothing_behind);
	tcase_add_test(t, full_bucket_evicts_its_oldest_and_says_how_old_it_was);
	tcase_add_test(t, live_claims_are_never_evicted);
	tcase_add_test(t, claim_that_never_ends_makes_others_retry);
	tcase_add_test(t, claim_of_a_dead_owner_is_settled_if_its_put_was_published);
	tcase_add_test(t, claim_of_a_dead_owner_is_freed_if_its_put_was_not_published);
	tcase_add_test(t, torn_note_of_a_claim_never_made_touches_nobody_else);
	tcase_add_test(t, sweep_clears_what_expired_before_its_age_can_wrap);
	tcase_add_test(t, rebuilt_table_knows_what_the_log_held);
	tcase_add_test(t, word_of_another_memory_is_no_table);
	suite_add_tcase(s, t);
	tcase_set_timeout(many, 120);
	tcase_add_test(many, equal_events_of_several_processes_are_put_once);
	tcase_add_test(many, equal_events_are_put_once_though_processes_are_killed);
	suite_add_tcase(s, many);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
