/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	pick - values out of a JSON text by pointer, in one pass and without a tree
 *
 * DESCRIPTION
 *	The pointers are a tree of tokens.  A run walks the text and the tree
 *	together: where no token leads on, the value is skipped, strings and
 *	nested values by blocks of bytes.
 *
 * PROCESS
 *	Sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "common/pick.h"

#include "common/panic.h"
#include "common/split.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define TOKEN_MAX 256 /* bytes of a token */
#define NODES_MAX (PICK_MAX * PICK_DEPTH_MAX + 1)
#define NONE      (-1)

struct node {
	char *token;
	size_t len;
	int64_t index; /* the token as an index of an array; NONE: it is none */
	int slot;      /* NONE: no pointer ends here */
	int child;     /* first of the next token; NONE */
	int next;      /* of the same level; NONE */
	int children;
};

struct pick {
	struct node *node; /* 0 is the root */
	int nodes, room;
	int count;
};

/* What a run knows. */
struct run {
	const struct pick *pick;
	const uint8_t *end;
	struct bytes *out;
	int left; /* slots not found */
	uint64_t seen[NODES_MAX / 64 + 1];
};

/*---------------------------------------------------------------- pointers */

static int
node_new(struct pick *p, const char *token, size_t len)
{
	struct node *n;
	size_t i;

	if (p->nodes == p->room) {
		p->room = p->room == 0 ? 16 : 2 * p->room;
		n = xcalloc((size_t)p->room, sizeof *n);
		if (p->nodes > 0)
			memcpy(n, p->node, (size_t)p->nodes * sizeof *n);
		free(p->node);
		p->node = n;
	}
	n = &p->node[p->nodes];
	*n = (struct node){NULL, len, NONE, NONE, NONE, NONE, 0};
	n->token = xcalloc(1, len + 1);
	memcpy(n->token, token, len);
	/* "0", or digits without a zero before them. */
	for (i = 0; i < len && token[i] >= '0' && token[i] <= '9'; i++)
		continue;
	if (len > 0 && len <= 9 && i == len && (token[0] != '0' || len == 1))
		n->index = strtol(n->token, NULL, 10);
	return p->nodes++;
}

struct pick *
pick_new(void)
{
	struct pick *p = xcalloc(1, sizeof *p);

	(void)node_new(p, "", 0);
	return p;
}

void
pick_free(struct pick *p)
{
	if (p == NULL)
		return;
	while (p->nodes > 0)
		free(p->node[--p->nodes].token);
	free(p->node);
	free(p);
}

int
pick_count(const struct pick *p)
{
	return p->count;
}

/* The next token of a pointer, without its ~0 and ~1; NULL: a ~ stands before something else. */
static const char *
take_token(const char *at, char token[TOKEN_MAX], size_t *len)
{
	for (*len = 0; *at != '\0' && *at != '/'; at++) {
		char c = *at;

		if (c == '~') {
			at++;
			if (*at != '0' && *at != '1')
				return NULL;
			c = *at == '0' ? '~' : '/';
		}
		token[(*len)++] = c;
	}
	return at;
}

static bool
is_pointer(const char *pointer, char *why, size_t size)
{
	char token[TOKEN_MAX];
	int depth = 0;
	size_t len;

	if (strlen(pointer) >= TOKEN_MAX) {
		(void)snprintf(why, size, "a pointer has at most %d bytes", TOKEN_MAX - 1);
		return false;
	}
	if (pointer[0] != '\0' && pointer[0] != '/') {
		(void)snprintf(
		    why, size, "\"%.80s\" is not a JSON pointer: it begins with /", pointer);
		return false;
	}
	while (*pointer != '\0') {
		if (++depth > PICK_DEPTH_MAX) {
			(void)snprintf(why, size, "a pointer has at most %d steps", PICK_DEPTH_MAX);
			return false;
		}
		if ((pointer = take_token(pointer + 1, token, &len)) == NULL) {
			(void)snprintf(why, size,
			    "in a JSON pointer ~ is written ~0 and / in a name is written ~1");
			return false;
		}
	}
	return true;
}

static int
child_of(struct pick *p, int parent, const char *token, size_t len)
{
	int at, *last = &p->node[parent].child;

	for (; *last != NONE; last = &p->node[*last].next)
		if (p->node[*last].len == len && memcmp(p->node[*last].token, token, len) == 0)
			return *last;
	at = node_new(p, token, len);
	/* Nodes may have moved. */
	p->node[at].next = p->node[parent].child;
	p->node[parent].child = at;
	p->node[parent].children++;
	return at;
}

int
pick_add(struct pick *p, const char *pointer, char *why, size_t size)
{
	char token[TOKEN_MAX];
	size_t len;
	int at = 0;

	if (!is_pointer(pointer, why, size))
		return -1;
	/* A pointer too many leaves nodes without a slot: looked at, never wrong. */
	while (*pointer != '\0') {
		if (p->nodes == NODES_MAX)
			break;
		pointer = take_token(pointer + 1, token, &len);
		at = child_of(p, at, token, len);
	}
	if (*pointer == '\0' && p->node[at].slot != NONE)
		return p->node[at].slot;
	if (*pointer != '\0' || p->count == PICK_MAX) {
		(void)snprintf(why, size, "at most %d pointers are possible", PICK_MAX);
		return -1;
	}
	return p->node[at].slot = p->count++;
}

/*-------------------------------------------------------------------- text */

static inline const uint8_t *
skip_blanks(const uint8_t *p, const uint8_t *end)
{
	if (__builtin_expect(p<end && * p> ' ', 1))
		return p;
	while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
		p++;
	return p;
}

/*
 * p is behind an opening quote: the closing one, or NULL.  *is_plain: there was
 * no backslash.
 */
static inline const uint8_t *
string_end(const uint8_t *p, const uint8_t *end, bool *is_plain)
{
	*is_plain = true;
	for (;;) {
#if defined(__SSE2__)
		while (end - p >= 16) {
			__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
			int found =
			    _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
				_mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));

			if (found != 0) {
				p += __builtin_ctz((unsigned)found);
				break;
			}
			p += 16;
		}
#endif
		while (p < end && *p != '"' && *p != '\\')
			p++;
		if (p >= end)
			return NULL;
		if (*p == '"')
			return p;
		*is_plain = false;
		if (end - p < 2)
			return NULL;
		p += 2;
	}
}

/* p is at the first byte of a value: what follows it, or NULL. */
static inline const uint8_t *
skip_value(const uint8_t *p, const uint8_t *end)
{
	const uint8_t *from = p;
	bool is_plain;
	size_t len;

	if (p >= end)
		return NULL;
	if (*p == '"')
		return (p = string_end(p + 1, end, &is_plain)) == NULL ? NULL : p + 1;
	if (*p == '{' || *p == '[')
		return (len = split_nested_len(bytes_of(p, (size_t)(end - p)))) == 0 ? NULL
										     : p + len;
		/* A number or a word ends where something else begins. */
#if defined(__SSE2__)
	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* , and the blanks and all below; : and ] and } */
		__m128i y = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(' ')), x),
		    _mm_cmpeq_epi8(x, _mm_set1_epi8(',')));
		int found;

		y = _mm_or_si128(y, _mm_cmpeq_epi8(x, _mm_set1_epi8(':')));
		y = _mm_or_si128(y, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
		y = _mm_or_si128(y, _mm_cmpeq_epi8(x, _mm_set1_epi8(']')));
		y = _mm_or_si128(y, _mm_cmpeq_epi8(x, _mm_set1_epi8('}')));
		if ((found = _mm_movemask_epi8(y)) != 0) {
			p += __builtin_ctz((unsigned)found);
			return p == from ? NULL : p;
		}
	}
#endif
	while (p<end && * p> ' ' && *p != ',' && *p != '}' && *p != ']' && *p != '"' && *p != ':')
		p++;
	return p == from ? NULL : p;
}

/*--------------------------------------------------------------------- run */

static const uint8_t *walk(struct run *r, int at, const uint8_t *p);

static inline bool
is_seen(const struct run *r, int at)
{
	return (r->seen[at / 64] >> (at % 64) & 1) != 0;
}

/* The child that the name between the quotes leads to, or NONE. */
static int
find_child(const struct run *r, int at, struct bytes name, bool is_plain)
{
	const struct node *node = r->pick->node;
	char decoded[TOKEN_MAX + 2];

	if (!is_plain) {
		/* With its quotes, as pick_string() wants it. */
		if (!pick_string(
			bytes_of(name.ptr - 1, name.len + 2), decoded, sizeof decoded, &name))
			return NONE;
	}
	for (at = node[at].child; at != NONE; at = node[at].next)
		if (node[at].len == name.len && memcmp(node[at].token, name.ptr, name.len) == 0)
			return at;
	return NONE;
}

static int
find_index(const struct run *r, int at, int64_t index)
{
	const struct node *node = r->pick->node;

	for (at = node[at].child; at != NONE; at = node[at].next)
		if (node[at].index == index)
			return at;
	return NONE;
}

/*
 * The value at p belongs to child (or to nobody).  Returns what follows it; NULL:
 * the text ends or is broken, or nothing is left to find.
 */
static inline const uint8_t *
take_member(struct run *r, int child, const uint8_t *p, int *children_left)
{
	if (child == NONE || is_seen(r, child))
		return skip_value(p, r->end);
	r->seen[child / 64] |= UINT64_C(1) << (child % 64);
	--*children_left;
	p = walk(r, child, p);
	return r->left == 0 ? NULL : p;
}

/*
 * Inside an object or array whose members are all found, from p (behind one of them, so
 * that what follows is `,` or the bracket): what follows the bracket.
 */
static const uint8_t *
leave(struct run *r, const uint8_t *p, uint8_t open)
{
	const uint8_t *end = r->end;
	uint8_t close = open == '{' ? '}' : ']';

	for (;;) {
		p = skip_blanks(p, end);
		if (p == end)
			return NULL;
		if (*p == close)
			return p + 1;
		if (*p != ',' && *p != ':')
			return NULL;
		p = skip_blanks(p + 1, end);
		if ((p = skip_value(p, end)) == NULL)
			return NULL;
	}
}

static const uint8_t *
walk_object(struct run *r, int at, const uint8_t *p)
{
	const uint8_t *end = r->end, *name;
	int left = r->pick->node[at].children, child;
	bool is_plain;

	p = skip_blanks(p + 1, end);
	if (p < end && *p == '}')
		return p + 1;
	for (;;) {
		if (p == end || *p != '"')
			return NULL;
		name = p + 1;
		if ((p = string_end(name, end, &is_plain)) == NULL)
			return NULL;
		child = find_child(r, at, bytes_of(name, (size_t)(p - name)), is_plain);
		p = skip_blanks(p + 1, end);
		if (p == end || *p != ':')
			return NULL;
		p = skip_blanks(p + 1, end);
		if ((p = take_member(r, child, p, &left)) == NULL)
			return NULL;
		if (left == 0)
			return leave(r, p, '{');
		p = skip_blanks(p, end);
		if (p == end)
			return NULL;
		if (*p == '}')
			return p + 1;
		if (*p != ',')
			return NULL;
		p = skip_blanks(p + 1, end);
	}
}

static const uint8_t *
walk_array(struct run *r, int at, const uint8_t *p)
{
	const uint8_t *end = r->end;
	int left = r->pick->node[at].children;
	int64_t index;

	p = skip_blanks(p + 1, end);
	if (p < end && *p == ']')
		return p + 1;
	for (index = 0;; index++) {
		if ((p = take_member(r, find_index(r, at, index), p, &left)) == NULL)
			return NULL;
		if (left == 0)
			return leave(r, p, '[');
		p = skip_blanks(p, end);
		if (p == end)
			return NULL;
		if (*p == ']')
			return p + 1;
		if (*p != ',')
			return NULL;
		p = skip_blanks(p + 1, end);
	}
}

/* The value at p is what the tokens so far lead to: notes it and goes on inside. */
static const uint8_t *
walk(struct run *r, int at, const uint8_t *p)
{
	const struct node *node = &r->pick->node[at];
	const uint8_t *to;

	if (p < r->end && node->child != NONE && *p == '{')
		to = walk_object(r, at, p);
	else if (p < r->end && node->child != NONE && *p == '[')
		to = walk_array(r, at, p);
	else
		to = skip_value(p, r->end);
	if (to != NULL && node->slot != NONE) {
		r->out[node->slot] = bytes_of(p, (size_t)(to - p));
		r->left--;
	}
	return to;
}

void
pick_run(const struct pick *p, struct bytes text, struct bytes *out)
{
	struct run r;

	if (p->count == 0)
		return;
	memset(out, 0, (size_t)p->count * sizeof *out);
	if (text.len == 0)
		return;
	r.pick = p;
	r.end = text.ptr + text.len;
	r.out = out;
	r.left = p->count;
	memset(r.seen, 0, ((size_t)p->nodes / 64 + 1) * sizeof r.seen[0]);
	(void)walk(&r, 0, skip_blanks(text.ptr, r.end));
}

/*----------------------------------------------------------------- strings */

static int
hex4(const uint8_t *p)
{
	int value = 0, i;

	for (i = 0; i < 4; i++) {
		uint8_t c = p[i];

		if (c >= '0' && c <= '9')
			value = value * 16 + c - '0';
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			value = value * 16 + (c | 0x20) - 'a' + 10;
		else
			return -1;
	}
	return value;
}

/* The character of \uXXXX at p (behind the u), with its second half; *used: bytes taken. */
static int
unicode(const uint8_t *p, const uint8_t *end, size_t *used)
{
	int high, low;

	if (end - p < 4 || (high = hex4(p)) == -1)
		return -1;
	*used = 4;
	if (high < 0xd800 || high > 0xdfff)
		return high;
	if (high > 0xdbff || end - p < 10 || p[4] != '\\' || p[5] != 'u' ||
	    (low = hex4(p + 6)) < 0xdc00 || low > 0xdfff)
		return 0xfffd; /* half a pair: what Unicode has for what cannot be read */
	*used = 10;
	return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static size_t
utf8(int c, char buf[4])
{
	if (c < 0x80) {
		buf[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		buf[0] = (char)(0xc0 | c >> 6);
		buf[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		buf[0] = (char)(0xe0 | c >> 12);
		buf[1] = (char)(0x80 | (c >> 6 & 0x3f));
		buf[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	buf[0] = (char)(0xf0 | c >> 18);
	buf[1] = (char)(0x80 | (c >> 12 & 0x3f));
	buf[2] = (char)(0x80 | (c >> 6 & 0x3f));
	buf[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* One escape at p (behind the backslash) into buf: its length, 0 when it is none. */
static size_t
unescape(const uint8_t *p, const uint8_t *end, char buf[4], size_t *used)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	int c;

	if (p == end || *p == '\0')
		return 0;
	if (*p == 'u') {
		if ((c = unicode(p + 1, end, used)) == -1)
			return 0;
		++*used;
		return utf8(c, buf);
	}
	if ((at = strchr(from, *p)) == NULL)
		return 0;
	*used = 1;
	buf[0] = to[at - from];
	return 1;
}

bool
pick_string(struct bytes raw, char *buf, size_t size, struct bytes *out)
{
	const uint8_t *p, *end, *next;
	size_t n = 0, len, used = 0;
	char one[4];

	if (!pick_is_string(raw) || raw.ptr[raw.len - 1] != '"')
		return false;
	p = raw.ptr + 1;
	end = raw.ptr + raw.len - 1;
	if ((next = memchr(p, '\\', (size_t)(end - p))) == NULL) {
		*out = bytes_of(p, (size_t)(end - p));
		return true;
	}
	for (;;) {
		len = (size_t)(next - p);
		if (len > size - n)
			return false;
		memcpy(buf + n, p, len);
		n += len;
		if (next == end)
			break;
		if ((len = unescape(next + 1, end, one, &used)) == 0 || len > size - n)
			return false;
		memcpy(buf + n, one, len);
		n += len;
		p = next + 1 + used;
		if ((next = memchr(p, '\\', (size_t)(end - p))) == NULL)
			next = end;
	}
	*out = bytes_of(buf, n);
	return true;
}
