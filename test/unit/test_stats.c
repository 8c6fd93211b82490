/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_stats - what is shown of shared memory
 */
#include "common/json.h"
#include "test/unit/stats_region.h"

#include <signal.h>
#include <sys/wait.h>

/* A pid that was a process and is none. */
static pid_t
dead_pid(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	(void)waitpid(pid, NULL, 0);
	return pid;
}

START_TEST(table_has_a_row_each_stream_and_adds_them)
{
	const char *t;

	counters_set(region.slot[0]->counter, counter_id(STREAM, evicted), 4);
	t = ask("show stat");
	CK_LINE(t, "stage stream state conns requests received duplicate invalid retry interrupted "
	    "unknown waiting evicted 4xx");
	CK_LINE(t, "http 0 0 ready 0 0 60 6 3 1 0 0 0 4 0 0 50 4000");
	CK_LINE(t, "http 1 1 ready 0 0 30 6 3 1 0 0 0 0 0 0 20 3200");
	CK_LINE(t, "http 5 2 free 0 0 15 6 3 1 0 0 0 0 0 0 5 0");
	CK_LINE(t, "total - - 0 0 105 18 9 3 0 0 0 4 0 0 75 7200");
	CK_LINE(t, "journal ready 0 0 0");
}
END_TEST

START_TEST(one_stage_can_be_asked_for)
{
	const char *t = ask("show stat http-1");

	CK_LINE(t, "http 1 1 ready");
	ck_assert(!has_line(t, "http 0"));
	ck_assert(!has_line(t, "total"));
	t = ask("show stat journal");
	CK_LINE(t, "journal ready");
	ck_assert(!has_line(t, "http 0"));
	t = ask("show stat all http 0");
	CK_LINE(t, "http 0.received=60");
	CK_LINE(t, "http 0.put=50");
	CK_LINE(t, "http 0.process.rss_kb=2048");
	ck_assert(!has_line(t, "http 1"));
	ck_assert_str_eq(ask("show stat nobody"),
	    "no counters of a stage \"nobody\" (show proc lists the stages)\n");
}
END_TEST

START_TEST(typed_says_nature_and_unit)
{
	const char *t = ask("show stat typed");

	CK_LINE(t, "http 0.received=60 count events");
	CK_LINE(t, "http 0.connections=0 gauge connections");
	CK_LINE(t, "journal.sync_max_ns=0 max nanoseconds");
	CK_LINE(t, "journal.process.started=1699999910000000000 age nanoseconds");
}
END_TEST

START_TEST(every_counter_of_the_table_is_shown)
{
	const struct counter_row *rows;
	size_t n, missing = 0;
	char name[80];
	const char *t = ask("show stat all");

	rows = counters_table(&n);
	for (size_t i = 0; i < n; i++) {
		if (rows[i].owner == COUNTER_OWNER_SINK)
			continue; /* there is none here: see test_stats_sink.c */
		(void)snprintf(name, sizeof name, "%s%s=",
		    rows[i].owner == COUNTER_OWNER_STREAM	? "http 0."
			: rows[i].owner == COUNTER_OWNER_JOURNAL ? "journal."
								 : "admin.process.",
		    rows[i].name);
		missing += !has_line(t, name);
	}
	ck_assert_uint_eq(missing, 0);
}
END_TEST

static struct json_value
member(struct json_value v, const char *name)
{
	struct json_value found;

	ck_assert_msg(json_find(v, bytes_str(name), &found), "no member %s", name);
	return found;
}

START_TEST(json_adds_by_nature)
{
	struct json_parser *parser = json_parser_new(1 << 20, 32);
	static char text[1 << 18];
	struct json_value root, totals;
	size_t len;

	counters_set(region.page[1]->counter, counter_id(PROCESS, rss_max_kb), 500);
	counters_set(region.page[2]->counter, counter_id(PROCESS, rss_max_kb), 900);
	(void)ask("show stat json");
	len = out.len;
	ck_assert_uint_lt(len, sizeof text - JSON_PADDING);
	memcpy(text, out.buf, len);
	ck_assert_int_eq(json_parse(parser, bytes_of(text, len), &root), JSON_OK);
	ck_assert_uint_eq(json_count(member(root, "stages")), 5);
	totals = member(root, "totals");
	ck_assert_int_eq(json_int(member(member(totals, "stream"), "received")), 105);
	ck_assert_int_eq(json_int(member(member(totals, "stream"), "put")), 75);
	ck_assert_int_eq(json_int(member(member(totals, "process"), "rss_kb")), 4 * 2048);
	ck_assert_int_eq(json_int(member(member(totals, "process"), "rss_max_kb")), 900);
	ck_assert_int_eq(json_int(member(root, "uptime")), 90);
	ck_assert(bytes_is(json_string(member(member(root, "ledger"), "balance")),
	    BYTES_LIT("balanced")));
	ck_assert_int_eq(json_int(member(member(root, "ledger"), "put")), 75);
	json_parser_free(parser);
}
END_TEST

/* received is too high by `more`; who owns the stream decides what that means. */
START_TEST(ledger_knows_hand_from_hole)
{
	static const struct {
		int more;
		bool is_owned, is_dead;
		enum stats_balance balance;
	} cases[] = {
		{ 0, true, false, STATS_BALANCED },
		{ 4, true, false, STATS_IN_HAND },
		{ -1, true, false, STATS_UNBALANCED },
		{ 4, false, false, STATS_UNBALANCED },
		{ 4, true, true, STATS_UNBALANCED },
	};
	struct slot_page *p = region.slot[0];
	struct stats_ledger l;

	counters_set(p->counter, counter_id(STREAM, received), (uint64_t)(60 + cases[_i].more));
	word_store(&p->active, cases[_i].is_owned ? 7 : 0);
	if (cases[_i].is_dead)
		word_store(&p->pid, (uint64_t)dead_pid());
	stats_ledger_read(&region, 0, &l);
	ck_assert_int_eq(l.undecided, cases[_i].more);
	ck_assert_int_eq(l.balance, cases[_i].balance);
	CK_LINE(ask("show ledger"), cases[_i].balance == STATS_BALANCED
		? "total - 105 75 18 9 3 0 0 balanced"
		: "total -");
	ck_assert_ptr_nonnull(strstr(out.buf, stats_balance_name(cases[_i].balance)));
}
END_TEST

START_TEST(unused_slot_is_in_nobody_s_way)
{
	const char *t = ask("show rings");

	CK_LINE(t, "0 http 0");
	CK_LINE(t, "2 http 5 free 800 800 0 0% 105 5");
	ck_assert(!has_line(t, "3 "));
	CK_LINE(t, "1 slots of 64k were never used");
}
END_TEST

START_TEST(gap_counts_neither_as_unread_nor_as_fill)
{
	CK_LINE(ask("show rings"), "1 http 1");
	ck_assert_uint_eq(stats_unread(&region, 1), 3200);
	ck_assert_uint_eq(stats_unread(&region, 3), 0);
	cursor_store(&region.journal->stream[1].durable, (1ull << 40) + 3200, 120);
	ck_assert_uint_eq(stats_unread(&region, 1), 0);
}
END_TEST

START_TEST(processes_are_shown_as_they_are)
{
	const char *t;
	char line[120];

	word_store(&region.page[1]->pid, (uint64_t)dead_pid());
	word_store(&region.header->page[1].restarts, 2);
	word_store(&region.header->page[1].last_exit, 9);
	page_blocked(region.page[3], "fdatasync", MONO_NS - 3 * CLOCK_NS_PER_S);
	word_store(&region.header->page[2].last_exit, 9);
	word_store(&region.page[4]->state, LAYOUT_STATE_STARTING);
	t = ask("show proc");
	(void)snprintf(line, sizeof line, "http 0 %d dead - 2 - 0.00 2m signal 9 (KILL) -",
	    (int)word_load(&region.page[1]->pid));
	CK_LINE(t, line);
	/* What exit it was in an earlier life of the daemon is no news. */
	(void)snprintf(line, sizeof line, "http 1 %d ready 1m30s 0 - 0.00 2m - -", (int)getpid());
	CK_LINE(t, line);
	(void)snprintf(line, sizeof line, "journal %d blocked", (int)getpid());
	CK_LINE(t, line);
	ck_assert_ptr_nonnull(strstr(t, "fdatasync for 3.0s"));
	(void)snprintf(line, sizeof line, "admin %d starting", (int)getpid());
	CK_LINE(t, line);
	(void)snprintf(line, sizeof line, "supervisor %d running", (int)getpid());
	CK_LINE(t, line);
}
END_TEST

/* A child in a state of our choice: 'T' stopped, 'Z' dead and not reaped. */
static pid_t
child_in(char life)
{
	siginfo_t info;
	pid_t pid = fork();

	if (pid == 0) {
		if (life == 'T')
			(void)raise(SIGSTOP);
		_exit(0);
	}
	ck_assert_int_eq(waitid(P_PID, (id_t)pid, &info,
			     (life == 'T' ? WSTOPPED : WEXITED) | WNOWAIT),
	    0);
	return pid;
}

START_TEST(process_is_what_the_kernel_says)
{
	static const struct {
		char life;
		bool is_alive;
		const char *state;
	} cases[] = { { 'T', true, "stopped" }, { 'Z', false, "dead" } };
	struct stats_iter it = { 0 };
	struct stats_stage stage;
	pid_t pid = child_in(cases[_i].life);

	ck_assert_int_eq(stats_pid_life(pid), cases[_i].life);
	ck_assert_int_eq(stats_pid_is_alive(pid), cases[_i].is_alive);
	word_store(&region.page[1]->pid, (uint64_t)pid);
	ck_assert(stats_next(&stats, &it, &stage));
	ck_assert_str_eq(stage.state, cases[_i].state);
	ck_assert(!stage.is_ready);
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
	ck_assert_int_eq(stats_pid_life(pid), 0);
	ck_assert(!stats_pid_is_alive(0));
}
END_TEST

START_TEST(stopped_daemon_is_stopped_not_dead)
{
	uint64_t pid = (uint64_t)dead_pid();
	const char *t;

	word_store(&region.header->phase, LAYOUT_PHASE_STOPPED);
	word_store(&region.header->supervisor_pid, pid);
	for (uint32_t i = 1; i <= 4; i++)
		word_store(&region.page[i]->pid, pid);
	word_store(&region.journal->pid, pid);
	t = ask("show proc");
	ck_assert_ptr_null(strstr(t, "dead"));
	ck_assert_ptr_nonnull(strstr(t, "done"));
	ck_assert_ptr_nonnull(strstr(t, "exit 0"));
	ck_assert_ptr_nonnull(strstr(t, "stopped"));
	ck_assert_ptr_nonnull(strstr(ask("show info"), " (stopped)"));
	ck_assert_ptr_nonnull(strstr(ask("show journal"), " (stopped)"));
}
END_TEST

START_TEST(numbers_of_a_predecessor_are_not_shown)
{
	char line[120];

	counters_set(region.page[1]->counter, counter_id(PROCESS, cpu_user_us), 5000000);
	word_store(&region.header->page[1].assigned, 8);
	(void)snprintf(line, sizeof line, "http 0 %d ready 1m30s 0 - - - - -", (int)getpid());
	CK_LINE(ask("show proc"), line);
	word_store(&region.page[1]->active, 8);
	(void)snprintf(line, sizeof line, "http 0 %d ready 1m30s 0 - 5.00 2m - -", (int)getpid());
	CK_LINE(ask("show proc"), line);
	/* It has begun, and has not looked at itself yet. */
	counters_set(region.page[1]->counter, counter_id(PROCESS, rss_kb), 0);
	(void)snprintf(line, sizeof line, "http 0 %d ready 1m30s 0 - - - - -", (int)getpid());
	CK_LINE(ask("show proc"), line);
}
END_TEST

START_TEST(beat_that_was_not_seen_has_no_age)
{
	char line[120];

	stats_tick(&stats, WALL_NS, MONO_NS);
	page_beat(region.page[2]);
	stats_tick(&stats, WALL_NS, MONO_NS);
	(void)snprintf(line, sizeof line, "http 0 %d ready 1m30s 0 -", (int)getpid());
	CK_LINE(ask("show proc"), line);
	(void)snprintf(line, sizeof line, "http 1 %d ready 1m30s 0 0", (int)getpid());
	CK_LINE(ask("show proc"), line);
	ck_assert_ptr_nonnull(strstr(ask("show stat json http 0"), "\"beatAge\":null"));
	ck_assert_ptr_nonnull(strstr(ask("show stat json http 1"), "\"beatAge\":0"));
}
END_TEST

/* A blocked journal is at work until the hang-time is over. */
START_TEST(journal_blocked_in_the_kernel_is_no_longer_ready)
{
	static const struct {
		uint64_t for_ns;
		const char *reasons, *health, *trouble;
	} cases[] = {
		{ 500 * CLOCK_NS_PER_MS, "", "ok", "trouble none" },
		{ 10 * CLOCK_NS_PER_S, "", "ok", "trouble blocked in fdatasync for 10.0s, since "
		  "2023-11-14T22:13:10.000Z: no durable answers" },
		{ 12 * CLOCK_NS_PER_S, "\"journal: blocked in fdatasync for 12 s\"", "degraded",
		  "trouble blocked in fdatasync for 12.0s, since 2023-11-14T22:13:08.000Z" },
	};
	struct text_out reasons;

	page_blocked(region.page[3], "fdatasync", MONO_NS - cases[_i].for_ns);
	text_init(&reasons, 4096);
	ck_assert_int_eq(stats_is_ready(&stats, &reasons), cases[_i].reasons[0] == '\0');
	ck_assert_str_eq(reasons.buf == NULL ? "" : reasons.buf, cases[_i].reasons);
	ck_assert_str_eq(stats_health(&stats), cases[_i].health);
	CK_LINE(ask("show journal"), cases[_i].trouble);
	text_free(&reasons);
}
END_TEST

/* One line that is an object, whose NAME has `n` elements. */
static struct json_value
json_of(struct json_parser *parser, const char *command, const char *name, size_t n)
{
	static char text[1 << 16];
	struct json_value root, list;
	size_t len = strlen(ask(command));

	ck_assert_uint_lt(len, sizeof text - JSON_PADDING);
	memcpy(text, out.buf, len);
	ck_assert_int_eq(text[len - 1], '\n');
	ck_assert_int_eq(json_parse(parser, bytes_of(text, len), &root), JSON_OK);
	list = member(root, name);
	ck_assert_uint_eq(json_count(list), n);
	return root;
}

START_TEST(tables_are_json_too)
{
	struct json_parser *parser = json_parser_new(1 << 20, 32);
	bool is_new;

	(void)json_of(parser, "show proc json", "processes", 5);
	ck_assert_ptr_nonnull(strstr(out.buf, "\"state\":\"ready\",\"uptime\":90,\"restarts\":0,"
					      "\"beat_age\":null,\"cpu_s\":0.00,\"rss\":2097152,"
					      "\"last_exit\":null,\"blocked\":null}"));
	(void)json_of(parser, "show rings json", "rings", 3);
	ck_assert_ptr_nonnull(strstr(out.buf, "{\"slot\":2,\"last_owner\":\"http 5\",\"pid\":null,"
					      "\"tail\":800,\"durable\":800,\"unread\":0,\"fill\":0,"));
	(void)json_of(parser, "show errors json", "errors", 0);
	(void)page_error(region.page[3], "cannot \"write\"", WALL_NS, &is_new);
	(void)page_error(region.page[4], "other", WALL_NS, &is_new);
	(void)json_of(parser, "show errors json", "errors", 2);
	(void)json_of(parser, "show errors json journal", "errors", 1);
	ck_assert_str_eq(out.buf, "{\"errors\":[{\"stage\":\"journal\",\"text\":\"cannot \\\"write\\\"\","
				  "\"count\":1,\"first\":\"2023-11-14T22:13:20.000Z\","
				  "\"last\":\"2023-11-14T22:13:20.000Z\"}]}\n");
	ck_assert_str_eq(ask("show rings 1"), "show rings takes json or nothing\n");
	json_parser_free(parser);
}
END_TEST

START_TEST(heart_that_stands_still_is_hung_after_hang_time)
{
	for (int i = 0; i < 99; i++) {
		page_beat(region.page[2]);
		stats_tick(&stats, WALL_NS, MONO_NS);
	}
	ck_assert(!has_line(ask("show stat http-0"), "http 0 0 hung"));
	page_beat(region.page[2]);
	stats_tick(&stats, WALL_NS, MONO_NS);
	CK_LINE(ask("show stat"), "http 0 0 hung");
	CK_LINE(ask("show stat"), "http 1 1 ready");
	page_beat(region.page[1]);
	stats_tick(&stats, WALL_NS, MONO_NS);
	CK_LINE(ask("show stat"), "http 0 0 ready");
}
END_TEST

START_TEST(journal_is_shown_with_its_trouble)
{
	const char *t;

	word_store(&region.journal->log_end, layout_log_end(5, 4096));
	word_store(&region.journal->commit, 77);
	counters_set(region.journal->counter, counter_id(JOURNAL, commits), 10);
	counters_set(region.journal->counter, counter_id(JOURNAL, sync_ns), 2000000);
	t = ask("show journal");
	CK_LINE(t, "segment 00000005");
	CK_LINE(t, "offset 4096");
	CK_LINE(t, "commit 77");
	CK_LINE(t, "fsync mean 200us max 0ns");
	CK_LINE(t, "trouble none");
	word_store(&region.journal->trouble, LAYOUT_TROUBLE_FULL);
	word_store(&region.journal->trouble_errno, 28);
	CK_LINE(ask("show journal"), "trouble disk_full: No space left on device");
}
END_TEST

START_TEST(errors_and_last_words_are_one_line_each)
{
	bool is_new;

	ck_assert_str_eq(ask("show errors"), "no errors\n");
	ck_assert_str_eq(ask("show panic"), "no last words\n");
	(void)page_error(region.page[3], "cannot write: No space\n\nleft", WALL_NS, &is_new);
	(void)page_error(region.page[3], "cannot write: No space\n\nleft", WALL_NS, &is_new);
	(void)snprintf(region.page[3]->last_words, LAYOUT_LAST_WORDS, "assertion\n\nfailed\n");
	CK_LINE(ask("show errors"), "journal: cannot write: No space left: count=2 first=2023-11-14T22");
	CK_LINE(ask("show panic"), "journal: exit 0: assertion failed");
	ck_assert_str_eq(ask("show errors http 0"), "no errors\n");
}
END_TEST

START_TEST(readiness_names_each_reason)
{
	static const struct {
		enum { PHASE, TROUBLE, STATE, PID, LEAVING } what;
		uint64_t value;
		const char *reasons, *health;
	} cases[] = {
		{ PHASE, LAYOUT_PHASE_RUNNING, "", "ok" },
		{ PHASE, LAYOUT_PHASE_STARTING, "\"daemon: starting\"", "starting" },
		{ PHASE, LAYOUT_PHASE_DRAINING, "\"daemon: draining\"", "draining" },
		{ TROUBLE, LAYOUT_TROUBLE_SYNC, "\"journal: sync_failed\"", "degraded" },
		{ STATE, LAYOUT_STATE_STARTING, "\"http 0: starting\"", "degraded" },
		{ STATE, LAYOUT_STATE_DRAINING, "", "ok" },
		{ PID, 0, "\"http 0: dead\"", "degraded" },
	};
	struct text_out reasons;

	if (cases[_i].what == PHASE)
		word_store(&region.header->phase, cases[_i].value);
	else if (cases[_i].what == TROUBLE)
		word_store(&region.journal->trouble, cases[_i].value);
	else if (cases[_i].what == STATE)
		word_store(&region.page[1]->state, cases[_i].value);
	else
		word_store(&region.page[1]->pid, (uint64_t)dead_pid());
	text_init(&reasons, 4096);
	ck_assert_int_eq(stats_is_ready(&stats, &reasons), cases[_i].reasons[0] == '\0');
	ck_assert_str_eq(reasons.buf == NULL ? "" : reasons.buf, cases[_i].reasons);
	ck_assert_str_eq(stats_health(&stats), cases[_i].health);
	text_free(&reasons);
}
END_TEST

START_TEST(commands_are_words)
{
	static const char *const unknown[] = { "", "show", "show stats", "shows stat", "show  ",
		"showstat", "reload" };

	text_free(&out);
	for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
		ck_assert_msg(!stats_command(&stats, unknown[i], &out), "%s", unknown[i]);
	(void)ask("show \t stat   http 0");
	CK_LINE(out.buf, "http 0 0");
	ck_assert_str_eq(ask("show proc 1"), "show proc takes json or nothing\n");
	CK_LINE(ask("help"), "show stat [all|typed|json] [STAGE]");
	CK_LINE(ask("show info"), "phase running");
}
END_TEST

START_TEST(ages_are_short)
{
	static const struct {
		uint64_t ms;
		const char *text;
	} cases[] = { { 0, "0ms" }, { 999, "999ms" }, { 1000, "1.0s" }, { 59999, "59.9s" },
		{ 60000, "1m00s" }, { 3599999, "59m59s" }, { 3600000, "1h00m" },
		{ 86399999, "23h59m" }, { 86400000, "1d00h" } };
	char buf[STATS_TIME_SIZE];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_str_eq(stats_age(cases[i].ms * CLOCK_NS_PER_MS, buf), cases[i].text);
	ck_assert_str_eq(stats_time(WALL_NS, buf), "2023-11-14T22:13:20.000Z");
	ck_assert_str_eq(stats_time(0, buf), "-");
	ck_assert_str_eq(stats_exit(1 << 8, buf), "exit 1");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("stats");
	TCase *tc = tcase_create("stats");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, region_setup, region_teardown);
	tcase_add_test(tc, table_has_a_row_each_stream_and_adds_them);
	tcase_add_test(tc, one_stage_can_be_asked_for);
	tcase_add_test(tc, typed_says_nature_and_unit);
	tcase_add_test(tc, every_counter_of_the_table_is_shown);
	tcase_add_test(tc, json_adds_by_nature);
	tcase_add_loop_test(tc, ledger_knows_hand_from_hole, 0, 5);
	tcase_add_test(tc, unused_slot_is_in_nobody_s_way);
	tcase_add_test(tc, gap_counts_neither_as_unread_nor_as_fill);
	tcase_add_test(tc, processes_are_shown_as_they_are);
	tcase_add_loop_test(tc, process_is_what_the_kernel_says, 0, 2);
	tcase_add_test(tc, stopped_daemon_is_stopped_not_dead);
	tcase_add_test(tc, numbers_of_a_predecessor_are_not_shown);
	tcase_add_test(tc, beat_that_was_not_seen_has_no_age);
	tcase_add_loop_test(tc, journal_blocked_in_the_kernel_is_no_longer_ready, 0, 3);
	tcase_add_test(tc, tables_are_json_too);
	tcase_add_test(tc, heart_that_stands_still_is_hung_after_hang_time);
	tcase_add_test(tc, journal_is_shown_with_its_trouble);
	tcase_add_test(tc, errors_and_last_words_are_one_line_each);
	tcase_add_loop_test(tc, readiness_names_each_reason, 0, 7);
	tcase_add_test(tc, commands_are_words);
	tcase_add_test(tc, ages_are_short);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
