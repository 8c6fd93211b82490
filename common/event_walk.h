/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	event_walk - judge a plain event in one walk, without a tree
 *
 * DESCRIPTION
 *	Private to event.c.  Takes the structural index of the body (json_index()
 *	has said JSON_OK, so strings are closed, free of bare control characters
 *	and UTF-8) and checks the rest of the grammar and the envelope.  True
 *	means: a valid event, *out filled.  False means only "not plain": an
 *	escape in the envelope, a number with an exponent or 19 digits, more than
 *	64 levels, or any mistake.  So it may be wrong in one direction only, and
 *	fuzz_event holds every true against simdjson's parser.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_EVENT_WALK_H
#define COMMON_EVENT_WALK_H

#include "common/event.h"

bool event_walk(const uint32_t *indexes, size_t n, size_t depth_max, struct event *out);

/* Are all escapes of the text legal, surrogates in pairs?  For a text json_index() took. */
bool event_walk_has_good_escapes(struct bytes body);

#endif
