/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	systemd - tell the service manager how we are
 *
 * DESCRIPTION
 *	The documented protocol of sd_notify(3): datagrams of KEY=VALUE lines to
 *	the unix socket named in NOTIFY_SOCKET (a path, or abstract with '@').
 *	Without that variable nothing is sent.  The variables are taken out of
 *	the environment, so that no stage speaks for us.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	None.
 */
#ifndef DAEMON_SYSTEMD_H
#define DAEMON_SYSTEMD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct systemd {
	int fd; /* -1: nobody listens */
	struct sockaddr_un to;
	socklen_t to_len;
	uint64_t watchdog_ns; /* half of what we were given; 0: no watchdog */
	uint64_t fed_ns;
	char status[160]; /* the last one sent */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID and takes them away. */
void systemd_open(struct systemd *s, pid_t self);
/* In a child. */
void systemd_close(struct systemd *s);
/* Lines as they are.  A manager that does not read is no reason to wait. */
void systemd_send(struct systemd *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* STATUS=, when it is not what was said last. */
void systemd_status(struct systemd *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Call in each turn of a loop that is well: WATCHDOG=1 at half of its time. */
void systemd_feed(struct systemd *s, uint64_t mono_ns);
/* Time until the next one is due; UINT64_MAX when there is no watchdog. */
uint64_t systemd_due_ns(const struct systemd *s, uint64_t mono_ns);

#endif
