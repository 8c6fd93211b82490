/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_bind - addresses to listen on
 *
 * DESCRIPTION
 *	"127.0.0.1:3001", "[::]:3001" or "unix:/path".  Names are not looked up:
 *	a configuration must mean the same whether DNS answers or not.
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_BIND_H
#define COMMON_CONFIG_BIND_H

#include "common/config.h"

#include <stdbool.h>

/* False: `*out` is not touched and `why` says what to write instead. */
bool config_bind_parse(const char *text, struct config_bind *out, char *why, size_t why_size)
    __attribute__((warn_unused_result));

/* Would the kernel refuse the second: same path, or same port of the same
 * family with equal addresses or one of them the wildcard. */
bool config_bind_is_conflict(const struct config_bind *a, const struct config_bind *b);

#endif
