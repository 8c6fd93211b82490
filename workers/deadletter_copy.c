/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_copy - copies of dead letters elsewhere, each at its own pace
 *
 * PROCESS
 *	deadletter.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_copy.h"

#include "common/crc32c.h"
#include "common/panic.h"
#include "workers/log_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MIN_NS CLOCK_NS_PER_S
#define PAUSE_MAX_NS (30 * CLOCK_NS_PER_S)
#define BATCH_BYTES  (4u << 20)
#define COPIES       2

struct deadletter_copies {
	struct deadletter_copy *at[COPIES];
	size_t n;
};

/*---------------------------------------------------------------------------*
 * Cursors
 *---------------------------------------------------------------------------*/

struct file {
	uint32_t crc; /* of what follows */
	uint32_t n;
	struct deadletter_copy_cursor cursor[DEADLETTER_INDEX_STAGES]; /* n of them */
};

static uint32_t
crc_of(const struct file *f, size_t len)
{
	return crc32c(0, &f->n, len - offsetof(struct file, n));
}

static size_t
len_of(uint32_t n)
{
	return offsetof(struct file, cursor) + n * sizeof(struct deadletter_copy_cursor);
}

static void
name_of(const struct deadletter_copy *c, const char *suffix, char name[32])
{
	(void)snprintf(name, 32, "copy.%s%s", c->ops->name, suffix);
}

/* One that cannot be read: from the beginning, so that copies come twice and not never. */
static void
load(struct deadletter_copy *c)
{
	static struct file f;
	char name[32];
	ssize_t len;
	int fd;

	name_of(c, "", name);
	c->is_loaded = true;
	if ((fd = openat(c->d->index.dirfd, name, O_RDONLY | O_CLOEXEC)) == -1)
		return;
	len = pread(fd, &f, sizeof f, 0);
	if (len >= (ssize_t)len_of(0) && f.crc == crc_of(&f, (size_t)len) &&
	    f.n <= DEADLETTER_INDEX_STAGES && (size_t)len >= len_of(f.n)) {
		memcpy(c->cursor, f.cursor, sizeof c->cursor);
		c->cursors = f.n;
	} else {
		worker_error(c->d->w, "%s cannot be read: all is copied again", name);
	}
	(void)close(fd);
}

static int
save(struct deadletter_copy *c)
{
	static struct file f;
	char name[32], new[32];
	int fd, rc;

	memset(&f, 0, sizeof f);
	f.n = (uint32_t)c->nexts;
	memcpy(f.cursor, c->next, c->nexts * sizeof c->next[0]);
	f.crc = crc_of(&f, len_of(f.n));
	name_of(c, "", name);
	name_of(c, ".new", new);
	fd = openat(c->d->index.dirfd, new, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
	if (fd == -1)
		return -1;
	rc = log_dir_write(fd, &f, len_of(f.n), 0) == 0 && fsync(fd) == 0 ? 0 : -1;
	(void)close(fd);
	if (rc == 0)
		rc = renameat(c->d->index.dirfd, new, c->d->index.dirfd, name);
	return rc;
}

/* The place for a stage among the next ones; NULL: too many stages. */
static struct deadletter_copy_cursor *
next_of(struct deadletter_copy *c, const char *stage)
{
	size_t i = 0;

	while (i < c->nexts && strcmp(c->next[i].stage, stage) != 0)
		i++;
	if (i == DEADLETTER_INDEX_STAGES)
		return NULL;
	if (i == c->nexts) {
		memset(&c->next[i], 0, sizeof c->next[i]);
		(void)snprintf(c->next[i].stage, sizeof c->next[i].stage, "%s", stage);
		c->nexts++;
	}
	return &c->next[i];
}

/*---------------------------------------------------------------------------*
 * Batches
 *---------------------------------------------------------------------------*/

struct batch {
	struct text_out text[DEADLETTER_COPY_BATCH];
	size_t n, bytes;
};

static void
add(struct deadletter_copy *c, struct batch *b, struct deadletter_ref ref)
{
	const struct deadletter_entry *e = deadletter_index_entry(&c->d->index, ref);
	struct deadletter_view v = {.instance = c->d->instance};
	struct deadletter_record r;
	struct deadletter_file f;

	deadletter_index_id(&c->d->index, ref, v.id);
	v.over = (enum deadletter_over)e->over;
	if (deadletter_index_read(&c->d->index, ref, &f, &r) == DEADLETTER_FILE_OK) {
		text_init(&b->text[b->n], 512u << 20);
		deadletter_json(&b->text[b->n], &v, &r, true);
		b->bytes += b->text[b->n].len;
		b->n++;
	}
	deadletter_file_close(&f);
}

/* What stands behind the cursors, as much as a batch holds. */
static void
gather(struct deadletter_copy *c, struct batch *b)
{
	const struct deadletter_index *ix = &c->d->index;
	struct deadletter_ref ref;

	memcpy(c->next, c->cursor, sizeof c->next);
	c->nexts = c->cursors;
	for (ref.stage = 0; ref.stage < ix->stages; ref.stage++) {
		const struct deadletter_index_stage *s = &ix->stage[ref.stage];
		struct deadletter_copy_cursor *at = next_of(c, s->name);

		for (ref.file = 0; at != NULL && ref.file < s->n; ref.file++) {
			const struct deadletter_index_file *f = &s->file[ref.file];

			if (f->number < at->file)
				continue;
			for (ref.entry = 0; ref.entry < f->n; ref.entry++) {
				if (f->number == at->file && f->entry[ref.entry].off < at->off)
					continue;
				if (b->n == DEADLETTER_COPY_BATCH || b->bytes > BATCH_BYTES)
					return;
				add(c, b, ref);
				at->file = f->number;
				at->off = f->entry[ref.entry].off + f->entry[ref.entry].len;
			}
		}
	}
}

/* Is there anything behind the cursors?  One look at each stage's newest file. */
static bool
has_more(const struct deadletter_copy *c)
{
	const struct deadletter_index *ix = &c->d->index;

	for (size_t i = 0; i < ix->stages; i++) {
		const struct deadletter_index_stage *s = &ix->stage[i];
		const struct deadletter_index_file *f;
		size_t k = 0;

		for (f = s->n == 0 ? NULL : &s->file[s->n - 1]; f > s->file && f->n == 0;)
			f--;
		if (f == NULL || f->n == 0)
			continue;
		while (k < c->cursors && strcmp(c->cursor[k].stage, s->name) != 0)
			k++;
		if (k == c->cursors || c->cursor[k].file < f->number ||
		    (c->cursor[k].file == f->number && c->cursor[k].off < f->off))
			return true;
	}
	return false;
}

static void
settle(struct deadletter_copy *c, enum deadletter_copy_result result)
{
	c->is_pending = result == COPY_PENDING;
	if (result == COPY_PENDING)
		return;
	if (result == COPY_DONE && save(c) == -1) {
		(void)snprintf(c->why, sizeof c->why, "its cursor: %s", strerror(errno));
		result = COPY_FAILED;
	}
	if (result == COPY_DONE) {
		memcpy(c->cursor, c->next, sizeof c->cursor);
		c->cursors = c->nexts;
		c->copied += c->batch;
		c->pause_ns = 0;
		return;
	}
	c->failures++;
	c->pause_ns = c->pause_ns == 0 ? PAUSE_MIN_NS : c->pause_ns * 2;
	if (c->pause_ns > PAUSE_MAX_NS)
		c->pause_ns = PAUSE_MAX_NS;
	c->retry_at_ns = clock_mono_ns() + c->pause_ns;
	worker_error(c->d->w, "copy of dead letters to %s: %s", c->ops->name, c->why);
}

static void
tick(struct deadletter_copy *c)
{
	static struct batch b;
	static struct bytes text[DEADLETTER_COPY_BATCH];

	if (!c->is_loaded)
		load(c);
	if (c->is_pending) {
		settle(c, c->ops->poll(c));
		return;
	}
	if (clock_mono_ns() < c->retry_at_ns || !has_more(c))
		return;
	b.n = b.bytes = 0;
	gather(c, &b);
	for (size_t i = 0; i < b.n; i++)
		text[i] = bytes_of(b.text[i].buf, b.text[i].len);
	c->batch = b.n;
	worker_blocked(c->d->w, "a copy");
	settle(c, b.n == 0 ? COPY_DONE : c->ops->send(c, text, b.n));
	worker_unblocked(c->d->w);
	for (size_t i = 0; i < b.n; i++)
		text_free(&b.text[i]);
}

/*---------------------------------------------------------------------------*
 * Interface
 *---------------------------------------------------------------------------*/

static void
read_password(struct deadletter_copy *c, const char *path)
{
	FILE *f;

	if (path[0] == '\0')
		return;
	if ((f = fopen(path, "re")) == NULL || fgets(c->password, sizeof c->password, f) == NULL)
		fatal("deadletter: copy-redis-password-file %s: %s", path,
		    f == NULL ? strerror(errno) : "it is empty");
	(void)fclose(f);
	c->password[strcspn(c->password, "\r\n")] = '\0';
}

static struct deadletter_copy *new (
    struct deadletter_stage *d, const struct deadletter_copy_ops *ops)
{
	struct deadletter_copy *c = xcalloc(1, sizeof *c);

	c->ops = ops;
	c->d = d;
	c->cfg = d->cfg;
	if (d->copies == NULL)
		d->copies = xcalloc(1, sizeof *d->copies);
	d->copies->at[d->copies->n++] = c;
	return c;
}

void
deadletter_copy_open(struct deadletter_stage *d)
{
	if (d->cfg->copy_redis[0] != '\0')
		read_password(
		    new (d, &deadletter_copy_redis_ops), d->cfg->copy_redis_password_file);
	if (d->cfg->copy_kafka[0] != '\0')
		(void)new (d, &deadletter_copy_kafka_ops);
}

void
deadletter_copy_tick(struct deadletter_stage *d)
{
	for (size_t i = 0; d->copies != NULL && i < d->copies->n; i++)
		tick(d->copies->at[i]);
}

void
deadletter_copy_stop(struct deadletter_stage *d)
{
	for (size_t i = 0; d->copies != NULL && i < d->copies->n; i++)
		d->copies->at[i]->ops->stop(d->copies->at[i]);
}

void
deadletter_copy_show(const struct deadletter_stage *d, struct text_out *out)
{
	for (size_t i = 0; d->copies != NULL && i < d->copies->n; i++) {
		const struct deadletter_copy *c = d->copies->at[i];

		text_add(out, "copy %s_copied=%" PRIu64 " failures=%" PRIu64 " behind=%d%s%s\n",
		    c->ops->name, c->copied, c->failures, has_more(c),
		    c->pause_ns == 0 ? "" : " trouble=", c->pause_ns == 0 ? "" : c->why);
	}
}
