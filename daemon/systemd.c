/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	systemd - tell the service manager how we are
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/systemd.h"

#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool
set_address(struct systemd *s, const char *name)
{
	size_t len = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof s->to.sun_path)
		return false;
	s->to = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(s->to.sun_path, name, len);
	/* An abstract name begins with a NUL and has no other end than its length. */
	if (name[0] == '@')
		s->to.sun_path[0] = '\0';
	s->to_len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '@' ? 0 : 1));
	return true;
}

static uint64_t
watchdog_ns(pid_t self)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && strtoll(pid, NULL, 10) != self))
		return 0;
	return strtoull(usec, NULL, 10) * 1000 / 2;
}

void
systemd_open(struct systemd *s, pid_t self)
{
	const char *name = getenv("NOTIFY_SOCKET");

	*s = (struct systemd){.fd = -1};
	if (name != NULL && name[0] != '\0') {
		if (!set_address(s, name))
			log_line(LOG_LEVEL_WARN,
			    "NOTIFY_SOCKET is no socket name, nobody is told: value=%s", name);
		else if ((s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) == -1)
			log_line(LOG_LEVEL_WARN, "cannot speak to the service manager: %s",
			    strerror(errno));
		else
			s->watchdog_ns = watchdog_ns(self);
	}
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void
systemd_close(struct systemd *s)
{
	if (s->fd != -1)
		close(s->fd);
	s->fd = -1;
}

static void
send_text(struct systemd *s, const char *text)
{
	if (s->fd == -1)
		return;
	if (sendto(s->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT,
		(const struct sockaddr *)&s->to, s->to_len) == -1)
		log_line(
		    LOG_LEVEL_DEBUG, "the service manager does not listen: %s", strerror(errno));
}

void
systemd_send(struct systemd *s, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	send_text(s, text);
}

void
systemd_status(struct systemd *s, const char *fmt, ...)
{
	char text[sizeof s->status];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (strcmp(text, s->status) == 0)
		return;
	memcpy(s->status, text, sizeof s->status);
	systemd_send(s, "STATUS=%s\n", text);
}

void
systemd_feed(struct systemd *s, uint64_t mono_ns)
{
	if (systemd_due_ns(s, mono_ns) != 0)
		return;
	s->fed_ns = mono_ns;
	send_text(s, "WATCHDOG=1\n");
}

uint64_t
systemd_due_ns(const struct systemd *s, uint64_t mono_ns)
{
	if (s->fd == -1 || s->watchdog_ns == 0)
		return UINT64_MAX;
	if (s->fed_ns == 0 || mono_ns - s->fed_ns >= s->watchdog_ns)
		return 0;
	return s->fed_ns + s->watchdog_ns - mono_ns;
}
