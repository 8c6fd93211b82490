/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_code - the errors HTTP itself can call for, by name
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_code.h"

#include "common/panic.h"

struct code_row {
	struct bytes name, text;
	unsigned int status;
};

static const struct code_row rows[] = {
#define CODE(tag, name, status, text)                                                              \
	[HTTP_CODE_##tag] = { { (const uint8_t *)(name), sizeof(name) - 1 },                       \
		{ (const uint8_t *)(text), sizeof(text) - 1 }, status },
#include "common/http_codes.def"
#undef CODE
};
_Static_assert(sizeof rows / sizeof rows[0] == HTTP_CODE_COUNT, "a row for each code");

struct reason_row {
	unsigned int status;
	const char *text;
};

static const struct reason_row reasons[] = {
	{ 200, "200 OK" },
	{ 202, "202 Accepted" },
	{ 201, "201 Created" },
	{ 204, "204 No Content" },
	{ 207, "207 Multi-Status" },
	{ 301, "301 Moved Permanently" },
	{ 302, "302 Found" },
	{ 304, "304 Not Modified" },
	{ 307, "307 Temporary Redirect" },
	{ 308, "308 Permanent Redirect" },
	{ 400, "400 Bad Request" },
	{ 401, "401 Unauthorized" },
	{ 403, "403 Forbidden" },
	{ 404, "404 Not Found" },
	{ 405, "405 Method Not Allowed" },
	{ 406, "406 Not Acceptable" },
	{ 408, "408 Request Timeout" },
	{ 409, "409 Conflict" },
	{ 410, "410 Gone" },
	{ 411, "411 Length Required" },
	{ 412, "412 Precondition Failed" },
	{ 413, "413 Content Too Large" },
	{ 414, "414 URI Too Long" },
	{ 415, "415 Unsupported Media Type" },
	{ 417, "417 Expectation Failed" },
	{ 422, "422 Unprocessable Content" },
	{ 426, "426 Upgrade Required" },
	{ 428, "428 Precondition Required" },
	{ 429, "429 Too Many Requests" },
	{ 431, "431 Request Header Fields Too Large" },
	{ 500, "500 Internal Server Error" },
	{ 501, "501 Not Implemented" },
	{ 502, "502 Bad Gateway" },
	{ 503, "503 Service Unavailable" },
	{ 504, "504 Gateway Timeout" },
	{ 505, "505 HTTP Version Not Supported" },
	{ 507, "507 Insufficient Storage" },
};

struct bytes
http_code_name(enum http_code code)
{
	return rows[code].name;
}

struct bytes
http_code_text(enum http_code code)
{
	return rows[code].text;
}

unsigned int
http_code_status(enum http_code code)
{
	return rows[code].status;
}

struct bytes
http_code_reason(unsigned int status)
{
	/* A status without a row: its number and an empty phrase (RFC 9112 section 4). */
	static char other[8];
	size_t i;

	for (i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
		if (reasons[i].status == status)
			return bytes_str(reasons[i].text);
	assert_that(status >= 100 && status <= 599);
	other[0] = (char)('0' + status / 100);
	other[1] = (char)('0' + status / 10 % 10);
	other[2] = (char)('0' + status % 10);
	other[3] = ' ';
	return bytes_of(other, 4);
}
