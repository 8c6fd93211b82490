/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	region_create - make the region's files, all or none
 *
 * PROCESS
 *	The supervisor, before it forks (and tests).
 *
 * SHARED STATE
 *	Writes the constant fields of every part while nobody else has it.
 */
#include "shm/region.h"

#include "common/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static enum region_result
no_room(const char *dir, const char *what, uint64_t need, char *text, size_t size)
{
	struct statvfs fs;
	uint64_t have = 0;

	if (errno != ENOSPC && errno != EDQUOT) {
		(void)snprintf(text, size, "%s: cannot make %s: %s", dir, what, strerror(errno));
		return REGION_ERROR;
	}
	if (statvfs(dir, &fs) == 0)
		have = (uint64_t)fs.f_bavail * fs.f_frsize;
	(void)snprintf(text, size,
	    "%s: %s needs %llu KiB and %llu KiB are free: enlarge that file system, or lower "
	    "`ring`, `table` or `processes`",
	    dir, what, (unsigned long long)need / 1024, (unsigned long long)have / 1024);
	return REGION_NO_ROOM;
}

/*
 * Make dir/name of `len` bytes, the first `now` of them allocated, and lend a
 * map of those to the caller; NULL with errno.
 */
static void *
make_part(const char *dir, const char *name, size_t len, size_t now, const struct region_params *p)
{
	char path[REGION_PATH_MAX];
	void *at = NULL;
	int fd;

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd == -1)
		return NULL;
	if ((p->uid != (uid_t)-1 || p->gid != (gid_t)-1) && fchown(fd, p->uid, p->gid) == -1)
		goto out;
	if (ftruncate(fd, (off_t)len) == -1)
		goto out;
	/* On tmpfs this is what keeps a later store from being a SIGBUS. */
	if ((errno = posix_fallocate(fd, 0, (off_t)now)) != 0)
		goto out;
	at = mmap(NULL, now, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		at = NULL;
out:
	close(fd);
	return at;
}

static size_t
round_page(size_t len)
{
	return (len + LAYOUT_PAGE - 1) & ~(size_t)(LAYOUT_PAGE - 1);
}

static enum region_result
make_slots_and_pages(const char *dir, const struct region_params *p, char *text, size_t size)
{
	char name[32];

	for (uint32_t i = 0; i < p->pages; i++) {
		struct process_page *page;

		(void)snprintf(name, sizeof name, "page.%u", i);
		page = make_part(dir, name, LAYOUT_PAGE, LAYOUT_PAGE, p);
		if (page == NULL)
			return no_room(dir, name, LAYOUT_PAGE, text, size);
		page->index = i;
		page->magic = LAYOUT_MAGIC;
		(void)munmap(page, LAYOUT_PAGE);
	}
	for (uint32_t i = 0; i < SINK_PART_MAX; i++) {
		size_t len = round_page(sizeof(struct sink_part));
		struct sink_part *part;

		(void)snprintf(name, sizeof name, "sink.%u", i);
		part = make_part(dir, name, len, len, p);
		if (part == NULL)
			return no_room(dir, name, len, text, size);
		part->index = i;
		part->magic = LAYOUT_MAGIC;
		(void)munmap(part, len);
	}
	for (uint32_t i = 0; i < p->slots; i++) {
		struct slot_page *slot;

		(void)snprintf(name, sizeof name, "slot.%u", i);
		slot = make_part(dir, name, LAYOUT_PAGE + p->ring_capacity, LAYOUT_PAGE, p);
		if (slot == NULL)
			return no_room(dir, name, LAYOUT_PAGE, text, size);
		slot->stream = i;
		slot->capacity = p->ring_capacity;
		slot->magic = LAYOUT_MAGIC;
		(void)munmap(slot, LAYOUT_PAGE);
	}
	return REGION_OK;
}

static enum region_result
make_files(const char *dir, const struct region_params *p, char *text, size_t size)
{
	size_t table = dedup_bytes(p->dedup_bytes);
	struct region_header *h;
	struct journal_part *j;
	enum region_result r;
	void *d;

	j = make_part(dir, "journal", round_page(sizeof *j), round_page(sizeof *j), p);
	if (j == NULL)
		return no_room(dir, "the journal's part", sizeof *j, text, size);
	j->slots = p->slots;
	j->magic = LAYOUT_MAGIC;
	(void)munmap(j, round_page(sizeof *j));
	d = make_part(dir, "dedup", table, table, p);
	if (d == NULL)
		return no_room(dir, "the dedup table", table, text, size);
	dedup_init(d, p->dedup_bytes, p->dedup_window_ms, clock_boot_ns());
	(void)munmap(d, table);
	r = make_slots_and_pages(dir, p, text, size);
	if (r != REGION_OK)
		return r;
	h = make_part(dir, "region", round_page(sizeof *h), round_page(sizeof *h), p);
	if (h == NULL)
		return no_room(dir, "the region's header", sizeof *h, text, size);
	h->layout_version = LAYOUT_VERSION;
	memcpy(h->instance, p->instance, sizeof h->instance);
	memcpy(h->dedup_key_check, p->dedup_key_check, sizeof h->dedup_key_check);
	h->generation = p->generation;
	h->slots = p->slots;
	h->pages = p->pages;
	h->ring_capacity = p->ring_capacity;
	h->dedup_bytes = p->dedup_bytes;
	h->created_ns = clock_wall_ns();
	h->magic = LAYOUT_MAGIC;
	if (region_boot_id(h->boot_id) == -1) {
		(void)snprintf(text, size, "cannot read the kernel's boot id");
		return REGION_ERROR;
	}
	(void)munmap(h, round_page(sizeof *h));
	return REGION_OK;
}

int
region_remove(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd == -1 ? NULL : fdopendir(fd);
	struct dirent *e;

	if (d == NULL)
		return errno == ENOENT ? 0 : -1;
	while ((e = readdir(d)) != NULL)
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			(void)unlinkat(dirfd(d), e->d_name, 0);
	closedir(d);
	return rmdir(dir);
}

enum region_result
region_create(const char *dir, const struct region_params *p, char *text, size_t size)
{
	char building[REGION_PATH_MAX];
	enum region_result r;

	(void)snprintf(building, sizeof building, "%s.new", dir);
	if (region_remove(building) == -1 || mkdir(building, 0750) == -1 ||
	    ((p->uid != (uid_t)-1 || p->gid != (gid_t)-1) &&
		lchown(building, p->uid, p->gid) == -1)) {
		(void)snprintf(text, size, "%s: %s", building, strerror(errno));
		return REGION_ERROR;
	}
	r = make_files(building, p, text, size);
	if (r != REGION_OK) {
		(void)region_remove(building);
		return r;
	}
	if (region_remove(dir) == -1 || rename(building, dir) == -1) {
		(void)snprintf(text, size, "%s: %s", dir, strerror(errno));
		return REGION_ERROR;
	}
	return REGION_OK;
}

enum region_result
region_prepare_slot(struct region *r, uint32_t slot, char *text, size_t size)
{
	char path[REGION_PATH_MAX];
	char what[64];
	int fd;

	(void)snprintf(path, sizeof path, "%s/slot.%u", r->dir, slot);
	(void)snprintf(what, sizeof what, "the ring of stream %u", slot);
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1 ||
	    (errno = posix_fallocate(fd, LAYOUT_PAGE, (off_t)r->ring_capacity)) != 0) {
		enum region_result result = no_room(r->dir, what, r->ring_capacity, text, size);

		if (fd != -1)
			close(fd);
		return result;
	}
	close(fd);
	return REGION_OK;
}
