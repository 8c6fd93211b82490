/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sluiced_idle - the real supervisor over stages that do nothing
 *
 * DESCRIPTION
 *	For tests of the supervisor and of the skeleton alone.  The table of
 *	roles is replaced, so these stages can be told to misbehave, on their
 *	sockets (hang, block, crash, leave) or, before they are ready, by the
 *	environment: IDLE_DIE=NAME dies before READY, IDLE_SLOW=NAME is never
 *	ready.
 *
 *	http N takes its slot as the real one does, and answers each connection
 *	with its name and pid.
 */
#include "daemon/roles.h"
#include "shm/word.h"
#include "workers/heir.h"
#include "workers/slot_owner.h"
#include "workers/text.h"

#include <netinet/in.h>
#include <signal.h>

#include "daemon/sluiced.c"

static bool
is_named(const char *variable, const struct worker *w)
{
	const char *value = getenv(variable);

	return value != NULL && strcmp(value, w->page->title) == 0;
}

static void
ready(struct worker *w)
{
	if (is_named("IDLE_DIE", w))
		fatal("told to die");
	if (!is_named("IDLE_SLOW", w))
		worker_ready(w);
}

static bool
command(struct worker *w, const char *line, struct text_out *out)
{
	if (strcmp(line, "hang") == 0)
		for (;;)
			pause();
	if (strcmp(line, "block") == 0) {
		worker_blocked(w, "test");
		for (;;)
			pause();
	}
	if (strcmp(line, "nap") == 0) {
		worker_blocked(w, "test");
		/* As the kernel does in fdatasync(2): signals wait. */
		for (uint64_t end = w->now_ns + 4 * CLOCK_NS_PER_S; clock_mono_ns() < end;)
			(void)usleep(10000);
		worker_unblocked(w);
	} else if (strcmp(line, "panic") == 0) {
		PANIC("told to panic");
	} else if (strcmp(line, "segv") == 0) {
		*(volatile uint64_t *)&w->env->region->header->created_ns = 0;
	} else if (strcmp(line, "leave") == 0) {
		exit(3);
	} else if (strcmp(line, "error") == 0) {
		worker_error(w, "told to fail");
	} else if (strcmp(line, "who") == 0) {
		uid_t uid = 0;

		text_add(out, "uid: %d gid: %d euid: %d regain: %d dumpable: %d\n", (int)getuid(),
		    (int)getgid(), (int)geteuid(), setuid(uid), 0);
	} else {
		return false;
	}
	text_add(out, "done\n");
	return true;
}

/*---------------------------------------------------------------------------*
 * http N
 *---------------------------------------------------------------------------*/

struct idle_http {
	struct slot_owner slot;
	bool is_mine;
};

static void
http_rights(const struct worker_job *job, struct region_rights *rights)
{
	rights->slot = job->slot;
	rights->dedup = true;
}

static void
http_open_early(struct worker *w)
{
	struct idle_http *h = xcalloc(1, sizeof *h);

	w->stage = h;
	slot_owner_lock(&h->slot, w->env->region, (uint32_t)w->job->slot, NULL, NULL);
}

static void
http_accept(evutil_socket_t fd, short what, void *arg)
{
	struct worker *w = arg;
	char text[64];
	int c = accept(fd, NULL, NULL);

	(void)what;
	worker_woke(w);
	if (c == -1)
		return;
	(void)snprintf(text, sizeof text, "%s %d\n", w->page->title, (int)getpid());
	(void)!write(c, text, strlen(text));
	close(c);
}

static void
http_start(struct worker *w)
{
	for (int b = 0; b < CONFIG_BIND_MAX; b++) {
		int fd = w->env->listen_fd[w->job->listen][b];

		if (fd != -1)
			(void)event_add(event_new(w->base, fd, EV_READ | EV_PERSIST, http_accept,
					    w),
			    NULL);
	}
}

static void
http_round(struct worker *w)
{
	struct idle_http *h = w->stage;

	if (h->is_mine)
		return;
	switch (slot_owner_take(&h->slot, w->job->generation, (uint64_t)getpid())) {
	case SLOT_OWNER_NOT_READY:
		return;
	case SLOT_OWNER_DAMAGED:
		fatal("damaged");
	case SLOT_OWNER_OK:
		break;
	}
	h->is_mine = true;
	ready(w);
}

static bool
http_is_done(struct worker *w)
{
	struct idle_http *h = w->stage;

	if (h->is_mine)
		slot_owner_release(&h->slot);
	h->is_mine = false;
	return true;
}

static const struct worker_ops idle_http_ops = {
	.rights = http_rights,
	.open_early = http_open_early,
	.start = http_start,
	.round = http_round,
	.is_done = http_is_done,
	.command = command,
};

/*---------------------------------------------------------------------------*
 * journal, admin
 *---------------------------------------------------------------------------*/

static void
journal_rights(const struct worker_job *job, struct region_rights *rights)
{
	(void)job;
	rights->journal = true;
}

static void
journal_start(struct worker *w)
{
	struct journal_part *j = w->env->region->journal;
	uint64_t generation = w->env->region->header->generation;

	for (uint32_t i = 0; word_load(&j->ready_generation) != generation && i < j->slots; i++) {
		word_store(&j->stream[i].start, generation << 40);
		cursor_init(&j->stream[i].durable, generation << 40, 0);
	}
	word_store(&j->ready_generation, generation);
	ready(w);
}

static const struct worker_ops idle_journal_ops = {
	.rights = journal_rights,
	.start = journal_start,
	.command = command,
};

static const struct worker_ops idle_admin_ops = {
	.start = ready,
	.command = command,
};

static const struct role table[] = {
	{ .role = LAYOUT_ROLE_HTTP,
	    .ops = &idle_http_ops,
	    .order = ROLES_FIRST,
	    .has_slot = true,
	    .has_dedup = true,
	    .has_listeners = true,
	    .is_lasting = true,
	    .is_needed = true },
	{ .role = LAYOUT_ROLE_HEIR,
	    .ops = &heir_ops,
	    .order = ROLES_FIRST,
	    .has_slot = true,
	    .has_dedup = true },
	{ .role = LAYOUT_ROLE_JOURNAL,
	    .ops = &idle_journal_ops,
	    .order = ROLES_SECOND,
	    .has_journal = true,
	    .is_lasting = true,
	    .is_needed = true },
	{ .role = LAYOUT_ROLE_ADMIN,
	    .ops = &idle_admin_ops,
	    .order = ROLES_LAST,
	    .has_admin = true,
	    .is_lasting = true,
	    .is_needed = true },
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
roles_may(const struct role *role, const struct worker_job *job,
    const struct region_rights *rights)
{
	(void)role;
	(void)job;
	(void)rights;
	return true;
}
