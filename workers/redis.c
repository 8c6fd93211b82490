/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis - the claiming sink: which node had an event first, and the event cache
 *
 * DESCRIPTION
 *	For each event one `SET key instance:stream:position NX GET EX window`,
 *	a whole batch in one round trip.  The answer is nothing (the claim is
 *	made), our own value (it was made before we died), or another's: a late
 *	duplicate, which goes to the late list and is skipped by all sinks
 *	behind.  The claim's time to live is never refreshed.  A Redis before
 *	7.0 is asked with SET NX, then GET where the key exists.
 *
 *	The event is never held up for long and never lost: when Redis is not
 *	there, does not answer in time, or cannot say (the key holds something
 *	else), the event passes as if it were ours and is counted `unclaimed`.
 *	What was asked may have been written all the same; then it stands
 *	there as ours.
 *
 *	With `cache yes` a SET of the event's JSON goes before its claim, so that
 *	the claim's answer covers both.
 *
 * PROCESS
 *	The sink of kind redis.
 *
 * SHARED STATE
 *	Writes late_count and counters of its own part; reads the journal's log_end
 *	and log_first.
 */
#include "common/crashpoint.h"
#include "common/log.h"
#include "common/panic.h"
#include "shm/word.h"
#include "workers/late_list.h"
#include "workers/redis_claim.h"
#include "workers/redis_conn.h"
#include "workers/redis_key.h"
#include "workers/sink.h"
#include "workers/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_MIN  (16u * 1024 * 1024)
#define EXPIRE_EVERY_NS (10 * CLOCK_NS_PER_S)
#define PATIENCE	10

enum asked { ASKED_CLAIM = 0, ASKED_CACHE, ASKED_GET };

/* One for each command that is not answered. */
struct asked_entry {
	uint64_t ticket;
	uint64_t pos;
	uint32_t stream;
	uint8_t what; /* enum asked */
	bool is_replay;
};

struct redis_sink {
	struct sink *sink;
	struct redis_conn conn;
	struct late_writer *late;
	struct redis_claim words;
	char uuid[37];
	char probe_key[64 + 48];
	enum config_dedup_key key;

	struct asked_entry *asked; /* a ring */
	uint64_t size, first, last;
	bool wants_send;
	bool is_quiet; /* an idle connection was closed: opened again without a word */

	uint64_t run, run_n; /* neighbours that are done and not told yet */
	uint64_t claimed, unclaimed, cached; /* since the last telling */
	uint64_t late_added;
	uint64_t expire_at_ns;
	uint64_t lates, wrong_types; /* of this life, for people */
	enum redis_error trouble;    /* an answer that means the server is no use now */
	char trouble_text[128];
};

/*---------------------------------------------------------------- finished */

static void
tell_done(struct redis_sink *r)
{
	_Atomic uint64_t *c = r->sink->part->counter;

	if (r->run_n > 0)
		sink_done(r->sink, r->run, r->run_n);
	r->run_n = 0;
	if (r->claimed > 0)
		counters_add(c, counter_id(SINK, claimed), r->claimed);
	if (r->unclaimed > 0)
		counters_add(c, counter_id(SINK, unclaimed), r->unclaimed);
	if (r->cached > 0)
		counters_add(c, counter_id(SINK, cached), r->cached);
	r->claimed = r->unclaimed = r->cached = 0;
}

static void
done(struct redis_sink *r, uint64_t ticket)
{
	if (r->run_n > 0 && ticket == r->run + r->run_n) {
		r->run_n++;
		return;
	}
	if (r->run_n > 0)
		sink_done(r->sink, r->run, r->run_n);
	r->run = ticket;
	r->run_n = 1;
}

/* Another had it first. */
static void
late(struct redis_sink *r, const struct asked_entry *a)
{
	const struct journal_part *j = r->sink->worker->env->region->journal;
	uint32_t segment = layout_log_segment(word_load(&j->log_end));

	r->lates++;
	if (!a->is_replay) {
		if (late_writer_add(r->late, segment, a->stream, a->pos) == -1)
			worker_error(r->sink->worker,
			    "late list: %s: the sinks deliver late duplicates again",
			    strerror(errno));
		r->late_added++;
	}
	sink_late(r->sink, a->ticket);
}

static void
decide(struct redis_sink *r, const struct asked_entry *a, const struct redis_reply *reply)
{
	char ours[REDIS_KEY_VALUE_MAX];
	size_t len = redis_key_value(r->uuid, a->stream, a->pos, ours);

	if (bytes_is(reply->text, bytes_of(ours, len))) {
		r->claimed++;
		done(r, a->ticket);
	} else {
		late(r, a);
	}
}

/*---------------------------------------------------------------- commands */

static void
push(struct redis_sink *r, enum asked what, const struct sink_event *e)
{
	r->asked[r->last++ & (r->size - 1)] = (struct asked_entry){.ticket = e->ticket,
	    .pos = e->h.pos,
	    .stream = e->h.stream,
	    .what = (uint8_t)what,
	    .is_replay = e->is_replay};
}

/* Whose is the key that SET NX found taken?  It stands in that command. */
static void
ask_who(struct redis_sink *r, const struct asked_entry *a, struct bytes command)
{
	uint8_t get[REDIS_CLAIM_GET_MAX], *at;
	size_t len = redis_claim_get(get, command); /* first: the buffer may move then */

	at = redis_conn_room(&r->conn, len);
	if (at == NULL) {
		r->unclaimed++;
		done(r, a->ticket);
		return;
	}
	(void)redis_conn_put(at, get, len);
	redis_conn_wrote(&r->conn, len);
	r->asked[r->last++ & (r->size - 1)] = (struct asked_entry){.ticket = a->ticket,
	    .pos = a->pos,
	    .stream = a->stream,
	    .what = ASKED_GET,
	    .is_replay = a->is_replay};
	r->wants_send = true;
}

static enum sink_take
take(struct sink *s, const struct sink_event *e)
{
	struct redis_sink *r = s->kind;
	char key[REDIS_KEY_MAX];
	size_t len, room;
	uint8_t *at, *begin;

	if (!redis_conn_is_ready(&r->conn) || !sink_may_send(s))
		goto pass;
	len = redis_key_claim(&e->h, e->body, r->key, key);
	if (len == 0)
		goto pass;
	room = REDIS_CLAIM_MAX;
	if (s->cfg->cache)
		room += REDIS_CLAIM_MAX + e->body.len;
	at = redis_conn_room(&r->conn, room);
	if (at == NULL) {
		if (redis_conn_unanswered(&r->conn) > 0)
			return SINK_FULL;
		goto pass;
	}
	if (s->cfg->cache) {
		begin = at;
		at = redis_claim_cache(&r->words, at, &e->h, e->body);
		redis_conn_wrote(&r->conn, (size_t)(at - begin));
		push(r, ASKED_CACHE, e);
	}
	begin = at;
	at = redis_claim_put(&r->words, r->conn.is_old, at, &e->h, key, len);
	redis_conn_wrote(&r->conn, (size_t)(at - begin));
	push(r, ASKED_CLAIM, e);
	return SINK_TAKEN;
pass:
	r->unclaimed++;
	done(r, e->ticket);
	tell_done(r);
	return SINK_TAKEN;
}

static void
flush(struct sink *s)
{
	struct redis_sink *r = s->kind;

	r->wants_send = !redis_conn_send(&r->conn) && redis_conn_is_ready(&r->conn);
	if (r->last != r->first)
		CRASHPOINT("redis-sent");
}

/*----------------------------------------------------------------- answers */

/* What is asked for and cannot be had: the event passes; a trouble of the server as a
 * whole ends the connection when all its answers are read. */
static void
refused(struct redis_sink *r, const struct asked_entry *a, const struct redis_reply *reply)
{
	enum redis_error what = redis_conn_error(reply->text);

	if (what == REDIS_ERROR_WRONGTYPE || what == REDIS_ERROR_TOO_LARGE) {
		r->wrong_types++;
	} else if (r->trouble_text[0] == '\0') {
		r->trouble = what;
		(void)snprintf(r->trouble_text, sizeof r->trouble_text, "%.*s",
		    (int)(reply->text.len < 100 ? reply->text.len : 100),
		    (const char *)reply->text.ptr);
	}
	if (a->what == ASKED_CACHE)
		return;
	r->unclaimed++;
	done(r, a->ticket);
}

static void
on_reply(struct redis_conn *c, const struct redis_reply *reply, struct bytes command)
{
	struct redis_sink *r = c->owner;
	struct asked_entry a = r->asked[r->first++ & (r->size - 1)];

	CRASHPOINT("redis-answered");
	if (reply->kind == REDIS_REPLY_IS_ERROR) {
		refused(r, &a, reply);
		return;
	}
	switch ((enum asked)a.what) {
	case ASKED_CACHE:
		r->cached++;
		return;
	case ASKED_CLAIM:
		if (c->is_old && reply->kind == REDIS_REPLY_IS_NIL) {
			ask_who(r, &a, command);
			return;
		}
		if (reply->kind == REDIS_REPLY_IS_STRING) {
			decide(r, &a, reply);
			return;
		}
		r->claimed++; /* nil, or OK of an old one */
		break;
	case ASKED_GET:
		if (reply->kind == REDIS_REPLY_IS_STRING) {
			decide(r, &a, reply);
			return;
		}
		r->unclaimed++; /* it expired between the two */
		break;
	}
	done(r, a.ticket);
}

static void
on_batch(struct redis_conn *c, uint64_t commands, uint64_t bytes)
{
	struct redis_sink *r = c->owner;

	sink_count_batch(r->sink, r->sink->cfg->cache ? commands / 2 : commands, bytes, bytes);
}

static void
on_read(struct redis_conn *c)
{
	struct redis_sink *r = c->owner;

	tell_done(r);
	if (r->trouble_text[0] != '\0') {
		redis_conn_fail(c,
		    r->trouble == REDIS_ERROR_SETUP ? REDIS_LOST_SETUP : REDIS_LOST_FAILED,
		    "%s: %s", redis_conn_where(c), r->trouble_text);
		return;
	}
	if (r->wants_send)
		r->wants_send = !redis_conn_send(c) && redis_conn_is_ready(c);
}

static void
on_ready(struct redis_conn *c)
{
	struct redis_sink *r = c->owner;

	if (c->connects == 1 || !r->is_quiet)
		log_line(LOG_LEVEL_NOTICE, "connected: %s version=%s%s", redis_conn_where(c),
		    c->version, c->is_old ? " (two round trips where a key exists)" : "");
	r->is_quiet = false;
	sink_hold(r->sink, false);
	sink_succeeded(r->sink);
}

/* All that waits passes. */
static uint64_t
pass_all(struct redis_sink *r)
{
	uint64_t passed = 0;

	for (; r->first != r->last; r->first++) {
		const struct asked_entry *a = &r->asked[r->first & (r->size - 1)];

		if (a->what == ASKED_CACHE)
			continue;
		r->unclaimed++;
		passed++;
		done(r, a->ticket);
	}
	tell_done(r);
	redis_conn_drop(&r->conn);
	r->wants_send = false;
	r->trouble_text[0] = '\0';
	return passed;
}

static void
on_lost(struct redis_conn *c, enum redis_lost why, const char *text)
{
	struct redis_sink *r = c->owner;
	struct sink *s = r->sink;
	bool is_idle = r->first == r->last && c->connects > 0 && !r->is_quiet &&
		       why == REDIS_LOST_FAILED && r->trouble_text[0] == '\0' && sink_may_send(s);

	(void)pass_all(r);
	if (is_idle) {
		/* Restarted, or tired of an idle client: once without a word. */
		r->is_quiet = true;
		sink_hold(s, true);
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
	struct redis_sink *r = c->owner;

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

/* Here, because the number must stand in the part before the cursors do: who finds
 * cursors of this region there cuts the list to it. */
static void
open_late_list(struct redis_sink *r)
{
	struct sink *s = r->sink;
	const struct worker_env *env = s->worker->env;
	bool is_known =
	    word_load(&s->part->ready_generation) == env->region->header->generation;
	uint64_t count = 0;

	r->late = late_writer_open(
	    s->dirfd, is_known ? word_load(&s->part->late_count) : UINT64_MAX, &count);
	if (r->late == NULL)
		fatal("sinks/%s/late: %s", s->cfg->name, strerror(errno));
	if ((env->uid != (uid_t)-1 || env->gid != (gid_t)-1) &&
	    fchownat(s->dirfd, "late", env->uid, env->gid, AT_SYMLINK_NOFOLLOW) == -1)
		fatal("sinks/%s/late: cannot be given to the user of the stages: %s", s->cfg->name,
		    strerror(errno));
	word_store(&s->part->late_count, count);
}

static void
open_early(struct sink *s)
{
	struct redis_sink *r = xcalloc(1, sizeof *r);
	const struct config *cfg = s->worker->env->cfg;
	size_t buffer = 16 * s->cfg->batch_bytes;

	s->kind = r;
	r->sink = s;
	redis_conn_init(&r->conn, s->cfg, &conn_ops, r);
	redis_conn_secret(&r->conn);
	r->conn.buffer_max = buffer < BUFFER_MIN ? BUFFER_MIN
			     : buffer > REDIS_CONN_BUFFER_MAX ? REDIS_CONN_BUFFER_MAX
							      : buffer;
	r->conn.patience = PATIENCE;
	redis_key_uuid(s->uuid, r->uuid);
	(void)snprintf(r->probe_key, sizeof r->probe_key, "%sprobe:%s", s->cfg->prefix, r->uuid);
	r->conn.probe_key = r->probe_key;
	r->key = cfg->dedup.key;
	redis_claim_init(&r->words, s->cfg, cfg->dedup.window_ms, r->uuid);
	/* An event has two commands at the most. */
	for (r->size = 1024; r->size < 2 * (uint64_t)s->cfg->in_flight + 2;)
		r->size *= 2;
	r->asked = xcalloc(r->size, sizeof *r->asked);
	open_late_list(r);
}

static void
start(struct sink *s)
{
	struct redis_sink *r = s->kind;

	redis_conn_start(&r->conn, s->base);
	/* Events wait for the first connection, but not for the second attempt. */
	sink_hold(s, true);
	redis_conn_open(&r->conn);
}

static void
attempt(struct sink *s)
{
	struct redis_sink *r = s->kind;

	if (redis_conn_is_ready(&r->conn))
		sink_succeeded(s);
	else if (r->conn.state == REDIS_CONN_CLOSED)
		redis_conn_open(&r->conn);
}

static void
before_publish(struct sink *s)
{
	struct redis_sink *r = s->kind;

	if (r->late_added == 0)
		return;
	/* What the disk does not take now is published with a later turn. */
	word_store(&s->part->late_count, late_writer_flush(r->late));
	r->late_added = 0;
}

static int
sync_list(struct sink *s)
{
	struct redis_sink *r = s->kind;

	word_store(&s->part->late_count, late_writer_flush(r->late));
	return late_writer_sync(r->late);
}

static void
tick(struct sink *s, uint64_t mono_ns)
{
	struct redis_sink *r = s->kind;
	const struct journal_part *j = s->worker->env->region->journal;

	/* Closed, and nobody is going to call attempt(): a person closed the breaker. */
	if (r->conn.state == REDIS_CONN_CLOSED && sink_may_send(s) && !s->is_draining)
		redis_conn_open(&r->conn);
	if (mono_ns < r->expire_at_ns)
		return;
	r->expire_at_ns = mono_ns + EXPIRE_EVERY_NS;
	late_writer_expire(r->late, (uint32_t)word_load(&j->log_first));
}

static void
stop(struct sink *s)
{
	struct redis_sink *r = s->kind;

	tell_done(r);
	redis_conn_close(&r->conn);
}

static bool
command(struct sink *s, const char *line, struct text_out *out)
{
	const struct redis_sink *r = s->kind;
	const struct redis_conn *c = &r->conn;

	if (strcmp(line, "show redis") != 0)
		return false;
	redis_conn_show(c, out);
	text_add(out, "asks=%s key=%s window_ms=%lld cache=%s\n",
	    c->is_old ? "SET-NX,GET" : "SET-NX-GET",
	    r->key == CONFIG_DEDUP_KEY_TUPLE ? "tuple" : "id-or-tuple",
	    (long long)s->worker->env->cfg->dedup.window_ms, s->cfg->cache ? "yes" : "no");
	text_add(out, "claimed=%llu unclaimed=%llu cached=%llu late=%llu late_list=%llu "
		      "wrong_type=%llu\n",
	    (unsigned long long)counters_get(s->part->counter, counter_id(SINK, claimed)),
	    (unsigned long long)counters_get(s->part->counter, counter_id(SINK, unclaimed)),
	    (unsigned long long)counters_get(s->part->counter, counter_id(SINK, cached)),
	    (unsigned long long)r->lates,
	    (unsigned long long)word_load(&s->part->late_count),
	    (unsigned long long)r->wrong_types);
	return true;
}

const struct sink_ops redis_sink_ops = {
    .kind = "redis",
    .open_early = open_early,
    .start = start,
    .take = take,
    .flush = flush,
    .attempt = attempt,
    .sync = sync_list,
    .before_publish = before_publish,
    .tick = tick,
    .stop = stop,
    .command = command,
    .help = "show redis         connection, version, what is in flight, claims\n",
    .is_claimer = true,
};
