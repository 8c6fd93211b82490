/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_histogram - latencies, each kept to within 1.6 per cent
 *
 * DESCRIPTION
 *	Sixty-four buckets for each power of two of nanoseconds, as in HDR
 *	histograms; nothing is thrown away and adding costs a few instructions.
 *
 * PROCESS
 *	Benches only.
 *
 * SHARED STATE
 *	None.
 */
#ifndef BENCH_HISTOGRAM_H
#define BENCH_HISTOGRAM_H

#include <stdint.h>
#include <stdio.h>

#define BENCH_SUB 64

struct bench_histogram {
	uint64_t n, max;
	uint64_t bucket[64 * BENCH_SUB];
};

static inline void
bench_histogram_add(struct bench_histogram *h, uint64_t ns)
{
	unsigned shift = ns < BENCH_SUB ? 0 : 63 - (unsigned)__builtin_clzll(ns) - 6;

	h->bucket[shift * BENCH_SUB + (ns >> shift)]++;
	h->n++;
	h->max = ns > h->max ? ns : h->max;
}

/* The value that `part` of all are not above, in nanoseconds. */
static inline uint64_t
bench_histogram_at(const struct bench_histogram *h, double part)
{
	uint64_t want = (uint64_t)((double)h->n * part), seen = 0;

	/* Below 2 * BENCH_SUB each value has its own bucket; from there on each
	 * power of two begins at its own half. */
	for (unsigned shift = 0; shift < 58; shift++) {
		for (unsigned i = shift == 0 ? 0 : BENCH_SUB; i < 2 * BENCH_SUB; i++) {
			seen += h->bucket[shift * BENCH_SUB + i];
			if (seen > want)
				return (uint64_t)(i + 1) << shift;
		}
	}
	return h->max;
}

static inline void
bench_histogram_print(const struct bench_histogram *h)
{
	(void)printf("p50 %.1f p99 %.1f p999 %.1f max %.1f\n",
	    (double)bench_histogram_at(h, 0.5) / 1e3, (double)bench_histogram_at(h, 0.99) / 1e3,
	    (double)bench_histogram_at(h, 0.999) / 1e3, (double)h->max / 1e3);
}

#endif
