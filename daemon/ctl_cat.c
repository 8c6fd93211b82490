/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_cat - sluicectl cat: write the events of the journal, one a line
 *
 * DESCRIPTION
 *	Bodies go out byte for byte as they were sent, with a newline behind.
 *	With --meta each line is a JSON object: what the frame's header and
 *	attributes say, and the body last.
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
#include "common/panic.h"
#include "common/units.h"
#include "workers/log_reader.h"
#include "workers/stats.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FOLLOW_PAUSE_MS 50
#define META_MAX        16384

enum from_kind { FROM_OLDEST = 0, FROM_NOW, FROM_TIME, FROM_RECEIPT };

struct cat {
	enum from_kind from;
	uint64_t wall_ns;
	uint32_t stream_of_receipt;
	uint64_t pos;
	char instance[9]; /* of the receipt, or of the log */
	int stream;       /* -1: all */
	bool is_following;
	bool has_meta;
	bool has_damage;
};

static bool
parse_number(const char *text, char stop, uint64_t *value, const char **rest)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	*rest = end;
	return end != text && *end == stop && errno == 0 && text[0] >= '0' && text[0] <= '9';
}

static bool
parse_receipt(struct cat *c, const char *text)
{
	uint64_t stream;
	const char *rest;

	if (strspn(text, "0123456789abcdef") != 8 || text[8] != ':' ||
	    !parse_number(text + 9, ':', &stream, &rest) || stream >= LOG_STREAMS ||
	    !parse_number(rest + 1, '\0', &c->pos, &rest))
		return false;
	(void)snprintf(c->instance, sizeof c->instance, "%.8s", text);
	c->stream_of_receipt = (uint32_t)stream;
	return true;
}

static bool
parse_from(struct cat *c, const char *text)
{
	int64_t ago_ms;

	if (strcmp(text, "oldest") == 0) {
		c->from = FROM_OLDEST;
	} else if (strcmp(text, "now") == 0) {
		c->from = FROM_NOW;
	} else if (units_parse_time(text + (text[0] == '-'), &ago_ms) == UNITS_OK) {
		c->from = FROM_TIME;
		c->wall_ns = clock_wall_ns() - (uint64_t)ago_ms * CLOCK_NS_PER_MS;
	} else if (ctl_log_date(text, &c->wall_ns)) {
		c->from = FROM_TIME;
	} else if (parse_receipt(c, text)) {
		c->from = FROM_RECEIPT;
	} else {
		return false;
	}
	return true;
}

static int
parse(struct cat *c, int argc, char **argv)
{
	static const struct option options[] = {{"from", required_argument, NULL, 'f'},
	    {"follow", no_argument, NULL, 'F'}, {"stream", required_argument, NULL, 's'},
	    {"meta", no_argument, NULL, 'm'}, {NULL, 0, NULL, 0}};
	uint64_t stream;
	const char *rest;
	int o;

	*c = (struct cat){.stream = -1};
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case 'f':
			if (!parse_from(c, optarg))
				return ctl_usage("cat",
				    "--from %s: say oldest, now, 10m, 2026-01-31T12:00:00Z or a "
				    "receipt",
				    optarg);
			break;
		case 'F':
			c->is_following = true;
			break;
		case 's':
			if (!parse_number(optarg, '\0', &stream, &rest) || stream >= LOG_STREAMS)
				return ctl_usage("cat", "--stream %s: not a stream", optarg);
			c->stream = (int)stream;
			break;
		case 'm':
			c->has_meta = true;
			break;
		default:
			return ctl_usage("cat", "unknown option");
		}
	}
	return optind < argc ? ctl_usage("cat", "%s: one word too many", argv[optind]) : CTL_OK;
}

static void
add_number(struct json_out *out, const char *name, uint64_t value)
{
	json_out_char(out, ',');
	json_out_name(out, bytes_str(name));
	json_out_u64(out, value);
}

static void
add_attributes(struct json_out *out, const uint8_t *at, const struct frame_header *h)
{
	struct bytes attrs = frame_attrs(at, h), value;
	size_t off = 0;
	uint16_t type;

	while (frame_attr_next(attrs, &off, &type, &value)) {
		const char *name = type == FRAME_ATTR_REQUEST_ID       ? "requestId"
				   : type == FRAME_ATTR_TRACEPARENT    ? "traceparent"
				   : type == FRAME_ATTR_CLIENT_ADDRESS ? "clientAddress"
				   : type == FRAME_ATTR_USER_AGENT     ? "userAgent"
								       : NULL;
		struct json_out before = *out;

		if (name == NULL)
			continue;
		json_out_char(out, ',');
		json_out_name(out, bytes_str(name));
		json_out_string(out, value);
		if (out->is_full) {
			*out = before; /* the line goes out without it */
			return;
		}
	}
}

static void
write_meta(const struct cat *c, const struct log_item *item)
{
	static uint8_t buf[META_MAX];
	struct json_out out = json_out_on(buf, sizeof buf);
	const struct frame_header *h = &item->h;

	json_out_lit(&out, "{\"receipt\":\"");
	json_out_raw(&out, bytes_str(c->instance));
	json_out_char(&out, ':');
	json_out_u64(&out, h->stream);
	json_out_char(&out, ':');
	json_out_u64(&out, h->pos);
	json_out_char(&out, '"');
	add_number(&out, "stream", h->stream);
	add_number(&out, "position", h->pos);
	add_number(&out, "sequence", h->seq);
	json_out_lit(&out, ",\"receivedAt\":");
	json_out_time_ms(&out, (int64_t)(h->recv_ns / CLOCK_NS_PER_MS));
	json_out_lit(&out, ",\"committedAt\":");
	json_out_time_ms(&out, (int64_t)(item->wall_ns / CLOCK_NS_PER_MS));
	json_out_lit(&out, ",\"eventTime\":");
	json_out_time_ms(&out, h->event_ms);
	add_number(&out, "listener", h->listener);
	add_number(&out, "tenant", h->tenant);
	add_attributes(&out, item->at, h);
	json_out_lit(&out, ",\"body\":");
	(void)fwrite(out.buf, 1, out.len, stdout);
}

static void
write_event(const struct cat *c, const struct log_item *item)
{
	struct bytes body = frame_body(item->at, &item->h);

	if (c->has_meta)
		write_meta(c, item);
	(void)fwrite(body.ptr, 1, body.len, stdout);
	if (c->has_meta)
		(void)putchar('}');
	(void)putchar('\n');
}

static void
say_range(struct cat *c, const struct log_item *item)
{
	bool is_lost = item->kind == LOG_ITEM_GAP && item->reason != FRAME_GAP_REGION_LOST;

	if (item->kind != LOG_ITEM_CORRUPT && item->kind != LOG_ITEM_EXPIRED && !is_lost)
		return;
	c->has_damage |= item->kind == LOG_ITEM_CORRUPT;
	ctl_say("stream %u: positions %" PRIu64 " to %" PRIu64 ": %s", item->stream, item->from,
	    item->to,
	    is_lost                          ? log_format_gap_text(item->reason)
	    : item->kind == LOG_ITEM_EXPIRED ? "removed by retention"
					     : "damaged: see sluicectl journal check");
}

static int
seek(const struct cat *c, struct log_reader *r)
{
	enum log_reader_sought sought = LOG_READER_FOUND;

	switch (c->from) {
	case FROM_OLDEST:
		return CTL_OK;
	case FROM_NOW:
		sought = log_reader_seek_end(r);
		break;
	case FROM_TIME:
		sought = log_reader_seek_time(r, c->wall_ns);
		break;
	case FROM_RECEIPT:
		sought = log_reader_seek_pos(r, c->stream_of_receipt, c->pos);
		break;
	}
	if (sought == LOG_READER_FAILED) {
		ctl_say("cannot read the log: %s", strerror(errno));
		return CTL_FAILED;
	}
	if (c->from != FROM_RECEIPT || sought == LOG_READER_FOUND)
		return CTL_OK;
	ctl_say("the receipt's position is %s",
	    sought == LOG_READER_GONE    ? "no longer in the log: beginning at the oldest"
	    : sought == LOG_READER_AHEAD ? "not in the log yet: beginning at the end"
					 : "lost: beginning behind it");
	return CTL_OK;
}

/* The log's instance, for receipts; false after having said that the given
 * receipt is of another. */
static bool
check_instance(struct cat *c, const struct log_reader *r)
{
	char ours[9] = "00000000";

	for (size_t i = 0; i < r->chain.n; i++)
		if (r->chain.at[i].is_readable)
			for (int k = 0; k < 4; k++)
				(void)snprintf(ours + 2 * k, 3, "%02x", r->chain.at[i].instance[k]);
	if (c->from == FROM_RECEIPT && r->chain.n > 0 && strcmp(ours, c->instance) != 0) {
		ctl_say("the receipt is of instance %s, this log is of %s", c->instance, ours);
		return false;
	}
	memcpy(c->instance, ours, sizeof ours);
	return true;
}

/* Has the stream an owner or a place in the log?  Where shared memory does not
 * know it, the newest segment does: its header names all that came before. */
static bool
has_stream(struct ctl_log *log, uint32_t stream)
{
	uint64_t end = ctl_log_end(log);
	struct log_reader *r;
	bool has;

	if (log->has_region && stream < log->region.slots &&
	    stats_slot_is_used(&log->region, stream))
		return true;
	r = xcalloc(1, sizeof *r);
	if (log_reader_open(r, log->dirfd, end) == -1 ||
	    log_reader_seek_end(r) == LOG_READER_FAILED)
		has = true; /* reading it will say what is wrong */
	else
		has = r->next[stream] != 0 || r->stats.bad_headers != 0;
	log_reader_close(r);
	free(r);
	return has;
}

static bool
check_stream(const struct cat *c, struct ctl_log *log)
{
	int wanted[] = {
	    c->stream, c->from == FROM_RECEIPT ? (int)c->stream_of_receipt : -1};

	for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
		if (wanted[i] != -1 && !has_stream(log, (uint32_t)wanted[i])) {
			ctl_say("stream %d: no such stream (sluicectl rings lists them)",
			    wanted[i]);
			return false;
		}
	return true;
}

static int
copy_out(struct cat *c, struct ctl_log *log, struct log_reader *r)
{
	const struct timespec pause = {0, FOLLOW_PAUSE_MS * CLOCK_NS_PER_MS};
	struct log_item item;

	while (!ferror(stdout)) {
		switch (log_reader_next(r, &item)) {
		case LOG_ITEM_FRAME:
			if (item.h.type == FRAME_EVENT &&
			    (c->stream == -1 || (uint32_t)c->stream == item.stream))
				write_event(c, &item);
			break;
		case LOG_ITEM_GAP:
		case LOG_ITEM_CORRUPT:
		case LOG_ITEM_EXPIRED:
			if (c->stream == -1 || (uint32_t)c->stream == item.stream)
				say_range(c, &item);
			break;
		case LOG_ITEM_ERROR:
			ctl_say("cannot read the log: %s", strerror(item.error));
			return CTL_FAILED;
		case LOG_ITEM_END:
			if (!c->is_following)
				return c->has_damage ? CTL_FAILED : CTL_OK;
			(void)fflush(stdout);
			(void)nanosleep(&pause, NULL);
			if (log_reader_refresh(r, ctl_log_end(log)) == -1) {
				ctl_say("cannot list the log: %s", strerror(errno));
				return CTL_FAILED;
			}
			break;
		}
	}
	return CTL_FAILED;
}

int
ctl_cat(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_log log;
	struct log_reader r;
	struct cat c;
	int rc = parse(&c, argc, argv);

	if (rc != CTL_OK)
		return rc;
	rc = ctl_log_open(&log, ctl);
	if (rc != CTL_OK)
		return rc;
	if (log_reader_open(&r, log.dirfd, ctl_log_end(&log)) == -1) {
		ctl_say("%s: %s", ctl->journal_dir, strerror(errno));
		ctl_log_close(&log);
		return CTL_FAILED;
	}
	rc = check_instance(&c, &r) && check_stream(&c, &log) ? seek(&c, &r) : CTL_FAILED;
	if (rc == CTL_OK)
		rc = copy_out(&c, &log, &r);
	if (fflush(stdout) == EOF)
		rc = CTL_FAILED;
	log_reader_close(&r);
	ctl_log_close(&log);
	return rc;
}
