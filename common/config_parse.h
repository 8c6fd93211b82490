/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_parse - files and lines into fields, with the place of each
 *
 * DESCRIPTION
 *	Walks the file and what it includes, fills the fields and notes where
 *	each key stood, so that config_check can name the line that must change.
 *	A mistake is noted and the walk goes on: all of them are told at once.
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_PARSE_H
#define COMMON_CONFIG_PARSE_H

#include "common/config_lex.h"
#include "common/config_table.h"

#include <sys/types.h>

/* Sections that can stand in a file: one of each, the listeners, the sinks, and
 * one that takes what belongs to none but must be looked at all the same. */
#define CONFIG_PARSE_LISTENS   CONFIG_SECTIONS
#define CONFIG_PARSE_SINKS     (CONFIG_PARSE_LISTENS + CONFIG_LISTEN_MAX)
#define CONFIG_PARSE_SPARE     (CONFIG_PARSE_SINKS + CONFIG_SINK_MAX)
#define CONFIG_PARSE_INSTANCES (CONFIG_PARSE_SPARE + 1)

/* Where a section or key was (first) written; file NULL: nowhere. */
struct config_place {
	const char *file;
	int line;
	bool is_bad; /* the value was refused: it says nothing */
};

/* Where a line of a list was written. */
struct config_line_place {
	int instance;
	enum config_key_id id;
	int at;
	struct config_place place;
};

struct config_source; /* a file being read, and the one that included it */

struct config_parser {
	struct config *cfg;
	struct config_errors *errs;
	struct config_lex *lex;
	const struct config_source *source;
	bool may_include;

	enum config_section section; /* CONFIG_SECTIONS: none is open */
	int instance;
	void *base;
	const char *line; /* that is being taken apart */
	char joined[CONFIG_LINE_MAX_BYTES + 1];
	union {
		struct config_listen listen;
		struct config_sink sink;
	} spare;

	struct config_place opened[CONFIG_PARSE_INSTANCES];
	struct config_place keys[CONFIG_PARSE_INSTANCES][CONFIG_KEYS];
	struct config_place binds[CONFIG_PARSE_INSTANCES][CONFIG_BIND_MAX];

	bool has_bad_listen; /* a listener whose name was refused: there is one, in a way */

	struct config_line_place *lines; /* of all lists */
	int lines_n;

	char *names[CONFIG_INCLUDE_FILES_MAX]; /* what config_place.file points to */
	int names_n;
};

/* Sets every field to its default and forgets all places. */
void config_parse_init(struct config_parser *p, struct config *cfg, struct config_errors *errs);
void config_parse_done(struct config_parser *p);

/* Both add their complaints to the list. */
void config_parse_file(struct config_parser *p, const char *path);
void config_parse_text(struct config_parser *p, const char *name, const char *text, size_t len);

/* For config_source.c: walks the lines of a file it has read. */
void config_parse_source(
    struct config_parser *p, struct config_source *source, const char *text, size_t len);

/* The number of a section among the instances; `at` is the number of the listener or sink. */
int config_parse_instance(enum config_section section, int at);

/* Where the line numbered `at` of a list was written; NULL for a default. */
const struct config_place *config_parse_line_place(
    const struct config_parser *p, int instance, enum config_key_id id, int at);

#endif
