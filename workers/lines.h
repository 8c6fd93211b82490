/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	lines - a socket that people love: one line in, text out, an empty line ends
 *
 * DESCRIPTION
 *	A unix stream socket.  Each line is a command, `;` joins several; the
 *	answer is text that ends with an empty line.  `help` is a command like
 *	any other.  Lines are bounded (1 KiB), connections are (64), answers are
 *	(16 MiB), and a peer that does not read is closed after 5 s.
 *
 *	text_out is a growing text that ends in "… cut" instead of growing past
 *	its limit.
 *
 * PROCESS
 *	The admin process (stats.sock) and every stage (stage/NAME.sock).
 *	sluicectl uses text_out too.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_LINES_H
#define WORKERS_LINES_H

#include "workers/text.h"

#include <stdbool.h>

struct event_base;
struct lines;

/* Answer one command into `out`; false: unknown, and `lines` says so. */
typedef bool (*lines_command_fn)(void *ctx, const char *line, struct text_out *out);

/* Serve a listening, non-blocking unix socket; NULL with errno. */
struct lines *lines_new(struct event_base *base, int fd, lines_command_fn command, void *ctx);
void lines_free(struct lines *l);
void lines_tick(struct lines *l, unsigned long long mono_ns);

/* A listening unix socket at path (an old one is removed); -1 with errno. */
int lines_bind(const char *path, unsigned mode);

#endif
