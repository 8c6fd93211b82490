/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_show - show proc, rings, journal, ledger, errors, panic, info
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
#include "workers/stats_table.h"

#include <stdio.h>
#include <string.h>

#define HEADS(a) a, sizeof a / sizeof a[0]

/*---------------------------------------------------------------------------*
 * show proc
 *---------------------------------------------------------------------------*/

/* The text is constant only while the word is set: look at the word again. */
static void
cell_blocked(const struct stats *s, const struct process_page *p, struct stats_table *t)
{
	char in[sizeof p->blocked_in + 1], age[STATS_TIME_SIZE];
	uint64_t since = word_load(&p->blocked_since_ns);

	stats_clean(in, sizeof in, p->blocked_in, sizeof p->blocked_in);
	if (since == 0 || word_load(&p->blocked_since_ns) != since)
		stats_table_cell(t, "-");
	else
		stats_table_cell(t, "%s for %s", in,
		    stats_age(s->mono_ns > since ? s->mono_ns - since : 0, age));
}

static void
proc_row(const struct stats *s, const struct stats_stage *stage, struct stats_table *t)
{
	const struct process_page *p = s->region->page[stage->page];
	const struct layout_assignment *a = &s->region->header->page[stage->page];
	uint64_t started = counters_get(p->counter, counter_id(PROCESS, started));
	uint64_t cpu_us = counters_get(p->counter, counter_id(PROCESS, cpu_user_us)) +
			  counters_get(p->counter, counter_id(PROCESS, cpu_system_us));
	uint64_t restarts = word_load(&a->restarts), exited = word_load(&a->last_exit);
	char text[STATS_TIME_SIZE];

	stats_table_cell(t, "%s", stage->name);
	stats_table_cell(t, "%d", (int)stage->pid);
	stats_table_cell(t, "%s", stage->state);
	if (stage->is_alive && started != 0 && s->wall_ns > started)
		stats_table_cell(t, "%s", stats_age(s->wall_ns - started, text));
	else
		stats_table_cell(t, "-");
	stats_table_number(t, restarts);
	if (stage->is_alive)
		stats_table_number(t, stage->beat_age);
	else
		stats_table_cell(t, "-");
	stats_table_cell(t, "%llu.%02llu", (unsigned long long)(cpu_us / 1000000),
	    (unsigned long long)(cpu_us / 10000 % 100));
	stats_table_cell(t, "%s",
	    units_print_size_about(
		(int64_t)counters_get(p->counter, counter_id(PROCESS, rss_kb)) * 1024, text));
	if (restarts == 0 && exited == 0)
		stats_table_cell(t, "-");
	else
		stats_table_cell(t, "%s", stats_exit(exited, text));
	cell_blocked(s, p, t);
}

static const char *
supervisor_state(const struct stats *s, pid_t pid)
{
	uint64_t phase = word_load(&s->region->header->phase);

	return stats_pid_is_alive(pid) || phase == LAYOUT_PHASE_STOPPED ? stats_phase_name(phase)
									 : "dead";
}

void
stats_show_proc(struct stats *s, const char *arg, struct text_out *out)
{
	static const char *const heads[] = {"<stage", "pid", "<state", "uptime", "restarts",
	    "beat_age", "cpu_s", "rss", "<last_exit", "<blocked"};
	pid_t pid = (pid_t)word_load(&s->region->header->supervisor_pid);
	bool has_supervisor = false;
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct stats_table t;

	(void)arg;
	stats_table_begin(&t, HEADS(heads));
	while (stats_next(s, &it, &stage)) {
		if (stage.page == -1)
			continue;
		has_supervisor |= stage.role == LAYOUT_ROLE_SUPERVISOR;
		proc_row(s, &stage, &t);
	}
	if (!has_supervisor) {
		stats_table_cell(&t, "supervisor");
		stats_table_cell(&t, "%d", (int)pid);
		stats_table_cell(&t, "%s", supervisor_state(s, pid));
		for (int i = 0; i < 7; i++)
			stats_table_cell(&t, "-");
	}
	stats_table_end(&t, out);
}

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
		stats_table_cell(t, "free");
	else
		stats_table_cell(t, "%d%s", (int)pid, stats_pid_is_alive(pid) ? "" : " (dead)");
	stats_table_number(t, ring_tail(&(struct ring){.words = &r->slot[slot]->ring}));
	stats_table_number(t, cursor_pos(&r->journal->stream[slot].durable));
	stats_table_number(t, unread);
	stats_table_cell(t, "%llu%%", (unsigned long long)(unread * 100 / r->ring_capacity));
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
	static const char *const heads[] = {"slot", "<last_owner", "<pid", "tail", "durable",
	    "unread", "fill", "sequence", "put", "claimed", "<retired"};
	const struct region *r = s->region;
	struct stats_table t;
	unsigned rows = 0, unused = 0;
	char size[UNITS_TEXT_SIZE];

	(void)arg;
	stats_table_begin(&t, HEADS(heads));
	for (uint32_t slot = 0; slot < r->slots; slot++) {
		if (!stats_slot_is_used(r, slot)) {
			unused++;
			continue;
		}
		rows++;
		ring_row(s, slot, &t);
	}
	if (rows == 0)
		text_free(&t.text);
	else
		stats_table_end(&t, out);
	text_add(out, "%u slots of %s were never used\n", unused,
	    units_print_size((int64_t)r->ring_capacity, size));
}

/*---------------------------------------------------------------------------*
 * show journal
 *---------------------------------------------------------------------------*/

void
stats_show_journal(struct stats *s, const char *arg, struct text_out *out)
{
	const struct region *r = s->region;
	const struct journal_part *j = r->journal;
	uint64_t end = word_load(&j->log_end), trouble = word_load(&j->trouble);
	uint64_t since = word_load(&j->trouble_since_ns), checkpoint = word_load(&j->checkpoint_ns);
	uint64_t commits = counters_get(j->counter, counter_id(JOURNAL, commits));
	pid_t pid = (pid_t)word_load(&j->pid);
	char a[STATS_TIME_SIZE], b[STATS_TIME_SIZE], size[UNITS_TEXT_SIZE];

	(void)arg;
	text_add(out, "pid            %d%s\n", (int)pid, stats_pid_is_alive(pid) ? "" : " (dead)");
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
	if (trouble == LAYOUT_TROUBLE_NONE)
		text_add(out, "trouble        none\n");
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
}

/*---------------------------------------------------------------------------*
 * show errors, panic, info
 *---------------------------------------------------------------------------*/

void
stats_show_errors(struct stats *s, const char *arg, struct text_out *out)
{
	char raw[sizeof s->region->page[0]->error[0].text], text[sizeof raw];
	char first[STATS_TIME_SIZE], last[STATS_TIME_SIZE];
	uint64_t count, first_ns, last_ns;
	struct stats_iter it = {0};
	struct stats_stage stage;
	size_t before = out->len;

	while (stats_next(s, &it, &stage)) {
		if (stage.page == -1 || !stats_is_named(&stage, arg))
			continue;
		for (int i = 0; i < LAYOUT_ERRORS; i++) {
			if (!page_error_read(s->region->page[stage.page], i, raw, sizeof raw,
				&count, &first_ns, &last_ns))
				continue;
			stats_clean(text, sizeof text, raw, sizeof raw);
			text_add(out, "%s: %s: count=%llu first=%s last=%s\n", stage.name, text,
			    (unsigned long long)count, stats_time(first_ns, first),
			    stats_time(last_ns, last));
		}
	}
	if (out->len == before)
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
	text_add(out, "supervisor     %d%s\n", (int)pid, stats_pid_is_alive(pid) ? "" : " (dead)");
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
