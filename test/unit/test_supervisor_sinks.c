/* SPDX-License-Identifier: ISC */
/* Places of sinks: found again by name, kept until retired, clean for a new name. */
#include "common/panic.h"
#include "daemon/supervisor_parts.h"
#include "shm/word.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char state[64], dir[96];
static struct supervisor *s;
static struct config *cfg;

static void
setup(void)
{
	struct region_params params = {.generation = 3,
	    .slots = 2,
	    .pages = 4,
	    .ring_capacity = 1 << 16,
	    .dedup_bytes = 1 << 16,
	    .dedup_window_ms = 3600000,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1};
	char text[256], path[96];

	(void)snprintf(state, sizeof state, "/dev/shm/test_sup_sinks.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(state));
	(void)snprintf(dir, sizeof dir, "%s/region", state);
	(void)snprintf(path, sizeof path, "%s/sinks", state);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(region_create(dir, &params, text, sizeof text), REGION_OK);
	s = xcalloc(1, sizeof *s);
	cfg = xcalloc(1, sizeof *cfg);
	(void)snprintf(cfg->global.state_dir, sizeof cfg->global.state_dir, "%s", state);
	s->cfg = cfg;
	s->user = (struct supervisor_user){(uid_t)-1, (gid_t)-1, (gid_t)-1};
	ck_assert_int_eq(region_open(&s->region, dir, true, text, sizeof text), REGION_OK);
}

static const char *
folder(const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof path, "%s/sinks/%s", state, name);
	return path;
}

static void
teardown(void)
{
	for (int i = 0; i < SINK_PART_MAX; i++)
		(void)rmdir(folder(s->region.header->sink_name[i].name));
	region_close(&s->region);
	(void)region_remove(dir);
	(void)rmdir(folder(""));
	(void)rmdir(state);
	free(cfg);
	free(s);
}

/* Names of one letter each. */
static void
configure(const char *letters)
{
	memset(cfg->sink, 0, sizeof cfg->sink);
	for (cfg->sinks = 0; letters[cfg->sinks] != '\0'; cfg->sinks++)
		cfg->sink[cfg->sinks].name[0] = letters[cfg->sinks];
	supervisor_sinks_place(s);
}

START_TEST(sink_finds_its_place_again)
{
	const struct layout_sink *at = s->region.header->sink_name;

	configure("ab");
	ck_assert_int_eq(region_sink_find(&s->region, "a"), 0);
	ck_assert_int_eq(region_sink_find(&s->region, "b"), 1);
	ck_assert_int_eq(access(folder("a"), F_OK), 0);
	word_store(&s->region.sink[1]->ready_generation, 3);
	word_store(&s->region.header->sink[1].last_exit, 11);
	configure("cb");
	ck_assert_int_eq(region_sink_find(&s->region, "b"), 1);
	ck_assert_uint_eq(word_load(&s->region.sink[1]->ready_generation), 3);
	/* Nobody reaped those of another supervisor. */
	ck_assert_uint_eq(word_load(&s->region.header->sink[1].last_exit), 0);
	/* a was not retired: it keeps its place. */
	ck_assert_int_eq(region_sink_find(&s->region, "a"), 0);
	ck_assert_int_eq(region_sink_find(&s->region, "c"), 2);
	ck_assert_uint_eq(word_load(&at[0].is_configured), 0);
	ck_assert_uint_eq(word_load(&at[1].is_configured), 1);
}
END_TEST

START_TEST(retired_place_is_free_and_clean_for_another)
{
	configure("ab");
	word_store(&s->region.sink[0]->ready_generation, 3);
	word_store(&s->region.sink[0]->late_count, 9);
	word_store(&s->region.sink[0]->stream[1].start_seq, 77);
	configure("b");
	supervisor_sinks_tick(s);
	ck_assert_int_eq(region_sink_find(&s->region, "a"), 0);
	ck_assert_int_eq(rmdir(folder("a")), 0);
	supervisor_sinks_tick(s);
	ck_assert_int_eq(region_sink_find(&s->region, "a"), -1);
	/* One that is configured keeps its place, whoever removed the folder. */
	ck_assert_int_eq(rmdir(folder("b")), 0);
	supervisor_sinks_tick(s);
	ck_assert_int_eq(region_sink_find(&s->region, "b"), 1);
	configure("bd");
	ck_assert_int_eq(region_sink_find(&s->region, "d"), 0);
	ck_assert_uint_eq(word_load(&s->region.sink[0]->ready_generation), 0);
	ck_assert_uint_eq(word_load(&s->region.sink[0]->late_count), 0);
	ck_assert_uint_eq(word_load(&s->region.sink[0]->stream[1].start_seq), 0);
	ck_assert_uint_eq(s->region.sink[0]->magic, LAYOUT_MAGIC);
}
END_TEST

START_TEST(as_many_names_as_places_fit)
{
	configure("abcdefghijklmnopqrstuvwxyz01234");
	ck_assert_int_eq(cfg->sinks, CONFIG_SINK_MAX);
	configure("5");
	ck_assert_int_eq(region_sink_find(&s->region, "5"), SINK_PART_MAX - 1);
	configure("5a");
	ck_assert_int_eq(region_sink_find(&s->region, "a"), 0);
}
END_TEST

START_TEST(one_name_more_is_refused)
{
	configure("abcdefghijklmnopqrstuvwxyz01234");
	configure("5");
	(void)atexit(teardown); /* fatal() leaves no time for the fixture's */
	configure("6");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("supervisor_sinks");
	TCase *tc = tcase_create("supervisor_sinks");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, sink_finds_its_place_again);
	tcase_add_test(tc, retired_place_is_free_and_clean_for_another);
	tcase_add_test(tc, as_many_names_as_places_fit);
	tcase_add_exit_test(tc, one_name_more_is_refused, 1);
	suite_add_tcase(suite, tc);
	sr = srunner_create(suite);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
