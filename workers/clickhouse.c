/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse - the ClickHouse sink: batches of rows by HTTP, each with a token
 *
 * DESCRIPTION
 *	See docs/sinks/clickhouse.md for what it promises and
 *	clickhouse_parts.h for who does what.
 *
 * PROCESS
 *	Each sink of kind clickhouse.
 *
 * SHARED STATE
 *	None of its own; see sink.h.
 *
 * DIAGNOSTICS
 *	fatal: the password file cannot be read, a column is wrong, the batch
 *	files cannot be opened.
 */
#include "workers/clickhouse_parts.h"

#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct clickhouse *
of(const struct sink *s)
{
	return s->kind;
}

/*---- Beginning */

static void
read_password(struct clickhouse *ch, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd == -1)
		fatal("sink %s: password-file %s: %s", ch->s->cfg->name, path, strerror(errno));
	n = read(fd, ch->password, sizeof ch->password);
	if (n == -1)
		fatal("sink %s: password-file %s: %s", ch->s->cfg->name, path, strerror(errno));
	(void)close(fd);
	if ((size_t)n == sizeof ch->password)
		fatal("sink %s: password-file %s: more than %zu bytes", ch->s->cfg->name, path,
		    sizeof ch->password - 1);
	ch->password[n] = '\0';
	ch->password[strcspn(ch->password, "\r\n")] = '\0';
}

static void
open_early(struct sink *s)
{
	struct clickhouse *ch = xcalloc(1, sizeof *ch);

	s->kind = ch;
	ch->s = s;
	if (s->cfg->password_file[0] != '\0')
		read_password(ch, s->cfg->password_file);
}

static void
on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct clickhouse *ch = arg;

	(void)fd;
	(void)what;
	sink_woke(ch->s);
	clickhouse_send_go(ch);
}

static void
start(struct sink *s)
{
	struct clickhouse *ch = of(s);
	char why[256];

	ch->table = clickhouse_table_from_config(s->cfg, why, sizeof why);
	if (ch->table == NULL)
		fatal("sink %s: column: %s", s->cfg->name, why);
	ch->pack = clickhouse_pack_new();
	for (int i = 0; i < 2; i++) {
		clickhouse_batch_init(&ch->batch[i], (size_t)s->cfg->batch_events);
		ch->batch[i].table = ch->table;
	}
	ch->gather = &ch->batch[0];
	ch->kick = event_new(s->base, -1, 0, on_kick, ch);
	if (ch->kick == NULL)
		fatal("no memory");
	clickhouse_host_start(ch);
	clickhouse_again_start(ch);
	/* Say at once what is wrong with the server or its table. */
	(void)clickhouse_host_ready(ch);
}

/* Everything before the last batch that was sent is finished: it is on our disk. */
static bool
resume_at(struct sink *s, uint32_t stream, uint64_t *pos, uint64_t *seq)
{
	const struct clickhouse *ch = of(s);
	const struct clickhouse_descriptor *d = &ch->again.what;

	if (memcmp(d->instance, s->uuid, sizeof d->instance) != 0)
		return false;
	for (uint32_t i = 0; i < d->spans; i++)
		if (d->span[i].stream == stream) {
			*pos = d->span[i].done_pos;
			*seq = d->span[i].done_seq;
			return true;
		}
	return false;
}

/*---- Events */

/* The batch that gathers takes no more of these: it is due. */
static void
turn_over(struct clickhouse *ch)
{
	ch->is_due = true;
	event_active(ch->kick, 0, 0);
}

static void
refuse(struct clickhouse *ch, const struct sink_event *e, const struct rowbinary_fault *f)
{
	char type[ROWBINARY_TYPE_SIZE];

	if (f->column == NULL) {
		sink_refuse(ch->s, e, "too_large", "the event %s", f->why);
		return;
	}
	rowbinary_type_print(&f->column->type, type, sizeof type);
	sink_refuse(ch->s, e, "data_error", "%s: %.*s %s (column %s %s)", f->column->from,
	    f->value.len > 64 ? 64 : (int)f->value.len, (const char *)f->value.ptr, f->why,
	    f->column->name, type);
}

static enum sink_take
take(struct sink *s, const struct sink_event *e)
{
	struct clickhouse *ch = of(s);
	struct clickhouse_batch *b = ch->gather;
	struct rowbinary_fault fault = {0};

	if (e->is_again)
		return clickhouse_again_take(ch, e);
	if (b->is_again) {
		ch->again.idle_ticks = UINT32_MAX / 2; /* nothing of it comes any more */
		if (b->rows > 0) {
			turn_over(ch);
			return SINK_FULL;
		}
		clickhouse_batch_clear(b);
		b->table = ch->table;
		ch->again.is_on = false;
	}
	if (b->rows > 0 && b->is_replay != e->is_replay) {
		turn_over(ch);
		return SINK_FULL;
	}
	switch (clickhouse_batch_add(ch, b, e, s->cfg->batch_bytes, &fault)) {
	case CLICKHOUSE_ADDED:
		b->is_replay = e->is_replay;
		return SINK_TAKEN;
	case CLICKHOUSE_NO_ROOM:
		turn_over(ch);
		return SINK_FULL;
	default:
		refuse(ch, e, &fault);
		return SINK_REFUSED;
	}
}

static void
flush(struct sink *s)
{
	of(s)->is_due = true;
	clickhouse_send_go(of(s));
}

static void
attempt(struct sink *s)
{
	struct clickhouse *ch = of(s);

	ch->is_waiting = false;
	if (ch->call != NULL)
		return;
	if (clickhouse_host_ready(ch) && ch->sent == NULL)
		sink_succeeded(s); /* what failed was on our side */
	clickhouse_send_go(ch);
}

static void
tick(struct sink *s, uint64_t mono_ns)
{
	struct clickhouse *ch = of(s);

	(void)mono_ns;
	if (ch->again.is_on) {
		ch->again.idle_ticks++;
		ch->is_due = ch->is_due || clickhouse_again_is_complete(ch);
	}
	clickhouse_send_go(ch);
}

static void
stop(struct sink *s)
{
	struct clickhouse *ch = of(s);

	curl_loop_free(ch->loop);
	event_free(ch->kick);
	clickhouse_descriptor_close(&ch->file);
}

/* The next batch goes when these cursors are published, which is before the loop turns. */
static void
before_publish(struct sink *s)
{
	event_active(of(s)->kick, 0, 0);
}

/*---- What it answers */

static uint64_t
age_ms(uint64_t since_ns)
{
	return (clock_mono_ns() - since_ns) / CLOCK_NS_PER_MS;
}

static void
show_batch(struct clickhouse *ch, struct text_out *out)
{
	static const char *const call[] = {
	    "none", "probe", "create database", "create table", "insert"};
	const struct clickhouse_host *h = clickhouse_host_at(ch);
	const struct clickhouse_batch *b = ch->sent;

	text_add(out, "gathering: rows=%zu bytes=%zu due=%s\n", ch->gather->rows, ch->gather->len,
	    ch->is_due ? "yes" : "no");
	if (b == NULL)
		text_add(out, "in flight: none\n");
	else
		text_add(out,
		    "in flight: rows=%zu bytes=%zu parts=%u part=%u inserts=%u bad=%u "
		    "age_ms=%" PRIu64 " token=%s-%s-%016" PRIx64 "%016" PRIx64 "%s\n",
		    b->rows, b->len, b->parts, b->part_at, b->sent_inserts, b->bad_rows,
		    age_ms(b->sealed_ns), ch->s->instance, ch->s->cfg->name, b->token_hi,
		    b->token_lo, b->is_again ? " again" : "");
	text_add(out, "call: %s", call[ch->calling]);
	if (ch->call != NULL)
		text_add(out, " age_ms=%" PRIu64, age_ms(ch->called_ns));
	text_add(out,
	    "\nserver: %s ready=%s version=%s tokens=%s table_remembers=%s native=%s "
	    "async_insert=%s\n",
	    h->url, h->is_ready ? "yes" : "no", h->has.version[0] ? h->has.version : "-",
	    h->has.has_token ? "yes" : "no", h->has.keeps_tokens ? "yes" : "no",
	    h->has.has_native ? "yes" : "no", h->has.has_async ? "0" : "-");
	text_add(out, "inserts=%" PRIu64 " refused=%" PRIu64 " again=%" PRIu64 "%s%s\n",
	    ch->inserts, ch->refused, ch->again_batches, ch->why[0] ? " last refusal: " : "",
	    ch->why);
}

static void
show_columns(const struct clickhouse *ch, struct text_out *out)
{
	char type[ROWBINARY_TYPE_SIZE];

	text_add(out, "table %s.%s\n", ch->table->database, ch->table->name);
	for (size_t i = 0; i < rowbinary_columns(ch->table->rows); i++) {
		const struct rowbinary_column *c = rowbinary_column(ch->table->rows, i);

		rowbinary_type_print(&c->type, type, sizeof type);
		text_add(out, "%s %s from %s\n", c->name, type, c->from);
	}
}

static bool
command(struct sink *s, const char *line, struct text_out *out)
{
	if (strcmp(line, "show batch") == 0)
		show_batch(of(s), out);
	else if (strcmp(line, "show columns") == 0)
		show_columns(of(s), out);
	else
		return false;
	return true;
}

const struct sink_ops clickhouse_sink_ops = {
    .kind = "clickhouse",
    .open_early = open_early,
    .start = start,
    .take = take,
    .flush = flush,
    .attempt = attempt,
    .before_publish = before_publish,
    .resume_at = resume_at,
    .tick = tick,
    .stop = stop,
    .command = command,
    .help = "show batch                rows, bytes, age, token and server of the batches\n"
	    "show columns              columns of the table and what stands in them\n",
};
