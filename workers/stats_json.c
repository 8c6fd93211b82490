/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_json - show stat json and show ledger json
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads counters.
 */
#include "common/clock.h"
#include "shm/word.h"
#include "workers/stats.h"
#include "workers/stats_rows.h"
#include "workers/stats_sink.h"

#include <string.h>

static void
add_comma(struct text_out *out)
{
	if (out->len > 0 && strchr("{[:", out->buf[out->len - 1]) == NULL)
		text_add_bytes(out, ",", 1);
}

static void
add_number(struct text_out *out, const char *name, uint64_t n)
{
	add_comma(out);
	text_add(out, "\"%s\":%llu", name, (unsigned long long)n);
}

static void
add_string(struct text_out *out, const char *name, const char *value)
{
	add_comma(out);
	text_add(out, "\"%s\":", name);
	text_add_json(out, value);
}

static void
add_rows(const struct stats *s, const struct stats_stage *stage, bool process, struct text_out *out)
{
	struct stats_rows rows;
	struct stats_row row;

	stats_rows_begin(&rows, s->region, stage);
	while (stats_rows_next(&rows, &row))
		if (row.is_process == process)
			add_number(out, row.name, row.value);
}

static void
add_stage(const struct stats *s, const struct stats_stage *stage, struct text_out *out)
{
	add_comma(out);
	text_add(out, "{");
	add_string(out, "stage", stage->name);
	add_string(out, "role", layout_role_name(stage->role));
	add_number(out, "pid", (uint64_t)stage->pid);
	text_add(out, ",\"alive\":%s", stage->is_alive ? "true" : "false");
	add_string(out, "state", stage->state);
	if (stage->page != -1) {
		if (stage->has_beat_age)
			add_number(out, "beatAge", stage->beat_age);
		else
			text_add(out, ",\"beatAge\":null");
		add_number(
		    out, "restarts", word_load(&s->region->header->page[stage->page].restarts));
	}
	if (stage->slot != -1)
		add_number(out, "stream", (uint64_t)stage->slot);
	if (stage->slot != -1 || stage->role == LAYOUT_ROLE_JOURNAL || stage->sink != -1) {
		text_add(out, ",\"counters\":{");
		add_rows(s, stage, false, out);
		text_add(out, "}");
	}
	if (stage->page != -1) {
		text_add(out, ",\"process\":{");
		add_rows(s, stage, true, out);
		text_add(out, "}");
	}
	text_add(out, "}");
}

/* One counter over all its owners, or 0. */
static uint64_t
total_of(const struct region *r, const struct counter_row *c)
{
	uint64_t sum = 0;

	if (c->owner == COUNTER_OWNER_JOURNAL)
		return counters_get(r->journal->counter, c->id);
	if (c->owner == COUNTER_OWNER_STREAM) {
		for (uint32_t i = 0; i < r->slots; i++)
			if (stats_slot_is_used(r, i))
				sum = stats_rows_sum(
				    c->nature, sum, counters_get(r->slot[i]->counter, c->id));
	} else if (c->owner == COUNTER_OWNER_SINK) {
		for (int i = 0; i < SINK_PART_MAX; i++)
			if (r->header->sink_name[i].name[0] != '\0')
				sum = stats_rows_sum(
				    c->nature, sum, counters_get(r->sink[i]->counter, c->id));
	} else {
		for (uint32_t i = 0; i < r->pages; i++)
			if (word_load(&r->header->page[i].role) != LAYOUT_ROLE_NONE)
				sum = stats_rows_sum(
				    c->nature, sum, counters_get(r->page[i]->counter, c->id));
	}
	return sum;
}

static void
add_totals(const struct region *r, enum counter_owner owner, struct text_out *out)
{
	const struct counter_row *table;
	struct stats_row row;
	uint64_t sum;
	size_t n;

	table = counters_table(&n);
	for (size_t i = 0; i < n; i++)
		if (table[i].owner == owner)
			add_number(out, table[i].name, total_of(r, &table[i]));
	for (unsigned d = 0; owner == COUNTER_OWNER_STREAM && d < STATS_DERIVED; d++) {
		sum = 0;
		row.name = NULL;
		for (uint32_t i = 0; i < r->slots; i++) {
			if (!stats_slot_is_used(r, i))
				continue;
			stats_rows_derived(r, i, d, &row);
			sum = stats_rows_sum(row.nature, sum, row.value);
		}
		if (row.name != NULL)
			add_number(out, row.name, sum);
	}
}

static void
add_ledger(struct text_out *out, const struct stats_ledger *l)
{
	add_number(out, "received", l->received);
	add_number(out, "put", l->put);
	add_number(out, "duplicate", l->duplicate);
	add_number(out, "invalid", l->invalid);
	add_number(out, "retry", l->retry);
	add_number(out, "interrupted", l->interrupted);
	text_add(out, ",\"undecided\":%lld", (long long)l->undecided);
	add_string(out, "balance", stats_balance_name(l->balance));
}

void
stats_ledger_json(struct stats *s, struct text_out *out)
{
	struct stats_ledger l, sum = {0};
	struct stats_iter it = {0};
	struct stats_stage stage;

	text_add(out, "{\"streams\":[");
	while (stats_next(s, &it, &stage)) {
		if (stage.slot == -1)
			continue;
		stats_ledger_read(s->region, (uint32_t)stage.slot, &l);
		stats_ledger_add(&sum, &l);
		add_comma(out);
		text_add(out, "{");
		add_number(out, "stream", (uint64_t)stage.slot);
		add_string(out, "stage", stage.name);
		add_ledger(out, &l);
		text_add(out, "}");
	}
	text_add(out, "],");
	stats_sink_ledger_json(s, out);
	add_ledger(out, &sum);
	text_add(out, "}");
}

void
stats_json(struct stats *s, const char *stage_name, struct text_out *out)
{
	const struct region_header *h = s->region->header;
	uint64_t started = stats_started_ns(s);
	char uuid[37], now[STATS_TIME_SIZE];
	struct stats_iter it = {0};
	struct stats_stage stage;

	text_add(out, "{\"service\":\"sluice\"");
	add_string(out, "version", SLUICE_VERSION);
	add_string(out, "instance", stats_uuid(h->instance, uuid));
	add_number(out, "generation", h->generation);
	add_string(out, "phase", stats_phase_name(word_load(&h->phase)));
	add_string(out, "time", stats_time(s->wall_ns, now));
	add_number(
	    out, "uptime", s->wall_ns > started ? (s->wall_ns - started) / CLOCK_NS_PER_S : 0);
	text_add(out, ",\"stages\":[");
	while (stats_next(s, &it, &stage))
		if (stats_is_named(&stage, stage_name))
			add_stage(s, &stage, out);
	text_add(out, "],\"totals\":{\"stream\":{");
	add_totals(s->region, COUNTER_OWNER_STREAM, out);
	text_add(out, "},\"journal\":{");
	add_totals(s->region, COUNTER_OWNER_JOURNAL, out);
	text_add(out, "},\"process\":{");
	add_totals(s->region, COUNTER_OWNER_PROCESS, out);
	text_add(out, "},\"sink\":{");
	add_totals(s->region, COUNTER_OWNER_SINK, out);
	text_add(out, "}},\"ledger\":");
	stats_ledger_json(s, out);
	text_add(out, "}");
}
