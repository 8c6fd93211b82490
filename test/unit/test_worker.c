/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	test_worker - the skeleton, with a stage that writes down what was called
 *
 * DESCRIPTION
 *	Each test forks a real worker over a small region; what the stage sees
 *	is counted in memory shared with the test.
 */
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/page.h"
#include "shm/word.h"
#include "workers/lines.h"
#include "workers/worker.h"

#include <bsd/unistd.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOT 1
#define PAGE 2

struct seen {
	_Atomic uint64_t rounds, naps, woke, ticks, drains, orphaned;
	_Atomic uint64_t is_busy;  /* may_sleep says no so often */
	_Atomic uint64_t may_end;  /* is_done */
	_Atomic uint64_t now_ns;   /* what the last tick was told */
	_Atomic uint64_t order;	   /* early, start, round as decimal digits */
};

static char top[] = "/dev/shm/sluice-worker.XXXXXX";
static char dir[64], text[512];
static struct region region;
static struct config cfg;
static struct worker_env env;
static const struct worker_job job = { .role = LAYOUT_ROLE_HTTP,
	.number = 3,
	.page = PAGE,
	.slot = SLOT,
	.generation = 77 };
static struct seen *seen;
static int lifeline_write;
static pid_t pid;

static void
add(_Atomic uint64_t *w, uint64_t n)
{
	word_store(w, word_load(w) + n);
}

static void
note_order(uint64_t what)
{
	if (word_load(&seen->order) % 10 != what)
		word_store(&seen->order, word_load(&seen->order) * 10 + what);
}

static void
stage_rights(const struct worker_job *j, struct region_rights *rights)
{
	rights->slot = j->slot;
}

static void
stage_early(struct worker *w)
{
	note_order(1);
	word_store(&w->env->region->slot[SLOT]->active, 1); /* ours */
}

static void
stage_start(struct worker *w)
{
	note_order(2);
	worker_ready(w);
}

static void
stage_round(struct worker *w)
{
	(void)w;
	if (word_load(&seen->order) < 100)
		note_order(3);
	add(&seen->rounds, 1);
}

static bool
stage_may_sleep(struct worker *w)
{
	(void)w;
	if (word_load(&seen->is_busy) > 0) {
		add(&seen->is_busy, (uint64_t)-1);
		return false;
	}
	add(&seen->naps, 1);
	return true;
}

static void
stage_woke(struct worker *w)
{
	(void)w;
	add(&seen->woke, 1);
}

static void
stage_tick(struct worker *w, uint64_t mono_ns)
{
	/* The time of the turn, and it goes on. */
	if (w->now_ns != mono_ns || mono_ns <= word_load(&seen->now_ns))
		_exit(99);
	word_store(&seen->now_ns, mono_ns);
	add(&seen->ticks, 1);
}

static void
stage_drain(struct worker *w)
{
	add(&seen->drains, 1);
	word_store(&seen->orphaned, w->orphaned);
}

static bool
stage_is_done(struct worker *w)
{
	(void)w;
	return word_load(&seen->may_end) != 0;
}

static bool
stage_command(struct worker *w, const char *line, struct text_out *out)
{
	if (strcmp(line, "mine") == 0)
		text_add(out, "yes\n");
	else if (strcmp(line, "header") == 0)
		*(volatile uint64_t *)&w->env->region->header->created_ns = 0;
	else if (strcmp(line, "panic") == 0)
		PANIC("told to");
	else if (strcmp(line, "error") == 0)
		worker_error(w, "told to fail");
	else
		return false;
	return true;
}

static const struct worker_ops ops = {
	.rights = stage_rights,
	.open_early = stage_early,
	.start = stage_start,
	.round = stage_round,
	.may_sleep = stage_may_sleep,
	.woke = stage_woke,
	.tick = stage_tick,
	.drain = stage_drain,
	.is_done = stage_is_done,
	.command = stage_command,
	.help = "mine\t\tis this mine\n",
};

/* Conditions, not times: up to 10 s, looked at every millisecond. */
#define WAIT_FOR(condition)                                                                        \
	do {                                                                                       \
		for (int ms_ = 0; ms_ < 10000 && !(condition); ms_++)                              \
			(void)usleep(1000);                                                        \
		ck_assert(condition);                                                              \
	} while (0)

static pid_t
fork_worker(void)
{
	pid_t child = fork();

	if (child == 0) {
		close(lifeline_write);
		worker_main(&env, &job, &ops);
	}
	return child;
}

static void
setup(void)
{
	const struct region_params params = { .generation = 1,
		.slots = 3,
		.pages = 4,
		.ring_capacity = 65536,
		.dedup_bytes = 65536,
		.dedup_window_ms = 3600000,
		.uid = (uid_t)-1,
		.gid = (gid_t)-1 };
	int lifeline[2];
	char path[96];

	memcpy(top + sizeof top - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(top));
	(void)snprintf(dir, sizeof dir, "%s/region", top);
	(void)snprintf(path, sizeof path, "%s/stage", top);
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(region_create(dir, &params, text, sizeof text), REGION_OK);
	ck_assert_int_eq(region_open(&region, dir, true, text, sizeof text), REGION_OK);
	seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert_int_eq(pipe2(lifeline, O_CLOEXEC | O_NONBLOCK), 0);
	lifeline_write = lifeline[1];
	cfg.admin.socket_mode = 0600;
	cfg.global.log_level = LOG_LEVEL_CRIT;
	env = (struct worker_env){ .cfg = &cfg,
		.region = &region,
		.lifeline_fd = lifeline[0],
		.runtime_dir = top,
		.state_dir = top,
		.socket_gid = (gid_t)-1 };
	word_store(&seen->may_end, 1);
	pid = fork_worker();
	WAIT_FOR(word_load(&region.page[PAGE]->state) == LAYOUT_STATE_READY);
}

static void
teardown(void)
{
	char path[96];

	if (pid > 0) {
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
	}
	(void)snprintf(path, sizeof path, "%s/stage/http-3.sock", top);
	(void)unlink(path);
	(void)snprintf(path, sizeof path, "%s/stage", top);
	(void)rmdir(path);
	region_close(&region);
	(void)region_remove(dir);
	(void)rmdir(top);
}

/* How the worker ends; it is reaped. */
static int
end(void)
{
	int status;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	pid = 0;
	return status;
}

/* One command on the stage's socket; the answer up to the peer's end. */
static const char *
ask(const char *line)
{
	static char answer[4096];
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	size_t len = 0;
	ssize_t n;

	(void)snprintf(sun.sun_path, sizeof sun.sun_path, "%s/stage/http-3.sock", top);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&sun, sizeof sun), 0);
	ck_assert_int_gt(dprintf(fd, "%s;quit\n", line), 0);
	while (len < sizeof answer - 1 &&
	    (n = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
		len += (size_t)n;
	answer[len] = '\0';
	close(fd);
	return answer;
}

START_TEST(stage_is_begun_in_order)
{
	const struct process_page *page = region.page[PAGE];
	char path[REGION_PATH_MAX];

	WAIT_FOR(word_load(&seen->rounds) > 0);
	ck_assert_uint_eq(word_load(&seen->order), 123);
	ck_assert_uint_eq(word_load(&page->active), 77);
	ck_assert_uint_eq(word_load(&page->pid), (uint64_t)pid);
	ck_assert_str_eq(page->title, "http 3");
	ck_assert_int_eq(lock_owner(region_page_lock(&region, PAGE, path)), pid);
}
END_TEST

START_TEST(heart_beats_and_time_goes_on)
{
	const struct process_page *page = region.page[PAGE];
	uint64_t beat = word_load(&page->heartbeat);

	WAIT_FOR(word_load(&page->heartbeat) > beat + 2);
	WAIT_FOR(word_load(&seen->ticks) > 3);
	ck_assert_uint_ne(counters_get(page->counter, counter_id(PROCESS, rss_kb)), 0);
}
END_TEST

START_TEST(each_nap_is_followed_by_one_awakening)
{
	WAIT_FOR(word_load(&seen->naps) > 3);
	word_store(&seen->may_end, 1);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	ck_assert_int_eq(end(), 0);
	ck_assert_uint_eq(word_load(&seen->woke), word_load(&seen->naps));
}
END_TEST

START_TEST(busy_stage_turns_without_sleeping)
{
	uint64_t rounds = word_load(&seen->rounds);

	word_store(&seen->is_busy, 10000);
	WAIT_FOR(word_load(&seen->is_busy) == 0);
	ck_assert_uint_ge(word_load(&seen->rounds), rounds + 10000);
}
END_TEST

START_TEST(termination_drains_and_ends_cleanly)
{
	const struct process_page *page = region.page[PAGE];

	word_store(&seen->may_end, 0);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	WAIT_FOR(word_load(&page->state) == LAYOUT_STATE_DRAINING);
	ck_assert_int_eq(kill(pid, SIGTERM), 0);
	WAIT_FOR(word_load(&seen->drains) == 1);
	ck_assert_uint_eq(word_load(&seen->orphaned), 0);
	ck_assert_uint_eq(word_load(&page->active), 77);
	word_store(&seen->may_end, 1);
	ck_assert_int_eq(end(), 0);
	ck_assert_uint_eq(word_load(&seen->drains), 1);
	ck_assert_uint_eq(word_load(&page->active), 0);
	ck_assert_uint_eq(word_load(&page->state), LAYOUT_STATE_DONE);
}
END_TEST

START_TEST(orphan_finishes_by_itself)
{
	close(lifeline_write);
	close(env.lifeline_fd);
	ck_assert_int_eq(end(), 0);
	ck_assert_uint_eq(word_load(&seen->orphaned), 1);
	ck_assert_uint_eq(word_load(&region.page[PAGE]->active), 0);
}
END_TEST

static const int harmless[] = { SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2 };

START_TEST(other_signals_change_nothing)
{
	uint64_t beat = word_load(&region.page[PAGE]->heartbeat);

	ck_assert_int_eq(kill(pid, harmless[_i]), 0);
	WAIT_FOR(word_load(&region.page[PAGE]->heartbeat) > beat + 1);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), 0);
	ck_assert_uint_eq(word_load(&seen->drains), 0);
}
END_TEST

START_TEST(second_process_for_a_page_is_fatal)
{
	pid_t second = fork_worker();
	int status;

	ck_assert_int_eq(waitpid(second, &status, 0), second);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == EXIT_FATAL);
	ck_assert_uint_eq(word_load(&region.page[PAGE]->pid), (uint64_t)pid);
}
END_TEST

START_TEST(stray_write_ends_the_guilty_with_its_words)
{
	int status;

	(void)ask("header");
	status = end();
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
	ck_assert_ptr_nonnull(strstr(region.page[PAGE]->last_words, "SIGSEGV at address 0x"));
	ck_assert_uint_eq(word_load(&region.page[PAGE]->active), 77);
}
END_TEST

START_TEST(panic_keeps_its_own_words)
{
	int status;

	(void)ask("panic");
	status = end();
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	ck_assert_ptr_nonnull(strstr(region.page[PAGE]->last_words, "told to"));
}
END_TEST

START_TEST(signal_from_outside_names_its_sender)
{
	char expected[64];
	int status;

	ck_assert_int_eq(kill(pid, SIGABRT), 0);
	status = end();
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	(void)snprintf(expected, sizeof expected, "SIGABRT from the supervisor, pid %d",
	    (int)getpid());
	ck_assert_str_eq(region.page[PAGE]->last_words, expected);
}
END_TEST

START_TEST(socket_answers_for_the_skeleton_and_the_stage)
{
	char pid_line[32];

	(void)snprintf(pid_line, sizeof pid_line, "pid: %d\n", (int)pid);
	ck_assert_ptr_nonnull(strstr(ask("show info"), pid_line));
	ck_assert_ptr_nonnull(strstr(ask("show memory"), "rss_kb: "));
	ck_assert_ptr_nonnull(strstr(ask("help"), "mine\t\tis this mine"));
	ck_assert_str_eq(ask("mine"), "yes\n\n");
	ck_assert_ptr_nonnull(strstr(ask("nothing"), "unknown command"));
	ck_assert_str_eq(ask("log debug"), "log: debug\n\n");
	ck_assert_str_eq(ask("show log"), "log: debug\n\n");
	ck_assert_ptr_nonnull(strstr(ask("log loud"), "no such level"));
	ck_assert_str_eq(ask("log"), "log: debug\n\n");
	(void)ask("log error");
	(void)ask("error");
	(void)ask("error");
	ck_assert_str_eq(ask("show errors"), "2 told to fail\n\n");
}
END_TEST

int
main(int argc, char **argv, char **envp)
{
	Suite *s = suite_create("worker");
	TCase *tc = tcase_create("worker");
	SRunner *sr;
	int failed;

	setproctitle_init(argc, argv, envp);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stage_is_begun_in_order);
	tcase_add_test(tc, heart_beats_and_time_goes_on);
	tcase_add_test(tc, each_nap_is_followed_by_one_awakening);
	tcase_add_test(tc, busy_stage_turns_without_sleeping);
	tcase_add_test(tc, termination_drains_and_ends_cleanly);
	tcase_add_test(tc, orphan_finishes_by_itself);
	tcase_add_loop_test(tc, other_signals_change_nothing, 0, 5);
	tcase_add_test(tc, second_process_for_a_page_is_fatal);
	tcase_add_test(tc, stray_write_ends_the_guilty_with_its_words);
	tcase_add_test(tc, panic_keeps_its_own_words);
	tcase_add_test(tc, signal_from_outside_names_its_sender);
	tcase_add_test(tc, socket_answers_for_the_skeleton_and_the_stage);
	suite_add_tcase(s, tc);
	sr = srunner_create(s);
	srunner_run_all(sr, CK_NORMAL);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed == 0 ? 0 : 1;
}
