/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl - what the commands of sluicectl share
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only at most.
 */
#include "daemon/ctl.h"

#include "common/clock.h"
#include "common/config_table.h"
#include "shm/region.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const struct ctl_command commands[] = {
#define CTL_COMMAND(name, function, needs, raw, arguments, help, text, exits)                      \
	{name, function, needs, raw, arguments, help, text, exits},
#include "daemon/commands.def"
#undef CTL_COMMAND
};

const struct ctl_command *
ctl_table(size_t *n)
{
	*n = sizeof commands / sizeof commands[0];
	return commands;
}

const struct ctl_command *
ctl_find(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

void
ctl_say(const char *fmt, ...)
{
	va_list ap;

	(void)fputs("sluicectl: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
}

int
ctl_usage(const char *command, const char *fmt, ...)
{
	const struct ctl_command *c = ctl_find(command);
	va_list ap;

	(void)fputs("sluicectl: ", stderr);
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	if (c != NULL)
		(void)fprintf(stderr, " (usage: sluicectl %s%s%s)\n", c->name,
		    c->arguments[0] == '\0' ? "" : " ", c->arguments);
	else
		(void)fputs(" (try: sluicectl help)\n", stderr);
	return CTL_USAGE;
}

int
ctl_unknown(const char *word)
{
	const char *nearest = NULL;
	int least = 3, distance; /* more than two letters off is another word */

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		distance = config_table_distance(word, commands[i].name);
		if (distance < least) {
			least = distance;
			nearest = commands[i].name;
		}
	}
	if (nearest == NULL)
		return ctl_usage("", "unknown command %s", word);
	return ctl_usage("", "unknown command %s: did you mean %s?", word, nearest);
}

/*---------------------------------------------------------------------------*
 * Line sockets
 *---------------------------------------------------------------------------*/

static int
dial(const char *path)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, saved;

	if (strlen(path) >= sizeof sun.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	/* A full queue of a process that accepts nothing is EAGAIN here. */
	if (connect(fd, (struct sockaddr *)&sun, sizeof sun) == -1) {
		saved = errno == EAGAIN ? ETIMEDOUT : errno;
		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

/* Wait for `events`, at most until the clock says `until`; -1 with errno. */
static int
wait_for(int fd, short events, uint64_t until_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now = clock_mono_ns();
	int n;

	n = poll(&p, 1, now >= until_ns ? 0 : (int)((until_ns - now) / CLOCK_NS_PER_MS) + 1);
	if (n == 0)
		errno = ETIMEDOUT;
	return n == 1 || (n == -1 && errno == EINTR) ? 0 : -1;
}

static int
exchange(int fd, const char *line, int timeout_ms, struct text_out *answer)
{
	uint64_t until = clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS;
	size_t off = 0, len = strlen(line);
	char buf[65536];
	ssize_t n;

	while (off < len) {
		n = send(fd, line + off, len - off, MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR)
			return -1;
		if (n == -1 && wait_for(fd, POLLOUT, until) == -1)
			return -1;
		off += n == -1 ? 0 : (size_t)n;
	}
	(void)shutdown(fd, SHUT_WR);
	for (;;) {
		n = recv(fd, buf, sizeof buf, 0);
		if (n == 0)
			return 0;
		if (n > 0) {
			text_add_bytes(answer, buf, (size_t)n);
			until = clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS;
		} else if (errno != EAGAIN && errno != EINTR) {
			return -1;
		} else if (wait_for(fd, POLLIN, until) == -1) {
			return -1;
		}
	}
}

int
ctl_ask(const char *path, const char *line, int timeout_ms, struct text_out *answer)
{
	int fd = dial(path), rc, saved;

	if (fd == -1)
		return -1;
	rc = exchange(fd, line, timeout_ms, answer);
	/* A line without its newline counts at its end: see lines.h. */
	if (rc == 0 && answer->len == 0) {
		rc = -1;
		errno = ECONNRESET;
	}
	saved = errno;
	(void)close(fd);
	errno = saved;
	return rc;
}

/*---------------------------------------------------------------------------*
 * The region
 *---------------------------------------------------------------------------*/

int
ctl_region(const struct ctl *ctl, struct region *region)
{
	char dir[CONFIG_PATH_SIZE + 16], text[512];

	(void)snprintf(dir, sizeof dir, "%s/region", ctl->runtime_dir);
	switch (region_open(region, dir, false, text, sizeof text)) {
	case REGION_OK:
		return CTL_OK;
	case REGION_ABSENT:
		ctl_say(
		    "%s: no daemon has run here: start sluiced, or say --runtime-dir or --config",
		    ctl->runtime_dir);
		break;
	case REGION_OTHER_BOOT:
		ctl_say("%s: left over from another boot: start sluiced first", dir);
		break;
	default:
		if (access(dir, R_OK | X_OK) == -1 && errno == EACCES)
			ctl_say("%s: Permission denied: be root or of the daemon's group", dir);
		else
			ctl_say("%s", text);
		break;
	}
	region_close(region);
	return CTL_UNAVAILABLE;
}
