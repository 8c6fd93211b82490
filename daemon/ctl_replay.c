/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_replay - sluicectl replay: a sink delivers a part of the log again
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only.
 */
#include "daemon/ctl_replay.h"

#include "common/clock.h"
#include "common/match.h"
#include "common/panic.h"
#include "daemon/ctl_log.h"
#include "workers/log_reader.h"
#include "workers/receipt.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct replay {
	const char *sink;
	bool has_from, has_to;
	bool is_place; /* from (and to) are receipts */
	uint64_t from_ns, to_ns;
	char instance[9], to_instance[9];
	uint32_t stream, to_stream;
	uint64_t pos, to_pos;
	uint64_t rate;
	bool is_all, is_dry;
};

static int
take_end(struct replay *r, const char *text, bool is_from)
{
	uint64_t wall_ns;
	bool is_place = is_from ? receipt_parse(text, r->instance, &r->stream, &r->pos)
				: receipt_parse(text, r->to_instance, &r->to_stream, &r->to_pos);

	if (!is_place) {
		if (!ctl_replay_time(text, &wall_ns))
			return ctl_usage("replay",
			    "%s: say oldest, now, -10m, 2026-01-31T12:00:00Z or a receipt", text);
		*(is_from ? &r->from_ns : &r->to_ns) = wall_ns;
	}
	if ((is_from ? r->has_to : r->has_from) && r->is_place != is_place)
		return ctl_usage("replay", "--from and --to: two times or two receipts");
	r->is_place = is_place;
	*(is_from ? &r->has_from : &r->has_to) = true;
	return CTL_OK;
}

static int
parse(struct replay *r, int argc, char **argv)
{
	static const struct option options[] = {{"sink", required_argument, NULL, 's'},
	    {"from", required_argument, NULL, 'f'}, {"to", required_argument, NULL, 't'},
	    {"rate", required_argument, NULL, 'r'}, {"all", no_argument, NULL, 'a'},
	    {"dry-run", no_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
	int o, rc = CTL_OK;

	while (rc == CTL_OK && (o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 's':
			r->sink = optarg;
			break;
		case 'f':
		case 't':
			rc = take_end(r, optarg, o == 'f');
			break;
		case 'r':
			if (!ctl_replay_number(optarg, &r->rate))
				rc = ctl_usage("replay", "--rate %s: not a number", optarg);
			break;
		case 'a':
			r->is_all = true;
			break;
		case 'd':
			r->is_dry = true;
			break;
		default:
			rc = ctl_usage("replay", "unknown option, or a value is missing");
		}
	}
	if (rc != CTL_OK)
		return rc;
	if (optind < argc)
		return ctl_usage("replay", "%s: one word too many", argv[optind]);
	if (r->sink == NULL || !r->has_from)
		return ctl_usage("replay", "--sink and --from are needed");
	if (r->has_to && r->is_place && strcmp(r->instance, r->to_instance) != 0)
		return ctl_usage("replay", "the receipts are of two instances");
	if (r->has_to && r->is_place ? r->stream == r->to_stream && r->to_pos < r->pos
				     : r->has_to && r->to_ns < r->from_ns)
		return ctl_usage("replay", "--to is before --from");
	if (!r->has_to && !r->is_place)
		r->to_ns = clock_wall_ns();
	return CTL_OK;
}

static const struct config_sink *
sink_of(const struct ctl *ctl, const char *name)
{
	for (int i = 0; ctl->cfg != NULL && i < ctl->cfg->sinks; i++)
		if (strcmp(ctl->cfg->sink[i].name, name) == 0)
			return &ctl->cfg->sink[i];
	return NULL;
}

/*---------------------------------------------------------------------------*
 * Counting what would be sent
 *---------------------------------------------------------------------------*/

static struct match *
match_of(const struct config_sink *cfg)
{
	struct match *m = match_new();
	char why[256];

	for (int i = 0; i < cfg->event_type.n; i++)
		(void)match_add_type(m, cfg->event_type.at[i], why, sizeof why);
	for (int i = 0; i < cfg->where.n; i++)
		(void)match_add_where(m, cfg->where.at[i], why, sizeof why);
	return m;
}

static bool
fits(const struct match *m, const struct log_item *item)
{
	struct bytes body = frame_body(item->at, &item->h), type = {NULL, 0};
	struct frame_place p = item->h.event_type;

	if (p.off <= body.len && p.len <= body.len - p.off)
		type = bytes_of(body.ptr + p.off, p.len);
	return match_event(m, type, body);
}

/* The same walk as the sink's: how many events there are, how many would be sent. */
static int
walk(const struct replay *r, struct log_reader *reader, const struct match *m, uint64_t *events,
    uint64_t *sent)
{
	enum log_reader_sought sought;
	struct log_item item;

	sought = r->is_place       ? log_reader_seek_pos(reader, r->stream, r->pos)
		 : r->from_ns == 0 ? LOG_READER_FOUND
				   : log_reader_seek_time(reader, r->from_ns);
	if (sought == LOG_READER_FAILED) {
		ctl_say("cannot read the log: %s", strerror(errno));
		return CTL_FAILED;
	}
	for (;;) {
		enum log_item_kind kind = log_reader_next(reader, &item);

		if (kind == LOG_ITEM_ERROR) {
			ctl_say("cannot read the log: %s", strerror(item.error));
			return CTL_FAILED;
		}
		if (kind == LOG_ITEM_END || (!r->is_place && item.wall_ns > r->to_ns) ||
		    (r->is_place && r->has_to && item.stream == r->to_stream &&
			item.from >= r->to_pos))
			break;
		if (kind != LOG_ITEM_FRAME || item.h.type != FRAME_EVENT ||
		    item.wall_ns < r->from_ns)
			continue;
		++*events;
		*sent += m == NULL || fits(m, &item);
	}
	return CTL_OK;
}

static int
count(const struct ctl *ctl, const struct replay *r, uint64_t *events, uint64_t *sent)
{
	const struct config_sink *cfg = sink_of(ctl, r->sink);
	struct log_reader *reader = xcalloc(1, sizeof *reader);
	struct match *m = NULL;
	struct ctl_log log;
	int rc = ctl_log_open(&log, ctl);

	*events = *sent = 0;
	if (rc != CTL_OK)
		goto out;
	if (log_reader_open(reader, log.dirfd, ctl_log_end(&log)) == -1) {
		ctl_say("%s: %s", ctl->journal_dir, strerror(errno));
		rc = CTL_FAILED;
	} else {
		if (cfg != NULL && !r->is_all)
			m = match_of(cfg);
		rc = walk(r, reader, m, events, sent);
		log_reader_close(reader);
		match_free(m);
	}
	ctl_log_close(&log);
out:
	free(reader);
	return rc;
}

static int
dry_run(const struct ctl *ctl, const struct replay *r)
{
	uint64_t events, sent;
	int rc = count(ctl, r, &events, &sent);

	if (rc == CTL_OK && ctl->is_json)
		(void)printf("{\"sink\":\"%s\",\"wouldSend\":%" PRIu64 ",\"of\":%" PRIu64 "}\n",
		    r->sink, sent, events);
	else if (rc == CTL_OK)
		(void)printf("would send %" PRIu64 " of %" PRIu64 " events to %s\n", sent, events,
		    r->sink);
	return rc;
}

/*---------------------------------------------------------------------------*
 * Sending
 *---------------------------------------------------------------------------*/

/* Somebody who watches wants to know how long it takes; a script need not wait for that.
 * 0: not known. */
static uint64_t
count_for_people(const struct ctl *ctl, const struct replay *r)
{
	uint64_t events = 0, sent = 0;
	bool is_known;

	if (isatty(STDERR_FILENO) != 1)
		return 0;
	(void)fprintf(stderr, "%s: counting", r->sink);
	(void)fflush(stderr);
	is_known = count(ctl, r, &events, &sent) == CTL_OK;
	(void)fputs("\r\033[K", stderr);
	return is_known ? events : 0;
}

static int
run(const struct ctl *ctl, const struct replay *r)
{
	struct deadletter_replay end;
	char id[48], line[256], span[64] = "";
	int rc;

	ctl_replay_id(id);
	if (r->is_place && r->has_to)
		(void)snprintf(span, sizeof span, "-%" PRIu32 ":%" PRIu64, r->to_stream, r->to_pos);
	if (r->is_place)
		(void)snprintf(line, sizeof line,
		    "replay pos %s %" PRIu32 ":%" PRIu64 "%s %" PRIu64 "%s\n", id, r->stream,
		    r->pos, span, r->rate, r->is_all ? " all" : "");
	else
		(void)snprintf(line, sizeof line,
		    "replay log %s %" PRIu64 " %" PRIu64 " %" PRIu64 "%s\n", id, r->from_ns,
		    r->to_ns, r->rate, r->is_all ? " all" : "");
	rc = ctl_replay_run(ctl, r->sink, id, line, count_for_people(ctl, r), &end);
	if (end.state[0] == '\0')
		return rc;
	if (ctl->is_json)
		(void)printf("{\"sink\":\"%s\",\"state\":\"%s\",\"read\":%" PRIu64
			     ",\"delivered\":%" PRIu64 ",\"dead\":%" PRIu64 ",\"skipped\":%" PRIu64
			     "}\n",
		    r->sink, end.state, end.read, end.delivered, end.dead, end.skipped);
	else
		(void)printf("%s: read %" PRIu64 " = delivered %" PRIu64 " + dead %" PRIu64
			     " + skipped %" PRIu64 "%s\n",
		    r->sink, end.read, end.delivered, end.dead, end.skipped,
		    rc == CTL_OK ? "" : ", and then it ended");
	return rc == CTL_OK && end.dead > 0 ? CTL_FINDINGS : rc;
}

static int
check_instance(const struct ctl *ctl, const struct replay *r)
{
	static struct region region;
	char ours[9];

	if (!r->is_place)
		return CTL_OK;
	if (ctl_region(ctl, &region) != CTL_OK)
		return CTL_UNAVAILABLE;
	receipt_instance(&region, ours);
	region_close(&region);
	if (strcmp(ours, r->instance) == 0)
		return CTL_OK;
	ctl_say("receipts of %s are not of this node (%s)", r->instance, ours);
	return CTL_FAILED;
}

int
ctl_replay(struct ctl *ctl, int argc, char **argv)
{
	struct replay r = {.rate = 0};
	int rc = parse(&r, argc, argv);

	if (rc != CTL_OK)
		return rc;
	if (ctl->cfg != NULL && sink_of(ctl, r.sink) == NULL) {
		ctl_say("%s: no such sink in %s", r.sink, ctl->config_path);
		return CTL_FAILED;
	}
	if ((rc = check_instance(ctl, &r)) != CTL_OK)
		return rc;
	return r.is_dry ? dry_run(ctl, &r) : run(ctl, &r);
}
