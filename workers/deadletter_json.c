/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_json - a dead letter as one JSON object
 *
 * PROCESS
 *	The deadletter stage; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_json.h"

#include "common/clock.h"
#include "common/json_out.h"

#include <inttypes.h>
#include <stdlib.h>

bool
deadletter_json_frame(const struct deadletter_record *r, struct frame_header *h)
{
	return r->frame.len > 0 &&
	       frame_check_header(r->frame.ptr, r->frame.len, r->info.stream, r->info.pos, h) ==
		   FRAME_OK &&
	       frame_check_crc(r->frame.ptr, h) == FRAME_OK;
}

/* Any bytes as a JSON string. */
static void
add_string(struct text_out *out, struct bytes text)
{
	size_t cap = text.len * 6 + 2;
	uint8_t *buf = malloc(cap);
	struct json_out j;

	if (buf == NULL) {
		text_add(out, "null");
		return;
	}
	j = json_out_on(buf, cap);
	json_out_string(&j, text);
	text_add_bytes(out, buf, j.len);
	free(buf);
}

/* JSON as it is, on one line: a line break in it stands between values. */
static void
add_json(struct text_out *out, struct bytes json)
{
	while (json.len > 0) {
		size_t n = 0;

		while (n < json.len && json.ptr[n] != '\n' && json.ptr[n] != '\r')
			n++;
		text_add_bytes(out, json.ptr, n);
		if (n < json.len) {
			text_add(out, " ");
			n++;
		}
		json = bytes_of(json.ptr + n, json.len - n);
	}
}

static void
add_time(struct text_out *out, const char *name, uint64_t wall_ns)
{
	char at[JSON_OUT_TIME_LEN];

	json_out_time_to(at, (int64_t)(wall_ns / CLOCK_NS_PER_MS));
	text_add(out, ",\"%s\":\"%.*s\"", name, JSON_OUT_TIME_LEN, at);
}

static void
add_attributes(
    struct text_out *out, const struct deadletter_record *r, const struct frame_header *h)
{
	struct bytes attrs = frame_attrs(r->frame.ptr, h), value;
	size_t off = 0;
	uint16_t type;

	while (frame_attr_next(attrs, &off, &type, &value)) {
		const char *name = type == FRAME_ATTR_REQUEST_ID       ? "requestId"
				   : type == FRAME_ATTR_TRACEPARENT    ? "traceparent"
				   : type == FRAME_ATTR_CLIENT_ADDRESS ? "clientAddress"
				   : type == FRAME_ATTR_USER_AGENT     ? "userAgent"
				   : type == FRAME_ATTR_POINTER        ? "pointer"
								       : NULL;

		if (name == NULL)
			continue;
		text_add(out, ",\"%s\":", name);
		add_string(out, value);
	}
}

void
deadletter_json(struct text_out *out, const struct deadletter_view *v,
    const struct deadletter_record *r, bool has_event)
{
	struct frame_header h;
	bool is_frame = deadletter_json_frame(r, &h);

	text_add(out, "{\"id\":\"%s\",\"sink\":", v->id);
	add_string(out, bytes_str(r->info.stage));
	text_add(out, ",\"code\":");
	add_string(out, bytes_str(r->info.code));
	text_add(out, ",\"reason\":");
	add_string(out, bytes_str(r->info.text));
	text_add(out, ",\"attempts\":%" PRIu32, r->info.attempts);
	add_time(out, "firstAttempt", r->info.first_ns);
	add_time(out, "lastAttempt", r->info.last_ns);
	if (v->instance[0] != '\0')
		text_add(out, ",\"receipt\":\"%s:%" PRIu32 ":%" PRIu64 "\"", v->instance,
		    r->info.stream, r->info.pos);
	text_add(out, ",\"sequence\":%" PRIu64, r->info.seq);
	text_add(out, ",\"state\":\"%s\"", deadletter_index_over_name(v->over));
	if (v->over_s != 0)
		add_time(out, "stateSince", (uint64_t)v->over_s * CLOCK_NS_PER_S);
	if (is_frame) {
		add_time(out, "receivedAt", h.recv_ns);
		add_attributes(out, r, &h);
	}
	if (has_event && is_frame) {
		struct bytes body = frame_body(r->frame.ptr, &h);

		if (h.type == FRAME_EVENT) {
			text_add(out, ",\"event\":");
			add_json(out, body);
		} else {
			text_add(out, ",\"body\":");
			add_string(out, body);
		}
	}
	text_add(out, "}");
}
