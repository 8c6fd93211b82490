/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	http_parse - the head of an HTTP/1.1 request, strictly
 *
 * DESCRIPTION
 *	Line by line: skim to the next control character, which must be the CR of
 *	a CR LF, then take the line apart.  Every error is found at a byte of its
 *	own and limits are checked at that byte too, so a head that comes byte by
 *	byte meets the same error first as one that comes whole.
 *
 * PROCESS
 *	HTTP acceptors, WebSocket acceptors, admin.
 *
 * SHARED STATE
 *	None.
 */
#include "common/http_parse.h"

#include <strings.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum parse_phase { PHASE_START = 0, PHASE_FIELDS };

/* What a request target may hold: visible ASCII but '#' (RFC 9112 section 3.2).
 * Wider than RFC 3986, because browsers send {|}^ in queries as they are. */
static const uint8_t target_char[256] = {
	['!' ... '"'] = 1,
	['$' ... '~'] = 1,
};

static const char *const method_names[HTTP_METHOD_COUNT] = {
	[HTTP_METHOD_NONE] = "NONE",
	[HTTP_METHOD_GET] = "GET",
	[HTTP_METHOD_HEAD] = "HEAD",
	[HTTP_METHOD_POST] = "POST",
	[HTTP_METHOD_PUT] = "PUT",
	[HTTP_METHOD_DELETE] = "DELETE",
	[HTTP_METHOD_OPTIONS] = "OPTIONS",
	[HTTP_METHOD_PATCH] = "PATCH",
	[HTTP_METHOD_TRACE] = "TRACE",
};

const char *
http_parse_method_name(enum http_method method)
{
	return method < HTTP_METHOD_COUNT ? method_names[method] : "NONE";
}

struct bytes
http_parse_find(const struct http_head *head, const char *lower)
{
	uint32_t i;

	for (i = 0; i < head->n_fields; i++)
		if (http_field_is(head->fields[i].name, lower))
			return head->fields[i].value;
	return (struct bytes){ NULL, 0 };
}

/* ---- Skimming ------------------------------------------------------------ */

/* The first control character other than TAB at or after `at`, or `len`. */
static size_t
skim(const uint8_t *buf, size_t at, size_t len)
{
#ifdef __SSE2__
	const __m128i top = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'),
		      del = _mm_set1_epi8(0x7f);

	for (; len - at >= 16; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(buf + at));
		__m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, top), v);
		__m128i bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), low),
		    _mm_cmpeq_epi8(v, del));
		int mask = _mm_movemask_epi8(bad);

		if (mask != 0)
			return at + (size_t)__builtin_ctz((unsigned int)mask);
	}
#endif
	while (at < len && !((buf[at] < 0x20 && buf[at] != '\t') || buf[at] == 0x7f))
		at++;
	return at;
}

/* ---- Request line (RFC 9112 section 3) ----------------------------------- */

static enum http_method
method_of(struct bytes text)
{
	enum http_method m;

	for (m = HTTP_METHOD_GET; m < HTTP_METHOD_COUNT; m++)
		if (bytes_is(text, bytes_str(method_names[m])))
			return m;
	return HTTP_METHOD_NONE;
}

/* Section 2.3: HTTP-version is case-sensitive. */
static enum http_code
take_version(struct http_head *head, struct bytes text)
{
	const uint8_t *p = text.ptr;

	if (text.len != 8 || memcmp(p, "HTTP/", 5) != 0 || p[5] < '0' || p[5] > '9' ||
	    p[6] != '.' || p[7] < '0' || p[7] > '9')
		return HTTP_CODE_BAD_VERSION;
	if (p[5] != '1')
		return HTTP_CODE_UNSUPPORTED_VERSION;
	/* A higher minor version is to be taken as the highest one we know. */
	head->minor = p[7] == '0' ? 0 : 1;
	return HTTP_CODE_NONE;
}

static void
take_path(struct http_head *head, struct bytes path)
{
	const uint8_t *mark = memchr(path.ptr, '?', path.len);

	head->path = path;
	if (mark != NULL) {
		head->path.len = (size_t)(mark - path.ptr);
		head->query = bytes_of(mark + 1, path.len - head->path.len - 1);
	}
}

/* Section 3.2: origin-form, absolute-form, asterisk-form. */
static enum http_code
take_target(struct http_head *head)
{
	struct bytes t = head->target;
	size_t skip, i;

	if (t.ptr[0] == '/') {
		take_path(head, t);
		return HTTP_CODE_NONE;
	}
	if (t.len == 1 && t.ptr[0] == '*') {
		head->path = t;
		return head->method == HTTP_METHOD_OPTIONS ? HTTP_CODE_NONE : HTTP_CODE_BAD_TARGET;
	}
	if (t.len >= 7 && strncasecmp((const char *)t.ptr, "http://", 7) == 0)
		skip = 7;
	else if (t.len >= 8 && strncasecmp((const char *)t.ptr, "https://", 8) == 0)
		skip = 8;
	else
		return HTTP_CODE_BAD_TARGET;
	for (i = skip; i < t.len && t.ptr[i] != '/' && t.ptr[i] != '?'; i++)
		;
	head->host = bytes_of(t.ptr + skip, i - skip);
	if (!http_field_is_host(head->host))
		return HTTP_CODE_BAD_TARGET;
	take_path(head, bytes_of(t.ptr + i, t.len - i));
	/* Section 3.2.2 and RFC 9110 section 4.2.3: no path means "/". */
	if (head->path.len == 0)
		head->path = BYTES_LIT("/");
	return HTTP_CODE_NONE;
}

static enum http_code
take_request_line(struct http_head *head, struct bytes line)
{
	const uint8_t *p = line.ptr, *end = line.ptr + line.len, *start;
	enum http_code code;

	while (p < end && http_field_tchar[*p] != 0)
		p++;
	if (p == end || *p != ' ')
		return p == end ? HTTP_CODE_BAD_REQUEST_LINE : HTTP_CODE_BAD_METHOD;
	head->method_text = bytes_of(line.ptr, (size_t)(p - line.ptr));
	if (head->method_text.len == 0)
		return HTTP_CODE_BAD_METHOD;
	start = ++p;
	while (p < end && target_char[*p] != 0)
		p++;
	if (p < end && *p != ' ')
		return HTTP_CODE_BAD_TARGET;
	/* One blank between the parts, no more: section 3 allows leniency, we do not. */
	if (p == start || p == end)
		return HTTP_CODE_BAD_REQUEST_LINE;
	head->target = bytes_of(start, (size_t)(p - start));
	p++;
	if ((code = take_version(head, bytes_of(p, (size_t)(end - p)))) != HTTP_CODE_NONE)
		return code;
	head->is_keep_alive = head->minor == 1;
	/* CONNECT is not known either: its target has a form of its own. */
	if ((head->method = method_of(head->method_text)) == HTTP_METHOD_NONE)
		return HTTP_CODE_UNKNOWN_METHOD;
	return take_target(head);
}

/* ---- Fields we act on ---------------------------------------------------- */

/* Seen-bits of fields that may come once. */
enum {
	SEEN_HOST = 1,
	SEEN_LENGTH = 2,
	SEEN_TRANSFER = 4,
	SEEN_TYPE = 8,
	SEEN_ACK = 16,
	SEEN_REQUEST_ID = 32,
	SEEN_TRACEPARENT = 64,
	SEEN_CLOSE = 128,
	SEEN_CHUNKED = 256,
};

struct parse_state {
	struct http_head *head;
	uint32_t seen;
	enum http_code doubt; /* the first error between fields */
};

static void
doubt(struct parse_state *state, enum http_code code)
{
	if (state->doubt == HTTP_CODE_NONE)
		state->doubt = code;
}

static bool
is_first(struct parse_state *state, uint32_t bit)
{
	bool is = (state->seen & bit) == 0;

	state->seen |= bit;
	return is;
}

static void
note_host(struct parse_state *state, struct bytes value)
{
	if (!is_first(state, SEEN_HOST))
		doubt(state, HTTP_CODE_REPEATED_HOST);
	else if (!http_field_is_host(value))
		doubt(state, HTTP_CODE_BAD_HOST);
	else if (state->head->host.ptr == NULL)
		state->head->host = value;
}

/* RFC 9112 section 6.3: even equal repetitions are refused here. */
static void
note_length(struct parse_state *state, struct bytes value)
{
	if (!is_first(state, SEEN_LENGTH))
		doubt(state, HTTP_CODE_REPEATED_CONTENT_LENGTH);
	else if (http_field_length(value, &state->head->content_length) == -1)
		doubt(state, HTTP_CODE_BAD_CONTENT_LENGTH);
}

/* Section 6.1: "chunked" once and nothing else. */
static void
note_transfer(struct parse_state *state, struct bytes value)
{
	struct bytes coding;

	state->seen |= SEEN_TRANSFER;
	/* An empty element ("chunked,") is legal in a list and a known way to smuggle. */
	if (value.len == 0 || value.ptr[0] == ',' || value.ptr[value.len - 1] == ',')
		doubt(state, HTTP_CODE_BAD_TRANSFER_ENCODING);
	while (http_field_next(&value, &coding)) {
		if (http_field_is(coding, "chunked")) {
			if (!is_first(state, SEEN_CHUNKED))
				doubt(state, HTTP_CODE_BAD_TRANSFER_ENCODING);
		} else if (http_field_is_token(coding)) {
			doubt(state, HTTP_CODE_UNKNOWN_TRANSFER_ENCODING);
		} else {
			doubt(state, HTTP_CODE_BAD_TRANSFER_ENCODING);
		}
	}
}

static void
note_connection(struct parse_state *state, struct bytes value)
{
	struct bytes option;

	while (http_field_next(&value, &option)) {
		if (http_field_is(option, "close"))
			state->seen |= SEEN_CLOSE;
		else if (http_field_is(option, "upgrade"))
			state->head->wants_upgrade = true;
	}
}

static void
note_expect(struct parse_state *state, struct bytes value)
{
	struct bytes expectation;

	while (http_field_next(&value, &expectation)) {
		if (http_field_is(expectation, "100-continue"))
			state->head->expects_continue = true;
		else
			doubt(state, HTTP_CODE_EXPECTATION_FAILED);
	}
}

static void
note_encoding(struct parse_state *state, struct bytes value)
{
	struct bytes coding;

	while (http_field_next(&value, &coding))
		if (!http_field_is(coding, "identity"))
			doubt(state, HTTP_CODE_UNSUPPORTED_CONTENT_ENCODING);
}

static void
note_unique(struct parse_state *state, uint32_t bit, struct bytes *slot, struct bytes value)
{
	if (is_first(state, bit))
		*slot = value;
	else
		doubt(state, HTTP_CODE_REPEATED_FIELD);
}

/* Information only: sent twice is as good as not sent. */
static void
note_hint(struct parse_state *state, uint32_t bit, struct bytes *slot, struct bytes value)
{
	*slot = is_first(state, bit) ? value : (struct bytes){ NULL, 0 };
}

static void
note_field(struct parse_state *state, const struct http_field *f)
{
	struct http_head *head = state->head;

	switch (f->name.len) {
	case 4:
		if (http_field_is(f->name, "host"))
			note_host(state, f->value);
		break;
	case 6:
		if (http_field_is(f->name, "expect"))
			note_expect(state, f->value);
		break;
	case 10:
		if (http_field_is(f->name, "connection"))
			note_connection(state, f->value);
		else if (http_field_is(f->name, "user-agent"))
			head->user_agent = f->value;
		else if (http_field_is(f->name, "sluice-ack"))
			note_unique(state, SEEN_ACK, &head->ack, f->value);
		break;
	case 11:
		if (http_field_is(f->name, "traceparent"))
			note_hint(state, SEEN_TRACEPARENT, &head->traceparent, f->value);
		break;
	case 12:
		if (http_field_is(f->name, "content-type"))
			note_unique(state, SEEN_TYPE, &head->content_type, f->value);
		else if (http_field_is(f->name, "x-request-id"))
			note_hint(state, SEEN_REQUEST_ID, &head->request_id, f->value);
		break;
	case 14:
		if (http_field_is(f->name, "content-length"))
			note_length(state, f->value);
		break;
	case 16:
		if (http_field_is(f->name, "content-encoding"))
			note_encoding(state, f->value);
		break;
	case 17:
		if (http_field_is(f->name, "transfer-encoding"))
			note_transfer(state, f->value);
		break;
	default:
		break;
	}
}

/* ---- The whole ----------------------------------------------------------- */

/* What only the whole head can tell (RFC 9112 sections 3.2 and 6.3). */
static enum http_code
finish(struct parse_state *state, const struct http_limits *limits)
{
	struct http_head *head = state->head;

	if (state->doubt != HTTP_CODE_NONE)
		return state->doubt;
	if (head->minor == 1 && (state->seen & SEEN_HOST) == 0)
		return HTTP_CODE_MISSING_HOST;
	if ((state->seen & SEEN_TRANSFER) != 0) {
		if ((state->seen & SEEN_LENGTH) != 0)
			return HTTP_CODE_AMBIGUOUS_LENGTH;
		if (head->minor == 0)
			return HTTP_CODE_BAD_TRANSFER_ENCODING;
		head->framing = HTTP_FRAMING_CHUNKED;
	} else if (head->content_length > 0) {
		if (head->content_length > limits->body_bytes)
			return HTTP_CODE_BODY_TOO_LARGE;
		head->framing = HTTP_FRAMING_LENGTH;
	}
	if ((state->seen & SEEN_CLOSE) != 0)
		head->is_keep_alive = false;
	/* RFC 9110 section 10.1.1: from HTTP/1.0 the expectation is ignored. */
	if (head->minor == 0 || head->framing == HTTP_FRAMING_NONE)
		head->expects_continue = false;
	return HTTP_CODE_NONE;
}

static enum http_code
take_line(struct parse_state *state, struct http_mark *mark, struct bytes line,
    const struct http_limits *limits)
{
	struct http_field *field;
	enum http_code code;

	if (mark->phase == PHASE_START)
		return take_request_line(state->head, line);
	if (mark->n_fields >= limits->fields || mark->n_fields >= HTTP_LIMITS_FIELDS_MAX)
		return HTTP_CODE_TOO_MANY_FIELDS;
	field = &state->head->fields[mark->n_fields];
	if ((code = http_field_split(line, field)) != HTTP_CODE_NONE)
		return code;
	mark->n_fields++;
	note_field(state, field);
	return HTTP_CODE_NONE;
}

/* Is the byte at `at` still within the limit on its line or on the fields? */
static enum http_code
check_size(const struct http_mark *mark, size_t at, const struct http_limits *limits)
{
	if (mark->phase == PHASE_START)
		return at - mark->line_off > limits->line_bytes ? HTTP_CODE_TARGET_TOO_LONG :
								  HTTP_CODE_NONE;
	return at - mark->fields_off > limits->head_bytes ? HTTP_CODE_HEAD_TOO_LARGE :
							    HTTP_CODE_NONE;
}

static enum http_parse_result
parse_lines(struct parse_state *state, struct http_mark *mark, const uint8_t *buf, size_t len,
    const struct http_limits *limits)
{
	struct http_head *head = state->head;
	size_t at;

	for (;;) {
		at = skim(buf, mark->scan_off, len);
		mark->scan_off = (uint32_t)at;
		if ((head->code = check_size(mark, at, limits)) != HTTP_CODE_NONE)
			return HTTP_PARSE_BAD;
		if (at == len)
			return HTTP_PARSE_MORE;
		if (buf[at] != '\r') {
			head->code = buf[at] == '\n' ? HTTP_CODE_BAD_LINE_END :
						       HTTP_CODE_BAD_CHARACTER;
			return HTTP_PARSE_BAD;
		}
		if (at + 1 == len)
			return HTTP_PARSE_MORE;
		if (buf[at + 1] != '\n') {
			head->code = HTTP_CODE_BAD_LINE_END;
			return HTTP_PARSE_BAD;
		}
		mark->scan_off = (uint32_t)at + 2;
		if (at > mark->line_off) {
			head->code = take_line(state, mark,
			    bytes_of(buf + mark->line_off, at - mark->line_off), limits);
			if (head->code == HTTP_CODE_NONE && mark->phase == PHASE_FIELDS)
				head->code = check_size(mark, at + 2, limits);
			if (head->code != HTTP_CODE_NONE)
				return HTTP_PARSE_BAD;
			if (mark->phase == PHASE_START) {
				mark->phase = PHASE_FIELDS;
				mark->fields_off = mark->scan_off;
			}
		} else if (mark->phase == PHASE_FIELDS) {
			head->head_len = mark->scan_off;
			head->n_fields = mark->n_fields;
			return HTTP_PARSE_OK;
		} else if (mark->line_off > 0) {
			/* Section 2.2: one empty line before a request is forgiven. */
			head->code = HTTP_CODE_BAD_REQUEST_LINE;
			return HTTP_PARSE_BAD;
		}
		mark->line_off = mark->scan_off;
	}
}

enum http_parse_result
http_parse(struct http_head *head, struct http_mark *mark, const uint8_t *buf, size_t len,
    const struct http_limits *limits)
{
	struct parse_state state = { .head = head };
	enum http_parse_result result;

	memset(head, 0, offsetof(struct http_head, fields));
	result = parse_lines(&state, mark, buf, len, limits);
	if (result == HTTP_PARSE_OK && mark->is_resumed != 0) {
		/* The earlier lines were only checked: now collect them too. */
		*mark = (struct http_mark){ 0 };
		memset(head, 0, offsetof(struct http_head, fields));
		state = (struct parse_state){ .head = head };
		result = parse_lines(&state, mark, buf, len, limits);
	}
	mark->is_resumed = 1;
	if (result != HTTP_PARSE_OK)
		return result;
	if ((head->code = finish(&state, limits)) != HTTP_CODE_NONE)
		return HTTP_PARSE_BAD;
	return HTTP_PARSE_OK;
}
