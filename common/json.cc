/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	json - read one JSON text: simdjson behind a C interface
 *
 * DESCRIPTION
 *	See json.h.  Uses simdjson's parser implementation itself rather than
 *	dom::parser, because only it shows the structural index; the kernel is
 *	still the one simdjson picks for the CPU at run time.
 *
 * PROCESS
 *	All.
 *
 * SHARED STATE
 *	None.
 *
 * DIAGNOSTICS
 *	fatal: no memory for a parser at start.
 */
#include <memory>
#include <new>

#include <simdjson.h>

extern "C" {
#include "common/panic.h"
}
#include "common/json.h"

static_assert(JSON_PADDING >= simdjson::SIMDJSON_PADDING, "callers promise too few bytes");

struct json_parser {
	std::unique_ptr<simdjson::internal::dom_parser_implementation> impl;
	simdjson::dom::document tree;
	struct json_doc doc;
	size_t len_max;
};

static enum json_result
json_result_of(simdjson::error_code err)
{
	switch (err) {
	case simdjson::SUCCESS:
		return JSON_OK;
	case simdjson::EMPTY:
		return JSON_EMPTY;
	case simdjson::UTF8_ERROR:
		return JSON_UTF8;
	case simdjson::NUMBER_ERROR:
	case simdjson::NUMBER_OUT_OF_RANGE:
		return JSON_NUMBER;
	case simdjson::DEPTH_ERROR:
		return JSON_DEEP;
	case simdjson::CAPACITY:
		return JSON_BIG;
	default:
		return JSON_SYNTAX;
	}
}

struct json_parser *
json_parser_new(size_t len_max, size_t depth_max)
{
	auto *parser = new (std::nothrow) json_parser;
	simdjson::error_code err = simdjson::MEMALLOC;

	if (parser != nullptr) {
		parser->len_max = len_max;
		err = simdjson::get_active_implementation()->create_dom_parser_implementation(
		    len_max, depth_max + 1, parser->impl); /* it refuses the depth it is given */
		if (err == simdjson::SUCCESS)
			err = parser->tree.allocate(len_max);
	}
	if (err != simdjson::SUCCESS)
		fatal("no JSON parser for texts of %zu bytes: %s", len_max,
		    simdjson::error_message(err));
	parser->doc.tape = parser->tree.tape.get();
	parser->doc.strings = parser->tree.string_buf.get();
	return parser;
}

void
json_parser_free(struct json_parser *parser)
{
	delete parser;
}

enum json_result
json_parse(struct json_parser *parser, struct bytes text, struct json_value *root)
{
	if (text.len > parser->len_max)
		return JSON_BIG;
	auto err = parser->impl->parse(text.ptr, text.len, parser->tree);
	*root = {&parser->doc, 1};
	return json_result_of(err);
}

enum json_result
json_index(struct json_parser *parser, struct bytes text, const uint32_t **indexes, size_t *n)
{
	if (text.len > parser->len_max)
		return JSON_BIG;
	auto err = parser->impl->stage1(text.ptr, text.len, simdjson::stage1_mode::regular);
	*indexes = parser->impl->structural_indexes.get();
	*n = parser->impl->n_structural_indexes;
	return json_result_of(err);
}

enum json_result
json_tree(struct json_parser *parser, struct json_value *root)
{
	auto err = parser->impl->stage2(parser->tree);
	*root = {&parser->doc, 1};
	return json_result_of(err);
}

const uint32_t *
json_indexes(const struct json_parser *parser, size_t *n)
{
	*n = parser->impl->n_structural_indexes;
	return parser->impl->structural_indexes.get();
}

bool
json_is_utf8(struct bytes text)
{
	return simdjson::validate_utf8(reinterpret_cast<const char *>(text.ptr), text.len);
}

const char *
json_kernel(void)
{
	static const std::string name = simdjson::get_active_implementation()->name();

	return name.c_str();
}
