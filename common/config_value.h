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
 * struct; a BIND is appended.  False: the field is as it was and `why` says
 * what to write instead.
 */
bool config_value_set(const struct config_key *key, void *base, const char *text,
    char why[CONFIG_VALUE_WHY_SIZE]) __attribute__((warn_unused_result));

/* The field as a word of the grammar, quoted where it must be; for a BIND the
 * one numbered `at`.  Returns `buf`. */
const char *config_value_text(
    const struct config_key *key, const void *base, int at, char buf[CONFIG_VALUE_TEXT_SIZE]);

/* "64k to 16g", "one of memory, durable", or "" when nothing need be said. */
const char *config_value_range(const struct config_key *key, char buf[CONFIG_VALUE_WHY_SIZE]);

#endif
