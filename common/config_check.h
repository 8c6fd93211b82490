/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_check - what no key can know alone
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_CHECK_H
#define COMMON_CONFIG_CHECK_H

#include "common/config_parse.h"

/*
 * Looks at the keys together, works out those that were left to us (the
 * journal's path, the number of stream slots) and adds its complaints to the
 * list, each at the line of a key that was written.  A key whose value was
 * refused is not held against others.
 */
void config_check(struct config_parser *p, const char *name);

#endif
