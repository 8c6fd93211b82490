/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_errors - the list of mistakes found in a configuration
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_ERRORS_H
#define COMMON_CONFIG_ERRORS_H

#include "common/config.h"

#define CONFIG_ERRORS_MAX        200
#define CONFIG_ERRORS_QUOTE_SIZE 128

/* Copies.  Above CONFIG_ERRORS_MAX errors are only counted. */
void config_errors_add(struct config_errors *errs, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* `text` in quotes, made safe to print and cut to the buffer.  Returns `buf`. */
const char *config_errors_quote(const char *text, char buf[CONFIG_ERRORS_QUOTE_SIZE]);

#endif
