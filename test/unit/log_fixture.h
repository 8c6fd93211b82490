/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_fixture - a log of the test's own, written by the real writer
 *
 * DESCRIPTION
 *	Streams hold events whose body is "STREAM SEQ" and some filling, so that
 *	whatever a reader yields can be checked against its position.
 */
#ifndef TEST_LOG_FIXTURE_H
#define TEST_LOG_FIXTURE_H

#include "common/panic.h"
#include "workers/log_reader.h"
#include "workers/log_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define LF_STREAMS 3

struct lf {
	char dir[64];
	int dirfd;
	struct log_writer w;
	struct log_stream stream[LOG_STREAMS];
	uint8_t buf[LF_STREAMS][65536];
};

/* What a reader yielded. */
struct lf_seen {
	uint64_t events[LF_STREAMS];
	uint64_t last_seq[LF_STREAMS]; /* + 1 */
	uint64_t end[LF_STREAMS];
	uint64_t bad;     /* events that are not what their place says, or out of order */
	uint64_t corrupt; /* ranges */
	uint64_t corrupt_positions;
	uint64_t gaps;
	struct log_scan tail;
	struct log_reader_stats stats;
};

static inline void
lf_open_writer(struct lf *f, const struct log_writer_place *place)
{
	struct log_writer_params p = {.dirfd = f->dirfd,
	    .segment_bytes = 1 << 20,
	    .generation = 7,
	    .ring_capacity = 1 << 20,
	    .slots = LF_STREAMS,
	    .no_spare = true};

	memset(p.instance, 0xab, sizeof p.instance);
	log_writer_init(&f->w, &p, place, f->stream);
}

static inline struct lf *
lf_new(void)
{
	struct lf *f = xcalloc(1, sizeof *f);

	(void)snprintf(f->dir, sizeof f->dir, "/dev/shm/lf.XXXXXX");
	if (mkdtemp(f->dir) == NULL) {
		(void)snprintf(f->dir, sizeof f->dir, "/tmp/lf.XXXXXX");
		assert_that(mkdtemp(f->dir) != NULL);
	}
	f->dirfd = log_dir_open(f->dir, false);
	assert_that(f->dirfd != -1);
	lf_open_writer(f, &(struct log_writer_place){0});
	return f;
}

static inline void
lf_free(struct lf *f)
{
	char command[128];

	if (f->w.chunk != NULL)
		log_writer_close(&f->w);
	close(f->dirfd);
	(void)snprintf(command, sizeof command, "%s", f->dir);
	for (uint32_t i = 1; i < 64; i++) {
		char name[LOG_DIR_NAME_LEN];

		log_dir_name(i, name);
		(void)snprintf(command, sizeof command, "%s/%s", f->dir, name);
		(void)unlink(command);
	}
	(void)rmdir(f->dir);
	free(f);
}

static inline size_t
lf_body(uint32_t stream, uint64_t seq, char body[400])
{
	int len = snprintf(body, 400, "%u %llu ", stream, (unsigned long long)seq);
	size_t fill = (size_t)(seq * 37 + stream * 11) % 300;

	memset(body + len, 'a' + (int)(seq % 26), fill);
	return (size_t)len + fill;
}

/* Append a frame at `at`; its length. */
static inline size_t
lf_frame(uint8_t *at, uint32_t stream, uint64_t pos, uint64_t seq)
{
	struct frame_header h = {.type = FRAME_EVENT,
	    .stream = stream,
	    .pos = pos,
	    .seq = seq,
	    .recv_ns = 1000000 + seq,
	    .hash_lo = seq + 1,
	    .hash_hi = stream + 1};
	char body[400];
	size_t len = lf_body(stream, seq, body);

	memcpy(at, &h, sizeof h);
	memcpy(at + sizeof h, body, len);
	frame_seal(at, 0, (uint32_t)len);
	return frame_len_for(0, len);
}

/* `n` frames of a stream from where it stands, as a part of a commit. */
static inline struct log_part
lf_part(struct lf *f, uint32_t stream, unsigned n)
{
	struct log_part p = {.frames = f->buf[stream],
	    .stream = stream,
	    .from = f->stream[stream].end,
	    .first_seq = f->stream[stream].end_seq,
	    .events = n};

	for (unsigned i = 0; i < n; i++)
		p.len += lf_frame(f->buf[stream] + p.len, stream, p.from + p.len, p.first_seq + i);
	p.to = p.from + p.len;
	return p;
}

static inline void
lf_moved(struct lf *f, const struct log_part *part, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		f->stream[part[i].stream].end = part[i].to;
		f->stream[part[i].stream].end_seq = part[i].first_seq + part[i].events;
	}
}

/* One commit with n[s] events of stream s; its wall time. */
static inline void
lf_commit_at(struct lf *f, const unsigned n[LF_STREAMS], uint64_t wall_ns)
{
	struct log_part part[LF_STREAMS];
	size_t parts = 0;

	for (uint32_t s = 0; s < LF_STREAMS; s++)
		if (n[s] > 0)
			part[parts++] = lf_part(f, s, n[s]);
	assert_that(log_writer_commit(&f->w, part, parts, wall_ns) == LOG_WRITER_OK);
	lf_moved(f, part, parts);
}

static inline void
lf_commit(struct lf *f, unsigned a, unsigned b, unsigned c)
{
	lf_commit_at(f, (unsigned[LF_STREAMS]){a, b, c}, 5000);
}

static inline void
lf_gap(struct lf *f, uint32_t stream, uint64_t from, uint64_t to, enum frame_gap_reason reason)
{
	uint8_t gap[FRAME_GAP_LEN];
	struct log_part p = {.frames = gap,
	    .len = FRAME_GAP_LEN,
	    .stream = stream,
	    .from = from,
	    .to = to,
	    .first_seq = f->stream[stream].end_seq,
	    .is_gap = true};

	frame_make_gap(gap, stream, from, p.first_seq, to, reason, 1);
	assert_that(log_writer_commit(&f->w, &p, 1, 5000) == LOG_WRITER_OK);
	if (to > f->stream[stream].end)
		f->stream[stream].end = to;
}

static inline void
lf_look(struct lf_seen *seen, const struct log_item *item)
{
	uint32_t s = item->stream;
	char body[400];
	size_t len;

	if (item->kind == LOG_ITEM_CORRUPT) {
		seen->corrupt++;
		seen->corrupt_positions += item->to - item->from;
		seen->end[s] = item->to;
		return;
	}
	if (item->kind == LOG_ITEM_GAP) {
		seen->gaps++;
		seen->end[s] = item->to;
		return;
	}
	len = lf_body(s, item->h.seq, body);
	seen->bad += item->h.stream != s || item->h.body_len != len ||
		     memcmp(frame_body(item->at, &item->h).ptr, body, len) != 0 ||
		     item->from != item->h.pos || item->from < seen->end[s] ||
		     item->h.seq < seen->last_seq[s];
	seen->events[s]++;
	seen->last_seq[s] = item->h.seq + 1;
	seen->end[s] = item->to;
}

static inline void
lf_read(const struct lf *f, struct lf_seen *seen)
{
	struct log_reader r;
	struct log_item item;

	*seen = (struct lf_seen){0};
	assert_that(log_reader_open(&r, f->dirfd, 0) == 0);
	while (log_reader_next(&r, &item) != LOG_ITEM_END) {
		assert_that(item.kind != LOG_ITEM_ERROR);
		lf_look(seen, &item);
	}
	seen->tail = r.tail;
	seen->stats = r.stats;
	log_reader_close(&r);
}

static inline int
lf_file(const struct lf *f, uint32_t number)
{
	char name[LOG_DIR_NAME_LEN];
	int fd;

	log_dir_name(number, name);
	fd = openat(f->dirfd, name, O_RDWR);
	assert_that(fd != -1);
	return fd;
}

/* Give back what is there; put other bytes in its place. */
static inline void
lf_poke(
    const struct lf *f, uint32_t number, uint64_t off, const void *bytes, void *before, size_t len)
{
	int fd = lf_file(f, number);

	if (before != NULL)
		assert_that(pread(fd, before, len, (off_t)off) == (ssize_t)len);
	assert_that(pwrite(fd, bytes, len, (off_t)off) == (ssize_t)len);
	close(fd);
}

#endif
