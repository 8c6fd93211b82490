/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	event - read one event, judge its envelope, find its members' places
 *
 * DESCRIPTION
 *	Index, then the plain walk (event_walk.c), then, for what is not plain,
 *	simdjson's tree.  The tree has no offsets, so the places come from the
 *	structural index, walked beside it: the nth member of the tree is the
 *	nth name at depth one.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	None.
 */
#include "common/event.h"

#include "common/event_walk.h"
#include "common/json_check.h"
#include "common/panic.h"

#include <stdlib.h>

struct event_reader {
	struct json_parser *json;
	struct event_limits limits;
	struct json_value root;
	bool has_tree;
};

enum envelope {
	ENVELOPE_ID = 0,
	ENVELOPE_USER_ID,
	ENVELOPE_EVENT_TYPE,
	ENVELOPE_TIMESTAMP,
	ENVELOPE_METADATA,
	ENVELOPE_LEN
};

/* The envelope's members as the tree has them. */
struct member {
	bool is_there;
	struct json_value value;
	struct event_place place;
};

static const struct {
	const char *code, *pointer, *sentence;
	int http;
} codes[EVENT_CODES] = {
    [EVENT_OK] = {"ok", "", "", 200},
#define EVENT_CODE(name, code, http, pointer, sentence)                                            \
	[name] = {code, pointer, sentence, http},
#include "common/event_codes.def"
#undef EVENT_CODE
};

const char *
event_code_name(enum event_code code)
{
	return codes[code].code;
}

const char *
event_code_sentence(enum event_code code)
{
	return codes[code].sentence;
}

const char *
event_code_pointer(enum event_code code)
{
	return codes[code].pointer;
}

int
event_code_http(enum event_code code)
{
	return codes[code].http;
}

struct event_reader *
event_reader_new(const struct event_limits *limits)
{
	struct event_reader *reader = xcalloc(1, sizeof(*reader));

	assert_that(limits->depth_max >= 1 && limits->depth_max <= EVENT_DEPTH_MAX);
	assert_that(limits->body_max >= 2 && limits->body_max < UINT32_MAX / 2);
	reader->limits = *limits;
	reader->json = json_parser_new(limits->body_max, limits->depth_max);
	return reader;
}

void
event_reader_free(struct event_reader *reader)
{
	if (reader == NULL)
		return;
	json_parser_free(reader->json);
	free(reader);
}

/*---------------------------------------------------------------------------
 * Through the tree
 *---------------------------------------------------------------------------*/

static const struct bytes envelope_names[ENVELOPE_LEN] = {
    [ENVELOPE_ID] = {(const uint8_t *)"id", 2},
    [ENVELOPE_USER_ID] = {(const uint8_t *)"userId", 6},
    [ENVELOPE_EVENT_TYPE] = {(const uint8_t *)"eventType", 9},
    [ENVELOPE_TIMESTAMP] = {(const uint8_t *)"timestamp", 9},
    [ENVELOPE_METADATA] = {(const uint8_t *)"metadata", 8},
};
static const char *const envelope_pointers[ENVELOPE_LEN] = {
    [ENVELOPE_ID] = "/id",
    [ENVELOPE_USER_ID] = "/userId",
    [ENVELOPE_EVENT_TYPE] = "/eventType",
    [ENVELOPE_TIMESTAMP] = "/timestamp",
    [ENVELOPE_METADATA] = "/metadata",
};

/* The value at indexes[i]; moves *i to the comma or bracket behind it. */
static struct event_place
place_of_value(const uint8_t *b, const uint32_t *indexes, size_t *i)
{
	uint32_t from = indexes[*i], to;
	size_t depth = 0;

	do {
		switch (b[indexes[(*i)++]]) {
		case '{':
		case '[':
			depth++;
			break;
		case '}':
		case ']':
			depth--;
			break;
		}
	} while (depth > 0);
	to = indexes[*i];
	while (b[to - 1] == ' ' || b[to - 1] == '\t' || b[to - 1] == '\n' || b[to - 1] == '\r')
		to--;
	return (struct event_place){from, to - from};
}

/* On a repeated member *pointer names it. */
static enum event_code
find_members(struct event_reader *reader, const uint8_t *b, struct member members[ENVELOPE_LEN],
    const char **pointer)
{
	struct json_iter it = json_iter(reader->root);
	size_t n, i = 1;
	const uint32_t *indexes = json_indexes(reader->json, &n);
	struct json_value value;
	struct bytes name;

	while (json_next_member(&it, &name, &value)) {
		struct event_place place;

		i += 2; /* its name and the colon */
		place = place_of_value(b, indexes, &i);
		i++; /* the comma */
		for (int k = 0; k < ENVELOPE_LEN; k++) {
			if (!bytes_is(name, envelope_names[k]))
				continue;
			if (members[k].is_there) {
				*pointer = envelope_pointers[k];
				return EVENT_MEMBER_REPEATED;
			}
			members[k] = (struct member){true, value, place};
		}
	}
	return EVENT_OK;
}

/* The codes of one string stand in a row: missing, not a string, empty, too long. */
_Static_assert(EVENT_USER_ID_TOO_LONG == EVENT_USER_ID_MISSING + 3, "order of event_codes.def");
_Static_assert(
    EVENT_EVENT_TYPE_TOO_LONG == EVENT_EVENT_TYPE_MISSING + 3, "order of event_codes.def");
_Static_assert(EVENT_ID_TOO_LONG == EVENT_ID_MISSING + 3, "order of event_codes.def");

static enum event_code
judge_string(const struct member *member, bool is_needed, enum event_code missing,
    struct event_place *place, struct bytes *text)
{
	if (!member->is_there)
		return is_needed ? missing : EVENT_OK;
	if (!json_is(member->value, JSON_TYPE_STRING))
		return missing + 1;
	*text = json_string(member->value);
	*place = member->place;
	if (text->len == 0)
		return missing + 2;
	return text->len > EVENT_STRING_MAX ? missing + 3 : EVENT_OK;
}

static enum event_code
judge_timestamp(const struct member *member, struct event *out)
{
	if (!member->is_there)
		return EVENT_TIMESTAMP_MISSING;
	if (json_is(member->value, JSON_TYPE_UINT))
		return EVENT_TIMESTAMP_OUT_OF_RANGE;
	if (!json_is(member->value, JSON_TYPE_INT))
		return EVENT_TIMESTAMP_NOT_INTEGER;
	out->timestamp_ms = json_int(member->value);
	out->timestamp = member->place;
	if (out->timestamp_ms < 1 || out->timestamp_ms > EVENT_TIMESTAMP_MAX_MS)
		return EVENT_TIMESTAMP_OUT_OF_RANGE;
	return EVENT_OK;
}

static enum event_code
judge_tree(struct event_reader *reader, struct event *out, const char **pointer)
{
	struct member members[ENVELOPE_LEN] = {0};
	enum event_code code;

	if (!json_is(reader->root, JSON_TYPE_OBJECT))
		return EVENT_NOT_OBJECT;
	code = find_members(reader, out->body.ptr, members, pointer);
	if (code == EVENT_OK)
		code = judge_string(&members[ENVELOPE_USER_ID], true, EVENT_USER_ID_MISSING,
		    &out->user_id, &out->user_id_text);
	if (code == EVENT_OK)
		code = judge_string(&members[ENVELOPE_EVENT_TYPE], true, EVENT_EVENT_TYPE_MISSING,
		    &out->event_type, &out->event_type_text);
	if (code == EVENT_OK)
		code = judge_timestamp(&members[ENVELOPE_TIMESTAMP], out);
	if (code != EVENT_OK)
		return code;
	if (members[ENVELOPE_METADATA].is_there) {
		if (!json_is(members[ENVELOPE_METADATA].value, JSON_TYPE_OBJECT))
			return EVENT_METADATA_NOT_OBJECT;
		out->metadata = members[ENVELOPE_METADATA].place;
	}
	out->has_id = members[ENVELOPE_ID].is_there;
	return judge_string(&members[ENVELOPE_ID], reader->limits.needs_id, EVENT_ID_MISSING,
	    &out->id, &out->id_text);
}

/*---------------------------------------------------------------------------
 * Refusals
 *---------------------------------------------------------------------------*/

/* simdjson says that something is wrong, but neither where nor whether a number is at fault
 * for its grammar or for its size. */
static enum event_code
why_not_json(
    const struct event_reader *reader, struct bytes body, enum json_result result, size_t *off)
{
	switch (result) {
	case JSON_UTF8:
		return EVENT_INVALID_UTF8;
	case JSON_DEEP:
		return EVENT_TOO_DEEP;
	case JSON_BIG:
		return EVENT_TOO_LARGE;
	default:
		break;
	}
	switch (json_check(body, reader->limits.depth_max, off)) {
	case JSON_CHECK_OK:
		return result == JSON_NUMBER ? EVENT_NUMBER_OUT_OF_RANGE : EVENT_INVALID_JSON;
	case JSON_CHECK_DEEP:
		return EVENT_TOO_DEEP;
	default:
		return EVENT_INVALID_JSON;
	}
}

static enum event_code
refuse(enum event_code code, const char *pointer, size_t off, struct event_error *err)
{
	if (err != NULL)
		*err = (struct event_error){code, codes[code].sentence,
		    pointer != NULL ? pointer : codes[code].pointer,
		    code == EVENT_INVALID_JSON ? (uint32_t)off : 0};
	return code;
}

/* The whole of what is not plain. */
static enum event_code
read_by_tree(struct event_reader *reader, struct event *out, struct event_error *err)
{
	struct bytes body = out->body;
	enum json_result result = json_tree(reader->json, &reader->root);
	const char *pointer = NULL;
	enum event_code code;
	size_t off = 0;

	if (result == JSON_OK && !event_walk_has_good_escapes(body))
		result = JSON_SYNTAX;
	if (result != JSON_OK) {
		code = why_not_json(reader, body, result, &off);
		return refuse(code, NULL, off, err);
	}
	reader->has_tree = true;
	*out = (struct event){.body = body};
	code = judge_tree(reader, out, &pointer);
	return code == EVENT_OK ? EVENT_OK : refuse(code, pointer, 0, err);
}

enum event_code
event_read(
    struct event_reader *reader, struct bytes body, struct event *out, struct event_error *err)
{
	const uint32_t *indexes;
	enum json_result result;
	size_t n, off = 0;
	enum event_code code;

	reader->has_tree = false;
	if (body.len > reader->limits.body_max)
		return refuse(EVENT_TOO_LARGE, NULL, 0, err);
	result = json_index(reader->json, body, &indexes, &n);
	if (result != JSON_OK) {
		code = why_not_json(reader, body, result, &off);
		return refuse(code, NULL, off, err);
	}
	*out = (struct event){.body = body};
	if (event_walk(indexes, n, reader->limits.depth_max, out) &&
	    (out->has_id || !reader->limits.needs_id))
		return EVENT_OK;
	return read_by_tree(reader, out, err);
}

bool
event_tree(struct event_reader *reader, struct json_value *root)
{
	if (!reader->has_tree) {
		if (json_tree(reader->json, &reader->root) != JSON_OK)
			return false;
		reader->has_tree = true;
	}
	*root = reader->root;
	return true;
}
