/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	text - a growing text with a limit
 *
 * DESCRIPTION
 *	Used where text is made for people and programs off the hot path: the
 *	stats socket, metrics, sluicectl.  Beyond its limit it is cut and says so.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_TEXT_H
#define WORKERS_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text_out {
	char *buf; /* NUL-terminated once anything was written; free with text_free() */
	size_t len;
	size_t size;
	size_t limit;
	bool is_cut;
};

void text_init(struct text_out *t, size_t limit);
void text_free(struct text_out *t);
void text_add(struct text_out *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text_out *t, const void *bytes, size_t len);
/* A JSON string with its quotes. */
void text_add_json(struct text_out *t, const char *s);

#endif
