/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	event_key - what makes two events equal: the hash, and the key as printed
 *
 * DESCRIPTION
 *	The hashed message is a fixed head of three little-endian words (tenant
 *	and kind; the two lengths; the timestamp) and then the texts.  As every
 *	length stands before every text, no two different keys give one message.
 *	The message is the same on all machines: it is part of the log's format,
 *	because frames carry the hash.
 *
 * PROCESS
 *	See event_key.h.
 *
 * SHARED STATE
 *	None.
 */
#include "common/event_key.h"

#include "common/panic.h"
#include "common/siphash.h"

#define EVENT_KEY_HEAD_LEN 24

_Static_assert(EVENT_KEY_SECRET_LEN == SIPHASH_KEY_LEN, "one key");

static void
put_le32(uint8_t *at, uint32_t value)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	memcpy(at, &value, sizeof(value));
}

struct event_hash
event_key_hash(const uint8_t secret[EVENT_KEY_SECRET_LEN], uint32_t tenant,
    const struct event *event, enum event_key_kind kind)
{
	uint8_t message[EVENT_KEY_HEAD_LEN + 2 * EVENT_STRING_MAX];
	bool by_id = kind != EVENT_KEY_TUPLE && event->has_id;
	struct bytes a = by_id ? event->id_text : event->user_id_text;
	struct bytes b = by_id ? bytes_of(NULL, 0) : event->event_type_text;
	uint64_t timestamp = by_id ? 0 : (uint64_t)event->timestamp_ms;
	struct siphash hash;

	assert_that(a.len <= EVENT_STRING_MAX && b.len <= EVENT_STRING_MAX);
	put_le32(message, tenant);
	put_le32(message + 4, by_id ? EVENT_KEY_ID : EVENT_KEY_TUPLE);
	put_le32(message + 8, (uint32_t)a.len);
	put_le32(message + 12, (uint32_t)b.len);
	put_le32(message + 16, (uint32_t)timestamp);
	put_le32(message + 20, (uint32_t)(timestamp >> 32));
	memcpy(message + EVENT_KEY_HEAD_LEN, a.ptr, a.len);
	if (b.len > 0)
		memcpy(message + EVENT_KEY_HEAD_LEN + a.len, b.ptr, b.len);
	hash = siphash_128(secret, message, EVENT_KEY_HEAD_LEN + a.len + b.len);
	return (struct event_hash){hash.lo, hash.hi};
}

void
event_key_print(struct json_out *out, const struct event *event)
{
	json_out_lit(out, "event:");
	json_out_escaped(out, event->user_id_text);
	json_out_char(out, ':');
	json_out_escaped(out, event->event_type_text);
	json_out_char(out, ':');
	json_out_i64(out, event->timestamp_ms);
}
