/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	worker - the skeleton that every stage is written on
 *
 * PROCESS
 *	Every stage.
 *
 * SHARED STATE
 *	Writes its own process page.
 */
#include "workers/worker.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/page.h"
#include "workers/lines.h"
#include "workers/worker_parts.h"

#include <bsd/unistd.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define TICKS_PER_USAGE 10

struct skeleton {
	struct worker worker;
	struct event *tick;
	struct event *term;
	struct event *lifeline;
	struct lines *lines;
	unsigned ticks;
	char name[WORKER_NAME_SIZE];
};

void
worker_name(enum layout_role role, unsigned number, char name[WORKER_NAME_SIZE])
{
	if (role == LAYOUT_ROLE_HTTP || role == LAYOUT_ROLE_HEIR || role == LAYOUT_ROLE_SINK)
		(void)snprintf(name, WORKER_NAME_SIZE, "%s %u", layout_role_name(role), number);
	else
		(void)snprintf(name, WORKER_NAME_SIZE, "%s", layout_role_name(role));
}

void
worker_name_in(
    const struct region *r, enum layout_role role, unsigned number, char name[WORKER_NAME_SIZE])
{
	worker_name(role, number, name);
	if (role == LAYOUT_ROLE_SINK && number < SINK_PART_MAX)
		(void)snprintf(
		    name, WORKER_NAME_SIZE, "%.39s", r->header->sink_name[number].name);
}

static void
set_title(struct skeleton *s, const char *suffix)
{
	char title[WORKER_NAME_SIZE + 16];

	(void)snprintf(title, sizeof title, "%s%s", s->name, suffix);
	setproctitle("-sluiced: %s", title);
	(void)prctl(PR_SET_NAME, s->name);
}

static void
take_page(struct skeleton *s)
{
	struct worker *w = &s->worker;
	const struct worker_env *env = w->env;
	char path[REGION_PATH_MAX];
	pid_t owner = 0;
	int fd;

	switch (
	    lock_take(region_page_lock(env->region, (uint32_t)w->job->page, path), &fd, &owner)) {
	case LOCK_OK:
		break;
	case LOCK_HELD:
		fatal("%s: process page %d is held by pid %d: wait for that process to end", path,
		    w->job->page, (int)owner);
	case LOCK_MOVED:
		fatal("%s: the region was replaced under us: start sluiced again", path);
	case LOCK_ERROR:
		fatal("%s: cannot lock the process page: %s", path, strerror(errno));
	}
	page_begin(w->page, w->job->generation, getpid(), s->name);
}

static void
protect(struct worker *w)
{
	struct region_rights rights = REGION_RIGHTS_NONE;

	if (w->ops->rights != NULL)
		w->ops->rights(w->job, &rights);
	rights.page = w->job->page;
	region_protect(w->env->region, &rights);
}

static void
drain(struct skeleton *s)
{
	struct worker *w = &s->worker;

	if (w->draining)
		return;
	w->draining = true;
	page_state(w->page, LAYOUT_STATE_DRAINING);
	set_title(s, " (draining)");
	if (w->ops->drain != NULL)
		w->ops->drain(w);
}

static void
on_term(evutil_socket_t sig, short what, void *arg)
{
	struct skeleton *s = arg;

	(void)sig;
	(void)what;
	worker_woke(&s->worker);
	drain(s);
}

/* Nobody writes to the lifeline: readable means that its other end is gone. */
static void
on_lifeline(evutil_socket_t fd, short what, void *arg)
{
	struct skeleton *s = arg;

	(void)fd;
	(void)what;
	worker_woke(&s->worker);
	(void)event_del(s->lifeline);
	s->worker.orphaned = true;
	log_line(LOG_LEVEL_WARN, "the supervisor is gone: finishing");
	drain(s);
}

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct skeleton *s = arg;
	struct worker *w = &s->worker;

	(void)fd;
	(void)what;
	worker_woke(w);
	page_beat(w->page);
	if (s->ticks++ % TICKS_PER_USAGE == 0)
		worker_command_usage(w->page);
	worker_error_tick(w);
	lines_tick(s->lines, w->now_ns);
	if (w->ops->tick != NULL)
		w->ops->tick(w, w->now_ns);
}

static struct event_base *
new_base(void)
{
	struct event_config *cfg = event_config_new();
	struct event_base *base;

	/* One thread: no locks.  No precise timers: the coarse clock is enough
	 * for a tick of 100 ms and costs no timerfd. */
	if (cfg == NULL ||
	    event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == -1 ||
	    event_config_avoid_method(cfg, "poll") == -1 ||
	    event_config_avoid_method(cfg, "select") == -1 ||
	    (base = event_base_new_with_config(cfg)) == NULL)
		fatal("cannot make an event loop: %s", strerror(errno));
	event_config_free(cfg);
	return base;
}

static void
add_events(struct skeleton *s)
{
	const struct timeval every = {0, WORKER_TICK_MS * 1000};
	struct worker *w = &s->worker;

	s->tick = event_new(w->base, -1, EV_PERSIST, on_tick, s);
	s->term = evsignal_new(w->base, SIGTERM, on_term, s);
	if (s->tick == NULL || s->term == NULL || event_add(s->tick, &every) == -1 ||
	    event_add(s->term, NULL) == -1)
		fatal("cannot make an event: %s", strerror(errno));
	if (w->env->lifeline_fd != -1) {
		s->lifeline =
		    event_new(w->base, w->env->lifeline_fd, EV_READ | EV_PERSIST, on_lifeline, s);
		if (s->lifeline == NULL || event_add(s->lifeline, NULL) == -1)
			fatal("cannot watch the lifeline: %s", strerror(errno));
	}
}

/* The supervisor forked with its signals blocked.  Until the loop is there,
 * SIGTERM ends us as it ends anybody: nothing was begun yet. */
static void
set_signals(void)
{
	static const int ignored[] = {SIGINT, SIGHUP, SIGPIPE, SIGUSR1, SIGUSR2};
	sigset_t none;

	for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
		(void)signal(ignored[i], SIG_IGN);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
begin(struct skeleton *s)
{
	struct worker *w = &s->worker;
	int fd;

	set_signals();
	log_name(s->name);
	log_threshold(w->env->cfg->global.log_level);
	set_title(s, "");
	take_page(s);
	worker_signal_last_words(w->page);
	protect(w);
	if (w->ops->open_early != NULL)
		w->ops->open_early(w);
	fd = worker_command_bind(w->env, s->name);
	worker_rights_drop(w->env);
	w->base = new_base();
	s->lines = worker_command_serve(w, fd);
	add_events(s);
	w->now_ns = clock_mono_ns();
	page_beat(w->page);
	if (w->ops->start != NULL)
		w->ops->start(w);
	page_beat(w->page);
}

/* False: the stage is done. */
static bool
turn(struct worker *w)
{
	w->now_ns = clock_mono_ns();
	if (w->ops->round != NULL)
		w->ops->round(w);
	if (w->draining && (w->ops->is_done == NULL || w->ops->is_done(w)))
		return false;
	w->dozing = w->ops->may_sleep == NULL || w->ops->may_sleep(w);
	if (w->dozing)
		counters_add(w->page->counter, counter_id(PROCESS, wakeups), 1);
	else
		w->now_ns = clock_mono_ns();
	if (event_base_loop(w->base, EVLOOP_ONCE | (w->dozing ? 0 : EVLOOP_NONBLOCK)) == -1)
		fatal("the event loop failed: %s", strerror(errno));
	worker_woke(w);
	return true;
}

void
worker_main(
    const struct worker_env *env, const struct worker_job *job, const struct worker_ops *ops)
{
	static struct skeleton s;

	s = (struct skeleton){
	    .worker = {.env = env, .job = job, .ops = ops, .page = env->region->page[job->page]}};
	worker_name_in(env->region, job->role, job->number, s.name);
	begin(&s);
	while (turn(&s.worker))
		continue;
	lines_free(s.lines);
	page_end(s.worker.page);
	exit(0);
}

void
worker_ready(struct worker *w)
{
	if (!w->draining)
		page_state(w->page, LAYOUT_STATE_READY);
}

void
worker_blocked(struct worker *w, const char *what)
{
	page_blocked(w->page, what, clock_mono_ns());
}

void
worker_unblocked(struct worker *w)
{
	page_unblocked(w->page);
}
