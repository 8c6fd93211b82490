/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_files - can the files that a configuration names be read?
 *
 * PROCESS
 *	sluiced -n.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_FILES_H
#define COMMON_CONFIG_FILES_H

#include "common/config.h"

/*
 * Reads a byte of each file with a password, a secret or certificates, as the
 * user who asks, and adds a line for each that cannot be read.  Returns their
 * number.  No part of config_load(): what looks at a configuration and starts
 * nothing need not be able to read secrets.
 */
int config_files_check(const struct config *cfg, struct config_errors *errs);

#endif
