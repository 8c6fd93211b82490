/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_bell - wake the sinks that sleep, when there is something for them
 *
 * DESCRIPTION
 *	The journal wakes the sinks after a commit; with a sink that claims in
 *	Redis it wakes only that one, and that one the others.  A sink that is
 *	gathering a batch (LAYOUT_LINGERING) looks for itself and is not rung.
 *
 * PROCESS
 *	The journal, the claiming sink.
 *
 * SHARED STATE
 *	Reads sink_part.sleeping.
 */
#ifndef WORKERS_SINK_BELL_H
#define WORKERS_SINK_BELL_H

#include "workers/worker.h"

/* by_journal: else by the claiming sink.  Cost: one fence and one word a sink. */
void sink_bell_ring(const struct worker_env *env, bool by_journal);

#endif
