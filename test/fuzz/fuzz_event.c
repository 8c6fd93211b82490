/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_event - event_read() against a plain reading of simdjson's tree
 *
 * DESCRIPTION
 *	Whatever event_read() accepts must be accepted by simdjson, with the same
 *	strings and numbers, each place must hold exactly its value, and no
 *	envelope member may be there twice; whatever it refuses must be bad by that
 *	reading.  json_check() must agree with simdjson on the grammar.  The bytes
 *	behind the body are hostile, so nothing may depend on them.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/event.h"
#include "common/event_key.h"
#include "common/json_check.h"

#define LEN_MAX   4096
#define DEPTH_MAX 70

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct json_parser *whole, *part;
static struct event_reader *reader;

#define check(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static size_t
times_in(struct json_value root, struct bytes name)
{
	struct json_iter it = json_iter(root);
	struct json_value value;
	struct bytes at;
	size_t n = 0;

	while (json_next_member(&it, &at, &value))
		n += bytes_is(at, name);
	return n;
}

/* Is the string there once, of 1 to 256 bytes? */
static bool
is_good_string(struct json_value root, struct bytes name)
{
	struct json_value value;

	return times_in(root, name) == 1 && json_find(root, name, &value) &&
	       json_is(value, JSON_TYPE_STRING) && json_string(value).len >= 1 &&
	       json_string(value).len <= EVENT_STRING_MAX;
}

static bool
is_good(struct json_value root)
{
	struct bytes id = BYTES_LIT("id"), metadata = BYTES_LIT("metadata"),
		     timestamp = BYTES_LIT("timestamp");
	struct json_value value;

	if (!json_is(root, JSON_TYPE_OBJECT) || !is_good_string(root, BYTES_LIT("userId")) ||
	    !is_good_string(root, BYTES_LIT("eventType")) || times_in(root, timestamp) != 1)
		return false;
	if (!json_find(root, timestamp, &value) || !json_is(value, JSON_TYPE_INT) ||
	    json_int(value) < 1 || json_int(value) > EVENT_TIMESTAMP_MAX_MS)
		return false;
	if (times_in(root, id) > 0 && !is_good_string(root, id))
		return false;
	if (times_in(root, metadata) == 0)
		return true;
	return times_in(root, metadata) == 1 && json_find(root, metadata, &value) &&
	       json_is(value, JSON_TYPE_OBJECT);
}

/* The bytes at the place must be the whole value, parsed alone. */
static void
check_place(const struct event *event, struct event_place place, struct json_value value)
{
	uint8_t *copy = malloc(place.len + JSON_PADDING);
	struct json_value alone;

	check(copy != NULL && (size_t)place.off + place.len <= event->body.len);
	memcpy(copy, event->body.ptr + place.off, place.len);
	memset(copy + place.len, '7', JSON_PADDING);
	check(json_parse(part, bytes_of(copy, place.len), &alone) == JSON_OK);
	check(json_type(alone) == json_type(value));
	if (json_is(value, JSON_TYPE_STRING))
		check(bytes_is(json_string(alone), json_string(value)));
	if (json_is(value, JSON_TYPE_INT))
		check(json_int(alone) == json_int(value));
	if (json_is(value, JSON_TYPE_OBJECT))
		check(json_after(alone) - alone.at == json_after(value) - value.at &&
		      json_count(alone) == json_count(value));
	free(copy);
}

static void
check_accepted(const struct event *event, struct json_value root)
{
	uint8_t room[6 * 2 * EVENT_STRING_MAX + 64];
	struct json_out out = json_out_on(room, sizeof(room));
	struct json_value value, tree;

	check(is_good(root));
	check(json_find(root, BYTES_LIT("userId"), &value));
	check(bytes_is(json_string(value), event->user_id_text));
	check_place(event, event->user_id, value);
	check(json_find(root, BYTES_LIT("eventType"), &value));
	check(bytes_is(json_string(value), event->event_type_text));
	check_place(event, event->event_type, value);
	check(json_find(root, BYTES_LIT("timestamp"), &value));
	check(json_int(value) == event->timestamp_ms);
	check_place(event, event->timestamp, value);
	check(json_find(root, BYTES_LIT("id"), &value) == event->has_id);
	if (event->has_id) {
		check(bytes_is(json_string(value), event->id_text));
		check_place(event, event->id, value);
	}
	check(event->has_id == (event->id.len > 0));
	check(json_find(root, BYTES_LIT("metadata"), &value) == (event->metadata.len > 0));
	if (event->metadata.len > 0)
		check_place(event, event->metadata, value);
	check(event_tree(reader, &tree) && is_good(tree) && json_count(tree) == json_count(root));
	event_key_print(&out, event);
	check(!out.is_full);
}

static void
check_one(struct bytes body)
{
	struct json_value root;
	enum json_result parsed = json_parse(whole, body, &root);
	struct event event;
	struct event_error err;
	enum event_code code = event_read(reader, body, &event, &err);
	size_t off;
	enum json_check_result grammar = json_check(body, DEPTH_MAX, &off);

	if (parsed == JSON_OK)
		check(grammar == JSON_CHECK_OK || grammar == JSON_CHECK_SURROGATE);
	if (grammar == JSON_CHECK_OK)
		check(parsed == JSON_OK || parsed == JSON_NUMBER || parsed == JSON_UTF8);
	if (code == EVENT_OK) {
		check(parsed == JSON_OK && grammar == JSON_CHECK_OK);
		check_accepted(&event, root);
		return;
	}
	check(err.code == code && err.message[0] != '\0');
	switch (code) {
	case EVENT_INVALID_JSON:
		check(parsed != JSON_OK || grammar == JSON_CHECK_SURROGATE);
		check(err.off <= body.len);
		break;
	case EVENT_INVALID_UTF8:
		check(parsed == JSON_UTF8);
		break;
	case EVENT_TOO_DEEP:
		check(parsed == JSON_DEEP || grammar == JSON_CHECK_DEEP);
		break;
	case EVENT_NUMBER_OUT_OF_RANGE:
		check(parsed == JSON_NUMBER && grammar == JSON_CHECK_OK);
		break;
	default:
		check(parsed == JSON_OK && !is_good(root));
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t behind[] = {'}', '"', '7', ',', '\\', 0, ']', ' ', 0xff};
	const struct event_limits limits = {.body_max = LEN_MAX, .depth_max = DEPTH_MAX};
	uint8_t *body;

	if (reader == NULL) {
		whole = json_parser_new(LEN_MAX, DEPTH_MAX);
		part = json_parser_new(LEN_MAX, DEPTH_MAX);
		reader = event_reader_new(&limits);
	}
	if (len > LEN_MAX)
		return 0;
	body = malloc(len + JSON_PADDING);
	check(body != NULL);
	memcpy(body, data, len);
	memset(body + len, behind[len % sizeof(behind)], JSON_PADDING);
	check_one(bytes_of(body, len));
	free(body);
	return 0;
}
