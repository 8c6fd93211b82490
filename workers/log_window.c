/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	log_window - look at a segment's bytes through a buffer that moves on
 *
 * PROCESS
 *	The journal at a start; readers; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/log_window.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define BLOCK 4096

void
log_window_set(struct log_window *w, int fd, uint64_t limit)
{
	w->fd = fd;
	w->limit = limit;
	w->off = 0;
	w->len = 0;
	if (w->piece == 0)
		w->piece = LOG_WINDOW_PIECE;
}

void
log_window_free(struct log_window *w)
{
	free(w->buf);
	*w = (struct log_window){.fd = -1};
}

/* How many bytes came; less than asked for only at the file's end. */
static size_t
read_piece(struct log_window *w, uint8_t *to, size_t want, uint64_t off)
{
	size_t have = 0;

	while (have < want) {
		size_t ask = want - have;
		ssize_t n = pread(w->fd, to + have, ask, (off_t)(off + have));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && ask > BLOCK) {
			ask = BLOCK - (off + have) % BLOCK;
			n = pread(w->fd, to + have, ask, (off_t)(off + have));
		}
		if (n == 0)
			break;
		if (n == -1) {
			if (ask > BLOCK - (off + have) % BLOCK)
				ask = BLOCK - (off + have) % BLOCK;
			memset(to + have, 0, ask);
			w->unreadable += ask;
			n = (ssize_t)ask;
		}
		have += (size_t)n;
	}
	return have;
}

static bool
make_room(struct log_window *w, size_t size)
{
	uint8_t *grown;

	if (size <= w->size)
		return true;
	grown = realloc(w->buf, size);
	if (grown == NULL)
		return false;
	w->buf = grown;
	w->size = size;
	return true;
}

const uint8_t *
log_window_at(struct log_window *w, uint64_t off, size_t len)
{
	size_t keep = 0, want;

	if (off >= w->off && off - w->off <= w->len && len <= w->len - (off - w->off))
		return w->buf + (off - w->off);
	if (len > w->limit || off > w->limit - len)
		return NULL;
	want = len > w->piece ? len : w->piece;
	if (want > w->limit - off)
		want = (size_t)(w->limit - off);
	if (off >= w->off && off < w->off + w->len)
		keep = (size_t)(w->off + w->len - off);
	if (!make_room(w, want > keep ? want : keep))
		return NULL;
	if (keep > 0)
		memmove(w->buf, w->buf + (off - w->off), keep);
	w->off = off;
	w->len = keep;
	if (want > keep)
		w->len += read_piece(w, w->buf + keep, want - keep, off + keep);
	return w->len >= len ? w->buf : NULL;
}

const uint8_t *
log_window_frame(struct log_window *w, uint64_t off, uint64_t end, uint32_t stream, uint64_t pos,
    struct frame_header *h)
{
	const uint8_t *at;

	if (end - off < sizeof *h)
		return NULL;
	at = log_window_at(w, off, sizeof *h);
	if (at == NULL || frame_check_header(at, end - off, stream, pos, h) != FRAME_OK)
		return NULL;
	at = log_window_at(w, off, h->frame_len);
	if (at == NULL || frame_check_crc(at, h) != FRAME_OK)
		return NULL;
	return at;
}

uint64_t
log_window_find_chunk(struct log_window *w, uint64_t off, const struct log_format_place *place,
    struct log_chunk *chunk, uint64_t *last_used)
{
	struct log_format_place here = *place;

	while (off + LOG_CHUNK_LEN <= w->limit) {
		const uint8_t *at = log_window_at(w, off, LOG_CHUNK_LEN);
		size_t have;

		if (at == NULL)
			break;
		have = w->len - (size_t)(off - w->off);
		/* All words of the window that may begin a header. */
		for (; have >= LOG_CHUNK_LEN; have -= 8, at += 8, off += 8) {
			uint64_t word;

			memcpy(&word, at, sizeof word);
			if (word == 0)
				continue;
			if ((uint32_t)word == LOG_CHUNK_MAGIC) {
				here.off = off;
				if (log_format_check_chunk(at, &here, chunk) == LOG_FORMAT_OK)
					return off;
			}
			*last_used = off + 8;
		}
	}
	for (; off + 8 <= w->limit; off += 8) {
		const uint8_t *at = log_window_at(w, off, 8);
		uint64_t word = 0;

		if (at == NULL)
			break;
		memcpy(&word, at, sizeof word);
		if (word != 0)
			*last_used = off + 8;
	}
	return w->limit;
}
