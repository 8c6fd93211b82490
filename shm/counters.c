/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	counters - numbers that one process writes and anybody may read
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None: the constant table.
 */
#include "shm/counters.h"

static const struct counter_row table[] = {
#define COUNTER(owner_, name_, nature_, unit_, help_)                                              \
	{ COUNTER_OWNER_##owner_, COUNTER_##owner_##_##name_, #name_, COUNTER_##nature_, unit_,    \
		help_ },
#include "shm/counters.def"
#undef COUNTER
};

const struct counter_row *
counters_table(size_t *n)
{
	*n = sizeof table / sizeof table[0];
	return table;
}

const char *
counters_nature_name(enum counter_nature n)
{
	static const char *const names[] = { "count", "gauge", "max", "age" };

	return names[n];
}
