/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	receipt - what became of one event, told from what everybody can see
 *
 * PROCESS
 *	The deadletter stage (for acceptors too); sluicectl.
 *
 * SHARED STATE
 *	Reads rings, the journal's part, sink parts.
 */
#include "workers/receipt.h"

#include "common/panic.h"
#include "shm/word.h"
#include "workers/log_reader.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_BUF (64u << 10)
#define LOOKS_MAX 4
/* Of a list of lost ranges the newest part is enough: the log is not longer. */
#define LOST_MAX (1 << 20)

enum place {
	PLACE_FOUND = 0,
	PLACE_UNKNOWN,
	PLACE_LOST,
	PLACE_EXPIRED,
	PLACE_CORRUPT,
	PLACE_FAILED
};

const char *
receipt_word(const struct receipt_facts *f)
{
	if (!f->is_ready || f->pos >= f->cursor)
		return "pending";
	if (f->seq < f->start_seq)
		return "skipped";
	if (f->lost != 0)
		return f->lost == SINK_EXPIRED ? "expired" : "corrupt";
	if (f->dead == RECEIPT_DEAD)
		return "dead";
	if (f->is_late) /* sent again or not: a replay skips it */
		return "late-duplicate";
	return f->is_match || f->dead == RECEIPT_REPLAYED ? "delivered" : "skipped";
}

void
receipt_instance(const struct region *region, char text[9])
{
	const uint8_t *id = region->header->instance;

	(void)snprintf(text, 9, "%02x%02x%02x%02x", id[0], id[1], id[2], id[3]);
}

static bool
parse_number(const char **at, char stop, uint64_t *value)
{
	char *end;

	if (**at < '0' || **at > '9')
		return false;
	errno = 0;
	*value = strtoull(*at, &end, 10);
	if (errno != 0 || *end != stop)
		return false;
	*at = end + (stop != '\0');
	return true;
}

bool
receipt_parse(const char *text, char instance[9], uint32_t *stream, uint64_t *pos)
{
	const char *at = text + 9;
	uint64_t number;

	if (strspn(text, "0123456789abcdef") != 8 || text[8] != ':' ||
	    !parse_number(&at, ':', &number) || number >= LAYOUT_SLOTS_MAX + 2 ||
	    !parse_number(&at, '\0', pos))
		return false;
	(void)snprintf(instance, 9, "%.8s", text);
	*stream = (uint32_t)number;
	return true;
}

/*---------------------------------------------------------------------------*
 * The frame
 *---------------------------------------------------------------------------*/

static bool
make_room(struct receipt *r, size_t len)
{
	uint8_t *buf;

	if (len <= r->size)
		return true;
	if ((buf = realloc(r->buf, len)) == NULL)
		return false;
	r->buf = buf;
	r->size = len;
	return true;
}

static enum ring_result
copy_from_ring(struct receipt *r, uint32_t stream, uint64_t pos, struct frame_header *h)
{
	struct ring ring = region_ring(r->region, stream);
	enum ring_result result = ring_guest_copy(&ring, pos, r->buf, r->size, h);

	if (result == RING_TOO_LONG && make_room(r, h->frame_len))
		result = ring_guest_copy(&ring, pos, r->buf, r->size, h);
	return result;
}

static enum place
walk_log(struct receipt *r, struct log_reader *reader, uint32_t stream, uint64_t pos,
    struct frame_header *h)
{
	struct log_item item;

	for (;;) {
		switch (log_reader_next(reader, &item)) {
		case LOG_ITEM_END:
			return PLACE_UNKNOWN;
		case LOG_ITEM_ERROR:
			errno = item.error;
			return PLACE_FAILED;
		default:
			break;
		}
		if (item.stream != stream || item.to <= pos)
			continue;
		switch (item.kind) {
		case LOG_ITEM_GAP:
			return item.from <= pos ? PLACE_LOST : PLACE_UNKNOWN;
		case LOG_ITEM_CORRUPT:
			return item.from <= pos ? PLACE_CORRUPT : PLACE_UNKNOWN;
		case LOG_ITEM_EXPIRED:
			return item.from <= pos ? PLACE_EXPIRED : PLACE_UNKNOWN;
		default:
			break;
		}
		if (item.h.pos != pos)
			return PLACE_UNKNOWN;
		if (!make_room(r, item.h.frame_len))
			return PLACE_FAILED;
		memcpy(r->buf, item.at, item.h.frame_len);
		*h = item.h;
		return PLACE_FOUND;
	}
}

static enum place
look_in_log(struct receipt *r, uint32_t stream, uint64_t pos, struct frame_header *h)
{
	struct log_reader *reader = xcalloc(1, sizeof *reader);
	enum place place = PLACE_FAILED;

	if (log_reader_open(reader, r->log_dirfd, word_load(&r->region->journal->log_end)) == -1) {
		free(reader);
		return PLACE_FAILED;
	}
	switch (log_reader_seek_pos(reader, stream, pos)) {
	case LOG_READER_FOUND:
		place = walk_log(r, reader, stream, pos, h);
		break;
	case LOG_READER_GONE:
		place = PLACE_EXPIRED;
		break;
	case LOG_READER_IN_GAP:
		place = PLACE_LOST;
		break;
	case LOG_READER_AHEAD:
		place = PLACE_UNKNOWN;
		break;
	case LOG_READER_FAILED:
		break;
	}
	log_reader_close(reader);
	free(reader);
	return place;
}

static enum place
find_in_log(struct receipt *r, uint32_t stream, uint64_t pos, struct frame_header *h)
{
	enum place place = PLACE_FAILED;

	/* Retention may take a segment after it was listed: the next look knows. */
	for (int i = 0; i < LOOKS_MAX && place == PLACE_FAILED; i++) {
		errno = 0;
		place = look_in_log(r, stream, pos, h);
		if (place == PLACE_FAILED && errno != ENOENT)
			break;
	}
	return place;
}

/* The frame into r->buf. */
static enum place
find(struct receipt *r, uint32_t stream, uint64_t pos, struct frame_header *h, bool *is_durable)
{
	uint64_t durable = 0;
	enum place place;

	if (stream >= LAYOUT_SLOTS_MAX + 2 || pos % FRAME_ALIGN != 0)
		return PLACE_UNKNOWN;
	durable = cursor_pos(&r->region->journal->stream[stream].durable);
	*is_durable = pos < durable;
	if (stream < r->region->slots && copy_from_ring(r, stream, pos, h) == RING_OK) {
		place = PLACE_FOUND;
	} else {
		/* What a ring has lost was durable before, maybe since we looked. */
		*is_durable =
		    *is_durable || pos < cursor_pos(&r->region->journal->stream[stream].durable);
		if (!*is_durable)
			return PLACE_UNKNOWN;
		place = find_in_log(r, stream, pos, h);
	}
	return place == PLACE_FOUND && h->type != FRAME_EVENT ? PLACE_UNKNOWN : place;
}

/*---------------------------------------------------------------------------*
 * The sinks
 *---------------------------------------------------------------------------*/

enum sink_outcome
receipt_lost_line(const char *line, uint32_t stream, uint64_t pos)
{
	uint64_t from, to;
	uint32_t of;
	char what[16];

	if (sscanf(line, "%15s %" SCNu32 " %" SCNu64 " %" SCNu64, what, &of, &from, &to) != 4 ||
	    of != stream || pos < from || pos >= to)
		return SINK_DELIVERED;
	return strcmp(what, "expired") == 0   ? SINK_EXPIRED
	       : strcmp(what, "corrupt") == 0 ? SINK_CORRUPT
					      : SINK_DELIVERED;
}

static enum sink_outcome
lost_of(const struct receipt *r, const char *name, uint32_t stream, uint64_t pos)
{
	char path[CONFIG_PATH_SIZE + 64], line[160];
	enum sink_outcome what = SINK_DELIVERED;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/sinks/%s/lost", r->state_dir, name);
	if ((f = fopen(path, "re")) == NULL)
		return SINK_DELIVERED;
	if (fseek(f, -LOST_MAX, SEEK_END) == -1)
		rewind(f);
	while (what == SINK_DELIVERED && fgets(line, sizeof line, f) != NULL)
		what = receipt_lost_line(line, stream, pos);
	(void)fclose(f);
	return what;
}

static enum receipt_dead
dead_of(const struct deadletter_index *dead, const char *name, uint32_t stream, uint64_t pos)
{
	struct deadletter_query q = {
	    .is_all = true, .has_place = true, .stream = stream, .pos = pos, .limit = 1};
	enum receipt_dead result = RECEIPT_NOT_DEAD;
	struct deadletter_ref *refs;
	size_t n;

	(void)snprintf(q.stage, sizeof q.stage, "%s", name);
	refs = deadletter_index_select(dead, &q, &n);
	if (n > 0)
		result = deadletter_index_entry(dead, refs[0])->over == DEADLETTER_REPLAYED
			     ? RECEIPT_REPLAYED
			     : RECEIPT_DEAD;
	free(refs);
	return result;
}

void
receipt_trim(struct receipt *r)
{
	if (r->late == NULL)
		return;
	for (uint32_t i = 0; i < LAYOUT_SLOTS_MAX + 2; i++)
		late_reader_forget(r->late, i, word_load(&r->region->journal->stream[i].oldest));
	late_reader_trim(r->late);
}

static bool
is_late(struct receipt *r, const struct frame_header *h)
{
	struct sink_place place;

	/* The cursor first, then the number: late_list.h. */
	if (r->late == NULL || !sink_cursor_load(&r->claimer->stream[h->stream].done, &place) ||
	    h->pos >= place.pos ||
	    late_reader_refresh(r->late, word_load(&r->claimer->late_count)) == -1)
		return false;
	return late_reader_has(r->late, h->stream, h->pos);
}

static const char *
ask_sink(struct receipt *r, const struct deadletter_index *dead, int i,
    const struct frame_header *h, bool late)
{
	const char *name = r->cfg->sink[i].name;
	int at = region_sink_find(r->region, name);
	struct receipt_facts f = {.pos = h->pos, .seq = h->seq, .is_late = late};
	struct bytes body = frame_body(r->buf, h), type = {NULL, 0};
	const struct sink_part *part;
	struct sink_place place;

	if (at == -1 || (part = r->region->sink[at]) == NULL)
		return "pending";
	f.is_ready = word_load(&part->ready_generation) == r->region->header->generation &&
		     sink_cursor_load(&part->stream[h->stream].done, &place);
	if (f.is_ready) {
		f.cursor = place.pos;
		f.start_seq = r->begin[i].is_known
		                  ? r->begin[i].seq[h->stream]
		                  : word_load(&part->stream[h->stream].start_seq);
	}
	f.lost = lost_of(r, name, h->stream, h->pos);
	f.dead = dead_of(dead, name, h->stream, h->pos);
	if (h->event_type.off <= body.len && h->event_type.len <= body.len - h->event_type.off)
		type = bytes_of(body.ptr + h->event_type.off, h->event_type.len);
	f.is_match = r->match[i] == NULL || match_event(r->match[i], type, body);
	return receipt_word(&f);
}

/*---------------------------------------------------------------------------*
 * Interface
 *---------------------------------------------------------------------------*/

static struct match *
match_of(const struct config_sink *cfg)
{
	struct match *m = match_new();
	char why[256];

	for (int i = 0; i < cfg->event_type.n; i++)
		(void)match_add_type(m, cfg->event_type.at[i], why, sizeof why);
	for (int i = 0; i < cfg->where.n; i++)
		(void)match_add_where(m, cfg->where.at[i], why, sizeof why);
	return m;
}

void
receipt_open(struct receipt *r, const struct region *region, const struct config *cfg,
    const char *state_dir, int log_dirfd)
{
	int claims = config_claim_sink(cfg), at;

	*r = (struct receipt){.region = region,
	    .cfg = cfg,
	    .state_dir = state_dir,
	    .log_dirfd = log_dirfd,
	    .buf = xcalloc(1, FIRST_BUF),
	    .size = FIRST_BUF};
	for (int i = 0; i < cfg->sinks; i++)
		r->match[i] = match_of(&cfg->sink[i]);
	if (claims == -1 || (at = region_sink_find(region, cfg->sink[claims].name)) == -1)
		return;
	r->claimer = region->sink[at];
	r->late = late_reader_open(state_dir, cfg->sink[claims].name);
}

void
receipt_close(struct receipt *r)
{
	for (int i = 0; i < CONFIG_SINK_MAX; i++)
		match_free(r->match[i]);
	if (r->late != NULL)
		late_reader_close(r->late);
	free(r->buf);
	*r = (struct receipt){.log_dirfd = -1};
}

/* What stands between the quotes, escaped as it was sent. */
static void
add_inner(struct text_out *out, struct bytes body, struct frame_place p)
{
	if (p.len >= 2 && p.off <= body.len && p.len <= body.len - p.off)
		text_add_bytes(out, body.ptr + p.off + 1, p.len - 2);
}

void
receipt_json(struct receipt *r, const struct deadletter_index *dead, uint32_t stream, uint64_t pos,
    struct text_out *out)
{
	static const char *const words[] = {
	    "", "unknown", "lost", "expired", "corrupt", "unreadable"};
	struct frame_header h;
	bool is_durable = false, late;
	char instance[9];
	struct bytes body;
	enum place place = find(r, stream, pos, &h, &is_durable);

	receipt_instance(r->region, instance);
	text_add(out, "{\"receipt\":\"%s:%" PRIu32 ":%" PRIu64 "\",\"status\":\"%s\"", instance,
	    stream, pos,
	    place != PLACE_FOUND ? words[place]
	    : is_durable         ? "durable"
				 : "memory");
	if (place != PLACE_FOUND) {
		text_add(out, "}");
		return;
	}
	body = frame_body(r->buf, &h);
	text_add(out, ",\"eventKey\":\"event:");
	add_inner(out, body, h.user_id);
	text_add(out, ":");
	add_inner(out, body, h.event_type);
	text_add(out, ":%" PRId64 "\",\"sinks\":{", h.event_ms);
	late = is_late(r, &h);
	for (int i = 0; i < r->cfg->sinks; i++)
		text_add(out, "%s\"%s\":\"%s\"", i == 0 ? "" : ",", r->cfg->sink[i].name,
		    ask_sink(r, dead, i, &h, late));
	text_add(out, "}}");
}
