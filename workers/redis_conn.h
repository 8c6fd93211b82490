/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_conn - one connection to Redis in the event loop: commands out, replies in order
 *
 * DESCRIPTION
 *	Commands are written as RESP straight into a buffer that the owner fills
 *	(redis_conn_room(), redis_conn_wrote() for each command) and go out
 *	together (redis_conn_send()).  Each command keeps its bytes until its
 *	reply is there: an owner that must not lose a command leaves them, and
 *	they are sent again on the next connection; one that would rather not
 *	wait calls redis_conn_drop().
 *
 *	Replies are parsed by hiredis' redisReader with functions that make no
 *	objects; the owner gets each as a view.
 *
 *	Opening: connect, AUTH, SELECT, INFO server, and, when the owner gave a
 *	key for it, a write as it is going to make them (SET NX GET): a server
 *	that answers but cannot take writes is no server.  To connect there is
 *	connect-timeout; for the rest, which is one round trip, and then for each
 *	batch (what one redis_conn_send() sent) there is `timeout`, counted from
 *	the last sign of life, up to `patience` times that in all.
 *
 *	A connection whose reply did not come in time is closed: nothing that
 *	arrives later is ever taken for the answer to something else.
 *
 * PROCESS
 *	Sinks of Redis; the dead-letter stage may use it for copies.
 *
 * SHARED STATE
 *	None.
 *
 * BUGS
 *	A host name is resolved by getaddrinfo(), which blocks, once for each
 *	connection; addresses in numbers do not.
 */
#ifndef WORKERS_REDIS_CONN_H
#define WORKERS_REDIS_CONN_H

#include "common/bytes.h"
#include "common/config.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#define REDIS_CONN_BATCHES    16 /* sent and not answered */
#define REDIS_CONN_GREETINGS  6
#define REDIS_CONN_BUFFER_MAX ((size_t)1024 * 1024 * 1024)

enum redis_reply_kind {
	REDIS_REPLY_IS_NIL = 0,
	REDIS_REPLY_IS_STATUS, /* +OK */
	REDIS_REPLY_IS_STRING,
	REDIS_REPLY_IS_INTEGER,
	REDIS_REPLY_IS_ERROR, /* text without the '-' */
	REDIS_REPLY_IS_ARRAY, /* what is in it is not told */
};

struct redis_reply {
	enum redis_reply_kind kind;
	struct bytes text; /* until the callback returns */
	long long integer;
};

enum redis_lost {
	REDIS_LOST_FAILED = 0, /* refused, closed, silent: later may be better */
	REDIS_LOST_SETUP,      /* wrong password, no right to write: a person must act */
};

struct redis_conn;

struct redis_conn_ops {
	/* Logged in, writes work. */
	void (*ready)(struct redis_conn *c);
	/* The answer to the oldest unanswered command, whose bytes are `command`. */
	void (*reply)(struct redis_conn *c, const struct redis_reply *r, struct bytes command);
	/* A batch is answered whole: its commands and their bytes. */
	void (*batch)(struct redis_conn *c, uint64_t commands, uint64_t bytes);
	/* All that had arrived is told. */
	void (*read)(struct redis_conn *c);
	/* The connection is closed (again).  Commands are still there. */
	void (*lost)(struct redis_conn *c, enum redis_lost why, const char *text);
	/* Before anything else in each callback of the loop. */
	void (*woke)(struct redis_conn *c);
};

enum redis_conn_state {
	REDIS_CONN_CLOSED = 0,
	REDIS_CONN_CONNECTING,
	REDIS_CONN_GREETING,
	REDIS_CONN_READY,
};

struct redis_conn_mark {
	uint64_t command; /* number behind its last */
	uint64_t commands, bytes;
	uint64_t sent_ns;
};

struct redis_conn {
	const struct redis_conn_ops *ops;
	const struct config_sink *cfg;
	struct event_base *base;
	void *owner;
	const char *probe_key; /* or NULL: writes are not tried */
	char *password;
	size_t password_len;
	size_t buffer_max; /* bytes of commands unanswered; REDIS_CONN_BUFFER_MAX at most */

	enum redis_conn_state state;
	int fd;
	int server; /* index in cfg->server */
	struct event *readable, *writable, *timer;
	struct redisReader *reader;
	uint8_t *block; /* what is read at a time */
	char version[32];
	bool is_old; /* SET does not know NX and GET together (before 7.0) */
	unsigned greet[REDIS_CONN_GREETINGS]; /* answers that the greeting waits for */
	unsigned greet_at, greet_n;
	uint64_t since_ns; /* of the state */
	uint64_t connects; /* times it was ready */
	uint64_t unsure;   /* commands that the last connection sent and did not answer */
	uint64_t patience; /* times `timeout` that a batch may take if something is heard */
	uint64_t heard_ns;
	bool is_reading;   /* the reader is at work: a loss is told afterwards */
	bool is_failing;
	enum redis_lost why;
	char text[192];

	/* Commands: bytes [head, end) of buf; [head, sent) are on their way and [sent,
	 * allowed) belong to batches that were begun. */
	uint8_t *buf;
	size_t size, head, sent, allowed, end;
	uint32_t *len;	 /* of each command from number `answered` on: a ring */
	size_t len_size; /* a power of two */
	uint64_t answered, asked, written; /* numbers; `asked` ends the last batch */
	struct redis_conn_mark mark[REDIS_CONN_BATCHES];
	unsigned mark_first, marks;
};

/* Allocates; fatal() without memory.  cfg and owner outlive it. */
void redis_conn_init(struct redis_conn *c, const struct config_sink *cfg,
    const struct redis_conn_ops *ops, void *owner);
/* Reads cfg->password_file, if any: fatal() with what to do. */
void redis_conn_secret(struct redis_conn *c);
void redis_conn_start(struct redis_conn *c, struct event_base *base);
/* Begin; ready() or lost() follows, from the loop. */
void redis_conn_open(struct redis_conn *c);
/* Without a word; commands stay. */
void redis_conn_close(struct redis_conn *c);
void redis_conn_free(struct redis_conn *c);

static inline bool
redis_conn_is_ready(const struct redis_conn *c)
{
	return c->state == REDIS_CONN_READY;
}
static inline uint64_t
redis_conn_unanswered(const struct redis_conn *c)
{
	return c->written - c->answered;
}

/* Room for a command of at most `len` bytes at the end; NULL: the limit is reached (never
 * when nothing is unanswered and len fits the limit). */
uint8_t *redis_conn_room(struct redis_conn *c, size_t len);
/* A whole command of `len` bytes stands there now. */
void redis_conn_wrote(struct redis_conn *c, size_t len);
/* What was written goes out as one batch.  False: not ready, or REDIS_CONN_BATCHES are
 * out: it goes with the next one. */
bool redis_conn_send(struct redis_conn *c);
/* Commands that were written and not answered are forgotten; the connection must be
 * closed (as it is in lost()). */
void redis_conn_drop(struct redis_conn *c);
/*
 * `n` commands that were answered (badly) stand in front again, to be sent with the next
 * batch.  Nothing may be sent and unanswered.
 */
void redis_conn_unanswer(struct redis_conn *c, const uint8_t *bytes, const uint32_t *len,
    size_t n);
/* Close it and tell lost(): at once, or, from within reply(), when the reader is done. */
void redis_conn_fail(struct redis_conn *c, enum redis_lost why, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
const char *redis_conn_where(const struct redis_conn *c);

/* Lines for people: the connection, and what waits on it. */
struct text_out;
void redis_conn_show(const struct redis_conn *c, struct text_out *out);

/* RESP by hand: returns the place behind. */
uint8_t *redis_conn_put(uint8_t *at, const void *bytes, size_t len);
/* $len\r\n, what goes before a value that is written in parts. */
uint8_t *redis_conn_put_len(uint8_t *at, size_t len);
/* $len\r\n...\r\n; needs len + 25 bytes. */
uint8_t *redis_conn_put_bulk(uint8_t *at, const void *bytes, size_t len);

/* What an error reply means. */
enum redis_error {
	REDIS_ERROR_OTHER = 0,
	REDIS_ERROR_LATER,     /* OOM, READONLY, LOADING, CLUSTERDOWN, ...: it will pass */
	REDIS_ERROR_SETUP,     /* NOAUTH, NOPERM, unknown command */
	REDIS_ERROR_WRONGTYPE, /* the key holds something else */
	REDIS_ERROR_TOO_LARGE,
};
enum redis_error redis_conn_error(struct bytes text);

#endif
