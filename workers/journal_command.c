/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_command - what the journal says on its own socket
 *
 * PROCESS
 *	The journal.
 *
 * SHARED STATE
 *	None written.
 */
#include "workers/journal_parts.h"

#include "workers/text.h"

#include <string.h>

static void
show_journal(struct journal *j, struct text_out *out)
{
	static const char *const states[] = {"none", "being made", "ready", "failed"};
	enum layout_trouble trouble = (enum layout_trouble)word_load(&j->part->trouble);
	uint64_t spare_bytes = 0;
	int spare_error = 0;
	enum log_spare_state spare =
	    j->writer.spare == NULL ? LOG_SPARE_NONE
				    : log_spare_look(j->writer.spare, &spare_bytes, &spare_error);
	uint64_t now_ns = clock_mono_ns();

	text_add(out, "path %s\n", j->cfg->path);
	text_add(out, "segment %08x%s\n", j->writer.number, j->writer.fd == -1 ? " (closed)" : "");
	text_add(out, "offset %llu of %llu\n", (unsigned long long)j->writer.off,
	    (unsigned long long)(j->writer.fd == -1 ? j->writer.off : j->writer.size));
	text_add(out, "commit %llu\n", (unsigned long long)j->writer.commit);
	text_add(out, "commit_bytes %llu\n", (unsigned long long)j->writer.stats.bytes);
	text_add(
	    out, "commit_sync_us %llu\n", (unsigned long long)j->writer.stats.sync_last_ns / 1000);
	text_add(out, "trouble %s\n", layout_trouble_name(trouble));
	if (trouble != LAYOUT_TROUBLE_NONE)
		text_add(
		    out, "trouble_errno %s\n", strerror((int)word_load(&j->part->trouble_errno)));
	text_add(out, "spare %s %llu%s%s\n", states[spare], (unsigned long long)spare_bytes,
	    spare_error == 0 ? "" : " ", spare_error == 0 ? "" : strerror(spare_error));
	text_add(out, "linger_ms %lld\n", (long long)j->cfg->commit_linger_ms);
	text_add(out, "gathering_us %llu\n",
	    (unsigned long long)(j->gather_since_ns == 0 ? 0
							 : (now_ns - j->gather_since_ns) / 1000));
	text_add(out, "checkpoint_commit %llu\n", (unsigned long long)j->checkpoint_commit);
}

bool
journal_command(struct worker *w, const char *line, struct text_out *out)
{
	if (strcmp(line, "show journal") != 0)
		return false;
	show_journal(w->stage, out);
	return true;
}
