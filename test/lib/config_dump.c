/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_dump - print what a configuration means, or what is wrong with it
 *
 * DESCRIPTION
 *	config_dump FILE prints what `sluiced -nv` prints and exits 0, or says
 *	what is wrong on standard error and exits 78.  config_dump -m prints
 *	the KEYS section of sluice.conf(5).
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config.h"
#include "common/panic.h"

#include <string.h>

int
main(int argc, char **argv)
{
	struct config_errors errs = {0};
	struct config *cfg;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: config_dump FILE | -m\n");
		return EXIT_USAGE;
	}
	if (strcmp(argv[1], "-m") == 0) {
		config_doc_mdoc(stdout);
		return 0;
	}
	if (config_load(argv[1], &cfg, &errs) != CONFIG_OK) {
		config_errors_print(&errs, stderr);
		config_errors_free(&errs);
		return EXIT_CONFIG;
	}
	config_print(cfg, stdout);
	config_free(cfg);
	return 0;
}
