/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_proc - show proc: a row for each process
 *
 * DESCRIPTION
 *	What is not known to belong to this life of the process is "-".
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads the header, pages and their counters.
 */
#include "common/clock.h"
#include "common/units.h"
#include "shm/word.h"
#include "workers/stats.h"
#include "workers/stats_table.h"

static const char *const heads[] = {"<stage", "pid", "<state", "uptime", "restarts", "beat_age",
    "cpu_s", "rss", "<last_exit", "<blocked"};

#define COLUMNS (sizeof heads / sizeof heads[0])

static void
cell_uptime(const struct stats *s, const struct stats_stage *stage, struct stats_table *t)
{
	uint64_t started = counters_get(
	    s->region->page[stage->page]->counter, counter_id(PROCESS, started));
	char text[STATS_TIME_SIZE];

	if (!stage->is_alive || started == 0 || s->wall_ns < started)
		stats_table_cell(t, "-");
	else if (t->is_json)
		stats_table_number(t, (s->wall_ns - started) / CLOCK_NS_PER_S);
	else
		stats_table_cell(t, "%s", stats_age(s->wall_ns - started, text));
}

static void
cells_usage(const struct process_page *p, const struct stats_stage *stage, struct stats_table *t)
{
	uint64_t cpu_us = counters_get(p->counter, counter_id(PROCESS, cpu_user_us)) +
			  counters_get(p->counter, counter_id(PROCESS, cpu_system_us));
	uint64_t rss = counters_get(p->counter, counter_id(PROCESS, rss_kb)) * 1024;
	char text[UNITS_TEXT_SIZE];

	if (!stage->has_counters) {
		stats_table_cell(t, "-");
		stats_table_cell(t, "-");
		return;
	}
	stats_table_cell(t, "%llu.%02llu", (unsigned long long)(cpu_us / 1000000),
	    (unsigned long long)(cpu_us / 10000 % 100));
	if (t->is_json)
		stats_table_number(t, rss);
	else
		stats_table_cell(t, "%s", units_print_size_about((int64_t)rss, text));
}

static void
proc_row(const struct stats *s, const struct stats_stage *stage, struct stats_table *t)
{
	const struct layout_assignment *a = &s->region->header->page[stage->page];
	uint64_t restarts = word_load(&a->restarts);
	bool is_stopped = word_load(&s->region->header->phase) == LAYOUT_PHASE_STOPPED;
	char text[STATS_TIME_SIZE];

	stats_table_cell(t, "%s", stage->name);
	stats_table_cell(t, "%d", (int)stage->pid);
	stats_table_cell(t, "%s", stage->state);
	cell_uptime(s, stage, t);
	stats_table_number(t, restarts);
	if (stage->has_beat_age)
		stats_table_number(t, stage->beat_age);
	else
		stats_table_cell(t, "-");
	cells_usage(s->region->page[stage->page], stage, t);
	/* Shared memory outlives the daemon: before the first restart this word
	 * is of an earlier one, until all have ended. */
	if (restarts == 0 && !is_stopped)
		stats_table_cell(t, "-");
	else
		stats_table_cell(t, "%s", stats_exit(word_load(&a->last_exit), text));
	if (stage->blocked_ns == 0)
		stats_table_cell(t, "-");
	else
		stats_table_cell(t, "%s for %s", stage->blocked_in,
		    stats_age(stats_blocked_for(s, stage), text));
}

static const char *
supervisor_state(const struct stats *s, pid_t pid)
{
	uint64_t phase = word_load(&s->region->header->phase);
	char life = stats_pid_life(pid);

	if (phase != LAYOUT_PHASE_STOPPED && !stats_pid_is_alive(pid))
		return "dead";
	return life == 'T' || life == 't' ? "stopped" : stats_phase_name(phase);
}

void
stats_show_proc(struct stats *s, const char *arg, struct text_out *out)
{
	pid_t pid = (pid_t)word_load(&s->region->header->supervisor_pid);
	bool has_supervisor = false;
	struct stats_iter it = {0};
	struct stats_stage stage;
	struct stats_table t;

	if (!stats_table_begin_as(&t, heads, COLUMNS, "show proc", arg, out))
		return;
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
		for (unsigned i = 3; i < COLUMNS; i++)
			stats_table_cell(&t, "-");
	}
	stats_table_end_as(&t, "processes", out);
}
