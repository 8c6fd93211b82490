/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	receipt - what became of one event, told from what everybody can see
 *
 * DESCRIPTION
 *	A receipt names a stream and a position.  The frame is read from the ring
 *	or the log; then each sink is asked about by its cursor, the dead
 *	letters, the list of late duplicates, the ranges it lost, and its match:
 *
 *	{"receipt":"5f0c2a11:0:4096","status":"durable","eventKey":"event:u1:click:17",
 *	 "sinks":{"events":"delivered","hook":"dead"}}
 *
 *	status	durable, memory (not yet on the disk), lost (in a gap), expired
 *		(retention took it), corrupt (the log cannot be read there), unknown
 *		(no event begins there), unreadable (try again).  Only the first
 *		two have eventKey and sinks.
 *	sinks	pending, delivered, dead, skipped (does not match, or came before
 *		the sink), late-duplicate, expired, corrupt.
 *
 *	A dead letter that was replayed counts as delivered until it is refused
 *	again.
 *
 * PROCESS
 *	The deadletter stage (for acceptors too); sluicectl.
 *
 * SHARED STATE
 *	Reads rings, the journal's part, sink parts.
 *
 * BUGS
 *	The match is the one configured now.  A dead letter whose file is gone is
 *	forgotten, and its event counts as delivered.
 */
#ifndef WORKERS_RECEIPT_H
#define WORKERS_RECEIPT_H

#include "common/config.h"
#include "common/match.h"
#include "shm/region.h"
#include "workers/deadletter_index.h"
#include "workers/late_list.h"
#include "workers/text.h"

/* What is known about one event and one sink. */
struct receipt_facts {
	uint64_t pos, seq;
	bool is_ready; /* the sink's cursors are of this region */
	uint64_t cursor, start_seq;
	enum sink_outcome lost; /* SINK_EXPIRED, SINK_CORRUPT; else 0 */
	enum receipt_dead { RECEIPT_NOT_DEAD = 0, RECEIPT_DEAD, RECEIPT_REPLAYED } dead;
	bool is_late;
	bool is_match;
};

/* The word for it. */
const char *receipt_word(const struct receipt_facts *f);

struct receipt {
	const struct region *region;
	const struct config *cfg;
	const char *state_dir;
	int log_dirfd;
	struct match *match[CONFIG_SINK_MAX];
	/* Where each sink began for good: sequences before it never were its own. */
	struct receipt_begin {
		bool is_known;
		uint64_t seq[SINK_PART_STREAMS];
	} begin[CONFIG_SINK_MAX];
	const struct sink_part *claimer; /* NULL: none */
	struct late_reader *late;
	uint8_t *buf;
	size_t size;
};

/* All arguments stay the caller's and must stay there. */
void receipt_open(struct receipt *r, const struct region *region, const struct config *cfg,
    const char *state_dir, int log_dirfd);
void receipt_close(struct receipt *r);

/*
 * A part's start_seq is of this region's life; a receipt may be older.  So the first one
 * is kept in STATE/sinks/SINK/begin, until the sink is retired.  Reads what is there; is_keeper:
 * writes what is not (the deadletter stage, once a second).
 */
void receipt_note_begin(struct receipt *r, bool is_keeper);

/* Give back what is remembered of positions that the log has no more: every ten seconds. */
void receipt_trim(struct receipt *r);

/* One JSON object without a newline.  dead: refreshed by the caller. */
void receipt_json(struct receipt *r, const struct deadletter_index *dead, uint32_t stream,
    uint64_t pos, struct text_out *out);

/* "instance:stream:position" in parts; false: no receipt. */
bool receipt_parse(const char *text, char instance[9], uint32_t *stream, uint64_t *pos);

/* What a line of STATE/sinks/NAME/lost says about a place: SINK_EXPIRED,
 * SINK_CORRUPT, or 0. */
enum sink_outcome receipt_lost_line(const char *line, uint32_t stream, uint64_t pos);

/* "5f0c2a11": what receipts of this region begin with. */
void receipt_instance(const struct region *region, char text[9]);

#endif
