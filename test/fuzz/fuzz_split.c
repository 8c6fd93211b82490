/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_split - the splitter against simdjson's own reading
 *
 * DESCRIPTION
 *	All kernels must agree.  An array or object that simdjson takes must be cut
 *	exactly where simdjson's structural index says; an array that is cut into
 *	elements which simdjson takes one by one must be one that it takes whole.
 *	Lines are held against a byte-by-byte reading.
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
#include "common/split.h"

#define LEN_MAX      4096
#define ELEMENTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct json_parser *whole, *part;

#define check(x)                                                                                   \
	do {                                                                                       \
		if (!(x)) {                                                                        \
			fprintf(stderr, "line %d: %s\n", __LINE__, #x);                            \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

/* From the value at indexes[*i] to its end; *i moves to what follows. */
static struct bytes
indexed_value(const uint8_t *text, const uint32_t *indexes, size_t *i)
{
	const uint8_t *from = text + indexes[*i];
	size_t depth = 0;

	do {
		uint8_t c = text[indexes[*i]];

		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		(*i)++;
	} while (depth > 0);
	return split_trim(bytes_of(from, (size_t)(text + indexes[*i] - from)));
}

static bool
is_same(struct bytes a, struct bytes b)
{
	return a.ptr == b.ptr && a.len == b.len;
}

static void
check_elements(struct bytes text, struct json_value root, const struct bytes *out, size_t n)
{
	size_t n_indexes, i = 1;
	const uint32_t *indexes = json_indexes(whole, &n_indexes);

	check(json_count(root) == n);
	for (size_t k = 0; k < n; k++) {
		check(is_same(indexed_value(text.ptr, indexes, &i), out[k]));
		i++;
	}
}

static void
check_array(struct bytes exact, struct bytes padded)
{
	struct bytes out[ELEMENTS_MAX], again[ELEMENTS_MAX];
	enum split_result result, first = SPLIT_OK;
	struct json_value root, element;
	enum json_result parsed = json_parse(whole, padded, &root);
	size_t n = 0, m;
	bool all_good = true, has_first = false;

	for (int k = SPLIT_KERNEL_SCALAR; k <= SPLIT_KERNEL_AVX512; k++) {
		if (!split_use_kernel((enum split_kernel)k))
			continue;
		result = split_array(exact, ELEMENTS_MAX, again, &m);
		if (has_first) {
			check(result == first && m == n);
			for (size_t j = 0; j < n; j++)
				check(is_same(out[j], again[j]));
		}
		has_first = true;
		first = result;
		n = m;
		memcpy(out, again, n * sizeof(out[0]));
	}
	check(first == SPLIT_OK || n == 0);
	for (size_t j = 0; j < n; j++)
		out[j].ptr = padded.ptr + (out[j].ptr - exact.ptr);
	if (parsed == JSON_OK && json_is(root, JSON_TYPE_ARRAY)) {
		check(first == SPLIT_OK || first == SPLIT_TOO_MANY);
		check((first == SPLIT_OK) == (json_count(root) <= ELEMENTS_MAX));
		if (first == SPLIT_OK)
			check_elements(padded, root, out, n);
	}
	if (first != SPLIT_OK)
		return;
	for (size_t j = 0; j < n; j++)
		all_good = all_good && json_parse(part, out[j], &element) == JSON_OK;
	if (all_good)
		check(parsed == JSON_OK);
}

static void
check_members(struct bytes exact, struct bytes padded)
{
	struct split_member out[ELEMENTS_MAX];
	struct json_value root;
	const uint32_t *indexes;
	size_t n, n_indexes, i = 1;
	bool is_valid =
	    json_parse(whole, padded, &root) == JSON_OK && json_is(root, JSON_TYPE_OBJECT);

	for (int k = SPLIT_KERNEL_SCALAR; k <= SPLIT_KERNEL_AVX512; k++) {
		enum split_result result;

		if (!split_use_kernel((enum split_kernel)k))
			continue;
		result = split_members(exact, ELEMENTS_MAX, out, &n);
		if (!is_valid)
			continue;
		check((result == SPLIT_OK) == (json_count(root) <= ELEMENTS_MAX));
		if (result != SPLIT_OK)
			continue;
		check(json_count(root) == n);
		indexes = json_indexes(whole, &n_indexes);
		i = 1;
		for (size_t j = 0; j < n; j++) {
			struct bytes name = indexed_value(padded.ptr, indexes, &i), value;

			i++;
			value = indexed_value(padded.ptr, indexes, &i);
			i++;
			check(out[j].name.ptr - exact.ptr == name.ptr + 1 - padded.ptr);
			check(out[j].name.len == name.len - 2);
			check(out[j].value.ptr - exact.ptr == value.ptr - padded.ptr);
			check(out[j].value.len == value.len);
		}
	}
}

static void
check_lines(struct bytes exact)
{
	struct bytes out[ELEMENTS_MAX];
	size_t n, found = 0, from = 0;
	enum split_result result = split_lines(exact, ELEMENTS_MAX, out, &n);

	for (size_t i = 0; i <= exact.len; i++) {
		struct bytes line;

		if (i < exact.len && exact.ptr[i] != '\n')
			continue;
		line = split_trim(bytes_of(exact.ptr + from, i - from));
		from = i + 1;
		if (line.len == 0)
			continue;
		if (result == SPLIT_OK)
			check(found < n && is_same(out[found], line));
		found++;
	}
	check((result == SPLIT_OK) == (found <= ELEMENTS_MAX));
	check(result != SPLIT_OK || found == n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *exact, *padded;

	if (whole == NULL) {
		whole = json_parser_new(LEN_MAX, SPLIT_DEPTH_MAX);
		part = json_parser_new(LEN_MAX, SPLIT_DEPTH_MAX);
	}
	if (len > LEN_MAX)
		return 0;
	exact = malloc(len + 1);
	padded = malloc(len + JSON_PADDING);
	check(exact != NULL && padded != NULL);
	memcpy(exact + 1, data, len); /* off by one: nothing is aligned, nothing behind is ours */
	memcpy(padded, data, len);
	memset(padded + len, len & 1 ? ']' : '"', JSON_PADDING);
	check_array(bytes_of(exact + 1, len), bytes_of(padded, len));
	check_members(bytes_of(exact + 1, len), bytes_of(padded, len));
	check_lines(bytes_of(exact + 1, len));
	free(exact);
	free(padded);
	return 0;
}
