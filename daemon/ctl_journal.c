/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_journal - sluicectl journal: look at the segments and check them
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only.
 */
#include "daemon/ctl_log.h"

#include "common/clock.h"
#include "common/json_out.h"
#include "common/units.h"
#include "workers/log_reader.h"
#include "workers/log_retain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_NS (200 * CLOCK_NS_PER_MS)

static const char *
time_text(uint64_t wall_ns, char text[JSON_OUT_TIME_LEN + 1])
{
	json_out_time_to(text, (int64_t)(wall_ns / CLOCK_NS_PER_MS));
	text[JSON_OUT_TIME_LEN] = '\0';
	return text;
}

/*---------------------------------------------------------------------------*
 * check
 *---------------------------------------------------------------------------*/

struct check {
	bool is_json;
	bool has_progress;
	uint64_t shown_ns;
	uint64_t bad;   /* ranges that cannot be read */
	uint64_t known; /* GAPs that an earlier recovery wrote for damage */
	uint64_t bytes_before;
	struct text_out ranges; /* JSON */
};

static void
show_progress(struct check *c, const struct log_reader *r, bool is_last)
{
	uint64_t now_ns = clock_mono_ns();
	uint64_t all = 0;
	char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE];

	if (!c->has_progress || (!is_last && now_ns - c->shown_ns < PROGRESS_NS))
		return;
	c->shown_ns = now_ns;
	for (size_t i = 0; i < r->chain.n; i++)
		all += r->chain.at[i].bytes;
	(void)fprintf(stderr, "\r%s of %s checked, segment %08x \033[K%s",
	    units_print_size_about((int64_t)r->stats.bytes, a),
	    units_print_size_about((int64_t)all, b), r->seg.number, is_last ? "\r\033[K" : "");
	(void)fflush(stderr);
}

static void
note(struct check *c, const struct log_item *item)
{
	bool is_bad = item->kind == LOG_ITEM_CORRUPT;
	bool is_known = item->kind == LOG_ITEM_GAP && item->reason == FRAME_GAP_LOG_CORRUPT;

	if (!is_bad && !is_known)
		return;
	c->bad += is_bad;
	c->known += is_known;
	if (c->is_json)
		text_add(&c->ranges,
		    "%s{\"stream\":%u,\"from\":%" PRIu64 ",\"to\":%" PRIu64
		    ",\"segment\":%u,\"offset\":%" PRIu64 ",\"known\":%s}",
		    c->ranges.len == 0 ? "" : ",", item->stream, item->from, item->to,
		    item->segment, item->off, is_known ? "true" : "false");
	else
		(void)printf("%s: stream %u positions %" PRIu64 " to %" PRIu64
			     " at segment %08x offset %" PRIu64 "\n",
		    is_known ? "lost before" : "damaged", item->stream, item->from, item->to,
		    item->segment, item->off);
}

static void
print_totals(const struct check *c, const struct log_reader *r, size_t segments)
{
	const struct log_reader_stats *s = &r->stats;
	bool is_good = c->bad == 0 && s->bad_bytes == 0 && s->bad_headers == 0;

	if (c->is_json) {
		(void)printf("{\"segments\":%zu,\"chunks\":%" PRIu64 ",\"events\":%" PRIu64
			     ",\"frames\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"gaps\":%" PRIu64
			     ",\"twice\":%" PRIu64 ",\"badHeaders\":%" PRIu64
			     ",\"badBytes\":%" PRIu64 ",\"unreadableBytes\":%" PRIu64
			     ",\"ranges\":[%s],\"ok\":%s}\n",
		    segments, s->chunks, s->events, s->frames, s->bytes, s->gaps, s->twice,
		    s->bad_headers, s->bad_bytes, r->window.unreadable,
		    c->ranges.len == 0 ? "" : c->ranges.buf, is_good ? "true" : "false");
		return;
	}
	(void)printf("segments %zu\nchunks %" PRIu64 "\nevents %" PRIu64 "\nbytes %" PRIu64
		     "\ngaps %" PRIu64 "\ntwice %" PRIu64 "\nbad_headers %" PRIu64
		     "\nbad_bytes %" PRIu64 "\nbad_ranges %" PRIu64 "\n%s\n",
	    segments, s->chunks, s->events, s->bytes, s->gaps, s->twice, s->bad_headers,
	    s->bad_bytes, c->bad, is_good ? "ok" : "DAMAGED");
}

static int
check_log(struct ctl *ctl, struct ctl_log *log)
{
	struct check c = {
	    .is_json = ctl->is_json, .has_progress = !ctl->is_json && isatty(STDERR_FILENO) == 1};
	struct log_reader r;
	struct log_item item;
	bool is_good;
	size_t segments = 0;

	text_init(&c.ranges, 8u << 20);
	if (log_reader_open(&r, log->dirfd, ctl_log_end(log)) == -1) {
		ctl_say("%s: %s", ctl->journal_dir, strerror(errno));
		return CTL_FAILED;
	}
	for (size_t i = 0; i < r.chain.n; i++)
		segments += !r.chain.at[i].is_stray;
	while (log_reader_next(&r, &item) != LOG_ITEM_END) {
		if (item.kind == LOG_ITEM_ERROR) {
			ctl_say("cannot read the log: %s", strerror(item.error));
			log_reader_close(&r);
			text_free(&c.ranges);
			return CTL_FAILED;
		}
		note(&c, &item);
		show_progress(&c, &r, false);
	}
	show_progress(&c, &r, true);
	print_totals(&c, &r, segments);
	is_good = c.bad == 0 && r.stats.bad_bytes == 0 && r.stats.bad_headers == 0;
	log_reader_close(&r);
	text_free(&c.ranges);
	return is_good ? CTL_OK : CTL_FAILED;
}

/*---------------------------------------------------------------------------*
 * ls
 *---------------------------------------------------------------------------*/

struct listing {
	struct ctl *ctl;
	struct log_chain chain;
	struct log_retain retain;
	uint64_t disk_bytes;
	uint64_t now_ns;
	uint64_t log_end;
	size_t shown;
};

static const char *
hold_text(const struct log_retain_answer *a, char *buf, size_t size)
{
	char until[JSON_OUT_TIME_LEN + 1];

	switch (a->hold) {
	case LOG_HOLD_NONE:
		return "may go";
	case LOG_HOLD_ACTIVE:
		return "active";
	case LOG_HOLD_RETAIN:
	case LOG_HOLD_WINDOW:
		(void)snprintf(buf, size, "%s until %s",
		    a->hold == LOG_HOLD_RETAIN ? "retain" : "dedup window",
		    time_text(a->until_ns, until));
		return buf;
	case LOG_HOLD_SINK:
		break;
	}
	if (a->sink == NULL)
		return "sinks: too many or unreadable";
	if (a->sink->is_new)
		(void)snprintf(buf, size, "sink %s: has no checkpoint yet", a->sink->name);
	else if (a->sink->is_bad)
		(void)snprintf(buf, size, "sink %s: unreadable checkpoint", a->sink->name);
	else
		(void)snprintf(buf, size, "sink %s at stream %u position %" PRIu64, a->sink->name,
		    a->stream, a->pos);
	return buf;
}

static void
print_ranges(const struct listing *l, const struct log_segment_header *h,
    const struct log_segment_header *next)
{
	const char *before = "";

	for (uint32_t i = 0; i < LOG_STREAMS; i++) {
		uint64_t from = h->stream[i].end;
		uint64_t to = next == NULL ? from : next->stream[i].end;

		if (next != NULL ? from == to : from == 0)
			continue;
		if (l->ctl->is_json && next != NULL)
			(void)printf("%s{\"stream\":%u,\"from\":%" PRIu64 ",\"to\":%" PRIu64 "}",
			    before, i, from, to);
		else if (l->ctl->is_json)
			(void)printf("%s{\"stream\":%u,\"from\":%" PRIu64 "}", before, i, from);
		else if (next != NULL)
			(void)printf("    stream %u: %" PRIu64 " to %" PRIu64 "\n", i, from, to);
		else
			(void)printf("    stream %u: from %" PRIu64 "\n", i, from);
		before = ",";
	}
}

static void
print_segment(struct listing *l, const struct log_segment *s, const struct log_segment_header *h,
    const struct log_segment_header *next)
{
	size_t following = log_dir_find(&l->chain, s->number + 1);
	struct log_retain_answer answer;
	char created[JSON_OUT_TIME_LEN + 1], size[UNITS_TEXT_SIZE], hold[256];
	const char *state = s->is_stray            ? "stray"
			    : h == NULL            ? "unreadable"
			    : s->end == UINT64_MAX ? "active"
						   : "sealed";
	const char *held;

	log_retain_ask(&l->retain, next, log_dir_born(&l->chain, following), l->disk_bytes,
	    l->now_ns, &answer);
	held = s->is_stray ? "may go" : hold_text(&answer, hold, sizeof hold);
	if (l->ctl->is_json) {
		(void)printf("%s{\"segment\":%u,\"bytes\":%" PRIu64
			     ",\"state\":\"%s\",\"held\":\"%s\"",
		    l->shown++ == 0 ? "" : ",", s->number, s->bytes, state, held);
		if (h != NULL)
			(void)printf(",\"created\":\"%s\",\"firstCommit\":%" PRIu64,
			    time_text(h->created_ns, created), h->first_commit);
		(void)printf(",\"streams\":[");
	} else {
		(void)printf("%08x  %8s  %-10s  %s  %s\n", s->number,
		    units_print_size_about((int64_t)s->bytes, size), state,
		    h == NULL ? "-" : time_text(h->created_ns, created), held);
	}
	if (h != NULL && !s->is_stray)
		print_ranges(l, h, next);
	if (l->ctl->is_json)
		(void)printf("]}");
}

static void
list_segments(struct listing *l, int dirfd)
{
	struct log_segment_header h[2];
	enum log_format_result why;
	int now = 0;
	bool has_now = false;

	for (size_t i = 0; i < l->chain.n; i++) {
		const struct log_segment *s = &l->chain.at[i];
		size_t k = log_dir_find(&l->chain, s->number + 1);
		bool has_next;

		if (s->is_stray) {
			print_segment(l, s, NULL, NULL);
			continue;
		}
		if (!has_now)
			has_now = log_dir_read_header(dirfd, s->number, &h[now], &why) == 0;
		has_next = k < l->chain.n && log_dir_read_header(dirfd, l->chain.at[k].number,
						 &h[1 - now], &why) == 0;
		print_segment(l, s, has_now ? &h[now] : NULL, has_next ? &h[1 - now] : NULL);
		now = 1 - now;
		has_now = has_next;
	}
}

/* Where the log stood when its newest segment was made: it ends later. */
static bool
newest(const struct listing *l, int dirfd, struct log_segment_header *h)
{
	enum log_format_result why;

	for (size_t i = l->chain.n; i-- > 0;)
		if (!l->chain.at[i].is_stray &&
		    log_dir_read_header(dirfd, l->chain.at[i].number, h, &why) == 0)
			return true;
	return false;
}

static int
ls_log(struct ctl *ctl, struct ctl_log *log)
{
	/* Without a configuration file: its defaults. */
	struct log_retain_rules rules = {
	    .retain_ns = 24 * 3600 * CLOCK_NS_PER_S, .window_ns = 3600 * CLOCK_NS_PER_S};
	struct listing l = {.ctl = ctl, .now_ns = clock_wall_ns()};
	struct log_segment_header header;
	char size[UNITS_TEXT_SIZE];

	if (ctl->cfg != NULL)
		rules = (struct log_retain_rules){
		    .retain_ns = (uint64_t)ctl->cfg->journal.retain_ms * CLOCK_NS_PER_MS,
		    .window_ns = (uint64_t)ctl->cfg->dedup.window_ms * CLOCK_NS_PER_MS,
		    .max_disk_bytes = ctl->cfg->journal.max_disk_bytes};
	if (log_dir_load(&l.chain, log->dirfd, 0) == -1) {
		ctl_say("%s: %s", ctl->journal_dir, strerror(errno));
		return CTL_FAILED;
	}
	log_retain_init(&l.retain, &rules);
	log_retain_configure(
	    &l.retain, ctl->cfg, newest(&l, log->dirfd, &header) ? header.stream : NULL);
	log_retain_load_sinks(&l.retain, ctl->state_dir);
	for (size_t i = 0; i < l.chain.n; i++)
		l.disk_bytes += l.chain.at[i].bytes;
	if (ctl->is_json)
		(void)printf("{\"bytes\":%" PRIu64 ",\"segments\":[", l.disk_bytes);
	list_segments(&l, log->dirfd);
	if (ctl->is_json)
		(void)printf("]}\n");
	else
		(void)printf("%zu segments, %s\n", l.chain.n,
		    units_print_size_about((int64_t)l.disk_bytes, size));
	log_retain_free(&l.retain);
	log_dir_unload(&l.chain);
	return CTL_OK;
}

int
ctl_journal(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_log log;
	int rc;

	if (argc != 2 || (strcmp(argv[1], "check") != 0 && strcmp(argv[1], "ls") != 0))
		return ctl_usage("journal", "say check or ls");
	rc = ctl_log_open(&log, ctl);
	if (rc != CTL_OK)
		return rc;
	rc = strcmp(argv[1], "check") == 0 ? check_log(ctl, &log) : ls_log(ctl, &log);
	ctl_log_close(&log);
	if (fflush(stdout) == EOF)
		return CTL_FAILED;
	return rc;
}
