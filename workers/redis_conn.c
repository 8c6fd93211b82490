/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_conn - one connection to Redis in the event loop: commands out, replies in order
 *
 * DESCRIPTION
 *	hiredis' own asynchronous context costs an allocation for each command
 *	and each reply; here a reply is a view into the reader's buffer, told
 *	from within its functions, because the reader moves that buffer when it
 *	returns.
 *
 * PROCESS
 *	Sinks of Redis.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/redis_conn.h"

#include "common/clock.h"
#include "common/panic.h"
#include "workers/redis_greet.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/read.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BLOCK	   65536
#define FEED	   8192 /* the reader moves what is left of this once in 1024 bytes */
#define READS	   8	/* in one callback: others want their turn */
#define BUFFER_MIN (256 * 1024)
#define LEN_MIN	   4096 /* a power of two */
#define SECRET_MAX 4096

/*------------------------------------------------------------------ closing */

/* Everything that was not answered is to be sent again. */
static void
rewind_commands(struct redis_conn *c)
{
	c->unsure = c->asked - c->answered;
	c->sent = c->allowed = c->head;
	c->asked = c->answered;
	c->marks = 0;
}

void
redis_conn_close(struct redis_conn *c)
{
	if (c->readable != NULL)
		event_free(c->readable);
	if (c->writable != NULL)
		event_free(c->writable);
	c->readable = c->writable = NULL;
	if (c->timer != NULL)
		(void)event_del(c->timer);
	if (c->reader != NULL)
		redisReaderFree(c->reader);
	c->reader = NULL;
	if (c->fd != -1)
		close(c->fd);
	c->fd = -1;
	if (c->state != REDIS_CONN_CLOSED)
		c->since_ns = clock_mono_ns();
	c->state = REDIS_CONN_CLOSED;
	c->is_failing = false;
	rewind_commands(c);
}

static void
tell_lost(struct redis_conn *c)
{
	char text[sizeof c->text];

	(void)snprintf(text, sizeof text, "%s", c->text);
	redis_conn_close(c);
	c->server = c->cfg->server.n > 0 ? (c->server + 1) % c->cfg->server.n : 0;
	c->ops->lost(c, c->why, text);
}

void
redis_conn_fail(struct redis_conn *c, enum redis_lost why, const char *fmt, ...)
{
	va_list ap;

	if (c->is_failing) /* the first reason is the reason */
		return;
	c->is_failing = true;
	c->why = why;
	va_start(ap, fmt);
	(void)vsnprintf(c->text, sizeof c->text, fmt, ap);
	va_end(ap);
	if (!c->is_reading)
		tell_lost(c);
}

const char *
redis_conn_where(const struct redis_conn *c)
{
	return c->cfg->server.n > 0 ? c->cfg->server.at[c->server] : "127.0.0.1:6379";
}

/*------------------------------------------------------------------ replies */

static void
pop_marks(struct redis_conn *c)
{
	while (c->marks > 0 && c->mark[c->mark_first].command <= c->answered) {
		struct redis_conn_mark m = c->mark[c->mark_first];

		c->mark_first = (c->mark_first + 1) % REDIS_CONN_BATCHES;
		c->marks--;
		c->ops->batch(c, m.commands, m.bytes);
	}
}

static void
take_reply(struct redis_conn *c, const struct redis_reply *r)
{
	uint32_t len;

	if (c->is_failing)
		return;
	if (c->state == REDIS_CONN_GREETING) {
		redis_greet_reply(c, r);
		return;
	}
	if (c->answered == c->asked) {
		redis_conn_fail(c, REDIS_LOST_FAILED, "%s: an answer to nothing: \"%.*s\"",
		    redis_conn_where(c), (int)(r->text.len < 64 ? r->text.len : 64),
		    (const char *)r->text.ptr);
		return;
	}
	len = c->len[c->answered & (c->len_size - 1)];
	c->ops->reply(c, r, bytes_of(c->buf + c->head, len));
	c->answered++;
	c->head += len;
	if (c->marks > 0 && c->mark[c->mark_first].command <= c->answered)
		pop_marks(c);
	if (c->head == c->end)
		c->head = c->sent = c->allowed = c->end = 0;
}

/* The reader wants something for each value that is not NULL. */
static char a_value;

static void *
on_string(const redisReadTask *task, char *at, size_t len)
{
	struct redis_reply r = {.text = bytes_of(at, len)};

	r.kind = task->type == REDIS_REPLY_ERROR    ? REDIS_REPLY_IS_ERROR
		 : task->type == REDIS_REPLY_STATUS ? REDIS_REPLY_IS_STATUS
						    : REDIS_REPLY_IS_STRING;
	if (task->parent == NULL)
		take_reply(task->privdata, &r);
	return &a_value;
}

static void *
on_array(const redisReadTask *task, int n)
{
	struct redis_reply r = {.kind = REDIS_REPLY_IS_ARRAY, .integer = n};

	if (task->parent == NULL)
		take_reply(task->privdata, &r);
	return &a_value;
}

static void *
on_integer(const redisReadTask *task, long long n)
{
	struct redis_reply r = {.kind = REDIS_REPLY_IS_INTEGER, .integer = n};

	if (task->parent == NULL)
		take_reply(task->privdata, &r);
	return &a_value;
}

static void *
on_nil(const redisReadTask *task)
{
	struct redis_reply r = {.kind = REDIS_REPLY_IS_NIL};

	if (task->parent == NULL)
		take_reply(task->privdata, &r);
	return &a_value;
}

static void
on_free(void *value)
{
	(void)value;
}

static redisReplyObjectFunctions reader_functions = {
    .createString = on_string,
    .createArray = on_array,
    .createInteger = on_integer,
    .createNil = on_nil,
    .freeObject = on_free,
};

static void
feed(struct redis_conn *c, size_t n)
{
	void *value;

	for (size_t off = 0; off < n && !c->is_failing; off += FEED) {
		size_t len = n - off < FEED ? n - off : FEED;
		int rc = redisReaderFeed(c->reader, (const char *)c->block + off, len);

		do {
			value = NULL;
			if (rc == REDIS_OK)
				rc = redisReaderGetReply(c->reader, &value);
		} while (rc == REDIS_OK && value != NULL && !c->is_failing);
		if (rc != REDIS_OK)
			redis_conn_fail(c, REDIS_LOST_FAILED, "%s does not speak Redis: %s",
			    redis_conn_where(c), c->reader->errstr);
	}
}

static void
on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_conn *c = ctx;
	ssize_t n = 0;

	(void)what;
	c->ops->woke(c);
	c->is_reading = true;
	c->heard_ns = clock_mono_ns();
	for (int i = 0; i < READS && !c->is_failing; i++) {
		n = read(fd, c->block, BLOCK);
		if (n <= 0)
			break;
		feed(c, (size_t)n);
		if (n < BLOCK)
			break;
	}
	if (n == 0)
		redis_conn_fail(c, REDIS_LOST_FAILED, "%s closed the connection",
		    redis_conn_where(c));
	else if (n == -1 && errno != EAGAIN && errno != EINTR)
		redis_conn_fail(c, REDIS_LOST_FAILED, "%s: %s", redis_conn_where(c),
		    strerror(errno));
	c->is_reading = false;
	c->ops->read(c);
	if (c->is_failing)
		tell_lost(c);
}

/*------------------------------------------------------------------ sending */

static void
push(struct redis_conn *c)
{
	while (c->sent < c->allowed) {
		ssize_t n = send(c->fd, c->buf + c->sent, c->allowed - c->sent, MSG_NOSIGNAL);

		if (n > 0) {
			c->sent += (size_t)n;
			continue;
		}
		if (n == -1 && errno == EINTR)
			continue;
		/* A broken connection is told by its reading side, with all that came before. */
		if (n == -1 && errno == EAGAIN)
			(void)event_add(c->writable, NULL);
		return;
	}
}

static void
set_timer(struct redis_conn *c, uint64_t ns)
{
	struct timeval tv = {.tv_sec = (time_t)(ns / CLOCK_NS_PER_S),
	    .tv_usec = (suseconds_t)(ns % CLOCK_NS_PER_S / 1000 + 1)};

	(void)event_add(c->timer, &tv);
}

bool
redis_conn_send(struct redis_conn *c)
{
	struct redis_conn_mark *m;

	if (c->state != REDIS_CONN_READY || c->is_failing)
		return false;
	if (c->written == c->asked)
		return true;
	if (c->marks == REDIS_CONN_BATCHES)
		return false;
	m = &c->mark[(c->mark_first + c->marks++) % REDIS_CONN_BATCHES];
	*m = (struct redis_conn_mark){.command = c->written,
	    .commands = c->written - c->asked,
	    .bytes = c->end - c->allowed,
	    .sent_ns = clock_mono_ns()};
	c->asked = c->written;
	c->allowed = c->end;
	if (!event_pending(c->timer, EV_TIMEOUT, NULL))
		set_timer(c, (uint64_t)c->cfg->timeout_ms * CLOCK_NS_PER_MS);
	push(c);
	return true;
}

/* One timer for all: it looks at the oldest wait and sets itself again. */
static void
on_timer(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_conn *c = ctx;
	uint64_t now = clock_mono_ns(), since, limit;

	(void)fd, (void)what;
	c->ops->woke(c);
	if (c->is_failing) {
		tell_lost(c);
		return;
	}
	if (c->state == REDIS_CONN_CLOSED || (c->state == REDIS_CONN_READY && c->marks == 0))
		return;
	if (c->state == REDIS_CONN_READY) {
		since = c->mark[c->mark_first].sent_ns;
		limit = (uint64_t)c->cfg->timeout_ms * CLOCK_NS_PER_MS;
		/* Who answers little by little is slow and not gone, for a while. */
		if (c->heard_ns > since && now - since < c->patience * limit)
			since = c->heard_ns;
	} else {
		/* The greeting is a round trip with a write: who needs longer for it than
		 * for a batch would fail each batch. */
		since = c->since_ns;
		limit = (uint64_t)(c->state == REDIS_CONN_GREETING ? c->cfg->timeout_ms
								    : c->cfg->connect_timeout_ms) *
			CLOCK_NS_PER_MS;
	}
	if (now - since < limit) {
		set_timer(c, limit - (now - since));
		return;
	}
	redis_conn_fail(c, REDIS_LOST_FAILED, "%s: no answer for %llu ms%s", redis_conn_where(c),
	    (unsigned long long)(limit / CLOCK_NS_PER_MS),
	    c->state == REDIS_CONN_CONNECTING ? " (connecting)"
	    : c->state == REDIS_CONN_GREETING ? " (logging in)"
					      : "");
}

/*------------------------------------------------------------------ opening */

static void
greet(struct redis_conn *c)
{
	uint8_t words[SECRET_MAX + 1024];
	size_t len = redis_greet_write(c, words, sizeof words);

	c->state = REDIS_CONN_GREETING;
	c->since_ns = clock_mono_ns();
	set_timer(c, (uint64_t)c->cfg->timeout_ms * CLOCK_NS_PER_MS);
	if (send(c->fd, words, len, MSG_NOSIGNAL) != (ssize_t)len)
		redis_conn_fail(c, REDIS_LOST_FAILED, "%s: %s", redis_conn_where(c),
		    strerror(errno));
	explicit_bzero(words, sizeof words);
}

static void
on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct redis_conn *c = ctx;
	socklen_t len = sizeof(int);
	int error = 0;

	(void)what;
	c->ops->woke(c);
	if (c->state != REDIS_CONN_CONNECTING) {
		push(c);
		return;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == -1)
		error = errno;
	if (error != 0) {
		redis_conn_fail(c, REDIS_LOST_FAILED, "%s: %s", redis_conn_where(c),
		    strerror(error));
		return;
	}
	greet(c);
}

/* A socket that connects to `where`; -1 with a sentence in why. */
static int
begin_connect(const char *where, char *why, size_t size)
{
	char host[CONFIG_LIST_TEXT], *port;
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found = NULL;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	const struct sockaddr *address = (const struct sockaddr *)&un;
	socklen_t address_len = sizeof un;
	int fd, rc, yes = 1, family = AF_UNIX;

	if (strncmp(where, "unix:", 5) == 0) {
		if ((size_t)snprintf(un.sun_path, sizeof un.sun_path, "%s", where + 5) >=
		    sizeof un.sun_path) {
			(void)snprintf(why, size, "%s: the path is too long", where);
			return -1;
		}
	} else {
		(void)snprintf(host, sizeof host, "%s", where + (where[0] == '['));
		port = strrchr(host, ':');
		if (port != NULL)
			*port++ = '\0';
		if (where[0] == '[' && strchr(host, ']') != NULL)
			*strchr(host, ']') = '\0';
		rc = getaddrinfo(host, port == NULL ? "6379" : port, &hints, &found);
		if (rc != 0) {
			(void)snprintf(why, size, "%s: %s", where, gai_strerror(rc));
			return -1;
		}
		address = found->ai_addr;
		address_len = found->ai_addrlen;
		family = found->ai_family;
	}
	fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd != -1 && family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	if (fd != -1 && connect(fd, address, address_len) == -1 && errno != EINPROGRESS) {
		(void)snprintf(why, size, "%s: %s", where, strerror(errno));
		close(fd);
		fd = -1;
	} else if (fd == -1) {
		(void)snprintf(why, size, "%s: %s", where, strerror(errno));
	}
	if (found != NULL)
		freeaddrinfo(found);
	return fd;
}

void
redis_conn_open(struct redis_conn *c)
{
	assert_that(c->state == REDIS_CONN_CLOSED);
	c->state = REDIS_CONN_CONNECTING;
	c->since_ns = clock_mono_ns();
	c->fd = begin_connect(redis_conn_where(c), c->text, sizeof c->text);
	if (c->fd == -1) {
		c->is_failing = true;
		c->why = REDIS_LOST_FAILED;
		event_active(c->timer, EV_TIMEOUT, 0); /* told from the loop */
		return;
	}
	c->reader = redisReaderCreateWithFunctions(&reader_functions);
	c->readable = event_new(c->base, c->fd, EV_READ | EV_PERSIST, on_readable, c);
	c->writable = event_new(c->base, c->fd, EV_WRITE, on_writable, c);
	if (c->reader == NULL || c->readable == NULL || c->writable == NULL)
		fatal("no memory for a connection to %s", redis_conn_where(c));
	c->reader->maxbuf = 0; /* keep its buffer */
	c->reader->privdata = c; /* the macro for it is no C that clang takes */
	(void)event_add(c->readable, NULL);
	(void)event_add(c->writable, NULL);
	set_timer(c, (uint64_t)c->cfg->connect_timeout_ms * CLOCK_NS_PER_MS);
}

/*------------------------------------------------------------------- life */

void
redis_conn_init(struct redis_conn *c, const struct config_sink *cfg,
    const struct redis_conn_ops *ops, void *owner)
{
	*c = (struct redis_conn){.cfg = cfg, .ops = ops, .owner = owner, .fd = -1, .patience = 1};
	c->buffer_max = REDIS_CONN_BUFFER_MAX;
	c->size = BUFFER_MIN;
	c->buf = xcalloc(1, c->size);
	c->len_size = LEN_MIN;
	c->len = xcalloc(c->len_size, sizeof *c->len);
	c->block = xcalloc(1, BLOCK);
}

void
redis_conn_secret(struct redis_conn *c)
{
	const char *path = c->cfg->password_file;
	char text[SECRET_MAX];
	ssize_t n;
	int fd;

	if (path[0] == '\0')
		return;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd == -1 ? -1 : read(fd, text, sizeof text);
	if (n == -1)
		fatal("sink %s: password-file %s: %s", c->cfg->name, path, strerror(errno));
	close(fd);
	while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == '\r'))
		n--;
	if (n == 0 || n == sizeof text)
		fatal("sink %s: password-file %s must hold one password in one line", c->cfg->name,
		    path);
	c->password = xcalloc(1, (size_t)n + 1);
	memcpy(c->password, text, (size_t)n);
	c->password_len = (size_t)n;
	explicit_bzero(text, sizeof text);
}

void
redis_conn_start(struct redis_conn *c, struct event_base *base)
{
	c->base = base;
	c->timer = evtimer_new(base, on_timer, c);
	if (c->timer == NULL)
		fatal("no memory for a timer");
}

void
redis_conn_free(struct redis_conn *c)
{
	redis_conn_close(c);
	if (c->timer != NULL)
		event_free(c->timer);
	free(c->buf);
	free(c->len);
	free(c->block);
	free(c->password);
}
