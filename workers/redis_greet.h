/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_greet - the first round trip of a connection to Redis, and what errors mean
 *
 * DESCRIPTION
 *	AUTH, SELECT, INFO server, and a write (or PING) in one pipeline.  What
 *	Redis can do is found by trying, not by its version: a server that
 *	refuses NX together with GET is asked again without.
 *
 * PROCESS
 *	Sinks of Redis.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_REDIS_GREET_H
#define WORKERS_REDIS_GREET_H

#include "workers/redis_conn.h"

/* Length written; size must hold the password and 1024 bytes. */
size_t redis_greet_write(struct redis_conn *c, uint8_t *at, size_t size);
/* Calls ops->ready() after the last good one, redis_conn_fail() after a bad one. */
void redis_greet_reply(struct redis_conn *c, const struct redis_reply *r);

#endif
