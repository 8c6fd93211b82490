/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_parse - files and lines into fields, with the place of each
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_parse.h"

#include "common/config_errors.h"
#include "common/config_source.h"
#include "common/config_value.h"
#include "common/panic.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define STR(x)  #x
#define XSTR(x) STR(x)

/* At the line that is being read. */
static void complain(struct config_parser *p, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void
complain(struct config_parser *p, const char *fmt, ...)
{
	char text[768];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	config_errors_add(p->errs, "%s:%d: %s", p->source->name, p->source->line, text);
}

/*---------------------------------------------------------------- sections */

int
config_parse_instance(enum config_section section, int at)
{
	if (section == CONFIG_SECTION_listen)
		return CONFIG_PARSE_LISTENS + at;
	if (section == CONFIG_SECTION_sink)
		return CONFIG_PARSE_SINKS + at;
	return (int)section;
}

const struct config_place *
config_parse_line_place(const struct config_parser *p, int instance, enum config_key_id id, int at)
{
	const struct config_line_place *line;

	for (line = p->lines; line < p->lines + p->lines_n; line++)
		if (line->instance == instance && line->id == id && line->at == at)
			return &line->place;
	return NULL;
}

static struct config_place
here(const struct config_parser *p)
{
	return (struct config_place){p->source->name, p->source->line, false};
}

static void
set_defaults(enum config_section section, void *base)
{
	const struct config_key *key;

	for (key = config_table_keys; key < config_table_keys + CONFIG_KEYS; key++)
		if (key->section == section)
			config_value_default(key, base, CONFIG_SINK_REDIS);
}

void
config_parse_init(struct config_parser *p, struct config *cfg, struct config_errors *errs)
{
	int s;

	memset(p, 0, sizeof *p);
	p->cfg = cfg;
	p->errs = errs;
	p->lex = xcalloc(1, sizeof *p->lex);
	p->section = CONFIG_SECTIONS;
	for (s = 0; s < CONFIG_SECTIONS; s++)
		if (!config_table_sections[s].is_named)
			set_defaults((enum config_section)s,
			    config_table_base(cfg, (enum config_section)s, 0));
}

void
config_parse_done(struct config_parser *p)
{
	while (p->names_n > 0)
		free(p->names[--p->names_n]);
	free(p->lex);
	p->lex = NULL;
	free(p->lines);
	p->lines = NULL;
}

static bool
is_name(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return len > 0 && len < CONFIG_NAME_SIZE && name[len] == '\0';
}

/* A section that cannot be kept is read all the same, for its mistakes. */
static void
open_spare(struct config_parser *p)
{
	memset(&p->spare, 0, sizeof p->spare);
	memset(p->keys[CONFIG_PARSE_SPARE], 0, sizeof p->keys[CONFIG_PARSE_SPARE]);
	set_defaults(p->section, &p->spare);
	p->instance = CONFIG_PARSE_SPARE;
	p->base = &p->spare;
	p->opened[CONFIG_PARSE_SPARE] = here(p);
	if (p->section == CONFIG_SECTION_listen)
		p->has_bad_listen = true;
}

/* Names of stages that are none of a sink. */
static bool
is_reserved(const char *name)
{
	static const char *const words[] = {
	    "journal", "admin", "deadletter", "sluiced", "supervisor", "intake"};
	static const char *const beginnings[] = {"http", "heir"};
	size_t i;

	for (i = 0; i < sizeof words / sizeof words[0]; i++)
		if (strcmp(name, words[i]) == 0)
			return true;
	for (i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++)
		if (strncmp(name, beginnings[i], strlen(beginnings[i])) == 0)
			return true;
	return false;
}

/* What the named sections differ in. */
struct named {
	const char *section, *example, *one, *many, *advice;
	int max, *n;
};

static struct named
named_of(struct config_parser *p)
{
	if (p->section == CONFIG_SECTION_sink)
		return (struct named){
		    "sink", "analytics", "sink", "sinks", "", CONFIG_SINK_MAX, &p->cfg->sinks};
	return (struct named){"listen", "public", "listener", "listeners",
	    "; one may have " XSTR(CONFIG_BIND_MAX) " bind lines", CONFIG_LISTEN_MAX,
	    &p->cfg->listens};
}

/* Each struct of a named section begins with its name. */
_Static_assert(offsetof(struct config_listen, name) == 0, "the name comes first");
_Static_assert(offsetof(struct config_sink, name) == 0, "the name comes first");

/* May a section of this name be opened?  If not, says why. */
static bool
has_good_name(struct config_parser *p, const struct named *of, const char *name)
{
	char q[CONFIG_ERRORS_QUOTE_SIZE];
	const struct config_place *first;
	int i;

	if (name == NULL) {
		complain(
		    p, "%s: a name is missing (try %s %s)", of->section, of->section, of->example);
		return false;
	}
	if (!is_name(name)) {
		complain(p,
		    "%s: %s is not a name: write 1 to 32 lower-case letters, digits or hyphens",
		    of->section, config_errors_quote(name, q));
		return false;
	}
	if (p->section == CONFIG_SECTION_sink && is_reserved(name)) {
		complain(p, "sink: \"%s\" is the name of another stage: choose another one", name);
		return false;
	}
	for (i = 0; i < *of->n; i++) {
		if (strcmp(config_table_base(p->cfg, p->section, i), name) != 0)
			continue;
		first = &p->opened[config_parse_instance(p->section, i)];
		complain(p, "%s: \"%s\" is the name of another %s (%s:%d)", of->section, name,
		    of->one, first->file, first->line);
		return false;
	}
	if (*of->n == of->max) {
		complain(p, "%s: at most %d %s are possible%s", of->section, of->max, of->many,
		    of->advice);
		return false;
	}
	return true;
}

static void
open_named(struct config_parser *p, const char *name)
{
	struct named of = named_of(p);

	if (!has_good_name(p, &of, name)) {
		open_spare(p);
		return;
	}
	p->base = config_table_base(p->cfg, p->section, *of.n);
	(void)snprintf(p->base, CONFIG_NAME_SIZE, "%s", name);
	set_defaults(p->section, p->base);
	p->instance = config_parse_instance(p->section, *of.n);
	p->opened[p->instance] = here(p);
	++*of.n;
}

static void
open_section(struct config_parser *p, enum config_section section)
{
	const struct config_section_row *row = &config_table_sections[section];
	const struct config_lex *lex = p->lex;
	const struct config_place *first;

	p->section = section;
	if (lex->n > (row->is_named ? 2 : 1))
		complain(p, "%s: %s; keys stand in lines of their own", row->name,
		    row->is_named ? "nothing follows the name" : "this section takes no name");
	if (row->is_named) {
		open_named(p, lex->n > 1 ? lex->word[1] : NULL);
		return;
	}
	p->instance = config_parse_instance(section, 0);
	p->base = config_table_base(p->cfg, section, 0);
	first = &p->opened[p->instance];
	if (first->file != NULL)
		complain(p, "%s: this section was opened before (%s:%d): move its keys there",
		    row->name, first->file, first->line);
	else
		p->opened[p->instance] = here(p);
}

/*-------------------------------------------------------------------- keys */

/* Keeps where the line stands that was just added to a list. */
static void
note_line(struct config_parser *p, enum config_key_id id)
{
	int at = config_value_lines(&config_table_keys[id], p->base) - 1;

	if (config_table_keys[id].type == CONFIG_TYPE_BIND) {
		p->binds[p->instance][at] = here(p);
		return;
	}
	/* Grows by doubling: at each power of two there is no room left. */
	if ((p->lines_n & (p->lines_n - 1)) == 0) {
		size_t room = p->lines_n == 0 ? 1 : 2 * (size_t)p->lines_n;
		struct config_line_place *more = xcalloc(room, sizeof *more);

		if (p->lines_n > 0)
			memcpy(more, p->lines, (size_t)p->lines_n * sizeof *more);
		free(p->lines);
		p->lines = more;
	}
	p->lines[p->lines_n++] = (struct config_line_place){p->instance, id, at, here(p)};
}

/* The words of the line as one value into `buf`; NULL: `why` says what is wrong. */
static const char *
join_words(const struct config_parser *p, const struct config_key *key,
    char buf[CONFIG_LINE_MAX_BYTES + 1], char *why)
{
	const struct config_lex *lex = p->lex;
	size_t len = 0;
	int i;

	if (key->type == CONFIG_TYPE_VERBATIM) {
		if (lex->is_replaced) {
			(void)snprintf(
			    why, CONFIG_VALUE_WHY_SIZE, "put all of it in quotes: it has a ${...}");
			return NULL;
		}
		len = lex->values_to - lex->values_from;
		memcpy(buf, p->line + lex->values_from, len);
	} else {
		for (i = 1; i < lex->n && len < CONFIG_LINE_MAX_BYTES; i++)
			len += (size_t)snprintf(buf + len, CONFIG_LINE_MAX_BYTES + 1 - len, "%s%s",
			    i == 1 ? "" : " ", lex->word[i]);
		len = len < CONFIG_LINE_MAX_BYTES ? len : CONFIG_LINE_MAX_BYTES;
	}
	buf[len] = '\0';
	return buf;
}

static bool
set_value(struct config_parser *p, const struct config_key *key, char *why)
{
	const char *text = p->lex->word[1];

	if (p->lex->n > 2 && (text = join_words(p, key, p->joined, why)) == NULL)
		return false;
	return config_value_set(key, p->base, text, why);
}

static void
take_value(struct config_parser *p, enum config_key_id id)
{
	const struct config_key *key = &config_table_keys[id];
	struct config_place *place = &p->keys[p->instance][id];
	const struct config_lex *lex = p->lex;
	const char *standard = key->default_of[0];
	char why[CONFIG_VALUE_WHY_SIZE];
	bool is_list = key->type == CONFIG_TYPE_BIND || config_table_is_list(key->type);
	bool takes_words = key->type == CONFIG_TYPE_WORDS || key->type == CONFIG_TYPE_VERBATIM;

	if (place->file != NULL && !is_list) {
		complain(p, "%s: already given in this section (%s:%d): remove one of the two",
		    key->name, place->file, place->line);
		return;
	}
	if (place->file == NULL) {
		*place = here(p);
		/* The first bind replaces the default, the next ones add to it. */
		if (is_list)
			memset((char *)p->base + key->offset, 0, key->size);
	}
	if (lex->n == 1) {
		complain(p, "%s: a value is missing%s%s%s", key->name,
		    standard[0] != '\0' ? " (default: " : "", standard,
		    standard[0] != '\0' ? ")" : "");
		place->is_bad = true;
	} else if (lex->n > 2 && !takes_words) {
		complain(p, "%s: takes one value, not %d: %s", key->name, lex->n - 1,
		    is_list ? "write a line for each" : "put a value that has blanks in quotes");
		place->is_bad = true;
	} else if (!set_value(p, key, why)) {
		complain(p, "%s: %s", key->name, why);
		place->is_bad = true;
	} else if (is_list) {
		note_line(p, id);
	}
}

/* The key of `section` (of any, if CONFIG_SECTIONS) that `word` may have been
 * meant to be, and how far off it is. */
static const char *
nearest_key(enum config_section section, const char *word, int *distance)
{
	const char *best = NULL;
	int k, d;

	*distance = 99;
	for (k = 0; k < CONFIG_KEYS; k++) {
		if (section != CONFIG_SECTIONS && config_table_keys[k].section != section)
			continue;
		d = config_table_distance(word, config_table_keys[k].name);
		if (d < *distance) {
			*distance = d;
			best = config_table_keys[k].name;
		}
	}
	return best;
}

static enum config_section
nearest_section(const char *word, int *distance)
{
	int s, d, best = CONFIG_SECTIONS;

	*distance = 99;
	for (s = 0; s < CONFIG_SECTIONS; s++) {
		d = config_table_distance(word, config_table_sections[s].name);
		if (d < *distance) {
			*distance = d;
			best = s;
		}
	}
	return (enum config_section)best;
}

static void
list_names(char *buf, size_t size)
{
	size_t at = 0;
	int s;

	for (buf[0] = '\0', s = 0; s < CONFIG_SECTIONS && at < size; s++)
		at += (size_t)snprintf(
		    buf + at, size - at, "%s%s", s == 0 ? "" : ", ", config_table_sections[s].name);
}

/* The first word is neither a section nor a key of the one that is open. */
static void
unknown_word(struct config_parser *p)
{
	const char *word = p->lex->word[0], *key_name;
	char q[CONFIG_ERRORS_QUOTE_SIZE], names[128];
	enum config_section section;
	enum config_key_id other;
	int key_distance, section_distance;

	config_errors_quote(word, q);
	if ((other = config_table_key_anywhere(word)) != CONFIG_KEYS) {
		const struct config_section_row *row =
		    &config_table_sections[config_table_keys[other].section];

		if (p->section == CONFIG_SECTIONS)
			complain(p, "%s: no section is open here: write \"%s%s\" above it", word,
			    row->name, row->is_named ? " NAME" : "");
		else
			complain(p, "%s: is no key of section %s: it belongs in section %s", word,
			    config_table_sections[p->section].name, row->name);
		return;
	}
	key_name = nearest_key(p->section, word, &key_distance);
	section = nearest_section(word, &section_distance);
	if (section != CONFIG_SECTIONS && section_distance < key_distance) {
		complain(p, "%s is not a section: did you mean %s?", q,
		    config_table_sections[section].name);
		/* Take it for that, or each line below would be a mistake too. */
		open_section(p, section);
		return;
	}
	if (key_name != NULL && p->section != CONFIG_SECTIONS) {
		complain(p, "%s is not a key of section %s: did you mean %s?", q,
		    config_table_sections[p->section].name, key_name);
		return;
	}
	if (p->section == CONFIG_SECTIONS) {
		list_names(names, sizeof names);
		complain(p, "%s is not a section (sections: %s)", q, names);
	} else {
		complain(p, "%s is not a key of section %s (sluice.conf(5) lists them)", q,
		    config_table_sections[p->section].name);
	}
}

/*------------------------------------------------------------------- lines */

static void
take_line(struct config_parser *p, const char *line, size_t len)
{
	char why[CONFIG_LEX_WHY_SIZE];
	enum config_section section;
	enum config_key_id id;

	p->line = line;
	if (len > CONFIG_LINE_MAX_BYTES) {
		complain(p, "the line has %zu bytes, %d are allowed", len, CONFIG_LINE_MAX_BYTES);
		return;
	}
	if (!config_lex_line(p->lex, line, len, why)) {
		complain(p, "%s", why);
		/* The key was meant to be given; its default proves nothing. */
		if (p->lex->n > 0 && p->section != CONFIG_SECTIONS &&
		    (id = config_table_key(p->section, p->lex->word[0])) != CONFIG_KEYS &&
		    p->keys[p->instance][id].file == NULL) {
			p->keys[p->instance][id] = here(p);
			p->keys[p->instance][id].is_bad = true;
		}
		return;
	}
	if (p->lex->n == 0)
		return;
	if ((section = config_table_section(p->lex->word[0])) != CONFIG_SECTIONS) {
		open_section(p, section);
	} else if (strcmp(p->lex->word[0], "include") == 0) {
		p->section = CONFIG_SECTIONS;
		config_source_include(p);
		/* What the file opened does not go on behind it. */
		p->section = CONFIG_SECTIONS;
	} else if (p->section != CONFIG_SECTIONS &&
		   (id = config_table_key(p->section, p->lex->word[0])) != CONFIG_KEYS) {
		take_value(p, id);
	} else {
		unknown_word(p);
	}
}

static const char *
keep_name(struct config_parser *p, const char *name)
{
	assert_that(p->names_n < CONFIG_INCLUDE_FILES_MAX);
	return p->names[p->names_n++] = xstrdup(name);
}

void
config_parse_source(
    struct config_parser *p, struct config_source *source, const char *text, size_t len)
{
	const char *at = text, *end = text + len, *newline;
	bool has_returns = false;
	size_t line_len;

	source->name = keep_name(p, source->name);
	source->outer = p->source;
	source->depth = p->source == NULL ? 1 : p->source->depth + 1;
	p->source = source;
	for (; at < end; at = newline + 1) {
		source->line++;
		if ((newline = memchr(at, '\n', (size_t)(end - at))) == NULL) {
			complain(p, "the last line does not end with a newline: the file may have "
				    "been cut short");
			newline = end;
		}
		line_len = (size_t)(newline - at);
		if (line_len > 0 && at[line_len - 1] == '\r') {
			/* Said once; then the line is read for its own mistakes. */
			if (!has_returns)
				complain(p, "lines end with a carriage return: save the file with "
					    "Unix line ends");
			has_returns = true;
			line_len--;
		}
		take_line(p, at, line_len);
		if (newline == end)
			break;
	}
	p->source = source->outer;
}

void
config_parse_text(struct config_parser *p, const char *name, const char *text, size_t len)
{
	struct config_source source = {.name = name};

	if (len > CONFIG_FILE_MAX_BYTES) {
		config_errors_add(
		    p->errs, "%s: has more than %d bytes", name, CONFIG_FILE_MAX_BYTES);
		return;
	}
	config_parse_source(p, &source, text, len);
}
