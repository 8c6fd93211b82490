/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_table - config_keys.def as data
 *
 * DESCRIPTION
 *	One struct for each section and key, in the order of the file, and the
 *	ways to find them by name.  For the config files only; everybody else
 *	reads struct config.
 *
 * PROCESS
 *	Those that load or print a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_TABLE_H
#define COMMON_CONFIG_TABLE_H

#include "common/config.h"

#include <stdbool.h>

/* CONFIG_SECTION_global ..., spelled as in the file. */
enum config_section {
#define SECTION(section, named, text) CONFIG_SECTION_##section,
#include "common/config_keys.def"
	CONFIG_SECTIONS
};

/* CONFIG_KEY_listen_max_body_bytes ...: section and field. */
enum config_key_id {
#define KEY(section, key, type, field, min, max, default, reload, text)                            \
	CONFIG_KEY_##section##_##field,
#include "common/config_keys.def"
	CONFIG_KEYS
};

enum config_type {
	CONFIG_TYPE_INT = 1,
	CONFIG_TYPE_SIZE,
	CONFIG_TYPE_POWER, /* a size that is a power of two */
	CONFIG_TYPE_TIME,
	CONFIG_TYPE_STRING,
	CONFIG_TYPE_PATH,
	CONFIG_TYPE_BIND, /* may be repeated */
	CONFIG_TYPE_MODE,
	CONFIG_TYPE_KIND,
	CONFIG_TYPE_ATTRS,
	CONFIG_TYPE_ACK,
	CONFIG_TYPE_DEDUP_KEY,
	CONFIG_TYPE_LEVEL,
	CONFIG_TYPE_COUNT, /* an INT of 64 bits */
	CONFIG_TYPE_YES_NO,
	CONFIG_TYPE_SINK_KIND,
	CONFIG_TYPE_FROM,
	CONFIG_TYPE_COMPRESSION,
	CONFIG_TYPE_PARTITION,
	CONFIG_TYPE_FORMAT,
	/* May be repeated: */
	CONFIG_TYPE_LIST,     /* one word a line */
	CONFIG_TYPE_WORDS,    /* the words of a line, a blank between them */
	CONFIG_TYPE_VERBATIM /* the words of a line as they stand there, quotes and all */
};

enum config_reload {
	CONFIG_RELOAD_RESPAWN = 1, /* stages are started anew with the new value */
	CONFIG_RELOAD_RESTART      /* refused on reload */
};

struct config_section_row {
	const char *name;
	bool is_named; /* takes a name, may be repeated */
	const char *text;
};

struct config_key {
	enum config_section section;
	const char *name;
	enum config_type type;
	size_t offset; /* in the section's struct */
	size_t size;   /* of the field */
	int64_t min, max;
	unsigned kinds;                             /* of sinks that have it: 1 << kind */
	const char *default_of[CONFIG_SINK_KINDS]; /* see config_table_default() */
	enum config_reload reload;
	const char *text;
};

struct config_word {
	const char *word;
	int value;
};

extern const struct config_section_row config_table_sections[CONFIG_SECTIONS];
extern const struct config_key config_table_keys[CONFIG_KEYS];

/* CONFIG_SECTIONS or CONFIG_KEYS when there is none. */
enum config_section config_table_section(const char *name);
enum config_key_id config_table_key(enum config_section section, const char *name);
/* A key of that name in any section. */
enum config_key_id config_table_key_anywhere(const char *name);

/* The words a type allows, ended by a NULL word; NULL if it is not such a type. */
const struct config_word *config_table_words(enum config_type type);

/* Is it one of those that are kept in a struct config_list? */
bool config_table_is_list(enum config_type type);

/* The default of a key of a sink of that kind; of any other key whatever the kind. */
const char *config_table_default(const struct config_key *key, enum config_sink_kind kind);

/* The struct of a section; `at` is the number of the listen or sink section. */
void *config_table_base(struct config *cfg, enum config_section section, int at);

/*
 * How many letters must change to make one name of the other, capped: 99 when
 * nobody would think they were meant to be the same.
 */
int config_table_distance(const char *written, const char *name);

#endif
