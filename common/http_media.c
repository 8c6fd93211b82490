/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_media - which of the media types we know a Content-Type names
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_media.h"

#include "common/http_field.h"

#include <strings.h>

struct media_row {
	const char *name;
	enum http_media media;
};

static const struct media_row rows[] = {
	{ "application/json", HTTP_MEDIA_JSON },
	{ "application/x-ndjson", HTTP_MEDIA_NDJSON },
	{ "application/cloudevents+json", HTTP_MEDIA_CLOUDEVENT },
	{ "application/cloudevents-batch+json", HTTP_MEDIA_CLOUDEVENTS_BATCH },
	{ "application/ndjson", HTTP_MEDIA_NDJSON },
	{ "application/jsonl", HTTP_MEDIA_NDJSON },
	{ "application/x-jsonlines", HTTP_MEDIA_NDJSON },
	{ "application/jsonlines", HTTP_MEDIA_NDJSON },
	{ "text/json", HTTP_MEDIA_JSON },
	{ "text/plain", HTTP_MEDIA_TEXT },
	{ "application/x-www-form-urlencoded", HTTP_MEDIA_FORM },
};

static bool
is_nocase(struct bytes text, const char *name)
{
	return text.len == strlen(name) && strncasecmp((const char *)text.ptr, name, text.len) == 0;
}

static enum http_media
media_find(struct bytes type)
{
	size_t i;

	for (i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (is_nocase(type, rows[i].name))
			return rows[i].media;
	/* RFC 6839: application/anything+json is JSON. */
	if (type.len > 17 && strncasecmp((const char *)type.ptr, "application/", 12) == 0 &&
	    is_nocase(bytes_of(type.ptr + type.len - 5, 5), "+json"))
		return HTTP_MEDIA_JSON;
	return HTTP_MEDIA_OTHER;
}

static const uint8_t *
blanks_skip(const uint8_t *p, const uint8_t *end)
{
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	return p;
}

static const uint8_t *
token_skip(const uint8_t *p, const uint8_t *end)
{
	while (p < end && http_field_tchar[*p] != 0)
		p++;
	return p;
}

/* A token or a quoted-string (RFC 9110 section 5.6.4); NULL if it is neither. */
static const uint8_t *
value_skip(const uint8_t *p, const uint8_t *end, struct bytes *value)
{
	const uint8_t *start = p;

	if (p == end || *p != '"') {
		p = token_skip(p, end);
		*value = bytes_of(start, (size_t)(p - start));
		return p == start ? NULL : p;
	}
	for (p++; p < end && *p != '"'; p++)
		if (*p == '\\' && ++p == end)
			return NULL;
	if (p == end)
		return NULL;
	*value = bytes_of(start + 1, (size_t)(p - start - 1));
	return p + 1;
}

static bool
params_fit(const uint8_t *p, const uint8_t *end)
{
	struct bytes name, value;
	const uint8_t *start;

	for (;;) {
		p = blanks_skip(p, end);
		if (p == end)
			return true;
		if (*p != ';')
			return false;
		start = p = blanks_skip(p + 1, end);
		p = token_skip(p, end);
		name = bytes_of(start, (size_t)(p - start));
		/* "text/plain; " is legal: a parameter may be missing. */
		if (name.len == 0 && (p == end || *p == ';'))
			continue;
		if (name.len == 0 || p == end || *p != '=' ||
		    (p = value_skip(p + 1, end, &value)) == NULL)
			return false;
		if (is_nocase(name, "charset") && !is_nocase(value, "utf-8") &&
		    !is_nocase(value, "utf8") && !is_nocase(value, "us-ascii"))
			return false;
	}
}

enum http_media
http_media_of(struct bytes content_type)
{
	const uint8_t *p = content_type.ptr, *end, *slash;
	enum http_media media;

	if (content_type.len == 0)
		return HTTP_MEDIA_NONE;
	end = p + content_type.len;
	if (bytes_is(content_type, BYTES_LIT("application/json")))
		return HTTP_MEDIA_JSON;
	slash = token_skip(p, end);
	if (slash == p || slash == end || *slash != '/')
		return HTTP_MEDIA_BAD;
	p = token_skip(slash + 1, end);
	if (p == slash + 1)
		return HTTP_MEDIA_BAD;
	media = media_find(bytes_of(content_type.ptr, (size_t)(p - content_type.ptr)));
	return params_fit(p, end) ? media : HTTP_MEDIA_BAD;
}
