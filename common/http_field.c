/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_field - the grammar of single header fields, strictly
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_field.h"

/* RFC 9110 section 5.6.2: "!#$%&'*+-.^_`|~", digits, letters. */
const uint8_t http_field_tchar[256] = {
	['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
	['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1,
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

/* RFC 3986: unreserved and sub-delims, what a reg-name is made of besides %XX. */
static const uint8_t host_char[256] = {
	['-'] = 1, ['.'] = 1, ['_'] = 1, ['~'] = 1, ['!'] = 1, ['$'] = 1, ['&'] = 1, ['\''] = 1,
	['('] = 1, [')'] = 1, ['*'] = 1, ['+'] = 1, [','] = 1, [';'] = 1, ['='] = 1,
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool
is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static bool
is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(uint8_t c)
{
	return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

bool
http_field_is_token(struct bytes s)
{
	size_t i;

	for (i = 0; i < s.len; i++)
		if (http_field_tchar[s.ptr[i]] == 0)
			return false;
	return s.len > 0;
}

bool
http_field_is(struct bytes s, const char *lower)
{
	size_t i;
	uint8_t c;

	for (i = 0; i < s.len; i++) {
		c = s.ptr[i];
		if (c >= 'A' && c <= 'Z')
			c |= 0x20;
		/* A NUL in s must not match the end of `lower`. */
		if (lower[i] == '\0' || c != (uint8_t)lower[i])
			return false;
	}
	return lower[s.len] == '\0';
}

enum http_code
http_field_split(struct bytes line, struct http_field *field)
{
	const uint8_t *p = line.ptr, *end = line.ptr + line.len;

	/* RFC 9112 section 5.2: obs-fold. */
	if (line.len > 0 && is_blank(*p))
		return HTTP_CODE_FOLDED_FIELD;
	while (p < end && http_field_tchar[*p] != 0)
		p++;
	/* Section 5.1: no blank between the name and the colon. */
	if (p == line.ptr || p == end || *p != ':')
		return HTTP_CODE_BAD_FIELD_NAME;
	field->name = bytes_of(line.ptr, (size_t)(p - line.ptr));
	p++;
	while (p < end && is_blank(*p))
		p++;
	while (p < end && is_blank(end[-1]))
		end--;
	field->value = bytes_of(p, (size_t)(end - p));
	return HTTP_CODE_NONE;
}

/* IPv6address or IPvFuture between brackets: characters only, the meaning is
 * nobody's concern here. */
static size_t
ip_literal_len(struct bytes host)
{
	size_t i;

	for (i = 1; i < host.len && host.ptr[i] != ']'; i++)
		if (!is_hex(host.ptr[i]) && host.ptr[i] != ':' && host.ptr[i] != '.' &&
		    !(host.ptr[1] == 'v' && host_char[host.ptr[i]] != 0))
			return 0;
	return i < host.len && i > 2 ? i + 1 : 0;
}

static size_t
reg_name_len(struct bytes host)
{
	size_t i = 0;

	while (i < host.len && host.ptr[i] != ':') {
		if (host_char[host.ptr[i]] != 0)
			i++;
		else if (host.ptr[i] == '%' && host.len - i > 2 && is_hex(host.ptr[i + 1]) &&
		    is_hex(host.ptr[i + 2]))
			i += 3;
		else
			return 0;
	}
	return i;
}

bool
http_field_is_host(struct bytes host)
{
	unsigned long port = 0;
	size_t i;

	if (host.len == 0)
		return false;
	i = host.ptr[0] == '[' ? ip_literal_len(host) : reg_name_len(host);
	if (i == 0)
		return false;
	if (i == host.len)
		return true;
	if (host.ptr[i] != ':')
		return false;
	for (i++; i < host.len; i++) {
		if (!is_digit(host.ptr[i]))
			return false;
		port = port * 10 + (unsigned long)(host.ptr[i] - '0');
		if (port > 65535)
			return false;
	}
	return true;
}

int
http_field_length(struct bytes value, uint64_t *len)
{
	uint64_t n = 0;
	size_t i;

	for (i = 0; i < value.len; i++) {
		if (!is_digit(value.ptr[i]))
			return -1;
		if (n > (UINT64_MAX - 9) / 100)
			n = UINT64_MAX;
		else
			n = n * 10 + (uint64_t)(value.ptr[i] - '0');
	}
	*len = n;
	return value.len > 0 ? 0 : -1;
}

bool
http_field_next(struct bytes *list, struct bytes *element)
{
	const uint8_t *p = list->ptr, *end = list->ptr + list->len, *stop;

	while (p < end && (is_blank(*p) || *p == ','))
		p++;
	if (p == end) {
		list->len = 0;
		return false;
	}
	if ((stop = memchr(p, ',', (size_t)(end - p))) == NULL)
		stop = end;
	*list = bytes_of(stop, (size_t)(end - stop));
	while (is_blank(stop[-1]))
		stop--;
	*element = bytes_of(p, (size_t)(stop - p));
	return true;
}

bool
http_field_is_id(struct bytes id)
{
	size_t i;

	for (i = 0; i < id.len && i < 65; i++) {
		uint8_t c = id.ptr[i];

		if (!is_digit(c) && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') && c != '.' &&
		    c != '_' && c != '-')
			return false;
	}
	return id.len >= 1 && id.len <= 64;
}

static bool
is_lower_hex(const uint8_t *p, size_t len, bool *is_zero)
{
	size_t i;

	*is_zero = true;
	for (i = 0; i < len; i++) {
		if (!is_digit(p[i]) && !(p[i] >= 'a' && p[i] <= 'f'))
			return false;
		if (p[i] != '0')
			*is_zero = false;
	}
	return true;
}

bool
http_field_is_traceparent(struct bytes value)
{
	const uint8_t *p = value.ptr;
	bool is_zero;

	/* 00-32-16-2 is 55 characters; later versions may go on after a '-'. */
	if (value.len < 55 || p[2] != '-' || p[35] != '-' || p[52] != '-')
		return false;
	if (!is_lower_hex(p, 2, &is_zero) || memcmp(p, "ff", 2) == 0)
		return false;
	if (value.len > 55 && (is_zero || p[55] != '-'))
		return false;
	if (!is_lower_hex(p + 3, 32, &is_zero) || is_zero)
		return false;
	if (!is_lower_hex(p + 36, 16, &is_zero) || is_zero)
		return false;
	return is_lower_hex(p + 53, 2, &is_zero);
}
