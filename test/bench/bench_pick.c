/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_pick - what it costs to find values in an event
 *
 * DESCRIPTION
 *	bench_pick FILE [ROUNDS]: FILE has an event on each line.  Prints nanoseconds
 *	an event for a few sets of pointers, a condition and a template.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include "common/match.h"
#include "common/pick.h"
#include "common/split.h"
#include "common/template.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define EVENTS_MAX 20000

static struct bytes event[EVENTS_MAX];
static size_t events;

static double
now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void
pick_time(const char *name, const char *const *pointers, int rounds)
{
	struct pick *p = pick_new();
	struct bytes out[PICK_MAX];
	char why[256];
	double best = 1e18, from;
	size_t found = 0, i;
	int r;

	for (; *pointers != NULL; pointers++)
		if (pick_add(p, *pointers, why, sizeof why) == -1)
			exit(1);
	for (r = 0; r < rounds; r++) {
		from = now_ns();
		for (i = 0; i < events; i++) {
			pick_run(p, event[i], out);
			found += out[0].len;
		}
		from = (now_ns() - from) / (double)events;
		best = from < best ? from : best;
	}
	printf("%-44s %7.1f ns/event  (%zu)\n", name, best, found);
	pick_free(p);
}

static void
match_time(const char *name, const char *glob, const char *where, int rounds)
{
	struct match *m = match_new();
	char why[256];
	double best = 1e18, from;
	size_t found = 0, i;
	int r;

	if ((glob != NULL && match_add_type(m, glob, why, sizeof why) == -1) ||
	    (where != NULL && match_add_where(m, where, why, sizeof why) == -1))
		exit(1);
	for (r = 0; r < rounds; r++) {
		from = now_ns();
		for (i = 0; i < events; i++)
			found += match_event(m, BYTES_LIT("\"page_view\""), event[i]);
		from = (now_ns() - from) / (double)events;
		best = from < best ? from : best;
	}
	printf("%-44s %7.1f ns/event  (%zu)\n", name, best, found);
	match_free(m);
}

static void
template_time(const char *text, int rounds)
{
	char why[256], name[250];
	struct template *t = template_new(text, why, sizeof why);
	double best = 1e18, from;
	size_t found = 0, i;
	int r;

	if (t == NULL)
		exit(1);
	for (r = 0; r < rounds; r++) {
		from = now_ns();
		for (i = 0; i < events; i++)
			found += template_run(t, BYTES_LIT("\"page_view\""),
			    BYTES_LIT("\"v-e094230b81b4\""), event[i], name, sizeof name);
		from = (now_ns() - from) / (double)events;
		best = from < best ? from : best;
	}
	printf("template %-35s %7.1f ns/event  (%zu)\n", text, best, found);
	template_free(t);
}

int
main(int argc, char **argv)
{
	int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 30;
	size_t len = 0, room = 64 * 1024 * 1024, total = 0, i;
	char *text = malloc(room);
	FILE *in = argc > 1 ? fopen(argv[1], "r") : NULL;

	if (in == NULL || text == NULL) {
		fprintf(stderr, "usage: bench_pick FILE [ROUNDS]\n");
		return 64;
	}
	len = fread(text, 1, room, in);
	(void)fclose(in);
	if (split_lines(bytes_of(text, len), EVENTS_MAX, event, &events) == SPLIT_TOO_MANY)
		events = EVENTS_MAX;
	for (i = 0; i < events; i++)
		total += event[i].len;
	printf("%zu events of %zu bytes\n", events, total / (events > 0 ? events : 1));
	pick_time("userId, eventType, timestamp",
	    (const char *[]){"/userId", "/eventType", "/timestamp", NULL}, rounds);
	pick_time("and metadata",
	    (const char *[]){"/userId", "/eventType", "/timestamp", "/metadata", NULL}, rounds);
	pick_time("3 inside of metadata",
	    (const char *[]){"/metadata/path", "/metadata/status", "/metadata/referrer", NULL},
	    rounds);
	pick_time("7 of both",
	    (const char *[]){"/userId", "/eventType", "/timestamp", "/metadata/method",
		"/metadata/path", "/metadata/status", "/metadata/bytes", NULL},
	    rounds);
	pick_time("absent", (const char *[]){"/nothing", NULL}, rounds);
	pick_time("absent in metadata", (const char *[]){"/metadata/nothing", NULL}, rounds);
	match_time("match page_*", "page_*", NULL, rounds);
	match_time("match /metadata/status >= 500", NULL, "/metadata/status >= 500", rounds);
	match_time("match /metadata/path ~ \"*/images/*\"", NULL, "/metadata/path ~ \"*/images/*\"",
	    rounds);
	template_time("events", rounds);
	template_time("events.%{eventType}", rounds);
	template_time("events.%{/metadata/method}", rounds);
	return 0;
}
