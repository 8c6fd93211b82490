/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_bell - wake the sinks that sleep, when there is something for them
 *
 * PROCESS
 *	The journal, the claiming sink.
 *
 * SHARED STATE
 *	Reads sink_part.sleeping.
 */
#include "workers/sink_bell.h"

#include "shm/word.h"

void
sink_bell_ring(const struct worker_env *env, bool by_journal)
{
	const struct region_header *h = env->region->header;
	bool has_claimer = by_journal && config_claim_sink(env->cfg) != -1;

	if (env->cfg->sinks == 0)
		return;
	for (int i = 0; i < SINK_PART_MAX; i++) {
		const struct layout_sink *sink = &h->sink_name[i];

		if (word_load(&sink->is_configured) == 0 ||
		    (has_claimer && word_load(&sink->kind) != CONFIG_SINK_REDIS))
			continue;
		(void)bell_ring(env->sink_bell[i], &env->region->sink[i]->sleeping, false);
	}
}
