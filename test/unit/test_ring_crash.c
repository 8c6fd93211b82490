/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_ring_crash - writers killed anywhere; the journal and a guest look on
 */
#include "shm_fixture.h"

#include <check.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

#define CAP   (1u << 16)
#define KILLS 300u

struct seen {
	_Atomic uint64_t bad, frames, copies, overruns, stop;
};

static void
write_for_ever(struct fixture *f)
{
	struct ring_in in;

	/* What a successor does: go on where the words say. */
	if (ring_in_open(&in, &f->ring, f->gate) != RING_OK)
		_exit(3);
	for (;;)
		if (fixture_put(&in, fixture_body_len(in.seq), NULL) == RING_FULL)
			sched_yield();
}

static void
guest(struct fixture *f, struct seen *seen)
{
	static uint8_t buf[4096];
	uint64_t pos = 0, seq;

	while (atomic_load(&seen->stop) == 0) {
		struct frame_header h;

		switch (ring_guest_copy(&f->ring, pos, buf, sizeof buf, &h)) {
		case RING_OK:
			atomic_fetch_add(&seen->bad, !fixture_is_whole(buf, &h));
			atomic_fetch_add(&seen->copies, 1);
			pos += h.frame_len;
			break;
		case RING_EMPTY:
			sched_yield();
			break;
		case RING_OVERRUN:
			atomic_fetch_add(&seen->overruns, 1);
			if (!cursor_load(f->gate, &pos, &seq))
				atomic_fetch_add(&seen->bad, 1);
			break;
		default:
			atomic_fetch_add(&seen->bad, 1);
			(void)cursor_load(f->gate, &pos, &seq);
		}
	}
	_exit(0);
}

/* One round of the journal's work; how many frames it took. */
static uint64_t
drain(struct fixture *f, uint64_t *pos, uint64_t *seq, uint64_t *bad)
{
	uint64_t tail = ring_tail(&f->ring), n = 0;

	while (*pos != tail) {
		const uint8_t *at = ring_at(&f->ring, *pos);
		struct frame_header h;

		if (frame_check_header(at, tail - *pos, 3, *pos, &h) != FRAME_OK ||
		    frame_check_crc(at, &h) != FRAME_OK || h.seq != *seq ||
		    !fixture_is_whole(at, &h)) {
			*bad += 1;
			break;
		}
		*pos += h.frame_len;
		*seq += 1;
		n++;
	}
	cursor_store(f->gate, *pos, *seq);
	return n;
}

START_TEST(writer_killed_300_times_leaves_no_torn_lost_or_repeated_frame)
{
	struct fixture *f = fixture_new(CAP, 0);
	struct seen *seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE,
	    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t pos = 0, seq = 0, bad = 0, frames = 0;
	pid_t watcher = fork();
	int status;

	if (watcher == 0)
		guest(f, seen);
	srandom(7);
	for (unsigned i = 0; i < KILLS; i++) {
		uint64_t target = frames + 1 + (uint64_t)random() % 3000;
		pid_t pid = fork();

		if (pid == 0)
			write_for_ever(f);
		/* Random work instead of random time: it is killed mid-flight. */
		while (frames < target && bad == 0)
			frames += drain(f, &pos, &seq, &bad);
		kill(pid, SIGKILL);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		frames += drain(f, &pos, &seq, &bad);
		ck_assert_uint_eq(bad, 0);
	}
	atomic_store(&seen->stop, 1);
	waitpid(watcher, &status, 0);
	printf("kills %u, frames %lu, guest copies %lu, overruns %lu\n", KILLS,
	    (unsigned long)frames, (unsigned long)atomic_load(&seen->copies),
	    (unsigned long)atomic_load(&seen->overruns));
	ck_assert_uint_eq(atomic_load(&seen->bad), 0);
	ck_assert_uint_eq(seq, frames);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("ring crash");
	TCase *t = tcase_create("kills");
	SRunner *r = srunner_create(s);
	int failed;

	tcase_set_timeout(t, 240);
	tcase_add_test(t, writer_killed_300_times_leaves_no_torn_lost_or_repeated_frame);
	suite_add_tcase(s, t);
	srunner_run_all(r, CK_NORMAL);
	failed = srunner_ntests_failed(r);
	srunner_free(r);
	return failed == 0 ? 0 : 1;
}
