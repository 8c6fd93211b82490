/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_replay - a sink's second source: events that are delivered again on request
 *
 * DESCRIPTION
 *	A replay is asked for on the sink's own socket and lives in memory:
 *
 *	replay log ID FROM-NS TO-NS RATE		wall times of commits
 *	replay pos ID STREAM:POS[-STREAM:POS] RATE	from there on, in the log's order
 *	replay file ID NAME RATE			frames in STATE/sinks/SINK/inbox/NAME
 *	replay status ID
 *	replay stop ID
 *
 *	RATE is events per second, 0: as fast as it goes.  One at a time.  Status is
 *	one line of `key=value`: id state=(running|done|stopped|failed) read delivered
 *	dead skipped late total (0: not known) at_ns reason="...".  read = delivered +
 *	dead + skipped + what is in flight; when done nothing is.  late: how many of
 *	those that were skipped are late duplicates.
 *
 *	A file of the inbox is frames one behind the other (8-byte aligned, as in
 *	the log); the sink unlinks it when it is done.  Each event goes through the
 *	sink's match unless the line ends with ` all`; late duplicates are skipped.
 *	A refused event becomes a dead letter again.
 *
 * PROCESS
 *	Each sink.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_SINK_REPLAY_H
#define WORKERS_SINK_REPLAY_H

#include "workers/sink.h"

struct text_out;

/* A line that begins with "replay "; false: not understood. */
bool sink_replay_command(struct sink *s, const char *line, struct text_out *out);

#endif
