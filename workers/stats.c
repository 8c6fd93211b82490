/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats - which stages there are, how they are, and whether the ledger balances
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	Reads the header, all pages, the journal's part; writes nothing.
 */
#include "workers/stats.h"

#include "common/clock.h"
#include "shm/word.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void
stats_init(struct stats *s, const struct region *region, uint64_t hang_ms)
{
	memset(s, 0, sizeof *s);
	s->region = region;
	s->hang_ticks = hang_ms / STATS_TICK_MS;
	s->hang_ns = hang_ms * CLOCK_NS_PER_MS;
}

void
stats_tick(struct stats *s, uint64_t wall_ns, uint64_t mono_ns)
{
	uint64_t beat;

	s->wall_ns = wall_ns;
	s->mono_ns = mono_ns;
	s->ticks++;
	for (uint32_t i = 0; i < s->region->pages; i++) {
		beat = word_load(&s->region->page[i]->heartbeat);
		if (beat != s->seen[i].beat || s->ticks == 1) {
			s->seen[i].beat = beat;
			s->seen[i].ticks = s->ticks;
			s->seen[i].is_observed = s->ticks > 1;
		}
	}
}

/*---------------------------------------------------------------------------*
 * Life
 *---------------------------------------------------------------------------*/

char
stats_pid_life(pid_t pid)
{
	char path[32], buf[512];
	const char *end = NULL;
	ssize_t n = -1;
	int fd;

	if (pid <= 0)
		return 0;
	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) != -1) {
		n = read(fd, buf, sizeof buf - 1);
		(void)close(fd);
	}
	/* "PID (NAME) S ...": a name may hold anything, a parenthesis too. */
	if (n > 0) {
		buf[n] = '\0';
		end = strrchr(buf, ')');
	}
	if (end != NULL && end[1] == ' ' && end[2] != '\0')
		return end[2];
	return kill(pid, 0) == 0 || errno == EPERM ? '?' : 0;
}

static bool
is_life(char life)
{
	return life != 0 && life != 'Z' && life != 'X' && life != 'x';
}

bool
stats_pid_is_alive(pid_t pid)
{
	return is_life(stats_pid_life(pid));
}

const char *
stats_pid_note(const struct stats *s, pid_t pid)
{
	if (stats_pid_is_alive(pid))
		return "";
	return word_load(&s->region->header->phase) == LAYOUT_PHASE_STOPPED ? " (stopped)"
									     : " (dead)";
}

void
stats_look(struct stats *s)
{
	for (uint32_t i = 0; i < s->region->pages; i++) {
		if (word_load(&s->region->header->page[i].role) == LAYOUT_ROLE_NONE)
			continue;
		s->seen[i].pid = (pid_t)word_load(&s->region->page[i]->pid);
		s->seen[i].life = stats_pid_life(s->seen[i].pid);
		s->seen[i].life_ticks = s->ticks;
	}
}

/*---------------------------------------------------------------------------*
 * Stages
 *---------------------------------------------------------------------------*/

bool
stats_slot_is_used(const struct region *r, uint32_t slot)
{
	return word_load(&r->slot[slot]->counter[counter_id(STREAM, takeovers)]) != 0;
}

static void
set_name(const struct region *r, struct stats_stage *stage, const struct layout_assignment *a)
{
	uint64_t number = word_load(&a->number);

	stage->role = (enum layout_role)word_load(&a->role);
	stage->sink = -1;
	if (stage->role == LAYOUT_ROLE_SINK && number < SINK_PART_MAX) {
		const struct layout_sink *place = &r->header->sink_name[number];

		stage->sink = (int)number;
		stats_clean(stage->name, sizeof stage->name, place->name, sizeof place->name);
		if (stage->name[0] != '\0')
			return;
		/* Its place was freed: nothing there is this process's. */
		stage->sink = -1;
		(void)snprintf(stage->name, sizeof stage->name, "sink %llu",
		    (unsigned long long)number);
		return;
	}
	if (stage->role == LAYOUT_ROLE_HTTP || stage->role == LAYOUT_ROLE_HEIR)
		(void)snprintf(stage->name, sizeof stage->name, "%s %llu",
		    layout_role_name(stage->role), (unsigned long long)number);
	else
		(void)snprintf(
		    stage->name, sizeof stage->name, "%s", layout_role_name(stage->role));
}

/* The stream of a page, if both sides say so; else -1. */
static int
slot_of_page(const struct region *r, uint32_t page)
{
	uint64_t slot = word_load(&r->header->page[page].page);
	enum layout_role role = (enum layout_role)word_load(&r->header->page[page].role);

	if (role != LAYOUT_ROLE_HTTP && role != LAYOUT_ROLE_HEIR)
		return -1;
	if (slot >= r->slots || word_load(&r->header->slot[slot].page) != page)
		return -1;
	return (int)slot;
}

/* The text is constant only while the word is set: look at the word again. */
static void
read_blocked(const struct stats *s, const struct process_page *p, struct stats_stage *stage)
{
	uint64_t since = word_load(&p->blocked_since_ns);

	stats_clean(stage->blocked_in, sizeof stage->blocked_in, p->blocked_in,
	    sizeof p->blocked_in);
	if (since == 0 || word_load(&p->blocked_since_ns) != since)
		return;
	stage->blocked_ns = since;
	stage->is_stuck = s->hang_ns != 0 && stats_blocked_for(s, stage) > s->hang_ns;
}

uint64_t
stats_blocked_for(const struct stats *s, const struct stats_stage *stage)
{
	return stage->blocked_ns != 0 && s->mono_ns > stage->blocked_ns
		 ? s->mono_ns - stage->blocked_ns
		 : 0;
}

/* What a living process's words, its heart and the kernel say together. */
static void
read_living(const struct stats *s, char life, enum layout_state state, struct stats_stage *stage)
{
	bool is_hung = s->hang_ticks != 0 && stage->beat_age >= s->hang_ticks;

	stage->is_ready = state == LAYOUT_STATE_READY;
	if (life == 'T' || life == 't') {
		stage->state = "stopped";
		stage->is_ready = false;
	} else if (stage->blocked_ns != 0) {
		stage->state = "blocked";
		stage->is_ready &= !stage->is_stuck;
	} else if (is_hung || (life == 'D' && stage->is_ready)) {
		stage->state = life == 'D' ? "disk wait" : "hung";
		stage->is_ready &= !is_hung;
	}
}

static void
read_page(const struct stats *s, uint32_t page, struct stats_stage *stage)
{
	const struct layout_assignment *a = &s->region->header->page[page];
	const struct process_page *p = s->region->page[page];
	enum layout_state state = (enum layout_state)word_load(&p->state);
	uint64_t active = word_load(&p->active);
	char life;

	memset(stage, 0, sizeof *stage);
	set_name(s->region, stage, a);
	stage->page = (int)page;
	stage->slot = slot_of_page(s->region, page);
	stage->pid = (pid_t)word_load(&p->pid);
	life = s->seen[page].life_ticks == s->ticks && s->seen[page].pid == stage->pid
		 ? s->seen[page].life
		 : stats_pid_life(stage->pid);
	stage->is_alive = is_life(life);
	stage->beat_age = s->ticks - s->seen[page].ticks;
	stage->has_beat_age = stage->is_alive && s->seen[page].is_observed;
	/* Its gauges go when a process begins; the next of its ticks sets all. */
	stage->has_counters = (active == 0 || active == word_load(&a->assigned)) &&
			      counters_get(p->counter, counter_id(PROCESS, rss_kb)) != 0;
	stage->state = layout_state_name(state);
	if (stage->pid == 0) {
		stage->state = "starting";
	} else if (!stage->is_alive) {
		stage->state = state == LAYOUT_STATE_DONE ||
				       word_load(&s->region->header->phase) == LAYOUT_PHASE_STOPPED
				 ? "done"
				 : "dead";
	} else {
		read_blocked(s, p, stage);
		read_living(s, life, state, stage);
	}
}

static bool
has_page(const struct region *r, uint32_t slot)
{
	uint64_t page = word_load(&r->header->slot[slot].page);

	return page < r->pages && slot_of_page(r, (uint32_t)page) == (int)slot;
}

bool
stats_next(const struct stats *s, struct stats_iter *it, struct stats_stage *stage)
{
	const struct region *r = s->region;

	while (it->page < r->pages) {
		uint32_t page = it->page++;

		if (word_load(&r->header->page[page].role) == LAYOUT_ROLE_NONE)
			continue;
		read_page(s, page, stage);
		return true;
	}
	while (it->slot < r->slots) {
		uint32_t slot = it->slot++;

		if (!stats_slot_is_used(r, slot) || has_page(r, slot))
			continue;
		memset(stage, 0, sizeof *stage);
		set_name(r, stage, &r->header->slot[slot]);
		stage->page = -1;
		stage->slot = (int)slot;
		stage->pid = (pid_t)word_load(&r->slot[slot]->pid);
		stage->is_alive =
		    word_load(&r->slot[slot]->active) != 0 && stats_pid_is_alive(stage->pid);
		stage->state = word_load(&r->slot[slot]->active) == 0 ? "free"
			       : stage->is_alive                      ? "owned"
								      : "dead";
		return true;
	}
	return false;
}

bool
stats_is_named(const struct stats_stage *stage, const char *name)
{
	const char *have = stage->name;

	if (name == NULL || *name == '\0')
		return true;
	for (; *have != '\0' && *name != '\0'; have++, name++)
		if (*have != *name && !(*have == ' ' && *name == '-'))
			return false;
	return *have == *name;
}

uint64_t
stats_started_ns(const struct stats *s)
{
	struct stats_iter it = {0};
	struct stats_stage stage;
	uint64_t oldest = 0, at;

	while (stats_next(s, &it, &stage)) {
		if (stage.page == -1 || !stage.is_alive)
			continue;
		at = counters_get(
		    s->region->page[stage.page]->counter, counter_id(PROCESS, started));
		if (at != 0 && (oldest == 0 || at < oldest))
			oldest = at;
	}
	return oldest != 0 ? oldest : s->region->header->created_ns;
}

uint64_t
stats_unread(const struct region *r, uint32_t slot)
{
	const struct journal_stream *js = &r->journal->stream[slot];
	uint64_t durable, start, tail;

	if (!stats_slot_is_used(r, slot))
		return 0;
	/* The gate first: it never passes the tail that is read after it. */
	durable = cursor_pos(&js->durable);
	start = word_load(&js->start);
	tail = cursor_pos(&r->slot[slot]->ring.tail);
	/* Between an older life's end and `start` there is nothing but a gap. */
	if ((int64_t)(durable - start) < 0)
		durable = start;
	return (int64_t)(tail - durable) > 0 ? tail - durable : 0;
}

/*---------------------------------------------------------------------------*
 * The ledger
 *---------------------------------------------------------------------------*/

static void
read_once(const struct region *r, uint32_t slot, struct stats_ledger *l)
{
	const struct slot_page *p = r->slot[slot];
	uint64_t pos, seq = 0;

	/* Outcomes first: their writer counts `received` before them, so what
	 * is read here is never more decided than received. */
	for (int i = 0; i < 8 && !cursor_load(&p->ring.tail, &pos, &seq); i++)
		;
	l->put = seq - word_load(&p->base_seq);
	l->duplicate = word_load(&p->counter[counter_id(STREAM, duplicate)]);
	l->invalid = word_load(&p->counter[counter_id(STREAM, invalid)]);
	l->retry = word_load(&p->counter[counter_id(STREAM, retry)]);
	l->interrupted = word_load(&p->counter[counter_id(STREAM, interrupted)]);
	l->received = word_load(&p->counter[counter_id(STREAM, received)]);
	l->undecided =
	    (int64_t)(l->received - l->put - l->duplicate - l->invalid - l->retry - l->interrupted);
}

void
stats_ledger_read(const struct region *r, uint32_t slot, struct stats_ledger *l)
{
	bool is_owned;

	memset(l, 0, sizeof *l);
	if (!stats_slot_is_used(r, slot))
		return;
	for (int i = 0; i < 3; i++) {
		read_once(r, slot, l);
		if (l->undecided == 0)
			return;
	}
	is_owned = word_load(&r->slot[slot]->active) != 0 &&
		   stats_pid_is_alive((pid_t)word_load(&r->slot[slot]->pid));
	l->balance = l->undecided > 0 && is_owned ? STATS_IN_HAND : STATS_UNBALANCED;
}

void
stats_ledger_add(struct stats_ledger *sum, const struct stats_ledger *l)
{
	sum->received += l->received;
	sum->put += l->put;
	sum->duplicate += l->duplicate;
	sum->invalid += l->invalid;
	sum->retry += l->retry;
	sum->interrupted += l->interrupted;
	sum->undecided += l->undecided;
	if (l->balance > sum->balance)
		sum->balance = l->balance;
}

const char *
stats_balance_name(enum stats_balance b)
{
	static const char *const names[] = {"balanced", "in_hand", "unbalanced"};

	return names[b];
}
