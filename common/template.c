/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	template - names made from events: "events.%{eventType}"
 *
 * PROCESS
 *	Sinks; the configuration's check.
 *
 * SHARED STATE
 *	None.
 */
#include "common/template.h"

#include "common/panic.h"
#include "common/pick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARTS_MAX 64
#define TEXT_MAX  1024 /* of a string with escapes; a longer one is taken as it stands */

enum part_kind { PART_TEXT = 0, PART_EVENT_TYPE, PART_USER_ID, PART_POINTER };

struct part {
	enum part_kind kind;
	const char *text; /* into template.text */
	size_t len;
	int slot;
};

struct template
{
	char *text;
	struct part part[PARTS_MAX];
	int parts;
	bool is_fixed;
	struct pick *pick;
};

void
template_free(struct template *t)
{
	if (t == NULL)
		return;
	pick_free(t->pick);
	free(t->text);
	free(t);
}

/* The place that begins at `at`, behind "%{": what follows its brace, or NULL. */
static const char *
take_place(struct template *t, const char *at, struct part *part, char *why, size_t size)
{
	const char *brace = strchr(at, '}');
	size_t len;
	char name[256];

	if (brace == NULL || (len = (size_t)(brace - at)) >= sizeof name) {
		(void)snprintf(why, size, "a %%{ is opened and not closed with }");
		return NULL;
	}
	memcpy(name, at, len);
	name[len] = '\0';
	t->is_fixed = false;
	if (strcmp(name, "eventType") == 0) {
		part->kind = PART_EVENT_TYPE;
	} else if (strcmp(name, "userId") == 0) {
		part->kind = PART_USER_ID;
	} else if (name[0] == '/') {
		part->kind = PART_POINTER;
		if ((part->slot = pick_add(t->pick, name, why, size)) == -1)
			return NULL;
	} else {
		(void)snprintf(why, size,
		    "%%{%.64s} is not known: write %%{eventType}, %%{userId} or a JSON pointer "
		    "such as %%{/metadata/path}",
		    name);
		return NULL;
	}
	return brace + 1;
}

static int
parse(struct template *t, char *why, size_t size)
{
	const char *at = t->text;
	struct part *part;

	while (*at != '\0') {
		if (t->parts == PARTS_MAX) {
			(void)snprintf(why, size, "more than %d parts", PARTS_MAX);
			return -1;
		}
		part = &t->part[t->parts++];
		if (at[0] == '%' && at[1] == '{') {
			if ((at = take_place(t, at + 2, part, why, size)) == NULL)
				return -1;
			continue;
		}
		if (at[0] == '%' && at[1] != '%') {
			(void)snprintf(why, size, "behind %% follows {NAME} or another %%");
			return -1;
		}
		/* The second % stands for both. */
		if (at[0] == '%')
			at++;
		part->text = at;
		part->len = 1 + strcspn(at + 1, "%");
		at += part->len;
	}
	return 0;
}

struct template *
template_new(const char *text, char *why, size_t size)
{
	struct template *t = xcalloc(1, sizeof *t);

	t->text = xstrdup(text);
	t->is_fixed = true;
	t->pick = pick_new();
	if (parse(t, why, size) == -1) {
		template_free(t);
		return NULL;
	}
	return t;
}

bool
template_is_fixed(const struct template *t)
{
	return t->is_fixed;
}

/* What is written so far; what does not fit is left out. */
struct name {
	char *buf;
	size_t size, len;
};

static void
put(struct name *n, const void *bytes, size_t len)
{
	size_t room = n->size - 1 - n->len;

	if (len > room)
		len = room;
	memcpy(n->buf + n->len, bytes, len);
	n->len += len;
}

static bool
is_plain(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '.' || c == '_' || c == '-';
}

static void
put_value(struct name *n, struct bytes raw)
{
	char buf[TEXT_MAX];
	struct bytes text = raw;
	size_t i;

	if (pick_is_string(raw) && !pick_string(raw, buf, sizeof buf, &text))
		text = bytes_of(raw.ptr + 1, raw.len - 2);
	/* What is no text and no number names nothing. */
	if (text.len == 0 || (text.ptr == raw.ptr &&
				 (raw.ptr[0] == '{' || raw.ptr[0] == '[' || raw.ptr[0] == 'n'))) {
		put(n, "none", 4);
		return;
	}
	for (i = 0; i < text.len && n->len < n->size - 1; i++) {
		if (is_plain(text.ptr[i]))
			n->buf[n->len++] = (char)text.ptr[i];
		else if ((text.ptr[i] & 0xc0) != 0x80) /* one for a character of many bytes */
			n->buf[n->len++] = '_';
	}
}

size_t
template_run(const struct template *t, struct bytes event_type, struct bytes user_id,
    struct bytes body, char *buf, size_t size)
{
	struct bytes raw[PICK_MAX];
	struct name n = {buf, size, 0};
	const struct part *part;

	assert_that(size > 0);
	if (pick_count(t->pick) > 0)
		pick_run(t->pick, body, raw);
	for (part = t->part; part < t->part + t->parts; part++)
		switch (part->kind) {
		case PART_TEXT:
			put(&n, part->text, part->len);
			break;
		case PART_EVENT_TYPE:
			put_value(&n, event_type);
			break;
		case PART_USER_ID:
			put_value(&n, user_id);
			break;
		case PART_POINTER:
			put_value(&n, raw[part->slot]);
			break;
		}
	buf[n.len] = '\0';
	return n.len;
}
