/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_show - show rings, journal, ledger, errors, panic, info
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads all parts.
 */
#include "common/clock.h"
#include "common/units.h"
#include "shm/page.h"
#include "shm/word.h"
#include "workers/stats.h"
#include "workers/stats_rows.h"
#include "workers/stats_sink.h"
#include "workers/stats_table.h"

#include <stdio.h>
#include <string.h>

#define HEADS(a) a, sizeof a / sizeof a[0]

/*---------------------------------------------------------------------------*
 * show rings
 *---------------------------------------------------------------------------*/

static void
ring_row(const struct stats *s, uint32_t slot, struct stats_table *t)
{
	const struct region *r = s->region;
	const struct slot_page *p = r->slot[slot];
	uint64_t unread = stats_unread(r, slot), pos, seq, number;
	bool has_cursor = cursor_load(&p->ring.tail, &pos, &seq);
	pid_t pid = (pid_t)word_load(&p->pid);
	enum layout_role role = (enum layout_role)word_load(&r->header->slot[slot].role);
	struct stats_ledger l;

	number = word_load(&r->header->slot[slot].number);
	stats_ledger_read(r, slot, &l);
	stats_table_number(t, slot);
	stats_table_cell(t, "%s %llu", layout_role_name(role), (unsigned long long)number);
	if (word_load(&p->active) == 0)
		stats_table_cell(t, "%s", t->is_json ? "-" : "free");
	else if (t->is_json)
		stats_table_number(t, (unsigned long long)pid);
	else
		stats_table_cell(t, "%d%s", (int)pid, stats_pid_note(s, pid));
	stats_table_number(t, ring_tail(&(struct ring){.words = &r->slot[slot]->ring}));
	stats_table_number(t, cursor_pos(&r->journal->stream[slot].durable));
	stats_table_number(t, unread);
	stats_table_cell(t, "%llu%s", (unsigned long long)(unread * 100 / r->ring_capacity),
	    t->is_json ? "" : "%");
	if (has_cursor)
		stats_table_number(t, seq);
	else
		stats_table_cell(t, "?");
	stats_table_number(t, l.put);
	stats_table_number(t, word_load(&p->ring.claimed));
	stats_table_cell(t, "%s",
	    word_load(&p->retired) != 0                         ? "damaged"
	    : word_load(&r->journal->stream[slot].retired) != 0 ? "set aside"
								: "-");
}

void
stats_show_rings(struct stats *s, const char *arg, struct text_out *out)
{
	static const char *const heads[] = {"slot", "<last_owner", "pid", "tail", "durable",
	    "unread", "fill", "sequence", "put", "claimed", "<retired"};
	const struct region *r = s->region;
	struct stats_table t;
	unsigned rows = 0, unused = 0;
	char size[UNITS_TEXT_SIZE];

	if (!stats_table_begin_as(&t, HEADS(heads), "show rings", arg, out))
		return;
	for (uint32_t slot = 0; slot < r->slots; slot++) {
		if (!stats_slot_is_used(r, slot)) {
			unused++;
			continue;
		}
		rows++;
		ring_row(s, slot, &t);
	}
	if (rows == 0 && !t.is_json)
		text_free(&t.text);
	else
		stats_table_end_as(&t, "rings", out);
	if (t.is_json)
		return;
	text_add(out, "%u slots of %s were never used\n", unused,
	    units_print_size((int64_t)r->ring_capacity, size));
}

/*---------------------------------------------------------------------------*
 * show journal
 *---------------------------------------------------------------------------*/

/* The trouble that no call has reported yet, because it does not return. */
static void
journal_blocked(const struct stats *s, struct text_out *out)
{
	struct stats_iter it = {0};
	struct stats_stage stage;
	char age[STATS_TIME_SIZE], at[STATS_TIME_SIZE];
	uint64_t blocked = 0;

	while (stats_next(s, &it, &stage)) {
		if (stage.role != LAYOUT_ROLE_JOURNAL)
			continue;
		blocked = stats_blocked_for(s, &stage);
		break;
	}
	if (blocked < CLOCK_NS_PER_S)
		text_add(out, "trouble        none\n");
	else
		text_add(out,
		    "trouble        blocked in %s for %s, since %s: no durable answers until it "
		    "is over\n",
		    stage.blocked_in, stats_age(blocked, age),
		    stats_time(s->wall_ns - blocked, at));
}

void
stats_show_journal(struct stats *s, const char *arg, struct text_out *out)
{
	const struct region *r = s->region;
	const struct journal_part *j = r->journal;
	uint64_t end = word_load(&j->log_end), trouble = word_load(&j->trouble);
	uint64_t since = word_load(&j->trouble_since_ns), checkpoint = word_load(&j->checkpoint_ns);
	uint64_t commits = counters_get(j->counter, counter_id(JOURNAL, commits));
	uint64_t stop = word_load(&j->intake_stop);
	pid_t pid = (pid_t)word_load(&j->pid);
	char a[STATS_TIME_SIZE], b[STATS_TIME_SIZE], size[UNITS_TEXT_SIZE];

	(void)arg;
	text_add(out, "pid            %d%s\n", (int)pid, stats_pid_note(s, pid));
	text_add(out, "ready          %s\n",
	    word_load(&j->ready_generation) == r->header->generation ? "yes" : "no");
	text_add(out, "segment        %08x\n", layout_log_segment(end));
	text_add(out, "offset         %llu\n", (unsigned long long)layout_log_offset(end));
	text_add(out, "commit         %llu\n", (unsigned long long)word_load(&j->commit));
	text_add(out, "commits        %llu\n", (unsigned long long)commits);
	text_add(out, "frames         %llu\n",
	    (unsigned long long)counters_get(j->counter, counter_id(JOURNAL, frames)));
	text_add(out, "bytes          %llu\n",
	    (unsigned long long)counters_get(j->counter, counter_id(JOURNAL, bytes)));
	text_add(out, "fsync          mean %s max %s\n",
	    stats_short(
		commits == 0 ? 0 : counters_get(j->counter, counter_id(JOURNAL, sync_ns)) / commits,
		a),
	    stats_short(counters_get(j->counter, counter_id(JOURNAL, sync_max_ns)), b));
	text_add(out, "segments       %llu\n",
	    (unsigned long long)counters_get(j->counter, counter_id(JOURNAL, segments)));
	text_add(out, "oldest segment %08x\n", (unsigned)(word_load(&j->log_first) & 0xffffffffu));
	text_add(out, "disk           %s\n",
	    units_print_size_about(
		(int64_t)counters_get(j->counter, counter_id(JOURNAL, disk_bytes)), size));
	text_add(out, "checkpoint     %s\n",
	    checkpoint == 0 ? "none"
			    : stats_age(s->wall_ns > checkpoint ? s->wall_ns - checkpoint : 0, a));
	if (stop != 0 && stop <= SINK_PART_MAX)
		text_add(out,
		    "intake         stopped: sink %.39s is beyond its max-lag-bytes or "
		    "max-lag-age\n",
		    r->header->sink_name[stop - 1].name);
	if (trouble == LAYOUT_TROUBLE_NONE)
		journal_blocked(s, out);
	else
		text_add(out,
		    "trouble        %s: %s, since %s: no durable answers until it is over\n",
		    layout_trouble_name((enum layout_trouble)trouble),
		    strerror((int)word_load(&j->trouble_errno)), stats_time(since, a));
}

/*---------------------------------------------------------------------------*
 * show ledger
 *---------------------------------------------------------------------------*/

static void
ledger_row(
    const char *name, const char *stream, const struct stats_ledger *l, struct stats_table *t)
{
	stats_table_cell(t, "%s", name);
	stats_table_cell(t, "%s", stream);
	stats_table_number(t, l->received);
	stats_table_number(t, l->put);
	stats_table_number(t, l->duplicate);
	stats_table_number(t, l->invalid);
	stats_table_number(t, l->retry);
	stats_table_number(t, l->interrupted);
	stats_table_cell(t, "%lld", (long long)l->undecided);
	stats_table_cell(t, "%s", stats_balance_name(l->balance));
}

void
stats_show_ledger(struct stats *s, const char *arg, struct text_out *out)
{
	static const char *const heads[] = {"<stage", "stream", "received", "put", "duplicate",
	    "invalid", "retry", "interrupted", "undecided", "<ledger"};
	struct stats_ledger l, sum = {0};
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct stats_table t;
	char slot[16];

	if (strcmp(arg, "json") == 0) {
		stats_ledger_json(s, out);
		text_add_bytes(out, "\n", 1);
		return;
	}
	if (*arg != '\0') {
		text_add(out, "show ledger takes json or nothing\n");
		return;
	}
	stats_table_begin(&t, HEADS(heads));
	while (stats_next(s, &it, &stage)) {
		if (stage.slot == -1)
			continue;
		stats_ledger_read(s->region, (uint32_t)stage.slot, &l);
		stats_ledger_add(&sum, &l);
		(void)snprintf(slot, sizeof slot, "%d", stage.slot);
		ledger_row(stage.name, slot, &l, &t);
	}
	ledger_row("total", "-", &sum, &t);
	stats_table_end(&t, out);
	stats_sink_ledger_table(s, out);
}

/*---------------------------------------------------------------------------*
 * show errors, panic, info
 *---------------------------------------------------------------------------*/

struct error_line {
	char text[sizeof((struct layout_error *)0)->text];
	char first[STATS_TIME_SIZE], last[STATS_TIME_SIZE];
	uint64_t count;
};

static bool
read_error(const struct process_page *p, int i, struct error_line *e)
{
	char raw[sizeof e->text];
	uint64_t first_ns, last_ns;

	if (!page_error_read(p, i, raw, sizeof raw, &e->count, &first_ns, &last_ns))
		return false;
	stats_clean(e->text, sizeof e->text, raw, sizeof raw);
	(void)stats_time(first_ns, e->first);
	(void)stats_time(last_ns, e->last);
	return true;
}

static void
add_error(const char *stage, const struct error_line *e, bool is_json, bool is_first,
    struct text_out *out)
{
	if (!is_json) {
		text_add(out, "%s: %s: count=%llu first=%s last=%s\n", stage, e->text,
		    (unsigned long long)e->count, e->first, e->last);
		return;
	}
	text_add(out, "%s{\"stage\":", is_first ? "" : ",");
	text_add_json(out, stage);
	text_add(out, ",\"text\":");
	text_add_json(out, e->text);
	text_add(out, ",\"count\":%llu,\"first\":\"%s\",\"last\":\"%s\"}",
	    (unsigned long long)e->count, e->first, e->last);
}

void
stats_show_errors(struct stats *s, const char *arg, struct text_out *out)
{
	size_t len = strcspn(arg, " \t"), found = 0;
	bool is_json = len == 4 && memcmp(arg, "json", 4) == 0;
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct error_line e;

	if (is_json) {
		arg += len + strspn(arg + len, " \t");
		text_add(out, "{\"errors\":[");
	}
	while (stats_next(s, &it, &stage)) {
		if (stage.page == -1 || !stats_is_named(&stage, arg))
			continue;
		for (int i = 0; i < LAYOUT_ERRORS; i++)
			if (read_error(s->region->page[stage.page], i, &e))
				add_error(stage.name, &e, is_json, found++ == 0, out);
	}
	if (is_json)
		text_add(out, "]}\n");
	else if (found == 0)
		text_add(out, "no errors\n");
}

void
stats_show_panic(struct stats *s, const char *arg, struct text_out *out)
{
	char words[LAYOUT_LAST_WORDS + 1], exited[STATS_TIME_SIZE];
	struct stats_iter it = {0};
	struct stats_stage stage;
	size_t before = out->len;

	while (stats_next(s, &it, &stage)) {
		if (stage.page == -1 || !stats_is_named(&stage, arg))
			continue;
		stats_clean(words, sizeof words, s->region->page[stage.page]->last_words,
		    LAYOUT_LAST_WORDS);
		if (words[0] != '\0')
			text_add(out, "%s: %s: %s\n", stage.name,
			    stats_exit(
				word_load(&s->region->header->page[stage.page].last_exit), exited),
			    words);
	}
	if (out->len == before)
		text_add(out, "no last words\n");
}

void
stats_show_info(struct stats *s, const char *arg, struct text_out *out)
{
	const struct region_header *h = s->region->header;
	pid_t pid = (pid_t)word_load(&h->supervisor_pid);
	uint64_t started = stats_started_ns(s);
	char uuid[37], a[STATS_TIME_SIZE], size[UNITS_TEXT_SIZE], ring[UNITS_TEXT_SIZE];

	(void)arg;
	text_add(out, "service        sluice\n");
	text_add(out, "version        %s\n", SLUICE_VERSION);
	text_add(out, "health         %s\n", stats_health(s));
	text_add(out, "phase          %s\n", stats_phase_name(word_load(&h->phase)));
	text_add(out, "supervisor     %d%s\n", (int)pid, stats_pid_note(s, pid));
	text_add(out, "ticks          %llu\n", (unsigned long long)word_load(&h->ticks));
	text_add(out, "uptime         %s\n",
	    stats_age(s->wall_ns > started ? s->wall_ns - started : 0, a));
	text_add(out, "instance       %s\n", stats_uuid(h->instance, uuid));
	text_add(out, "generation     %llu\n", (unsigned long long)h->generation);
	text_add(out, "layout         %u\n", h->layout_version);
	text_add(out, "region made    %s\n", stats_time(h->created_ns, a));
	text_add(out, "slots          %u of %s\n", h->slots,
	    units_print_size((int64_t)h->ring_capacity, ring));
	text_add(out, "pages          %u\n", h->pages);
	text_add(out, "dedup table    %s\n", units_print_size((int64_t)h->dedup_bytes, size));
}
