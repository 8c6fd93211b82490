/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_fixture - a region, a configuration and the real journal as a child
 */
#ifndef TEST_JOURNAL_FIXTURE_H
#define TEST_JOURNAL_FIXTURE_H

#include "common/clock.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/word.h"
#include "workers/journal.h"
#include "workers/log_reader.h"

#include <bsd/unistd.h>
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS 3

static char dir[64], state[80], run[80], region_dir[96], journal_dir[96];
static struct config *cfg;
static struct region region;
static struct worker_env env;
static struct ring_in in[SLOTS];
static pid_t journal;
static uint64_t generation;
static int lifeline[2];

static inline void
load_config(void)
{
	struct config_errors errs = {0};
	char text[1024];

	(void)snprintf(text, sizeof text,
	    "global\nstate-dir '%s'\nruntime-dir '/run/t'\nstream-slots %d\nring 256k\n"
	    "drain-time 20s\nlog-level error\nlisten a\nbind 127.0.0.1:1\nmax-event 16k\n"
	    "max-body 64k\n"
	    "journal\nsegment 1m\ncommit-max 128k\nretain 1h\ndedup\ntable 64k\nwindow 1m\n",
	    state, SLOTS);
	if (config_parse_memory("t", text, strlen(text), &cfg, &errs) != CONFIG_OK)
		ck_abort_msg("%s", errs.text[0]);
}

static inline void
make_region(void)
{
	struct region_params p = {.slots = SLOTS,
	    .pages = 2,
	    .ring_capacity = 256 << 10,
	    .dedup_bytes = 64 << 10,
	    .dedup_window_ms = 60000,
	    .generation = ++generation,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1};
	char text[256];

	memset(p.instance, 0x77, sizeof p.instance);
	region_close(&region);
	ck_assert_msg(region_create(region_dir, &p, text, sizeof text) == REGION_OK, "%s", text);
	ck_assert_msg(
	    region_open(&region, region_dir, true, text, sizeof text) == REGION_OK, "%s", text);
	for (uint32_t i = 0; i < SLOTS; i++)
		ck_assert_int_eq(region_prepare_slot(&region, i, text, sizeof text), REGION_OK);
}

static inline void
setup(void)
{
	char stage[96];

	(void)snprintf(dir, sizeof dir, "/tmp/journal.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(state, sizeof state, "%s/state", dir);
	(void)snprintf(run, sizeof run, "%s/run", dir);
	(void)snprintf(stage, sizeof stage, "%s/run/stage", dir);
	(void)snprintf(region_dir, sizeof region_dir, "%s/region", run);
	(void)snprintf(journal_dir, sizeof journal_dir, "%s/journal", state);
	ck_assert(mkdir(state, 0700) == 0 && mkdir(run, 0700) == 0 && mkdir(stage, 0700) == 0);
	load_config();
	make_region();
	ck_assert_int_eq(pipe(lifeline), 0);
	env = (struct worker_env){.cfg = cfg,
	    .region = &region,
	    .lifeline_fd = lifeline[0],
	    .journal_bell = bell_new(),
	    .runtime_dir = run,
	    .state_dir = state,
	    .stats_fd = -1,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1,
	    .socket_gid = (gid_t)-1};
	memset(env.instance, 0x77, sizeof env.instance);
	for (int i = 0; i < SLOTS; i++)
		env.slot_bell[i] = bell_new();
}

static inline void
teardown(void)
{
	char command[128];

	if (journal > 0)
		(void)kill(journal, SIGKILL);
	journal = 0;
	region_close(&region);
	(void)snprintf(command, sizeof command, "%s", dir);
	if (fork() == 0) {
		(void)execlp("rm", "rm", "-rf", command, NULL);
		_exit(1);
	}
	(void)wait(NULL);
}

static inline void
start(void)
{
	const struct worker_job job = {
	    .role = LAYOUT_ROLE_JOURNAL, .slot = -1, .listen = -1, .generation = 1};

	journal = fork();
	ck_assert_int_ne(journal, -1);
	if (journal == 0) {
		close(lifeline[1]);
		worker_main(&env, &job, &journal_ops);
	}
}

/* Wait for a condition; the test's own timeout ends it. */
#define wait_for(condition)                                                                        \
	do {                                                                                       \
		while (!(condition))                                                               \
			(void)poll(NULL, 0, 1);                                                    \
	} while (0)

static inline void
wait_ready(void)
{
	wait_for(word_load(&region.journal->ready_generation) == generation &&
		 word_load(&region.page[0]->state) == LAYOUT_STATE_READY);
}

static inline int
end_with(int sig)
{
	int status;

	(void)kill(journal, sig);
	ck_assert_int_eq(waitpid(journal, &status, 0), journal);
	journal = 0;
	return status;
}

static inline void
take_slots(void)
{
	for (uint32_t i = 0; i < SLOTS; i++) {
		const struct ring ring = region_ring(&region, i);
		const struct journal_stream *s = &region.journal->stream[i];

		if (counters_get(region.slot[i]->counter, counter_id(STREAM, takeovers)) == 0)
			ring_start(&ring, word_load(&s->start), word_load(&s->start_seq));
		ck_assert_int_eq(ring_in_open(&in[i], &ring, &s->durable), RING_OK);
		counters_add(region.slot[i]->counter, counter_id(STREAM, takeovers), 1);
	}
}

/* Puts an event; where it lies. */
static inline uint8_t *
put(uint32_t i)
{
	struct frame_header h = {.type = FRAME_EVENT,
	    .stream = i,
	    .pos = in[i].tail,
	    .seq = in[i].seq,
	    .recv_ns = clock_wall_ns(),
	    .hash_lo = (in[i].seq * SLOTS + i + 1) * 0x9e3779b97f4a7c15ull,
	    .hash_hi = (in[i].seq * SLOTS + i + 1) * 0xc2b2ae3d27d4eb4full};
	enum ring_result why;
	uint8_t *at = ring_reserve(&in[i], frame_len_for(0, 100), &why);

	ck_assert_ptr_nonnull(at);
	memcpy(at, &h, sizeof h);
	memset(at + sizeof h, 'e', 100);
	frame_seal(at, 0, 100);
	ring_put(&in[i], frame_len_for(0, 100), true);
	return at;
}

static inline void
put_many(uint32_t i, unsigned n)
{
	for (unsigned k = 0; k < n; k++)
		(void)put(i);
}

static inline bool
is_durable(uint32_t i)
{
	return cursor_pos(&region.journal->stream[i].durable) == in[i].tail;
}

#endif
