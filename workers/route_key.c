/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	route_key - the name by which a receiver knows a request that comes again
 *
 * DESCRIPTION
 *	See route_key.h.
 *
 * PROCESS
 *	Routes.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/route_key.h"

#include "common/crc32c.h"
#include "common/pick.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define VALUE_MAX 2048 /* a string of an event is far shorter, escapes and all */

struct out {
	char *at;
	size_t room; /* without the NUL */
	bool is_full;
};

static void
put_byte(struct out *o, uint8_t c, bool is_escaped)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t need = is_escaped ? 3 : 1;

	if (o->is_full || need > o->room) {
		o->is_full = true;
		return;
	}
	if (is_escaped) {
		*o->at++ = '%';
		*o->at++ = hex[c >> 4];
		*o->at++ = hex[c & 15];
	} else {
		*o->at++ = (char)c;
	}
	o->room -= need;
}

static void
put_text(struct out *o, const char *text)
{
	for (; *text != '\0'; text++)
		put_byte(o, (uint8_t)*text, false);
}

static void
put_value(struct out *o, struct bytes raw)
{
	char buf[VALUE_MAX];
	struct bytes text;

	if (!pick_string(raw, buf, sizeof buf, &text))
		text = raw;
	for (size_t i = 0; i < text.len; i++)
		put_byte(o, text.ptr[i],
		    text.ptr[i] <= 0x20 || text.ptr[i] >= 0x7f || text.ptr[i] == '%');
}

bool
route_key_event(char *out, size_t size, struct bytes id, struct bytes user_id,
    struct bytes event_type, int64_t timestamp_ms)
{
	struct out o = {out, size - 1, false};
	char number[24];

	if (id.len > 0) {
		put_text(&o, "id:");
		put_value(&o, id);
	} else {
		put_text(&o, "event:");
		put_value(&o, user_id);
		put_text(&o, ":");
		put_value(&o, event_type);
		(void)snprintf(number, sizeof number, ":%" PRId64, timestamp_ms);
		put_text(&o, number);
	}
	*o.at = '\0';
	return !o.is_full;
}

void
route_key_receipt(char *out, size_t size, const char *instance, struct route_place place)
{
	(void)snprintf(out, size, "%s:%" PRIu32 ":%" PRIu64, instance, place.stream, place.pos);
}

void
route_key_batch(
    char *out, size_t size, const char *instance, const struct route_place *places, size_t n)
{
	const struct route_place *last = &places[n - 1];
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t both[2] = {places[i].stream, places[i].pos};

		sum = crc32c(sum, both, sizeof both);
	}
	(void)snprintf(out, size,
	    "%s:%" PRIu32 ":%" PRIu64 "-%" PRIu32 ":%" PRIu64 "/%zu-%08" PRIx32, instance,
	    places[0].stream, places[0].pos, last->stream, last->pos, n, sum);
}

void
route_key_message_id(char *out, size_t size, const char *key)
{
	struct out o = {out, size - 1, false};

	for (; *key != '\0'; key++)
		put_byte(&o, (uint8_t)*key, *key == '.');
	*o.at = '\0';
}
