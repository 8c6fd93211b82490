/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_json - a dead letter as one JSON object
 *
 * DESCRIPTION
 *	What a producer sent as an event stands under "event" as it is, but on
 *	one line; what intake refused may be anything and stands under "body" as a string,
 *	with bytes that are no UTF-8 replaced.
 *
 * PROCESS
 *	The deadletter stage; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_DEADLETTER_JSON_H
#define WORKERS_DEADLETTER_JSON_H

#include "workers/deadletter_index.h"
#include "workers/text.h"

struct deadletter_view {
	char id[DEADLETTER_ID_SIZE];
	const char *instance; /* first 8 digits, for the receipt; "": unknown */
	enum deadletter_over over;
	uint32_t over_s;
};

/* The frame in a record: false when it is none that is whole. */
bool deadletter_json_frame(const struct deadletter_record *r, struct frame_header *h);
/* Without a newline.  has_event: its bytes too. */
void deadletter_json(struct text_out *out, const struct deadletter_view *v,
    const struct deadletter_record *r, bool has_event);

#endif
