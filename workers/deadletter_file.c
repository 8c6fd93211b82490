/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_file - the records of one dead-letter file, one after the other
 *
 * PROCESS
 *	The writers at a start, the deadletter stage, sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define WINDOW_BYTES (256u << 10)

/* All of [off, off + len) that there is; -1 with errno. */
static ssize_t
read_at(int fd, uint8_t *buf, size_t len, uint64_t off)
{
	size_t got = 0;

	while (got < len) {
		ssize_t n = pread(fd, buf + got, len - got, (off_t)(off + got));

		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

enum deadletter_file_result
deadletter_file_open(struct deadletter_file *f, int dirfd, uint32_t number, uint64_t from)
{
	struct deadletter_file_head h;
	char name[DEADLETTER_NAME_LEN];
	ssize_t n;

	*f = (struct deadletter_file){.fd = -1};
	deadletter_format_name(number, name);
	if ((f->fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)) == -1)
		return DEADLETTER_FILE_ERROR;
	if ((n = read_at(f->fd, (uint8_t *)&h, sizeof h, 0)) == -1)
		return DEADLETTER_FILE_ERROR;
	if (n != sizeof h || !deadletter_format_is_file(&h))
		return DEADLETTER_FILE_BAD;
	f->salt = h.salt;
	f->created_ns = h.created_ns;
	f->off = from > sizeof h ? from : sizeof h;
	return DEADLETTER_FILE_OK;
}

void
deadletter_file_close(struct deadletter_file *f)
{
	if (f->fd != -1)
		(void)close(f->fd);
	free(f->buf);
	*f = (struct deadletter_file){.fd = -1};
}

/* `len` bytes from `off` on, or as many as there are; NULL with errno. */
static const uint8_t *
window(struct deadletter_file *f, uint64_t off, size_t len, size_t *avail)
{
	ssize_t n;

	if (f->buf != NULL && off >= f->buf_off && off - f->buf_off <= f->buf_len) {
		*avail = f->buf_len - (size_t)(off - f->buf_off);
		if (*avail >= len)
			return f->buf + (off - f->buf_off);
	}
	if (len > f->room) {
		size_t least = f->is_single ? 4096 : WINDOW_BYTES;
		size_t room = len > least ? bytes_round_up(len, 4096) : least;
		uint8_t *buf = realloc(f->buf, room);

		if (buf == NULL)
			return NULL;
		f->buf = buf;
		f->room = room;
	}
	f->buf_len = 0;
	if ((n = read_at(f->fd, f->buf, f->room, off)) == -1)
		return NULL;
	f->buf_off = off;
	f->buf_len = (size_t)n;
	*avail = f->buf_len;
	return f->buf;
}

/* One look at one place. */
static enum deadletter_file_result
look(struct deadletter_file *f, uint64_t at, struct deadletter_record *out, size_t *avail)
{
	size_t need = sizeof(struct deadletter_head);

	for (int i = 0; i < 2; i++) {
		const uint8_t *p = window(f, at, need, avail);

		if (p == NULL)
			return DEADLETTER_FILE_ERROR;
		switch (deadletter_format_check(p, *avail, f->salt, out, &need)) {
		case DEADLETTER_FORMAT_OK:
			return DEADLETTER_FILE_OK;
		case DEADLETTER_FORMAT_BAD:
			return DEADLETTER_FILE_BAD;
		case DEADLETTER_FORMAT_SHORT:
			if (*avail < sizeof(struct deadletter_head))
				return DEADLETTER_FILE_END;
			break;
		}
	}
	return DEADLETTER_FILE_BAD; /* longer than the file */
}

enum deadletter_file_result
deadletter_file_next(struct deadletter_file *f, struct deadletter_record *out, uint64_t *at)
{
	size_t avail;

	for (uint64_t off = f->off;; off += 8) {
		enum deadletter_file_result r = look(f, off, out, &avail);

		if (r == DEADLETTER_FILE_BAD)
			continue;
		if (r != DEADLETTER_FILE_OK)
			return r;
		f->bad_bytes += off - f->off;
		f->off = off + out->len;
		*at = off;
		return DEADLETTER_FILE_OK;
	}
}

enum deadletter_file_result
deadletter_file_read(struct deadletter_file *f, uint64_t at, struct deadletter_record *out)
{
	size_t avail;
	enum deadletter_file_result r;

	f->is_single = true;
	r = look(f, at, out, &avail);
	return r == DEADLETTER_FILE_BAD ? DEADLETTER_FILE_END : r;
}
