/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_region - a small region that looks like a daemon at work
 *
 * DESCRIPTION
 *	Two acceptors (slots 0 and 1, pages 1 and 2), the journal (page 3), the
 *	admin (page 4), and slot 2, whose owner is gone.  Every process is us.
 */
#ifndef TEST_UNIT_STATS_REGION_H
#define TEST_UNIT_STATS_REGION_H

#include "common/clock.h"
#include "shm/page.h"
#include "shm/word.h"
#include "workers/stats.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WALL_NS	 (1700000000ull * CLOCK_NS_PER_S)
#define START_NS (WALL_NS - 90 * CLOCK_NS_PER_S)
#define MONO_NS	 (5000ull * CLOCK_NS_PER_S)

static char region_dir[64];
static struct region region;
static struct stats stats;
static struct text_out out;

static void
page_of(uint32_t page, enum layout_role role, uint64_t number, uint64_t slot)
{
	struct layout_assignment *a = &region.header->page[page];

	word_store(&a->assigned, 7);
	word_store(&a->role, role);
	word_store(&a->number, number);
	word_store(&a->page, slot);
	page_begin(region.page[page], 7, getpid(), layout_role_name(role));
	page_state(region.page[page], LAYOUT_STATE_READY);
	counters_set(region.page[page]->counter, counter_id(PROCESS, started), START_NS);
	counters_set(region.page[page]->counter, counter_id(PROCESS, rss_kb), 2048);
	if (role != LAYOUT_ROLE_HTTP)
		return;
	a = &region.header->slot[slot];
	word_store(&a->assigned, 7);
	word_store(&a->role, role);
	word_store(&a->number, number);
	word_store(&a->page, page);
}

/* A stream with `put` events in it, of which the journal has `durable` bytes. */
static void
stream_of(uint32_t slot, uint64_t base, uint64_t put, uint64_t tail, uint64_t durable)
{
	struct slot_page *p = region.slot[slot];
	struct ring ring = region_ring(&region, slot);

	ring_start(&ring, base, 100);
	word_store(&p->base_seq, 100);
	if (tail != base)
		cursor_store(&p->ring.tail, tail, 100 + put);
	cursor_init(&region.journal->stream[slot].durable, durable, 100);
	word_store(&region.journal->stream[slot].start, base);
	word_store(&p->active, 7);
	word_store(&p->pid, (uint64_t)getpid());
	counters_set(p->counter, counter_id(STREAM, takeovers), 1);
	counters_set(p->counter, counter_id(STREAM, received), put + 10);
	counters_set(p->counter, counter_id(STREAM, duplicate), 6);
	counters_set(p->counter, counter_id(STREAM, invalid), 3);
	counters_set(p->counter, counter_id(STREAM, retry), 1);
}

static void
region_setup(void)
{
	struct region_params params = { .generation = 3,
		.slots = 4,
		.pages = 8,
		.ring_capacity = 1 << 16,
		.dedup_bytes = 1 << 16,
		.dedup_window_ms = 3600000,
		.uid = getuid(),
		.gid = getgid() };
	char text[256];

	(void)snprintf(region_dir, sizeof region_dir, "/dev/shm/test_stats.%d", (int)getpid());
	ck_assert_int_eq(region_create(region_dir, &params, text, sizeof text), REGION_OK);
	ck_assert_int_eq(region_open(&region, region_dir, true, text, sizeof text), REGION_OK);
	word_store(&region.header->supervisor_pid, (uint64_t)getpid());
	word_store(&region.header->phase, LAYOUT_PHASE_RUNNING);
	word_store(&region.journal->ready_generation, 3);
	page_of(1, LAYOUT_ROLE_HTTP, 0, 0);
	page_of(2, LAYOUT_ROLE_HTTP, 1, 1);
	page_of(3, LAYOUT_ROLE_JOURNAL, 0, ~0ull);
	page_of(4, LAYOUT_ROLE_ADMIN, 0, ~0ull);
	stream_of(0, 0, 50, 8000, 4000);
	/* After a lost region: the journal's end lies before the stream's start. */
	stream_of(1, 1ull << 40, 20, (1ull << 40) + 3200, 5000);
	stream_of(2, 0, 5, 800, 800);
	word_store(&region.slot[2]->active, 0);
	word_store(&region.header->slot[2].role, LAYOUT_ROLE_HTTP);
	word_store(&region.header->slot[2].number, 5);
	stats_init(&stats, &region, 10000);
	stats_tick(&stats, WALL_NS, MONO_NS);
	text_init(&out, 1 << 20);
}

static void
region_teardown(void)
{
	text_free(&out);
	region_close(&region);
	(void)region_remove(region_dir);
}

/* The answer to one command; lives until the next. */
static __attribute__((unused)) const char *
ask(const char *line)
{
	text_free(&out);
	ck_assert_msg(stats_command(&stats, line, &out), "unknown: %s", line);
	ck_assert_ptr_null(strstr(out.buf, "\n\n"));
	ck_assert_int_ne(out.buf[0], '\n');
	return out.buf;
}

/* Is there a line that begins with these words, blanks between them? */
static __attribute__((unused)) bool
has_line(const char *text, const char *words)
{
	while (*text != '\0') {
		const char *t = text + strspn(text, " "), *w = words;

		while (*w != '\0' && *t != '\0' && *t != '\n') {
			if (*w == ' ') {
				if (*t != ' ')
					break;
				t += strspn(t, " ");
				w++;
			} else if (*t++ != *w++) {
				w--;
				break;
			}
		}
		if (*w == '\0')
			return true;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return false;
}

#define CK_LINE(text, words) ck_assert_msg(has_line(text, words), "no line \"%s\" in:\n%s", words, text)

#endif
