/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_query - choosing entries of the index
 *
 * PROCESS
 *	The deadletter stage; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_index.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct chosen {
	struct deadletter_ref ref;
	uint64_t last_ns;
	uint64_t off;
};

static bool
fits(const struct deadletter_index *ix, const struct deadletter_query *q,
    const struct deadletter_entry *e)
{
	return (q->is_all || e->over == DEADLETTER_OPEN) && e->last_ns >= q->since_ns &&
	       (q->until_ns == 0 || e->last_ns < q->until_ns) &&
	       (q->code[0] == '\0' || strcmp(ix->code[e->code], q->code) == 0) &&
	       (!q->has_place || (e->stream == q->stream && e->pos == q->pos));
}

static int
by_age(const void *a, const void *b)
{
	const struct chosen *x = a, *y = b;

	if (x->last_ns != y->last_ns)
		return x->last_ns < y->last_ns ? 1 : -1;
	if (x->ref.stage != y->ref.stage)
		return x->ref.stage < y->ref.stage ? 1 : -1;
	if (x->ref.file != y->ref.file)
		return x->ref.file < y->ref.file ? 1 : -1;
	return x->off < y->off ? 1 : x->off > y->off ? -1 : 0;
}

/* limit: so many of the newest are enough; 0: all of them.  *floor_ns: those older than
 * this are not among them. */
static bool
choose(struct chosen **all, size_t *n, size_t *room, size_t limit, uint64_t *floor_ns,
    struct chosen one)
{
	if (one.last_ns < *floor_ns)
		return true;
	if (*n == *room && limit != 0 && *n >= 2 * limit) {
		qsort(*all, *n, sizeof **all, by_age);
		*n = limit;
		*floor_ns = (*all)[limit - 1].last_ns;
	}
	if (*n == *room) {
		size_t more = *room == 0 ? 256 : *room * 2;
		struct chosen *grown = realloc(*all, more * sizeof *grown);

		if (grown == NULL)
			return false;
		*all = grown;
		*room = more;
	}
	(*all)[(*n)++] = one;
	return true;
}

struct deadletter_ref *
deadletter_index_select(
    const struct deadletter_index *ix, const struct deadletter_query *q, size_t *n)
{
	struct chosen *all = NULL;
	struct deadletter_ref *refs = NULL, r;
	size_t found = 0, room = 0;
	uint64_t floor_ns = 0;

	*n = 0;
	for (r.stage = 0; r.stage < ix->stages; r.stage++) {
		const struct deadletter_index_stage *s = &ix->stage[r.stage];

		if (q->stage[0] != '\0' && strcmp(q->stage, s->name) != 0)
			continue;
		/* The newest come last. */
		for (r.file = (uint32_t)s->n; r.file-- > 0;) {
			const struct deadletter_index_file *f = &s->file[r.file];

			if (f->newest_ns < q->since_ns || (f->open == 0 && !q->is_all))
				continue;
			for (r.entry = (uint32_t)f->n; r.entry-- > 0;) {
				const struct deadletter_entry *e = &f->entry[r.entry];

				if (fits(ix, q, e) &&
				    !choose(&all, &found, &room, q->limit, &floor_ns,
					(struct chosen){r, e->last_ns, e->off}))
					goto out;
			}
		}
	}
	if (found == 0)
		goto out;
	qsort(all, found, sizeof *all, by_age);
	if (q->limit != 0 && found > q->limit)
		found = q->limit;
	if ((refs = calloc(found, sizeof *refs)) == NULL)
		goto out;
	for (size_t i = 0; i < found; i++)
		refs[i] = all[i].ref;
	*n = found;
out:
	free(all);
	return refs;
}

/*---------------------------------------------------------------------------*
 * Records of one event
 *---------------------------------------------------------------------------*/

struct event_of {
	uint64_t pos;
	uint32_t stage, stream;
	size_t at; /* in refs */
};

static int
by_event(const void *a, const void *b)
{
	const struct event_of *x = a, *y = b;

	if (x->stage != y->stage)
		return x->stage < y->stage ? -1 : 1;
	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

static int
by_event_and_order(const void *a, const void *b)
{
	const struct event_of *x = a, *y = b;
	int c = by_event(a, b);

	return c != 0 ? c : x->at < y->at ? -1 : x->at > y->at;
}

/* Sorted; NULL: none, or no memory. */
static struct event_of *
events_of(const struct deadletter_index *ix, const struct deadletter_ref *refs, size_t n)
{
	struct event_of *all = n == 0 ? NULL : calloc(n, sizeof *all);

	for (size_t i = 0; all != NULL && i < n; i++) {
		const struct deadletter_entry *e = deadletter_index_entry(ix, refs[i]);

		all[i] = (struct event_of){
		    .pos = e->pos, .stage = refs[i].stage, .stream = e->stream, .at = i};
	}
	if (all != NULL)
		qsort(all, n, sizeof *all, by_event_and_order);
	return all;
}

static int
by_at(const void *a, const void *b)
{
	const struct event_of *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

size_t
deadletter_index_unique(const struct deadletter_index *ix, struct deadletter_ref *refs, size_t n)
{
	struct event_of *all = events_of(ix, refs, n);
	size_t kept = 0;

	if (all == NULL)
		return n;
	for (size_t i = 0; i < n; i++)
		if (kept == 0 || by_event(&all[kept - 1], &all[i]) != 0)
			all[kept++] = all[i];
	qsort(all, kept, sizeof *all, by_at);
	for (size_t i = 0; i < kept; i++) /* i <= at: none is overwritten before its turn */
		refs[i] = refs[all[i].at];
	free(all);
	return kept;
}

struct deadletter_ref *
deadletter_index_same(const struct deadletter_index *ix, const struct deadletter_ref *refs,
    size_t refs_n, size_t *n)
{
	struct event_of *all = events_of(ix, refs, refs_n);
	struct deadletter_ref *same = NULL, r;
	size_t found = 0, room = 0;

	*n = 0;
	for (r.stage = 0; all != NULL && r.stage < ix->stages; r.stage++)
		for (r.file = 0; r.file < ix->stage[r.stage].n; r.file++) {
			const struct deadletter_index_file *f = &ix->stage[r.stage].file[r.file];

			for (r.entry = 0; f->open > 0 && r.entry < f->n; r.entry++) {
				const struct deadletter_entry *e = &f->entry[r.entry];
				struct event_of key = {
				    .pos = e->pos, .stage = r.stage, .stream = e->stream};

				if (e->over != DEADLETTER_OPEN ||
				    bsearch(&key, all, refs_n, sizeof key, by_event) == NULL)
					continue;
				if (found == room) {
					struct deadletter_ref *grown;

					room = room == 0 ? refs_n + 16 : room * 2;
					if ((grown = realloc(same, room * sizeof *same)) == NULL) {
						free(same);
						free(all);
						return NULL;
					}
					same = grown;
				}
				same[found++] = r;
			}
		}
	free(all);
	*n = found;
	return same;
}

static bool
parse_u64(const char *text, uint64_t *value)
{
	char *end;

	if (text[0] < '0' || text[0] > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

bool
deadletter_index_parse(struct deadletter_query *q, const char *word)
{
	const char *value = strchr(word, '=');
	size_t len;
	uint64_t n;

	if (strcmp(word, "all") == 0) {
		q->is_all = true;
		return true;
	}
	if (value == NULL)
		return false;
	len = (size_t)(value - word);
	value++;
	if ((len == 5 && memcmp(word, "stage", 5) == 0) ||
	    (len == 4 && memcmp(word, "sink", 4) == 0)) {
		(void)snprintf(q->stage, sizeof q->stage, "%s", value);
		return strlen(value) < sizeof q->stage && *value != '\0';
	}
	if (len == 4 && memcmp(word, "code", 4) == 0) {
		(void)snprintf(q->code, sizeof q->code, "%s", value);
		return strlen(value) < sizeof q->code && *value != '\0';
	}
	if (!parse_u64(value, &n))
		return false;
	if (len == 5 && memcmp(word, "since", 5) == 0)
		q->since_ns = n;
	else if (len == 5 && memcmp(word, "until", 5) == 0)
		q->until_ns = n;
	else if (len == 5 && memcmp(word, "limit", 5) == 0)
		q->limit = (size_t)n;
	else
		return false;
	return true;
}

const char *
deadletter_index_over_name(enum deadletter_over over)
{
	static const char *const names[] = {"open", "replayed", "purged", "expired"};

	return (unsigned)over < DEADLETTER_OVERS ? names[over] : "?";
}
