/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	match - does a sink want this event?
 *
 * PROCESS
 *	Sinks; the configuration's check; sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "common/match.h"

#include "common/panic.h"
#include "common/pick.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX   4096 /* of a string with escapes; a longer one is compared as it stands */
#define NUMBER_MAX 512
#define WHERE_MAX  PICK_MAX
#define IN_MAX     64 /* values behind `in` */

enum op {
	OP_EQ = 1,
	OP_NE,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_LIKE,
	OP_UNLIKE,
	OP_IN,
	OP_EXISTS,
	OP_ABSENT
};

/* Of a value of JSON. */
enum type { TYPE_STRING = 1, TYPE_NUMBER, TYPE_TRUE, TYPE_FALSE, TYPE_NULL, TYPE_OTHER };

struct number {
	bool is_integer; /* exact in i; d is set all the same */
	int64_t i;
	double d;
};

struct value {
	enum type type;
	char *text; /* of a string; NUL-terminated for globs */
	size_t len;
	struct number number;
};

struct where {
	int slot;
	enum op op;
	struct value *value; /* one, or those of `in` */
	int values;
};

struct glob {
	char *text;
	size_t len;
	bool is_plain; /* neither * nor ? */
	bool is_exclusion;
};

struct match {
	struct glob *type;
	int types;
	bool has_inclusion;
	struct where *where;
	int wheres;
	struct pick *pick;
};

static const struct {
	const char *word;
	enum op op;
} ops[] = {{"=", OP_EQ}, {"!=", OP_NE}, {"<", OP_LT}, {"<=", OP_LE}, {">", OP_GT}, {">=", OP_GE},
    {"~", OP_LIKE}, {"!~", OP_UNLIKE}, {"in", OP_IN}, {"exists", OP_EXISTS}, {"absent", OP_ABSENT}};

struct match *
match_new(void)
{
	struct match *m = xcalloc(1, sizeof *m);

	m->pick = pick_new();
	return m;
}

static void
where_free(struct where *w)
{
	while (w->values > 0)
		free(w->value[--w->values].text);
	free(w->value);
	w->value = NULL;
}

void
match_free(struct match *m)
{
	if (m == NULL)
		return;
	while (m->types > 0)
		free(m->type[--m->types].text);
	while (m->wheres > 0)
		where_free(&m->where[--m->wheres]);
	free(m->type);
	free(m->where);
	pick_free(m->pick);
	free(m);
}

bool
match_is_all(const struct match *m)
{
	return m->types == 0 && m->wheres == 0;
}

/* `old` with room for one more at its end. */
static void *
grown(void *old, int n, size_t size)
{
	void *new = reallocarray(old, (size_t)n + 1, size);

	if (new == NULL)
		fatal("out of memory");
	return new;
}

/*------------------------------------------------------------------- globs */

bool
match_glob(const char *glob, struct bytes text)
{
	const uint8_t *p = text.ptr, *end = text.ptr + text.len, *resume_at = NULL;
	const char *star = NULL;

	for (;;) {
		if (*glob == '*') {
			star = ++glob;
			resume_at = p;
			continue;
		}
		if (p == end)
			break;
		if (*glob != '\0' && (*glob == '?' || (uint8_t)*glob == *p)) {
			glob++;
			p++;
			continue;
		}
		if (star == NULL)
			return false;
		/* The last * takes one byte more; those before it need not be asked again. */
		glob = star;
		p = ++resume_at;
	}
	return *glob == '\0';
}

int
match_add_type(struct match *m, const char *glob, char *why, size_t size)
{
	struct glob *g;
	bool is_exclusion = glob[0] == '!';

	glob += is_exclusion;
	if (glob[0] == '\0') {
		(void)snprintf(why, size, "a pattern is missing (try cart_*)");
		return -1;
	}
	m->type = grown(m->type, m->types, sizeof *m->type);
	g = &m->type[m->types++];
	*g = (struct glob){xstrdup(glob), strlen(glob), strpbrk(glob, "*?") == NULL, is_exclusion};
	m->has_inclusion = m->has_inclusion || !is_exclusion;
	return 0;
}

/*------------------------------------------------------------------ values */

/* A number of JSON, in a text that may go on behind it. */
static bool
parse_number(const char *text, size_t len, struct number *n)
{
	char copy[NUMBER_MAX], *end;
	size_t digits_from = len > 0 && text[0] == '-', i;
	uint64_t value = 0;

	if (len <= digits_from || len >= sizeof copy || text[digits_from] < '0' ||
	    text[digits_from] > '9')
		return false;
	for (i = digits_from; i < len && text[i] >= '0' && text[i] <= '9'; i++)
		if (i - digits_from < 18)
			value = value * 10 + (uint64_t)(text[i] - '0');
	n->is_integer = i == len && i - digits_from <= 18;
	if (n->is_integer) {
		n->i = digits_from == 1 ? -(int64_t)value : (int64_t)value;
		n->d = (double)n->i;
		return true;
	}
	/* strtod() knows more than JSON: 0x10, infinity. */
	if (strspn(text + i, "0123456789.eE+-") < len - i)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	n->d = strtod(copy, &end);
	return *end == '\0';
}

static int
compare_numbers(const struct number *a, const struct number *b)
{
	if (a->is_integer && b->is_integer)
		return a->i < b->i ? -1 : a->i > b->i;
	return a->d < b->d ? -1 : a->d > b->d;
}

static int
compare_texts(struct bytes a, const struct value *b)
{
	size_t common = a.len < b->len ? a.len : b->len;
	int cmp = common == 0 ? 0 : memcmp(a.ptr, b->text, common);

	if (cmp != 0)
		return cmp;
	return a.len < b->len ? -1 : a.len > b->len;
}

static enum type
type_of(struct bytes raw)
{
	switch (raw.ptr[0]) {
	case '"':
		return TYPE_STRING;
	case 't':
		return TYPE_TRUE;
	case 'f':
		return TYPE_FALSE;
	case 'n':
		return TYPE_NULL;
	case '{':
	case '[':
		return TYPE_OTHER;
	default:
		return TYPE_NUMBER;
	}
}

/* The characters of a string in quotes. */
static struct bytes
text_of(struct bytes raw, char buf[TEXT_MAX])
{
	struct bytes text;

	if (pick_string(raw, buf, TEXT_MAX, &text))
		return text;
	return raw.len >= 2 ? bytes_of(raw.ptr + 1, raw.len - 2) : bytes_of(raw.ptr, 0);
}

/*-------------------------------------------------------------- conditions */

/* One word of a condition, unquoted, as a text of its own. */
struct word {
	char text[512];
	size_t len;
	bool is_quoted;
};

/* False: a quote is not closed.  A bare word ends at a blank, in a list at a comma too. */
static bool
take_word(const char **at, bool is_list, struct word *w)
{
	const char *p = *at + strspn(*at, " \t");
	char quote = *p == '"' || *p == '\'' ? *p : '\0';

	w->len = 0;
	w->is_quoted = quote != '\0';
	if (quote != '\0')
		p++;
	for (; *p != '\0' && w->len < sizeof w->text - 1; p++) {
		if (quote != '\0' ? *p == quote : *p == ' ' || *p == '\t' || (is_list && *p == ','))
			break;
		if (quote != '\0' && *p == '\\' && p[1] != '\0')
			p++;
		w->text[w->len++] = *p;
	}
	w->text[w->len] = '\0';
	if (quote != '\0') {
		if (*p != quote)
			return false;
		p++;
	}
	*at = p + strspn(p, " \t");
	return true;
}

static void
value_set(struct value *v, const struct word *w, bool is_text)
{
	*v = (struct value){.type = TYPE_STRING};
	if (!w->is_quoted && !is_text) {
		if (strcmp(w->text, "true") == 0)
			v->type = TYPE_TRUE;
		else if (strcmp(w->text, "false") == 0)
			v->type = TYPE_FALSE;
		else if (strcmp(w->text, "null") == 0)
			v->type = TYPE_NULL;
		else if (parse_number(w->text, w->len, &v->number))
			v->type = TYPE_NUMBER;
	}
	v->text = xstrdup(w->text);
	v->len = w->len;
}

static int
refuse(char *why, size_t size, const char *text)
{
	(void)snprintf(why, size, "%s", text);
	return -1;
}

/* What is behind the operator. */
static int
take_values(struct where *w, const char *at, char *why, size_t size)
{
	bool is_list = w->op == OP_IN;
	struct word word;

	if (w->op == OP_EXISTS || w->op == OP_ABSENT)
		return *at == '\0' ? 0 : refuse(why, size, "nothing follows exists or absent");
	for (;;) {
		if (!take_word(&at, is_list, &word))
			return refuse(why, size, "a quote is opened and not closed");
		if (word.len == 0 && !word.is_quoted)
			return refuse(why, size, "a value is missing behind the operator");
		if (w->values == IN_MAX)
			return refuse(why, size, "at most 64 values may follow in");
		w->value = grown(w->value, w->values, sizeof *w->value);
		value_set(&w->value[w->values++], &word, w->op == OP_LIKE || w->op == OP_UNLIKE);
		if (*at == '\0')
			return 0;
		if (!is_list)
			return refuse(why, size,
			    "one value follows the operator: put one that has blanks in quotes");
		if (*at++ != ',')
			return refuse(why, size, "the values behind in are parted by commas");
	}
}

static int
parse_where(struct match *m, const char *at, struct where *w, char *why, size_t size)
{
	struct word word, op;
	size_t i;

	if (!take_word(&at, false, &word))
		return refuse(why, size, "a quote is opened and not closed");
	if (word.text[0] != '/')
		return refuse(
		    why, size, "a condition begins with a JSON pointer: /metadata/status >= 500");
	if (!take_word(&at, false, &op))
		return refuse(why, size, "a quote is opened and not closed");
	for (i = 0; i < sizeof ops / sizeof ops[0]; i++)
		if (!op.is_quoted && strcmp(op.text, ops[i].word) == 0)
			w->op = ops[i].op;
	if (w->op == 0)
		return refuse(why, size,
		    "behind the pointer and a blank follows one of = != < <= > >= ~ !~ in exists "
		    "absent");
	if (take_values(w, at, why, size) == -1)
		return -1;
	/* Only now: what is not good adds nothing. */
	w->slot = pick_add(m->pick, word.text, why, size);
	return w->slot == -1 ? -1 : 0;
}

int
match_add_where(struct match *m, const char *condition, char *why, size_t size)
{
	struct where w = {0};

	if (m->wheres == WHERE_MAX)
		return refuse(why, size, "there are too many conditions");
	if (parse_where(m, condition, &w, why, size) == -1) {
		where_free(&w);
		return -1;
	}
	m->where = grown(m->where, m->wheres, sizeof *m->where);
	m->where[m->wheres++] = w;
	return 0;
}

/*------------------------------------------------------------------ events */

static bool
is_equal(struct bytes raw, const struct value *v)
{
	char buf[TEXT_MAX];
	struct number n;

	if (raw.len == 0 || type_of(raw) != v->type)
		return false;
	switch (v->type) {
	case TYPE_STRING:
		return compare_texts(text_of(raw, buf), v) == 0;
	case TYPE_NUMBER:
		return parse_number((const char *)raw.ptr, raw.len, &n) &&
		       compare_numbers(&n, &v->number) == 0;
	default:
		return true;
	}
}

/* -1, 0, 1, or 2 when they cannot be compared. */
static int
compare(struct bytes raw, const struct value *v)
{
	char buf[TEXT_MAX];
	struct number n;
	int cmp;

	if (raw.len == 0 || type_of(raw) != v->type)
		return 2;
	if (v->type == TYPE_STRING) {
		cmp = compare_texts(text_of(raw, buf), v);
		return cmp < 0 ? -1 : cmp > 0;
	}
	if (v->type == TYPE_NUMBER && parse_number((const char *)raw.ptr, raw.len, &n))
		return compare_numbers(&n, &v->number);
	return 2;
}

static bool
is_like(struct bytes raw, const struct value *v)
{
	char buf[TEXT_MAX];

	return raw.len > 0 && type_of(raw) == TYPE_STRING && match_glob(v->text, text_of(raw, buf));
}

static bool
holds(const struct where *w, struct bytes raw)
{
	int i;

	switch (w->op) {
	case OP_EXISTS:
		return raw.len > 0;
	case OP_ABSENT:
		return raw.len == 0;
	case OP_EQ:
		return is_equal(raw, w->value);
	case OP_NE:
		return !is_equal(raw, w->value);
	case OP_LT:
		return compare(raw, w->value) == -1;
	case OP_LE:
		i = compare(raw, w->value);
		return i == -1 || i == 0;
	case OP_GT:
		return compare(raw, w->value) == 1;
	case OP_GE:
		i = compare(raw, w->value);
		return i == 0 || i == 1;
	case OP_LIKE:
		return is_like(raw, w->value);
	case OP_UNLIKE:
		return !is_like(raw, w->value);
	case OP_IN:
		for (i = 0; i < w->values; i++)
			if (is_equal(raw, &w->value[i]))
				return true;
		return false;
	}
	return false;
}

static bool
is_wanted_type(const struct match *m, struct bytes event_type)
{
	char buf[TEXT_MAX];
	struct bytes text = text_of(event_type, buf);
	const struct glob *g;
	int i;

	for (i = m->types - 1; i >= 0; i--) {
		g = &m->type[i];
		if (g->is_plain ? bytes_is(text, bytes_of(g->text, g->len))
				: match_glob(g->text, text))
			return !g->is_exclusion;
	}
	return !m->has_inclusion;
}

bool
match_event(const struct match *m, struct bytes event_type, struct bytes body)
{
	struct bytes raw[PICK_MAX];
	int i;

	if (m->types > 0 && !is_wanted_type(m, event_type))
		return false;
	if (m->wheres == 0)
		return true;
	pick_run(m->pick, body, raw);
	for (i = 0; i < m->wheres; i++)
		if (!holds(&m->where[i], raw[m->where[i].slot]))
			return false;
	return true;
}
