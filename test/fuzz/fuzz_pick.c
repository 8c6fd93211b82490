/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_pick - pointers into any text; for JSON, against the splitter and simdjson
 *
 * DESCRIPTION
 *	Lines up to an empty one are pointers, what follows is the text.  Slices
 *	must lie in the text.  When simdjson takes the text, each slice must be
 *	what a walk with the splitter finds, and a string must mean what simdjson
 *	says it means.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include <stdio.h>
#include <stdlib.h>

#include "common/json.h"
#include "common/pick.h"
#include "common/split.h"

#define LEN_MAX      4096
#define MEMBERS_MAX  512
#define POINTERS_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define check(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

static struct json_parser *parser;

/* The value of JSON that the next token leads to. */
static bool
step(struct bytes in, const char *token, size_t token_len, struct bytes *out)
{
	static struct split_member member[MEMBERS_MAX];
	static struct bytes element[MEMBERS_MAX];
	static char decoded[LEN_MAX];
	struct bytes name;
	size_t n, i, index = 0;

	if (in.ptr[0] == '{') {
		check(split_members(in, MEMBERS_MAX, member, &n) == SPLIT_OK);
		for (i = 0; i < n; i++) {
			check(pick_string(bytes_of(member[i].name.ptr - 1, member[i].name.len + 2),
			    decoded, sizeof decoded, &name));
			if (bytes_is(name, bytes_of(token, token_len))) {
				*out = member[i].value;
				return true;
			}
		}
		return false;
	}
	if (in.ptr[0] != '[' || token_len == 0 || token_len > 9 ||
	    (token[0] == '0' && token_len > 1))
		return false;
	for (i = 0; i < token_len; i++) {
		if (token[i] < '0' || token[i] > '9')
			return false;
		index = index * 10 + (size_t)(token[i] - '0');
	}
	check(split_array(in, MEMBERS_MAX, element, &n) == SPLIT_OK);
	if (index >= n)
		return false;
	*out = element[index];
	return true;
}

static bool
walk(struct bytes text, const char *pointer, struct bytes *out)
{
	char token[256];
	size_t len;

	*out = split_trim(text);
	while (*pointer == '/') {
		for (len = 0, pointer++; *pointer != '\0' && *pointer != '/'; pointer++)
			if (*pointer == '~')
				token[len++] = *++pointer == '0' ? '~' : '/';
			else
				token[len++] = *pointer;
		if (!step(*out, token, len, out))
			return false;
	}
	return true;
}

static void
check_string(struct bytes raw)
{
	static uint8_t padded[LEN_MAX + JSON_PADDING];
	static char buf[LEN_MAX];
	struct json_value v;
	struct bytes text;

	memcpy(padded, raw.ptr, raw.len);
	memset(padded + raw.len, 0, JSON_PADDING);
	check(json_parse(parser, bytes_of(padded, raw.len), &v) == JSON_OK);
	check(json_is(v, JSON_TYPE_STRING) == pick_string(raw, buf, raw.len, &text));
	if (json_is(v, JSON_TYPE_STRING))
		check(bytes_is(json_string(v), text));
}

static bool
is_json(struct bytes text)
{
	static uint8_t padded[LEN_MAX + JSON_PADDING];
	struct json_value v;

	memcpy(padded, text.ptr, text.len);
	memset(padded + text.len, 0, JSON_PADDING);
	return json_parse(parser, bytes_of(padded, text.len), &v) == JSON_OK;
}

/* Commas and brackets bound the number of members. */
static bool
is_small(struct bytes text)
{
	size_t i, n = 0;

	for (i = 0; i < text.len; i++)
		n += text.ptr[i] == ',';
	return n < MEMBERS_MAX - 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char pointer[POINTERS_MAX][256], why[128];
	struct bytes out[POINTERS_MAX], text, want;
	struct pick *p;
	const uint8_t *line = data, *end = data + len, *newline;
	uint8_t *exact;
	bool is_valid;
	int n = 0, i;

	if (parser == NULL)
		parser = json_parser_new(LEN_MAX, SPLIT_DEPTH_MAX - 1);
	if (len > LEN_MAX)
		return 0;
	p = pick_new();
	for (; (newline = memchr(line, '\n', (size_t)(end - line))) != NULL && newline > line;
	     line = newline + 1) {
		size_t line_len = (size_t)(newline - line);

		if (n == POINTERS_MAX || line_len > 255 || memchr(line, 0, line_len) != NULL)
			continue;
		memcpy(pointer[n], line, line_len);
		pointer[n][line_len] = '\0';
		if (pick_add(p, pointer[n], why, sizeof why) == n)
			n++;
	}
	line += newline != NULL;
	text.len = (size_t)(end - line);
	exact = malloc(text.len + 1);
	check(exact != NULL && pick_count(p) == n);
	if (text.len > 0)
		memcpy(exact + 1, line, text.len);
	text.ptr = exact + 1;
	pick_run(p, text, out);
	is_valid = is_json(text) && is_small(text);
	for (i = 0; i < n; i++) {
		if (out[i].ptr != NULL)
			check(out[i].len > 0 && out[i].ptr >= text.ptr &&
			      out[i].ptr + out[i].len <= text.ptr + text.len);
		else
			check(out[i].len == 0);
		if (!is_valid)
			continue;
		if (!walk(text, pointer[i], &want))
			check(out[i].ptr == NULL);
		else {
			check(out[i].ptr == want.ptr && out[i].len == want.len);
			check_string(want);
		}
	}
	free(exact);
	pick_free(p);
	return 0;
}
