/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_stats_sink - what shared memory says about sinks
 */
#include "test/unit/stats_region.h"
#include "workers/stats_sink.h"

static struct sink_part *part;

/* A sink in place 2 that finished 40 of stream 0's 50 events and all of stream 2's 5. */
static void
setup(void)
{
	struct sink_place at = {.pos = 3000, .seq = 100};
	struct layout_sink *place;

	region_setup();
	place = &region.header->sink_name[2];
	part = region.sink[2];
	(void)snprintf(place->name, sizeof place->name, "api");
	word_store(&place->is_configured, 1);
	word_store(&place->kind, CONFIG_SINK_ROUTE);
	page_of(5, LAYOUT_ROLE_SINK, 2, ~0ull);
	word_store(&region.header->sink[2].assigned, 7);
	word_store(&region.header->sink[2].page, 5);
	for (int i = 0; i < 3; i++) {
		word_store(&part->stream[i].start_seq, 100);
		sink_cursor_init(&part->stream[i].done, &at);
	}
	at = (struct sink_place){.pos = 7000, .seq = 140, .outcome = {30, 1, 5, 2, 2, 0}};
	sink_cursor_store(&part->stream[0].done, &at);
	at = (struct sink_place){.pos = 800, .seq = 105, .outcome = {5}};
	sink_cursor_store(&part->stream[2].done, &at);
	word_store(&part->ready_generation, 3);
}

static void
end(void)
{
	region_teardown();
}

static struct stats_sink
only(void)
{
	struct stats_sink sink;
	int at = 0;

	ck_assert(stats_sink_next(&stats, &at, &sink));
	ck_assert_int_eq(at, 3);
	ck_assert(!stats_sink_next(&stats, &at, &(struct stats_sink){.place = 0}));
	return sink;
}

START_TEST(sink_has_its_name_and_process)
{
	struct stats_sink sink = only();

	ck_assert_str_eq(sink.name, "api");
	ck_assert_str_eq(sink.state, "ready");
	ck_assert(sink.is_alive && sink.is_ready && sink.is_configured && sink.is_known);
	ck_assert_int_eq(sink.breaker, SINK_BREAKER_CLOSED);
	ck_assert(stats_command(&stats, "show stat all api", &out));
	ck_assert_ptr_nonnull(strstr(out.buf, "api.delivered=35\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "api.pending=30\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "api.process.rss_kb=2048\n"));
	/* Not configured any more, and its process gone. */
	word_store(&region.header->sink_name[2].is_configured, 0);
	word_store(&region.page[5]->pid, 0);
	ck_assert_str_eq(only().state, "not configured");
}
END_TEST

START_TEST(every_counter_of_sinks_is_shown)
{
	const struct counter_row *rows;
	size_t n, missing = 0;
	char name[80];
	const char *t = ask("show stat all api");

	rows = counters_table(&n);
	for (size_t i = 0; i < n; i++) {
		(void)snprintf(name, sizeof name, "api.%s=", rows[i].name);
		missing += rows[i].owner == COUNTER_OWNER_SINK && !has_line(t, name);
	}
	ck_assert_uint_eq(missing, 0);
}
END_TEST

START_TEST(ledger_adds_up_or_says_so)
{
	static const struct {
		uint64_t seq;
		uint64_t outcome[SINK_OUTCOMES];
		bool is_balanced;
	} cases[] = {
	    {140, {30, 1, 5, 2, 2, 0}, true},
	    {140, {30, 1, 5, 2, 1, 0}, false}, /* one is missing */
	    {140, {30, 1, 5, 2, 3, 0}, false}, /* one is twice */
	    {150, {40, 1, 5, 2, 2, 0}, true},  /* all of them */
	    {151, {41, 1, 5, 2, 2, 0}, false}, /* more than there are */
	};
	struct sink_place at = {.pos = 7008 + 8 * (uint64_t)_i, .seq = cases[_i].seq};
	struct stats_sink sink;

	memcpy(at.outcome, cases[_i].outcome, sizeof at.outcome);
	sink_cursor_store(&part->stream[0].done, &at);
	sink = only();
	ck_assert_int_eq(sink.is_balanced, cases[_i].is_balanced);
	ck_assert_uint_eq(sink.put, 50 + 20 + 5);
	ck_assert_uint_eq(sink.outcome[SINK_DELIVERED], cases[_i].outcome[0] + 5);
	ck_assert(stats_command(&stats, "show ledger", &out));
	ck_assert_int_eq(strstr(out.buf, "unbalanced") == NULL, cases[_i].is_balanced);
}
END_TEST

START_TEST(sink_of_another_region_is_not_counted)
{
	struct stats_sink sink;

	word_store(&part->ready_generation, 2);
	sink = only();
	ck_assert(!sink.is_known && !sink.lag.is_known);
	ck_assert_uint_eq(sink.put, 0);
	ck_assert(stats_command(&stats, "show sinks json", &out));
	ck_assert_ptr_nonnull(strstr(out.buf, "\"pending\":null"));
	ck_assert_ptr_nonnull(strstr(out.buf, "\"delivered\":null"));
}
END_TEST

START_TEST(open_breaker_degrades_and_stopped_intake_is_not_ready)
{
	struct text_out reasons;

	ck_assert_str_eq(stats_health(&stats), "ok");
	word_store(&part->breaker, SINK_BREAKER_OPEN);
	sink_text_store(&part->reason, "connection \"refused\"");
	ck_assert_str_eq(stats_health(&stats), "degraded");
	text_init(&reasons, 4096);
	ck_assert(stats_is_ready(&stats, &reasons));
	word_store(&region.journal->intake_stop, 3);
	ck_assert(!stats_is_ready(&stats, &reasons));
	ck_assert(!stats_is_well(&stats, &reasons));
	ck_assert_ptr_nonnull(strstr(reasons.buf, "api: breaker open: connection \\\"refused\\\""));
	ck_assert_ptr_nonnull(strstr(reasons.buf, "max-lag"));
	text_free(&reasons);
	ck_assert(stats_command(&stats, "show journal", &out));
	ck_assert_ptr_nonnull(strstr(out.buf, "intake         stopped: sink api"));
}
END_TEST

START_TEST(metrics_have_every_outcome_and_gauge)
{
	word_store(&part->breaker, SINK_BREAKER_HALF_OPEN);
	counters_set(part->counter, counter_id(SINK, batches), 9);
	stats_metrics(&stats, &out);
	ck_assert_ptr_nonnull(
	    strstr(out.buf, "\nsluice_sink_events_total{sink=\"api\",outcome=\"skipped\"} 5\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "\nsluice_sink_pending_events{sink=\"api\"} 30\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "\nsluice_sink_breaker{sink=\"api\"} 2\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "\nsluice_sink_batches_total{sink=\"api\"} 9\n"));
	ck_assert_ptr_nonnull(strstr(out.buf, "\nsluice_sink_ledger_wrong{sink=\"api\"} 0\n"));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stats_sink");
	TCase *tc = tcase_create("stats_sink");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, end);
	tcase_add_test(tc, sink_has_its_name_and_process);
	tcase_add_test(tc, every_counter_of_sinks_is_shown);
	tcase_add_loop_test(tc, ledger_adds_up_or_says_so, 0, 5);
	tcase_add_test(tc, sink_of_another_region_is_not_counted);
	tcase_add_test(tc, open_breaker_degrades_and_stopped_intake_is_not_ready);
	tcase_add_test(tc, metrics_have_every_outcome_and_gauge);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
