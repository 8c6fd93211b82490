/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	clickhouse_error - what an answer of ClickHouse means for the events that were sent
 *
 * PROCESS
 *	The ClickHouse sink.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/clickhouse_error.h"

#include <stdlib.h>

/* ErrorCodes.cpp of ClickHouse; the numbers never changed. */
static const short data_codes[] = {
    6,   /* CANNOT_PARSE_TEXT */
    25,  /* CANNOT_PARSE_ESCAPE_SEQUENCE */
    26,  /* CANNOT_PARSE_QUOTED_STRING */
    27,  /* CANNOT_PARSE_INPUT_ASSERTION_FAILED */
    32,  /* ATTEMPT_TO_READ_AFTER_EOF */
    33,  /* CANNOT_READ_ALL_DATA */
    38,  /* CANNOT_PARSE_DATE */
    41,  /* CANNOT_PARSE_DATETIME */
    53,  /* TYPE_MISMATCH */
    69,  /* ARGUMENT_OUT_OF_BOUND */
    70,  /* CANNOT_CONVERT_TYPE */
    72,  /* CANNOT_PARSE_NUMBER */
    117, /* INCORRECT_DATA */
    128, /* TOO_LARGE_ARRAY_SIZE */
    131, /* TOO_LARGE_STRING_SIZE */
    153, /* ILLEGAL_DIVISION */
    321, /* VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE */
    349, /* CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN */
    376, /* CANNOT_PARSE_UUID */
    395, /* FUNCTION_THROW_IF_VALUE_IS_NON_ZERO */
    407, /* DECIMAL_OVERFLOW */
    467, /* CANNOT_PARSE_BOOL */
    469, /* VIOLATED_CONSTRAINT */
};

static const short setup_codes[] = {
    10,  /* NOT_FOUND_COLUMN_IN_BLOCK */
    16,  /* NO_SUCH_COLUMN_IN_TABLE */
    20,  /* NUMBER_OF_COLUMNS_DOESNT_MATCH */
    36,  /* BAD_ARGUMENTS */
    43,  /* ILLEGAL_TYPE_OF_ARGUMENT */
    44,  /* ILLEGAL_COLUMN */
    46,  /* UNKNOWN_FUNCTION */
    47,  /* UNKNOWN_IDENTIFIER */
    48,  /* NOT_IMPLEMENTED */
    50,  /* UNKNOWN_TYPE */
    60,  /* UNKNOWN_TABLE */
    62,  /* SYNTAX_ERROR */
    73,  /* UNKNOWN_FORMAT */
    80,  /* INCORRECT_QUERY */
    81,  /* UNKNOWN_DATABASE */
    89,  /* UNKNOWN_COMPRESSION_METHOD */
    115, /* UNKNOWN_SETTING */
    164, /* READONLY */
    192, /* UNKNOWN_USER */
    193, /* WRONG_PASSWORD */
    194, /* REQUIRED_PASSWORD */
    195, /* IP_ADDRESS_NOT_ALLOWED */
    291, /* DATABASE_ACCESS_DENIED */
    452, /* SETTING_CONSTRAINT_VIOLATION */
    497, /* ACCESS_DENIED */
    516, /* AUTHENTICATION_FAILED */
};

static bool
is_among(int code, const short *codes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (codes[i] == code)
			return true;
	return false;
}
#define IS_AMONG(code, codes) is_among(code, codes, sizeof(codes) / sizeof(codes[0]))

static bool
has(struct bytes body, const char *word)
{
	return body.len > 0 && memmem(body.ptr, body.len, word, strlen(word)) != NULL;
}

int
clickhouse_error_code(const char *header, struct bytes body)
{
	static const char word[] = "Code: ";
	const uint8_t *at, *end = body.ptr + body.len;
	int code = 0;

	if (header != NULL && header[0] >= '0' && header[0] <= '9')
		return (int)strtol(header, NULL, 10);
	if (!has(body, word) || !has(body, "Exception"))
		return 0;
	at = (const uint8_t *)memmem(body.ptr, body.len, word, strlen(word)) + strlen(word);
	for (; at < end && *at >= '0' && *at <= '9' && code < 100000; at++)
		code = code * 10 + (*at - '0');
	return code;
}

enum clickhouse_error
clickhouse_error_of(long status, int code, struct bytes body)
{
	if (status >= 200 && status < 300 && code == 0 && !has(body, "DB::Exception"))
		return CLICKHOUSE_ERROR_NONE;
	if (IS_AMONG(code, data_codes))
		return CLICKHOUSE_ERROR_DATA;
	if (IS_AMONG(code, setup_codes))
		return CLICKHOUSE_ERROR_SETUP;
	if (code != 0)
		return CLICKHOUSE_ERROR_LOAD;
	/* Something between us and the server answered. */
	if (status == 413)
		return CLICKHOUSE_ERROR_DATA; /* in halves it may pass */
	if (status >= 300 && status < 500 && status != 408 && status != 425 && status != 429)
		return CLICKHOUSE_ERROR_SETUP;
	return CLICKHOUSE_ERROR_LOAD;
}

void
clickhouse_error_text(struct bytes body, char *buf, size_t size)
{
	static const char *const ends[] = {", e.what()", " (version ", "Stack trace", "\n"};
	size_t n = body.len;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const uint8_t *at = n == 0 ? NULL : memmem(body.ptr, n, ends[i], strlen(ends[i]));

		if (at != NULL && at > body.ptr)
			n = (size_t)(at - body.ptr);
	}
	if (size == 0)
		return;
	if (n >= size)
		n = size - 1;
	for (size_t i = 0; i < n; i++)
		buf[i] = body.ptr[i] < 0x20 || body.ptr[i] == 0x7f ? ' ' : (char)body.ptr[i];
	buf[n] = '\0';
}
