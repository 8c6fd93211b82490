/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	roles - which processes there are and what each may touch
 *
 * PROCESS
 *	The supervisor, and each child before it becomes a stage.
 *
 * SHARED STATE
 *	None: the constant table.
 */
#include "daemon/roles.h"

#include "workers/acceptor.h"
#include "workers/admin.h"
#include "workers/deadletter_stage.h"
#include "workers/heir.h"
#include "workers/journal.h"
#include "workers/sink.h"

static const struct role table[] = {
    {.role = LAYOUT_ROLE_HTTP,
	.ops = &acceptor_http_ops,
	.order = ROLES_FIRST,
	.has_slot = true,
	.has_dedup = true,
	.has_listeners = true,
	.is_lasting = true,
	.is_needed = true},
    {.role = LAYOUT_ROLE_HEIR,
	.ops = &heir_ops,
	.order = ROLES_FIRST,
	.has_slot = true,
	.has_dedup = true},
    /* The journal fills the dedup table from the log after a reboot, before
     * any acceptor may touch it. */
    {.role = LAYOUT_ROLE_JOURNAL,
	.ops = &journal_ops,
	.order = ROLES_SECOND,
	.has_dedup = true,
	.has_journal = true,
	.is_lasting = true,
	.is_needed = true},
    /* A sink that cannot start delays its deliveries and nothing else. */
    {.role = LAYOUT_ROLE_SINK,
	.ops = &sink_worker_ops,
	.order = ROLES_SINKS,
	.has_sink = true,
	.is_lasting = true},
    {.role = LAYOUT_ROLE_DEADLETTER,
	.ops = &deadletter_ops,
	.order = ROLES_LETTERS,
	.is_lasting = true},
    {.role = LAYOUT_ROLE_ADMIN,
	.ops = &admin_ops,
	.order = ROLES_LAST,
	.has_admin = true,
	.is_lasting = true,
	.is_needed = true},
};

const struct role *
roles_find(enum layout_role role)
{
	for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
		if (table[i].role == role)
			return &table[i];
	return NULL;
}

bool
roles_may(const struct role *role, const struct worker_job *job, const struct region_rights *rights)
{
	return !rights->header && (!rights->journal || role->has_journal) &&
	       (!rights->dedup || role->has_dedup) &&
	       (rights->sink == -1 || (role->has_sink && rights->sink == (int)job->number)) &&
	       (rights->slot == -1 || (role->has_slot && rights->slot == job->slot)) &&
	       (rights->page == -1 || rights->page == job->page);
}
