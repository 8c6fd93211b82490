/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_event - nanoseconds an event, stage by stage
 *
 * DESCRIPTION
 *	Reads test/data/clickstream.ndjson (or the file named first) and runs each
 *	stage of the intake over it, NDJSON and as one array for each 1000 events;
 *	prints the best of ROUNDS rounds.  Prints numbers, fails nothing.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/crc32c.h"
#include "common/event.h"
#include "common/event_key.h"
#include "common/json.h"
#include "common/json_out.h"
#include "common/panic.h"
#include "common/split.h"

#define EVENTS_MAX 20000
#define BATCH      1000
#define ROUNDS     15

struct input {
	struct bytes lines; /* the file */
	struct bytes arrays[EVENTS_MAX / BATCH + 1];
	size_t n_arrays;
	struct bytes events[EVENTS_MAX]; /* in the file */
	size_t n;
};

static struct input in;
static struct bytes slices[EVENTS_MAX];
static struct event events[EVENTS_MAX];
static uint8_t copy[1 << 20];
static volatile uint64_t sink;
static struct event_reader *reader;
static struct json_parser *parser;
static const uint8_t secret[EVENT_KEY_SECRET_LEN] = "0123456789abcde";

static void
load(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *file = xcalloc(1, 64 << 20), *arrays = xcalloc(1, 64 << 20), *at = arrays;

	if (f == NULL)
		fatal("cannot read %s", path);
	in.lines = bytes_of(file, fread(file, 1, (64 << 20) - JSON_PADDING, f));
	fclose(f);
	if (split_lines(in.lines, EVENTS_MAX, in.events, &in.n) != SPLIT_OK || in.n == 0)
		fatal("%s holds no events, or more than %d", path, EVENTS_MAX);
	for (size_t i = 0; i < in.n; i += BATCH) {
		uint8_t *from = at;

		for (size_t k = i; k < in.n && k < i + BATCH; k++) {
			*at++ = k == i ? '[' : ',';
			memcpy(at, in.events[k].ptr, in.events[k].len);
			at += in.events[k].len;
		}
		*at++ = ']';
		in.arrays[in.n_arrays++] = bytes_of(from, (size_t)(at - from));
	}
}

static void
run_split_lines(void)
{
	size_t n;

	if (split_lines(in.lines, EVENTS_MAX, slices, &n) != SPLIT_OK)
		fatal("split_lines");
	sink += n;
}

static void
run_split_array(void)
{
	size_t n;

	for (size_t i = 0; i < in.n_arrays; i++) {
		if (split_array(in.arrays[i], BATCH, slices, &n) != SPLIT_OK)
			fatal("split_array");
		sink += n;
	}
}

static void
run_index(void)
{
	const uint32_t *indexes;
	size_t n;

	for (size_t i = 0; i < in.n; i++) {
		if (json_index(parser, in.events[i], &indexes, &n) != JSON_OK)
			fatal("json_index");
		sink += n;
	}
}

static void
run_parse(void)
{
	struct json_value root;

	for (size_t i = 0; i < in.n; i++) {
		if (json_parse(parser, in.events[i], &root) != JSON_OK)
			fatal("json_parse");
		sink += root.at;
	}
}

static void
run_read(void)
{
	for (size_t i = 0; i < in.n; i++) {
		if (event_read(reader, in.events[i], &events[i], NULL) != EVENT_OK)
			fatal("event_read");
	}
}

static void
run_members(void)
{
	struct split_member members[16];
	size_t n;

	for (size_t i = 0; i < in.n; i++) {
		if (split_members(in.events[i], 16, members, &n) != SPLIT_OK)
			fatal("split_members");
		sink += n;
	}
}

static void
run_hash(void)
{
	for (size_t i = 0; i < in.n; i++)
		sink += event_key_hash(secret, 1, &events[i], EVENT_KEY_AUTO).lo;
}

static void
run_crc(void)
{
	for (size_t i = 0; i < in.n; i++)
		sink += crc32c(0, in.events[i].ptr, in.events[i].len);
}

static void
run_crc_copy(void)
{
	size_t off = 0;

	for (size_t i = 0; i < in.n; i++) {
		sink += crc32c_copy(0, copy + off, in.events[i].ptr, in.events[i].len);
		off = off + 65536 < sizeof(copy) ? off + bytes_round_up(in.events[i].len, 8) : 0;
	}
}

static void
run_memcpy_crc(void)
{
	size_t off = 0;

	for (size_t i = 0; i < in.n; i++) {
		memcpy(copy + off, in.events[i].ptr, in.events[i].len);
		sink += crc32c(0, copy + off, in.events[i].len);
		off = off + 65536 < sizeof(copy) ? off + bytes_round_up(in.events[i].len, 8) : 0;
	}
}

static void
run_print(void)
{
	uint8_t room[1024];

	for (size_t i = 0; i < in.n; i++) {
		struct json_out out = json_out_on(room, sizeof(room));

		event_key_print(&out, &events[i]);
		sink += out.len;
	}
}

/* All stages for one event before the next, as an acceptor does it. */
static void
whole(struct bytes body)
{
	struct event event;

	if (event_read(reader, body, &event, NULL) != EVENT_OK)
		fatal("event_read");
	sink += event_key_hash(secret, 1, &event, EVENT_KEY_AUTO).lo;
	sink += crc32c(0, body.ptr, body.len);
}

static void
run_all_lines(void)
{
	size_t n;

	if (split_lines(in.lines, EVENTS_MAX, slices, &n) != SPLIT_OK)
		fatal("split_lines");
	for (size_t i = 0; i < n; i++)
		whole(slices[i]);
}

static void
run_all_array(void)
{
	size_t n;

	for (size_t i = 0; i < in.n_arrays; i++) {
		if (split_array(in.arrays[i], BATCH, slices, &n) != SPLIT_OK)
			fatal("split_array");
		for (size_t k = 0; k < n; k++)
			whole(slices[k]);
	}
}

static void
measure(const char *name, void (*run)(void))
{
	double best = 1e18;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = clock_mono_ns();
		double ns;

		run();
		ns = (double)(clock_mono_ns() - from) / (double)in.n;
		best = ns < best ? ns : best;
	}
	printf("%-34s %7.1f ns/event\n", name, best);
}

int
main(int argc, char **argv)
{
	struct event_limits limits = {.body_max = 1 << 20, .depth_max = 64, .needs_id = false};

	load(argc > 1 ? argv[1] : "test/data/clickstream.ndjson");
	reader = event_reader_new(&limits);
	parser = json_parser_new(limits.body_max, limits.depth_max);
	printf("%zu events of %zu bytes on average; simdjson kernel %s\n", in.n,
	    in.lines.len / in.n, json_kernel());
	measure("split, NDJSON", run_split_lines);
	for (int k = SPLIT_KERNEL_AVX512; k >= SPLIT_KERNEL_SCALAR; k--) {
		static const char *const names[] = {"split, array (scalar)", "split, array (SSE2)",
		    "split, array (AVX2)", "split, array (AVX-512)"};

		if (split_use_kernel((enum split_kernel)k))
			measure(names[k], run_split_array);
	}
	for (int k = SPLIT_KERNEL_AVX512; !split_use_kernel((enum split_kernel)k); k--)
		;
	measure("structural index alone", run_index);
	measure("simdjson tree (not on the path)", run_parse);
	measure("event_read: parse + validate", run_read);
	measure("split_members (not on the path)", run_members);
	measure("event_key_hash", run_hash);
	measure("event_key_print", run_print);
	measure("crc32c", run_crc);
	measure("crc32c_copy", run_crc_copy);
	measure("memcpy, then crc32c", run_memcpy_crc);
	measure("all, NDJSON", run_all_lines);
	measure("all, array", run_all_array);
	return 0;
}
