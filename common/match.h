/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	match - does a sink want this event?
 *
 * DESCRIPTION
 *	Globs on eventType (any of them, `*` and `?`, a leading `!` excludes: the
 *	last one that matches decides; a list of exclusions only takes all else)
 *	and conditions on values by JSON pointer (all of them):
 *
 *		/metadata/status >= 500
 *		/metadata/path ~ "/api*"			glob
 *		/metadata/referrer exists
 *		/metadata/bot absent
 *		/eventType in "a", "b"
 *
 *	Operators: = != < <= > >= ~ !~ in exists absent.  A bare word on the
 *	right is a string; numbers compare as numbers, and a value of another
 *	type than the right side's satisfies nothing but !=, !~.
 *
 * PROCESS
 *	Sinks; the configuration's check; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_MATCH_H
#define COMMON_MATCH_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct match;

struct match *match_new(void);
void match_free(struct match *m);
/* 0, or -1 with a sentence a person can act on in why. */
int match_add_type(struct match *m, const char *glob, char *why, size_t size);
int match_add_where(struct match *m, const char *condition, char *why, size_t size);
/* Nothing was added: everything matches, and nobody need ask. */
bool match_is_all(const struct match *m);
/*
 * event_type: the value of eventType as it stands in the body, with quotes.
 * Cost: nothing for globs without `*` beyond a comparison; conditions are one
 * pick_run() over the body.
 */
bool match_event(const struct match *m, struct bytes event_type, struct bytes body);
/* `*` any bytes, `?` one byte; no brackets, no escapes. */
bool match_glob(const char *glob, struct bytes text);

#endif
