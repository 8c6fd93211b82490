/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_client - what the load generators share
 *
 * DESCRIPTION
 *	A prepared request is sent again and again; before each send the digits
 *	of its events' timestamps are written over in place, so that every
 *	event ever sent has a key of its own and making it costs nearly nothing.
 *	Timestamps are 13 digits long and count up from a base that the caller
 *	gives each run (--base).
 *
 * PROCESS
 *	Benches only.
 *
 * SHARED STATE
 *	None.
 */
#ifndef BENCH_CLIENT_H
#define BENCH_CLIENT_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/bytes.h"
#include "common/clock.h"
#include "common/panic.h"

#define BENCH_EVENTS_MAX 10000
#define BENCH_DIGITS	 13
#define BENCH_STAMP	 "\"timestamp\":"

struct bench_events {
	uint8_t *file;
	struct bytes line[BENCH_EVENTS_MAX];
	size_t stamp_off[BENCH_EVENTS_MAX]; /* of the 13 digits in the line */
	size_t n;
};

static inline void
bench_events_load(struct bench_events *in, const char *path, size_t max)
{
	FILE *f = fopen(path, "rb");
	uint8_t *at, *end;
	size_t size = 16 << 20;

	if (f == NULL)
		fatal("cannot read %s", path);
	in->file = xcalloc(1, size);
	end = in->file + fread(in->file, 1, size, f);
	(void)fclose(f);
	in->n = 0;
	for (at = in->file; at < end && in->n < max && in->n < BENCH_EVENTS_MAX;) {
		uint8_t *eol = memchr(at, '\n', (size_t)(end - at));
		uint8_t *stamp;

		if (eol == NULL)
			break;
		stamp = memmem(at, (size_t)(eol - at), BENCH_STAMP, sizeof BENCH_STAMP - 1);
		if (stamp == NULL || strspn((char *)stamp + sizeof BENCH_STAMP - 1, "0123456789") != BENCH_DIGITS)
			fatal("%s: an event without a timestamp of %d digits", path, BENCH_DIGITS);
		in->line[in->n] = bytes_of(at, (size_t)(eol - at));
		in->stamp_off[in->n] = (size_t)(stamp + sizeof BENCH_STAMP - 1 - at);
		in->n++;
		at = eol + 1;
	}
	if (in->n == 0)
		fatal("%s holds no events", path);
}

static inline void
bench_stamp(uint8_t *at, uint64_t value)
{
	for (int i = BENCH_DIGITS - 1; i >= 0; i--, value /= 10)
		at[i] = (uint8_t)('0' + value % 10);
}

static inline int
bench_connect(const char *port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(port, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int one = 1;

	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof to) == -1)
		fatal("cannot connect to 127.0.0.1:%s: %s", port, strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* A whole answer in these bytes: its length, or 0 while it is not whole.
 * *status and *body_off are set once the head is whole. */
static inline size_t
bench_answer(const uint8_t *at, size_t len, int *status, size_t *body_off)
{
	const uint8_t *end = memmem(at, len, "\r\n\r\n", 4);
	const char *field;
	size_t body_len;

	if (end == NULL || len < 12)
		return 0;
	field = memmem(at, (size_t)(end - at), "Content-Length: ", 16);
	if (field == NULL)
		fatal("an answer without Content-Length");
	*status = (int)strtol((const char *)at + 9, NULL, 10);
	*body_off = (size_t)(end + 4 - at);
	body_len = strtoul(field + 16, NULL, 10);
	return len < *body_off + body_len ? 0 : *body_off + body_len;
}

/* The unsigned number behind `name` near the end of a body, or -1. */
static inline long
bench_number_behind(const uint8_t *body, size_t len, const char *name)
{
	size_t look = len < 400 ? len : 400;
	const char *at = memmem(body + len - look, look, name, strlen(name));

	return at == NULL ? -1 : strtol(at + strlen(name), NULL, 10);
}

/* "--name value" pairs; NULL when it is not there. */
static inline const char *
bench_option(int argc, char **argv, const char *name, const char *otherwise)
{
	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return otherwise;
}

#endif
