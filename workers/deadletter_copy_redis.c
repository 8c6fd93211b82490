/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_copy_redis - copies of dead letters at the end of a Redis list
 *
 * DESCRIPTION
 *	One pipeline for each batch: RPUSH of all, then LTRIM.  Waits for the
 *	answers, half a second at the most.
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_copy.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONNECT_MS 200
#define COMMAND_MS 500

static void
hang_up(struct deadletter_copy *c)
{
	if (c->kind != NULL)
		redisFree(c->kind);
	c->kind = NULL;
}

static enum deadletter_copy_result
failed(struct deadletter_copy *c, const char *why)
{
	(void)snprintf(c->why, sizeof c->why, "%s", why);
	hang_up(c);
	return COPY_FAILED;
}

/* The next reply; false: why is set. */
static bool
take_reply(struct deadletter_copy *c)
{
	redisContext *redis = c->kind;
	redisReply *reply = NULL;
	bool is_ok;

	if (redisGetReply(redis, (void **)&reply) != REDIS_OK) {
		(void)snprintf(c->why, sizeof c->why, "%s", redis->errstr);
		return false;
	}
	is_ok = reply->type != REDIS_REPLY_ERROR;
	if (!is_ok)
		(void)snprintf(c->why, sizeof c->why, "%s", reply->str);
	freeReplyObject(reply);
	return is_ok;
}

static redisContext *
dial(const char *to)
{
	const struct timeval patience = {0, CONNECT_MS * 1000};
	const char *colon = strrchr(to, ':');
	char host[CONFIG_BIND_TEXT_SIZE];

	if (strncmp(to, "unix:", 5) == 0)
		return redisConnectUnixWithTimeout(to + 5, patience);
	if (colon == NULL)
		return redisConnectWithTimeout(to, 6379, patience);
	if (*to == '[' && colon > to + 1 && colon[-1] == ']')
		(void)snprintf(host, sizeof host, "%.*s", (int)(colon - to) - 2, to + 1);
	else
		(void)snprintf(host, sizeof host, "%.*s", (int)(colon - to), to);
	return redisConnectWithTimeout(host, (int)strtol(colon + 1, NULL, 10), patience);
}

static bool
connect_to(struct deadletter_copy *c)
{
	const struct timeval patience = {0, COMMAND_MS * 1000};
	redisContext *redis;

	if (c->kind != NULL)
		return true;
	redis = dial(c->cfg->copy_redis);
	if (redis == NULL || redis->err != 0) {
		(void)snprintf(c->why, sizeof c->why, "%s: %s", c->cfg->copy_redis,
		    redis == NULL ? "no memory" : redis->errstr);
		if (redis != NULL)
			redisFree(redis);
		return false;
	}
	c->kind = redis;
	(void)redisSetTimeout(redis, patience);
	if (c->password[0] == '\0')
		return true;
	if (redisAppendCommand(redis, "AUTH %s", c->password) == REDIS_OK && take_reply(c))
		return true;
	hang_up(c);
	return false;
}

static enum deadletter_copy_result
send_batch(struct deadletter_copy *c, const struct bytes *text, size_t n)
{
	const char *word[DEADLETTER_COPY_BATCH + 2] = {"RPUSH", c->cfg->copy_redis_list};
	size_t len[DEADLETTER_COPY_BATCH + 2] = {5, strlen(c->cfg->copy_redis_list)};

	if (!connect_to(c))
		return COPY_FAILED;
	for (size_t i = 0; i < n; i++) {
		word[i + 2] = (const char *)text[i].ptr;
		len[i + 2] = text[i].len;
	}
	if (redisAppendCommandArgv(c->kind, (int)n + 2, word, len) != REDIS_OK ||
	    redisAppendCommand(c->kind, "LTRIM %s -%lld -1", c->cfg->copy_redis_list,
		(long long)c->cfg->copy_redis_max) != REDIS_OK)
		return failed(c, ((redisContext *)c->kind)->errstr);
	for (int i = 0; i < 2; i++)
		if (!take_reply(c)) {
			hang_up(c);
			return COPY_FAILED;
		}
	return COPY_DONE;
}

static enum deadletter_copy_result
poll_batch(struct deadletter_copy *c)
{
	(void)c;
	return COPY_DONE;
}

const struct deadletter_copy_ops deadletter_copy_redis_ops = {
    .name = "redis", .send = send_batch, .poll = poll_batch, .stop = hang_up};
