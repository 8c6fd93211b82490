/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_stream - events as entries of Redis streams
 *
 * DESCRIPTION
 *	XADD key [MAXLEN ~ n] * event <json> receipt <receipt> eventType <text>,
 *	many in one pipeline, the key from a template.  An entry's answer is
 *	awaited before the event counts as delivered.
 *
 *	A command that was refused for now (no memory, a replica, loading, ...)
 *	goes to the front of the queue again; nothing more is sent until all that
 *	was sent is answered and the back-off is over.  What a broken connection
 *	left unanswered is sent again: those entries may stand in the stream
 *	twice, with the same receipt.
 *
 * PROCESS
 *	Sinks of kind redis-stream.
 *
 * SHARED STATE
 *	Counters of its own sink part.
 */
#include "common/crashpoint.h"
#include "common/json_out.h"
#include "common/log.h"
#include "common/panic.h"
#include "common/template.h"
#include "shm/word.h"
#include "workers/redis_conn.h"
#include "workers/redis_key.h"
#include "workers/sink.h"
#include "workers/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STREAM_KEY_MAX 512
#define WORDS_MAX      384 /* of a command: all but key, event and type */
#define PATIENCE       60  /* slow is better than twice */
#define BUFFER_MIN     ((size_t)32 * 1024 * 1024)

struct stream_entry {
	uint64_t ticket;
	unsigned refusals;
};

struct redis_stream {
	struct sink *sink;
	struct redis_conn conn;
	struct template *name;
	char fixed[STREAM_KEY_MAX]; /* the whole command up to `*`, when the key is fixed */
	size_t fixed_len;
	char maxlen[64]; /* its words in RESP, or "" */

	struct stream_entry *entry; /* one for each command; a ring */
	uint64_t size, first, last;
	bool wants_send;
	bool is_quiet;

	/* Refused for now, in order. */
	uint8_t *again;
	size_t again_len, again_size;
	uint32_t *again_lens;
	struct stream_entry *again_entry;
	size_t again_n, again_max;
	enum redis_error trouble;
	char trouble_text[128];

	uint64_t run, run_n;
	uint64_t sent, dead, refused; /* of this life, for people */
};

/*---------------------------------------------------------------- finished */

static void
tell_done(struct redis_stream *r)
{
	if (r->run_n > 0)
		sink_done(r->sink, r->run, r->run_n);
	r->run_n = 0;
}

static void
done(struct redis_stream *r, uint64_t ticket)
{
	r->sent++;
	if (r->run_n > 0 && ticket == r->run + r->run_n) {
		r->run_n++;
		return;
	}
	tell_done(r);
	r->run = ticket;
	r->run_n = 1;
}

/*---------------------------------------------------------------- commands */

/* "*N XADD key [MAXLEN ~ n] *" */
static uint8_t *
put_head(const struct redis_stream *r, uint8_t *at, const char *key, size_t len)
{
	if (r->maxlen[0] == '\0')
		at = redis_conn_put(at, "*9\r\n$4\r\nXADD\r\n", 14);
	else
		at = redis_conn_put(at, "*12\r\n$4\r\nXADD\r\n", 15);
	at = redis_conn_put_bulk(at, key, len);
	at = redis_conn_put(at, r->maxlen, strlen(r->maxlen));
	return redis_conn_put(at, "$1\r\n*\r\n", 7);
}

static uint8_t *
put_fields(const struct redis_stream *r, uint8_t *at, const struct sink_event *e)
{
	static const char event[] = "$5\r\nevent\r\n", receipt[] = "$7\r\nreceipt\r\n",
			  type[] = "$9\r\neventType\r\n";
	struct bytes raw = sink_event_value(e, e->h.event_type), text;
	char buf[2048], words[64], *end = words;

	at = redis_conn_put(at, event, sizeof event - 1);
	at = redis_conn_put_bulk(at, e->body.ptr, e->body.len);
	at = redis_conn_put(at, receipt, sizeof receipt - 1);
	memcpy(end, r->sink->instance, 8);
	end += 8;
	*end++ = ':';
	end += json_out_u64_to(end, e->h.stream);
	*end++ = ':';
	end += json_out_u64_to(end, e->h.pos);
	at = redis_conn_put_bulk(at, words, (size_t)(end - words));
	at = redis_conn_put(at, type, sizeof type - 1);
	if (!redis_key_text(raw, buf, sizeof buf, &text))
		text = raw;
	return redis_conn_put_bulk(at, text.ptr, text.len);
}

static enum sink_take
take(struct sink *s, const struct sink_event *e)
{
	struct redis_stream *r = s->kind;
	char key[STREAM_KEY_MAX];
	uint8_t *begin, *at;
	size_t len;

	at = redis_conn_room(&r->conn,
	    WORDS_MAX + STREAM_KEY_MAX + e->body.len + e->h.event_type.len + sizeof r->maxlen);
	if (at == NULL) {
		if (redis_conn_unanswered(&r->conn) > 0 || r->again_n > 0)
			return SINK_FULL;
		sink_refuse(s, e, "too_large", "no memory for an event of %zu bytes", e->body.len);
		return SINK_REFUSED;
	}
	begin = at;
	if (r->fixed_len > 0) {
		at = redis_conn_put(at, r->fixed, r->fixed_len);
	} else {
		len = template_run(r->name, sink_event_value(e, e->h.event_type),
		    sink_event_value(e, e->h.user_id), e->body, key, sizeof key);
		at = put_head(r, at, key, len);
	}
	at = put_fields(r, at, e);
	redis_conn_wrote(&r->conn, (size_t)(at - begin));
	r->entry[r->last++ & (r->size - 1)] = (struct stream_entry){.ticket = e->ticket};
	return SINK_TAKEN;
}

static void
send_more(struct redis_stream *r)
{
	/* Behind something refused nothing goes: it would come before it. */
	if (r->again_n > 0)
		return;
	r->wants_send = !redis_conn_send(&r->conn) && redis_conn_is_ready(&r->conn);
	if (r->conn.asked != r->conn.answered)
		CRASHPOINT("redis-stream-sent");
}

static void
flush(struct sink *s)
{
	send_more(s->kind);
}

/*----------------------------------------------------------------- answers */

static void
keep(struct redis_stream *r, struct stream_entry e, struct bytes command)
{
	if (r->again_n == r->again_max) {
		r->again_max = r->again_max == 0 ? 1024 : 2 * r->again_max;
		r->again_lens = realloc(r->again_lens, r->again_max * sizeof *r->again_lens);
		r->again_entry = realloc(r->again_entry, r->again_max * sizeof *r->again_entry);
	}
	while (r->again_len + command.len > r->again_size) {
		r->again_size = r->again_size == 0 ? 65536 : 2 * r->again_size;
		r->again = realloc(r->again, r->again_size);
	}
	if (r->again == NULL || r->again_lens == NULL || r->again_entry == NULL)
		fatal("no memory for what Redis refused for now"); /* it is in the log */
	memcpy(r->again + r->again_len, command.ptr, command.len);
	r->again_len += command.len;
	r->again_lens[r->again_n] = (uint32_t)command.len;
	r->again_entry[r->again_n++] = e;
}

static void
refused(struct redis_stream *r, struct stream_entry e, struct bytes text, struct bytes command)
{
	enum redis_error what = redis_conn_error(text);
	int len = (int)(text.len < 100 ? text.len : 100);

	r->refused++;
	e.refusals++;
	if (what == REDIS_ERROR_TOO_LARGE ||
	    (r->sink->cfg->attempts > 0 && e.refusals >= (unsigned)r->sink->cfg->attempts)) {
		r->dead++;
		sink_dead(r->sink, e.ticket, e.refusals,
		    what == REDIS_ERROR_TOO_LARGE ? "too_large" : "refused", "%.*s", len,
		    (const char *)text.ptr);
		return;
	}
	if (r->again_n == 0) {
		r->trouble = what;
		(void)snprintf(r->trouble_text, sizeof r->trouble_text, "%.*s", len,
		    (const char *)text.ptr);
	}
	keep(r, e, command);
}

static void
on_reply(struct redis_conn *c, const struct redis_reply *reply, struct bytes command)
{
	struct redis_stream *r = c->owner;
	struct stream_entry e = r->entry[r->first++ & (r->size - 1)];

	CRASHPOINT("redis-stream-answered");
	if (reply->kind == REDIS_REPLY_IS_ERROR)
		refused(r, e, reply->text, command);
	else
		done(r, e.ticket);
}

static void
on_batch(struct redis_conn *c, uint64_t commands, uint64_t bytes)
{
	struct redis_stream *r = c->owner;

	sink_count_batch(r->sink, commands, bytes, bytes);
	if (r->again_n == 0)
		sink_succeeded(r->sink);
}

/* What was refused stands in front again. */
static void
put_back(struct redis_stream *r)
{
	redis_conn_unanswer(&r->conn, r->again, r->again_lens, r->again_n);
	r->first -= r->again_n;
	for (size_t i = 0; i < r->again_n; i++)
		r->entry[(r->first + i) & (r->size - 1)] = r->again_entry[i];
	r->again_n = r->again_len = 0;
}

static void
on_read(struct redis_conn *c)
{
	struct redis_stream *r = c->owner;
	struct sink *s = r->sink;

	tell_done(r);
	if (c->is_failing)
		return;
	if (r->again_n > 0 && c->asked == c->answered) {
		counters_add(s->part->counter, counter_id(SINK, resent), r->again_n);
		put_back(r);
		if (r->trouble == REDIS_ERROR_SETUP || r->trouble == REDIS_ERROR_WRONGTYPE)
			sink_misconfigured(s, "%s: %s", redis_conn_where(c), r->trouble_text);
		else
			sink_failed(s, 0, "%s: %s", redis_conn_where(c), r->trouble_text);
		return;
	}
	if (r->wants_send && sink_may_send(s))
		send_more(r);
}

static void
on_ready(struct redis_conn *c)
{
	struct redis_stream *r = c->owner;

	if (!r->is_quiet)
		log_line(LOG_LEVEL_NOTICE, "connected: %s version=%s", redis_conn_where(c),
		    c->version);
	r->is_quiet = false;
	sink_hold(r->sink, false);
	if (c->written == c->answered) {
		sink_succeeded(r->sink);
		return;
	}
	counters_add(r->sink->part->counter, counter_id(SINK, resent), c->unsure);
	c->unsure = 0;
	send_more(r); /* its answer is the success */
}

static void
on_lost(struct redis_conn *c, enum redis_lost why, const char *text)
{
	struct redis_stream *r = c->owner;
	struct sink *s = r->sink;
	bool is_idle = c->unsure == 0 && r->again_n == 0 && c->connects > 0 && !r->is_quiet &&
		       why == REDIS_LOST_FAILED && sink_may_send(s);

	tell_done(r);
	if (r->again_n > 0)
		put_back(r);
	r->wants_send = false;
	if (is_idle) {
		/* Restarted, or tired of an idle client: once without a word. */
		r->is_quiet = true;
		redis_conn_open(c);
		return;
	}
	r->is_quiet = false;
	sink_hold(s, false);
	if (why == REDIS_LOST_SETUP)
		sink_misconfigured(s, "%s", text);
	else
		sink_failed(s, 0, "%s", text);
}

static void
on_woke(struct redis_conn *c)
{
	struct redis_stream *r = c->owner;

	sink_woke(r->sink);
}

static const struct redis_conn_ops conn_ops = {
    .ready = on_ready,
    .reply = on_reply,
    .batch = on_batch,
    .read = on_read,
    .lost = on_lost,
    .woke = on_woke,
};

/*------------------------------------------------------------------- life */

static void
open_early(struct sink *s)
{
	struct redis_stream *r = xcalloc(1, sizeof *r);
	size_t buffer = 16 * s->cfg->batch_bytes;
	char number[24], why[256];
	int n;

	s->kind = r;
	r->sink = s;
	redis_conn_init(&r->conn, s->cfg, &conn_ops, r);
	redis_conn_secret(&r->conn);
	r->conn.buffer_max = buffer < BUFFER_MIN	      ? BUFFER_MIN
			     : buffer > REDIS_CONN_BUFFER_MAX ? REDIS_CONN_BUFFER_MAX
							      : buffer;
	r->conn.patience = PATIENCE;
	r->name = template_new(s->cfg->stream, why, sizeof why);
	if (r->name == NULL)
		fatal_config("sink %s: stream \"%s\": %s", s->cfg->name, s->cfg->stream, why);
	if (s->cfg->max_length > 0) {
		n = snprintf(number, sizeof number, "%lld", (long long)s->cfg->max_length);
		(void)snprintf(r->maxlen, sizeof r->maxlen,
		    "$6\r\nMAXLEN\r\n$1\r\n~\r\n$%d\r\n%s\r\n", n, number);
	}
	if (template_is_fixed(r->name)) {
		char key[CONFIG_LIST_TEXT];
		size_t len = template_run(r->name, bytes_of(NULL, 0), bytes_of(NULL, 0),
		    bytes_of(NULL, 0), key, sizeof key);

		r->fixed_len =
		    (size_t)(put_head(r, (uint8_t *)r->fixed, key, len) - (uint8_t *)r->fixed);
	}
	for (r->size = 1024; r->size < (uint64_t)s->cfg->in_flight + 1;)
		r->size *= 2;
	r->entry = xcalloc(r->size, sizeof *r->entry);
}

static void
start(struct sink *s)
{
	struct redis_stream *r = s->kind;

	redis_conn_start(&r->conn, s->base);
	sink_hold(s, true);
	redis_conn_open(&r->conn);
}

static void
attempt(struct sink *s)
{
	struct redis_stream *r = s->kind;

	if (r->conn.state == REDIS_CONN_CLOSED) {
		redis_conn_open(&r->conn);
		return;
	}
	if (redis_conn_is_ready(&r->conn)) {
		if (r->conn.written == r->conn.answered)
			sink_succeeded(s);
		else
			send_more(r);
	}
}

static void
tick(struct sink *s, uint64_t mono_ns)
{
	struct redis_stream *r = s->kind;

	(void)mono_ns;
	/* Closed, and nobody is going to call attempt(): a person closed the breaker. */
	if (r->conn.state == REDIS_CONN_CLOSED && sink_may_send(s) && !s->is_draining)
		redis_conn_open(&r->conn);
}

static void
stop(struct sink *s)
{
	struct redis_stream *r = s->kind;

	tell_done(r);
	redis_conn_close(&r->conn);
}

static bool
command(struct sink *s, const char *line, struct text_out *out)
{
	const struct redis_stream *r = s->kind;

	if (strcmp(line, "show redis") != 0)
		return false;
	redis_conn_show(&r->conn, out);
	text_add(out, "stream=%s max_length=%lld\n", s->cfg->stream,
	    (long long)s->cfg->max_length);
	text_add(out, "entries=%llu refused=%llu dead=%llu\n", (unsigned long long)r->sent,
	    (unsigned long long)r->refused, (unsigned long long)r->dead);
	return true;
}

const struct sink_ops redis_stream_sink_ops = {
    .kind = "redis-stream",
    .open_early = open_early,
    .start = start,
    .take = take,
    .flush = flush,
    .attempt = attempt,
    .tick = tick,
    .stop = stop,
    .command = command,
    .help = "show redis         connection, version, what is in flight, entries\n",
};
