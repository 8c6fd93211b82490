/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_descriptor - which events a batch holds, on the disk before it is sent
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_descriptor.h"

#include "common/crc32c.h"
#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC    UINT64_C(0x3142434843554c53) /* "SLUCHCB1" */
#define VERSION  1
#define LEN_MAX  (256u << 20)
#define SPAN_LEN 48

struct head {
	uint64_t finished, zero;
	uint64_t magic;
	uint32_t crc; /* of what is behind it, len bytes from the file's start in all */
	uint32_t len;
	uint32_t version, encoder;
	uint64_t serial;
	uint8_t instance[16];
	uint64_t token_lo, token_hi;
	uint64_t rows;
	uint32_t streams, table_len;
};

_Static_assert(sizeof(struct head) == 96, "the file's head");
#define CRC_FROM (offsetof(struct head, crc) + sizeof(uint32_t))

/*---- In memory */

void
clickhouse_descriptor_clear(struct clickhouse_descriptor *d)
{
	d->spans = 0;
	d->runs = 0;
	d->rows = 0;
	d->is_finished = false;
}

void
clickhouse_descriptor_free(struct clickhouse_descriptor *d)
{
	free(d->run);
	free(d->table);
	memset(d, 0, sizeof *d);
}

static void *
grow(void *old, size_t *size, size_t want, size_t each)
{
	void *p;

	if (want <= *size)
		return old;
	*size = want < 2 * *size ? 2 * *size : want;
	p = realloc(old, *size * each);
	if (p == NULL)
		fatal("no memory for a batch's descriptor");
	return p;
}

struct clickhouse_span *
clickhouse_descriptor_span(struct clickhouse_descriptor *d, uint32_t stream)
{
	struct clickhouse_span *s;

	assert_that(d->spans < CLICKHOUSE_DESCRIPTOR_STREAMS);
	s = &d->span[d->spans++];
	memset(s, 0, sizeof *s);
	s->stream = stream;
	s->first_run = (uint32_t)d->runs;
	return s;
}

void
clickhouse_descriptor_add(struct clickhouse_descriptor *d, uint64_t seq)
{
	struct clickhouse_span *s = &d->span[d->spans - 1];

	d->rows++;
	if (s->runs > 0 && d->run[d->runs - 1].to == seq) {
		d->run[d->runs - 1].to++;
		return;
	}
	d->run = grow(d->run, &d->runs_size, d->runs + 1, sizeof *d->run);
	d->run[d->runs++] = (struct clickhouse_run){seq, seq + 1};
	s->runs++;
}

void
clickhouse_descriptor_table(struct clickhouse_descriptor *d, const char *text, size_t len)
{
	free(d->table);
	d->table = xcalloc(1, len + 1);
	memcpy(d->table, text, len);
	d->table_len = len;
}

/*---- As bytes */

static size_t
put_number(uint8_t *at, uint64_t v)
{
	size_t n = 0;

	while (v >= 0x80) {
		at[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	at[n++] = (uint8_t)v;
	return n;
}

static bool
get_number(const uint8_t **at, const uint8_t *end, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
		uint8_t b = *(*at)++;

		*v |= (uint64_t)(b & 0x7f) << shift;
		if ((b & 0x80) == 0)
			return true;
	}
	return false;
}

static uint8_t *
put_span(uint8_t *at, const struct clickhouse_descriptor *d, const struct clickhouse_span *s)
{
	const struct clickhouse_run *run = &d->run[s->first_run];
	uint64_t word[5] = {
	    s->done_pos, s->done_seq, s->from, s->to, s->runs > 0 ? run[0].from : 0};
	uint64_t at_seq = word[4];

	memcpy(at, &s->stream, 4);
	memcpy(at + 4, &s->runs, 4);
	memcpy(at + 8, word, sizeof word);
	at += SPAN_LEN;
	for (uint32_t i = 0; i < s->runs; i++) {
		at += put_number(at, run[i].from - at_seq);
		at += put_number(at, run[i].to - run[i].from);
		at_seq = run[i].to;
	}
	return at;
}

size_t
clickhouse_descriptor_encode(const struct clickhouse_descriptor *d, uint8_t **buf, size_t *size)
{
	struct head h = {.magic = MAGIC,
	    .version = VERSION,
	    .encoder = d->encoder,
	    .serial = d->serial,
	    .token_lo = d->token_lo,
	    .token_hi = d->token_hi,
	    .rows = d->rows,
	    .streams = d->spans,
	    .table_len = (uint32_t)d->table_len};
	uint8_t *at;

	*buf = grow(
	    *buf, size, sizeof h + d->table_len + d->spans * (size_t)SPAN_LEN + d->runs * 20, 1);
	memcpy(h.instance, d->instance, sizeof h.instance);
	at = *buf + sizeof h;
	if (d->table_len > 0)
		memcpy(at, d->table, d->table_len);
	at += d->table_len;
	for (uint32_t i = 0; i < d->spans; i++)
		at = put_span(at, d, &d->span[i]);
	h.len = (uint32_t)(at - *buf);
	memcpy(*buf, &h, sizeof h);
	h.crc = crc32c(0, *buf + CRC_FROM, h.len - CRC_FROM);
	memcpy(*buf, &h, sizeof h);
	return h.len;
}

static bool
get_span(struct clickhouse_descriptor *d, const uint8_t **at, const uint8_t *end)
{
	struct clickhouse_span *s;
	uint64_t word[5], skip, take, seq;
	uint32_t stream, runs;

	if (end - *at < SPAN_LEN)
		return false;
	memcpy(&stream, *at, 4);
	memcpy(&runs, *at + 4, 4);
	memcpy(word, *at + 8, sizeof word);
	*at += SPAN_LEN;
	if (stream >= CLICKHOUSE_DESCRIPTOR_STREAMS || word[2] > word[3] ||
	    runs > (uint64_t)(end - *at) / 2)
		return false;
	s = clickhouse_descriptor_span(d, stream);
	s->done_pos = word[0];
	s->done_seq = word[1];
	s->from = word[2];
	s->to = word[3];
	seq = word[4];
	d->run = grow(d->run, &d->runs_size, d->runs + runs, sizeof *d->run);
	for (uint32_t i = 0; i < runs; i++) {
		if (!get_number(at, end, &skip) || !get_number(at, end, &take) || take == 0 ||
		    skip > UINT64_MAX / 4 || take > UINT64_MAX / 4 || seq > UINT64_MAX / 4)
			return false;
		d->run[d->runs++] = (struct clickhouse_run){seq + skip, seq + skip + take};
		seq += skip + take;
		d->rows += take;
	}
	s->runs = runs;
	return true;
}

bool
clickhouse_descriptor_decode(struct clickhouse_descriptor *d, const uint8_t *at, size_t len)
{
	struct head h;
	const uint8_t *end;

	clickhouse_descriptor_clear(d);
	if (len < sizeof h)
		return false;
	memcpy(&h, at, sizeof h);
	if (h.magic != MAGIC || h.version != VERSION || h.len < sizeof h || h.len > len ||
	    h.crc != crc32c(0, at + CRC_FROM, h.len - CRC_FROM) ||
	    h.streams > CLICKHOUSE_DESCRIPTOR_STREAMS || h.table_len > h.len - sizeof h)
		return false;
	end = at + h.len;
	clickhouse_descriptor_table(d, (const char *)at + sizeof h, h.table_len);
	at += sizeof h + h.table_len;
	for (uint32_t i = 0; i < h.streams; i++)
		if (!get_span(d, &at, end))
			return false;
	d->serial = h.serial;
	memcpy(d->instance, h.instance, sizeof d->instance);
	d->token_lo = h.token_lo;
	d->token_hi = h.token_hi;
	d->encoder = h.encoder;
	d->is_finished = h.finished == h.serial;
	return at == end && d->rows == h.rows;
}

/*---- On the disk */

static const char *const names[2] = {"batch-0", "batch-1"};

static int
read_slot(
    struct clickhouse_descriptor_file *f, int i, struct clickhouse_descriptor *d, bool *is_whole)
{
	struct stat st;
	ssize_t n;

	*is_whole = false;
	if (fstat(f->fd[i], &st) == -1)
		return -1;
	if (st.st_size == 0 || st.st_size > LEN_MAX)
		return 0;
	f->buf = grow(f->buf, &f->size, (size_t)st.st_size, 1);
	n = pread(f->fd[i], f->buf, (size_t)st.st_size, 0);
	if (n == -1)
		return -1;
	*is_whole = clickhouse_descriptor_decode(d, f->buf, (size_t)n);
	return 0;
}

int
clickhouse_descriptor_open(
    struct clickhouse_descriptor_file *f, int dirfd, struct clickhouse_descriptor *d, bool *has_one)
{
	uint64_t serial[2] = {0, 0};
	bool is_whole = false;

	memset(f, 0, sizeof *f);
	f->dirfd = dirfd;
	f->fd[0] = f->fd[1] = -1;
	*has_one = false;
	for (int i = 0; i < 2; i++) {
		f->fd[i] = openat(dirfd, names[i], O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
		if (f->fd[i] == -1 || read_slot(f, i, d, &is_whole) == -1)
			return -1;
		if (is_whole)
			serial[i] = d->serial;
		/* The serial says which file is its own: even 0, odd 1. */
		if (is_whole && (int)(d->serial % 2) != i)
			serial[i] = 0;
	}
	f->serial = serial[0] > serial[1] ? serial[0] : serial[1];
	if (f->serial == 0)
		return fsync(dirfd);
	if (read_slot(f, (int)(f->serial % 2), d, has_one) == -1)
		return -1;
	return 0;
}

void
clickhouse_descriptor_close(struct clickhouse_descriptor_file *f)
{
	for (int i = 0; i < 2; i++)
		if (f->fd[i] != -1)
			(void)close(f->fd[i]);
	f->fd[0] = f->fd[1] = -1;
	free(f->buf);
	f->buf = NULL;
	f->size = 0;
}

int
clickhouse_descriptor_write(struct clickhouse_descriptor_file *f, struct clickhouse_descriptor *d)
{
	size_t len, off = 0;
	int fd;

	/* A number that failed is not used again: its file may be half of anything. */
	d->serial = ++f->serial;
	fd = f->fd[d->serial % 2];
	len = clickhouse_descriptor_encode(d, &f->buf, &f->size);
	while (off < len) {
		ssize_t n = pwrite(fd, f->buf + off, len - off, (off_t)off);

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		off += (size_t)n;
	}
	return fdatasync(fd);
}

int
clickhouse_descriptor_finish(struct clickhouse_descriptor_file *f)
{
	uint64_t word = f->serial;

	if (f->serial == 0)
		return 0;
	return pwrite(f->fd[word % 2], &word, sizeof word, 0) == sizeof word ? 0 : -1;
}
