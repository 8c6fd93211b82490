/* SPDX-License-Identifier: ISC */
/* How far a sink is behind, at its limits; what holds the log beyond max-lag. */
#include "common/panic.h"
#include "workers/log_retain.h"
#include "workers/sink_lag.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOUR (3600ull * 1000000000)
#define NOW  (1000000ull * HOUR)

static char dir[64];
static struct config *cfg;
static struct log_stream *now;
static struct log_segment_header *next;

static void
setup(void)
{
	(void)snprintf(dir, sizeof dir, "/tmp/test_sink_lag.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	cfg = xcalloc(1, sizeof *cfg);
	now = xcalloc(LOG_STREAMS, sizeof *now);
	next = xcalloc(1, sizeof *next);
	cfg->sinks = 1;
	(void)snprintf(cfg->sink[0].name, sizeof cfg->sink[0].name, "api");
	/* The log ends at 2000 of stream 1; the segment asked about ends at 1000. */
	now[1] = (struct log_stream){.end = 2000 + LOG_BLOCK, .end_seq = 20, .gap_bytes = LOG_BLOCK};
	next->stream[1] = (struct log_stream){.end = 1000, .end_seq = 10};
	next->created_ns = NOW - 10 * HOUR;
}

static void
teardown(void)
{
	char command[128];

	(void)snprintf(command, sizeof command, "%s/sinks/api/checkpoint", dir);
	(void)unlink(command);
	(void)snprintf(command, sizeof command, "%s/sinks/api", dir);
	(void)rmdir(command);
	(void)snprintf(command, sizeof command, "%s/sinks", dir);
	(void)rmdir(command);
	(void)rmdir(dir);
	free(cfg);
	free(now);
	free(next);
}

static void
make_sink(uint64_t pos, bool has_checkpoint)
{
	struct checkpoint c = {.streams = 2, .stream = {{0, 0}, {pos, 1}}};
	struct checkpoint_file f;
	char path[96];
	int fd;

	(void)snprintf(path, sizeof path, "%s/sinks", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	(void)snprintf(path, sizeof path, "%s/sinks/api", dir);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	if (!has_checkpoint)
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY);
	checkpoint_open(&f, fd, "checkpoint");
	ck_assert_int_eq(checkpoint_write(&f, &c), 0);
	checkpoint_close(&f);
	close(fd);
}

static enum log_hold
ask(void)
{
	static const struct log_retain_rules rules = {.retain_ns = HOUR, .window_ns = HOUR};
	struct log_retain_answer a;
	struct log_retain r;

	log_retain_init(&r, &rules);
	log_retain_configure(&r, cfg, now);
	log_retain_load_sinks(&r, dir);
	log_retain_ask(&r, next, next->created_ns, 0, NOW, &a);
	log_retain_free(&r);
	return a.hold;
}

START_TEST(sink_beyond_max_lag_holds_nothing_unless_it_is_required)
{
	static const struct {
		uint64_t bytes;
		int64_t age_ms;
		int required;
		enum log_hold hold;
	} cases[] = {
	    {0, 0, 0, LOG_HOLD_SINK},	    /* no bound */
	    {999, 0, 0, LOG_HOLD_NONE},	    /* 1000 bytes are behind the segment */
	    {1000, 0, 0, LOG_HOLD_SINK},
	    {1001, 0, 0, LOG_HOLD_SINK},
	    {0, 10 * 3600000 - 1, 0, LOG_HOLD_NONE},
	    {0, 10 * 3600000, 0, LOG_HOLD_SINK},
	    {0, 10 * 3600000 + 1, 0, LOG_HOLD_SINK},
	    {999, 10 * 3600000 + 1, 0, LOG_HOLD_NONE}, /* either of them */
	    {999, 0, 1, LOG_HOLD_SINK},		       /* required: the intake stops instead */
	    {0, 1, 1, LOG_HOLD_SINK},
	};

	make_sink(999, true);
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		cfg->sink[0].max_lag_bytes = cases[i].bytes;
		cfg->sink[0].max_lag_ms = cases[i].age_ms;
		cfg->sink[0].required = cases[i].required;
		ck_assert_msg(ask() == cases[i].hold, "case %zu: %d", i, ask());
	}
	/* Nobody configured it any more: it holds until it is retired. */
	cfg->sink[0].max_lag_bytes = 1;
	cfg->sink[0].required = 0;
	cfg->sinks = 0;
	ck_assert_int_eq(ask(), LOG_HOLD_SINK);
}
END_TEST

START_TEST(new_sink_holds_from_where_it_begins)
{
	struct log_retain_answer a;
	struct log_retain r;
	const struct log_retain_rules rules = {.retain_ns = HOUR, .window_ns = HOUR};

	make_sink(0, false);
	cfg->sink[0].from = CONFIG_FROM_OLDEST;
	ck_assert_int_eq(ask(), LOG_HOLD_SINK);
	cfg->sink[0].from = CONFIG_FROM_NOW;
	ck_assert_int_eq(ask(), LOG_HOLD_NONE);

	/* First seen at 2000; what comes later is held from there on. */
	log_retain_init(&r, &rules);
	log_retain_configure(&r, cfg, now);
	log_retain_load_sinks(&r, dir);
	ck_assert(log_retain_find(&r, "api")->is_new);
	now[1].end += 500;
	log_retain_load_sinks(&r, dir);
	next->stream[1] = now[1];
	log_retain_ask(&r, next, next->created_ns, 0, NOW, &a);
	ck_assert_int_eq(a.hold, LOG_HOLD_SINK);
	ck_assert_uint_eq(a.pos, 2000 + LOG_BLOCK);
	log_retain_free(&r);

	/* Not configured: it asks for nothing. */
	cfg->sinks = 0;
	cfg->sink[0].from = CONFIG_FROM_OLDEST;
	ck_assert_int_eq(ask(), LOG_HOLD_NONE);
}
END_TEST

START_TEST(behind_begins_above_the_bound_and_ends_at_nine_tenths)
{
	static const struct {
		uint64_t bytes, age, max_bytes, max_age;
		bool was, is;
	} cases[] = {
	    {999, 0, 1000, 0, false, false},
	    {1000, 0, 1000, 0, false, false},
	    {1001, 0, 1000, 0, false, true},
	    {901, 0, 1000, 0, true, true},
	    {900, 0, 1000, 0, true, false},
	    {899, 0, 1000, 0, true, false},
	    {0, 499, 0, 500, false, false},
	    {0, 500, 0, 500, false, false},
	    {0, 501, 0, 500, false, true},
	    {0, 451, 0, 500, true, true},
	    {0, 450, 0, 500, true, false},
	    {9999, 9999, 0, 0, true, false}, /* no bounds */
	    {100, 501, 1000, 500, false, true},
	};
	struct sink_lag lag = {.events = 1};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		lag.bytes = cases[i].bytes;
		ck_assert_msg(sink_lag_is_behind(&lag, cases[i].age, cases[i].max_bytes,
				  cases[i].max_age, cases[i].was) == cases[i].is,
		    "case %zu", i);
	}
	lag.events = 0;
	ck_assert(!sink_lag_is_behind(&lag, 501, 0, 500, false));
}
END_TEST

START_TEST(space_between_two_regions_is_no_lag)
{
	struct sink_lag_stream at = {.end = LOG_BLOCK + 700, .end_seq = 17, .start = LOG_BLOCK,
	    .gap_bytes = LOG_BLOCK - 300, .pos = LOG_BLOCK + 600, .seq = 16};
	struct sink_lag lag = {0};

	sink_lag_add(&lag, &at);
	ck_assert_uint_eq(lag.events, 1);
	ck_assert_uint_eq(lag.bytes, 100);
	/* 50 bytes in the region before, 700 in this one. */
	at.pos = 250;
	at.seq = 9;
	lag = (struct sink_lag){0};
	sink_lag_add(&lag, &at);
	ck_assert_uint_eq(lag.bytes, 750);
	/* More gaps before it than we know where: at least what is in this region. */
	at.gap_bytes = 3 * LOG_BLOCK;
	lag = (struct sink_lag){0};
	sink_lag_add(&lag, &at);
	ck_assert_uint_eq(lag.bytes, 700);
	/* All events finished: what is left are gaps. */
	at.seq = 17;
	lag = (struct sink_lag){0};
	sink_lag_add(&lag, &at);
	ck_assert_uint_eq(lag.bytes, 0);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("sink_lag");
	TCase *tc = tcase_create("sink_lag");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sink_beyond_max_lag_holds_nothing_unless_it_is_required);
	tcase_add_test(tc, new_sink_holds_from_where_it_begins);
	tcase_add_test(tc, behind_begins_above_the_bound_and_ends_at_nine_tenths);
	tcase_add_test(tc, space_between_two_regions_is_no_lag);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
