/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal - rings to log, group commit, durable positions
 *
 * DESCRIPTION
 *	The journal is the only reader that holds writers back.  It writes what
 *	all rings hold beyond their durable positions in one commit, then
 *	publishes: the log's end, each stream's durable position, and rings
 *	those who wait.  It commits at once while somebody waits for durable,
 *	and lets frames gather for commit-linger otherwise.
 *
 *	At a start it recovers the log, says where each stream begins, and
 *	fills the dedup table; when the region survived it goes on from the
 *	positions it finds there.
 *
 * PROCESS
 *	journal, one.
 *
 * SHARED STATE
 *	Writes struct journal_part, and the dedup table while no acceptor runs.
 *
 * DIAGNOSTICS
 *	fatal: the log belongs to another instance, the directory cannot be
 *	used.
 *
 * SEE ALSO
 *	docs/JOURNAL.md
 */
#ifndef WORKERS_JOURNAL_H
#define WORKERS_JOURNAL_H

#include "workers/worker.h"

extern const struct worker_ops journal_ops;

#endif
