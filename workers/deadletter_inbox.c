/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_inbox - a file of frames that a sink shall deliver again
 *
 * PROCESS
 *	sluicectl; the deadletter stage.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_inbox.h"

#include "common/clock.h"
#include "workers/deadletter_json.h"
#include "workers/log_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static void
temporary(const struct deadletter_inbox *in, char name[80])
{
	(void)snprintf(name, 80, ".%s.new", in->name);
}

/* As root: whose the sink's folder is, his is what we put there. */
static int
give(int fd, const struct stat *owner)
{
	return geteuid() == 0 ? fchown(fd, owner->st_uid, owner->st_gid) : 0;
}

static int
open_folder(struct deadletter_inbox *in, const char *path, struct stat *owner)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW), saved;
	bool is_new;

	if (fd == -1)
		return -1;
	if (fstat(fd, owner) == -1)
		goto out;
	is_new = mkdirat(fd, "inbox", 0750) == 0;
	if (!is_new && errno != EEXIST)
		goto out;
	in->dirfd = openat(fd, "inbox", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (in->dirfd != -1 && is_new && (give(in->dirfd, owner) == -1 || fsync(fd) == -1)) {
		(void)close(in->dirfd);
		in->dirfd = -1;
	}
out:
	saved = errno;
	(void)close(fd);
	errno = saved;
	return in->dirfd == -1 ? -1 : 0;
}

int
deadletter_inbox_open(
    struct deadletter_inbox *in, const char *state_dir, const char *sink, const char *name)
{
	char path[512], temp[80];
	struct stat owner;
	int saved;

	*in = (struct deadletter_inbox){.dirfd = -1, .fd = -1};
	(void)snprintf(in->name, sizeof in->name, "%s", name);
	(void)snprintf(path, sizeof path, "%s/sinks/%s", state_dir, sink);
	temporary(in, temp);
	if (open_folder(in, path, &owner) == -1)
		return -1;
	in->fd =
	    openat(in->dirfd, temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (in->fd != -1 && give(in->fd, &owner) == 0 &&
	    (in->buf = malloc(DEADLETTER_INBOX_BUF)) != NULL)
		return 0;
	saved = errno;
	deadletter_inbox_drop(in);
	errno = saved;
	return -1;
}

static int
put(struct deadletter_inbox *in)
{
	if (in->len == 0)
		return 0;
	if (log_dir_write(in->fd, in->buf, in->len, in->off) == -1)
		return -1;
	in->off += in->len;
	in->len = 0;
	return 0;
}

int
deadletter_inbox_add(struct deadletter_inbox *in, const struct deadletter_record *r)
{
	struct frame_header h;

	if (!deadletter_json_frame(r, &h) || h.type != FRAME_EVENT)
		return 0;
	if (in->len + h.frame_len > DEADLETTER_INBOX_BUF && put(in) == -1)
		return -1;
	if (h.frame_len > DEADLETTER_INBOX_BUF) {
		if (log_dir_write(in->fd, r->frame.ptr, h.frame_len, in->off) == -1)
			return -1;
		in->off += h.frame_len;
	} else {
		memcpy(in->buf + in->len, r->frame.ptr, h.frame_len);
		in->len += h.frame_len;
	}
	in->frames++;
	return 1;
}

static void
let_go(struct deadletter_inbox *in)
{
	if (in->fd != -1)
		(void)close(in->fd);
	in->fd = -1;
	free(in->buf);
	in->buf = NULL;
}

int
deadletter_inbox_commit(struct deadletter_inbox *in)
{
	char temp[80];
	int rc = -1, saved;

	temporary(in, temp);
	if (put(in) == 0 && fsync(in->fd) == 0 &&
	    renameat(in->dirfd, temp, in->dirfd, in->name) == 0 && fsync(in->dirfd) == 0)
		rc = 0;
	saved = errno;
	let_go(in);
	if (rc == -1)
		deadletter_inbox_drop(in);
	errno = saved;
	return rc;
}

void
deadletter_inbox_drop(struct deadletter_inbox *in)
{
	char temp[80];

	let_go(in);
	if (in->dirfd == -1)
		return;
	temporary(in, temp);
	(void)unlinkat(in->dirfd, temp, 0);
	(void)unlinkat(in->dirfd, in->name, 0);
	(void)close(in->dirfd);
	in->dirfd = -1;
}

void
deadletter_inbox_remove(const char *state_dir, const char *sink, const char *name)
{
	char path[640];

	(void)snprintf(path, sizeof path, "%s/sinks/%s/inbox/%s", state_dir, sink, name);
	(void)unlink(path);
}

/*---------------------------------------------------------------------------*
 * The sink's socket
 *---------------------------------------------------------------------------*/

static int
wait_for(int fd, short events, uint64_t until_ns)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now = clock_mono_ns();
	int n = poll(&p, 1, now >= until_ns ? 0 : (int)((until_ns - now) / CLOCK_NS_PER_MS) + 1);

	if (n == 0)
		errno = ETIMEDOUT;
	return n == 1 || (n == -1 && errno == EINTR) ? 0 : -1;
}

static int
exchange(int fd, const char *line, uint64_t until, struct text_out *answer)
{
	size_t off = 0, len = strlen(line);
	char buf[4096];

	while (off < len) {
		ssize_t n = send(fd, line + off, len - off, MSG_NOSIGNAL);

		if (n != -1)
			off += (size_t)n;
		else if ((errno != EAGAIN && errno != EINTR) || wait_for(fd, POLLOUT, until) == -1)
			return -1;
	}
	(void)shutdown(fd, SHUT_WR);
	for (;;) {
		ssize_t n = recv(fd, buf, sizeof buf, 0);

		if (n == 0)
			return 0;
		if (n > 0)
			text_add_bytes(answer, buf, (size_t)n);
		else if ((errno != EAGAIN && errno != EINTR) || wait_for(fd, POLLIN, until) == -1)
			return -1;
	}
}

int
deadletter_inbox_ask(const char *path, const char *line, int timeout_ms, struct text_out *answer)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd, rc, saved;

	if (strlen(path) >= sizeof sun.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	rc = connect(fd, (struct sockaddr *)&sun, sizeof sun);
	if (rc == 0)
		rc = exchange(
		    fd, line, clock_mono_ns() + (uint64_t)timeout_ms * CLOCK_NS_PER_MS, answer);
	saved = errno;
	(void)close(fd);
	errno = saved;
	return rc;
}

static uint64_t
number_of(const char *line, const char *name)
{
	const char *at = strstr(line, name);

	return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10);
}

bool
deadletter_inbox_status(const char *answer, struct deadletter_replay *r)
{
	const char *state = strstr(answer, " state="), *reason = strstr(answer, " reason=\"");
	size_t len;

	*r = (struct deadletter_replay){.read = number_of(answer, " read="),
	    .delivered = number_of(answer, " delivered="),
	    .dead = number_of(answer, " dead="),
	    .skipped = number_of(answer, " skipped="),
	    .late = number_of(answer, " late="),
	    .total = number_of(answer, " total=")};
	if (state == NULL || strncmp(answer, "id=", 3) != 0)
		return false;
	len = strcspn(state + 7, " \n");
	(void)snprintf(r->state, sizeof r->state, "%.*s", (int)(len < 15 ? len : 15), state + 7);
	if (reason != NULL) {
		len = strcspn(reason + 9, "\"\n");
		(void)snprintf(
		    r->reason, sizeof r->reason, "%.*s", (int)(len < 159 ? len : 159), reason + 9);
	}
	return true;
}
