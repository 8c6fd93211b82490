/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor - makes what the stages need, forks them, and starts them again
 *
 * DESCRIPTION
 *	Directories and locks, the instance file, shared memory, sockets; then a
 *	process for each stage, watched until SIGTERM.  It parses nothing that
 *	a client sent, holds one thread, and writes only its own words.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	Writes the region's header.
 *
 * DIAGNOSTICS
 *	fatal: another sluiced runs here; the region and the state directory do
 *	not belong together; a socket is taken; no room for the region.
 */
#ifndef DAEMON_SUPERVISOR_H
#define DAEMON_SUPERVISOR_H

#include "common/config.h"

#include <stdbool.h>

/* Who the stages become, from names of the configuration. */
struct supervisor_user {
	uid_t uid; /* -1: stay */
	gid_t gid;
	gid_t socket_gid; /* -1: as it comes */
};

/* Looks names up.  False: `text` has a line for each that is not there. */
bool supervisor_user_find(
    const struct config *cfg, struct supervisor_user *out, char *text, size_t size);

/* Runs until it is asked to stop; returns the exit code.  new_region: give up
 * what is only in memory. */
int supervisor_run(const struct config *cfg, const struct supervisor_user *user, bool new_region);

#endif
