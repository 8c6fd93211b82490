/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_check - what no key can know alone
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_check.h"

#include "common/config_bind.h"
#include "common/config_check_parts.h"
#include "common/config_errors.h"
#include "common/panic.h"
#include "common/units.h"

#include <bsd/string.h>
#include <stdarg.h>
#include <string.h>

#define ONE(section, field) CONFIG_CHECK_ONE(section, field)
#define OF(at, field)       CONFIG_CHECK_LISTEN(at, field)

#define subject    config_check_subject
#define is_written config_check_is_written
#define is_good    config_check_is_good
#define written_of config_check_written_of
#define complain   config_check_complain

static const struct config_place *
place_of(const struct config_parser *p, struct subject s)
{
	return &p->keys[s.instance][s.id];
}

bool
config_check_is_written(const struct config_parser *p, struct subject s)
{
	return place_of(p, s)->file != NULL;
}

bool
config_check_is_good(const struct config_parser *p, struct subject s)
{
	return !place_of(p, s)->is_bad;
}

struct config_check_subject
config_check_written_of(const struct config_parser *p, struct subject a, struct subject b)
{
	return is_written(p, a) || !is_written(p, b) ? a : b;
}

__attribute__((format(printf, 4, 0))) static void
complain_at(const struct config_parser *p, struct subject s, const struct config_place *place,
    const char *fmt, va_list ap)
{
	char text[768];

	if (place->file == NULL)
		place = &p->opened[s.instance];
	(void)vsnprintf(text, sizeof text, fmt, ap);
	if (place->file != NULL)
		config_errors_add(p->errs, "%s:%d: %s: %s", place->file, place->line,
		    config_table_keys[s.id].name, text);
	else
		config_errors_add(
		    p->errs, "%s: %s: %s", p->names[0], config_table_keys[s.id].name, text);
}

void
config_check_complain(const struct config_parser *p, struct subject s, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_at(p, s, place_of(p, s), fmt, ap);
	va_end(ap);
}

void
config_check_complain_line(
    const struct config_parser *p, struct subject s, int at, const char *fmt, ...)
{
	const struct config_place *place = config_parse_line_place(p, s.instance, s.id, at);
	va_list ap;

	va_start(ap, fmt);
	complain_at(p, s, place != NULL ? place : place_of(p, s), fmt, ap);
	va_end(ap);
}

static const char *
size(uint64_t bytes, char buf[UNITS_TEXT_SIZE])
{
	return units_print_size((int64_t)bytes, buf);
}

/*-------------------------------------------------------------- listeners */

static void
check_acks(const struct config_parser *p, int at)
{
	const struct config_listen *l = &p->cfg->listen[at];
	struct subject ack = OF(at, ack), min = OF(at, min_ack), max = OF(at, max_ack);

	if (!is_good(p, ack) || !is_good(p, min) || !is_good(p, max))
		return;
	if (l->min_ack > l->max_ack)
		complain(p, written_of(p, min, max), "min-ack %s is more than max-ack %s",
		    config_ack_word(l->min_ack), config_ack_word(l->max_ack));
	else if (l->ack < l->min_ack)
		complain(p, written_of(p, ack, min), "ack %s is less than min-ack %s",
		    config_ack_word(l->ack), config_ack_word(l->min_ack));
	else if (l->ack > l->max_ack && is_written(p, ack) && !is_written(p, max))
		complain(p, ack, "ack %s is more than max-ack %s: write max-ack %s too",
		    config_ack_word(l->ack), config_ack_word(l->max_ack), config_ack_word(l->ack));
	else if (l->ack > l->max_ack)
		complain(p, written_of(p, ack, max),
		    "ack %s is more than max-ack %s: write ack %s too", config_ack_word(l->ack),
		    config_ack_word(l->max_ack), config_ack_word(l->max_ack));
}

/* A ring holds at least four frames of the largest kind, so that one
 * unfinished frame never fills it. */
static void
check_event_fits(const struct config_parser *p, int at)
{
	const struct config_listen *l = &p->cfg->listen[at];
	struct subject event = OF(at, max_event_bytes), ring = ONE(global, ring_bytes);
	struct subject commit = ONE(journal, commit_max_bytes);
	uint64_t frame = l->max_event_bytes + CONFIG_FRAME_EXTRA_BYTES, need = 64 * 1024;
	char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE], c[UNITS_TEXT_SIZE];

	if (is_good(p, event) && is_good(p, ring) && frame > p->cfg->global.ring_bytes / 4) {
		while (need / 4 < frame)
			need *= 2;
		complain(p, written_of(p, event, ring),
		    "an event of %s needs a ring of %s (four frames), ring is %s",
		    size(l->max_event_bytes, a), size(need, b), size(p->cfg->global.ring_bytes, c));
	}
	if (is_good(p, event) && is_good(p, commit) && frame > p->cfg->journal.commit_max_bytes)
		complain(p, written_of(p, event, commit),
		    "an event of %s and its frame (%s) must fit in commit-max, which is %s",
		    size(l->max_event_bytes, a), size(frame, b),
		    size(p->cfg->journal.commit_max_bytes, c));
}

static void
check_request_fits(const struct config_parser *p, int at)
{
	const struct config_listen *l = &p->cfg->listen[at];
	struct subject buffered = OF(at, max_buffered_bytes), body = OF(at, max_body_bytes);
	struct subject blame = written_of(p, buffered, body);
	uint64_t need = l->max_line_bytes + l->max_header_bytes + l->max_body_bytes;
	char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE];

	if (!is_good(p, buffered) || !is_good(p, body) || !is_good(p, OF(at, max_line_bytes)) ||
	    !is_good(p, OF(at, max_header_bytes)))
		return;
	if (!is_written(p, blame))
		blame = written_of(p, OF(at, max_header_bytes), OF(at, max_line_bytes));
	if (l->max_buffered_bytes < need)
		complain(p, blame,
		    "one request may take %s (max-line, max-header and max-body), more than "
		    "max-buffered %s",
		    size(need, a), size(l->max_buffered_bytes, b));
}

static void
complain_bind(const struct config_parser *p, struct subject s, int i,
    const struct config_bind *bind, struct subject other, int j, const struct config_bind *taken)
{
	const struct config_place *place = &p->binds[s.instance][i];
	const struct config_place *first = &p->binds[other.instance][j];
	const char *section = config_table_sections[config_table_keys[other.id].section].name;

	if (first->file != NULL)
		config_errors_add(p->errs, "%s:%d: bind: %s is taken by %s of section %s (%s:%d)",
		    place->file, place->line, bind->text, taken->text, section, first->file,
		    first->line);
	else
		config_errors_add(p->errs,
		    "%s:%d: bind: %s is taken by %s, the default of section %s", place->file,
		    place->line, bind->text, taken->text, section);
}

/* Addresses of `s` that the kernel would refuse once it has given out those of `other`. */
static void
check_binds(const struct config_parser *p, struct subject s, const struct config_binds *binds,
    struct subject other, const struct config_binds *others)
{
	int i, j;

	for (i = 0; i < binds->n; i++)
		for (j = 0; j < (binds == others ? i : others->n); j++)
			if (config_bind_is_conflict(&binds->at[i], &others->at[j])) {
				complain_bind(p, s, i, &binds->at[i], other, j, &others->at[j]);
				break;
			}
}

static void
check_all_binds(const struct config_parser *p)
{
	const struct config *cfg = p->cfg;
	struct subject admin = ONE(admin, bind);
	int i, j;

	for (i = 0; i < cfg->listens; i++) {
		struct subject s = OF(i, bind);

		if (!is_written(p, s))
			complain(p, s, "listener \"%s\" has no address: write bind 0.0.0.0:3001",
			    cfg->listen[i].name);
		for (j = 0; j <= i; j++)
			check_binds(p, s, &cfg->listen[i].bind, OF(j, bind), &cfg->listen[j].bind);
		/* A default has no line that could be changed. */
		if (is_written(p, admin))
			check_binds(p, admin, &cfg->admin.bind, s, &cfg->listen[i].bind);
		else
			check_binds(p, s, &cfg->listen[i].bind, admin, &cfg->admin.bind);
	}
	if (is_written(p, admin))
		check_binds(p, admin, &cfg->admin.bind, admin, &cfg->admin.bind);
}

/*------------------------------------------------------------- the whole */

static void
check_streams(const struct config_parser *p)
{
	struct config *cfg = p->cfg;
	struct subject slots = ONE(global, stream_slots);
	bool is_sure = is_good(p, slots);
	int i;

	for (cfg->processes = 0, i = 0; i < cfg->listens; i++) {
		cfg->processes += cfg->listen[i].processes;
		is_sure = is_sure && is_good(p, OF(i, processes));
	}
	if (!is_sure)
		return;
	if (cfg->processes > CONFIG_STREAM_MAX)
		complain(p, OF(cfg->listens - 1, processes),
		    "all listeners together have %d processes, %d are possible", cfg->processes,
		    CONFIG_STREAM_MAX);
	else if (cfg->global.stream_slots == 0)
		cfg->global.stream_slots = 2 * cfg->processes + 2 < CONFIG_STREAM_MAX
					       ? 2 * cfg->processes + 2
					       : CONFIG_STREAM_MAX;
	else if (cfg->global.stream_slots < cfg->processes)
		complain(p, slots,
		    "%d are less than the %d processes of all listeners (try 0: as many as are "
		    "needed for a reload)",
		    cfg->global.stream_slots, cfg->processes);
	cfg->stream_slots = cfg->global.stream_slots;
}

static void
check_journal(const struct config_parser *p)
{
	const struct config_journal *j = &p->cfg->journal;
	struct subject commit = ONE(journal, commit_max_bytes),
		       segment = ONE(journal, segment_bytes);
	struct subject disk = ONE(journal, max_disk_bytes), retain = ONE(journal, retain_ms);
	struct subject window = ONE(dedup, window_ms);
	char a[UNITS_TEXT_SIZE], b[UNITS_TEXT_SIZE], c[UNITS_TEXT_SIZE];

	if (is_good(p, commit) && is_good(p, segment) && j->commit_max_bytes > j->segment_bytes / 2)
		complain(p, written_of(p, commit, segment),
		    "commit-max %s is more than half of segment %s", size(j->commit_max_bytes, a),
		    size(j->segment_bytes, b));
	if (is_good(p, disk) && is_good(p, segment) && j->max_disk_bytes != 0 &&
	    j->max_disk_bytes < 4 * j->segment_bytes)
		complain(p, disk,
		    "%s is less than four segments of %s: write %s or more, or 0 for no cap",
		    size(j->max_disk_bytes, a), size(j->segment_bytes, b),
		    size(4 * j->segment_bytes, c));
	if (is_good(p, retain) && is_good(p, window) && j->retain_ms < p->cfg->dedup.window_ms)
		complain(p, written_of(p, retain, window),
		    "retain %s is less than the window of dedup %s, which is rebuilt from the log",
		    units_print_time(j->retain_ms, a),
		    units_print_time(p->cfg->dedup.window_ms, b));
}

static void
check_paths(const struct config_parser *p)
{
	struct config *cfg = p->cfg;
	struct subject state = ONE(global, state_dir), runtime = ONE(global, runtime_dir);

	if (cfg->journal.path[0] == '\0') {
		if (strcmp(cfg->global.state_dir, "/") != 0)
			(void)strlcpy(
			    cfg->journal.path, cfg->global.state_dir, sizeof cfg->journal.path);
		(void)strlcat(cfg->journal.path, "/journal", sizeof cfg->journal.path);
	}
	if (is_good(p, state) && is_good(p, runtime) &&
	    strcmp(cfg->global.state_dir, cfg->global.runtime_dir) == 0)
		complain(p, written_of(p, runtime, state),
		    "state-dir and runtime-dir are both %s: what is made anew at each boot must "
		    "not lie with what must stay",
		    cfg->global.state_dir);
}

void
config_check(struct config_parser *p, const char *name)
{
	int i;

	for (i = 0; i < p->cfg->listens; i++) {
		check_acks(p, i);
		check_event_fits(p, i);
		check_request_fits(p, i);
	}
	check_all_binds(p);
	if (p->cfg->listens > 0)
		check_streams(p);
	else if (!p->has_bad_listen)
		config_errors_add(p->errs,
		    "%s: there is no listener: write \"listen public\" and below it "
		    "\"bind 0.0.0.0:3001\"",
		    name);
	check_journal(p);
	check_paths(p);
	config_check_sinks(p);
}
