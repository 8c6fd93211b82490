/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	event - read one event, judge its envelope, find its members' places
 *
 * DESCRIPTION
 *	An event is a JSON object with userId and eventType (strings of 1 to 256
 *	bytes of UTF-8, counted unescaped), timestamp (an integer, 1 to
 *	253402300799999 milliseconds since 1970), and if the producer likes
 *	metadata (an object) and id (a string as above).  Other members are
 *	allowed and kept as sent.  An envelope member given twice is refused,
 *	however its name is escaped.  The whole event must be valid JSON in valid
 *	UTF-8, and every number in it must fit 64 bits or a double.
 *
 *	Control characters and NUL inside strings are legal JSON when escaped,
 *	and are kept: nothing behind this treats strings as NUL-terminated.
 *
 *	The common event (no escapes in its envelope, plain numbers) is judged in
 *	one walk over simdjson's structural index, without building a tree.
 *	Whatever that walk does not accept is read again with simdjson's own
 *	parser, which has the last word; only a refusal costs more than that.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	None.
 *
 * SEE ALSO
 *	event_codes.def, event_key.h, json.h
 */
#ifndef COMMON_EVENT_H
#define COMMON_EVENT_H

#include "common/bytes.h"
#include "common/json.h"

#define EVENT_STRING_MAX       256
#define EVENT_TIMESTAMP_MAX_MS INT64_C(253402300799999) /* the last of year 9999 */
#define EVENT_DEPTH_MAX        1024

enum event_code {
	EVENT_OK = 0,
#define EVENT_CODE(name, code, http, pointer, sentence) name,
#include "common/event_codes.def"
#undef EVENT_CODE
	EVENT_CODES
};

/* Of a value in the body as sent, quotes and escapes included; len 0: absent. */
struct event_place {
	uint32_t off, len;
};

struct event {
	struct bytes body; /* as given to event_read() */
	struct event_place id, user_id, event_type, timestamp, metadata;
	/* Unescaped.  They point into the body or into the reader: valid as long as the
	 * body is, and until the reader's next event_read(). */
	struct bytes id_text, user_id_text, event_type_text;
	int64_t timestamp_ms;
	bool has_id;
};

struct event_error {
	enum event_code code;
	const char *message; /* a sentence without a full stop; static */
	const char *pointer; /* JSON pointer, "" for the whole event; static */
	uint32_t off;        /* the byte at fault for EVENT_INVALID_JSON, else 0 */
};

struct event_limits {
	size_t body_max;  /* bytes of an event */
	size_t depth_max; /* levels; the event counts one, what is empty none; to EVENT_DEPTH_MAX */
	bool needs_id;    /* an event without id is EVENT_ID_MISSING */
};

struct event_reader;

/* Allocates all that it will ever need: about 15 bytes for each byte of body_max, touched
 * only as far as events reach.  fatal() when there is no memory. */
struct event_reader *event_reader_new(const struct event_limits *limits);
void event_reader_free(struct event_reader *reader);

/* Judges one event.  The body must have JSON_PADDING readable bytes behind it; blanks
 * around the object are allowed.  EVENT_OK: *out is filled (offsets count from body.ptr).
 * Else *err is filled (err may be NULL) and *out is worth nothing.  Never allocates. */
__attribute__((warn_unused_result)) enum event_code event_read(
    struct event_reader *reader, struct bytes body, struct event *out, struct event_error *err);

/* The tree of the event that the last event_read() accepted, e.g. for a schema; built now
 * unless reading already needed it.  The event stays valid.  False only if simdjson refuses
 * what event_read() accepted, which would be a bug here: treat the event as invalid. */
__attribute__((warn_unused_result)) bool event_tree(
    struct event_reader *reader, struct json_value *root);

/* From the table of codes; all static.  EVENT_OK gives "ok", 200, "", "". */
const char *event_code_name(enum event_code code);
const char *event_code_sentence(enum event_code code);
const char *event_code_pointer(enum event_code code);
int event_code_http(enum event_code code);

static inline struct bytes
event_slice(const struct event *event, struct event_place place)
{
	return bytes_of(event->body.ptr + place.off, place.len);
}

#endif
