/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	event_walk - judge a plain event in one walk, without a tree
 *
 * DESCRIPTION
 *	See event_walk.h.  Why each step is enough:
 *	- A string starts at an index that holds a quote.  Its end needs no
 *	  search: whatever follows a string is an index of its own, so the closing
 *	  quote is the last byte before the next index that is no blank.
 *	- Number and literal run to the next blank, comma or closing bracket;
 *	  anything else behind them is not plain.
 *	- A backslash outside strings is the first byte of a scalar or inside
 *	  one, and no number or literal contains it.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	None.
 */
#include "common/event_walk.h"

#define WALK_DEPTH_MAX  64 /* a bit each */
#define WALK_DIGITS_MAX 18 /* always fit int64, and a double when there is a point */

enum walk_slot {
	WALK_OTHER = 0,
	WALK_ID,
	WALK_USER_ID,
	WALK_EVENT_TYPE,
	WALK_TIMESTAMP,
	WALK_METADATA
};

struct walk {
	const uint8_t *b;
	const uint32_t *at;
	size_t n, i; /* i: the next index */
	bool has_backslash;
	struct event *out;
};

/* clang-format off */
static const uint8_t ends_scalar[256] = {
	[' '] = 1, ['\t'] = 1, ['\n'] = 1, ['\r'] = 1, [','] = 1, ['}'] = 1, [']'] = 1,
};

#define HEX 0x10 /* is a hexadecimal digit; its value is below */
static const uint8_t hex_of[256] = {
	['0'] = HEX, HEX + 1, HEX + 2, HEX + 3, HEX + 4,
	['5'] = HEX + 5, HEX + 6, HEX + 7, HEX + 8, HEX + 9,
	['A'] = HEX + 10, HEX + 11, HEX + 12, HEX + 13, HEX + 14, HEX + 15,
	['a'] = HEX + 10, HEX + 11, HEX + 12, HEX + 13, HEX + 14, HEX + 15,
};
/* clang-format on */

static inline uint64_t
load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static inline bool
is_digit(uint8_t c)
{
	return (uint8_t)(c - '0') < 10;
}

/*---------------------------------------------------------------------------
 * Escapes
 *---------------------------------------------------------------------------*/

static int
hex4(const uint8_t *p)
{
	int a = hex_of[p[0]], b = hex_of[p[1]], c = hex_of[p[2]], d = hex_of[p[3]];

	if ((a & b & c & d & HEX) == 0)
		return -1;
	return (a & 15) << 12 | (b & 15) << 8 | (c & 15) << 4 | (d & 15);
}

/* Reads up to 12 bytes from a backslash on; the padding behind the body is there for it. */
bool
event_walk_has_good_escapes(struct bytes body)
{
	const uint8_t *p = body.ptr, *end = body.ptr + body.len;

	while (p < end && (p = memchr(p, '\\', (size_t)(end - p))) != NULL) {
		int unit;

		switch (p[1]) {
		case '"':
		case '\\':
		case '/':
		case 'b':
		case 'f':
		case 'n':
		case 'r':
		case 't':
			p += 2;
			break;
		case 'u':
			unit = hex4(p + 2);
			if (unit == -1 || (unit & 0xfc00) == 0xdc00)
				return false;
			if ((unit & 0xfc00) == 0xd800) {
				if (p[6] != '\\' || p[7] != 'u' || (hex4(p + 8) & ~0x3ff) != 0xdc00)
					return false;
				p += 6;
			}
			p += 6;
			break;
		default:
			return false;
		}
	}
	return true;
}

/*---------------------------------------------------------------------------
 * Scalars
 *---------------------------------------------------------------------------*/

static inline const uint8_t *
skip_digits(const uint8_t *p)
{
	while (is_digit(*p))
		p++;
	return p;
}

static inline bool
is_plain_number(const uint8_t *p)
{
	const uint8_t *from, *to;
	size_t digits;

	p += *p == '-';
	from = p;
	to = skip_digits(p);
	digits = (size_t)(to - from);
	if (digits == 0 || digits > WALK_DIGITS_MAX || (*from == '0' && digits > 1))
		return false;
	if (*to == '.') {
		from = to + 1;
		to = skip_digits(from);
		digits += (size_t)(to - from);
		if (to == from || digits > WALK_DIGITS_MAX)
			return false;
	}
	return ends_scalar[*to];
}

static inline bool
is_literal(const uint8_t *p)
{
	if (*p == 't')
		return memcmp(p, "true", 4) == 0 && ends_scalar[p[4]];
	if (*p == 'n')
		return memcmp(p, "null", 4) == 0 && ends_scalar[p[4]];
	return memcmp(p, "false", 5) == 0 && ends_scalar[p[5]];
}

/* A positive integer of at most 15 digits, the most a timestamp may have. */
static inline bool
take_timestamp(struct walk *w)
{
	const uint8_t *from = w->b + w->at[w->i], *p = from;
	uint64_t value = 0;

	if (*p == '0')
		return false;
	for (; is_digit(*p) && p - from < 16; p++)
		value = value * 10 + (uint64_t)(*p - '0');
	if (p == from || !ends_scalar[*p] || value > (uint64_t)EVENT_TIMESTAMP_MAX_MS)
		return false;
	w->out->timestamp = (struct event_place){w->at[w->i], (uint32_t)(p - from)};
	w->out->timestamp_ms = (int64_t)value;
	w->i++;
	return true;
}

/* A string of the envelope: 1 to EVENT_STRING_MAX bytes without escapes. */
static inline bool
take_string(struct walk *w, struct event_place *place, struct bytes *text)
{
	uint32_t from = w->at[w->i], to;

	if (w->b[from] != '"' || w->i + 1 >= w->n)
		return false;
	for (to = w->at[w->i + 1] - 1; w->b[to] != '"'; to--)
		;
	*place = (struct event_place){from, to - from + 1};
	*text = bytes_of(w->b + from + 1, to - from - 1);
	if (to <= from + 1 || text->len > EVENT_STRING_MAX)
		return false;
	if (w->has_backslash && memchr(text->ptr, '\\', text->len) != NULL)
		return false;
	w->i++;
	return true;
}

/*---------------------------------------------------------------------------
 * Members of the event
 *---------------------------------------------------------------------------*/

#define WORD8(s)                                                                                   \
	((uint64_t)(uint8_t)(s)[0] | (uint64_t)(uint8_t)(s)[1] << 8 |                              \
	    (uint64_t)(uint8_t)(s)[2] << 16 | (uint64_t)(uint8_t)(s)[3] << 24 |                    \
	    (uint64_t)(uint8_t)(s)[4] << 32 | (uint64_t)(uint8_t)(s)[5] << 40 |                    \
	    (uint64_t)(uint8_t)(s)[6] << 48 | (uint64_t)(uint8_t)(s)[7] << 56)

/* p is behind the opening quote; names are compared with their closing quotes. */
static inline enum walk_slot
slot_of(const uint8_t *p)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	uint64_t word = load64(p);

	if ((word & UINT64_C(0x00ffffffffffffff)) == WORD8("userId\"\0"))
		return WALK_USER_ID;
	if (word == WORD8("eventTyp") && p[8] == 'e' && p[9] == '"')
		return WALK_EVENT_TYPE;
	if (word == WORD8("timestam") && p[8] == 'p' && p[9] == '"')
		return WALK_TIMESTAMP;
	if (word == WORD8("metadata") && p[8] == '"')
		return WALK_METADATA;
	if ((word & 0xffffff) == WORD8("id\"\0\0\0\0\0"))
		return WALK_ID;
#else
	static const char *const names[] = {
	    "", "id\"", "userId\"", "eventType\"", "timestamp\"", "metadata\""};

	for (int slot = WALK_ID; slot <= WALK_METADATA; slot++) {
		if (strncmp((const char *)p, names[slot], strlen(names[slot])) == 0)
			return (enum walk_slot)slot;
	}
#endif
	return WALK_OTHER;
}

/* At the value of a member of the event.  Takes the scalars of the envelope whole
 * (*is_taken); a metadata object only begins here.  False: not plain, or given twice. */
static inline bool
begin_member(struct walk *w, enum walk_slot slot, const uint8_t *name, bool *is_taken)
{
	struct event *out = w->out;

	*is_taken = true;
	switch (slot) {
	case WALK_USER_ID:
		return out->user_id.len == 0 && take_string(w, &out->user_id, &out->user_id_text);
	case WALK_EVENT_TYPE:
		return out->event_type.len == 0 &&
		       take_string(w, &out->event_type, &out->event_type_text);
	case WALK_ID:
		return out->id.len == 0 && take_string(w, &out->id, &out->id_text);
	case WALK_TIMESTAMP:
		return out->timestamp.len == 0 && take_timestamp(w);
	case WALK_METADATA:
		*is_taken = false;
		if (out->metadata.len != 0 || w->b[w->at[w->i]] != '{')
			return false;
		out->metadata = (struct event_place){w->at[w->i], 1};
		return true;
	case WALK_OTHER:
		break;
	}
	*is_taken = false;
	/* An escaped name may mean an envelope member.  The colon is the index before the
	 * value's. */
	return !w->has_backslash ||
	       memchr(name, '\\', (size_t)(w->b + w->at[w->i - 1] - name)) == NULL;
}

/*---------------------------------------------------------------------------
 * The walk
 *---------------------------------------------------------------------------*/

/* Every index is bounded by n before it is followed, except one behind a bracket: at[n] is
 * the body's length, and the byte there is padding. */
static bool
walk_object(struct walk *w, size_t depth_max)
{
	const uint8_t *b = w->b;
	const uint32_t *at = w->at;
	uint64_t kinds = 1; /* the lowest bit: is the innermost an object */
	size_t depth = 1;
	enum walk_slot slot = WALK_OTHER;
	bool is_taken;
	uint8_t c;

	w->i = 1;
	if (b[at[1]] == '}')
		return false; /* an empty event lacks members anyway */
member:
	if (w->i + 2 >= w->n || b[at[w->i]] != '"' || b[at[w->i + 1]] != ':')
		return false;
	w->i += 2;
	if (depth == 1) {
		const uint8_t *name = b + at[w->i - 2] + 1;

		slot = slot_of(name);
		if (!begin_member(w, slot, name, &is_taken))
			return false;
		if (is_taken)
			goto behind_value;
	}
value:
	if (w->i >= w->n)
		return false;
	c = b[at[w->i++]];
	switch (c) {
	case '"':
		break;
	case '{':
	case '[':
		if (depth == depth_max)
			return false;
		depth++;
		kinds = kinds << 1 | (c == '{');
		if (b[at[w->i]] == c + 2) /* both brackets close two codes higher */
			break;
		if (c == '{')
			goto member;
		goto value;
	case 't':
	case 'f':
	case 'n':
		if (!is_literal(b + at[w->i - 1]))
			return false;
		break;
	default:
		if (!is_plain_number(b + at[w->i - 1]))
			return false;
	}
behind_value:
	if (w->i >= w->n)
		return false;
	c = b[at[w->i++]];
	if (c == ',') {
		if (kinds & 1)
			goto member;
		goto value;
	}
	if (c != ((kinds & 1) ? '}' : ']'))
		return false;
	kinds >>= 1;
	if (--depth == 0)
		return w->i == w->n;
	if (depth == 1 && slot == WALK_METADATA)
		w->out->metadata.len = at[w->i - 1] + 1 - w->out->metadata.off;
	goto behind_value;
}

bool
event_walk(const uint32_t *indexes, size_t n, size_t depth_max, struct event *out)
{
	struct walk w = {.b = out->body.ptr, .at = indexes, .n = n, .out = out};

	/* A bracket at the end also stops every number from running into the padding. */
	if (n < 2 || w.b[indexes[0]] != '{' || w.b[indexes[n - 1]] != '}')
		return false;
	w.has_backslash = memchr(w.b, '\\', out->body.len) != NULL;
	if (w.has_backslash && !event_walk_has_good_escapes(out->body))
		return false;
	if (!walk_object(&w, depth_max < WALK_DEPTH_MAX ? depth_max : WALK_DEPTH_MAX))
		return false;
	out->has_id = out->id.len != 0;
	return out->user_id.len != 0 && out->event_type.len != 0 && out->timestamp.len != 0;
}
