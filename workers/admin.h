/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	admin - the stage that shows all others: stats socket, metrics, health
 *
 * DESCRIPTION
 *	Reads shared memory and nothing else, so it answers while any other
 *	stage hangs.  The stats socket's commands are the rows of
 *	admin_commands.def; the HTTP side serves /metrics, /health, /livez and
 *	/readyz.
 *
 * PROCESS
 *	admin.
 *
 * SHARED STATE
 *	Writes its own process page only.
 *
 * SEE ALSO
 *	stats.h, lines.h, http_server.h
 */
#ifndef WORKERS_ADMIN_H
#define WORKERS_ADMIN_H

#include "workers/worker.h"

extern const struct worker_ops admin_ops;

#endif
