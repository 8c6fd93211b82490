/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_lock - who owns a thing, as the kernel says
 */
#include "shm/lock.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[] = "/tmp/sluice-lock.XXXXXX";
static char path[64];

static void
setup(void)
{
	memcpy(dir + sizeof dir - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/lock", dir);
}

static void
teardown(void)
{
	(void)unlink(path);
	(void)rmdir(dir);
}

/* A child that holds the lock until it is killed. */
static pid_t
holder(void)
{
	int ready[2], fd;
	char byte;
	pid_t pid;

	ck_assert_int_eq(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (lock_take(path, &fd, NULL) != LOCK_OK)
			_exit(1);
		(void)!write(ready[1], "x", 1);
		for (;;)
			pause();
	}
	close(ready[1]);
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void
end(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(second_taker_is_told_who_holds_it)
{
	pid_t pid = holder(), owner = 0;
	int fd = 7;

	ck_assert_int_eq(lock_take(path, &fd, &owner), LOCK_HELD);
	ck_assert_int_eq(owner, pid);
	ck_assert_int_eq(fd, -1);
	ck_assert_int_eq(lock_owner(path), pid);
	end(pid);
}
END_TEST

START_TEST(death_frees_it)
{
	pid_t pid = holder();
	int fd;

	end(pid);
	ck_assert_int_eq(lock_owner(path), 0);
	ck_assert_int_eq(lock_take(path, &fd, NULL), LOCK_OK);
	ck_assert(lock_is_valid(path, fd));
}
END_TEST

START_TEST(child_does_not_inherit_it)
{
	int fd, status;
	pid_t pid;

	ck_assert_int_eq(lock_take(path, &fd, NULL), LOCK_OK);
	pid = fork();
	if (pid == 0) {
		/* Closing the inherited descriptor must not free the parent's lock. */
		close(fd);
		_exit(lock_owner(path) == getppid() ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	pid = fork();
	if (pid == 0)
		_exit(lock_owner(path) == getppid() ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(replaced_file_is_another_lock)
{
	char other[80];
	int fd;

	ck_assert_int_eq(lock_take(path, &fd, NULL), LOCK_OK);
	(void)snprintf(other, sizeof other, "%s.moved", path);
	ck_assert_int_eq(rename(path, other), 0);
	ck_assert(!lock_is_valid(path, fd));
	ck_assert_int_eq(unlink(other), 0);
}
END_TEST

START_TEST(no_file_has_no_owner)
{
	ck_assert_int_eq(lock_owner(path), 0);
	ck_assert_int_eq(access(path, F_OK), -1);
}
END_TEST

START_TEST(symbolic_link_is_refused)
{
	int fd;

	ck_assert_int_eq(symlink("/tmp/elsewhere", path), 0);
	ck_assert_int_eq(lock_take(path, &fd, NULL), LOCK_ERROR);
	ck_assert_int_eq(lock_owner(path), -1);
}
END_TEST

static bool
gives_up(void *ctx)
{
	unsigned *asked = ctx;

	return ++*asked == 3;
}

START_TEST(waiting_may_be_given_up)
{
	pid_t pid = holder();
	unsigned asked = 0;
	int fd;

	ck_assert_int_eq(lock_wait(path, &fd, gives_up, &asked), LOCK_HELD);
	ck_assert_uint_eq(asked, 3);
	end(pid);
	ck_assert_int_eq(lock_wait(path, &fd, NULL, NULL), LOCK_OK);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lock");
	TCase *tc = tcase_create("lock");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, second_taker_is_told_who_holds_it);
	tcase_add_test(tc, death_frees_it);
	tcase_add_test(tc, child_does_not_inherit_it);
	tcase_add_test(tc, replaced_file_is_another_lock);
	tcase_add_test(tc, no_file_has_no_owner);
	tcase_add_test(tc, symbolic_link_is_refused);
	tcase_add_test(tc, waiting_may_be_given_up);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
