/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_form - times, ages and other people's text as people read them
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "common/clock.h"
#include "common/json_out.h"
#include "workers/stats.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

const char *
stats_age(uint64_t ns, char buf[STATS_TIME_SIZE])
{
	unsigned long long ms = ns / CLOCK_NS_PER_MS, s = ms / 1000;

	if (s == 0)
		(void)snprintf(buf, STATS_TIME_SIZE, "%llums", ms);
	else if (s < 60)
		(void)snprintf(buf, STATS_TIME_SIZE, "%llu.%llus", s, ms / 100 % 10);
	else if (s < 3600)
		(void)snprintf(buf, STATS_TIME_SIZE, "%llum%02llus", s / 60, s % 60);
	else if (s < 86400)
		(void)snprintf(buf, STATS_TIME_SIZE, "%lluh%02llum", s / 3600, s / 60 % 60);
	else
		(void)snprintf(buf, STATS_TIME_SIZE, "%llud%02lluh", s / 86400, s / 3600 % 24);
	return buf;
}

const char *
stats_time(uint64_t wall_ns, char buf[STATS_TIME_SIZE])
{
	if (wall_ns == 0)
		return memcpy(buf, "-", 2);
	json_out_time_to(buf, (int64_t)(wall_ns / CLOCK_NS_PER_MS));
	buf[JSON_OUT_TIME_LEN] = '\0';
	return buf;
}

const char *
stats_exit(uint64_t wait_status, char buf[STATS_TIME_SIZE])
{
	int status = (int)wait_status;
	const char *name;

	if (WIFSIGNALED(status)) {
		name = sigabbrev_np(WTERMSIG(status));
		(void)snprintf(buf, STATS_TIME_SIZE, "signal %d (%s)", WTERMSIG(status),
		    name == NULL ? "?" : name);
	} else {
		(void)snprintf(buf, STATS_TIME_SIZE, "exit %d", WEXITSTATUS(status));
	}
	return buf;
}

const char *
stats_phase_name(uint64_t phase)
{
	static const char *const names[] = {"starting", "running", "draining", "stopped"};

	return phase < sizeof names / sizeof names[0] ? names[phase] : "?";
}

const char *
stats_uuid(const uint8_t id[16], char buf[37])
{
	char *at = buf;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += snprintf(at, 3, "%02x", id[i]);
	}
	return buf;
}

void
stats_clean(char *to, size_t size, const char *from, size_t from_size)
{
	size_t n = 0;

	for (size_t i = 0; i < from_size && from[i] != '\0' && n + 1 < size; i++) {
		unsigned char c = (unsigned char)from[i];

		to[n++] = c < 0x20 || c == 0x7f ? ' ' : (char)c;
	}
	while (n > 0 && to[n - 1] == ' ')
		n--;
	to[n] = '\0';
}
