/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_replay_run - ask a sink for a replay, show how far it is, wait for its end
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl_log.h"
#include "daemon/ctl_replay.h"

#include "common/clock.h"
#include "common/units.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS       2000
#define POLL_MS      100
#define SETTLE_POLLS 50
#define LINE_NS      (5 * CLOCK_NS_PER_S)
#define PATIENCE_NS  (30 * CLOCK_NS_PER_S) /* a sink that restarts */

static volatile sig_atomic_t is_interrupted;

static void
on_interrupt(int number)
{
	(void)number;
	is_interrupted = 1;
}

void
ctl_replay_catch(void)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction act = {.sa_handler = on_interrupt}, before;

	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(numbers[i], &act, NULL);
}

bool
ctl_replay_is_interrupted(void)
{
	return is_interrupted != 0;
}

void
ctl_replay_id(char id[48])
{
	(void)snprintf(id, 48, "ctl-%d-%" PRIx64, (int)getpid(), clock_wall_ns());
}

bool
ctl_replay_number(const char *text, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

bool
ctl_replay_time(const char *text, uint64_t *wall_ns)
{
	int64_t ago_ms;

	if (strcmp(text, "oldest") == 0 || strcmp(text, "now") == 0) {
		*wall_ns = text[0] == 'o' ? 0 : clock_wall_ns();
		return true;
	}
	if (text[0] == '-') {
		if (units_parse_time(text + 1, &ago_ms) != UNITS_OK)
			return false;
		*wall_ns = clock_wall_ns() - (uint64_t)ago_ms * CLOCK_NS_PER_MS;
		return true;
	}
	return ctl_log_date(text, wall_ns);
}

static int
ask(const struct ctl *ctl, const char *sink, const char *line, struct deadletter_replay *r)
{
	char path[CONFIG_PATH_SIZE + 64];
	struct text_out answer;
	int rc;

	text_init(&answer, 64u << 10);
	(void)snprintf(path, sizeof path, "%s/stage/%s.sock", ctl->runtime_dir, sink);
	rc = ctl_ask(path, line, ASK_MS, &answer);
	if (rc == 0 && !deadletter_inbox_status(answer.buf, r)) {
		ctl_say("sink %s: %.*s", sink, (int)strcspn(answer.buf, "\n"), answer.buf);
		errno = EPROTO;
		rc = -1;
	}
	text_free(&answer);
	return rc;
}

struct progress {
	const char *sink;
	uint64_t total, began_ns, said_ns;
	bool is_terminal, has_said;
	bool is_letters; /* dead letters, not the log */
};

static void
show(struct progress *p, const struct deadletter_replay *r, bool is_last)
{
	uint64_t done = r->delivered + r->dead + r->skipped, now = clock_mono_ns();
	double seconds = (double)(now - p->began_ns) / 1e9;
	double rate = seconds > 0 ? (double)done / seconds : 0;
	char left[48] = "";

	if (!p->is_terminal && (is_last || now - p->said_ns < LINE_NS))
		return;
	p->said_ns = now;
	if (p->total > done && rate > 0)
		(void)snprintf(
		    left, sizeof left, ", %.0f s left", (double)(p->total - done) / rate);
	if (p->is_terminal && p->has_said)
		(void)fputs("\r\033[K", stderr);
	p->has_said = true;
	(void)fprintf(stderr, "%s: %" PRIu64, p->sink, done);
	if (p->total != 0)
		(void)fprintf(
		    stderr, " of %" PRIu64 " (%" PRIu64 "%%)", p->total, done * 100 / p->total);
	(void)fprintf(stderr, ", %.0f/s%s%s", rate, left, p->is_terminal && !is_last ? "" : "\n");
	(void)fflush(stderr);
}

/* It has ended before its time; what is in flight has an end of its own. */
static void
settle(const struct ctl *ctl, const char *sink, const char *id, struct deadletter_replay *end)
{
	const struct timespec pause = {0, POLL_MS * CLOCK_NS_PER_MS};
	struct deadletter_replay r;
	char line[96];

	(void)snprintf(line, sizeof line, "replay status %s\n", id);
	for (int i = 0; i < SETTLE_POLLS && end->delivered + end->dead + end->skipped < end->read;
	     i++) {
		(void)nanosleep(&pause, NULL);
		if (ask(ctl, sink, line, &r) == -1)
			return;
		*end = r;
	}
}

static int
watch(const struct ctl *ctl, const char *sink, const char *id, struct progress *p,
    struct deadletter_replay *end)
{
	const struct timespec pause = {0, POLL_MS * CLOCK_NS_PER_MS};
	uint64_t heard_ns = clock_mono_ns();
	struct deadletter_replay r;
	bool has_stopped = false;
	char line[96];

	while (strcmp(end->state, "running") == 0) {
		show(p, end, false);
		(void)nanosleep(&pause, NULL);
		(void)snprintf(line, sizeof line, "replay %s %s\n",
		    is_interrupted && !has_stopped ? "stop" : "status", id);
		has_stopped = has_stopped || is_interrupted != 0;
		if (ask(ctl, sink, line, &r) == 0) {
			heard_ns = clock_mono_ns();
			*end = r;
		} else if (errno == EPROTO || clock_mono_ns() - heard_ns > PATIENCE_NS) {
			/* A sink that was restarted knows nothing of it. */
			ctl_say("sink %s: the replay is gone: was the sink restarted?%s", sink,
			    p->is_letters ? "; what was left is still open: run the command again"
					  : "");
			return CTL_FAILED;
		}
	}
	show(p, end, true);
	return CTL_OK;
}

int
ctl_replay_run(const struct ctl *ctl, const char *sink, const char *id, const char *line,
    uint64_t total, struct deadletter_replay *end)
{
	struct progress p = {.sink = sink,
	    .total = total,
	    .began_ns = clock_mono_ns(),
	    .said_ns = clock_mono_ns(),
	    .is_letters = strncmp(line, "replay file ", 12) == 0,
	    .is_terminal = isatty(STDERR_FILENO) == 1};
	int rc;

	*end = (struct deadletter_replay){.state = ""};
	ctl_replay_catch();
	if (is_interrupted) {
		ctl_say("sink %s: interrupted before it was asked", sink);
		return CTL_FAILED;
	}
	if (ask(ctl, sink, line, end) == -1) {
		if (errno != EPROTO)
			ctl_say("sink %s: its process does not answer: %s: is sluiced running?",
			    sink, strerror(errno));
		return errno == EPROTO ? CTL_FAILED : CTL_UNAVAILABLE;
	}
	rc = watch(ctl, sink, id, &p, end);
	if (rc == CTL_OK && strcmp(end->state, "done") != 0) {
		settle(ctl, sink, id, end);
		ctl_say("sink %s: the replay %s%s%s", sink, end->state,
		    end->reason[0] == '\0' ? "" : ": ", end->reason);
		rc = CTL_FAILED;
	}
	return rc;
}
