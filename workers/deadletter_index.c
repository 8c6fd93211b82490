/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_index - which dead letters there are, and what became of them
 *
 * PROCESS
 *	The deadletter stage; sluicectl reads.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_index.h"

#include "common/clock.h"
#include "common/panic.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

void
deadletter_index_init(struct deadletter_index *ix, const char *state_dir)
{
	memset(ix, 0, sizeof *ix);
	ix->dirfd = -1;
	ix->max = DEADLETTER_INDEX_MAX;
	(void)snprintf(ix->path, sizeof ix->path, "%s/deadletter", state_dir);
}

static void
forget_file(struct deadletter_index *ix, struct deadletter_index_file *f)
{
	ix->n -= f->n;
	ix->open -= f->open;
	ix->bytes -= f->size;
	free(f->entry);
	f->entry = NULL;
	f->n = f->room = f->open = 0;
	f->size = f->off = 0;
}

void
deadletter_index_free(struct deadletter_index *ix)
{
	for (size_t i = 0; i < ix->stages; i++) {
		for (size_t k = 0; k < ix->stage[i].n; k++)
			forget_file(ix, &ix->stage[i].file[k]);
		free(ix->stage[i].file);
		(void)close(ix->stage[i].dirfd);
	}
	ix->stages = 0;
	if (ix->dirfd != -1)
		(void)close(ix->dirfd);
	ix->dirfd = -1;
}

/*---------------------------------------------------------------------------*
 * Reading what has come
 *---------------------------------------------------------------------------*/

static uint16_t
code_number(struct deadletter_index *ix, const char *code)
{
	for (size_t i = 0; i < ix->codes; i++)
		if (strcmp(ix->code[i], code) == 0)
			return (uint16_t)i;
	if (ix->codes == DEADLETTER_INDEX_CODES - 1)
		code = "other";
	if (ix->codes < DEADLETTER_INDEX_CODES)
		(void)snprintf(ix->code[ix->codes++], DEADLETTER_CODE_SIZE, "%s", code);
	return (uint16_t)(ix->codes - 1);
}

static int
add_entry(struct deadletter_index *ix, struct deadletter_index_file *f,
    const struct deadletter_record *r, uint64_t at)
{
	if (f->n == f->room) {
		size_t room = f->room == 0 ? 64 : f->room * 2;
		struct deadletter_entry *entry = realloc(f->entry, room * sizeof *entry);

		if (entry == NULL)
			return -1;
		f->entry = entry;
		f->room = room;
	}
	f->entry[f->n++] = (struct deadletter_entry){.off = at,
	    .pos = r->info.pos,
	    .last_ns = r->info.last_ns,
	    .stream = r->info.stream,
	    .len = r->len,
	    .code = code_number(ix, r->info.code)};
	f->open++;
	ix->n++;
	ix->open++;
	if (r->info.last_ns > f->newest_ns)
		f->newest_ns = r->info.last_ns;
	return 0;
}

/* The writer took back what it could not make durable. */
static void
cut_entries(struct deadletter_index *ix, struct deadletter_index_file *f, uint64_t size)
{
	while (f->n > 0 && f->entry[f->n - 1].off + f->entry[f->n - 1].len > size) {
		f->n--;
		ix->n--;
		if (f->entry[f->n].over == DEADLETTER_OPEN) {
			f->open--;
			ix->open--;
		}
	}
	f->off = f->n == 0 ? 0 : f->entry[f->n - 1].off + f->entry[f->n - 1].len;
}

static int
read_records(
    struct deadletter_index *ix, struct deadletter_index_stage *s, struct deadletter_index_file *f)
{
	enum deadletter_file_result r;
	struct deadletter_record record;
	struct deadletter_file in;
	uint64_t at, bad = f->bad_bytes;

	f->is_unlisted = false;
	r = deadletter_file_open(&in, s->dirfd, f->number, f->off);
	f->is_readable = r == DEADLETTER_FILE_OK;
	while (r == DEADLETTER_FILE_OK) {
		if (ix->n >= ix->max) {
			f->is_unlisted = ix->is_unlisted = true;
			break;
		}
		r = deadletter_file_next(&in, &record, &at);
		if (r == DEADLETTER_FILE_OK && add_entry(ix, f, &record, at) == -1)
			r = DEADLETTER_FILE_ERROR;
		if (r == DEADLETTER_FILE_OK)
			f->off = in.off;
	}
	f->is_complete = r == DEADLETTER_FILE_END;
	if (r == DEADLETTER_FILE_ERROR)
		f->mtime_ns = 0; /* look again */
	f->bad_bytes = bad + in.bad_bytes;
	deadletter_file_close(&in);
	return r == DEADLETTER_FILE_ERROR && errno != ENOENT ? -1 : 0;
}

static struct deadletter_index_file *
file_of(struct deadletter_index_stage *s, uint32_t number)
{
	size_t i = s->n;

	while (i > 0 && s->file[i - 1].number > number)
		i--;
	if (i > 0 && s->file[i - 1].number == number)
		return &s->file[i - 1];
	if (s->n == s->room) {
		size_t room = s->room == 0 ? 8 : s->room * 2;
		struct deadletter_index_file *file = realloc(s->file, room * sizeof *file);

		if (file == NULL)
			return NULL;
		s->file = file;
		s->room = room;
	}
	memmove(&s->file[i + 1], &s->file[i], (s->n - i) * sizeof s->file[0]);
	s->file[i] = (struct deadletter_index_file){.number = number};
	s->n++;
	return &s->file[i];
}

/*
 * Nothing can have come since it was read.  The size alone does not say so: a torn tail
 * may have been cut and a record of its length be there now; nor does a time of change
 * that is younger than the clock's steps.
 */
static bool
is_unchanged(const struct deadletter_index_file *f, const struct stat *st)
{
	uint64_t mtime_ns =
	    (uint64_t)st->st_mtim.tv_sec * CLOCK_NS_PER_S + (uint64_t)st->st_mtim.tv_nsec;

	if (f->is_unlisted || (f->is_readable && !f->is_complete) ||
	    f->size != (uint64_t)st->st_size)
		return false;
	return f->off == f->size ||
	       (f->mtime_ns == mtime_ns && clock_wall_ns() - mtime_ns > CLOCK_NS_PER_S);
}

static int
look_at_file(struct deadletter_index *ix, struct deadletter_index_stage *s, const char *name)
{
	uint32_t number = deadletter_format_number(name);
	struct deadletter_index_file *f;
	struct stat st;

	if (number == 0 || fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == -1 ||
	    !S_ISREG(st.st_mode))
		return 0;
	if ((f = file_of(s, number)) == NULL)
		return -1;
	f->is_there = true;
	if (is_unchanged(f, &st))
		return 0;
	f->mtime_ns = (uint64_t)st.st_mtim.tv_sec * CLOCK_NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
	if ((uint64_t)st.st_size < f->off)
		cut_entries(ix, f, (uint64_t)st.st_size);
	ix->bytes += (uint64_t)st.st_size - f->size;
	f->size = (uint64_t)st.st_size;
	return read_records(ix, s, f);
}

static DIR *
list(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), saved;
	DIR *d;

	if (fd == -1)
		return NULL;
	if ((d = fdopendir(fd)) == NULL) {
		saved = errno;
		(void)close(fd);
		errno = saved;
	}
	return d;
}

static int
refresh_stage(struct deadletter_index *ix, struct deadletter_index_stage *s)
{
	struct dirent *e;
	DIR *d = list(s->dirfd);
	int rc = 0;
	size_t kept = 0;

	if (d == NULL)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		s->file[i].is_there = false;
	while ((e = readdir(d)) != NULL)
		if (look_at_file(ix, s, e->d_name) == -1)
			rc = -1;
	(void)closedir(d);
	for (size_t i = 0; i < s->n; i++) {
		if (s->file[i].is_there)
			s->file[kept++] = s->file[i];
		else
			forget_file(ix, &s->file[i]);
	}
	s->n = kept;
	return rc;
}

static void
find_stages(struct deadletter_index *ix)
{
	struct dirent *e;
	DIR *d = list(ix->dirfd);

	ix->is_crowded = false;
	while (d != NULL && (e = readdir(d)) != NULL) {
		size_t i = 0;
		int fd;

		if (e->d_name[0] == '.' || strlen(e->d_name) >= sizeof ix->stage[0].name)
			continue;
		while (i < ix->stages && strcmp(ix->stage[i].name, e->d_name) != 0)
			i++;
		if (i < ix->stages)
			continue;
		fd = openat(ix->dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (fd == -1) {
			ix->is_crowded = ix->is_crowded || errno == EMFILE || errno == ENFILE;
			continue;
		}
		if (i == DEADLETTER_INDEX_STAGES) {
			ix->is_crowded = true;
			(void)close(fd);
			continue;
		}
		ix->stage[i] = (struct deadletter_index_stage){.dirfd = fd};
		(void)snprintf(ix->stage[i].name, sizeof ix->stage[i].name, "%.39s", e->d_name);
		ix->stages++;
	}
	if (d != NULL)
		(void)closedir(d);
}

int
deadletter_index_refresh(struct deadletter_index *ix)
{
	int rc = 0;

	if (ix->dirfd == -1 &&
	    (ix->dirfd = open(ix->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) == -1)
		return errno == ENOENT ? 0 : -1;
	ix->is_unlisted = false;
	find_stages(ix);
	for (size_t i = 0; i < ix->stages; i++)
		if (refresh_stage(ix, &ix->stage[i]) == -1)
			rc = -1;
	return rc;
}

/*---------------------------------------------------------------------------*
 * Entries
 *---------------------------------------------------------------------------*/

void
deadletter_index_id(
    const struct deadletter_index *ix, struct deadletter_ref r, char id[DEADLETTER_ID_SIZE])
{
	const struct deadletter_index_stage *s = &ix->stage[r.stage];

	deadletter_format_id(
	    s->name, s->file[r.file].number, s->file[r.file].entry[r.entry].off, id);
}

bool
deadletter_index_find(const struct deadletter_index *ix, const char *id, struct deadletter_ref *r)
{
	char stage[40];
	uint32_t number;
	uint64_t off;

	if (!deadletter_format_parse_id(id, stage, &number, &off))
		return false;
	for (r->stage = 0; r->stage < ix->stages; r->stage++) {
		const struct deadletter_index_stage *s = &ix->stage[r->stage];

		if (strcmp(s->name, stage) != 0)
			continue;
		for (r->file = 0; r->file < s->n; r->file++) {
			const struct deadletter_index_file *f = &s->file[r->file];
			size_t from = 0, to = f->n;

			if (f->number != number)
				continue;
			while (from < to) { /* entries are in the file's order */
				size_t mid = from + (to - from) / 2;

				if (f->entry[mid].off < off)
					from = mid + 1;
				else
					to = mid;
			}
			r->entry = (uint32_t)from;
			return from < f->n && f->entry[from].off == off;
		}
	}
	return false;
}

enum deadletter_file_result
deadletter_index_read(const struct deadletter_index *ix, struct deadletter_ref r,
    struct deadletter_file *f, struct deadletter_record *out)
{
	const struct deadletter_index_stage *s = &ix->stage[r.stage];
	enum deadletter_file_result result =
	    deadletter_file_open(f, s->dirfd, s->file[r.file].number, 0);

	if (result == DEADLETTER_FILE_OK)
		result = deadletter_file_read(f, s->file[r.file].entry[r.entry].off, out);
	if (result == DEADLETTER_FILE_BAD || (result == DEADLETTER_FILE_ERROR && errno == ENOENT))
		result = DEADLETTER_FILE_END;
	return result;
}

void
deadletter_index_mark(
    struct deadletter_index *ix, struct deadletter_ref r, enum deadletter_over over, uint32_t now_s)
{
	struct deadletter_index_file *f = &ix->stage[r.stage].file[r.file];
	struct deadletter_entry *e = &f->entry[r.entry];
	int change = (over == DEADLETTER_OPEN) - (e->over == DEADLETTER_OPEN);

	e->over = (uint8_t)over;
	e->over_s = now_s;
	f->open += (size_t)change;
	ix->open += (uint64_t)change;
}

uint64_t
deadletter_index_expire(struct deadletter_index *ix, uint64_t before_ns, uint32_t now_s)
{
	uint64_t n = 0;
	struct deadletter_ref r;

	for (r.stage = 0; r.stage < ix->stages; r.stage++)
		for (r.file = 0; r.file < ix->stage[r.stage].n; r.file++) {
			struct deadletter_index_file *f = &ix->stage[r.stage].file[r.file];

			for (r.entry = 0; f->open > 0 && r.entry < f->n; r.entry++) {
				if (f->entry[r.entry].over != DEADLETTER_OPEN ||
				    f->entry[r.entry].last_ns >= before_ns)
					continue;
				deadletter_index_mark(ix, r, DEADLETTER_EXPIRED, now_s);
				n++;
			}
		}
	return n;
}

bool
deadletter_index_may_go(const struct deadletter_index *ix, size_t stage, size_t file)
{
	return file + 1 < ix->stage[stage].n;
}

int
deadletter_index_unlink(struct deadletter_index *ix, size_t stage, size_t file)
{
	struct deadletter_index_stage *s = &ix->stage[stage];
	char name[DEADLETTER_NAME_LEN];

	assert_that(deadletter_index_may_go(ix, stage, file));
	deadletter_format_name(s->file[file].number, name);
	if (unlinkat(s->dirfd, name, 0) == -1 && errno != ENOENT)
		return -1;
	forget_file(ix, &s->file[file]);
	memmove(&s->file[file], &s->file[file + 1], (s->n - file - 1) * sizeof s->file[0]);
	s->n--;
	return 0;
}
