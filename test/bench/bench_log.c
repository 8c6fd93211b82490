/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_log - what a commit costs, and what reading the log costs
 *
 * DESCRIPTION
 *	bench_log DIR [MiB]
 *	Commits of several sizes through the log's writer, against a bare loop of
 *	pwrite and fdatasync of as many bytes into a file of zeros; then a log of
 *	MiB (1024) is written and read back, cold and warm.  DIR should be on the
 *	disk that is meant.
 */
#include "common/clock.h"
#include "common/panic.h"
#include "workers/log_reader.h"
#include "workers/log_writer.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROUNDS  1000
#define BODY    300
#define SEGMENT (64u << 20)

static uint64_t ns[ROUNDS];
static uint8_t *frames;

static int
by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
print(const char *what, size_t bytes)
{
	qsort(ns, ROUNDS, sizeof ns[0], by_size);
	(void)printf("%-8s %8zu bytes  p50 %6llu us  p90 %6llu us  p99 %6llu us\n", what, bytes,
	    (unsigned long long)ns[ROUNDS / 2] / 1000,
	    (unsigned long long)ns[ROUNDS * 9 / 10] / 1000,
	    (unsigned long long)ns[ROUNDS * 99 / 100] / 1000);
}

/* Frames of at least `bytes` from a position on; their length. */
static uint64_t
fill(uint64_t pos, uint64_t seq, uint64_t bytes, uint64_t *events)
{
	uint64_t len = 0;

	*events = 0;
	do {
		struct frame_header h = {.type = FRAME_EVENT,
		    .pos = pos + len,
		    .seq = seq + *events,
		    .recv_ns = clock_wall_ns(),
		    .hash_lo = seq + *events + 1};

		memcpy(frames + len, &h, sizeof h);
		memset(frames + len + sizeof h, 'x', BODY);
		frame_seal(frames + len, 0, BODY);
		len += frame_len_for(0, BODY);
		*events += 1;
	} while (len < bytes);
	return len;
}

/* How long the commit took, without the making of its frames. */
static uint64_t
commit(struct log_writer *w, struct log_stream *s, uint64_t bytes)
{
	struct log_part p = {.frames = frames, .from = s->end, .first_seq = s->end_seq};
	uint64_t begun;

	p.len = fill(s->end, s->end_seq, bytes, &p.events);
	p.to = p.from + p.len;
	begun = clock_mono_ns();
	assert_that(log_writer_commit(w, &p, 1, clock_wall_ns()) == LOG_WRITER_OK);
	begun = clock_mono_ns() - begun;
	s->end = p.to;
	s->end_seq += p.events;
	return begun;
}

static void
bare(int dirfd, size_t bytes)
{
	int fd = openat(dirfd, "bare", O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_that(fd != -1 && log_dir_zero(fd, 0, SEGMENT) == 0 && fsync(fd) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t begun = clock_mono_ns();

		assert_that(pwrite(fd, frames, bytes, (off_t)(i * bytes % (SEGMENT - bytes))) ==
			    (ssize_t)bytes);
		assert_that(fdatasync(fd) == 0);
		ns[i] = clock_mono_ns() - begun;
	}
	close(fd);
	(void)unlinkat(dirfd, "bare", 0);
	print("bare", bytes);
}

static uint64_t
cpu_ns(void)
{
	struct rusage u;

	(void)getrusage(RUSAGE_SELF, &u);
	return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * CLOCK_NS_PER_S +
	       ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000;
}

static void
read_back(int dirfd, const char *what)
{
	struct log_reader r;
	struct log_item item;
	uint64_t begun = clock_mono_ns(), cpu = cpu_ns(), took;

	assert_that(log_reader_open(&r, dirfd, 0) == 0);
	while (log_reader_next(&r, &item) != LOG_ITEM_END)
		assert_that(item.kind == LOG_ITEM_FRAME);
	took = clock_mono_ns() - begun;
	cpu = cpu_ns() - cpu;
	(void)printf("read %s: %llu events, %llu MiB, %.2f s a GiB, %.2f s of processor a GiB\n",
	    what, (unsigned long long)r.stats.events, (unsigned long long)r.stats.bytes >> 20,
	    (double)took / 1e9 * (1 << 30) / (double)r.stats.bytes,
	    (double)cpu / 1e9 * (1 << 30) / (double)r.stats.bytes);
	log_reader_close(&r);
}

static void
drop_cache(int dirfd, uint32_t last)
{
	for (uint32_t n = 1; n <= last; n++) {
		char name[LOG_DIR_NAME_LEN];
		int fd;

		log_dir_name(n, name);
		fd = openat(dirfd, name, O_RDONLY);
		if (fd == -1)
			continue;
		(void)fsync(fd);
		(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
		close(fd);
	}
}

int
main(int argc, char **argv)
{
	static const size_t sizes[] = {448, 4096, 65536, 1 << 20};
	static struct log_stream stream[LOG_STREAMS];
	struct log_writer_params p = {
	    .segment_bytes = SEGMENT, .ring_capacity = SEGMENT, .slots = 1};
	struct log_writer w;
	uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 10) : 1024;

	if (argc < 2 || (p.dirfd = log_dir_open(argv[1], true)) == -1 ||
	    log_dir_last(p.dirfd) != 0) {
		(void)fprintf(stderr, "usage: bench_log NEW-DIR [MiB]\n");
		return 2;
	}
	frames = xcalloc(1, 2 << 20);
	(void)memset(frames, 1, 2 << 20);
	log_writer_init(&w, &p, &(struct log_writer_place){0}, stream);
	for (size_t k = 0; k < sizeof sizes / sizeof sizes[0]; k++) {
		for (int i = 0; i < ROUNDS; i++)
			ns[i] = commit(&w, stream, sizes[k] - LOG_CHUNK_LEN - 8);
		print("commit", w.stats.bytes);
		bare(p.dirfd, w.stats.bytes);
	}
	while (stream[0].end < mib << 20)
		(void)commit(&w, stream, 1 << 20);
	drop_cache(p.dirfd, w.number);
	read_back(p.dirfd, "cold");
	read_back(p.dirfd, "warm");
	log_writer_close(&w);
	for (uint32_t n = 1; n < 4096; n++) {
		char name[LOG_DIR_NAME_LEN];

		log_dir_name(n, name);
		(void)unlinkat(p.dirfd, name, 0);
	}
	(void)unlinkat(p.dirfd, LOG_DIR_SPARE, 0);
	(void)unlinkat(p.dirfd, "spare.tmp", 0);
	(void)rmdir(argv[1]);
	return 0;
}
