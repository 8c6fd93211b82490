/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_watch - heartbeats, stages of a former supervisor, heirs
 *
 * DESCRIPTION
 *	Everything here is counted in the supervisor's own ticks: one that was
 *	stopped for an hour has seen one tick more, and blames nobody.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	Reads pages and slots.
 *
 * DIAGNOSTICS
 *	A stage that waits for the disk is said once a minute and never killed:
 *	the kernel says so (D), or its page.  One that a signal stopped is not.
 */
#include "daemon/supervisor_parts.h"

#include "common/log.h"
#include "shm/lock.h"
#include "shm/word.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

unsigned
supervisor_watch_ticks(int64_t ms)
{
	int64_t n = (ms + SUPERVISOR_TICK_MS - 1) / SUPERVISOR_TICK_MS;

	return n < 1 ? 1 : (unsigned)n;
}

/* The kernel's view of its main thread; 0 when it cannot be had. */
static char
state_letter(pid_t pid)
{
	char path[32], line[128];
	ssize_t n;
	int fd;

	(void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd == -1)
		return '\0';
	n = read(fd, line, sizeof line - 1);
	close(fd);
	line[n < 0 ? 0 : n] = '\0';
	return process_state_letter(line);
}

enum process_health
supervisor_watch_judge(const struct process_page *page, pid_t pid)
{
	return process_judge(word_load(&page->blocked_since_ns) != 0, state_letter(pid));
}

/* Its heart stands still for hang-time or longer. */
static void
watch_late(struct process *p, const struct process_page *page)
{
	bool is_marked = word_load(&page->blocked_since_ns) != 0;
	unsigned ms = p->stale_ticks * SUPERVISOR_TICK_MS;

	switch (supervisor_watch_judge(page, p->pid)) {
	case PROCESS_BLOCKED:
		if (process_say_blocked(p))
			log_line(LOG_LEVEL_WARN,
			    "%s is blocked: pid=%d in=%.15s: leaving it alone: "
			    "without_heartbeat_ms=%u",
			    p->name, (int)p->pid, is_marked ? page->blocked_in : "the kernel", ms);
		return;
	case PROCESS_STOPPED:
		log_line(LOG_LEVEL_WARN, "%s was stopped by a signal: kill -CONT %d", p->name,
		    (int)p->pid);
		break;
	default:
		break;
	}
	log_line(LOG_LEVEL_ERR, "%s hangs: pid=%d without_heartbeat_ms=%u: ending it", p->name,
	    (int)p->pid, ms);
	process_aborted(p, "hang");
	(void)kill(p->pid, SIGABRT);
}

static void
watch_one(struct supervisor *s, struct process *p)
{
	const struct process_page *page = s->region.page[p->job.page];

	switch (process_beat(p, word_load(&page->heartbeat),
	    supervisor_watch_ticks(s->cfg->global.hang_time_ms))) {
	case PROCESS_LATE:
		watch_late(p, page);
		break;
	case PROCESS_BACK:
		log_line(LOG_LEVEL_NOTICE, "%s goes on after %u s: pid=%d", p->name,
		    p->blocked_ticks * SUPERVISOR_TICK_MS / 1000, (int)p->pid);
		break;
	case PROCESS_STUCK:
		log_line(
		    LOG_LEVEL_ERR, "%s does not end: pid=%d: killing it", p->name, (int)p->pid);
		(void)kill(p->pid, SIGKILL);
		break;
	default:
		break;
	}
}

void
supervisor_watch_beats(struct supervisor *s)
{
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++)
		if (s->process[i].state == PROCESS_RUNNING)
			watch_one(s, &s->process[i]);
}

void
supervisor_watch_find_former(struct supervisor *s)
{
	char path[REGION_PATH_MAX];

	s->formers = 0;
	for (uint32_t i = 0; i < s->region.pages; i++) {
		pid_t pid = lock_owner(region_page_lock(&s->region, i, path));

		s->former[i].pid = pid > 0 ? pid : 0;
		s->formers += pid > 0;
	}
	if (s->formers > 0)
		log_line(LOG_LEVEL_NOTICE,
		    "stages of a former supervisor are finishing their work: processes=%d",
		    s->formers);
}

/* The process that holds the lock, and no other that got its number meanwhile. */
static void
kill_holder(const char *path, pid_t pid)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	if (fd == -1)
		return;
	if (lock_owner(path) == pid && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == -1)
		log_line(LOG_LEVEL_ERR, "cannot end a former stage: pid=%d: %s", (int)pid,
		    strerror(errno));
	close(fd);
}

void
supervisor_watch_former(struct supervisor *s)
{
	bool is_late = s->ticks > supervisor_watch_ticks(s->cfg->global.drain_time_ms);
	char path[REGION_PATH_MAX];

	for (uint32_t i = 0; s->formers > 0 && i < s->region.pages; i++) {
		struct supervisor_former *f = &s->former[i];
		const struct process_page *page = s->region.page[i];

		if (f->pid == 0)
			continue;
		if (lock_owner(region_page_lock(&s->region, i, path)) != f->pid) {
			log_line(LOG_LEVEL_INFO, "a former stage is gone: pid=%d left=%d",
			    (int)f->pid, s->formers - 1);
			*f = (struct supervisor_former){.pid = 0};
			s->formers--;
			continue;
		}
		if (!is_late || f->is_said)
			continue;
		if (supervisor_watch_judge(page, f->pid) == PROCESS_BLOCKED)
			continue; /* asked again at the next tick */
		f->is_said = true;
		log_line(LOG_LEVEL_ERR,
		    "a former stage is not done after drain-time: name=%.31s pid=%d: killing it",
		    page->title, (int)f->pid);
		kill_holder(path, f->pid);
	}
}

static bool
has_owner(const struct supervisor *s, int slot)
{
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++)
		if (s->process[i].state != PROCESS_NONE && s->process[i].job.slot == slot)
			return true;
	return false;
}

/* A slot that somebody left with their hands inside, and that nobody will take. */
void
supervisor_watch_heirs(struct supervisor *s)
{
	char path[REGION_PATH_MAX];

	for (uint32_t i = 0; i < s->region.slots; i++) {
		struct process *p;

		/* Left unclean, or set aside by the journal after its owner left
		 * cleanly: then the keys of what was lost must be forgotten. */
		bool is_set_aside = word_load(&s->region.journal->stream[i].retired) != 0 &&
				    word_load(&s->region.slot[i]->retired) !=
					LAYOUT_RETIRED_FORGOTTEN;

		if ((word_load(&s->region.slot[i]->active) == 0 && !is_set_aside) ||
		    has_owner(s, (int)i) ||
		    lock_owner(region_slot_lock(&s->region, i, path)) != 0)
			continue;
		log_line(LOG_LEVEL_NOTICE,
		    "a stream was left in disorder: slot=%u: putting it in "
		    "order",
		    i);
		p = supervisor_fork_add(s, LAYOUT_ROLE_HEIR, i, -1);
		p->job.slot = (int)i;
	}
}
