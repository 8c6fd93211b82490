/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	redis_key - the keys of an event in Redis, the same on every node
 *
 * PROCESS
 *	Sinks of Redis.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/redis_key.h"

#include "common/event.h"
#include "common/json_out.h"
#include "common/pick.h"

#include <stdio.h>
#include <string.h>

/* A value in a frame is at most this long as it was sent: six bytes a character. */
#define RAW_MAX (6 * EVENT_STRING_MAX + 2)

static struct bytes
value_at(struct bytes body, struct frame_place p)
{
	if (p.len == 0 || p.off > body.len || p.len > body.len - p.off)
		return bytes_of(NULL, 0);
	return bytes_of(body.ptr + p.off, p.len);
}

bool
redis_key_text(struct bytes raw, char *buf, size_t size, struct bytes *out)
{
	if (raw.len < 2 || raw.ptr[0] != '"')
		return false;
	if (memchr(raw.ptr, '\\', raw.len) != NULL)
		return pick_string(raw, buf, size, out);
	*out = bytes_of(raw.ptr + 1, raw.len - 2);
	return true;
}

/* The value's characters, escaped, at `at`; returns the place behind, or NULL. */
static char *
put_value(char *at, struct bytes body, struct frame_place place)
{
	char buf[RAW_MAX];
	struct bytes text;

	if (!redis_key_text(value_at(body, place), buf, sizeof buf, &text) ||
	    text.len > EVENT_STRING_MAX)
		return NULL;
	for (size_t i = 0; i < text.len; i++) {
		uint8_t c = text.ptr[i];

		if (__builtin_expect(c != ':' && c != '%', 1)) {
			*at++ = (char)c;
			continue;
		}
		memcpy(at, c == ':' ? "%3A" : "%25", 3);
		at += 3;
	}
	return at;
}

static char *
put_tuple(char *at, const struct frame_header *h, struct bytes body)
{
	at = put_value(at, body, h->user_id);
	if (at == NULL)
		return NULL;
	*at++ = ':';
	at = put_value(at, body, h->event_type);
	if (at == NULL)
		return NULL;
	*at++ = ':';
	/* The number, not how it was written: 1e3 is 1000. */
	return at + json_out_u64_to(at, (uint64_t)h->event_ms);
}

static char *
put_tenant(char *at, const struct frame_header *h)
{
	if (h->tenant == 0)
		return at;
	memcpy(at, "tenant:", 7);
	at += 7;
	at += json_out_u64_to(at, h->tenant);
	*at++ = ':';
	return at;
}

size_t
redis_key_claim(const struct frame_header *h, struct bytes body, enum config_dedup_key kind,
    char *at)
{
	char *end = put_tenant(at, h);

	if (kind != CONFIG_DEDUP_KEY_TUPLE && h->id.len > 0) {
		memcpy(end, "id:", 3);
		end = put_value(end + 3, body, h->id);
	} else {
		memcpy(end, "event:", 6);
		end = put_tuple(end + 6, h, body);
	}
	return end == NULL ? 0 : (size_t)(end - at);
}

size_t
redis_key_cache(const struct frame_header *h, struct bytes body, char *at)
{
	char *end = put_tuple(put_tenant(at, h), h, body);

	return end == NULL ? 0 : (size_t)(end - at);
}

void
redis_key_uuid(const uint8_t uuid[16], char text[37])
{
	char *at = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		(void)snprintf(at, 3, "%02x", uuid[i]);
		at += 2;
	}
}

size_t
redis_key_value(const char uuid[36], uint32_t stream, uint64_t pos, char *at)
{
	char *end = at + 36;

	memcpy(at, uuid, 36);
	*end++ = ':';
	end += json_out_u64_to(end, stream);
	*end++ = ':';
	end += json_out_u64_to(end, pos);
	return (size_t)(end - at);
}
