/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_reap - what became of a stage, and what follows from it
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	Writes the region header's assignments; reads the page of the dead.
 */
#include "daemon/supervisor_parts.h"

#include "common/log.h"
#include "shm/word.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static struct process *
find_pid(struct supervisor *s, pid_t pid)
{
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++)
		if (s->process[i].state == PROCESS_RUNNING && s->process[i].pid == pid)
			return &s->process[i];
	return NULL;
}

/* Its page speaks of this process, and not of the one before it. */
static bool
is_its_page(const struct process *p, const struct process_page *page)
{
	return word_load(&page->pid) == (uint64_t)p->pid;
}

/* Words are fresh only when the death was of a kind that leaves some. */
static void
last_words(const struct process_page *page, int status, char *out, size_t size)
{
	out[0] = '\0';
	if (!WIFSIGNALED(status) || WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM ||
	    page->last_words[0] == '\0')
		return;
	(void)snprintf(out, size, " last_words=\"%.*s\"", (int)size - 16, page->last_words);
	/* It died with these in its hands: nothing below a blank, please. */
	for (char *c = out; *c != '\0'; c++)
		if ((unsigned char)*c < ' ')
			*c = '?';
}

/* Said after the fork of the successor, so it is put together before. */
struct obituary {
	enum log_level level;
	char text[LAYOUT_LAST_WORDS + 256];
};

static void
describe(const struct process *p, const struct process_page *page, int status, bool is_clean,
    struct obituary *o)
{
	/* Before it was ready, by its own decision: there is a line that says why. */
	bool is_refusal = WIFEXITED(status) && !p->is_ready &&
			  (!is_its_page(p, page) ||
			      word_load(&page->state) == LAYOUT_STATE_STARTING);
	bool is_inside = is_its_page(p, page) && word_load(&page->active) == p->job.generation;
	char words[LAYOUT_LAST_WORDS + 32], how[PROCESS_EXIT_SIZE];

	last_words(page, status, words, sizeof words);
	o->level = is_clean ? LOG_LEVEL_INFO : LOG_LEVEL_ERR;
	(void)snprintf(o->text, sizeof o->text, "%s %s: pid=%d %s%s%s%s", p->name,
	    is_clean	 ? "ended"
	    : is_refusal ? "ended during its start"
	    : is_inside	 ? "died with its hands inside"
			 : "died",
	    (int)p->pid, process_exit_text(status, how), words,
	    p->killed_for == NULL ? "" : " killed_for=",
	    p->killed_for == NULL ? "" : p->killed_for);
}

static void
record(struct supervisor *s, const struct process *p, int status)
{
	struct region_header *h = s->region.header;

	word_store(&h->page[p->job.page].last_exit, (uint64_t)status);
	if (p->job.slot != -1)
		word_store(&h->slot[p->job.slot].last_exit, (uint64_t)status);
	/* Before the fork of the successor, which asks how this one died. */
	if (roles_find(p->job.role)->has_sink)
		word_store(&h->sink[p->job.number].last_exit, (uint64_t)status);
}

static void
ended(struct supervisor *s, struct process *p, int status, uint64_t now_ns)
{
	const struct process_page *page = s->region.page[p->job.page];
	const struct role *role = roles_find(p->job.role);
	/* Asked before its loop was there: SIGTERM ends it, and nothing is left. */
	bool is_clean = (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
			(p->is_asked && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	struct obituary o;
	uint64_t wait_ms;

	record(s, p, status);
	describe(p, page, status, is_clean, &o);
	if (is_its_page(p, page) && word_load(&page->state) == LAYOUT_STATE_READY)
		p->is_ready = true;
	/* One that ends by itself is no service: it can wait. */
	if (!role->is_lasting)
		p->is_ready = false;
	if (!p->is_wanted || (!role->is_lasting && is_clean)) {
		log_line(o.level, "%s: %s", o.text, s->is_stopping ? "stopping" : "done");
		*p = (struct process){.state = PROCESS_NONE};
		return;
	}
	wait_ms = process_ended(p, is_clean);
	p->due_ns = now_ns + wait_ms * CLOCK_NS_PER_MS;
	if (wait_ms != 0) {
		log_line(o.level, "%s: was not ready yet, starting it again in %llu s", o.text,
		    (unsigned long long)wait_ms / 1000);
		return;
	}
	/* The fork comes first: a line may wait for a slow terminal. */
	supervisor_fork_due(s, now_ns);
	log_line(o.level, "%s: starting it again: new_pid=%d", o.text, (int)p->pid);
}

void
supervisor_reap(struct supervisor *s, uint64_t now_ns)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct process *p = find_pid(s, pid);

		if (p != NULL)
			ended(s, p, status, now_ns);
	}
}
