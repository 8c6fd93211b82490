/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_send_input - lines of a file or pipe, a batch at a time
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "common/panic.h"
#include "common/split.h"
#include "daemon/ctl_send.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_BYTES (256u << 10)

struct ctl_send_batch *
ctl_send_batch_new(uint32_t room)
{
	struct ctl_send_batch *b = xcalloc(1, sizeof *b);

	b->room = room;
	b->line = xcalloc(room, sizeof *b->line);
	return b;
}

void
ctl_send_batch_add(struct ctl_send_batch *b, uint64_t number, struct bytes line)
{
	/* cppcheck-suppress nullPointerRedundantCheck ; never NULL: see its caller */
	assert_that(b->n < b->room);
	if (b->size - b->len < line.len + 1) {
		size_t size = b->size * 2 + line.len + 4096;
		uint8_t *bytes = realloc(b->bytes, size);

		if (bytes == NULL)
			fatal("no memory for a batch: try a smaller --batch");
		b->bytes = bytes;
		b->size = size;
	}
	b->line[b->n++] = (struct ctl_send_line){
	    .number = number, .off = (uint32_t)b->len, .len = (uint32_t)line.len};
	memcpy(b->bytes + b->len, line.ptr, line.len);
	b->len += line.len;
	b->bytes[b->len++] = '\n';
}

void
ctl_send_batch_free(struct ctl_send_batch *b)
{
	if (b == NULL)
		return;
	free(b->bytes);
	free(b->line);
	free(b);
}

void
ctl_send_input_open(struct ctl_send_input *in, int fd)
{
	struct stat st;

	*in = (struct ctl_send_input){.fd = fd};
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		in->total = (uint64_t)st.st_size;
}

void
ctl_send_input_close(struct ctl_send_input *in)
{
	free(in->buf);
	in->buf = NULL;
}

/* Read what is there now; false: nothing is, or there is no room. */
static bool
fill(struct ctl_send_input *in)
{
	struct pollfd p = {.fd = in->fd, .events = POLLIN};
	uint8_t *buf;
	ssize_t n;

	if (in->at_end)
		return false;
	if (in->off > 0) {
		memmove(in->buf, in->buf + in->off, in->len - in->off);
		in->len -= in->off;
		in->off = 0;
	}
	if (in->size - in->len < READ_BYTES) {
		if (in->len > CTL_SEND_LINE_MAX)
			return false;
		if ((buf = realloc(in->buf, in->size + 2 * READ_BYTES)) == NULL)
			fatal("no memory for a line of %zu bytes", in->len);
		in->buf = buf;
		in->size += 2 * READ_BYTES;
	}
	/* A terminal or pipe that says nothing must not stop the connections. */
	if (poll(&p, 1, 0) != 1)
		return false;
	n = read(in->fd, in->buf + in->len, READ_BYTES);
	if (n == -1 && (errno == EINTR || errno == EAGAIN))
		return false;
	if (n <= 0) {
		in->error = n == -1 ? errno : 0;
		in->at_end = true;
		return false;
	}
	in->len += (size_t)n;
	return true;
}

/* The next line without its newline; false: none is whole yet. */
static bool
next_line(struct ctl_send_input *in, struct bytes *line)
{
	const uint8_t *from, *end = NULL;
	size_t scanned = 0;

	for (;;) {
		from = in->buf + in->off;
		if (in->len - in->off > scanned)
			end = memchr(from + scanned, '\n', in->len - in->off - scanned);
		scanned = end != NULL ? (size_t)(end - from) : in->len - in->off;
		if (end != NULL && scanned <= CTL_SEND_LINE_MAX)
			break;
		/* The rest of what a failed read cut is no line. */
		if (in->error != 0 || in->long_line != 0)
			return false;
		if (scanned > CTL_SEND_LINE_MAX) {
			in->long_line = in->lines + 1;
			in->at_end = true;
			return false;
		}
		if (!fill(in)) {
			if (!in->at_end || in->error != 0 || in->len == in->off)
				return false;
			end = in->buf + in->len; /* the last line has no newline */
			from = in->buf + in->off;
			break;
		}
	}
	*line = bytes_of(from, (size_t)(end - from));
	in->off += line->len + (end < in->buf + in->len);
	in->bytes += line->len + 1;
	in->lines++;
	return true;
}

bool
ctl_send_input_is_done(const struct ctl_send_input *in)
{
	return in->at_end && (in->off == in->len || in->error != 0 || in->long_line != 0);
}

struct ctl_send_batch *
ctl_send_input_take(struct ctl_send_input *in, uint32_t max)
{
	struct ctl_send_batch *b = NULL;
	struct bytes line;

	while (
	    (b == NULL || (b->n < max && b->len < CTL_SEND_BATCH_BYTES)) && next_line(in, &line)) {
		line = split_trim(line);
		if (line.len == 0)
			continue;
		if (!in->is_begun)
			in->is_document = line.ptr[0] == '[' || bytes_is(line, BYTES_LIT("{"));
		in->is_begun = true;
		if (b == NULL)
			b = ctl_send_batch_new(max);
		/* cppcheck-suppress nullPointerRedundantCheck */
		ctl_send_batch_add(b, in->lines, line);
	}
	return b;
}

uint64_t
ctl_send_input_rest(struct ctl_send_input *in, uint64_t max_ns)
{
	uint64_t until = clock_mono_ns() + max_ns, n = 0;
	struct ctl_send_batch *b;

	while ((in->total != 0 || clock_mono_ns() < until) &&
	       (b = ctl_send_input_take(in, 1000)) != NULL) {
		n += b->n;
		ctl_send_batch_free(b);
	}
	return n;
}
