/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_fork - a place for each process, and the fork
 *
 * DESCRIPTION
 *	A process gets a page and, if it owns a stream, a slot whose locks are
 *	free.  Acceptor i prefers slot i, so that a new start continues the
 *	streams of the old one; a successor prefers its predecessor's.  What
 *	cannot be had now is asked for again.
 *
 * PROCESS
 *	The supervisor; the child until worker_main().
 *
 * SHARED STATE
 *	Writes the region header's assignments.
 */
#include "daemon/supervisor_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/word.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_MS 250
#define NO_SLOT  (~UINT64_C(0))

struct process *
supervisor_fork_add(struct supervisor *s, enum layout_role role, unsigned number, int listen)
{
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++)
		if (s->process[i].state == PROCESS_NONE) {
			process_init(&s->process[i], role, number, listen);
			return &s->process[i];
		}
	PANIC("the process table is full");
}

static bool
is_taken(const struct supervisor *s, const struct process *but, bool is_slot, int index)
{
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++) {
		const struct process *p = &s->process[i];

		if (p->state != PROCESS_NONE && p != but &&
		    (is_slot ? p->job.slot : p->job.page) == index)
			return true;
	}
	return false;
}

static bool
is_slot_free(const struct supervisor *s, const struct process *p, int slot)
{
	const struct region *r = &s->region;
	char path[REGION_PATH_MAX];

	return slot >= 0 && (uint32_t)slot < r->slots && !is_taken(s, p, true, slot) &&
	       word_load(&r->slot[slot]->retired) == 0 &&
	       word_load(&r->journal->stream[slot].retired) == 0 &&
	       lock_owner(region_slot_lock(r, (uint32_t)slot, path)) == 0;
}

static bool
is_page_free(const struct supervisor *s, const struct process *p, int page)
{
	char path[REGION_PATH_MAX];

	return page >= 0 && (uint32_t)page < s->region.pages && !is_taken(s, p, false, page) &&
	       lock_owner(region_page_lock(&s->region, (uint32_t)page, path)) == 0;
}

static bool
find_slot(struct supervisor *s, struct process *p)
{
	int prefer = p->job.slot != -1 ? p->job.slot : (int)p->job.number;

	if (p->job.role == LAYOUT_ROLE_HEIR)
		return true; /* the slot is what it is for */
	p->job.slot = -1;
	if (is_slot_free(s, p, prefer))
		p->job.slot = prefer;
	for (int i = 0; p->job.slot == -1 && (uint32_t)i < s->region.slots; i++)
		if (is_slot_free(s, p, i))
			p->job.slot = i;
	return p->job.slot != -1;
}

static bool
find_page(struct supervisor *s, struct process *p)
{
	int old = p->job.page;

	p->job.page = -1;
	if (is_page_free(s, p, old))
		p->job.page = old;
	for (int i = 0; p->job.page == -1 && (uint32_t)i < s->region.pages; i++)
		if (is_page_free(s, p, i))
			p->job.page = i;
	return p->job.page != -1;
}

static void
again(struct process *p, uint64_t now_ns, const char *why)
{
	if (!p->is_said)
		log_line(LOG_LEVEL_WARN, "%s cannot be started: %s: trying again every %d ms",
		    p->name, why, AGAIN_MS);
	p->is_said = true;
	p->due_ns = now_ns + AGAIN_MS * CLOCK_NS_PER_MS;
}

/* A stage may take a lock before it gives its privileges up: the file belongs
 * to the stages' user from the start, so that the others may ask. */
static bool
make_lock_file(const struct supervisor *s, const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	bool ok;

	if (fd == -1)
		return errno == EEXIST;
	ok = (s->user.uid == (uid_t)-1 && s->user.gid == (gid_t)-1) ||
	     fchown(fd, s->user.uid, s->user.gid) == 0;
	close(fd);
	return ok;
}

static bool
find_place(struct supervisor *s, struct process *p, const struct role *role, uint64_t now_ns)
{
	char text[512], path[REGION_PATH_MAX];

	if (role->has_slot && !find_slot(s, p)) {
		again(p, now_ns, "no stream slot is free (raise `stream-slots`)");
		return false;
	}
	if (!find_page(s, p)) {
		again(p, now_ns, "no process page is free (former stages hold them)");
		return false;
	}
	if (!make_lock_file(s, region_page_lock(&s->region, (uint32_t)p->job.page, path)) ||
	    (role->has_slot &&
		!make_lock_file(s, region_slot_lock(&s->region, (uint32_t)p->job.slot, path)))) {
		again(p, now_ns, "its lock files cannot be made");
		return false;
	}
	if (role->has_slot && region_prepare_slot(&s->region, (uint32_t)p->job.slot, text,
				  sizeof text) != REGION_OK) {
		again(p, now_ns, text);
		return false;
	}
	return true;
}

static void
assign(struct layout_assignment *a, const struct process *p, uint64_t page)
{
	word_store(&a->role, p->job.role);
	word_store(&a->number, p->job.number);
	word_store(&a->page, page);
	word_store(&a->restarts, p->forks);
	word_store(&a->assigned, p->job.generation);
}

/*
 * Headers, options and URLs may hold secrets: only the sink that they are for keeps
 * them, not who reads what clients send.  The pages are copied for this process only.
 */
static void
forget_secrets(const struct supervisor *s, const struct worker_job *job)
{
	const struct region_header *h = s->region.header;

	for (int i = 0; i < s->cfg->sinks; i++) {
		struct config_sink *sink = (struct config_sink *)(uintptr_t)&s->cfg->sink[i];
		struct config_list *lists[] = {&sink->header, &sink->option, &sink->setting,
		    &sink->server};

		if (job->role == LAYOUT_ROLE_SINK &&
		    strncmp(h->sink_name[job->number].name, sink->name, sizeof sink->name) == 0)
			continue;
		for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++)
			for (int n = 0; n < lists[k]->n; n++)
				explicit_bzero(lists[k]->at[n], sizeof lists[k]->at[n]);
	}
}

static void child(struct supervisor *s, const struct process *p, const struct role *role)
    __attribute__((noreturn));

static void
child(struct supervisor *s, const struct process *p, const struct role *role)
{
	static struct worker_job job;
	struct region_rights rights = REGION_RIGHTS_NONE;

	job = p->job;
	close(s->lifeline_write);
	close(s->signal_fd);
	systemd_close(&s->systemd);
	supervisor_bind_keep(s, role, job.listen);
	forget_secrets(s, &job);
	if (role->ops->rights != NULL)
		role->ops->rights(&job, &rights);
	if (!roles_may(role, &job, &rights))
		PANIC("%s asks for shared memory that is not its own", p->name);
	worker_main(&s->env, &job, role->ops);
}

static void
fork_one(struct supervisor *s, struct process *p, uint64_t now_ns)
{
	const struct role *role = roles_find(p->job.role);
	struct region_header *h = s->region.header;
	uint64_t heartbeat;
	pid_t pid;

	if (!find_place(s, p, role, now_ns))
		return;
	p->job.generation = word_load(&h->next_generation) + 1;
	word_store(&h->next_generation, p->job.generation);
	assign(&h->page[p->job.page], p, role->has_slot ? (uint64_t)p->job.slot : NO_SLOT);
	if (role->has_slot)
		assign(&h->slot[p->job.slot], p, (uint64_t)p->job.page);
	if (role->has_sink)
		assign(&h->sink[p->job.number], p, (uint64_t)p->job.page);
	heartbeat = word_load(&s->region.page[p->job.page]->heartbeat);
	pid = fork();
	if (pid == -1) {
		again(p, now_ns, strerror(errno));
		return;
	}
	if (pid == 0)
		child(s, p, role);
	process_forked(p, pid, heartbeat);
	log_line(LOG_LEVEL_DEBUG, "forked %s: pid=%d page=%d slot=%d generation=%llu", p->name,
	    (int)pid, p->job.page, p->job.slot, (unsigned long long)p->job.generation);
}

void
supervisor_fork_due(struct supervisor *s, uint64_t now_ns)
{
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++)
		if (s->process[i].state == PROCESS_WAITING && s->process[i].due_ns <= now_ns)
			fork_one(s, &s->process[i], now_ns);
}
