/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	heir - end what a dead acceptor left in a slot that gets no successor
 *
 * PROCESS
 *	heir: forked by the supervisor for one slot, exits when it is done.
 *
 * SHARED STATE
 *	Writes the slot's page and that slot's claims in the dedup table.
 */
#ifndef WORKERS_HEIR_H
#define WORKERS_HEIR_H

#include "workers/worker.h"

extern const struct worker_ops heir_ops;

#endif
