/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_systemd - what is sent to the service manager, to a stand-in for it
 */
#include "daemon/systemd.h"

#include <check.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[64];
static int manager;
static struct systemd sd;

/* A datagram socket under that name: a path, or abstract with '@'. */
static int
listen_on(const char *name)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	memcpy(sun.sun_path, name, len);
	if (name[0] == '@')
		sun.sun_path[0] = '\0';
	else
		(void)unlink(name);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&sun,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
	    0);
	ck_assert_int_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static const char *
received(void)
{
	static char buf[600];
	ssize_t n = recv(manager, buf, sizeof buf - 1, 0);

	buf[n < 0 ? 0 : n] = '\0';
	return buf;
}

static void
setup(void)
{
	(void)snprintf(path, sizeof path, "/tmp/sluice-notify.%d", (int)getpid());
	manager = listen_on(path);
}

static void
teardown(void)
{
	systemd_close(&sd);
	close(manager);
	(void)unlink(path);
}

START_TEST(lines_arrive_by_path)
{
	systemd_open(&sd, 1);
	systemd_send(&sd, "READY=1\nMAINPID=%d\n", 42);
	ck_assert_str_eq(received(), "READY=1\nMAINPID=42\n");
}
END_TEST

START_TEST(lines_arrive_by_abstract_name)
{
	char name[64];

	close(manager);
	(void)snprintf(name, sizeof name, "@sluice-notify.%d", (int)getpid());
	manager = listen_on(name);
	systemd_open(&sd, 1);
	systemd_send(&sd, "STOPPING=1\n");
	ck_assert_str_eq(received(), "STOPPING=1\n");
}
END_TEST

START_TEST(variables_are_taken_away)
{
	(void)setenv("WATCHDOG_USEC", "1000", 1);
	(void)setenv("WATCHDOG_PID", "1", 1);
	systemd_open(&sd, 1);
	ck_assert_ptr_null(getenv("NOTIFY_SOCKET"));
	ck_assert_ptr_null(getenv("WATCHDOG_USEC"));
	ck_assert_ptr_null(getenv("WATCHDOG_PID"));
}
END_TEST

START_TEST(status_is_sent_when_it_changes)
{
	systemd_open(&sd, 1);
	systemd_status(&sd, "%d of 4", 3);
	ck_assert_str_eq(received(), "STATUS=3 of 4\n");
	systemd_status(&sd, "%d of 4", 3);
	ck_assert_str_eq(received(), "");
	systemd_status(&sd, "%d of 4", 4);
	ck_assert_str_eq(received(), "STATUS=4 of 4\n");
}
END_TEST

START_TEST(watchdog_is_fed_at_half_its_time)
{
	(void)setenv("WATCHDOG_USEC", "2000000", 1);
	systemd_open(&sd, 1);
	systemd_feed(&sd, 5000000000u);
	ck_assert_str_eq(received(), "WATCHDOG=1\n");
	systemd_feed(&sd, 5999999999u);
	ck_assert_str_eq(received(), "");
	ck_assert_uint_eq(systemd_due_ns(&sd, 5999999999u), 1);
	systemd_feed(&sd, 6000000000u);
	ck_assert_str_eq(received(), "WATCHDOG=1\n");
}
END_TEST

START_TEST(watchdog_of_another_process_is_not_ours)
{
	(void)setenv("WATCHDOG_USEC", "2000000", 1);
	(void)setenv("WATCHDOG_PID", "2", 1);
	systemd_open(&sd, 1);
	systemd_feed(&sd, 5000000000u);
	ck_assert_str_eq(received(), "");
	ck_assert_uint_eq(systemd_due_ns(&sd, 5000000000u), UINT64_MAX);
}
END_TEST

static const char *const no_names[] = { "", "relative", "/", "@" };

START_TEST(what_is_no_name_is_not_used)
{
	(void)setenv("NOTIFY_SOCKET", no_names[_i], 1);
	systemd_open(&sd, 1);
	ck_assert_int_eq(sd.fd, -1);
	systemd_send(&sd, "READY=1\n");
	systemd_status(&sd, "nobody hears");
	systemd_feed(&sd, 1);
	ck_assert_str_eq(received(), "");
}
END_TEST

START_TEST(longest_name_fits_and_one_more_does_not)
{
	char name[sizeof sd.to.sun_path + 2];

	memset(name, 'a', sizeof name);
	name[0] = '/';
	name[sizeof sd.to.sun_path - 1] = '\0';
	(void)setenv("NOTIFY_SOCKET", name, 1);
	systemd_open(&sd, 1);
	ck_assert_int_ne(sd.fd, -1);
	systemd_close(&sd);
	name[sizeof sd.to.sun_path - 1] = 'a';
	name[sizeof sd.to.sun_path] = '\0';
	(void)setenv("NOTIFY_SOCKET", name, 1);
	systemd_open(&sd, 1);
	ck_assert_int_eq(sd.fd, -1);
}
END_TEST

START_TEST(manager_that_does_not_read_costs_no_wait)
{
	systemd_open(&sd, 1);
	for (int i = 0; i < 10000; i++)
		systemd_send(&sd, "WATCHDOG=1\n");
	ck_assert_str_eq(received(), "WATCHDOG=1\n");
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("systemd");
	TCase *tc = tcase_create("systemd");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, lines_arrive_by_path);
	tcase_add_test(tc, lines_arrive_by_abstract_name);
	tcase_add_test(tc, variables_are_taken_away);
	tcase_add_test(tc, status_is_sent_when_it_changes);
	tcase_add_test(tc, watchdog_is_fed_at_half_its_time);
	tcase_add_test(tc, watchdog_of_another_process_is_not_ours);
	tcase_add_loop_test(tc, what_is_no_name_is_not_used, 0, 4);
	tcase_add_test(tc, longest_name_fits_and_one_more_does_not);
	tcase_add_test(tc, manager_that_does_not_read_costs_no_wait);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
