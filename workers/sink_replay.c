/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_replay - a sink's second source: events that are delivered again on request
 *
 * PROCESS
 *	Each sink.
 *
 * SHARED STATE
 *	Counters of its own part.
 */
#include "workers/sink_replay.h"

#include "common/log.h"
#include "shm/word.h"
#include "workers/sink_parts.h"
#include "workers/text.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID_SIZE       48
#define NAME_SIZE     96
#define FRAMES_A_TURN 1024

enum replay_state { REPLAY_NONE = 0, REPLAY_RUNNING, REPLAY_DONE, REPLAY_STOPPED, REPLAY_FAILED };

struct sink_replay {
	enum replay_state state;
	char id[ID_SIZE];
	char reason[160];
	bool is_all;      /* no match */
	bool is_read_out; /* the source is at its end */
	uint64_t rate;    /* a second; 0: any */
	double allowance;
	uint64_t allowed_at_ns;
	uint64_t read, skipped, skipped_late, total; /* skipped: the late ones too */
	uint64_t base[SINK_OUTCOMES];                /* of the window's counts when it began */

	/* From the log: what it says between two times, or behind a place.  The engine's
	 * list of late duplicates has forgotten what lies behind its own cursors. */
	bool is_log, is_open;
	struct late_reader *late;
	struct log_reader reader;
	uint64_t from_ns, to_ns, at_ns;
	bool has_end;
	uint32_t end_stream;
	uint64_t end_pos;
	bool has_item;
	struct log_item item;

	/* From a file of frames. */
	char name[NAME_SIZE];
	const uint8_t *map;
	size_t map_len, off;
	bool has_kept;
	struct sink_event kept;
};

static struct sink_replay *
of(struct sink *s)
{
	if (s->engine->replay == NULL)
		s->engine->replay = calloc(1, sizeof *s->engine->replay);
	return s->engine->replay;
}

static void
let_go(struct sink *s, struct sink_replay *r)
{
	if (r->is_open)
		log_reader_close(&r->reader);
	r->is_open = false;
	late_reader_close(r->late);
	r->late = NULL;
	if (r->map != NULL)
		(void)munmap((void *)(uintptr_t)r->map, r->map_len + SINK_SOURCE_PADDING);
	r->map = NULL;
	if (r->name[0] != '\0')
		(void)unlinkat(s->dirfd, r->name, 0);
	r->name[0] = '\0';
}

static void
end(struct sink *s, struct sink_replay *r, enum replay_state state, const char *reason)
{
	r->state = state;
	(void)snprintf(r->reason, sizeof r->reason, "%s", reason);
	/* What is in flight may have to be read again: it keeps its bytes. */
	if (sink_window_is_empty(&s->engine->window))
		let_go(s, r);
	log_line(LOG_LEVEL_NOTICE, "replay %s: %s: read=%" PRIu64, r->id,
	    state == REPLAY_DONE      ? "done"
	    : state == REPLAY_STOPPED ? "stopped"
				      : reason,
	    r->read);
}

/*------------------------------------------------------------------ sources */

/* False: nothing more; the state says whether it failed. */
static bool
next_of_log(struct sink *s, struct sink_replay *r, struct sink_event *ev)
{
	for (;;) {
		enum log_item_kind kind = LOG_ITEM_FRAME;

		if (!r->has_item)
			kind = log_reader_next(&r->reader, &r->item);
		r->has_item = false;
		if (kind == LOG_ITEM_END)
			return false;
		if (kind == LOG_ITEM_ERROR) {
			end(s, r, REPLAY_FAILED, strerror(r->item.error));
			return false;
		}
		r->at_ns = r->item.wall_ns;
		if (r->to_ns != 0 && r->item.wall_ns > r->to_ns)
			return false;
		if (r->has_end && r->item.stream == r->end_stream && r->item.from >= r->end_pos)
			return false;
		if (kind != LOG_ITEM_FRAME || r->item.h.type != FRAME_EVENT ||
		    r->item.wall_ns < r->from_ns)
			continue;
		*ev = (struct sink_event){.h = r->item.h,
		    .frame = r->item.at,
		    .body = frame_body(r->item.at, &r->item.h),
		    .end = r->item.to};
		return true;
	}
}

/* Frames from a file that anybody with our rights may have written: checked. */
static bool
next_of_file(struct sink *s, struct sink_replay *r, struct sink_event *ev)
{
	struct frame_header h;

	while (r->off + sizeof h <= r->map_len) {
		const uint8_t *at = r->map + r->off;

		memcpy(&h, at, sizeof h);
		if (frame_check_header(at, r->map_len - r->off, h.stream, h.pos, &h) != FRAME_OK ||
		    h.stream >= SINK_PART_STREAMS || frame_check_crc(at, &h) != FRAME_OK) {
			end(s, r, REPLAY_FAILED, "the file holds something that is no frame");
			return false;
		}
		r->off += h.frame_len;
		if (h.type != FRAME_EVENT)
			continue;
		*ev = (struct sink_event){
		    .h = h, .frame = at, .body = frame_body(at, &h), .end = h.pos + h.frame_len};
		return true;
	}
	return false;
}

/*--------------------------------------------------------------------- feed */

bool
sink_replay_wants(const struct sink *s)
{
	const struct sink_replay *r = s->engine->replay;

	if (r == NULL || r->state != REPLAY_RUNNING)
		return false;
	return r->is_read_out || r->rate == 0 || r->allowance >= 1 ||
	       clock_mono_ns() - r->allowed_at_ns >= CLOCK_NS_PER_S / r->rate;
}

uint64_t
sink_replay_wait_ns(const struct sink *s)
{
	const struct sink_replay *r = s->engine->replay;
	uint64_t past;

	if (r == NULL || r->state != REPLAY_RUNNING)
		return UINT64_MAX;
	if (sink_replay_wants(s))
		/* Its turn comes when the window is empty: a callback of the kind. */
		return sink_window_is_empty(&s->engine->window) && !s->engine->is_full &&
			       !s->engine->wants_attempt
			   ? 0
			   : UINT64_MAX;
	past = clock_mono_ns() - r->allowed_at_ns;
	return past < CLOCK_NS_PER_S / r->rate ? CLOCK_NS_PER_S / r->rate - past : 0;
}

static void
allow(struct sink_replay *r, uint64_t now_ns)
{
	if (r->rate == 0)
		return;
	r->allowance += (double)(now_ns - r->allowed_at_ns) * (double)r->rate / 1e9;
	r->allowed_at_ns = now_ns;
	if (r->allowance > (double)r->rate)
		r->allowance = (double)r->rate;
}

static bool
is_unwanted(struct sink *s, struct sink_replay *r, const struct sink_event *ev)
{
	const struct sink_engine *e = s->engine;
	const struct late_reader *late = r->is_log ? r->late : e->late;

	if (late != NULL && late_reader_has(late, ev->h.stream, ev->h.pos)) {
		r->skipped_late++;
		return true;
	}
	return !r->is_all && e->match != NULL &&
	       !match_event(e->match, sink_event_value(ev, ev->h.event_type), ev->body);
}

void
sink_replay_feed(struct sink *s)
{
	struct sink_engine *e = s->engine;
	struct sink_replay *r = e->replay;
	struct sink_event ev;

	allow(r, e->now_ns);
	if (r->late != NULL && r->state == REPLAY_RUNNING &&
	    late_reader_refresh(r->late, word_load(&e->claimer->late_count)) == -1)
		end(s, r, REPLAY_FAILED, "the list of late duplicates cannot be read");
	for (int n = 0; n < FRAMES_A_TURN && r->state == REPLAY_RUNNING && !r->is_read_out; n++) {
		if (e->is_full || (r->rate != 0 && r->allowance < 1) ||
		    !sink_window_has_room(&e->window) ||
		    sink_window_in_flight(&e->window) >= (uint64_t)s->cfg->in_flight ||
		    e->lane_fed >= (uint64_t)s->cfg->batch_events)
			return;
		if (r->has_kept) {
			ev = r->kept;
			r->has_kept = false;
		} else if (!(r->is_log ? next_of_log(s, r, &ev) : next_of_file(s, r, &ev))) {
			r->is_read_out = true;
			break;
		} else {
			r->read++;
			r->allowance -= 1;
		}
		if (is_unwanted(s, r, &ev)) {
			r->skipped++;
			counters_add(s->part->counter, counter_id(SINK, replay_skipped), 1);
			continue;
		}
		ev.is_replay = true;
		if (sink_feed_offer(s, &ev, SINK_ENTRY_REPLAY) == SINK_FULL) {
			r->kept = ev; /* its bytes stand still until the next read */
			r->has_kept = true;
			return;
		}
		e->lane_fed++;
	}
	sink_replay_account(s);
}

/* What left the window; and the end, when nothing is left. */
void
sink_replay_account(struct sink *s)
{
	struct sink_engine *e = s->engine;
	struct sink_replay *r = e->replay;
	_Atomic uint64_t *c = s->part->counter;

	if (r == NULL || r->state == REPLAY_NONE)
		return;
	counters_set(c, counter_id(SINK, replayed), e->window.replay[SINK_DELIVERED]);
	counters_set(c, counter_id(SINK, replay_dead), e->window.replay[SINK_DEAD]);
	if (r->state != REPLAY_RUNNING && sink_window_is_empty(&e->window))
		let_go(s, r);
	if (r->state == REPLAY_RUNNING && r->is_read_out && !r->has_kept && e->is_replaying &&
	    sink_window_is_empty(&e->window))
		end(s, r, REPLAY_DONE, "");
}

bool
sink_replay_reread(struct sink *s, const struct sink_entry *entry, struct sink_event *ev)
{
	const struct sink_replay *r = s->engine->replay;
	struct frame_header h;

	if (r == NULL || r->map == NULL)
		return false; /* of the log: where all frames are */
	for (size_t off = 0; off + sizeof h <= r->off; off += h.frame_len) {
		memcpy(&h, r->map + off, sizeof h);
		if (h.stream != entry->stream || h.pos != entry->pos)
			continue;
		ev->h = h;
		ev->frame = r->map + off;
		ev->body = frame_body(ev->frame, &h);
		ev->end = entry->end;
		ev->is_replay = true;
		return true;
	}
	return false;
}

/*----------------------------------------------------------------- commands */

static void
status(struct sink *s, const struct sink_replay *r, struct text_out *out)
{
	static const char *const words[] = {"none", "running", "done", "stopped", "failed"};
	const uint64_t *now = s->engine->window.replay;
	uint64_t late = now[SINK_LATE] - r->base[SINK_LATE];
	uint64_t skipped = r->skipped + now[SINK_SKIPPED] - r->base[SINK_SKIPPED] + late;

	text_add(out,
	    "id=%s state=%s read=%" PRIu64 " delivered=%" PRIu64 " dead=%" PRIu64
	    " skipped=%" PRIu64 " late=%" PRIu64 " total=%" PRIu64 " at_ns=%" PRIu64
	    " reason=\"%s\"\n",
	    r->id, words[r->state], r->read, now[SINK_DELIVERED] - r->base[SINK_DELIVERED],
	    now[SINK_DEAD] - r->base[SINK_DEAD], skipped, r->skipped_late + late, r->total,
	    r->at_ns, r->reason);
}

static void
begin(struct sink *s, struct sink_replay *r, const char *id, uint64_t rate, bool is_all)
{
	let_go(s, r);
	*r = (struct sink_replay){.state = REPLAY_RUNNING,
	    .rate = rate,
	    .is_all = is_all,
	    .allowed_at_ns = clock_mono_ns()};
	(void)snprintf(r->id, sizeof r->id, "%s", id);
	memcpy(r->base, s->engine->window.replay, sizeof r->base);
	s->engine->is_replaying = false;
}

static bool
open_log(struct sink *s, struct sink_replay *r)
{
	const struct journal_part *j = s->engine->region->journal;

	if (log_reader_open(&r->reader, s->engine->log_dirfd, word_load(&j->log_end)) == -1) {
		end(s, r, REPLAY_FAILED, strerror(errno));
		return false;
	}
	r->is_log = r->is_open = true;
	return true;
}

/* What another node had first from where the replay begins. */
static void
open_late(struct sink *s, struct sink_replay *r)
{
	const struct config *cfg = s->worker->env->cfg;

	if (s->engine->claimer == NULL || r->state != REPLAY_RUNNING)
		return;
	r->late =
	    late_reader_open(s->worker->env->state_dir, cfg->sink[config_claim_sink(cfg)].name);
	if (r->late == NULL) {
		end(s, r, REPLAY_FAILED, strerror(errno));
		return;
	}
	for (uint32_t i = 0; i < LOG_STREAMS; i++)
		if (r->reader.has_next[i])
			late_reader_forget(r->late, i, r->reader.next[i]);
}

/* replay log ID FROM TO RATE [all] */
static bool
from_times(struct sink *s, struct sink_replay *r, const char *line)
{
	char id[ID_SIZE], all[8] = "";
	uint64_t from, to, rate;

	if (sscanf(line, "replay log %47s %" SCNu64 " %" SCNu64 " %" SCNu64 " %7s", id, &from, &to,
		&rate, all) < 4)
		return false;
	begin(s, r, id, rate, strcmp(all, "all") == 0);
	if (!open_log(s, r))
		return true;
	r->from_ns = from;
	r->to_ns = to;
	if (from != 0 && log_reader_seek_time(&r->reader, from) == LOG_READER_FAILED)
		end(s, r, REPLAY_FAILED, strerror(errno));
	open_late(s, r);
	return true;
}

/* replay pos ID STREAM:POS[-STREAM:POS] RATE [all] */
static bool
from_place(struct sink *s, struct sink_replay *r, const char *line)
{
	char id[ID_SIZE], span[96], all[8] = "";
	uint64_t pos, rate;
	uint32_t stream;
	int n = 0;

	if (sscanf(line, "replay pos %47s %95s %" SCNu64 " %7s", id, span, &rate, all) < 3 ||
	    sscanf(span, "%" SCNu32 ":%" SCNu64 "%n", &stream, &pos, &n) < 2)
		return false;
	begin(s, r, id, rate, strcmp(all, "all") == 0);
	if (span[n] == '-')
		r->has_end =
		    sscanf(span + n + 1, "%" SCNu32 ":%" SCNu64, &r->end_stream, &r->end_pos) == 2;
	if (!open_log(s, r))
		return true;
	if (log_reader_seek_pos(&r->reader, stream, pos) == LOG_READER_FAILED)
		end(s, r, REPLAY_FAILED, strerror(errno));
	open_late(s, r);
	return true;
}

/* replay file ID NAME RATE [all] */
static bool
from_file(struct sink *s, struct sink_replay *r, const char *line)
{
	char id[ID_SIZE], name[64], all[8] = "";
	struct stat st;
	uint64_t rate;
	void *map;
	int fd;

	if (sscanf(line, "replay file %47s %63s %" SCNu64 " %7s", id, name, &rate, all) < 3 ||
	    strchr(name, '/') != NULL || name[0] == '.')
		return false;
	begin(s, r, id, rate, strcmp(all, "all") == 0);
	(void)snprintf(r->name, sizeof r->name, "inbox/%s", name);
	fd = openat(s->dirfd, r->name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 || fstat(fd, &st) == -1) {
		end(s, r, REPLAY_FAILED, strerror(errno));
		if (fd != -1)
			close(fd);
		return true;
	}
	if (st.st_size > 0) {
		size_t len = (size_t)st.st_size;

		/* Readable bytes behind the last frame: the file lies over zeros. */
		map = mmap(
		    NULL, len + SINK_SOURCE_PADDING, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (map == MAP_FAILED ||
		    mmap(map, len, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED) {
			end(s, r, REPLAY_FAILED, strerror(errno));
		} else {
			r->map = map;
			r->map_len = len;
		}
	}
	close(fd);
	return true;
}

bool
sink_replay_command(struct sink *s, const char *line, struct text_out *out)
{
	struct sink_replay *r = of(s);
	char id[ID_SIZE];

	if (r == NULL)
		return false;
	if (sscanf(line, "replay status %47s", id) == 1 ||
	    sscanf(line, "replay stop %47s", id) == 1) {
		if (strcmp(id, r->id) != 0) {
			text_add(out, "error: no replay %s is known here\n", id);
			return true;
		}
		if (strncmp(line, "replay stop", 11) == 0 && r->state == REPLAY_RUNNING)
			end(s, r, REPLAY_STOPPED, "by command");
		status(s, r, out);
		return true;
	}
	if (s->engine->is_replaying && !sink_window_is_empty(&s->engine->window) &&
	    r->state != REPLAY_RUNNING) {
		text_add(out, "error: the replay before is still ending: try again\n");
		return true;
	}
	if (!s->engine->is_reading) {
		text_add(out, "error: the sink is not ready: try again\n");
		return true;
	}
	if (r->state == REPLAY_RUNNING) {
		text_add(out,
		    "error: replay %s is running: wait, or end it: sluicectl stage %s replay stop "
		    "%s\n",
		    r->id, s->cfg->name, r->id);
		return true;
	}
	if (!from_times(s, r, line) && !from_place(s, r, line) && !from_file(s, r, line))
		return false;
	status(s, r, out);
	return true;
}
