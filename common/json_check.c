/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	json_check - is it JSON, and if not, where does it stop being JSON
 *
 * DESCRIPTION
 *	See json_check.h.  A loop with a bit per level (object or array), so depth
 *	costs no stack.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 */
#include "common/json_check.h"

struct json_check {
	const uint8_t *p, *end;
	enum json_check_result result;
};

static bool
fails(struct json_check *c, enum json_check_result result)
{
	c->result = result;
	return false;
}

static void
skip_blanks(struct json_check *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' || *c->p == '\r' || *c->p == '\t'))
		c->p++;
}

static bool
is_digit(const struct json_check *c)
{
	return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static bool
skip_digits(struct json_check *c)
{
	if (!is_digit(c))
		return fails(c, JSON_CHECK_SYNTAX);
	while (is_digit(c))
		c->p++;
	return true;
}

static bool
number(struct json_check *c)
{
	if (c->p < c->end && *c->p == '-')
		c->p++;
	if (c->p < c->end && *c->p == '0')
		c->p++;
	else if (!skip_digits(c))
		return false;
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		if (!skip_digits(c))
			return false;
	}
	if (c->p < c->end && (*c->p | 0x20) == 'e') {
		c->p++;
		if (c->p < c->end && (*c->p == '+' || *c->p == '-'))
			c->p++;
		if (!skip_digits(c))
			return false;
	}
	return true;
}

static bool
word(struct json_check *c, const char *text)
{
	for (; *text != '\0'; text++, c->p++) {
		if (c->p == c->end || *c->p != (uint8_t)*text)
			return fails(c, JSON_CHECK_SYNTAX);
	}
	return true;
}

static bool
hex4(struct json_check *c, uint32_t *value)
{
	*value = 0;
	for (int i = 0; i < 4; i++, c->p++) {
		uint8_t x = c->p < c->end ? *c->p : 0;

		if (x >= '0' && x <= '9')
			*value = *value << 4 | (uint32_t)(x - '0');
		else if ((x | 0x20) >= 'a' && (x | 0x20) <= 'f')
			*value = *value << 4 | (uint32_t)((x | 0x20) - 'a' + 10);
		else
			return fails(c, JSON_CHECK_SYNTAX);
	}
	return true;
}

/* Behind the backslash. */
static bool
escape(struct json_check *c)
{
	uint32_t high, low;

	if (c->p == c->end)
		return fails(c, JSON_CHECK_SYNTAX);
	if (*c->p != 'u') {
		if (*c->p == 0 || strchr("\"\\/bfnrt", *c->p) == NULL)
			return fails(c, JSON_CHECK_SYNTAX);
		c->p++;
		return true;
	}
	c->p++;
	if (!hex4(c, &high))
		return false;
	if (high >= 0xdc00 && high <= 0xdfff)
		return fails(c, JSON_CHECK_SURROGATE);
	if (high < 0xd800 || high > 0xdfff)
		return true;
	if (c->end - c->p < 2 || c->p[0] != '\\' || c->p[1] != 'u')
		return fails(c, JSON_CHECK_SURROGATE);
	c->p += 2;
	if (!hex4(c, &low))
		return false;
	if (low < 0xdc00 || low > 0xdfff)
		return fails(c, JSON_CHECK_SURROGATE);
	return true;
}

static bool
string(struct json_check *c)
{
	if (c->p == c->end || *c->p != '"')
		return fails(c, JSON_CHECK_SYNTAX);
	for (c->p++; c->p < c->end;) {
		uint8_t x = *c->p;

		if (x < 0x20)
			return fails(c, JSON_CHECK_SYNTAX);
		c->p++;
		if (x == '"')
			return true;
		if (x == '\\' && !escape(c))
			return false;
	}
	return fails(c, JSON_CHECK_SYNTAX);
}

static bool
scalar(struct json_check *c)
{
	if (c->p == c->end)
		return fails(c, JSON_CHECK_SYNTAX);
	switch (*c->p) {
	case '"':
		return string(c);
	case 't':
		return word(c, "true");
	case 'f':
		return word(c, "false");
	case 'n':
		return word(c, "null");
	default:
		return number(c);
	}
}

/* The name and the colon of a member, up to its value. */
static bool
name(struct json_check *c)
{
	skip_blanks(c);
	if (!string(c))
		return false;
	skip_blanks(c);
	if (c->p == c->end || *c->p != ':')
		return fails(c, JSON_CHECK_SYNTAX);
	c->p++;
	return true;
}

/* Behind a value: closes what ends here.  True with *more when another value follows. */
static bool
behind_value(struct json_check *c, const uint8_t *is_object, size_t *depth, bool *more)
{
	*more = false;
	while (*depth > 0) {
		skip_blanks(c);
		if (c->p == c->end)
			return fails(c, JSON_CHECK_SYNTAX);
		if (*c->p == ',') {
			c->p++;
			*more = true;
			return !is_object[*depth] || name(c);
		}
		if (*c->p != (is_object[*depth] ? '}' : ']'))
			return fails(c, JSON_CHECK_SYNTAX);
		c->p++;
		(*depth)--;
	}
	skip_blanks(c);
	return c->p == c->end ? true : fails(c, JSON_CHECK_SYNTAX);
}

static bool
value(struct json_check *c, size_t depth_max)
{
	uint8_t is_object[JSON_CHECK_DEPTH_MAX + 1];
	size_t depth = 0;
	bool more = true;

	while (more) {
		skip_blanks(c);
		if (c->p < c->end && (*c->p == '{' || *c->p == '[')) {
			uint8_t close = *c->p == '{' ? '}' : ']';

			c->p++;
			skip_blanks(c);
			if (c->p == c->end || *c->p != close) {
				if (depth == depth_max)
					return fails(c, JSON_CHECK_DEEP);
				is_object[++depth] = close == '}';
				if (close == '}' && !name(c))
					return false;
				continue;
			}
			c->p++;
		} else if (!scalar(c)) {
			return false;
		}
		if (!behind_value(c, is_object, &depth, &more))
			return false;
	}
	return true;
}

enum json_check_result
json_check(struct bytes text, size_t depth_max, size_t *off)
{
	struct json_check c = {text.ptr, text.ptr + text.len, JSON_CHECK_OK};

	if (depth_max > JSON_CHECK_DEPTH_MAX)
		depth_max = JSON_CHECK_DEPTH_MAX;
	(void)value(&c, depth_max);
	*off = (size_t)(c.p - text.ptr);
	return c.result;
}

bool
json_check_is_number(struct bytes text)
{
	struct json_check c = {text.ptr, text.ptr + text.len, JSON_CHECK_OK};

	return number(&c) && c.p == c.end;
}
