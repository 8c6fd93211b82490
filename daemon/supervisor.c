/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor - makes what the stages need, forks them, and starts them again
 *
 * DESCRIPTION
 *	The main loop waits for signals and for its own tick.  A clean stop asks
 *	the acceptors first, then the journal, the sinks, the dead letters, and
 *	admin, each for drain-time at most; what waits for a disk is waited for.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	Writes the region's header.
 */
#include "daemon/supervisor.h"

#include "common/log.h"
#include "common/panic.h"
#include "daemon/supervisor_parts.h"
#include "shm/word.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define TICK_NS      (SUPERVISOR_TICK_MS * CLOCK_NS_PER_MS)
#define IMPATIENT_MS 10 /* between two looks at stages that are not ready */
/* Sinks end by themselves at drain-time, with a last checkpoint. */
#define GRACE_MS    1000
#define EXTEND_NS   (5 * CLOCK_NS_PER_S)
#define EXTEND_USEC 30000000

static void
set_phase(struct supervisor *s, enum layout_phase phase)
{
	s->phase = phase;
	word_store(&s->region.header->phase, phase);
}

/*---------------------------------------------------------------------------*
 * set-up
 *---------------------------------------------------------------------------*/

static void
catch_signals(struct supervisor *s)
{
	static const int caught[] = {SIGTERM, SIGINT, SIGHUP, SIGCHLD};
	sigset_t set;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < sizeof caught / sizeof caught[0]; i++)
		(void)sigaddset(&set, caught[i]);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == -1 ||
	    (s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) == -1)
		fatal("cannot wait for signals: %s", strerror(errno));
	/* A log that nobody reads any more is no reason to die. */
	(void)signal(SIGPIPE, SIG_IGN);
}

/* Each connection is a descriptor: take what we are allowed. */
static void
raise_descriptors(const struct config *cfg)
{
	struct rlimit lim;
	rlim_t need = 256;

	for (int l = 0; l < cfg->listens; l++)
		if ((rlim_t)cfg->listen[l].max_connections + 256 > need)
			need = (rlim_t)cfg->listen[l].max_connections + 256;
	if (getrlimit(RLIMIT_NOFILE, &lim) == -1)
		return;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) == -1 || lim.rlim_cur < need)
		log_line(LOG_LEVEL_WARN,
		    "fewer file descriptors than max-connections needs: have=%llu need=%llu: "
		    "raise LimitNOFILE= or `ulimit -n`",
		    (unsigned long long)lim.rlim_cur, (unsigned long long)need);
}

static void
make_env(struct supervisor *s)
{
	struct worker_env *e = &s->env;
	int lifeline[2];

	e->cfg = s->cfg;
	e->region = &s->region;
	memcpy(e->instance, s->instance.uuid, sizeof e->instance);
	memcpy(e->dedup_key, s->instance.dedup_key, sizeof e->dedup_key);
	e->runtime_dir = s->cfg->global.runtime_dir;
	e->state_dir = s->cfg->global.state_dir;
	e->uid = s->user.uid;
	e->gid = s->user.gid;
	e->socket_gid = s->user.socket_gid;
	if (pipe2(lifeline, O_CLOEXEC | O_NONBLOCK) == -1)
		fatal("cannot make the lifeline: %s", strerror(errno));
	e->lifeline_fd = lifeline[0];
	s->lifeline_write = lifeline[1];
	memset(e->slot_bell, -1, sizeof e->slot_bell);
	e->journal_bell = bell_new();
	for (uint32_t i = 0; i < s->region.slots; i++)
		e->slot_bell[i] = bell_new();
	for (int i = 0; i < SINK_PART_MAX; i++)
		e->sink_bell[i] = bell_new();
	if (e->journal_bell == -1 || e->sink_bell[SINK_PART_MAX - 1] == -1)
		fatal("cannot make doorbells: %s: raise `ulimit -n`", strerror(errno));
}

static void
add_processes(struct supervisor *s)
{
	unsigned number = 0;

	(void)supervisor_fork_add(s, LAYOUT_ROLE_JOURNAL, 0, -1);
	supervisor_sinks_add(s);
	for (int l = 0; l < s->cfg->listens; l++)
		for (int i = 0; i < s->cfg->listen[l].processes; i++)
			(void)supervisor_fork_add(s, LAYOUT_ROLE_HTTP, number++, l);
	(void)supervisor_fork_add(s, LAYOUT_ROLE_ADMIN, 0, -1);
}

static void
set_up(struct supervisor *s, bool new_region)
{
	struct region_header *h;

	catch_signals(s);
	systemd_open(&s->systemd, getpid());
	raise_descriptors(s->cfg);
	supervisor_start_folders(s);
	supervisor_start_locks(s);
	supervisor_region_open(s, new_region);
	supervisor_watch_find_former(s);
	/* A start that is refused because of an address leaves nothing behind. */
	supervisor_bind_all(s);
	supervisor_region_finish(s);
	supervisor_sinks_place(s);
	h = s->region.header;
	set_phase(s, LAYOUT_PHASE_STARTING);
	/* A former journal ends when it sees this: not before ours is due. */
	word_store(&h->supervisor_pid, (uint64_t)getpid());
	make_env(s);
	add_processes(s);
	s->next_tick_ns = clock_mono_ns() + TICK_NS;
}

/*---------------------------------------------------------------------------*
 * being ready
 *---------------------------------------------------------------------------*/

static void
say_ready(const struct supervisor *s)
{
	const struct config *cfg = s->cfg;
	char line[1000];
	size_t at = 0;

	for (int l = 0; l < cfg->listens && at < sizeof line; l++)
		for (int b = 0; b < cfg->listen[l].bind.n && at < sizeof line; b++)
			at += (size_t)snprintf(line + at, sizeof line - at, "http on %s, ",
			    cfg->listen[l].bind.at[b].text);
	for (int b = 0; b < cfg->admin.bind.n && at < sizeof line; b++)
		at += (size_t)snprintf(
		    line + at, sizeof line - at, "admin on %s, ", cfg->admin.bind.at[b].text);
	log_line(
	    LOG_LEVEL_NOTICE, "ready: %sstats on %s/stats.sock", line, cfg->global.runtime_dir);
}

/* Every lasting stage: how many there are, how many are ready, who is not, and
 * whether one of those is needed for traffic. */
static int
count_ready(struct supervisor *s, int *all, const char **late, bool *is_needed)
{
	int ready = 0;

	*all = 0;
	*late = NULL;
	*is_needed = false;
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++) {
		struct process *p = &s->process[i];
		const struct process_page *page;

		if (p->state == PROCESS_NONE || p->job.role == LAYOUT_ROLE_HEIR)
			continue;
		(*all)++;
		if (p->state == PROCESS_RUNNING && !p->is_ready) {
			page = s->region.page[p->job.page];
			p->is_ready = word_load(&page->pid) == (uint64_t)p->pid &&
				      word_load(&page->state) == LAYOUT_STATE_READY;
		}
		if (p->state == PROCESS_RUNNING && p->is_ready)
			ready++;
		else if (!*is_needed) {
			*late = p->name;
			*is_needed = roles_find(p->job.role)->is_needed;
		}
	}
	return ready;
}

/* True when somebody who is needed is still on the way. */
static bool
look_at_readiness(struct supervisor *s)
{
	const char *late;
	bool is_needed;
	int all, ready = count_ready(s, &all, &late, &is_needed);

	if (s->is_stopping)
		return false;
	if (!is_needed && !s->was_ready) {
		s->was_ready = true;
		set_phase(s, LAYOUT_PHASE_RUNNING);
		systemd_send(&s->systemd, "READY=1\nMAINPID=%d\n", (int)getpid());
		say_ready(s);
	}
	if (late != NULL)
		systemd_status(&s->systemd, "%d of %d stages ready; %s %s", ready, all,
		    s->was_ready ? "restarting" : "starting", late);
	else
		systemd_status(&s->systemd, "%d of %d stages ready", ready, all);
	return is_needed;
}

/*---------------------------------------------------------------------------*
 * stopping
 *---------------------------------------------------------------------------*/

static bool
is_in_order(const struct process *p, enum roles_order order)
{
	return p->state != PROCESS_NONE && roles_find(p->job.role)->order == order;
}

static void
ask_to_end(struct supervisor *s, enum roles_order order)
{
	s->order = order;
	s->order_ticks = 0;
	s->had_late = false;
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++) {
		struct process *p = &s->process[i];

		/* An heir ends by itself, and soon. */
		if (!is_in_order(p, order) || p->job.role == LAYOUT_ROLE_HEIR)
			continue;
		p->is_wanted = false;
		p->is_asked = true;
		if (p->state == PROCESS_RUNNING)
			(void)kill(p->pid, SIGTERM);
		else
			*p = (struct process){.state = PROCESS_NONE};
	}
}

static void
begin_stop(struct supervisor *s, const char *signal_name)
{
	if (s->is_stopping) {
		log_line(LOG_LEVEL_NOTICE, "%s: already stopping", signal_name);
		return;
	}
	log_line(LOG_LEVEL_NOTICE,
	    "%s: stopping: acceptors first, then the journal, the sinks, admin", signal_name);
	s->is_stopping = true;
	set_phase(s, LAYOUT_PHASE_DRAINING);
	systemd_send(&s->systemd, "STOPPING=1\n");
	ask_to_end(s, ROLES_FIRST);
}

static void
end_late(struct supervisor *s, struct process *p)
{
	const struct process_page *page = s->region.page[p->job.page];

	if (supervisor_watch_judge(page, p->pid) == PROCESS_BLOCKED) {
		if (!p->is_said)
			log_line(LOG_LEVEL_WARN, "%s is blocked: pid=%d in=%.15s: waiting with it",
			    p->name, (int)p->pid,
			    word_load(&page->blocked_since_ns) != 0 ? page->blocked_in
								    : "the kernel");
		p->is_said = true;
		return;
	}
	if (p->killed_for != NULL)
		return;
	log_line(LOG_LEVEL_ERR, "%s is not done after drain-time: pid=%d: killing it", p->name,
	    (int)p->pid);
	p->killed_for = "drain-time";
	p->is_wanted = false;
	(void)kill(p->pid, SIGKILL);
}

/* Ends those whose time is over; returns how many are left. */
static int
end_order(struct supervisor *s, bool is_over, bool is_over_for_heirs)
{
	int left = 0;

	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++) {
		struct process *p = &s->process[i];

		if (!is_in_order(p, s->order))
			continue;
		left++;
		if (!(p->job.role == LAYOUT_ROLE_HEIR ? is_over_for_heirs : is_over))
			continue;
		if (p->state == PROCESS_RUNNING) {
			end_late(s, p);
			continue;
		}
		/* An heir that cannot be: the next start makes one. */
		*p = (struct process){.state = PROCESS_NONE};
		left--;
	}
	return left;
}

/* Is this order over, or its time?  Heirs of those that were killed get a
 * drain-time of their own. */
static void
go_on_stopping(struct supervisor *s, bool is_tick)
{
	static const char *const who[] = {"acceptors", "journal", "sinks", "dead letters", "admin"};
	bool is_late;
	int left;

	if (is_tick)
		s->order_ticks++;
	is_late = s->order_ticks > supervisor_watch_ticks(s->cfg->global.drain_time_ms +
							  (s->order == ROLES_SINKS ? GRACE_MS : 0));
	if (s->order == ROLES_FIRST && !(is_late && s->had_late))
		supervisor_watch_heirs(s);
	left = end_order(s, is_late || s->had_late, is_late && s->had_late);
	if (is_late && !s->had_late) {
		s->had_late = true;
		s->order_ticks = 0;
	}
	systemd_status(&s->systemd, "stopping; %s left: %d", who[s->order], left);
	if (left > 0)
		return;
	if (s->order == ROLES_LAST) {
		set_phase(s, LAYOUT_PHASE_STOPPED);
		return;
	}
	do
		ask_to_end(s, s->order + 1);
	while (s->order != ROLES_LAST && end_order(s, false, false) == 0);
}

static int
finish(struct supervisor *s)
{
	int64_t left = supervisor_region_undrained(&s->region);

	supervisor_bind_end(s);
	if (left != 0) {
		set_phase(s, LAYOUT_PHASE_DRAINING);
		log_line(LOG_LEVEL_WARN,
		    "stopped, but not everything is in the log: bytes=%lld: the next start goes "
		    "on from there, as long as this machine is not rebooted",
		    (long long)left);
	} else {
		log_line(LOG_LEVEL_NOTICE, "stopped");
	}
	word_store(&s->region.header->supervisor_pid, 0);
	region_close(&s->region);
	return 0;
}

/*---------------------------------------------------------------------------*
 * the loop
 *---------------------------------------------------------------------------*/

static void
take_signals(struct supervisor *s)
{
	struct signalfd_siginfo info;

	while (read(s->signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTERM)
			begin_stop(s, "SIGTERM");
		else if (info.ssi_signo == SIGINT)
			begin_stop(s, "SIGINT");
		else if (info.ssi_signo == SIGHUP)
			log_line(LOG_LEVEL_NOTICE,
			    "SIGHUP: reload comes with a later release, restart to apply a new "
			    "configuration");
	}
}

static void
tick(struct supervisor *s, uint64_t now_ns)
{
	s->ticks++;
	word_store(&s->region.header->ticks, s->ticks);
	s->next_tick_ns = now_ns + TICK_NS;
	supervisor_watch_former(s);
	supervisor_watch_beats(s);
	if (!s->is_stopping) {
		supervisor_watch_heirs(s);
		supervisor_sinks_tick(s);
	}
	/* Recovery of a long log and the drain of a slow disk are no reason to
	 * be killed by the service manager. */
	if ((s->is_stopping || !s->was_ready) && now_ns - s->extend_ns >= EXTEND_NS) {
		s->extend_ns = now_ns;
		systemd_send(&s->systemd, "EXTEND_TIMEOUT_USEC=%d\n", EXTEND_USEC);
	}
}

static int
wait_ms(const struct supervisor *s, uint64_t now_ns, bool is_impatient)
{
	uint64_t until = s->next_tick_ns > now_ns ? s->next_tick_ns - now_ns : 0;
	uint64_t feed = systemd_due_ns(&s->systemd, now_ns);

	if (feed < until)
		until = feed;
	for (int i = 0; i < SUPERVISOR_PROCESS_MAX; i++) {
		const struct process *p = &s->process[i];

		if (p->state == PROCESS_WAITING && p->due_ns < now_ns + until)
			until = p->due_ns > now_ns ? p->due_ns - now_ns : 0;
	}
	if (is_impatient && until > IMPATIENT_MS * CLOCK_NS_PER_MS)
		until = IMPATIENT_MS * CLOCK_NS_PER_MS;
	return (int)((until + CLOCK_NS_PER_MS - 1) / CLOCK_NS_PER_MS);
}

static void
turn(struct supervisor *s)
{
	struct pollfd pfd = {.fd = s->signal_fd, .events = POLLIN};
	uint64_t now_ns = clock_mono_ns();
	bool is_tick = false, is_late;

	supervisor_fork_due(s, now_ns);
	is_late = look_at_readiness(s);
	if (poll(&pfd, 1, wait_ms(s, now_ns, is_late)) == -1 && errno != EINTR)
		fatal("cannot wait for signals: %s", strerror(errno));
	take_signals(s);
	now_ns = clock_mono_ns();
	supervisor_reap(s, now_ns);
	if (now_ns >= s->next_tick_ns) {
		is_tick = true;
		tick(s, now_ns);
	}
	if (s->is_stopping)
		go_on_stopping(s, is_tick);
	systemd_feed(&s->systemd, now_ns);
}

int
supervisor_run(const struct config *cfg, const struct supervisor_user *user, bool new_region)
{
	static struct supervisor s;

	s = (struct supervisor){.cfg = cfg, .user = *user, .signal_fd = -1};
	set_up(&s, new_region);
	while (s.phase != LAYOUT_PHASE_STOPPED)
		turn(&s);
	return finish(&s);
}
