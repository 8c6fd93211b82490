/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_send - feed a file of events over HTTP, and know what became of each
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl_send.h"

#include "common/clock.h"
#include "common/panic.h"
#include "common/units.h"
#include "daemon/ctl.h"
#include "daemon/ctl_send_report.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEFAULT_URL      "http://127.0.0.1:3001"
#define BACK_OFF_MIN_NS  (100 * CLOCK_NS_PER_MS)
#define BACK_OFF_MAX_NS  (5 * CLOCK_NS_PER_S)
#define PATIENCE_NS      (10 * CLOCK_NS_PER_S)
#define LONG_PATIENCE_NS (600 * CLOCK_NS_PER_S)
#define WAIT_MS          20

struct sender {
	const char *url, *ack, *file;
	uint32_t batch, conns;
	uint64_t rate; /* events a second, 0: as fast as it goes */
	uint64_t patience_ns;
	struct ctl_send_target target;
	struct ctl_send_input input;
	struct ctl_send_conn conn[CTL_SEND_CONNS_MAX];
	struct ctl_send_batch *queue; /* to be sent again */
	struct ctl_send_batch *fresh; /* read, not yet sent */
	struct ctl_send_result *results;
	struct ctl_send_report report;
	uint64_t progress_ns; /* when an event was last decided */
	char trouble[300];    /* what stood in the way last */
	bool has_failed;
};

static volatile sig_atomic_t is_interrupted;

static void
on_signal(int sig)
{
	(void)sig;
	is_interrupted = 1;
}

/*---------------------------------------------------------------------------*
 * Batches that come back
 *---------------------------------------------------------------------------*/

static void
enqueue(struct sender *s, struct ctl_send_batch *b, uint64_t not_before_ns)
{
	b->not_before_ns = not_before_ns;
	b->next = s->queue;
	s->queue = b;
}

static uint64_t
back_off(unsigned tries, unsigned retry_after_s)
{
	uint64_t wait = BACK_OFF_MIN_NS << (tries < 6 ? tries : 6);

	if (retry_after_s * CLOCK_NS_PER_S > wait)
		wait = retry_after_s * CLOCK_NS_PER_S;
	return wait > BACK_OFF_MAX_NS ? BACK_OFF_MAX_NS : wait;
}

/* The first that is due; NULL: none. */
static struct ctl_send_batch *
dequeue(struct sender *s, uint64_t now_ns)
{
	struct ctl_send_batch **link, *b;

	for (link = &s->queue; (b = *link) != NULL; link = &b->next) {
		if (b->not_before_ns > now_ns)
			continue;
		*link = b->next;
		b->next = NULL;
		s->report.resent += b->is_half ? 0 : b->n;
		b->is_half = false;
		return b;
	}
	return NULL;
}

static void
fail(struct sender *s, const char *text)
{
	ctl_say("%s", text);
	s->has_failed = true;
}

/*---------------------------------------------------------------------------*
 * Answers
 *---------------------------------------------------------------------------*/

static struct bytes
line_of(const struct ctl_send_batch *b, uint32_t i)
{
	return bytes_of(b->bytes + b->line[i].off, b->line[i].len);
}

/* Each event is decided, or goes into a batch of those to be sent again. */
static void
apply_results(struct sender *s, struct ctl_send_batch *b, const struct ctl_send_answer *answer,
    uint64_t now_ns)
{
	struct ctl_send_batch *again = NULL;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct ctl_send_result *r = &s->results[i];

		s->report.verdict[r->verdict]++;
		if (r->verdict == CTL_SEND_INVALID)
			ctl_send_report_invalid(
			    &s->report, b->line[i].number, r->code, r->message, r->pointer);
		if (r->verdict < CTL_SEND_RETRY) {
			s->progress_ns = now_ns;
			continue;
		}
		if (again == NULL)
			again = ctl_send_batch_new(b->n - i);
		ctl_send_batch_add(again, b->line[i].number, line_of(b, i));
	}
	ctl_send_report_ack(&s->report, ctl_send_answer_ack(answer->body));
	if (again != NULL) {
		(void)snprintf(s->trouble, sizeof s->trouble,
		    "the daemon keeps answering retry or unknown (see sluicectl show journal)");
		again->tries = b->tries + 1;
		enqueue(s, again, now_ns + back_off(b->tries, answer->retry_after_s));
	}
	ctl_send_batch_free(b);
}

/* 413: half of it, or if it is one event, that one is refused. */
static void
apply_too_large(struct sender *s, struct ctl_send_batch *b, struct bytes body, uint64_t now_ns)
{
	struct ctl_send_batch *half;
	uint32_t middle = b->n / 2;

	if (b->n == 1) {
		s->report.verdict[CTL_SEND_INVALID]++;
		s->progress_ns = now_ns;
		ctl_send_report_invalid(&s->report, b->line[0].number, BYTES_LIT("body_too_large"),
		    BYTES_LIT("the listener refuses a body of this length"), BYTES_LIT(""));
		ctl_send_batch_free(b);
		return;
	}
	(void)body;
	s->report.split++;
	for (uint32_t from = 0; from < b->n; from = from == 0 ? middle : b->n) {
		half = ctl_send_batch_new(b->n - middle);
		for (uint32_t i = from; i < (from == 0 ? middle : b->n); i++)
			ctl_send_batch_add(half, b->line[i].number, line_of(b, i));
		half->is_half = true;
		enqueue(s, half, now_ns);
	}
	/* What does not fit once does not fit next time. */
	if (middle < s->batch)
		s->batch = middle;
	ctl_send_batch_free(b);
}

static void
apply(struct sender *s, struct ctl_send_batch *b, const struct ctl_send_answer *answer,
    uint64_t now_ns)
{
	char text[200], line[600];

	if (ctl_send_answer_results(answer->body, b->n, s->results) == 0) {
		apply_results(s, b, answer, now_ns);
		return;
	}
	if (answer->status == 413) {
		apply_too_large(s, b, answer->body, now_ns);
		return;
	}
	(void)ctl_send_answer_error(answer->body, text, sizeof text);
	(void)snprintf(line, sizeof line, "%s answered %u: %s", s->url, answer->status, text);
	if (answer->status == 408 || answer->status == 429 || answer->status >= 500) {
		(void)snprintf(s->trouble, sizeof s->trouble, "%.290s", line);
		enqueue(s, b, now_ns + back_off(b->tries++, answer->retry_after_s));
		return;
	}
	if (answer->status < 300)
		(void)snprintf(
		    line, sizeof line, "%s: what it answered is not about %u events", s->url, b->n);
	fail(s, line);
	enqueue(s, b, now_ns);
}

static void
step(struct sender *s, struct ctl_send_conn *c, short revents, uint64_t now_ns)
{
	struct ctl_send_batch *b = c->batch;
	struct ctl_send_answer answer;
	char line[300];

	switch (ctl_send_conn_step(c, revents, now_ns, &answer)) {
	case CTL_SEND_PENDING:
		return;
	case CTL_SEND_ANSWERED:
		c->batch = NULL;
		apply(s, b, &answer, now_ns);
		return;
	case CTL_SEND_BROKEN:
		if (b != NULL || c->error != 0)
			(void)snprintf(s->trouble, sizeof s->trouble, "%.200s: %s", s->url,
			    c->error == 0 ? "the connection was closed without an answer"
					  : strerror(c->error));
		c->batch = NULL;
		if (b == NULL)
			return;
		s->report.broken++;
		enqueue(s, b, now_ns);
		return;
	case CTL_SEND_NO_HTTP:
		(void)snprintf(
		    line, sizeof line, "%.200s does not answer as a Sluice listener does", s->url);
		fail(s, line);
		c->batch = NULL;
		if (b != NULL)
			enqueue(s, b, now_ns);
		return;
	}
}

/*---------------------------------------------------------------------------*
 * The loop
 *---------------------------------------------------------------------------*/

/* Is there something new that may be sent now? */
static bool
has_fresh(struct sender *s, uint64_t now_ns)
{
	uint64_t allowed = UINT64_MAX;
	uint32_t alive = 0, max = s->batch;

	if (s->rate != 0) {
		allowed = (now_ns - s->report.start_ns) / CLOCK_NS_PER_MS * s->rate / 1000 + 1;
		max = s->rate / 10 < max ? (uint32_t)(s->rate / 10) + 1 : max;
	}
	for (const struct ctl_send_batch *b = s->queue; b != NULL; b = b->next)
		alive++;
	if (alive > s->conns || s->report.sent >= allowed)
		return false;
	if (s->fresh == NULL)
		s->fresh = ctl_send_input_take(&s->input, max);
	return s->fresh != NULL;
}

/* Give each idle connection a batch; dial where one is missing. */
static void
hand_out(struct sender *s, uint64_t now_ns)
{
	struct ctl_send_conn *down = NULL;
	struct ctl_send_batch *b;
	bool is_coming = false;

	for (uint32_t i = 0; i < s->conns; i++) {
		struct ctl_send_conn *c = &s->conn[i];

		if (c->state == CTL_SEND_CONNECTING)
			is_coming = true;
		if (c->state == CTL_SEND_DOWN &&
		    (down == NULL || c->not_before_ns < down->not_before_ns))
			down = c;
		if (c->state != CTL_SEND_IDLE)
			continue;
		if ((b = dequeue(s, now_ns)) == NULL && has_fresh(s, now_ns)) {
			b = s->fresh;
			s->fresh = NULL;
			s->report.sent += b->n;
		}
		if (b != NULL)
			ctl_send_conn_start(c, &s->target, b, now_ns);
		else
			is_coming = true; /* an idle one is left for what comes */
	}
	if (!is_coming && down != NULL && down->not_before_ns <= now_ns &&
	    (s->queue != NULL || has_fresh(s, now_ns))) {
		ctl_send_conn_dial(down, &s->target, now_ns);
		if (down->state == CTL_SEND_DOWN)
			(void)snprintf(s->trouble, sizeof s->trouble, "%.200s: %s", s->url,
			    strerror(down->error));
	}
}

static bool
is_busy(const struct sender *s)
{
	for (uint32_t i = 0; i < s->conns; i++)
		if (s->conn[i].batch != NULL)
			return true;
	return false;
}

/* True: everything was decided, or there is no use in going on. */
static bool
is_over(struct sender *s, uint64_t now_ns)
{
	bool is_all = ctl_send_input_is_done(&s->input) && s->fresh == NULL && s->queue == NULL &&
		      !is_busy(s);

	if (is_all)
		return true;
	if (s->queue == NULL && s->fresh == NULL)
		s->progress_ns = now_ns; /* waiting for input is no trouble */
	if (is_busy(s) || now_ns - s->progress_ns < s->patience_ns)
		return false;
	ctl_say("gave up after %d s without progress: %s%s", (int)(s->patience_ns / CLOCK_NS_PER_S),
	    s->trouble, s->patience_ns == PATIENCE_NS ? " (--retry is more patient)" : "");
	s->has_failed = true;
	return true;
}

static void
turn(struct sender *s)
{
	struct pollfd fds[CTL_SEND_CONNS_MAX + 1];
	bool waits_for_time = s->queue != NULL || s->rate != 0;
	uint64_t now;
	uint32_t n = s->conns;

	for (uint32_t i = 0; i < s->conns; i++) {
		const struct ctl_send_conn *c = &s->conn[i];

		fds[i] = (struct pollfd){.fd = c->state == CTL_SEND_DOWN ? -1 : c->fd,
		    .events = ctl_send_conn_events(c)};
		waits_for_time |= c->state == CTL_SEND_DOWN && s->fresh != NULL;
	}
	/* Ask for input only when a connection could take it. */
	if (s->fresh == NULL && !s->input.at_end && !waits_for_time)
		for (uint32_t i = 0; i < s->conns; i++)
			if (s->conn[i].state == CTL_SEND_IDLE || s->conn[i].state == CTL_SEND_DOWN)
				n = s->conns + 1;
	fds[s->conns] = (struct pollfd){.fd = s->input.fd, .events = POLLIN};
	if (poll(fds, n, waits_for_time ? WAIT_MS : 10 * WAIT_MS) == -1 && errno != EINTR)
		fatal("poll: %s", strerror(errno));
	now = clock_mono_ns();
	for (uint32_t i = 0; i < s->conns && !s->has_failed; i++)
		step(s, &s->conn[i], fds[i].fd == -1 ? 0 : fds[i].revents, now);
	ctl_send_report_progress(&s->report, &s->input, now);
}

static void
send_all(struct sender *s)
{
	uint64_t now = clock_mono_ns();

	s->report.start_ns = s->progress_ns = now;
	while (!s->has_failed && !is_interrupted) {
		hand_out(s, now);
		if (is_over(s, now))
			break;
		turn(s);
		now = clock_mono_ns();
	}
	s->report.end_ns = now;
}

/*---------------------------------------------------------------------------*
 * The command
 *---------------------------------------------------------------------------*/

static int
parse_number(const char *text, int64_t min, int64_t max, int64_t *out)
{
	return units_parse_count(text, out) == UNITS_OK && *out >= min && *out <= max ? 0 : -1;
}

static int
parse_options(struct sender *s, int argc, char **argv)
{
	static const struct option options[] = {{"url", required_argument, NULL, 'u'},
	    {"batch", required_argument, NULL, 'b'}, {"concurrency", required_argument, NULL, 'c'},
	    {"ack", required_argument, NULL, 'a'}, {"retry", no_argument, NULL, 'r'},
	    {"rate", required_argument, NULL, 'R'}, {NULL, 0, NULL, 0}};
	int64_t n;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'u') {
			s->url = optarg;
		} else if (c == 'a') {
			s->ack = optarg;
			if (strcmp(optarg, "memory") != 0 && strcmp(optarg, "durable") != 0 &&
			    strcmp(optarg, "delivered") != 0)
				return ctl_usage("send", "--ack is memory, durable or delivered");
		} else if (c == 'r') {
			s->patience_ns = LONG_PATIENCE_NS;
		} else if (c == 'b') {
			if (parse_number(optarg, 1, CTL_SEND_BATCH_MAX, &n) == -1)
				return ctl_usage("send", "--batch is 1 to %d", CTL_SEND_BATCH_MAX);
			s->batch = (uint32_t)n;
		} else if (c == 'c') {
			if (parse_number(optarg, 1, CTL_SEND_CONNS_MAX, &n) == -1)
				return ctl_usage(
				    "send", "--concurrency is 1 to %d", CTL_SEND_CONNS_MAX);
			s->conns = (uint32_t)n;
		} else if (c == 'R') {
			if (parse_number(optarg, 1, 1000000000, &n) == -1)
				return ctl_usage("send", "--rate is events a second, 1 or more");
			s->rate = (uint64_t)n;
		} else {
			return ctl_usage(
			    "send", "unknown or incomplete option %s", argv[optind - 1]);
		}
	}
	if (optind + 1 != argc)
		return ctl_usage("send", "say one FILE, or - for standard input");
	s->file = argv[optind];
	return CTL_OK;
}

/* Where the daemon of this configuration listens; CTL_OK or said.  text: CONFIG_BIND_TEXT_SIZE
 * and a scheme. */
static int
find_url(const struct ctl *ctl, char *text, size_t size)
{
	struct config_errors errors = {0};
	const struct config_bind *bind;
	struct config *cfg = NULL;
	int port;

	(void)snprintf(text, size, "%s", DEFAULT_URL);
	if (!ctl->is_config_named && access(ctl->config_path, R_OK) == -1)
		return CTL_OK;
	if (config_load(ctl->config_path, &cfg, &errors) != CONFIG_OK) {
		ctl_say("%s; mend it, or say --url", errors.text[0]);
		config_errors_free(&errors);
		return CTL_FAILED;
	}
	if (cfg->listens > 0 && cfg->listen[0].bind.n > 0) {
		bind = &cfg->listen[0].bind.at[0];
		if (sscanf(bind->text, "0.0.0.0:%d", &port) == 1)
			(void)snprintf(text, size, "http://127.0.0.1:%d", port);
		else if (sscanf(bind->text, "[::]:%d", &port) == 1)
			(void)snprintf(text, size, "http://[::1]:%d", port);
		else
			(void)snprintf(text, size, "%s%s",
			    bind->family == AF_UNIX ? "" : "http://", bind->text);
	}
	config_free(cfg);
	return CTL_OK;
}

static void
catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal};

	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
}

/* How many events of the input never went out; a daemon that cannot be
 * reached is no reason to leave that untold. */
static void
count_undelivered(struct sender *s)
{
	s->report.undelivered = s->fresh != NULL ? s->fresh->n : 0;
	s->report.undelivered += ctl_send_input_rest(&s->input, CLOCK_NS_PER_S);
	s->report.has_more = !ctl_send_input_is_done(&s->input);
}

/* One line of a document is no event, whatever the document holds. */
static void
say_document(const struct sender *s)
{
	if (s->input.is_document && (s->report.shown > 0 || s->has_failed) &&
	    s->report.verdict[CTL_SEND_ACCEPTED] == 0)
		ctl_say("%s: one event a line (NDJSON); this looks like pretty-printed JSON or an "
			"array",
		    s->file);
}

/* What is wrong with the input is said once everything before it was sent. */
static void
say_input(const struct sender *s)
{
	if (s->input.error != 0)
		ctl_say("%s: %s: sent what was read before", s->file, strerror(s->input.error));
	if (s->input.long_line != 0)
		ctl_say("%s: line %llu has more than %u bytes: sent what stands before it", s->file,
		    (unsigned long long)s->input.long_line, CTL_SEND_LINE_MAX);
}

static void
clean_up(struct sender *s, int fd)
{
	struct ctl_send_batch *b;

	for (uint32_t i = 0; i < s->conns; i++) {
		ctl_send_conn_close(&s->conn[i]);
		ctl_send_batch_free(s->conn[i].batch);
		free(s->conn[i].in);
	}
	while ((b = s->queue) != NULL) {
		s->queue = b->next;
		ctl_send_batch_free(b);
	}
	ctl_send_batch_free(s->fresh);
	ctl_send_input_close(&s->input);
	ctl_send_target_close(&s->target);
	free(s->results);
	if (fd > STDIN_FILENO)
		(void)close(fd);
}

int
ctl_send(struct ctl *ctl, int argc, char **argv)
{
	static struct sender s;
	char url[CONFIG_BIND_TEXT_SIZE + sizeof "http://"];
	const char *why;
	int fd = STDIN_FILENO, rc;
	struct stat st;

	s.batch = 1000;
	s.conns = 4;
	s.patience_ns = PATIENCE_NS;
	if ((rc = parse_options(&s, argc, argv)) != CTL_OK)
		return rc;
	if (s.url == NULL && (rc = find_url(ctl, url, sizeof url)) != CTL_OK)
		return rc;
	s.url = s.url == NULL ? url : s.url;
	if (strcmp(s.file, "-") != 0 && (fd = open(s.file, O_RDONLY | O_CLOEXEC)) == -1) {
		ctl_say("%s: %s", s.file, strerror(errno));
		return CTL_FAILED;
	}
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		if (fd > STDIN_FILENO)
			(void)close(fd);
		ctl_say("%s: is a folder: say a FILE, or - for standard input", s.file);
		return CTL_FAILED;
	}
	if (ctl_send_target_open(&s.target, s.url, s.ack, &why) == -1) {
		if (fd > STDIN_FILENO)
			(void)close(fd);
		ctl_say("%s: %s", s.url, why);
		return CTL_USAGE;
	}
	ctl_send_input_open(&s.input, fd);
	s.results = xcalloc(s.batch, sizeof *s.results);
	catch_signals();
	send_all(&s);
	say_input(&s);
	say_document(&s);
	if (s.has_failed || is_interrupted)
		count_undelivered(&s);
	s.report.undecided = s.report.sent - s.report.verdict[CTL_SEND_ACCEPTED] -
			     s.report.verdict[CTL_SEND_DUPLICATE] -
			     s.report.verdict[CTL_SEND_INVALID];
	ctl_send_report_print(&s.report, ctl->is_json);
	rc = s.has_failed || is_interrupted || s.report.undecided != 0 || s.input.error != 0 ||
		     s.input.long_line != 0
		 ? CTL_FAILED
	     : s.report.verdict[CTL_SEND_INVALID] != 0 ? CTL_FINDINGS
						       : CTL_OK;
	clean_up(&s, fd);
	return rc;
}
