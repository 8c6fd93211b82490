/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_stage - the stage that keeps count of dead letters
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	Writes its own process page only.
 */
#ifndef WORKERS_DEADLETTER_STAGE_H
#define WORKERS_DEADLETTER_STAGE_H

#include "workers/worker.h"

extern const struct worker_ops deadletter_ops;

#endif
