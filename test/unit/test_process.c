/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_process - back-off, heartbeats, exits, and the table of roles
 */
#include "daemon/process.h"
#include "daemon/roles.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define HANG 4

static struct process p;

static void
setup(void)
{
	process_init(&p, LAYOUT_ROLE_HTTP, 3, 0);
}

START_TEST(names_carry_numbers_where_there_are_many)
{
	static const struct {
		enum layout_role role;
		const char *name;
	} names[] = { { LAYOUT_ROLE_HTTP, "http 3" }, { LAYOUT_ROLE_HEIR, "heir 3" },
		{ LAYOUT_ROLE_JOURNAL, "journal" }, { LAYOUT_ROLE_ADMIN, "admin" },
		{ LAYOUT_ROLE_SINK, "sink 3" }, { LAYOUT_ROLE_DEADLETTER, "deadletter" } };
	char name[WORKER_NAME_SIZE];

	worker_name(names[_i].role, 3, name);
	ck_assert_str_eq(name, names[_i].name);
}
END_TEST

START_TEST(death_before_ready_doubles_the_wait_to_a_minute)
{
	static const uint64_t wait[] = { 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000 };

	for (size_t i = 0; i < sizeof wait / sizeof wait[0]; i++) {
		process_forked(&p, 100, 0);
		ck_assert_uint_eq(process_ended(&p, false), wait[i]);
		ck_assert_int_eq(p.state, PROCESS_WAITING);
	}
	process_forked(&p, 100, 0);
	p.is_ready = true;
	ck_assert_uint_eq(process_ended(&p, false), 0);
	process_forked(&p, 100, 0);
	ck_assert_uint_eq(process_ended(&p, false), 1000);
}
END_TEST

START_TEST(death_after_ready_or_by_will_is_followed_at_once)
{
	process_forked(&p, 100, 0);
	p.is_ready = true;
	ck_assert_uint_eq(process_ended(&p, false), 0);
	process_forked(&p, 101, 0);
	ck_assert_uint_eq(process_ended(&p, true), 0);
	ck_assert_uint_eq(p.forks, 2);
}
END_TEST

START_TEST(standing_heartbeat_is_late_at_the_limit_and_not_before)
{
	process_forked(&p, 100, 7);
	p.is_ready = true;
	for (int i = 1; i < HANG; i++)
		ck_assert_int_eq(process_beat(&p, 7, HANG), PROCESS_WELL);
	ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_WELL);
	for (int i = 1; i < HANG; i++)
		ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_WELL);
	ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_LATE);
	ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_LATE);
	process_aborted(&p, "hang");
	ck_assert_str_eq(p.killed_for, "hang");
	for (int i = 1; i < PROCESS_ABORT_TICKS; i++)
		ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_WELL);
	ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_STUCK);
	/* Said once. */
	ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_WELL);
}
END_TEST

START_TEST(kernel_decides_before_the_page_who_is_blocked)
{
	static const struct {
		bool is_marked;
		char letter;
		enum process_health is;
	} cases[] = {
		{ false, 'D', PROCESS_BLOCKED }, { true, 'D', PROCESS_BLOCKED },
		{ false, 'T', PROCESS_STOPPED }, { true, 'T', PROCESS_STOPPED },
		{ false, 't', PROCESS_STOPPED }, { true, 't', PROCESS_STOPPED },
		{ false, 'S', PROCESS_HUNG }, { true, 'S', PROCESS_BLOCKED },
		{ false, 'R', PROCESS_HUNG }, { true, 'R', PROCESS_BLOCKED },
		{ false, 0, PROCESS_HUNG }, { true, 0, PROCESS_BLOCKED },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		ck_assert_msg(process_judge(cases[i].is_marked, cases[i].letter) == cases[i].is,
		    "case %zu", i);
}
END_TEST

START_TEST(state_letter_is_found_behind_any_name)
{
	ck_assert_int_eq(process_state_letter("12 (journal) D 1 2"), 'D');
	ck_assert_int_eq(process_state_letter("12 (http 0) S 1"), 'S');
	ck_assert_int_eq(process_state_letter("12 (a) R (b)) T 1"), 'T');
	ck_assert_int_eq(process_state_letter("12 (cut"), 0);
	ck_assert_int_eq(process_state_letter("12 (cut)"), 0);
	ck_assert_int_eq(process_state_letter("12 (cut) "), 0);
	ck_assert_int_eq(process_state_letter(""), 0);
}
END_TEST

START_TEST(blocked_is_said_once_a_minute_and_its_end_once)
{
	unsigned said = 0;

	process_forked(&p, 100, 7);
	p.is_ready = true;
	for (int i = 1; i < HANG; i++)
		ck_assert_int_eq(process_beat(&p, 7, HANG), PROCESS_WELL);
	for (int i = 0; i < 2 * PROCESS_SAY_TICKS; i++) {
		ck_assert_int_eq(process_beat(&p, 7, HANG), PROCESS_LATE);
		said += process_say_blocked(&p);
		ck_assert_uint_eq(said, i < PROCESS_SAY_TICKS ? 1 : 2);
	}
	ck_assert_int_eq(process_beat(&p, 8, HANG), PROCESS_BACK);
	ck_assert_uint_eq(p.stale_ticks, 0);
	ck_assert_uint_eq(p.blocked_ticks, HANG - 1 + 2 * PROCESS_SAY_TICKS);
	ck_assert_int_eq(process_beat(&p, 9, HANG), PROCESS_WELL);
	/* The next time it is said anew. */
	for (int i = 1; i < HANG; i++)
		(void)process_beat(&p, 9, HANG);
	ck_assert_int_eq(process_beat(&p, 9, HANG), PROCESS_LATE);
	ck_assert(process_say_blocked(&p));
}
END_TEST

START_TEST(stage_that_starts_has_more_time)
{
	process_forked(&p, 100, 7);
	for (int i = 0; i < HANG * 11; i++)
		ck_assert_int_eq(process_beat(&p, 7, HANG), PROCESS_WELL);
	p.is_ready = true;
	ck_assert_int_eq(process_beat(&p, 7, HANG), PROCESS_LATE);
}
END_TEST

START_TEST(successor_is_not_blamed_for_its_predecessor)
{
	process_forked(&p, 100, 7);
	p.is_ready = true;
	for (int i = 0; i < HANG; i++)
		(void)process_beat(&p, 7, HANG);
	process_aborted(&p, "hang");
	(void)process_ended(&p, false);
	process_forked(&p, 101, 7);
	p.is_ready = true;
	ck_assert_int_eq(process_beat(&p, 7, HANG), PROCESS_WELL);
}
END_TEST

START_TEST(exits_read_well)
{
	char buf[PROCESS_EXIT_SIZE];

	ck_assert_str_eq(process_exit_text(0, buf), "exit=0");
	ck_assert_str_eq(process_exit_text(78 << 8, buf), "exit=78");
	ck_assert_str_eq(process_exit_text(SIGKILL, buf), "signal=SIGKILL");
	ck_assert_str_eq(process_exit_text(SIGSEGV | 0x80, buf), "signal=SIGSEGV core=yes");
	ck_assert_str_eq(process_exit_text(64, buf), "signal=?");
}
END_TEST

START_TEST(every_role_has_a_row_and_asks_for_no_more_than_it)
{
	const enum layout_role role = (enum layout_role)_i;
	const struct worker_job job = { .role = role, .page = 5, .slot = 2 };
	struct region_rights rights = REGION_RIGHTS_NONE;
	const struct role *r = roles_find(role);

	if (role == LAYOUT_ROLE_NONE || role == LAYOUT_ROLE_SUPERVISOR) {
		ck_assert_ptr_null(r);
		return;
	}
	ck_assert_ptr_nonnull(r);
	if (r->ops != NULL && r->ops->rights != NULL)
		r->ops->rights(&job, &rights);
	ck_assert(roles_may(r, &job, &rights));
}
END_TEST

START_TEST(foreign_parts_are_refused)
{
	const struct worker_job job = { .role = LAYOUT_ROLE_HTTP, .page = 5, .slot = 2 };
	const struct role *http = roles_find(LAYOUT_ROLE_HTTP);
	const struct role *admin = roles_find(LAYOUT_ROLE_ADMIN);
	struct region_rights r = { .slot = 2, .page = 5, .sink = -1, .dedup = true };

	ck_assert(roles_may(http, &job, &r));
	ck_assert(!roles_may(admin, &job, &r));
	r.slot = 1;
	ck_assert(!roles_may(http, &job, &r));
	r.slot = 2;
	r.page = 4;
	ck_assert(!roles_may(http, &job, &r));
	r.page = 5;
	r.journal = true;
	ck_assert(!roles_may(http, &job, &r));
	r.journal = false;
	r.header = true;
	ck_assert(!roles_may(http, &job, &r));
	r.header = false;
	r.sink = 0;
	ck_assert(!roles_may(http, &job, &r));
}
END_TEST

START_TEST(sink_gets_its_own_part_and_no_other)
{
	const struct worker_job job = { .role = LAYOUT_ROLE_SINK, .number = 4, .page = 5, .slot = -1 };
	const struct role *sink = roles_find(LAYOUT_ROLE_SINK);
	struct region_rights r = { .slot = -1, .page = 5, .sink = 4 };

	ck_assert(roles_may(sink, &job, &r));
	ck_assert(!roles_may(roles_find(LAYOUT_ROLE_DEADLETTER), &job, &r));
	r.sink = 3;
	ck_assert(!roles_may(sink, &job, &r));
	r.sink = 4;
	r.slot = 0;
	ck_assert(!roles_may(sink, &job, &r));
	r.slot = -1;
	r.journal = true;
	ck_assert(!roles_may(sink, &job, &r));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("process");
	TCase *tc = tcase_create("process");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, names_carry_numbers_where_there_are_many, 0, 6);
	tcase_add_test(tc, death_before_ready_doubles_the_wait_to_a_minute);
	tcase_add_test(tc, death_after_ready_or_by_will_is_followed_at_once);
	tcase_add_test(tc, standing_heartbeat_is_late_at_the_limit_and_not_before);
	tcase_add_test(tc, kernel_decides_before_the_page_who_is_blocked);
	tcase_add_test(tc, state_letter_is_found_behind_any_name);
	tcase_add_test(tc, blocked_is_said_once_a_minute_and_its_end_once);
	tcase_add_test(tc, stage_that_starts_has_more_time);
	tcase_add_test(tc, successor_is_not_blamed_for_its_predecessor);
	tcase_add_test(tc, exits_read_well);
	tcase_add_loop_test(tc, every_role_has_a_row_and_asks_for_no_more_than_it, 0,
	    LAYOUT_ROLE_DEADLETTER + 1);
	tcase_add_test(tc, foreign_parts_are_refused);
	tcase_add_test(tc, sink_gets_its_own_part_and_no_other);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
