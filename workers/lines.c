/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	lines - a socket that people love: one line in, text out, an empty line ends
 *
 * DESCRIPTION
 *	A connection reads no further line while an answer waits to be taken,
 *	so it holds one answer at most.  Each command of a joined line has its
 *	own answer and its own empty line.  `quit` closes.  A peer that closed
 *	its sending side gets the answers that it asked for, and a last line
 *	without a newline counts.
 *
 * PROCESS
 *	The admin process (stats.sock) and every stage (stage/NAME.sock).
 *
 * SHARED STATE
 *	None.
 *
 * BUGS
 *	A connection that says nothing for a minute is closed: the places are few.
 */
#include "workers/lines.h"

#include "common/clock.h"
#include "common/panic.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LINE_MAX_BYTES   1024
#define ANSWER_MAX_BYTES (16u << 20)
#define CONNS_MAX        64
#define END_ROOM         64
#define STALL_NS         (5 * CLOCK_NS_PER_S)
#define IDLE_NS          (60 * CLOCK_NS_PER_S)

struct conn {
	struct lines *lines;
	struct conn *next, **link;
	struct event *readable, *writable;
	int fd;
	bool at_end;     /* the peer sends no more */
	bool must_close; /* when the answer is out */
	unsigned long long active_ns;
	struct text_out out;
	size_t out_off;
	size_t in_len;
	char in[LINE_MAX_BYTES + 1]; /* a whole line and its newline */
};

struct lines {
	struct event_base *base;
	struct event *acceptable;
	int fd;
	bool is_paused; /* no descriptor was left for a new connection */
	unsigned conns;
	struct conn *first;
	unsigned long long now_ns;
	lines_command_fn command;
	void *ctx;
};

static void
conn_free(struct conn *c)
{
	if (c->next != NULL)
		c->next->link = c->link;
	*c->link = c->next;
	c->lines->conns--;
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	text_free(&c->out);
	(void)close(c->fd);
	free(c);
}

/* Blanks at both ends off, in place. */
static char *
trim(char *s)
{
	size_t len;

	while (*s == ' ' || *s == '\t')
		s++;
	len = strlen(s);
	while (len > 0 && strchr(" \t\r", s[len - 1]) != NULL)
		s[--len] = '\0';
	return s;
}

static void
run_command(struct conn *c, const char *command)
{
	struct lines *l = c->lines;

	if (strcmp(command, "quit") == 0) {
		c->must_close = true;
		return;
	}
	if (!l->command(l->ctx, command, &c->out))
		text_add(&c->out, "unknown command: %.64s (try: help)\n", command);
	if (c->out.len > 0 && c->out.buf[c->out.len - 1] != '\n')
		text_add_bytes(&c->out, "\n", 1);
	if (c->out.is_cut) {
		/* A cut answer ends with an empty line too, and nothing follows it. */
		c->out.is_cut = false;
		c->out.limit += END_ROOM;
		c->must_close = true;
	}
	text_add_bytes(&c->out, "\n", 1);
}

/* One line without its newline; NUL-terminated. */
static void
run_line(struct conn *c, char *line)
{
	bool any = false;
	char *part;

	while (!c->must_close && (part = strsep(&line, ";")) != NULL) {
		part = trim(part);
		if (*part == '\0')
			continue;
		any = true;
		run_command(c, part);
	}
	if (!any)
		text_add_bytes(&c->out, "\n", 1);
}

/* Run the first whole line that is held; false: there is none. */
static bool
take_line(struct conn *c)
{
	char *end = memchr(c->in, '\n', c->in_len);
	size_t len;

	if (end == NULL) {
		if (c->in_len == sizeof c->in) {
			text_add(&c->out, "error: a line has at most %d bytes\n\n", LINE_MAX_BYTES);
			c->must_close = true;
			return true;
		}
		if (!c->at_end || c->in_len == 0)
			return false;
		end = c->in + c->in_len++; /* in_len < sizeof in: there is room */
	}
	*end = '\0';
	len = (size_t)(end - c->in) + 1;
	run_line(c, c->in);
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
	return true;
}

/* Send what waits; false: the connection is gone. */
static bool
flush(struct conn *c)
{
	ssize_t n;

	while (c->out_off < c->out.len) {
		n = send(c->fd, c->out.buf + c->out_off, c->out.len - c->out_off,
		    MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n == -1) {
			if (errno == EINTR)
				continue;
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				return true;
			conn_free(c);
			return false;
		}
		c->out_off += (size_t)n;
		c->active_ns = c->lines->now_ns;
	}
	text_free(&c->out);
	c->out_off = 0;
	return true;
}

/* Answer as much as the peer takes, then wait for the right thing. */
static void
conn_go(struct conn *c)
{
	for (;;) {
		if (!flush(c))
			return;
		if (c->out.len > 0) {
			(void)event_del(c->readable);
			(void)event_add(c->writable, NULL);
			return;
		}
		if (c->must_close || !take_line(c))
			break;
	}
	if (c->must_close || c->at_end) {
		conn_free(c);
		return;
	}
	(void)event_del(c->writable);
	(void)event_add(c->readable, NULL);
}

static void
on_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	conn_go(arg);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	ssize_t n;

	(void)what;
	n = recv(fd, c->in + c->in_len, sizeof c->in - c->in_len, MSG_DONTWAIT);
	if (n == -1) {
		if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
			conn_free(c);
		return;
	}
	c->active_ns = c->lines->now_ns;
	if (n == 0)
		c->at_end = true;
	c->in_len += (size_t)n;
	conn_go(c);
}

static void
conn_new(struct lines *l, int fd)
{
	struct conn *c = calloc(1, sizeof *c);

	if (c == NULL) {
		(void)close(fd);
		return;
	}
	c->lines = l;
	c->fd = fd;
	c->active_ns = l->now_ns;
	text_init(&c->out, ANSWER_MAX_BYTES);
	c->link = &l->first;
	if ((c->next = l->first) != NULL)
		c->next->link = &c->next;
	l->first = c;
	l->conns++;
	c->readable = event_new(l->base, fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(l->base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
	if (c->readable == NULL || c->writable == NULL || event_add(c->readable, NULL) == -1)
		conn_free(c);
}

static void
on_accept(evutil_socket_t listening, short what, void *arg)
{
	static const char busy[] = "error: too many connections are open, close one\n\n";
	struct lines *l = arg;
	int fd;

	(void)what;
	while ((fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) != -1) {
		if (l->conns == CONNS_MAX) {
			(void)!send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
			(void)close(fd);
			continue;
		}
		conn_new(l, fd);
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* The socket stays readable: without a pause we would spin. */
		(void)event_del(l->acceptable);
		l->is_paused = true;
	}
}

struct lines *
lines_new(struct event_base *base, int fd, lines_command_fn command, void *ctx)
{
	struct lines *l = calloc(1, sizeof *l);

	if (l == NULL)
		return NULL;
	*l = (struct lines){.base = base, .fd = fd, .command = command, .ctx = ctx};
	l->acceptable = event_new(base, fd, EV_READ | EV_PERSIST, on_accept, l);
	if (l->acceptable == NULL || event_add(l->acceptable, NULL) == -1) {
		if (l->acceptable != NULL)
			event_free(l->acceptable);
		free(l);
		errno = ENOMEM;
		return NULL;
	}
	return l;
}

void
lines_free(struct lines *l)
{
	if (l == NULL)
		return;
	while (l->first != NULL)
		conn_free(l->first);
	event_free(l->acceptable);
	(void)close(l->fd);
	free(l);
}

void
lines_tick(struct lines *l, unsigned long long mono_ns)
{
	struct conn *c, *next;

	if (l->now_ns == 0)
		for (c = l->first; c != NULL; c = c->next)
			c->active_ns = mono_ns;
	l->now_ns = mono_ns;
	for (c = l->first; c != NULL; c = next) {
		next = c->next;
		if (mono_ns - c->active_ns > (c->out.len > 0 ? STALL_NS : IDLE_NS))
			conn_free(c);
	}
	if (l->is_paused) {
		l->is_paused = false;
		(void)event_add(l->acceptable, NULL);
	}
}

int
lines_bind(const char *path, unsigned mode)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	struct stat st;
	int fd, saved;

	if (strlen(path) >= sizeof sun.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0) {
		if (!S_ISSOCK(st.st_mode)) {
			errno = EEXIST;
			return -1;
		}
		if (unlink(path) == -1)
			return -1;
	}
	if ((fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) == -1)
		return -1;
	/* The first keeps everybody out who may not come in, from the moment of
	 * bind on; the second gives back what the umask took. */
	if (fchmod(fd, mode) == -1 || bind(fd, (struct sockaddr *)&sun, sizeof sun) == -1 ||
	    chmod(path, mode) == -1 || listen(fd, CONNS_MAX) == -1) {
		saved = errno;
		(void)close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}
