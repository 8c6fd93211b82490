/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	page - the words of a process page, as their owner writes them
 *
 * DESCRIPTION
 *	A process page says who runs, how it feels and what it last said.  Its
 *	writer is the process that holds page.N.lock.  Texts that may change
 *	(errors) stand under a guard that is odd while they are written, so that
 *	a reader can tell a torn one and ask again.
 *
 * PROCESS
 *	Every stage writes its own; anybody reads.
 *
 * SHARED STATE
 *	struct process_page: all words.
 */
#ifndef SHM_PAGE_H
#define SHM_PAGE_H

#include "shm/layout.h"

#include <stdbool.h>
#include <sys/types.h>

/* Under the page's lock: this process begins.  Errors and last words of the
 * predecessor stay readable; its gauges and states go. */
void page_begin(struct process_page *p, uint64_t generation, pid_t pid, const char *title);
void page_title(struct process_page *p, const char *title);
void page_state(struct process_page *p, enum layout_state state);
void page_beat(struct process_page *p);
/* Everything is let go: a death from here on is a clean one. */
void page_end(struct process_page *p);

/* A call that may block for long, and its end (`what`: at most 15 bytes are kept). */
void page_blocked(struct process_page *p, const char *what, uint64_t mono_ns);
void page_unblocked(struct process_page *p);

/*
 * Count an error under its text; the place of the one seen longest ago is
 * taken for a new text when all are used.  Returns the place; *is_new when
 * the text was not there before.
 */
int page_error(struct process_page *p, const char *text, uint64_t wall_ns, bool *is_new);

/* A reader's copy of an error: false when there is none, or it is being
 * written at every try.  text has size bytes. */
bool page_error_read(const struct process_page *p, int i, char *text, size_t size, uint64_t *count,
    uint64_t *first_ns, uint64_t *last_ns);

#endif
