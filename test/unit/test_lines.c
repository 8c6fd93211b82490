/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_lines - one line in, text out, an empty line ends
 */
#include "workers/lines.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NS_PER_S 1000000000ull

static char dir[64], path[96];
static struct event_base *base;
static struct lines *lines;
static size_t big_len;

static bool
command(void *ctx, const char *line, struct text_out *out)
{
	(void)ctx;
	if (strcmp(line, "hello") == 0)
		text_add(out, "hello back\n");
	else if (strcmp(line, "open end") == 0)
		text_add(out, "no newline");
	else if (strcmp(line, "nothing") == 0)
		;
	else if (strcmp(line, "big") == 0)
		for (size_t i = 0; i < big_len; i += 64)
			text_add(out, "%063d\n", 7);
	else
		return false;
	return true;
}

static void
setup(void)
{
	int fd;

	(void)snprintf(dir, sizeof dir, "/tmp/test_lines.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof path, "%s/s.sock", dir);
	fd = lines_bind(path, 0600);
	ck_assert_int_ne(fd, -1);
	base = event_base_new();
	lines = lines_new(base, fd, command, NULL);
	ck_assert_ptr_nonnull(lines);
	big_len = 1 << 20;
}

static void
teardown(void)
{
	lines_free(lines);
	event_base_free(base);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void
turn(void)
{
	for (int i = 0; i < 8; i++)
		(void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static int
dial(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s", path);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	turn();
	return fd;
}

static void
say(int fd, const char *what)
{
	ck_assert_int_eq(send(fd, what, strlen(what), MSG_NOSIGNAL), (ssize_t)strlen(what));
	turn();
}

/* Everything that can be had now; NUL-terminated.  *closed: the end was seen. */
static char *
hear(int fd, bool *closed)
{
	static char buf[1 << 16];
	size_t len = 0;
	ssize_t n;

	turn();
	while ((n = recv(fd, buf + len, sizeof buf - 1 - len, MSG_DONTWAIT)) > 0) {
		len += (size_t)n;
		turn();
	}
	*closed = n == 0 || (n == -1 && errno != EAGAIN);
	buf[len] = '\0';
	return buf;
}

START_TEST(lines_get_their_answers)
{
	static const struct {
		const char *in, *out;
		bool closes;
	} cases[] = {
		{ "hello\n", "hello back\n\n", false },
		{ "  hello \r\n", "hello back\n\n", false },
		{ "hello;hello\n", "hello back\n\nhello back\n\n", false },
		{ "hello ; ; nothing;\n", "hello back\n\n\n", false },
		{ "open end\n", "no newline\n\n", false },
		{ "\n", "\n", false },
		{ "hello\nhello\n", "hello back\n\nhello back\n\n", false },
		{ "bogus\n", "unknown command: bogus (try: help)\n\n", false },
		{ "hello; quit; hello\n", "hello back\n\n", true },
		{ "hel", "", false },
	};
	bool closed;
	int fd = dial();

	say(fd, cases[_i].in);
	ck_assert_str_eq(hear(fd, &closed), cases[_i].out);
	ck_assert_int_eq(closed, cases[_i].closes);
	(void)close(fd);
}
END_TEST

START_TEST(line_in_pieces_is_one_line)
{
	bool closed;
	int fd = dial();

	say(fd, "hel");
	say(fd, "lo\nhell");
	ck_assert_str_eq(hear(fd, &closed), "hello back\n\n");
	say(fd, "o\n");
	ck_assert_str_eq(hear(fd, &closed), "hello back\n\n");
	(void)close(fd);
}
END_TEST

START_TEST(half_closed_peer_gets_its_answers)
{
	bool closed;
	int fd = dial();

	say(fd, "hello\nhello");
	(void)shutdown(fd, SHUT_WR);
	ck_assert_str_eq(hear(fd, &closed), "hello back\n\nhello back\n\n");
	ck_assert(closed);
	(void)close(fd);
}
END_TEST

START_TEST(half_closed_peer_gets_a_big_answer)
{
	char buf[8192];
	size_t len = 0;
	ssize_t n;
	int fd = dial();

	say(fd, "big;hello\n");
	(void)shutdown(fd, SHUT_WR);
	do {
		turn();
		if ((n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) > 0)
			len += (size_t)n;
	} while (n != 0);
	ck_assert_uint_eq(len, (1 << 20) + 1 + strlen("hello back\n\n"));
	(void)close(fd);
}
END_TEST

START_TEST(line_has_at_most_1024_bytes)
{
	static const size_t lens[] = { 1023, 1024, 1025 };
	char line[1100];
	const char *answer;
	bool closed;
	int fd = dial();

	memset(line, ' ', sizeof line);
	memcpy(line, "hello", 5);
	line[lens[_i]] = '\n';
	line[lens[_i] + 1] = '\0';
	say(fd, line);
	answer = hear(fd, &closed);
	if (lens[_i] <= 1024)
		ck_assert_str_eq(answer, "hello back\n\n");
	else
		ck_assert_str_eq(answer, "error: a line has at most 1024 bytes\n\n");
	ck_assert_int_eq(closed, lens[_i] > 1024);
	(void)close(fd);
}
END_TEST

START_TEST(connection_65_is_told_to_wait)
{
	int fd[65];
	bool closed;

	for (int i = 0; i < 65; i++)
		fd[i] = dial();
	for (int i = 0; i < 64; i++) {
		say(fd[i], "hello\n");
		ck_assert_str_eq(hear(fd[i], &closed), "hello back\n\n");
		ck_assert(!closed);
	}
	ck_assert_str_eq(hear(fd[64], &closed),
	    "error: too many connections are open, close one\n\n");
	ck_assert(closed);
	(void)close(fd[64]);
	(void)close(fd[0]);
	turn();
	fd[0] = dial();
	say(fd[0], "hello\n");
	ck_assert_str_eq(hear(fd[0], &closed), "hello back\n\n");
	for (int i = 0; i < 64; i++)
		(void)close(fd[i]);
}
END_TEST

START_TEST(peer_that_does_not_read_is_closed)
{
	char buf[8192];
	ssize_t n;
	size_t len = 0;
	int fd = dial(), idle = dial();
	bool closed;

	big_len = 4 << 20;
	lines_tick(lines, 100 * NS_PER_S);
	say(fd, "big\n");
	lines_tick(lines, 105 * NS_PER_S);
	say(idle, "hello\n");
	ck_assert_str_eq(hear(idle, &closed), "hello back\n\n");
	lines_tick(lines, 105 * NS_PER_S + 1);
	while ((n = recv(fd, buf, sizeof buf, MSG_DONTWAIT)) > 0)
		len += (size_t)n;
	ck_assert_int_eq(n, 0);
	ck_assert_uint_lt(len, big_len);
	(void)hear(idle, &closed);
	ck_assert(!closed);
	lines_tick(lines, 200 * NS_PER_S);
	(void)hear(idle, &closed);
	ck_assert(closed);
	(void)close(fd);
	(void)close(idle);
}
END_TEST

START_TEST(answer_is_cut_at_its_limit)
{
	static char all[17 << 20];
	size_t len = 0;
	ssize_t n;
	int fd = dial();

	big_len = 20 << 20;
	say(fd, "big\n");
	(void)shutdown(fd, SHUT_WR);
	do {
		turn();
		if ((n = recv(fd, all + len, sizeof all - 1 - len, MSG_DONTWAIT)) > 0)
			len += (size_t)n;
	} while (n != 0);
	all[len] = '\0';
	ck_assert_uint_le(len, (16 << 20) + 1);
	ck_assert_uint_gt(len, (16 << 20) - 80);
	ck_assert_str_eq(all + len - 9, "\xe2\x80\xa6 cut\n\n");
	(void)close(fd);
}
END_TEST

START_TEST(bind_replaces_a_socket_and_nothing_else)
{
	char other[128];
	struct stat st;
	int fd;
	FILE *f;

	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	(void)snprintf(other, sizeof other, "%s/file", dir);
	f = fopen(other, "w");
	(void)fclose(f);
	ck_assert_int_eq(lines_bind(other, 0600), -1);
	ck_assert_int_eq(errno, EEXIST);
	(void)unlink(other);
	fd = lines_bind(other, 0666);
	ck_assert_int_ne(fd, -1);
	(void)close(fd);
	fd = lines_bind(other, 0660);
	ck_assert_int_ne(fd, -1);
	ck_assert_int_eq(stat(other, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0660);
	(void)close(fd);
	(void)unlink(other);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("lines");
	TCase *tc = tcase_create("lines");
	SRunner *sr;
	int failed;

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_loop_test(tc, lines_get_their_answers, 0, 10);
	tcase_add_test(tc, line_in_pieces_is_one_line);
	tcase_add_test(tc, half_closed_peer_gets_its_answers);
	tcase_add_test(tc, half_closed_peer_gets_a_big_answer);
	tcase_add_loop_test(tc, line_has_at_most_1024_bytes, 0, 3);
	tcase_add_test(tc, connection_65_is_told_to_wait);
	tcase_add_test(tc, peer_that_does_not_read_is_closed);
	tcase_add_test(tc, answer_is_cut_at_its_limit);
	tcase_add_test(tc, bind_replaces_a_socket_and_nothing_else);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
