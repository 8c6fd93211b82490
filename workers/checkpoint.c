/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	checkpoint - a stage's cursors on disk, torn or whole but never half believed
 *
 * PROCESS
 *	The journal; each sink in its own directory.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/checkpoint.h"

#include "common/crc32c.h"
#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAGIC    0x0031544b43434c53ull /* "SLCCKT1" */
#define VERSION  1
#define CRC_FROM 12

static uint32_t
crc_of(const struct checkpoint *c)
{
	return crc32c(0, (const uint8_t *)c + CRC_FROM, sizeof *c - CRC_FROM);
}

static int
is_whole(const struct checkpoint *c)
{
	return c->magic == MAGIC && c->version == VERSION && c->streams <= CHECKPOINT_STREAMS &&
	       crc_of(c) == c->crc;
}

static enum checkpoint_result
read_slots(int fd, struct checkpoint *out)
{
	struct checkpoint c;
	enum checkpoint_result r = CHECKPOINT_BAD;

	for (int i = 0; i < 2; i++) {
		ssize_t n = pread(fd, &c, sizeof c, i * CHECKPOINT_SLOT_LEN);

		if (n != (ssize_t)sizeof c || !is_whole(&c))
			continue;
		if (r == CHECKPOINT_OK && c.serial < out->serial)
			continue;
		*out = c;
		r = CHECKPOINT_OK;
	}
	return r;
}

enum checkpoint_result
checkpoint_read(int dirfd, const char *name, struct checkpoint *out)
{
	int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	enum checkpoint_result r;

	if (fd == -1)
		return errno == ENOENT ? CHECKPOINT_ABSENT : CHECKPOINT_ERROR;
	r = read_slots(fd, out);
	close(fd);
	return r;
}

void
checkpoint_open(struct checkpoint_file *f, int dirfd, const char *name)
{
	struct checkpoint c;

	*f = (struct checkpoint_file){.dirfd = dirfd, .fd = -1};
	assert_that(strlen(name) + sizeof ".tmp" <= sizeof f->name);
	(void)snprintf(f->name, sizeof f->name, "%s", name);
	f->fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (f->fd == -1)
		return;
	if (read_slots(f->fd, &c) == CHECKPOINT_OK) {
		f->serial = c.serial;
		return;
	}
	close(f->fd);
	f->fd = -1;
}

void
checkpoint_close(struct checkpoint_file *f)
{
	if (f->fd != -1)
		close(f->fd);
	f->fd = -1;
}

/* A new file with this content in one slot; takes the name when it is whole. */
static int
make_new(struct checkpoint_file *f, const uint8_t slot[CHECKPOINT_SLOT_LEN], off_t off)
{
	uint8_t both[2 * CHECKPOINT_SLOT_LEN] = {0};
	char tmp[sizeof f->name + sizeof ".tmp"];
	int fd, saved;

	(void)snprintf(tmp, sizeof tmp, "%s.tmp", f->name);
	memcpy(both + off, slot, CHECKPOINT_SLOT_LEN);
	fd = openat(f->dirfd, tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
	if (fd == -1)
		return -1;
	errno = ENOSPC;
	if (pwrite(fd, both, sizeof both, 0) == (ssize_t)sizeof both && fsync(fd) == 0 &&
	    renameat(f->dirfd, tmp, f->dirfd, f->name) == 0 && fsync(f->dirfd) == 0) {
		f->fd = fd;
		return 0;
	}
	saved = errno;
	close(fd);
	(void)unlinkat(f->dirfd, tmp, 0);
	errno = saved;
	return -1;
}

int
checkpoint_write(struct checkpoint_file *f, struct checkpoint *content)
{
	uint8_t slot[CHECKPOINT_SLOT_LEN] = {0};
	off_t off;
	int saved;

	content->magic = MAGIC;
	content->version = VERSION;
	content->serial = f->serial + 1;
	content->crc = crc_of(content);
	memcpy(slot, content, sizeof *content);
	off = (off_t)(content->serial & 1) * CHECKPOINT_SLOT_LEN;
	if (f->fd == -1) {
		if (make_new(f, slot, off) == -1)
			return -1;
	} else {
		errno = ENOSPC;
		if (pwrite(f->fd, slot, sizeof slot, off) != (ssize_t)sizeof slot ||
		    fdatasync(f->fd) == -1) {
			saved = errno;
			checkpoint_close(f);
			errno = saved;
			return -1;
		}
	}
	f->serial = content->serial;
	return 0;
}
