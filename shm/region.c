/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	region - the shared memory: made by the supervisor, mapped by all
 *
 * DESCRIPTION
 *	Mapping, rights and names; region_create.c makes the files.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	Maps all of it; writes nothing.
 */
#include "shm/region.h"

#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define TMPFS_FS_MAGIC 0x01021994

const char *
layout_role_name(enum layout_role r)
{
	static const char *const names[] = { "none", "supervisor", "http", "journal", "admin",
		"heir", "sink", "deadletter" };

	return (unsigned)r < sizeof names / sizeof names[0] ? names[r] : "?";
}

const char *
layout_state_name(enum layout_state s)
{
	static const char *const names[] = { "none", "starting", "ready", "draining", "done" };

	return (unsigned)s < sizeof names / sizeof names[0] ? names[s] : "?";
}

const char *
layout_trouble_name(enum layout_trouble t)
{
	static const char *const names[] = { "none", "disk_full", "write_failed", "sync_failed",
		"no_segment" };

	return (unsigned)t < sizeof names / sizeof names[0] ? names[t] : "?";
}

const char *
region_slot_lock(const struct region *r, uint32_t slot, char *buf)
{
	(void)snprintf(buf, REGION_PATH_MAX, "%s/slot.%u.lock", r->dir, slot);
	return buf;
}

const char *
region_page_lock(const struct region *r, uint32_t page, char *buf)
{
	(void)snprintf(buf, REGION_PATH_MAX, "%s/page.%u.lock", r->dir, page);
	return buf;
}

int
region_boot_id(uint8_t id[16])
{
	char text[64] = "";
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd == -1 ? -1 : read(fd, text, sizeof text - 1);
	int digits = 0;

	if (fd != -1)
		close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < n && digits < 32; i++) {
		unsigned v;

		if (sscanf((char[]){ text[i], 0 }, "%1x", &v) != 1)
			continue;
		id[digits / 2] = (uint8_t)((unsigned)id[digits / 2] << 4 | v);
		digits++;
	}
	return digits == 32 ? 0 : -1;
}

bool
region_is_tmpfs(const char *dir)
{
	struct statfs fs;

	return statfs(dir, &fs) == 0 && fs.f_type == TMPFS_FS_MAGIC;
}

static enum region_result
say(char *text, size_t size, enum region_result r, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static enum region_result
say(char *text, size_t size, enum region_result r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, size, fmt, ap);
	va_end(ap);
	return r;
}

/* Map `len` bytes of dir/name, which must have them; NULL with errno. */
static void *
map_file(const char *dir, const char *name, size_t len, bool writable)
{
	char path[REGION_PATH_MAX];
	struct stat st;
	void *at = NULL;
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && (size_t)st.st_size >= len) {
		at = mmap(NULL, len, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, fd, 0);
		if (at == MAP_FAILED)
			at = NULL;
	} else {
		errno = EINVAL;
	}
	close(fd);
	return at;
}

/* The slot's page, and its data twice in a row. */
static int
map_slot(struct region *r, uint32_t i, bool writable)
{
	int prot = PROT_READ | (writable ? PROT_WRITE : 0);
	size_t cap = r->ring_capacity;
	char path[REGION_PATH_MAX];
	struct stat st;
	uint8_t *space;
	int fd, rc = -1;

	(void)snprintf(path, sizeof path, "%s/slot.%u", r->dir, i);
	fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1)
		return -1;
	if (fstat(fd, &st) == -1 || (size_t)st.st_size < LAYOUT_PAGE + cap) {
		errno = EINVAL;
		goto out;
	}
	r->slot[i] = mmap(NULL, LAYOUT_PAGE, prot, MAP_SHARED, fd, 0);
	if (r->slot[i] == MAP_FAILED)
		goto out;
	space = mmap(NULL, 2 * cap, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (space == MAP_FAILED)
		goto out;
	if (mmap(space, cap, prot, MAP_SHARED | MAP_FIXED, fd, LAYOUT_PAGE) == MAP_FAILED ||
	    mmap(space + cap, cap, prot, MAP_SHARED | MAP_FIXED, fd, LAYOUT_PAGE) == MAP_FAILED)
		goto out;
	r->ring_data[i] = space;
	rc = 0;
out:
	close(fd);
	return rc;
}

static enum region_result
map_parts(struct region *r, bool writable, char *text, size_t size)
{
	void *table;
	char name[32];

	r->journal = map_file(r->dir, "journal", sizeof *r->journal, writable);
	if (r->journal == NULL)
		return say(text, size, REGION_BAD, "%s/journal: %s", r->dir, strerror(errno));
	for (uint32_t i = 0; i < r->pages; i++) {
		(void)snprintf(name, sizeof name, "page.%u", i);
		r->page[i] = map_file(r->dir, name, LAYOUT_PAGE, writable);
		if (r->page[i] == NULL)
			return say(text, size, REGION_BAD, "%s/%s: %s", r->dir, name,
			    strerror(errno));
	}
	for (uint32_t i = 0; i < SINK_PART_MAX; i++) {
		(void)snprintf(name, sizeof name, "sink.%u", i);
		r->sink[i] = map_file(r->dir, name, sizeof *r->sink[i], writable);
		if (r->sink[i] == NULL)
			return say(text, size, REGION_BAD, "%s/%s: %s", r->dir, name,
			    strerror(errno));
	}
	for (uint32_t i = 0; i < r->slots; i++)
		if (map_slot(r, i, writable) == -1)
			return say(text, size, REGION_BAD, "%s/slot.%u: %s", r->dir, i,
			    strerror(errno));
	r->dedup_len = dedup_bytes(r->header->dedup_bytes);
	table = map_file(r->dir, "dedup", r->dedup_len, writable);
	if (table == NULL || !dedup_open(&r->dedup, table, r->dedup_len))
		return say(text, size, REGION_BAD, "%s/dedup: not a dedup table", r->dir);
	/* 2 MiB pages where the kernel has them: a look-up is one cache miss,
	 * and should not be a TLB miss as well. */
	(void)madvise(table, r->dedup_len, MADV_HUGEPAGE);
	return REGION_OK;
}

enum region_result
region_open(struct region *r, const char *dir, bool writable, char *text, size_t size)
{
	const struct region_header *h;
	uint8_t boot[16];

	memset(r, 0, sizeof *r);
	if (strlen(dir) >= sizeof r->dir)
		return say(text, size, REGION_ERROR, "%s: the path is too long", dir);
	(void)snprintf(r->dir, sizeof r->dir, "%s", dir);
	h = r->header = map_file(dir, "region", sizeof *r->header, writable);
	if (h == NULL)
		return errno == ENOENT
		    ? say(text, size, REGION_ABSENT, "%s: no region", dir)
		    : say(text, size, errno == EINVAL ? REGION_BAD : REGION_ERROR,
			  "%s/region: %s", dir, strerror(errno));
	if (h->magic != LAYOUT_MAGIC)
		return say(text, size, REGION_BAD, "%s/region: not a region", dir);
	if (h->layout_version != LAYOUT_VERSION)
		return say(text, size, REGION_LAYOUT,
		    "%s has layout %u, this program speaks %u: stop the old daemon cleanly, so "
		    "that the journal holds everything, then start this one",
		    dir, h->layout_version, LAYOUT_VERSION);
	if (h->slots == 0 || h->slots > LAYOUT_SLOTS_MAX || h->pages == 0 ||
	    h->pages > LAYOUT_PAGES_MAX || h->ring_capacity < LAYOUT_PAGE ||
	    (h->ring_capacity & (h->ring_capacity - 1)) != 0)
		return say(text, size, REGION_BAD, "%s/region: impossible numbers", dir);
	if (region_boot_id(boot) == -1 || memcmp(boot, h->boot_id, sizeof boot) != 0)
		return say(text, size, REGION_OTHER_BOOT, "%s: of another boot", dir);
	r->slots = h->slots;
	r->pages = h->pages;
	r->ring_capacity = h->ring_capacity;
	return map_parts(r, writable, text, size);
}

void
region_close(struct region *r)
{
	if (r->header != NULL)
		(void)munmap(r->header, sizeof *r->header);
	if (r->journal != NULL)
		(void)munmap(r->journal, sizeof *r->journal);
	for (uint32_t i = 0; i < r->pages; i++)
		if (r->page[i] != NULL)
			(void)munmap(r->page[i], LAYOUT_PAGE);
	for (uint32_t i = 0; i < SINK_PART_MAX; i++)
		if (r->sink[i] != NULL)
			(void)munmap(r->sink[i], sizeof *r->sink[i]);
	for (uint32_t i = 0; i < r->slots; i++) {
		if (r->slot[i] != NULL && r->slot[i] != MAP_FAILED)
			(void)munmap(r->slot[i], LAYOUT_PAGE);
		if (r->ring_data[i] != NULL)
			(void)munmap(r->ring_data[i], 2 * r->ring_capacity);
	}
	if (r->dedup.header != NULL)
		(void)munmap(r->dedup.header, r->dedup_len);
	memset(r, 0, sizeof *r);
}

int
region_sink_find(const struct region *r, const char *name)
{
	for (int i = 0; i < SINK_PART_MAX; i++) {
		const struct layout_sink *s = &r->header->sink_name[i];

		if (s->name[0] != '\0' && strncmp(s->name, name, sizeof s->name) == 0)
			return i;
	}
	return -1;
}

struct ring
region_ring(const struct region *r, uint32_t slot)
{
	assert_that(slot < r->slots);
	return (struct ring){ .words = &r->slot[slot]->ring,
		.data = r->ring_data[slot],
		.capacity = r->ring_capacity,
		.stream = slot };
}

static void
protect(void *at, size_t len)
{
	if (mprotect(at, len, PROT_READ) == -1)
		fatal("cannot make shared memory read-only: %s", strerror(errno));
}

void
region_protect(struct region *r, const struct region_rights *rights)
{
	if (!rights->header)
		protect(r->header, sizeof *r->header);
	if (!rights->journal)
		protect(r->journal, sizeof *r->journal);
	if (!rights->dedup)
		protect(r->dedup.header, r->dedup_len);
	for (uint32_t i = 0; i < r->pages; i++)
		if ((int)i != rights->page)
			protect(r->page[i], LAYOUT_PAGE);
	for (int i = 0; i < SINK_PART_MAX; i++)
		if (i != rights->sink)
			protect(r->sink[i], sizeof *r->sink[i]);
	for (uint32_t i = 0; i < r->slots; i++) {
		if ((int)i == rights->slot)
			continue;
		protect(r->slot[i], LAYOUT_PAGE);
		protect(r->ring_data[i], 2 * r->ring_capacity);
	}
}
