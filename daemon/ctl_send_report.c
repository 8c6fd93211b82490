/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_send_report - how sending goes and how it went
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl_send_report.h"

#include "common/clock.h"
#include "workers/stats.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TERMINAL_NS (200 * CLOCK_NS_PER_MS)
#define LINES_NS    (5 * CLOCK_NS_PER_S)

static void
copy(char *to, size_t size, struct bytes from)
{
	stats_clean(to, size, from.len == 0 ? "" : (const char *)from.ptr, from.len);
}

void
ctl_send_report_invalid(struct ctl_send_report *r, uint64_t line, struct bytes code,
    struct bytes message, struct bytes pointer)
{
	unsigned at = r->shown;

	/* Answers come in any order, lines are shown in theirs. */
	while (at > 0 && r->invalid[at - 1].line > line) {
		if (at < CTL_SEND_SHOWN)
			r->invalid[at] = r->invalid[at - 1];
		at--;
	}
	if (at == CTL_SEND_SHOWN)
		return;
	if (r->shown < CTL_SEND_SHOWN)
		r->shown++;
	r->invalid[at].line = line;
	copy(r->invalid[at].code, sizeof r->invalid[at].code, code);
	copy(r->invalid[at].message, sizeof r->invalid[at].message, message);
	copy(r->invalid[at].pointer, sizeof r->invalid[at].pointer, pointer);
}

void
ctl_send_report_ack(struct ctl_send_report *r, struct bytes ack)
{
	/* "none" goes with unknown: those events are sent again. */
	if (ack.len == 0 || bytes_is(ack, BYTES_LIT("none")) ||
	    (r->ack[0] != '\0' && !bytes_is(ack, BYTES_LIT("memory"))))
		return;
	copy(r->ack, sizeof r->ack, ack);
}

static uint64_t
decided(const struct ctl_send_report *r)
{
	return r->verdict[CTL_SEND_ACCEPTED] + r->verdict[CTL_SEND_DUPLICATE] +
	       r->verdict[CTL_SEND_INVALID];
}

static double
seconds(uint64_t ns)
{
	return (double)ns / (double)CLOCK_NS_PER_S;
}

double
ctl_send_report_rate(struct ctl_send_report *r, uint64_t now_ns)
{
	uint64_t from_ns = r->start_ns, from = 0, done = decided(r);

	if (r->samples == CTL_SEND_SAMPLES) {
		from_ns = r->recent[CTL_SEND_SAMPLES - 1].at_ns;
		from = r->recent[CTL_SEND_SAMPLES - 1].decided;
	}
	if (r->samples == 0 || now_ns - r->recent[0].at_ns >= CTL_SEND_SAMPLE_NS) {
		memmove(r->recent + 1, r->recent, sizeof r->recent - sizeof r->recent[0]);
		r->recent[0].at_ns = now_ns;
		r->recent[0].decided = done;
		r->samples += r->samples < CTL_SEND_SAMPLES;
	}
	return now_ns > from_ns ? (double)(done - from) / seconds(now_ns - from_ns) : 0;
}

void
ctl_send_report_progress(
    struct ctl_send_report *r, const struct ctl_send_input *in, uint64_t now_ns)
{
	bool is_terminal = isatty(STDERR_FILENO) == 1;
	double rate = ctl_send_report_rate(r, now_ns);
	uint64_t done = decided(r);
	char eta[STATS_TIME_SIZE], left[64] = "";

	if (r->said_ns == 0)
		r->said_ns = r->start_ns;
	if (!is_terminal && r->sent == 0)
		return;
	if (now_ns - r->said_ns < (is_terminal ? TERMINAL_NS : LINES_NS))
		return;
	r->said_ns = now_ns;
	if (in->total > 0 && done > 0) {
		/* Lines of the whole file, if they are as long as those read. */
		double all = (double)in->lines / (double)in->bytes * (double)in->total;
		double rest = all > (double)done ? all - (double)done : 0;

		(void)snprintf(left, sizeof left, ", %.0f%%, %s left",
		    100 * (double)done / ((double)done + rest),
		    rate > 0 ? stats_age((uint64_t)(rest / rate * 1e9), eta) : "?");
	}
	(void)fprintf(stderr, "%s%llu sent, %llu decided, %.0f/s%s%s",
	    is_terminal ? "\r\033[K" : "", (unsigned long long)r->sent, (unsigned long long)done,
	    rate, left, is_terminal ? "" : "\n");
	(void)fflush(stderr);
	r->has_line = is_terminal;
}

static void
print_json(const struct ctl_send_report *r, double took)
{
	struct text_out t;

	text_init(&t, 1 << 16);
	text_add(&t,
	    "{\"events\":%llu,\"accepted\":%llu,\"duplicate\":%llu,\"invalid\":%llu,"
	    "\"undecided\":%llu,\"undelivered\":%llu,\"split\":%llu,\"retry\":%llu,"
	    "\"unknown\":%llu,\"resent\":%llu,\"broken\":%llu,"
	    "\"ack\":\"%s\",\"seconds\":%.3f,\"rate\":%.0f,\"invalidEvents\":[",
	    (unsigned long long)r->sent, (unsigned long long)r->verdict[CTL_SEND_ACCEPTED],
	    (unsigned long long)r->verdict[CTL_SEND_DUPLICATE],
	    (unsigned long long)r->verdict[CTL_SEND_INVALID], (unsigned long long)r->undecided,
	    (unsigned long long)r->undelivered, (unsigned long long)r->split,
	    (unsigned long long)r->verdict[CTL_SEND_RETRY],
	    (unsigned long long)r->verdict[CTL_SEND_UNKNOWN], (unsigned long long)r->resent,
	    (unsigned long long)r->broken, r->ack, took, took > 0 ? (double)decided(r) / took : 0);
	for (unsigned i = 0; i < r->shown; i++) {
		text_add(&t, "%s{\"line\":%llu,\"code\":", i == 0 ? "" : ",",
		    (unsigned long long)r->invalid[i].line);
		text_add_json(&t, r->invalid[i].code);
		text_add(&t, ",\"message\":");
		text_add_json(&t, r->invalid[i].message);
		text_add(&t, ",\"pointer\":");
		text_add_json(&t, r->invalid[i].pointer);
		text_add(&t, "}");
	}
	text_add(&t, "]}\n");
	(void)fwrite(t.buf, 1, t.len, stdout);
	text_free(&t);
}

void
ctl_send_report_print(struct ctl_send_report *r, bool is_json)
{
	double took = seconds(r->end_ns - r->start_ns);

	if (r->has_line)
		(void)fputs("\r\033[K", stderr);
	if (is_json) {
		print_json(r, took);
		return;
	}
	for (unsigned i = 0; i < r->shown; i++)
		(void)printf("line %llu: invalid: %s: %s%s%s\n",
		    (unsigned long long)r->invalid[i].line, r->invalid[i].code,
		    r->invalid[i].message, r->invalid[i].pointer[0] == '\0' ? "" : " at ",
		    r->invalid[i].pointer);
	if (r->verdict[CTL_SEND_INVALID] > r->shown)
		(void)printf("... and %llu more invalid events\n",
		    (unsigned long long)(r->verdict[CTL_SEND_INVALID] - r->shown));
	(void)printf("events     %llu\naccepted   %llu\nduplicate  %llu\ninvalid    %llu\n",
	    (unsigned long long)r->sent, (unsigned long long)r->verdict[CTL_SEND_ACCEPTED],
	    (unsigned long long)r->verdict[CTL_SEND_DUPLICATE],
	    (unsigned long long)r->verdict[CTL_SEND_INVALID]);
	if (r->undecided != 0)
		(void)printf("undecided  %llu\n", (unsigned long long)r->undecided);
	if (r->undelivered != 0 || r->has_more)
		(void)printf("undelivered %llu%s\n", (unsigned long long)r->undelivered,
		    r->has_more ? " or more" : "");
	if (r->split != 0)
		(void)printf("split      %llu\n", (unsigned long long)r->split);
	(void)printf("resent     %llu (retry %llu, unknown %llu, broken connections %llu)\n",
	    (unsigned long long)r->resent, (unsigned long long)r->verdict[CTL_SEND_RETRY],
	    (unsigned long long)r->verdict[CTL_SEND_UNKNOWN], (unsigned long long)r->broken);
	(void)printf("ack        %s\n", r->ack[0] == '\0' ? "-" : r->ack);
	(void)printf(
	    "time       %.3f s, %.0f events/s\n", took, took > 0 ? (double)decided(r) / took : 0);
}
