/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_conn_queue - commands of a connection to Redis, from written to answered
 *
 * DESCRIPTION
 *	One buffer, written at the end and freed from the front as answers come;
 *	it is moved to the front only when less is moved than was answered.
 *
 * PROCESS
 *	Sinks of Redis.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "common/json_out.h"
#include "common/panic.h"
#include "workers/redis_conn.h"
#include "workers/text.h"

#include <stdlib.h>
#include <string.h>

uint8_t *
redis_conn_put(uint8_t *at, const void *bytes, size_t len)
{
	memcpy(at, bytes, len);
	return at + len;
}

uint8_t *
redis_conn_put_len(uint8_t *at, size_t len)
{
	*at++ = '$';
	at += json_out_u64_to((char *)at, len);
	return redis_conn_put(at, "\r\n", 2);
}

uint8_t *
redis_conn_put_bulk(uint8_t *at, const void *bytes, size_t len)
{
	at = redis_conn_put_len(at, len);
	if (len > 0)
		at = redis_conn_put(at, bytes, len);
	return redis_conn_put(at, "\r\n", 2);
}

static void
to_front(struct redis_conn *c)
{
	size_t head = c->head;

	memmove(c->buf, c->buf + head, c->end - head);
	c->head = 0;
	c->sent -= head;
	c->allowed -= head;
	c->end -= head;
}

uint8_t *
redis_conn_room(struct redis_conn *c, size_t len)
{
	size_t used = c->end - c->head, size = c->size;
	uint8_t *more;

	if (c->end + len <= c->size)
		return c->buf + c->end;
	if (used > 0 && used + len > c->buffer_max)
		return NULL;
	/* Moving is cheap as long as less is moved than was answered. */
	if (used + len <= size && used <= c->head) {
		to_front(c);
		return c->buf + c->end;
	}
	while (size < used + len)
		size *= 2;
	if (size == c->size && size < c->buffer_max)
		size *= 2;
	if (size != c->size) {
		more = realloc(c->buf, size);
		if (more == NULL)
			return NULL;
		c->buf = more;
		c->size = size;
	}
	if (c->end + len > c->size)
		to_front(c);
	return c->buf + c->end;
}

static void
grow_lens(struct redis_conn *c)
{
	uint32_t *more = xcalloc(2 * c->len_size, sizeof *more);

	for (uint64_t i = c->answered; i < c->written; i++)
		more[i & (2 * c->len_size - 1)] = c->len[i & (c->len_size - 1)];
	free(c->len);
	c->len = more;
	c->len_size *= 2;
}

void
redis_conn_wrote(struct redis_conn *c, size_t len)
{
	if (c->written - c->answered == c->len_size)
		grow_lens(c);
	c->len[c->written++ & (c->len_size - 1)] = (uint32_t)len;
	c->end += len;
}

void
redis_conn_drop(struct redis_conn *c)
{
	assert_that(c->state != REDIS_CONN_READY);
	c->answered = c->asked = c->written;
	c->head = c->sent = c->allowed = c->end = 0;
}

void
redis_conn_unanswer(struct redis_conn *c, const uint8_t *bytes, const uint32_t *len, size_t n)
{
	size_t total = 0;

	assert_that(c->asked == c->answered && c->answered >= n);
	for (size_t i = 0; i < n; i++)
		total += len[i];
	if (redis_conn_room(c, total) == NULL)
		fatal("no memory for what Redis refused for now"); /* it is in the log */
	memmove(c->buf + c->head + total, c->buf + c->head, c->end - c->head);
	memcpy(c->buf + c->head, bytes, total);
	c->end += total;
	c->sent = c->allowed = c->head;
	while (c->written - c->answered + n > c->len_size)
		grow_lens(c);
	c->answered -= n;
	c->asked -= n;
	for (size_t i = 0; i < n; i++)
		c->len[(c->answered + i) & (c->len_size - 1)] = len[i];
}

void
redis_conn_show(const struct redis_conn *c, struct text_out *out)
{
	static const char *const state_name[] = {[REDIS_CONN_CLOSED] = "closed",
	    [REDIS_CONN_CONNECTING] = "connecting",
	    [REDIS_CONN_GREETING] = "logging-in",
	    [REDIS_CONN_READY] = "ready"};

	text_add(out, "server=%s state=%s since_ms=%llu version=%s connects=%llu\n",
	    redis_conn_where(c), state_name[c->state],
	    (unsigned long long)((clock_mono_ns() - c->since_ns) / CLOCK_NS_PER_MS), c->version,
	    (unsigned long long)c->connects);
	text_add(out, "unanswered=%llu batches=%u buffered_bytes=%zu buffer=%zu\n",
	    (unsigned long long)redis_conn_unanswered(c), c->marks, c->end - c->head, c->size);
}
