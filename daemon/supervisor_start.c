/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	supervisor_start - directories, locks
 *
 * DESCRIPTION
 *	The state directory belongs to whoever started us, so that no stage can
 *	replace the instance file; the journal's folder and the runtime
 *	directory's contents belong to the stages' user.
 *
 * PROCESS
 *	The supervisor, before it forks.
 *
 * SHARED STATE
 *	Takes RUNTIME/sluiced.lock and STATE/sluiced.lock.
 */
#include "daemon/supervisor_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DIR_MODE    0750
#define PARENT_MODE 0755

/* What was made is made for good: a power cut must not take the folder away
 * under the events in it. */
static void
sync_parent(const char *path)
{
	char parent[CONFIG_PATH_SIZE + 16];
	char *slash;
	int fd;

	(void)snprintf(parent, sizeof parent, "%s", path);
	slash = strrchr(parent, '/');
	if (slash == NULL)
		(void)snprintf(parent, sizeof parent, ".");
	else
		slash[slash == parent ? 1 : 0] = '\0';
	fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 || fsync(fd) == -1)
		fatal("%s: cannot be synced: %s", parent, strerror(errno));
	close(fd);
}

/* Make what is missing above `path`. */
static void
make_parents(const char *path)
{
	char part[CONFIG_PATH_SIZE + 16];

	(void)snprintf(part, sizeof part, "%s", path);
	for (char *slash = strchr(part + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(part, PARENT_MODE) == 0)
			sync_parent(part);
		else if (errno != EEXIST)
			fatal("%s: cannot make the folder: %s", part, strerror(errno));
		*slash = '/';
	}
}

/* By descriptor: between a look and a change by name it might become a link. */
void
supervisor_start_folder(const char *path, uid_t uid, gid_t gid)
{
	struct stat st;
	int fd;

	make_parents(path);
	if (mkdir(path, DIR_MODE) == 0)
		sync_parent(path);
	else if (errno != EEXIST)
		fatal("%s: cannot make the folder: %s", path, strerror(errno));
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1 && errno == ENOTDIR)
		fatal("%s: is no folder: remove it or change the configuration", path);
	if (fd == -1 || fstat(fd, &st) == -1)
		fatal("%s: cannot be used: %s: check its owner and mode", path, strerror(errno));
	if (geteuid() == 0 &&
	    ((uid != (uid_t)-1 && uid != st.st_uid) || (gid != (gid_t)-1 && gid != st.st_gid)) &&
	    fchown(fd, uid, gid) == -1)
		fatal("%s: cannot change its owner: %s", path, strerror(errno));
	close(fd);
	if (access(path, R_OK | W_OK | X_OK) == -1)
		fatal("%s: cannot be used: %s: check its owner and mode", path, strerror(errno));
}

void
supervisor_start_folders(struct supervisor *s)
{
	const struct config_global *g = &s->cfg->global;
	gid_t sockets = s->user.socket_gid != (gid_t)-1 ? s->user.socket_gid : s->user.gid;
	char stage[CONFIG_PATH_SIZE + 16], sinks[CONFIG_PATH_SIZE + 16];

	(void)snprintf(stage, sizeof stage, "%s/stage", g->runtime_dir);
	(void)snprintf(sinks, sizeof sinks, "%s/sinks", g->state_dir);
	supervisor_start_folder(g->state_dir, (uid_t)-1, s->user.gid);
	supervisor_start_folder(s->cfg->journal.path, s->user.uid, s->user.gid);
	if (s->cfg->sinks > 0)
		supervisor_start_folder(sinks, (uid_t)-1, s->user.gid);
	/* Ours, not the stages': the supervisor works in there by name, and a
	 * stage that was taken over must not be able to lead it elsewhere. */
	supervisor_start_folder(g->runtime_dir, geteuid(), sockets);
	supervisor_start_folder(stage, geteuid(), sockets);
	if (!region_is_tmpfs(g->runtime_dir))
		log_line(LOG_LEVEL_WARN,
		    "runtime-dir is not on a tmpfs: shared memory will be written to its disk, "
		    "which costs time and wears it: path=%s",
		    g->runtime_dir);
}

static int
take_lock(const char *dir, gid_t gid)
{
	char path[CONFIG_PATH_SIZE + 16];
	pid_t owner = 0;
	int fd = -1;

	(void)snprintf(path, sizeof path, "%s/sluiced.lock", dir);
	switch (lock_take(path, &fd, &owner)) {
	case LOCK_OK:
		break;
	case LOCK_HELD:
		fatal("%s: another sluiced works here: pid=%d: stop it first, or use another "
		      "directory",
		    path, (int)owner);
	case LOCK_MOVED:
		fatal("%s: was replaced while it was locked: start again", path);
	case LOCK_ERROR:
		fatal("%s: cannot lock: %s", path, strerror(errno));
	}
	/* sluicectl asks who holds it. */
	if (gid != (gid_t)-1 && fchown(fd, (uid_t)-1, gid) == -1)
		fatal("%s: cannot give it to the group of the stages: %s", path, strerror(errno));
	return fd;
}

void
supervisor_start_locks(struct supervisor *s)
{
	s->lock_fd[0] = take_lock(s->cfg->global.runtime_dir, s->user.gid);
	/* One directory for both is allowed: a second descriptor would do no
	 * harm, but closing it would drop the lock. */
	s->lock_fd[1] = strcmp(s->cfg->global.runtime_dir, s->cfg->global.state_dir) == 0
			    ? s->lock_fd[0]
			    : take_lock(s->cfg->global.state_dir, s->user.gid);
}
