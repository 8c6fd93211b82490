/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	template - names made from events: "events.%{eventType}"
 *
 * DESCRIPTION
 *	A text with places: %{eventType}, %{userId}, %{/json/pointer}, and %% for
 *	a percent sign.  What is put in has every character outside [A-Za-z0-9._-]
 *	replaced by `_`; a value that is absent or empty becomes `none`; the
 *	whole is cut at the limit that the destination has.
 *
 * PROCESS
 *	Sinks; the configuration's check.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_TEMPLATE_H
#define COMMON_TEMPLATE_H

#include "common/bytes.h"

#include <stdbool.h>
#include <stddef.h>

struct template;

/* NULL with a sentence in why. */
struct template *template_new(const char *text, char *why, size_t size);
void template_free(struct template *t);
/* Without places it is the same for every event. */
bool template_is_fixed(const struct template *t);
/* Length written (NUL-terminated, at most size - 1). */
size_t template_run(const struct template *t, struct bytes event_type, struct bytes user_id,
    struct bytes body, char *buf, size_t size);

#endif
