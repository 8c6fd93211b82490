/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_copy - copies of dead letters to Redis and Kafka
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_parts.h"

void
deadletter_copy_open(struct deadletter_stage *d)
{
	(void)d;
}

void
deadletter_copy_tick(struct deadletter_stage *d)
{
	(void)d;
}

void
deadletter_copy_stop(struct deadletter_stage *d)
{
	(void)d;
}

void
deadletter_copy_show(const struct deadletter_stage *d, struct text_out *out)
{
	(void)d;
	(void)out;
}
