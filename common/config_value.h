/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_value - one value: from text to field and back
 *
 * PROCESS
 *	Those that load or print a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_VALUE_H
#define COMMON_CONFIG_VALUE_H

#include "common/config_table.h"

#define CONFIG_VALUE_WHY_SIZE 512
/* Enough for the longest path with every byte escaped. */
#define CONFIG_VALUE_TEXT_SIZE (2 * CONFIG_PATH_SIZE + 8)

/*
 * Parses `text` by the key's row into its field of `base`, the section's
 * struct; a BIND or a line of a list is appended.  False: the field is as it was and `why` says
 * what to write instead.
 */
bool config_value_set(const struct config_key *key, void *base, const char *text,
    char why[CONFIG_VALUE_WHY_SIZE]) __attribute__((warn_unused_result));

/* Sets the field to the key's default (of that kind, in a sink). */
void config_value_default(const struct config_key *key, void *base, enum config_sink_kind kind);

/* How many lines the key takes when it is printed: 1, or as many as its list has. */
int config_value_lines(const struct config_key *key, const void *base);

/* The field as a word of the grammar, quoted where it must be; for a BIND or a
 * list the one numbered `at`.  Returns `buf`. */
const char *config_value_text(
    const struct config_key *key, const void *base, int at, char buf[CONFIG_VALUE_TEXT_SIZE]);

/* "64k to 16g", "one of memory, durable", or "" when nothing need be said. */
const char *config_value_range(const struct config_key *key, char buf[CONFIG_VALUE_WHY_SIZE]);

#endif
