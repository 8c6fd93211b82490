/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	receipt_begin - where each sink began, over the lives of the region
 *
 * PROCESS
 *	The deadletter stage writes; sluicectl reads.
 *
 * SHARED STATE
 *	Reads sink parts.
 */
#include "workers/receipt.h"

#include "shm/word.h"
#include "workers/checkpoint.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In the sink's own folder: who retires the sink removes it too. */
#define FILE_NAME "begin"

static void
keep(const struct receipt *r, struct receipt_begin *begin, struct checkpoint_file *f,
    const struct sink_part *part)
{
	static struct checkpoint c;

	memset(&c, 0, sizeof c);
	memcpy(c.instance, r->region->header->instance, sizeof c.instance);
	c.generation = r->region->header->generation;
	c.streams = SINK_PART_STREAMS;
	for (int i = 0; i < SINK_PART_STREAMS; i++)
		begin->seq[i] = c.stream[i].seq = word_load(&part->stream[i].start_seq);
	begin->is_known = checkpoint_write(f, &c) == 0;
}

static void
note(struct receipt *r, int i, int dirfd, bool is_keeper)
{
	struct receipt_begin *begin = &r->begin[i];
	int at = region_sink_find(r->region, r->cfg->sink[i].name);
	struct checkpoint_file f;
	static struct checkpoint c;

	switch (checkpoint_read(dirfd, FILE_NAME, &c)) {
	case CHECKPOINT_OK:
		if (memcmp(c.instance, r->region->header->instance, sizeof c.instance) != 0)
			break;
		for (int k = 0; k < SINK_PART_STREAMS; k++)
			begin->seq[k] = c.stream[k].seq;
		begin->is_known = true;
		return;
	case CHECKPOINT_ERROR:
		return;
	default:
		break;
	}
	if (!is_keeper || at == -1 || r->region->sink[at] == NULL ||
	    word_load(&r->region->sink[at]->ready_generation) != r->region->header->generation)
		return;
	checkpoint_open(&f, dirfd, FILE_NAME);
	keep(r, begin, &f, r->region->sink[at]);
	checkpoint_close(&f);
}

void
receipt_note_begin(struct receipt *r, bool is_keeper)
{
	char path[CONFIG_PATH_SIZE + 64];
	int dirfd;

	for (int i = 0; i < r->cfg->sinks; i++) {
		if (r->begin[i].is_known)
			continue;
		(void)snprintf(
		    path, sizeof path, "%s/sinks/%s", r->state_dir, r->cfg->sink[i].name);
		dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (dirfd == -1)
			continue; /* the sink makes it */
		note(r, i, dirfd, is_keeper);
		(void)close(dirfd);
	}
}
