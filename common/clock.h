/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clock - the clocks, each read in one place
 *
 * DESCRIPTION
 *	clock_mono_ns() for durations, clock_boot_ns() for the dedup window
 *	(counts through suspend), clock_wall_ns() for receive times (information
 *	only, may jump).  Pure modules take a time as an argument instead.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>
#include <time.h>

#define CLOCK_NS_PER_S 1000000000ull
#define CLOCK_NS_PER_MS 1000000ull

static inline uint64_t
clock_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * CLOCK_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static inline uint64_t
clock_mono_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t
clock_boot_ns(void)
{
	return clock_ns(CLOCK_BOOTTIME);
}

static inline uint64_t
clock_wall_ns(void)
{
	return clock_ns(CLOCK_REALTIME);
}

#endif
