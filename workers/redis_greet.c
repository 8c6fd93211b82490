/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_greet - the first round trip of a connection to Redis, and what errors mean
 *
 * PROCESS
 *	Sinks of Redis.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/redis_greet.h"

#include "common/clock.h"
#include "common/panic.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { GREET_AUTH = 1, GREET_SELECT, GREET_INFO, GREET_PING, GREET_WRITE, GREET_OLD_WRITE };

static uint8_t *
put_words(uint8_t *at, unsigned n, ...)
{
	char head[16];
	va_list ap;

	at = redis_conn_put(at, head, (size_t)snprintf(head, sizeof head, "*%u\r\n", n));
	va_start(ap, n);
	for (unsigned i = 0; i < n; i++) {
		const char *word = va_arg(ap, const char *);

		at = redis_conn_put_bulk(at, word, strlen(word));
	}
	va_end(ap);
	return at;
}

size_t
redis_greet_write(struct redis_conn *c, uint8_t *at, size_t size)
{
	const struct config_sink *cfg = c->cfg;
	uint8_t *begin = at;
	char number[16];

	assert_that(size >= c->password_len + 1024);
	c->greet_at = c->greet_n = 0;
	c->is_old = false;
	(void)snprintf(c->version, sizeof c->version, "unknown");
	if (c->password != NULL) {
		at = cfg->user[0] == '\0' ? put_words(at, 2, "AUTH", c->password)
					  : put_words(at, 3, "AUTH", cfg->user, c->password);
		c->greet[c->greet_n++] = GREET_AUTH;
	}
	if (cfg->database != 0) {
		(void)snprintf(number, sizeof number, "%d", cfg->database);
		at = put_words(at, 2, "SELECT", number);
		c->greet[c->greet_n++] = GREET_SELECT;
	}
	at = put_words(at, 2, "INFO", "server");
	c->greet[c->greet_n++] = GREET_INFO;
	if (c->probe_key == NULL) {
		at = put_words(at, 1, "PING");
		c->greet[c->greet_n++] = GREET_PING;
	} else {
		at = put_words(at, 7, "SET", c->probe_key, "1", "NX", "GET", "PX", "1000");
		c->greet[c->greet_n++] = GREET_WRITE;
	}
	return (size_t)(at - begin);
}

static void
read_version(struct redis_conn *c, struct bytes info)
{
	static const char name[] = "redis_version:";
	const uint8_t *at = memmem(info.ptr, info.len, name, sizeof name - 1);
	size_t n = 0;

	if (at == NULL)
		return;
	at += sizeof name - 1;
	while (at + n < info.ptr + info.len && n < sizeof c->version - 1 && at[n] > ' ')
		n++;
	memcpy(c->version, at, n);
	c->version[n] = '\0';
}

static void
ask_old(struct redis_conn *c)
{
	uint8_t words[1024];
	uint8_t *end = put_words(words, 6, "SET", c->probe_key, "1", "NX", "PX", "1000");

	c->is_old = true;
	c->greet[c->greet_at - 1] = GREET_OLD_WRITE;
	c->greet_at--;
	if (send(c->fd, words, (size_t)(end - words), MSG_NOSIGNAL) != end - words)
		redis_conn_fail(c, REDIS_LOST_FAILED, "%s: %s", redis_conn_where(c),
		    strerror(errno));
}

static void
on_error(struct redis_conn *c, unsigned step, struct bytes text)
{
	static const char *const step_name[] = {[GREET_AUTH] = "AUTH",
	    [GREET_SELECT] = "SELECT",
	    [GREET_INFO] = "INFO",
	    [GREET_PING] = "PING",
	    [GREET_WRITE] = "SET",
	    [GREET_OLD_WRITE] = "SET"};
	enum redis_error what = redis_conn_error(text);
	bool is_setup = what == REDIS_ERROR_SETUP || step == GREET_AUTH || step == GREET_SELECT;

	if (what == REDIS_ERROR_LATER)
		is_setup = false;
	redis_conn_fail(c, is_setup ? REDIS_LOST_SETUP : REDIS_LOST_FAILED,
	    "%s refuses %s%s%s: %.*s", redis_conn_where(c), step_name[step],
	    c->cfg->user[0] != '\0' ? " of user " : "", c->cfg->user,
	    (int)(text.len < 100 ? text.len : 100), (const char *)text.ptr);
}

static bool
is_begun_by(struct bytes text, const char *word)
{
	return text.len >= strlen(word) && memcmp(text.ptr, word, strlen(word)) == 0;
}

void
redis_greet_reply(struct redis_conn *c, const struct redis_reply *r)
{
	unsigned step;

	if (c->greet_at == c->greet_n) {
		redis_conn_fail(c, REDIS_LOST_FAILED, "%s: an answer to nothing",
		    redis_conn_where(c));
		return;
	}
	step = c->greet[c->greet_at++];
	if (r->kind == REDIS_REPLY_IS_ERROR) {
		if (step == GREET_WRITE && is_begun_by(r->text, "ERR syntax")) {
			ask_old(c);
			return;
		}
		/* A user need not have the right to INFO; it is for people only. */
		if (step != GREET_INFO || redis_conn_error(r->text) != REDIS_ERROR_SETUP ||
		    is_begun_by(r->text, "NOAUTH")) {
			on_error(c, step, r->text);
			return;
		}
	} else if (step == GREET_INFO && r->kind == REDIS_REPLY_IS_STRING) {
		read_version(c, r->text);
	}
	if (c->greet_at < c->greet_n)
		return;
	(void)event_del(c->timer); /* batches have another limit */
	c->state = REDIS_CONN_READY;
	c->since_ns = clock_mono_ns();
	c->connects++;
	c->ops->ready(c);
}

enum redis_error
redis_conn_error(struct bytes text)
{
	static const struct {
		const char *word;
		enum redis_error what;
	} known[] = {
	    {"WRONGTYPE", REDIS_ERROR_WRONGTYPE},
	    {"OOM", REDIS_ERROR_LATER},
	    {"READONLY", REDIS_ERROR_LATER},
	    {"LOADING", REDIS_ERROR_LATER},
	    {"CLUSTERDOWN", REDIS_ERROR_LATER},
	    {"MASTERDOWN", REDIS_ERROR_LATER},
	    {"MISCONF", REDIS_ERROR_LATER},
	    {"NOREPLICAS", REDIS_ERROR_LATER},
	    {"BUSY", REDIS_ERROR_LATER},
	    {"TRYAGAIN", REDIS_ERROR_LATER},
	    {"UNKILLABLE", REDIS_ERROR_LATER},
	    {"ERR max number of clients", REDIS_ERROR_LATER},
	    {"NOAUTH", REDIS_ERROR_SETUP},
	    {"NOPERM", REDIS_ERROR_SETUP},
	    {"WRONGPASS", REDIS_ERROR_SETUP},
	    {"DENIED", REDIS_ERROR_SETUP},
	    {"MOVED", REDIS_ERROR_SETUP},
	    {"CROSSSLOT", REDIS_ERROR_SETUP},
	    {"ERR unknown command", REDIS_ERROR_SETUP},
	    {"ERR invalid password", REDIS_ERROR_SETUP},
	    {"ERR Client sent AUTH", REDIS_ERROR_SETUP},
	    {"ERR Elements are too large", REDIS_ERROR_TOO_LARGE},
	    {"ERR string exceeds", REDIS_ERROR_TOO_LARGE},
	};

	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (is_begun_by(text, known[i].word))
			return known[i].what;
	return REDIS_ERROR_OTHER;
}
