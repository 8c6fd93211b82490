/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	lock - who owns a thing, as the kernel says
 *
 * DESCRIPTION
 *	There is a lock file for each thing owned: a stream slot, a process
 *	page, the log, a state directory.  The owner takes a POSIX record lock
 *	(fcntl(2), F_SETLK) after fork, opens the file once and never closes it:
 *	closing any descriptor of the file would drop the lock.  The kernel
 *	frees it at death, whoever the parent was, so it also speaks for
 *	children that a new supervisor never forked.  Everybody else only asks.
 *
 * PROCESS
 *	All; only owners take.
 *
 * SHARED STATE
 *	The lock files.
 */
#ifndef SHM_LOCK_H
#define SHM_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

enum lock_result {
	LOCK_OK = 0,
	LOCK_HELD,  /* another process owns it: *owner */
	LOCK_MOVED, /* the path names another file than the one locked: start again */
	LOCK_ERROR, /* errno */
};

/* Take the lock; *fd must stay open for life.  Creates the file (0640). */
enum lock_result lock_take(const char *path, int *fd, pid_t *owner)
    __attribute__((warn_unused_result));

/* Wait for it: tries every 2 ms until it is ours, `giving_up` says true, or it
 * fails.  giving_up may be NULL. */
typedef bool (*lock_giving_up_fn)(void *ctx);
enum lock_result lock_wait(const char *path, int *fd, lock_giving_up_fn giving_up, void *ctx)
    __attribute__((warn_unused_result));

/* Does path still name the locked file? */
bool lock_is_valid(const char *path, int fd);

/* Who holds it (F_GETLK)?  0: nobody, or there is no such file; -1: cannot say
 * (errno).  Never call it in the process that holds the lock. */
pid_t lock_owner(const char *path);

#endif
