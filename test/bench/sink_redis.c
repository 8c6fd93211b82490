/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sink_redis - claims beside a bare hiredis pipeline: events a second, CPU of an event
 *
 * DESCRIPTION
 *	sink_redis HOST:PORT FILE [EVENTS]
 *
 *	FILE holds events, a line each; they are sent as claims in batches of
 *	1000 over and over (with a round's number in the id of the stream
 *	position, so the values differ), keys new in each round.  Three ways:
 *
 *	hiredis		redisAppendCommandArgv() and redisGetReply()
 *	async		hiredis' asynchronous context under libevent
 *	sink		redis_key and redis_conn, as workers/redis.c uses them
 *
 *	The server's own time is printed too: on a machine with few processors
 *	it is what the rate is made of.
 */
#include "common/clock.h"
#include "common/event.h"
#include "common/panic.h"
#include "workers/redis_conn.h"
#include "workers/redis_key.h"

#include <hiredis/adapters/libevent.h>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define BATCH 1000
#define DEPTH 4

static struct sample {
	struct frame_header h;
	struct bytes body;
} *sample;
static size_t samples;
static char where[64], *host;
static int port;
static unsigned round_no;
static char uuid[37] = "01234567-89ab-cdef-0123-456789abcdef";

static struct frame_place
place_of(struct event_place p)
{
	return (struct frame_place){p.off, p.len};
}

static void
load(const char *path)
{
	struct event_limits limits = {1 << 20, 32, false};
	struct event_reader *reader = event_reader_new(&limits);
	FILE *f = fopen(path, "r");
	static char line[1 << 20];

	assert_that(f != NULL);
	sample = xcalloc(20000, sizeof *sample);
	while (samples < 20000 && fgets(line, sizeof line - 64, f) != NULL) {
		struct event e;
		size_t len = strcspn(line, "\n");
		uint8_t *copy = xcalloc(1, len + 64);

		memcpy(copy, line, len);
		if (event_read(reader, bytes_of(copy, len), &e, NULL) != EVENT_OK)
			continue;
		sample[samples].body = bytes_of(copy, len);
		sample[samples++].h = (struct frame_header){.id = place_of(e.id),
		    .user_id = place_of(e.user_id),
		    .event_type = place_of(e.event_type),
		    .event_ms = e.timestamp_ms};
	}
	(void)fclose(f);
	assert_that(samples >= BATCH);
}

struct cost {
	uint64_t wall_ns, cpu_us, server_us;
};

static uint64_t
server_us(void)
{
	redisContext *c = redisConnect(host, port);
	redisReply *r = redisCommand(c, "INFO cpu");
	double user = 0, sys = 0;
	const char *at;

	assert_that(r != NULL && r->str != NULL);
	at = strstr(r->str, "used_cpu_user:");
	if (at != NULL)
		user = atof(at + 14);
	at = strstr(r->str, "used_cpu_sys:");
	if (at != NULL)
		sys = atof(at + 13);
	freeReplyObject(r);
	redisFree(c);
	return (uint64_t)((user + sys) * 1e6);
}

static struct cost
now(void)
{
	struct rusage u;
	struct cost c = {.server_us = server_us()};

	(void)getrusage(RUSAGE_SELF, &u);
	c.wall_ns = clock_mono_ns();
	c.cpu_us = (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
		   (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
	return c;
}

static void
tell(const char *name, struct cost a, struct cost b, uint64_t n)
{
	printf("%-8s %9.0f events/s   %.2f us CPU an event   server %.2f us\n", name,
	    (double)n * 1e9 / (double)(b.wall_ns - a.wall_ns), (double)(b.cpu_us - a.cpu_us) / (double)n,
	    (double)(b.server_us - a.server_us) / (double)n);
}

/* "p:ROUND:" before the key, so that each round's are new. */
static size_t
make_key(char *at, uint64_t n)
{
	const struct sample *s = &sample[n % samples];
	size_t len = (size_t)sprintf(at, "p:%u.%u:", round_no, (unsigned)(n / samples));

	return len + redis_key_claim(&s->h, s->body, CONFIG_DEDUP_KEY_AUTO, at + len);
}

static void
flushall(void)
{
	redisContext *c = redisConnect(host, port);

	freeReplyObject(redisCommand(c, "FLUSHALL"));
	redisFree(c);
	round_no++;
}

static void
bare(uint64_t events)
{
	redisContext *c = redisConnect(host, port);
	char key[REDIS_KEY_MAX + 32], value[REDIS_KEY_VALUE_MAX];
	struct cost begin = now();

	for (uint64_t n = 0; n < events; n += BATCH) {
		for (uint64_t i = n; i < n + BATCH; i++) {
			size_t key_len = make_key(key, i);
			const char *argv[] = {"SET", key, value, "NX", "GET", "EX", "3600"};
			size_t len[] = {3, key_len, redis_key_value(uuid, 0, i * 400, value), 2, 3,
			    2, 4};

			(void)redisAppendCommandArgv(c, 7, argv, len);
		}
		for (int i = 0; i < BATCH; i++) {
			void *r = NULL;

			assert_that(redisGetReply(c, &r) == REDIS_OK);
			freeReplyObject(r);
		}
	}
	tell("hiredis", begin, now(), events);
	redisFree(c);
}

/*--------------------------------------------------------------------- async */

static uint64_t async_events, async_written, async_answered;
static struct event_base *base;

static void async_fill(redisAsyncContext *c);

static void
async_reply(redisAsyncContext *c, void *r, void *ctx)
{
	(void)r, (void)ctx;
	if (++async_answered == async_events)
		(void)event_base_loopbreak(base);
	else if (async_written - async_answered <= (DEPTH - 1) * BATCH)
		async_fill(c);
}

static void
async_fill(redisAsyncContext *c)
{
	char key[REDIS_KEY_MAX + 32], value[REDIS_KEY_VALUE_MAX];

	for (int i = 0; i < BATCH && async_written < async_events; i++, async_written++) {
		size_t key_len = make_key(key, async_written);
		const char *argv[] = {"SET", key, value, "NX", "GET", "EX", "3600"};
		size_t len[] = {3, key_len, redis_key_value(uuid, 0, async_written * 400, value), 2,
		    3, 2, 4};

		(void)redisAsyncCommandArgv(c, async_reply, NULL, 7, argv, len);
	}
}

static void
asynchronous(uint64_t events)
{
	redisAsyncContext *c = redisAsyncConnect(host, port);
	struct cost begin = now();

	base = event_base_new();
	async_events = events;
	(void)redisLibeventAttach(c, base);
	for (int i = 0; i < DEPTH; i++)
		async_fill(c);
	(void)event_base_dispatch(base);
	tell("async", begin, now(), events);
}

/*---------------------------------------------------------------------- sink */

static uint64_t own_events, own_written, own_answered;

static void
own_fill(struct redis_conn *c)
{
	static const char tail[] = "$2\r\nNX\r\n$3\r\nGET\r\n$2\r\nEX\r\n$4\r\n3600\r\n";
	char key[REDIS_KEY_MAX + 32], value[REDIS_KEY_VALUE_MAX];

	while (own_written < own_events && own_written - own_answered <= (DEPTH - 1) * BATCH) {
		for (int i = 0; i < BATCH && own_written < own_events; i++, own_written++) {
			size_t len = make_key(key, own_written);
			uint8_t *begin = redis_conn_room(c, len + 256), *at = begin;

			at = redis_conn_put(at, "*7\r\n$3\r\nSET\r\n", 13);
			at = redis_conn_put_bulk(at, key, len);
			len = redis_key_value(uuid, 0, own_written * 400, value);
			at = redis_conn_put_bulk(at, value, len);
			at = redis_conn_put(at, tail, sizeof tail - 1);
			redis_conn_wrote(c, (size_t)(at - begin));
		}
		(void)redis_conn_send(c);
	}
}

static void
own_reply(struct redis_conn *c, const struct redis_reply *r, struct bytes command)
{
	(void)c, (void)command;
	assert_that(r->kind != REDIS_REPLY_IS_ERROR); /* some keys come twice */
	own_answered++;
}

static void
own_batch(struct redis_conn *c, uint64_t commands, uint64_t bytes)
{
	(void)c, (void)commands, (void)bytes;
}

static void
own_read(struct redis_conn *c)
{
	if (own_answered == own_events)
		(void)event_base_loopbreak(base);
	else if (c->state == REDIS_CONN_READY)
		own_fill(c);
}

static void
own_lost(struct redis_conn *c, enum redis_lost why, const char *text)
{
	(void)c, (void)why;
	fatal("%s", text);
}

static void
own_woke(struct redis_conn *c)
{
	(void)c;
}

static void
own(uint64_t events)
{
	static const struct redis_conn_ops ops = {.ready = own_fill,
	    .reply = own_reply,
	    .batch = own_batch,
	    .read = own_read,
	    .lost = own_lost,
	    .woke = own_woke};
	static struct config_sink cfg = {.timeout_ms = 60000, .connect_timeout_ms = 1000};
	static struct redis_conn c;
	struct cost begin;

	cfg.server.n = 1;
	(void)snprintf(cfg.server.at[0], sizeof cfg.server.at[0], "%s", where);
	base = event_base_new();
	redis_conn_init(&c, &cfg, &ops, NULL);
	redis_conn_start(&c, base);
	own_events = events;
	begin = now();
	redis_conn_open(&c);
	(void)event_base_dispatch(base);
	tell("sink", begin, now(), events);
}

int
main(int argc, char **argv)
{
	uint64_t events = argc > 3 ? strtoull(argv[3], NULL, 10) : 500000;

	if (argc < 3)
		fatal("usage: sink_redis HOST:PORT FILE [EVENTS]");
	(void)snprintf(where, sizeof where, "%s", argv[1]);
	host = strdup(argv[1]);
	port = atoi(strrchr(host, ':') + 1);
	*strrchr(host, ':') = '\0';
	load(argv[2]);
	events -= events % BATCH;
	setlinebuf(stdout);
	flushall();
	bare(events);
	flushall();
	asynchronous(events);
	flushall();
	own(events);
	return 0;
}
