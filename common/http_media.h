/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_media - which of the media types we know a Content-Type names
 *
 * DESCRIPTION
 *	type/subtype compare without case; parameters are checked for syntax
 *	(RFC 9110 section 8.3.1).  A charset other than UTF-8 or US-ASCII is
 *	refused: JSON is UTF-8.
 *
 * PROCESS
 *	All that speak HTTP.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_HTTP_MEDIA_H
#define COMMON_HTTP_MEDIA_H

#include "common/bytes.h"

enum http_media {
	HTTP_MEDIA_NONE = 0,	      /* no Content-Type was sent */
	HTTP_MEDIA_JSON,	      /* application/json, text/json, application/anything+json */
	HTTP_MEDIA_NDJSON,	      /* application/x-ndjson, ndjson, jsonl, x-jsonlines */
	HTTP_MEDIA_CLOUDEVENT,	      /* application/cloudevents+json */
	HTTP_MEDIA_CLOUDEVENTS_BATCH, /* application/cloudevents-batch+json */
	HTTP_MEDIA_TEXT,	      /* text/plain */
	HTTP_MEDIA_FORM,	      /* application/x-www-form-urlencoded */
	HTTP_MEDIA_OTHER,	      /* well-formed, not known here */
	HTTP_MEDIA_BAD,		      /* malformed, or a charset we do not take */
};

enum http_media http_media_of(struct bytes content_type);

#endif
