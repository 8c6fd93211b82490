/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_lex - a line of the configuration into words
 *
 * DESCRIPTION
 *	Blanks separate words; "..." and '...' group and mean the same; a
 *	backslash takes the next character as it is, inside quotes too; #
 *	outside of both begins a comment.  ${NAME} in any word but the first
 *	is replaced from the environment, inside quotes too; what comes in is
 *	never split or looked at again.  A $ that no { follows is a $.
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_LEX_H
#define COMMON_CONFIG_LEX_H

#include "common/config.h"

#include <stdbool.h>

#define CONFIG_LEX_WORDS_MAX 64
#define CONFIG_LEX_WHY_SIZE  256

struct config_lex {
	int n;
	const char *word[CONFIG_LEX_WORDS_MAX]; /* into `text` */
	size_t values_from, values_to; /* bytes of the line: from its second word to its last */
	bool is_replaced;              /* there was a ${NAME} */
	size_t len;
	char text[2 * CONFIG_LINE_MAX_BYTES];
};

/* `line` without its newline.  False: `why` says what is wrong. */
bool config_lex_line(struct config_lex *lex, const char *line, size_t len,
    char why[CONFIG_LEX_WHY_SIZE]) __attribute__((warn_unused_result));

#endif
