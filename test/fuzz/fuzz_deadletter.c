/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_deadletter - readers of dead letters, and their writer, on hostile files
 *
 * DESCRIPTION
 *	The first byte: 1 the CRCs of records are repaired, so that mutations get
 *	past them; 2 the head of the file is hostile too; 4 the bytes are the
 *	marks.  The rest is what stands behind the head of the newest file.
 *
 *	Whatever is in there: records come in order and without overlap, a second
 *	reading gives the same, what is read by its place is what was listed,
 *	and a writer goes on behind it.
 */
#include "workers/deadletter_json.h"
#include "workers/deadletter_marks.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SALT     0x5a17
#define BODY_MAX (64 * 1024)

enum { FIX_RECORDS = 1, HOSTILE_HEAD = 2, MARKS = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char dir[64];
static uint8_t file[32 + BODY_MAX];

static const char *
under(const char *name)
{
	static char path[160];

	(void)snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static void
clean(void)
{
	(void)unlink(under("deadletter/marks"));
	(void)unlink(under("deadletter/a/00000001.dead"));
	(void)unlink(under("deadletter/a/00000002.dead"));
	(void)rmdir(under("deadletter/a"));
	(void)rmdir(under("deadletter"));
	(void)rmdir(dir);
}

static void
put(const char *name, const uint8_t *bytes, size_t len)
{
	int fd = open(under(name), O_WRONLY | O_CREAT | O_TRUNC, 0640);

	if (fd == -1 || write(fd, bytes, len) != (ssize_t)len || close(fd) == -1)
		abort();
}

static void
make_dir(void)
{
	if (dir[0] != '\0')
		return;
	(void)snprintf(dir, sizeof dir, "/dev/shm/fuzz_deadletter.XXXXXX");
	if (mkdtemp(dir) == NULL || mkdir(under("deadletter"), 0750) == -1 ||
	    mkdir(under("deadletter/a"), 0750) == -1)
		abort();
	(void)atexit(clean);
}

/* Wherever lengths fit, a CRC that fits too. */
static void
repair(uint8_t *at, size_t len)
{
	for (size_t off = 0; off + sizeof(struct deadletter_head) <= len;) {
		struct deadletter_head h;

		memcpy(&h, at + off, sizeof h);
		if (h.magic != DEADLETTER_MAGIC || h.record_len < sizeof h ||
		    h.record_len > len - off) {
			off += 8;
			continue;
		}
		(void)deadletter_format_seal(at + off, SALT);
		off += bytes_round_up(h.record_len, 8);
	}
}

static uint64_t
look(struct deadletter_index *ix)
{
	struct deadletter_query q = {.is_all = true};
	struct deadletter_ref *refs;
	uint64_t sum = 0, end = 0;
	struct text_out out;
	size_t n;

	if (deadletter_index_refresh(ix) == -1 || deadletter_marks_load(ix, NULL, NULL) == -1)
		abort();
	refs = deadletter_index_select(ix, &q, &n);
	if (n != ix->n)
		abort();
	text_init(&out, 1u << 24);
	for (size_t i = 0; ix->stages > 0 && i < ix->n; i++) {
		struct deadletter_ref ref = {0, 0, (uint32_t)i}, same;
		struct deadletter_entry *e = deadletter_index_entry(ix, ref);
		struct deadletter_view v = {.instance = "0badcafe"};
		struct deadletter_record r;
		struct deadletter_file f;

		if (e->off < end)
			abort();
		end = e->off + e->len;
		deadletter_index_id(ix, ref, v.id);
		if (!deadletter_index_find(ix, v.id, &same) || same.entry != i)
			abort();
		if (deadletter_index_read(ix, ref, &f, &r) != DEADLETTER_FILE_OK ||
		    r.info.pos != e->pos || r.info.stream != e->stream)
			abort();
		deadletter_json(&out, &v, &r, true);
		sum += e->off + e->pos + (e->over == DEADLETTER_OPEN);
		deadletter_file_close(&f);
	}
	text_free(&out);
	free(refs);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct deadletter_info info = {.code = "x", .stream = 7, .pos = 7, .is_replay = true};
	struct deadletter_file_head h;
	static struct deadletter_index ix;
	struct deadletter_writer *w;
	uint64_t first, before;
	uint8_t what;

	if (size == 0 || size > BODY_MAX)
		return 0;
	make_dir();
	what = *data++;
	size--;
	deadletter_format_file(&h, SALT, 1);
	memcpy(file, &h, sizeof h);
	(void)unlink(under("deadletter/marks"));
	(void)unlink(under("deadletter/a/00000002.dead"));
	if ((what & MARKS) != 0)
		put("deadletter/marks", data, size);
	memcpy(file + ((what & HOSTILE_HEAD) != 0 ? 0 : sizeof h), data, size);
	if ((what & FIX_RECORDS) != 0)
		repair(file + sizeof h, size);
	put("deadletter/a/00000001.dead", file, size + ((what & HOSTILE_HEAD) != 0 ? 0 : sizeof h));

	deadletter_index_init(&ix, dir);
	first = look(&ix);
	if (look(&ix) != first)
		abort();
	before = ix.n;
	w = deadletter_writer_open(dir, "a", (uid_t)-1, (gid_t)-1);
	if (w == NULL || deadletter_writer_add(w, &info, (struct bytes){NULL, 0}) == -1 ||
	    deadletter_writer_sync(w) == -1)
		abort();
	deadletter_writer_close(w);
	if (deadletter_index_refresh(&ix) == -1 || ix.n != before + 1)
		abort();
	deadletter_index_free(&ix);
	return 0;
}
