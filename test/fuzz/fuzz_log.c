/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_log - readers and recovery on hostile segments
 *
 * DESCRIPTION
 *	The first byte says what is repaired before the reader sees it, so that
 *	mutations get past the CRCs: 1 chunk headers, 2 frames, 4 the newest
 *	segment's header is hostile too, 8 two segments.  The rest is what stands
 *	behind a segment's header (of the newest segment, if there are two).
 *
 *	Whatever is in there: no position is yielded twice or backwards, a second
 *	reading yields the same, and every seek ends.
 */
#include "workers/log_reader.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SALT     0x5a17
#define BODY_MAX (256 * 1024)

enum { FIX_CHUNKS = 1, FIX_FRAMES = 2, HOSTILE_HEADER = 4, TWO_SEGMENTS = 8 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];
static int top = -1;
static uint8_t file[LOG_HEADER_LEN + BODY_MAX];

static void
clean(void)
{
	(void)unlinkat(top, "00000001.log", 0);
	(void)unlinkat(top, "00000002.log", 0);
	(void)rmdir(dir);
}

static void
set_up(void)
{
	(void)snprintf(dir, sizeof dir, "/dev/shm/fuzz_log.XXXXXX");
	if (mkdtemp(dir) == NULL)
		abort();
	top = log_dir_open(dir, false);
	(void)atexit(clean);
}

static void
repair_frames(uint8_t *at, uint8_t *end)
{
	struct frame_header h;

	while ((size_t)(end - at) >= sizeof h) {

		memcpy(&h, at, sizeof h);
		if (frame_check_header(at, (size_t)(end - at), h.stream, h.pos, &h) != FRAME_OK)
			return;
		if (h.header_len == sizeof h)
			frame_seal(at, h.attrs_len, h.body_len);
		at += h.frame_len;
	}
}

static void
repair(uint8_t *body, size_t len, uint8_t how, uint32_t number)
{
	for (size_t at = 0; at + LOG_CHUNK_LEN <= len; at += 8) {
		struct log_chunk c;

		memcpy(&c, body + at, sizeof c);
		if (c.magic != LOG_CHUNK_MAGIC)
			continue;
		if ((how & FIX_CHUNKS) != 0) {
			c.salt = SALT;
			c.segment = number;
			log_format_seal_chunk(&c);
			memcpy(body + at, &c, sizeof c);
		}
		if ((how & FIX_FRAMES) != 0)
			repair_frames(body + at + LOG_CHUNK_LEN, body + len);
	}
}

static void
write_segment(uint32_t number, const uint8_t *data, size_t len, uint8_t how)
{
	struct log_segment_header *h = (struct log_segment_header *)(void *)file;
	char name[LOG_DIR_NAME_LEN];
	int fd;

	memset(h, 0, sizeof *h);
	h->number = number;
	h->prev = number - 1;
	h->prev_end = number == 1 ? 0 : LOG_HEADER_LEN + 512;
	h->salt = SALT;
	if ((how & HOSTILE_HEADER) != 0 && len >= 64) {
		memcpy(&h->prev, data, 12);
		memcpy(h->stream, data + 12, 52);
		h->prev %= number;
		h->prev_end &= ~7ull;
		data += 64;
		len -= 64;
	}
	log_format_seal_segment(h);
	memcpy(file + LOG_HEADER_LEN, data, len);
	repair(file + LOG_HEADER_LEN, len, how, number);
	log_dir_name(number, name);
	fd = openat(top, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd == -1 || write(fd, file, LOG_HEADER_LEN + len) != (ssize_t)(LOG_HEADER_LEN + len))
		abort();
	close(fd);
}

static uint64_t
read_all(struct log_reader *r)
{
	static uint64_t end[LOG_STREAMS];
	struct log_item item;
	uint64_t n = 0;

	memset(end, 0, sizeof end);
	while (log_reader_next(r, &item) != LOG_ITEM_END) {
		if (item.kind == LOG_ITEM_ERROR)
			abort();
		if (item.stream >= LOG_STREAMS || item.to <= item.from ||
		    item.from < end[item.stream])
			abort();
		if (item.kind == LOG_ITEM_FRAME && frame_check_crc(item.at, &item.h) != FRAME_OK)
			abort();
		end[item.stream] = item.to;
		n = n * 31 + item.to + item.kind;
	}
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct log_reader r;
	uint64_t first;
	uint8_t how;

	if (top == -1)
		set_up();
	if (size < 2 || size > BODY_MAX)
		return 0;
	how = data[0];
	data++;
	size--;
	(void)unlinkat(top, "00000002.log", 0);
	if ((how & TWO_SEGMENTS) != 0) {
		write_segment(1, data, size / 2, how & (FIX_CHUNKS | FIX_FRAMES));
		write_segment(2, data + size / 2, size - size / 2, how);
	} else {
		write_segment(1, data, size, how);
	}
	if (log_reader_open(&r, top, 0) == -1)
		abort();
	first = read_all(&r);
	(void)!log_reader_seek_place(&r, 1, 0);
	if (read_all(&r) != first)
		abort();
	(void)!log_reader_seek_pos(&r, data[0], size);
	(void)read_all(&r);
	(void)!log_reader_seek_time(&r, 5000);
	(void)read_all(&r);
	(void)!log_reader_seek_end(&r);
	(void)read_all(&r);
	log_reader_close(&r);
	return 0;
}
