/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_source - the files a configuration is read from
 *
 * DESCRIPTION
 *	Reads files, follows include, and keeps it within bounds: size of a
 *	file, depth, number of files, no file inside itself.
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#ifndef COMMON_CONFIG_SOURCE_H
#define COMMON_CONFIG_SOURCE_H

#include "common/config_parse.h"

struct config_source {
	const char *name;
	int line;
	int depth; /* 1 = the file that was asked for */
	dev_t dev; /* 0 when it is not a file */
	ino_t ino;
	const struct config_source *outer;
};

/* The current line is an include: reads what it names, in name order. */
void config_source_include(struct config_parser *p);

#endif
