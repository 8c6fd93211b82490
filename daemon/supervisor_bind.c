/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_bind - listening sockets
 *
 * DESCRIPTION
 *	One socket for each bind line, made before the first fork, shared by the
 *	acceptors and kept over their restarts, so that a connection waits in
 *	the kernel while its acceptor is being replaced.  No SO_REUSEPORT: the
 *	queue of a closed one would be lost.
 *
 *	Stages of a former supervisor may hold the address until they have
 *	drained: then it is tried again for drain-time and a little more.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/supervisor_parts.h"

#include "common/log.h"
#include "common/panic.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ADMIN_BACKLOG 128
#define RETRY_MS      10
#define GRACE_MS      3000

/* Is somebody listening on this unix socket? */
static bool
is_served(const struct config_bind *b)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	if (fd == -1)
		return false;
	served = connect(fd, (const struct sockaddr *)&b->address, b->address_len) == 0 ||
		 errno == EAGAIN;
	close(fd);
	return served;
}

static int
prepare_unix(const struct config_bind *b)
{
	const struct sockaddr_un *sun = (const struct sockaddr_un *)&b->address;
	struct stat st;

	if (lstat(sun->sun_path, &st) == -1)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	if (is_served(b)) {
		errno = EADDRINUSE;
		return -1;
	}
	return unlink(sun->sun_path);
}

static int
finish_unix(const struct supervisor *s, const struct config_bind *b)
{
	const struct sockaddr_un *sun = (const struct sockaddr_un *)&b->address;
	uid_t uid = s->user.uid;
	gid_t gid = s->user.socket_gid != (gid_t)-1 ? s->user.socket_gid : s->user.gid;

	/* By name, so never through a link. */
	if (uid == (uid_t)-1 && gid == (gid_t)-1)
		return 0;
	return lchown(sun->sun_path, uid, gid);
}

/* A listening socket, or -1 with errno. */
static int
try_bind(const struct supervisor *s, const struct config_bind *b, mode_t mode, int backlog)
{
	int fd = -1, on = 1, saved;
	mode_t mask;
	int rc;

	if (b->family == AF_UNIX && prepare_unix(b) == -1)
		return -1;
	fd = socket(b->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return -1;
	if (b->family != AF_UNIX && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == -1)
		goto bad;
	if (b->family == AF_INET6 &&
	    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == -1)
		goto bad;
	/* The mode is right from the beginning; nobody is heard before listen(). */
	mask = umask(b->family == AF_UNIX ? ~mode & 0777 : 0177);
	rc = bind(fd, (const struct sockaddr *)&b->address, b->address_len);
	(void)umask(mask);
	if (rc == -1 || (b->family == AF_UNIX && finish_unix(s, b) == -1) ||
	    listen(fd, backlog) == -1)
		goto bad;
	return fd;
bad:
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* A pause in which a request to stop is heard. */
static void
pause_ms(int ms)
{
	const struct timespec nap = {0, ms * 1000000L};
	sigset_t stop;

	(void)sigemptyset(&stop);
	(void)sigaddset(&stop, SIGTERM);
	(void)sigaddset(&stop, SIGINT);
	if (sigtimedwait(&stop, NULL, &nap) != -1) {
		log_line(LOG_LEVEL_NOTICE, "asked to stop before the start was over");
		exit(0);
	}
}

static int
bind_one(struct supervisor *s, const struct config_bind *b, mode_t mode, int backlog)
{
	uint64_t tick_ns = SUPERVISOR_TICK_MS * CLOCK_NS_PER_MS;
	uint64_t begun = clock_mono_ns(), next_tick = begun + tick_ns;
	uint64_t limit = ((uint64_t)s->cfg->global.drain_time_ms + GRACE_MS) * CLOCK_NS_PER_MS;
	bool said = false;

	for (;;) {
		int fd = try_bind(s, b, mode, backlog);

		if (fd != -1)
			return fd;
		if (errno != EADDRINUSE || (s->formers == 0 && clock_mono_ns() - begun > tick_ns) ||
		    clock_mono_ns() - begun > limit)
			fatal("cannot listen on %s: %s%s", b->text, strerror(errno),
			    errno == EADDRINUSE
				? ": another program has it: stop that one or change `bind`"
				: ": check `bind`");
		if (!said && s->formers > 0)
			log_line(LOG_LEVEL_NOTICE,
			    "%s is still held by a former stage: waiting for it to finish",
			    b->text);
		said = true;
		pause_ms(RETRY_MS);
		if (clock_mono_ns() >= next_tick) {
			s->ticks++;
			next_tick = clock_mono_ns() + tick_ns;
			supervisor_watch_former(s);
		}
	}
}

static struct config_bind
stats_bind(const struct supervisor *s)
{
	struct config_bind b = {.family = AF_UNIX};
	struct sockaddr_un *sun = (struct sockaddr_un *)&b.address;

	sun->sun_family = AF_UNIX;
	(void)snprintf(
	    sun->sun_path, sizeof sun->sun_path, "%.90s/stats.sock", s->cfg->global.runtime_dir);
	(void)snprintf(b.text, sizeof b.text, "unix:%.107s", sun->sun_path);
	b.address_len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(sun->sun_path) + 1);
	return b;
}

void
supervisor_bind_all(struct supervisor *s)
{
	const struct config *cfg = s->cfg;
	const struct config_bind stats = stats_bind(s);

	memset(s->env.listen_fd, -1, sizeof s->env.listen_fd);
	memset(s->env.admin_fd, -1, sizeof s->env.admin_fd);
	for (int l = 0; l < cfg->listens; l++)
		for (int b = 0; b < cfg->listen[l].bind.n; b++)
			s->env.listen_fd[l][b] = bind_one(s, &cfg->listen[l].bind.at[b],
			    cfg->listen[l].bind_mode, cfg->listen[l].backlog);
	for (int b = 0; b < cfg->admin.bind.n; b++)
		s->env.admin_fd[b] =
		    bind_one(s, &cfg->admin.bind.at[b], cfg->admin.socket_mode, ADMIN_BACKLOG);
	s->env.stats_fd = bind_one(s, &stats, cfg->admin.socket_mode, ADMIN_BACKLOG);
}

static void
remove_unix(const struct config_bind *b)
{
	if (b->family == AF_UNIX)
		(void)unlink(((const struct sockaddr_un *)&b->address)->sun_path);
}

void
supervisor_bind_end(struct supervisor *s)
{
	const struct config *cfg = s->cfg;
	const struct config_bind stats = stats_bind(s);

	for (int l = 0; l < cfg->listens; l++)
		for (int b = 0; b < cfg->listen[l].bind.n; b++)
			remove_unix(&cfg->listen[l].bind.at[b]);
	for (int b = 0; b < cfg->admin.bind.n; b++)
		remove_unix(&cfg->admin.bind.at[b]);
	remove_unix(&stats);
}

static void
drop(int *fd)
{
	if (*fd != -1)
		close(*fd);
	*fd = -1;
}

void
supervisor_bind_keep(struct supervisor *s, const struct role *role, int listen)
{
	for (int l = 0; l < CONFIG_LISTEN_MAX; l++)
		for (int b = 0; b < CONFIG_BIND_MAX; b++)
			if (!role->has_listeners || l != listen)
				drop(&s->env.listen_fd[l][b]);
	if (role->has_admin)
		return;
	for (int b = 0; b < CONFIG_BIND_MAX; b++)
		drop(&s->env.admin_fd[b]);
	drop(&s->env.stats_fd);
}
