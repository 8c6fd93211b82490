/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_print - the configuration that is in effect, as a file
 *
 * DESCRIPTION
 *	What `sluiced -nv` prints: every key with its value, then what the
 *	values cost in memory and disk, as comments.
 *
 * PROCESS
 *	Supervisor.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_value.h"
#include "common/units.h"

#include <inttypes.h>
#include <string.h>

static void
print_section(const struct config *cfg, enum config_section section, int at, FILE *to)
{
	const struct config_section_row *row = &config_table_sections[section];
	/* Only read; the table speaks of what may be written. */
	const void *base = config_table_base((struct config *)(uintptr_t)cfg, section, at);
	const struct config_key *key;
	char text[CONFIG_VALUE_TEXT_SIZE];
	int i, n;

	if (row->is_named)
		(void)fprintf(to, "\n%s %s\n", row->name,
		    section == CONFIG_SECTION_sink ? cfg->sink[at].name : cfg->listen[at].name);
	else
		(void)fprintf(to, "%s%s\n", section == 0 ? "" : "\n", row->name);
	for (key = config_table_keys; key < config_table_keys + CONFIG_KEYS; key++) {
		if (key->section != section)
			continue;
		if (section == CONFIG_SECTION_sink && (key->kinds & 1U << cfg->sink[at].kind) == 0)
			continue;
		n = config_value_lines(key, base);
		for (i = 0; i < n; i++)
			(void)fprintf(
			    to, "    %-19s %s\n", key->name, config_value_text(key, base, i, text));
	}
}

static void
print_memory(const struct config *cfg, FILE *to)
{
	const struct config_global *g = &cfg->global;
	char ring[UNITS_TEXT_SIZE], taken[UNITS_TEXT_SIZE], most[UNITS_TEXT_SIZE];
	char one[UNITS_TEXT_SIZE], all[UNITS_TEXT_SIZE];
	const struct config_listen *l;

	units_print_size((int64_t)g->ring_bytes, ring);
	units_print_size_about((int64_t)g->ring_bytes * cfg->processes, taken);
	units_print_size_about((int64_t)g->ring_bytes * cfg->stream_slots, most);
	(void)fprintf(to,
	    "# rings: %d processes x %s = %s at start; %d slots x %s = %s when all are taken\n",
	    cfg->processes, ring, taken, cfg->stream_slots, ring, most);
	for (l = cfg->listen; l < cfg->listen + cfg->listens; l++)
		(void)fprintf(to,
		    "# requests of %s: %d processes x %s = %s at most; %" PRId64 " connections\n",
		    l->name, l->processes, units_print_size((int64_t)l->max_buffered_bytes, one),
		    units_print_size_about((int64_t)l->max_buffered_bytes * l->processes, all),
		    (int64_t)l->max_connections * l->processes);
}

/*
 * A bucket has 8 entries, and a key leaves before its time when 8 others come
 * into its bucket within the window.  With keys spread evenly that is
 * P(Poisson(window x rate / buckets) >= 8): 0.1 % when the window's keys would
 * fill a quarter of the table, 5 % at half.
 */
static void
print_dedup(const struct config *cfg, FILE *to)
{
	const struct config_dedup *d = &cfg->dedup;
	char table[UNITS_TEXT_SIZE], window[UNITS_TEXT_SIZE];
	int64_t entries = (int64_t)d->table_bytes / 8;

	(void)fprintf(to,
	    "# dedup: %s = %" PRId64 " entries; a window of %s keeps 99.9%% of its keys up to "
	    "%" PRId64 " events/s, 95%% up to %" PRId64 "\n",
	    units_print_size((int64_t)d->table_bytes, table), entries,
	    units_print_time(d->window_ms, window), entries / 4 * 1000 / d->window_ms,
	    entries / 2 * 1000 / d->window_ms);
}

static void
print_journal(const struct config *cfg, FILE *to)
{
	const struct config_journal *j = &cfg->journal;
	char segment[UNITS_TEXT_SIZE], retain[UNITS_TEXT_SIZE], disk[UNITS_TEXT_SIZE];
	char cap[UNITS_TEXT_SIZE];
	int64_t bytes = 1024 * 1024 * (j->retain_ms / 1000);

	(void)fprintf(to,
	    "# journal: for each 1m/s of frames, %s of them are %s in %" PRId64 " segments of %s; ",
	    units_print_time(j->retain_ms, retain), units_print_size_about(bytes, disk),
	    (bytes + (int64_t)j->segment_bytes - 1) / (int64_t)j->segment_bytes,
	    units_print_size((int64_t)j->segment_bytes, segment));
	if (j->max_disk_bytes == 0)
		(void)fprintf(to, "no cap\n");
	else
		(void)fprintf(to, "at most %s = %" PRId64 " segments\n",
		    units_print_size((int64_t)j->max_disk_bytes, cap),
		    (int64_t)(j->max_disk_bytes / j->segment_bytes));
}

void
config_print(const struct config *cfg, FILE *to)
{
	int s, i, n;

	for (s = 0; s < CONFIG_SECTIONS; s++) {
		if (!config_table_sections[s].is_named) {
			print_section(cfg, (enum config_section)s, 0, to);
			continue;
		}
		n = s == CONFIG_SECTION_sink ? cfg->sinks : cfg->listens;
		for (i = 0; i < n; i++)
			print_section(cfg, (enum config_section)s, i, to);
	}
	(void)fputc('\n', to);
	print_memory(cfg, to);
	print_dedup(cfg, to);
	print_journal(cfg, to);
}
