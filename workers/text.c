/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	text - a growing text with a limit
 *
 * DESCRIPTION
 *	The buffer doubles.  Room for the mark and the NUL is kept free under
 *	the limit, so that a cut text is no longer than the limit either.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/text.h"

#include "common/panic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "... cut" on a line of its own: no answer may hold an empty line. */
static const char cut_mark[] = "\xe2\x80\xa6 cut\n";

#define CUT_LEN   (sizeof cut_mark - 1)
#define SIZE_MIN_ 512

void
text_init(struct text_out *t, size_t limit)
{
	assert_that(limit > CUT_LEN);
	*t = (struct text_out){.limit = limit};
}

void
text_free(struct text_out *t)
{
	size_t limit = t->limit;

	free(t->buf);
	*t = (struct text_out){.limit = limit};
}

/* Room for len bytes and a NUL behind what is there; false: no memory. */
static bool
make_room(struct text_out *t, size_t len)
{
	size_t size = t->size < SIZE_MIN_ ? SIZE_MIN_ : t->size;
	char *buf;

	if (len < t->size - t->len)
		return true;
	while (size - t->len <= len)
		size *= 2;
	if ((buf = realloc(t->buf, size)) == NULL)
		return false;
	t->buf = buf;
	t->size = size;
	return true;
}

static void
cut(struct text_out *t)
{
	bool in_line = t->len > 0 && t->buf[t->len - 1] != '\n';

	t->is_cut = true;
	/* The limit leaves room for the mark; a line that was begun keeps its start. */
	if (!make_room(t, CUT_LEN + 1))
		return;
	if (in_line && t->len + 1 + CUT_LEN <= t->limit)
		t->buf[t->len++] = ' ';
	memcpy(t->buf + t->len, cut_mark, CUT_LEN + 1);
	t->len += CUT_LEN;
}

void
text_add_bytes(struct text_out *t, const void *bytes, size_t len)
{
	size_t room = t->limit - CUT_LEN - t->len, whole = len;

	if (t->is_cut)
		return;
	if (len > room) {
		len = room;
		/* Not in the middle of a UTF-8 sequence. */
		while (len > 0 && (((const unsigned char *)bytes)[len] & 0xc0) == 0x80)
			len--;
	}
	if (!make_room(t, len)) {
		t->is_cut = true;
		return;
	}
	if (len > 0)
		memcpy(t->buf + t->len, bytes, len);
	t->len += len;
	t->buf[t->len] = '\0';
	if (len < whole)
		cut(t);
}

void
text_add(struct text_out *t, const char *fmt, ...)
{
	char small[256];
	va_list ap, again;
	char *big;
	int n;

	va_start(ap, fmt);
	va_copy(again, ap);
	n = vsnprintf(small, sizeof small, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof small) {
		text_add_bytes(t, small, (size_t)n);
	} else if (n >= 0) {
		if (vasprintf(&big, fmt, again) != -1) {
			text_add_bytes(t, big, (size_t)n);
			free(big);
		} else {
			t->is_cut = true;
		}
	}
	va_end(again);
}

void
text_add_json(struct text_out *t, const char *s)
{
	const char *from = s;
	char escape[8];

	text_add_bytes(t, "\"", 1);
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
			continue;
		text_add_bytes(t, from, (size_t)(s - from));
		from = s + 1;
		if (c == '"' || c == '\\')
			(void)snprintf(escape, sizeof escape, "\\%c", c);
		else if (c == '\n')
			(void)snprintf(escape, sizeof escape, "\\n");
		else
			(void)snprintf(escape, sizeof escape, "\\u%04x", c);
		text_add_bytes(t, escape, strlen(escape));
	}
	text_add_bytes(t, from, (size_t)(s - from));
	text_add_bytes(t, "\"", 1);
}
