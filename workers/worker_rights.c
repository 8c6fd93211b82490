/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	worker_rights - become the user the configuration names, for good
 *
 * DESCRIPTION
 *	After setuid(2) the kernel marks the process as not dumpable, and it
 *	stays so: all stages run as one user, and a dumpable one could be
 *	traced by a neighbour that parses hostile bytes.  Cores are then
 *	written by root only (fs.suid_dumpable, systemd-coredump).
 *
 * PROCESS
 *	Every stage, once.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/worker_parts.h"

#include "common/panic.h"

#include <errno.h>
#include <grp.h>
#include <string.h>
#include <unistd.h>

bool
worker_rights_will_drop(const struct worker_env *env)
{
	return env->cfg->global.user[0] != '\0' && geteuid() == 0 && env->uid != 0;
}

void
worker_rights_drop(const struct worker_env *env)
{
	uid_t real, effective, saved;

	if (!worker_rights_will_drop(env))
		return;
	if (setgroups(1, &env->gid) == -1 || setresgid(env->gid, env->gid, env->gid) == -1 ||
	    setresuid(env->uid, env->uid, env->uid) == -1)
		fatal("cannot become user %s: %s: start sluiced as root or leave out `user`",
		    env->cfg->global.user, strerror(errno));
	if (getresuid(&real, &effective, &saved) == -1 || real != env->uid ||
	    effective != env->uid || saved != env->uid || getegid() != env->gid || setuid(0) == 0 ||
	    setgid(0) == 0)
		fatal("user %s could become root again: refusing to work", env->cfg->global.user);
}
