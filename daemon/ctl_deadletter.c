/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_deadletter - sluicectl deadletter: look at refused events, end them, send them again
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only, for the instance's name.
 */
#include "daemon/ctl_deadletter.h"

#include "common/clock.h"
#include "common/json_out.h"
#include "daemon/ctl_replay.h"
#include "shm/region.h"
#include "workers/receipt.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS       10000
#define IDS_A_LINE   10
#define LINES_AN_ASK 100

/*---------------------------------------------------------------------------*
 * Which
 *---------------------------------------------------------------------------*/

/* "code=X", "sink=X", or a condition on the event. */
static int
add_where(struct ctl_deadletter *l, const char *text)
{
	char why[256];

	l->has_filter = true;
	if (text[0] != '/')
		return deadletter_index_parse(&l->query, text)
			   ? CTL_OK
			   : ctl_usage("deadletter",
				 "--where %s: say code=CODE, sink=NAME or a condition such as "
				 "'/eventType = view'",
				 text);
	if (l->where == NULL)
		l->where = match_new();
	if (match_add_where(l->where, text, why, sizeof why) == -1)
		return ctl_usage("deadletter", "--where %s: %s", text, why);
	return CTL_OK;
}

static int
take_option(struct ctl_deadletter *l, int o, const char *value)
{
	uint64_t n;

	switch (o) {
	case 'w':
		return add_where(l, value);
	case 's':
		l->has_filter = true;
		(void)snprintf(l->query.stage, sizeof l->query.stage, "%s", value);
		return CTL_OK;
	case 't':
		l->has_filter = true;
		return ctl_replay_time(value, &l->query.since_ns)
			   ? CTL_OK
			   : ctl_usage("deadletter", "--since %s: say -10m or 2026-01-31T12:00:00Z",
				 value);
	case 'l':
		if (!ctl_replay_number(value, &n) || n == 0)
			return ctl_usage("deadletter", "--limit %s: not a number", value);
		l->query.limit = (size_t)n;
		return CTL_OK;
	case 'r':
		return ctl_replay_number(value, &l->rate)
			   ? CTL_OK
			   : ctl_usage("deadletter", "--rate %s: not a number", value);
	case 'a':
		l->query.is_all = true;
		l->has_filter = true;
		return CTL_OK;
	case 'd':
		l->is_dry = true;
		return CTL_OK;
	default:
		return ctl_usage("deadletter", "unknown option, or a value is missing");
	}
}

static int
parse(struct ctl_deadletter *l, int argc, char **argv)
{
	static const struct option options[] = {{"where", required_argument, NULL, 'w'},
	    {"sink", required_argument, NULL, 's'}, {"since", required_argument, NULL, 't'},
	    {"limit", required_argument, NULL, 'l'}, {"rate", required_argument, NULL, 'r'},
	    {"all", no_argument, NULL, 'a'}, {"dry-run", no_argument, NULL, 'd'},
	    {NULL, 0, NULL, 0}};
	int o, rc;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		if ((rc = take_option(l, o, optarg)) != CTL_OK)
			return rc;
	l->ids = argv + optind;
	l->n_ids = argc - optind;
	return CTL_OK;
}

static void
find_instance(struct ctl_deadletter *l)
{
	static struct region region;
	char dir[CONFIG_PATH_SIZE + 16], text[256];

	(void)snprintf(dir, sizeof dir, "%s/region", l->ctl->runtime_dir);
	if (region_open(&region, dir, false, text, sizeof text) == REGION_OK)
		receipt_instance(&region, l->instance);
	region_close(&region);
}

static int
load(struct ctl_deadletter *l)
{
	uint64_t now_ns = clock_wall_ns(), retain_ns;

	deadletter_index_init(&l->index, l->ctl->state_dir);
	if (deadletter_index_refresh(&l->index) == -1 ||
	    deadletter_marks_load(&l->index, NULL, NULL) == -1) {
		ctl_say("%s/deadletter: %s: be root or of the daemon's group", l->ctl->state_dir,
		    strerror(errno));
		return CTL_UNAVAILABLE;
	}
	if (l->index.is_unlisted)
		ctl_say("more than %zu dead letters: the rest is not listed", l->index.max);
	if (l->index.is_crowded)
		ctl_say("more folders in %s than the %zu that were looked at: the rest is not "
			"listed",
		    l->index.path, l->index.stages);
	if (l->ctl->cfg != NULL) {
		retain_ns = (uint64_t)l->ctl->cfg->deadletter.retain_ms * CLOCK_NS_PER_MS;
		if (now_ns > retain_ns)
			(void)deadletter_index_expire(
			    &l->index, now_ns - retain_ns, (uint32_t)(now_ns / CLOCK_NS_PER_S));
	}
	find_instance(l);
	return CTL_OK;
}

static bool
is_wanted(const struct ctl_deadletter *l, struct deadletter_ref ref)
{
	struct bytes body, type = {NULL, 0};
	struct deadletter_record r;
	struct deadletter_file f;
	struct frame_header h;
	bool is = false;

	if (deadletter_index_read(&l->index, ref, &f, &r) == DEADLETTER_FILE_OK &&
	    deadletter_json_frame(&r, &h) && h.type == FRAME_EVENT) {
		body = frame_body(r.frame.ptr, &h);
		if (h.event_type.off <= body.len && h.event_type.len <= body.len - h.event_type.off)
			type = bytes_of(body.ptr + h.event_type.off, h.event_type.len);
		is = match_event(l->where, type, body);
	}
	deadletter_file_close(&f);
	return is;
}

static int
select_ids(struct ctl_deadletter *l)
{
	if (l->has_filter)
		return ctl_usage("deadletter", "give ids or conditions, not both");
	if ((l->refs = calloc((size_t)l->n_ids, sizeof *l->refs)) == NULL)
		return CTL_FAILED;
	for (int i = 0; i < l->n_ids; i++)
		if (!deadletter_index_find(&l->index, l->ids[i], &l->refs[l->n++])) {
			ctl_say("%s: no such dead letter", l->ids[i]);
			return CTL_FAILED;
		}
	return CTL_OK;
}

/* Configured, or with a folder of its own, or with a record: a name that was typed wrong
 * is none of these. */
static bool
is_sink(const struct ctl_deadletter *l, const char *name)
{
	char path[CONFIG_PATH_SIZE + 64];

	for (int i = 0; l->ctl->cfg != NULL && i < l->ctl->cfg->sinks; i++)
		if (strcmp(l->ctl->cfg->sink[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < l->index.stages; i++)
		for (size_t k = 0; k < l->index.stage[i].n; k++)
			if (l->index.stage[i].file[k].n > 0 &&
			    strcmp(l->index.stage[i].name, name) == 0)
				return true;
	(void)snprintf(path, sizeof path, "%s/sinks/%s", l->ctl->state_dir, name);
	return strcmp(name, "intake") == 0 ||
	       (strchr(name, '/') == NULL && name[0] != '.' && access(path, F_OK) == 0);
}

int
ctl_deadletter_select(struct ctl_deadletter *l)
{
	struct deadletter_query q = l->query;
	size_t kept = 0;

	if (l->n_ids > 0)
		return select_ids(l);
	if (q.stage[0] != '\0' && !is_sink(l, q.stage)) {
		ctl_say("%s: no dead letters of such a sink", q.stage);
		return CTL_FAILED;
	}
	if (l->where != NULL)
		q.limit = 0; /* of those that fit */
	l->refs = deadletter_index_select(&l->index, &q, &l->n);
	if (l->where == NULL)
		return CTL_OK;
	for (size_t i = 0; i < l->n && (l->query.limit == 0 || kept < l->query.limit); i++)
		if (is_wanted(l, l->refs[i]))
			l->refs[kept++] = l->refs[i];
	l->n = kept;
	return CTL_OK;
}

/*---------------------------------------------------------------------------*
 * ls, show, stats
 *---------------------------------------------------------------------------*/

/* One line of a table, whatever the destination wrote. */
static void
print_plain(const char *text)
{
	for (; *text != '\0'; text++)
		(void)putchar((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text);
}

static void
print_row(
    const struct ctl_deadletter *l, struct deadletter_ref ref, const struct deadletter_record *r)
{
	const struct deadletter_entry *e = deadletter_index_entry(&l->index, ref);
	char id[DEADLETTER_ID_SIZE], at[JSON_OUT_TIME_LEN];

	deadletter_index_id(&l->index, ref, id);
	json_out_time_to(at, (int64_t)(e->last_ns / CLOCK_NS_PER_MS));
	(void)printf("%-24s %.*s %-20s %5" PRIu32 "  ", id, JSON_OUT_TIME_LEN, at, r->info.code,
	    r->info.attempts);
	if (l->query.is_all)
		(void)printf("%-8s  ", deadletter_index_over_name((enum deadletter_over)e->over));
	print_plain(r->info.text);
	(void)putchar('\n');
}

static void
print_json(
    const struct ctl_deadletter *l, struct deadletter_ref ref, const struct deadletter_record *r)
{
	const struct deadletter_entry *e = deadletter_index_entry(&l->index, ref);
	struct deadletter_view v = {
	    .instance = l->instance, .over = (enum deadletter_over)e->over, .over_s = e->over_s};
	struct text_out out;

	text_init(&out, 512u << 20);
	deadletter_index_id(&l->index, ref, v.id);
	deadletter_json(&out, &v, r, true);
	(void)puts(out.buf);
	text_free(&out);
}

static int
ls(struct ctl_deadletter *l)
{
	struct deadletter_record r;
	struct deadletter_file f;
	int rc = ctl_deadletter_select(l);

	if (rc != CTL_OK)
		return rc;
	if (!l->ctl->is_json && l->n > 0)
		(void)printf("%-24s %-24s %-20s %5s  %s%s\n", "ID", "LAST ATTEMPT", "CODE", "TRIES",
		    l->query.is_all ? "STATE     " : "", "REASON");
	for (size_t i = 0; i < l->n && !ferror(stdout); i++) {
		if (deadletter_index_read(&l->index, l->refs[i], &f, &r) == DEADLETTER_FILE_OK) {
			if (l->ctl->is_json)
				print_json(l, l->refs[i], &r);
			else
				print_row(l, l->refs[i], &r);
		}
		deadletter_file_close(&f);
	}
	return CTL_OK;
}

static int
show(struct ctl_deadletter *l)
{
	struct deadletter_record r;
	struct deadletter_file f;
	int rc;

	if (l->n_ids == 0)
		return ctl_usage("deadletter", "show: an id is missing (ls lists them)");
	if ((rc = ctl_deadletter_select(l)) != CTL_OK)
		return rc;
	for (size_t i = 0; i < l->n; i++) {
		if (deadletter_index_read(&l->index, l->refs[i], &f, &r) == DEADLETTER_FILE_OK) {
			print_json(l, l->refs[i], &r);
		} else {
			ctl_say("%s: it cannot be read any more", l->ids[i]);
			rc = CTL_FAILED;
		}
		deadletter_file_close(&f);
	}
	return rc;
}

static int
stats(struct ctl_deadletter *l)
{
	const struct deadletter_index *ix = &l->index;
	uint64_t sum[DEADLETTER_OVERS] = {0};
	bool is_first = true;

	if (l->ctl->is_json)
		(void)printf("{\"bytes\":%" PRIu64 ",\"deadLetters\":[", ix->bytes);
	else
		(void)printf("%-20s %-20s %9s %9s %9s %9s\n", "SINK", "CODE", "OPEN", "REPLAYED",
		    "PURGED", "EXPIRED");
	for (size_t i = 0; i < ix->stages; i++)
		for (size_t c = 0; c < ix->codes; c++) {
			uint64_t n[DEADLETTER_OVERS] = {0};
			const struct deadletter_index_stage *s = &ix->stage[i];

			for (size_t k = 0; k < s->n; k++)
				for (size_t e = 0; e < s->file[k].n; e++)
					if (s->file[k].entry[e].code == c)
						n[s->file[k].entry[e].over]++;
			if (n[0] + n[1] + n[2] + n[3] == 0)
				continue;
			for (int o = 0; o < DEADLETTER_OVERS; o++)
				sum[o] += n[o];
			if (l->ctl->is_json)
				(void)printf("%s{\"sink\":\"%s\",\"code\":\"%s\",\"open\":%" PRIu64
					     ",\"replayed\":%" PRIu64 ",\"purged\":%" PRIu64
					     ",\"expired\":%" PRIu64 "}",
				    is_first ? "" : ",", s->name, ix->code[c], n[0], n[1], n[2],
				    n[3]);
			else
				(void)printf("%-20s %-20s %9" PRIu64 " %9" PRIu64 " %9" PRIu64
					     " %9" PRIu64 "\n",
				    s->name, ix->code[c], n[0], n[1], n[2], n[3]);
			is_first = false;
		}
	if (l->ctl->is_json)
		(void)printf("]}\n");
	else
		(void)printf("%-41s %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 "\n", "total",
		    sum[0], sum[1], sum[2], sum[3]);
	return CTL_OK;
}

/*---------------------------------------------------------------------------*
 * Marks
 *---------------------------------------------------------------------------*/

static int64_t
sum_marked(const char *answer)
{
	int64_t sum = 0;

	while ((answer = strstr(answer, "marked=")) != NULL) {
		answer += 7;
		sum += strtoll(answer, NULL, 10);
	}
	return sum;
}

int64_t
ctl_deadletter_mark(
    const struct ctl_deadletter *l, const struct deadletter_ref *refs, size_t n, const char *word)
{
	char path[CONFIG_PATH_SIZE + 64], id[DEADLETTER_ID_SIZE];
	struct text_out lines, answer;
	int64_t sum = 0;
	size_t i = 0;

	(void)snprintf(path, sizeof path, "%s/stage/deadletter.sock", l->ctl->runtime_dir);
	while (i < n && sum != -1) {
		text_init(&lines, 1u << 20);
		text_init(&answer, 1u << 20);
		for (int k = 0; k < LINES_AN_ASK && i < n; k++) {
			text_add(&lines, "mark %s", word);
			for (int m = 0; m < IDS_A_LINE && i < n; m++, i++) {
				deadletter_index_id(&l->index, refs[i], id);
				text_add(&lines, " %s", id);
			}
			text_add(&lines, "\n");
		}
		if (ctl_ask(path, lines.buf, ASK_MS, &answer) == -1) {
			ctl_say("the deadletter stage does not answer: %s: is sluiced running?",
			    strerror(errno));
			sum = -1;
		} else if (strstr(answer.buf, "error:") != NULL) {
			ctl_say("the deadletter stage: %.*s",
			    (int)strcspn(strstr(answer.buf, "error:"), "\n"),
			    strstr(answer.buf, "error:"));
			sum = -1;
		} else {
			sum += sum_marked(answer.buf);
		}
		text_free(&lines);
		text_free(&answer);
	}
	return sum;
}

static int
purge(struct ctl_deadletter *l)
{
	int rc;
	int64_t n;

	if (l->n_ids == 0 && !l->has_filter)
		return ctl_usage("deadletter",
		    "purge: give ids, or say which with --sink, --where, "
		    "--since or --all");
	l->query.is_all = false;
	if ((rc = ctl_deadletter_select(l)) != CTL_OK)
		return rc;
	if (l->is_dry) {
		(void)printf(
		    l->ctl->is_json ? "{\"wouldPurge\":%zu}\n" : "would purge %zu\n", l->n);
		return CTL_OK;
	}
	if ((n = ctl_deadletter_mark(l, l->refs, l->n, "purged")) == -1)
		return CTL_UNAVAILABLE;
	(void)printf(
	    l->ctl->is_json ? "{\"purged\":%" PRId64 "}\n" : "purged %" PRId64 "\n", n);
	return CTL_OK;
}

int
ctl_deadletter(struct ctl *ctl, int argc, char **argv)
{
	static const struct {
		const char *word;
		int (*run)(struct ctl_deadletter *);
	} commands[] = {{"ls", ls}, {"show", show}, {"stats", stats}, {"purge", purge},
	    {"replay", ctl_deadletter_replay}};
	struct ctl_deadletter l = {.ctl = ctl};
	size_t i = 0;
	int rc;

	if (argc < 2)
		return ctl_usage("deadletter", "say ls, show, stats, replay or purge");
	while (i < sizeof commands / sizeof commands[0] && strcmp(commands[i].word, argv[1]) != 0)
		i++;
	if (i == sizeof commands / sizeof commands[0])
		return ctl_usage("deadletter", "%s: say ls, show, stats, replay or purge", argv[1]);
	deadletter_index_init(&l.index, ctl->state_dir);
	rc = parse(&l, argc - 1, argv + 1);
	if (rc == CTL_OK)
		rc = load(&l);
	if (rc == CTL_OK)
		rc = commands[i].run(&l);
	free(l.refs);
	match_free(l.where);
	deadletter_index_free(&l.index);
	return rc;
}
