/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	roles - which processes there are and what each may touch
 *
 * DESCRIPTION
 *	One row a role.  The supervisor closes in each child what its row does
 *	not name, and a stage that asks for shared memory beyond its row is a
 *	bug that ends it at once.
 *
 * PROCESS
 *	The supervisor, and each child before it becomes a stage.
 *
 * SHARED STATE
 *	None: the constant table.
 */
#ifndef DAEMON_ROLES_H
#define DAEMON_ROLES_H

#include "workers/worker.h"

/* When a clean stop asks them to end. */
enum roles_order {
	ROLES_FIRST = 0, /* those that take events */
	ROLES_SECOND,    /* those that keep them */
	ROLES_SINKS,     /* those that deliver what was kept */
	ROLES_LETTERS,   /* those that keep what cannot be delivered */
	ROLES_LAST,      /* those that show */
};

struct role {
	enum layout_role role;
	const struct worker_ops *ops;
	enum roles_order order;
	bool has_slot;      /* owns a stream slot, and may write to it */
	bool has_dedup;     /* claims in the dedup table */
	bool has_journal;   /* writes the journal's part */
	bool has_sink;      /* writes the sink part of its number */
	bool has_listeners; /* accepts on the sockets of its listen section */
	bool has_admin;     /* accepts on the admin sockets and stats.sock */
	bool is_lasting;    /* runs as long as the daemon; not: ends by itself */
	bool is_needed;     /* without it no traffic may come */
};

/* NULL: no such role. */
const struct role *roles_find(enum layout_role role);
/* Does a stage ask for no more than its row? */
bool roles_may(
    const struct role *role, const struct worker_job *job, const struct region_rights *rights);

#endif
