/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	worker_parts - what the files of the skeleton share
 *
 * DESCRIPTION
 *	worker.c	  the life of a stage: begin, turn, drain, end
 *	worker_rights.c	  the user it becomes
 *	worker_signal.c	  last words of a crash
 *	worker_command.c  the stage's own socket
 *	worker_error.c	  errors counted in the page, said once a minute
 *
 * PROCESS
 *	Every stage.
 *
 * SHARED STATE
 *	Its own process page.
 */
#ifndef WORKERS_WORKER_PARTS_H
#define WORKERS_WORKER_PARTS_H

#include "workers/worker.h"

struct lines;

/* Become env->uid and env->gid for good, if the configuration names a user and
 * we are root; fatal() when that fails or could be undone. */
void worker_rights_drop(const struct worker_env *env);
bool worker_rights_will_drop(const struct worker_env *env);

/*
 * Crashes leave their signal's name in the page, then die of it.  Words stay
 * there until the next ones: page_begin() keeps them, so a successor on the same
 * page (its predecessor's, while one supervisor lives) finds in open_early what
 * its predecessor said.  They are of the last death only when that was one of
 * these signals: the header's last_exit, written at the reap, says of what.
 */
void worker_signal_last_words(struct process_page *page);

/* The stage's socket: bound (still privileged), then served. */
int worker_command_bind(const struct worker_env *env, const char *name);
struct lines *worker_command_serve(struct worker *w, int fd);

/* Processor time and memory into the page. */
void worker_command_usage(struct process_page *page);

/* Say how often repeated errors came, once a minute; at every tick. */
void worker_error_tick(struct worker *w);

#endif
