/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_command - what the deadletter stage answers on its socket
 *
 * DESCRIPTION
 *	WORDS are key=value: stage (or sink), code, since and until (ns of the
 *	last attempt), limit; and `all` for those that are over too.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LS_LIMIT  100 /* when nobody says */
#define LS_MAX    1000
#define RETRY_MAX 100000
#define LINE_SIZE 1100

const char deadletter_command_help[] =
    "ls [WORDS]                   the newest dead letters, a JSON object each (limit=100)\n"
    "show ID                      one, with its event\n"
    "stats                        how many by sink and code\n"
    "mark replayed|purged ID ...  these are over\n"
    "purge WORDS                  all that fit are over; at least one word\n"
    "retry ID | retry sink=NAME   send again, at once\n"
    "receipt STREAM POS           what became of one event\n";

/* Words of the line behind the command; false: one is not understood. */
static bool
parse_words(const char *line, struct deadletter_query *q, size_t *words)
{
	char buf[LINE_SIZE], *at = buf, *word;

	*words = 0;
	(void)snprintf(buf, sizeof buf, "%s", line);
	while ((word = strsep(&at, " ")) != NULL) {
		if (*word == '\0')
			continue;
		if (!deadletter_index_parse(q, word))
			return false;
		++*words;
	}
	return true;
}

static void
add_record(
    struct deadletter_stage *d, struct deadletter_ref ref, struct text_out *out, bool has_event)
{
	const struct deadletter_entry *e = deadletter_index_entry(&d->index, ref);
	struct deadletter_view v = {
	    .instance = d->instance, .over = (enum deadletter_over)e->over, .over_s = e->over_s};
	struct deadletter_record r;
	struct deadletter_file f;

	deadletter_index_id(&d->index, ref, v.id);
	if (deadletter_index_read(&d->index, ref, &f, &r) == DEADLETTER_FILE_OK) {
		deadletter_json(out, &v, &r, has_event);
		text_add(out, "\n");
	}
	deadletter_file_close(&f);
}

static void
ls(struct deadletter_stage *d, const char *words, struct text_out *out)
{
	struct deadletter_query q = {.limit = LS_LIMIT};
	struct deadletter_ref *refs;
	size_t n, given;

	if (!parse_words(words, &q, &given) || q.limit == 0 || q.limit > LS_MAX) {
		text_add(out, "error: say stage=, code=, since=, until=, limit= (to %d) or all\n",
		    LS_MAX);
		return;
	}
	refs = deadletter_index_select(&d->index, &q, &n);
	for (size_t i = 0; i < n; i++)
		add_record(d, refs[i], out, true);
	free(refs);
}

static void
show(struct deadletter_stage *d, const char *id, struct text_out *out)
{
	struct deadletter_ref ref;
	size_t before = out->len;

	if (deadletter_index_find(&d->index, id, &ref))
		add_record(d, ref, out, true);
	if (out->len == before)
		text_add(out, "error: %.80s: no such dead letter\n", id);
}

static void
stats_of_stage(struct deadletter_stage *d, size_t i, struct text_out *out)
{
	const struct deadletter_index_stage *s = &d->index.stage[i];
	static uint64_t n[DEADLETTER_INDEX_CODES][DEADLETTER_OVERS];

	memset(n, 0, sizeof n);
	for (size_t k = 0; k < s->n; k++)
		for (size_t e = 0; e < s->file[k].n; e++)
			n[s->file[k].entry[e].code][s->file[k].entry[e].over]++;
	for (size_t c = 0; c < d->index.codes; c++) {
		const uint64_t *of = n[c];

		if (of[0] + of[1] + of[2] + of[3] == 0)
			continue;
		text_add(out, "%s %s", s->name, d->index.code[c]);
		for (int o = 0; o < DEADLETTER_OVERS; o++)
			text_add(out, " %s=%" PRIu64,
			    deadletter_index_over_name((enum deadletter_over)o), of[o]);
		text_add(out, "\n");
	}
}

static void
stats(struct deadletter_stage *d, struct text_out *out)
{
	uint64_t bad = 0, files = 0;

	for (size_t i = 0; i < d->index.stages; i++) {
		stats_of_stage(d, i, out);
		files += d->index.stage[i].n;
		for (size_t k = 0; k < d->index.stage[i].n; k++)
			bad += d->index.stage[i].file[k].bad_bytes;
	}
	text_add(out,
	    "total records=%" PRIu64 " open=%" PRIu64 " files=%" PRIu64 " bytes=%" PRIu64
	    " bad_bytes=%" PRIu64 " dropped=%" PRIu64 " marks=%" PRIu64,
	    d->index.n, d->index.open, files, d->index.bytes, bad, d->dropped, d->marks.n);
	if (d->cfg->invalid != 0)
		text_add(out, " intake_kept=%" PRIu64 " intake_lost=%" PRIu64, d->kept, d->lost);
	if (d->retry.is_running)
		text_add(out, " retry=%s", d->retry.sink);
	text_add(out, "\n");
	deadletter_copy_show(d, out);
}

static void
mark(struct deadletter_stage *d, const char *rest, struct text_out *out)
{
	char buf[LINE_SIZE], *at = buf, *word;
	struct deadletter_ref refs[LINE_SIZE / 4];
	enum deadletter_over over;
	size_t n = 0, unknown = 0;
	int64_t marked;

	(void)snprintf(buf, sizeof buf, "%s", rest);
	word = strsep(&at, " ");
	over = strcmp(word, "replayed") == 0 ? DEADLETTER_REPLAYED
	       : strcmp(word, "purged") == 0 ? DEADLETTER_PURGED
					     : DEADLETTER_OPEN;
	if (over == DEADLETTER_OPEN) {
		text_add(out, "error: mark replayed|purged ID ...\n");
		return;
	}
	while ((word = strsep(&at, " ")) != NULL) {
		if (*word == '\0')
			continue;
		if (deadletter_index_find(&d->index, word, &refs[n]))
			n++;
		else
			unknown++;
	}
	marked = deadletter_stage_mark(d, refs, n, over);
	if (marked == -1)
		text_add(out, "error: the marks: %s\n", strerror(errno));
	else
		text_add(out, "marked=%" PRId64 " known=%zu unknown=%zu\n", marked, n, unknown);
}

static void
purge(struct deadletter_stage *d, const char *words, struct text_out *out)
{
	struct deadletter_query q = {.limit = 0};
	struct deadletter_ref *refs;
	int64_t marked = 0;
	size_t n, given;

	if (!parse_words(words, &q, &given) || given == 0) {
		text_add(out, "error: say which: stage=, code=, since=, until= or all\n");
		return;
	}
	q.is_all = false;
	refs = deadletter_index_select(&d->index, &q, &n);
	if (n > 0)
		marked = deadletter_stage_mark(d, refs, n, DEADLETTER_PURGED);
	free(refs);
	if (marked == -1) {
		text_add(out, "error: the marks: %s\n", strerror(errno));
		return;
	}
	deadletter_retain(d, clock_wall_ns());
	text_add(out, "purged=%" PRId64 "\n", marked);
}

static void
retry(struct deadletter_stage *d, const char *rest, struct text_out *out)
{
	struct deadletter_query q = {.limit = RETRY_MAX};
	struct deadletter_ref one, *refs = NULL;
	char why[256];
	size_t n = 0, given;

	if (deadletter_index_find(&d->index, rest, &one)) {
		if (deadletter_index_entry(&d->index, one)->over != DEADLETTER_OPEN) {
			text_add(out, "error: %s is %s already\n", rest,
			    deadletter_index_over_name(
				(enum deadletter_over)deadletter_index_entry(&d->index, one)
				    ->over));
			return;
		}
		n = 1;
	} else if (strchr(rest, '=') == NULL || !parse_words(rest, &q, &given) ||
		   q.stage[0] == '\0') {
		text_add(out, "error: %.80s: no such dead letter\n", rest);
		return;
	} else {
		refs = deadletter_index_select(&d->index, &q, &n);
	}
	if (n == 0)
		text_add(out, "retried=0\n");
	else if (deadletter_retry_begin(d, refs != NULL ? refs : &one, n, why, sizeof why))
		text_add(
		    out, "retried=%zu id=%s sink=%s\n", d->retry.n, d->retry.id, d->retry.sink);
	else
		text_add(out, "error: %s\n", why);
	free(refs);
}

static void
receipt(struct deadletter_stage *d, const char *rest, struct text_out *out)
{
	uint32_t stream;
	uint64_t pos;

	if (sscanf(rest, "%" SCNu32 " %" SCNu64, &stream, &pos) != 2) {
		text_add(out, "error: receipt STREAM POS\n");
		return;
	}
	/* It may be asked before its first tick. */
	deadletter_stage_open_receipt(d);
	if (!d->has_receipt) {
		text_add(out,
		    "{\"receipt\":\"%s:%" PRIu32 ":%" PRIu64 "\",\"status\":\"unreadable\"}\n",
		    d->instance, stream, pos);
		return;
	}
	worker_blocked(d->w, "a receipt");
	receipt_json(&d->receipt, &d->index, stream, pos, out);
	worker_unblocked(d->w);
	text_add(out, "\n");
}

bool
deadletter_command(struct worker *w, const char *line, struct text_out *out)
{
	static const struct {
		const char *word;
		void (*run)(struct deadletter_stage *, const char *, struct text_out *);
	} commands[] = {{"ls", ls}, {"show", show}, {"mark", mark}, {"purge", purge},
	    {"retry", retry}, {"receipt", receipt}};
	struct deadletter_stage *d = deadletter_stage_of(w);
	size_t len = strcspn(line, " ");
	const char *rest = line + len + strspn(line + len, " ");

	if (strcmp(line, "stats") == 0) {
		deadletter_stage_refresh(d);
		stats(d, out);
		return true;
	}
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (strlen(commands[i].word) != len || memcmp(line, commands[i].word, len) != 0)
			continue;
		/* `show info` and its like are the skeleton's. */
		if (strcmp(commands[i].word, "show") == 0 && strchr(rest, '-') == NULL)
			return false;
		deadletter_stage_refresh(d);
		commands[i].run(d, rest, out);
		return true;
	}
	return false;
}
