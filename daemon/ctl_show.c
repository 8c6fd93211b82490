/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_show - stat, proc, rings, errors, ledger, show, stage
 *
 * DESCRIPTION
 *	The admin process is asked first.  When it does not answer, shared
 *	memory is read here by the same code that would have answered there.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only.
 */
#include "common/clock.h"
#include "daemon/ctl.h"
#include "workers/stats.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ANSWER_MAX_BYTES (32u << 20)
#define LINE_MAX_BYTES   1024
#define ASK_MS           1000
#define SAMPLES          4     /* of heartbeats, when we read them ourselves */
#define HANG_MS          10000 /* the default, when no configuration was read */

static void
pause_ms(long ms)
{
	const struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	(void)nanosleep(&t, NULL);
}

/* Answer from shared memory. */
static int
read_shared(struct ctl *ctl, const char *line, struct text_out *answer)
{
	static struct region region;
	static struct stats stats;
	int rc = ctl_region(ctl, &region);

	if (rc != CTL_OK)
		return rc;
	stats_init(&stats, &region,
	    ctl->cfg != NULL ? (uint64_t)ctl->cfg->global.hang_time_ms : HANG_MS);
	for (int i = 0; i < SAMPLES; i++) {
		if (i > 0)
			pause_ms(STATS_TICK_MS);
		stats_tick(&stats, clock_wall_ns(), clock_mono_ns());
	}
	if (!stats_command(&stats, line, answer))
		text_add(answer, "unknown command: %.64s (try: help)\n", line);
	region_close(&region);
	return CTL_OK;
}

/* The empty line that ends an answer is not for people. */
static void
drop_end(struct text_out *t)
{
	while (t->len > 1 && t->buf[t->len - 1] == '\n' && t->buf[t->len - 2] == '\n')
		t->buf[--t->len] = '\0';
}

static int
ask(struct ctl *ctl, const char *line, struct text_out *answer)
{
	char path[CONFIG_PATH_SIZE + 16];
	int rc;

	(void)snprintf(path, sizeof path, "%s/stats.sock", ctl->runtime_dir);
	text_init(answer, ANSWER_MAX_BYTES);
	if (ctl_ask(path, line, ASK_MS, answer) == 0) {
		drop_end(answer);
		return CTL_OK;
	}
	/* Said only once it is known that there is something to read. */
	rc = errno;
	text_free(answer);
	text_init(answer, ANSWER_MAX_BYTES);
	if (strchr(line, ';') != NULL) {
		ctl_say("%s: %s: only the admin process can join commands", path, strerror(rc));
		return CTL_UNAVAILABLE;
	}
	if (read_shared(ctl, line, answer) != CTL_OK)
		return CTL_UNAVAILABLE;
	ctl_say("%s: %s: shared memory was read instead", path, strerror(rc));
	return CTL_OK;
}

static bool
begins_with(const struct text_out *t, const char *what)
{
	return t->len >= strlen(what) && memcmp(t->buf, what, strlen(what)) == 0;
}

static int
print_answer(const struct text_out *answer)
{
	if (begins_with(answer, "unknown command") ||
	    begins_with(answer, "no counters of a stage") ||
	    (begins_with(answer, "show ") && strstr(answer->buf, " takes ") != NULL)) {
		(void)fprintf(stderr, "sluicectl: %s", answer->buf);
		return CTL_USAGE;
	}
	if (answer->len > 0)
		(void)fwrite(answer->buf, 1, answer->len, stdout);
	return answer->is_cut ? CTL_FAILED : CTL_OK;
}

int
ctl_show_line(struct ctl *ctl, const char *line)
{
	struct text_out answer;
	int rc = ask(ctl, line, &answer);

	if (rc == CTL_OK)
		rc = print_answer(&answer);
	text_free(&answer);
	return rc;
}

static int
no_arguments(struct ctl *ctl, int argc, char **argv, const char *line, const char *json)
{
	if (argc > 1)
		return ctl_usage(argv[0], "%s takes no argument", argv[0]);
	return ctl_show_line(ctl, ctl->is_json ? json : line);
}

/* argv[1..] with blanks between, in one line; false: it does not fit or has a newline. */
static bool
join(char *line, size_t size, const char *first, char **argv)
{
	size_t len = (size_t)snprintf(line, size, "%s", first);

	for (; *argv != NULL; argv++) {
		if (strchr(*argv, '\n') != NULL || len + strlen(*argv) + 2 > size)
			return false;
		len += (size_t)snprintf(line + len, size - len, "%s%s", len == 0 ? "" : " ", *argv);
	}
	return true;
}

int
ctl_stat(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {
	    {"all", no_argument, NULL, 'a'}, {"typed", no_argument, NULL, 't'}, {NULL, 0, NULL, 0}};
	const char *form = ctl->is_json ? "show stat json" : "show stat";
	char line[LINE_MAX_BYTES];
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			return ctl_usage("stat", "unknown option %s", argv[optind - 1]);
		if (ctl->is_json)
			return ctl_usage("stat", "--json shows everything: leave the other out");
		form = c == 'a' ? "show stat all" : "show stat typed";
	}
	if (!join(line, sizeof line, form, argv + optind))
		return ctl_usage("stat", "that is no stage");
	return ctl_show_line(ctl, line);
}

int
ctl_proc(struct ctl *ctl, int argc, char **argv)
{
	return no_arguments(ctl, argc, argv, "show proc", "show proc json");
}

int
ctl_rings(struct ctl *ctl, int argc, char **argv)
{
	return no_arguments(ctl, argc, argv, "show rings", "show rings json");
}

int
ctl_errors(struct ctl *ctl, int argc, char **argv)
{
	return no_arguments(ctl, argc, argv, "show errors", "show errors json");
}

int
ctl_ledger(struct ctl *ctl, int argc, char **argv)
{
	struct text_out answer;
	int rc;

	if (argc > 1)
		return ctl_usage(argv[0], "%s takes no argument", argv[0]);
	/* An event that an acceptor has in hand is decided within a moment. */
	for (int i = 0;; i++) {
		rc = ask(ctl, ctl->is_json ? "show ledger json" : "show ledger", &answer);
		if (rc != CTL_OK || i == 10 || answer.len == 0 ||
		    strstr(answer.buf, "in_hand") == NULL)
			break;
		text_free(&answer);
		pause_ms(50);
	}
	if (rc == CTL_OK)
		rc = print_answer(&answer);
	if (rc == CTL_OK && answer.len > 0 && strstr(answer.buf, "unbalanced") != NULL)
		rc = CTL_FINDINGS;
	text_free(&answer);
	return rc;
}

int
ctl_show(struct ctl *ctl, int argc, char **argv)
{
	char line[LINE_MAX_BYTES];

	if (argc < 2)
		return ctl_usage("show", "say what to show");
	if (!join(line, sizeof line, strcmp(argv[1], "help") == 0 ? "" : "show", argv + 1))
		return ctl_usage("show", "that is no command");
	return ctl_show_line(ctl, line);
}

int
ctl_stage(struct ctl *ctl, int argc, char **argv)
{
	char path[CONFIG_PATH_SIZE + 64], name[STATS_NAME_SIZE], line[LINE_MAX_BYTES];
	struct text_out answer;
	int rc;

	if (argc < 3)
		return ctl_usage("stage", "say which stage, and a command for it");
	if (strlen(argv[1]) >= sizeof name || strchr(argv[1], '/') != NULL ||
	    !join(line, sizeof line, "", argv + 2))
		return ctl_usage("stage", "that is no stage or no command");
	(void)snprintf(name, sizeof name, "%s", argv[1]);
	for (char *p = name; *p != '\0'; p++)
		if (*p == ' ')
			*p = '-';
	(void)snprintf(path, sizeof path, "%s/stage/%s.sock", ctl->runtime_dir, name);
	text_init(&answer, ANSWER_MAX_BYTES);
	if (ctl_ask(path, line, ASK_MS, &answer) == 0) {
		drop_end(&answer);
		rc = print_answer(&answer);
	} else {
		ctl_say("%s: %s: see sluicectl proc for the stages and their state", path,
		    strerror(errno));
		rc = CTL_UNAVAILABLE;
	}
	text_free(&answer);
	return rc;
}
