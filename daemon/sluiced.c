/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sluiced - the daemon's main program: options, configuration, supervisor
 *
 * DESCRIPTION
 *	See sluiced(8).  It stays in the foreground: whoever starts it (systemd,
 *	a terminal, a test) watches it.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	None here.
 */
#include "common/config.h"
#include "common/config_files.h"
#include "common/log.h"
#include "common/panic.h"
#include "daemon/supervisor.h"

#include <bsd/unistd.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG "/etc/sluice/sluice.conf"

struct options {
	char *config;
	bool only_check;
	bool is_verbose;
	bool new_region;
};

static void
usage(FILE *to)
{
	(void)fprintf(to,
	    "usage: sluiced [-fR] [-c FILE]\n"
	    "       sluiced -n [-v] [-c FILE]\n"
	    "       sluiced -h | -V\n"
	    "\n"
	    "  -c FILE  configuration (default " DEFAULT_CONFIG ")\n"
	    "  -f       stay in the foreground (always so)\n"
	    "  -h       this text (--help)\n"
	    "  -n       check the configuration and exit\n"
	    "  -R       start with a new region: gives up events that are only in memory\n"
	    "  -V       version (--version)\n"
	    "  -v       with -n: print the configuration as it was understood\n"
	    "\n"
	    "exit codes: 0 stopped on request or all is well, 1 cannot work, 64 usage,\n"
	    "78 configuration\n");
}

/* One line that says what is wrong; exits. */
static void refuse(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

static void
refuse(const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof what, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "sluiced: %s: see sluiced -h\n", what);
	exit(EXIT_USAGE);
}

static struct options
read_options(int argc, char **argv)
{
	static const struct option longs[] = {
	    {"help", no_argument, NULL, 'h'},
	    {"version", no_argument, NULL, 'V'},
	    {NULL, 0, NULL, 0},
	};
	struct options o = {.config = NULL};
	int c;

	while ((c = getopt_long(argc, argv, ":c:fhnRVv", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			free(o.config);
			o.config = xstrdup(optarg);
			break;
		case 'f':
			break;
		case 'h':
			usage(stdout);
			exit(0);
		case 'n':
			o.only_check = true;
			break;
		case 'R':
			o.new_region = true;
			break;
		case 'V':
			(void)printf("sluiced " SLUICE_VERSION "\n");
			exit(0);
		case 'v':
			o.is_verbose = true;
			break;
		case ':':
			refuse("option -%c needs a file", optopt);
		default:
			/* optopt is 0, or the letter of a long one with a value. */
			if (strncmp(argv[optind - 1], "--", 2) == 0)
				refuse("unknown option %s", argv[optind - 1]);
			refuse("unknown option -%c", optopt);
		}
	}
	if (optind != argc)
		refuse("unknown argument %s", argv[optind]);
	if (o.is_verbose && !o.only_check)
		refuse("option -v goes with -n only");
	if (o.config == NULL)
		o.config = xstrdup(DEFAULT_CONFIG);
	return o;
}

/* The configuration and the users it names; exits with every mistake said. */
static struct config *
load(const struct options *o, struct supervisor_user *user)
{
	struct config_errors errs = {0};
	struct config *cfg;
	char text[256], *rest = text, *line;

	if (config_load(o->config, &cfg, &errs) != CONFIG_OK) {
		config_errors_print(&errs, stderr);
		config_errors_free(&errs);
		exit(EXIT_CONFIG);
	}
	if (supervisor_user_find(cfg, user, text, sizeof text))
		return cfg;
	while ((line = strsep(&rest, "\n")) != NULL)
		if (*line != '\0')
			(void)fprintf(stderr, "%s: %s\n", o->config, line);
	exit(EXIT_CONFIG);
}

/* What no reading of the text shows; exits as load() does. */
static void
check_files(const struct options *o, const struct config *cfg)
{
	struct config_errors errs = {0};

	if (config_files_check(cfg, &errs) == 0)
		return;
	for (int i = 0; i < errs.n; i++)
		(void)fprintf(stderr, "%s: %s\n", o->config, errs.text[i]);
	config_errors_free(&errs);
	exit(EXIT_CONFIG);
}

/*
 * Make the arguments one text, so that a title may be as long as all of them:
 * the kernel shows a changed title only when it reaches their last byte, and
 * libbsd marks the last byte of argv[0].
 */
static void
join_arguments(int argc, char **argv)
{
	for (int i = 0; i + 1 < argc; i++)
		if (argv[i] + strlen(argv[i]) + 1 == argv[i + 1])
			argv[i + 1][-1] = ' ';
}

int
main(int argc, char **argv, char **envp)
{
	struct supervisor_user user;
	struct options o;
	struct config *cfg;
	int code = 0;

	log_name("supervisor");
	log_time();
	o = read_options(argc, argv);
	join_arguments(argc, argv);
	setproctitle_init(argc, argv, envp);
	cfg = load(&o, &user);
	if (o.only_check) {
		check_files(&o, cfg);
		if (o.is_verbose)
			config_print(cfg, stdout);
		else
			(void)printf("%s: no errors\n", o.config);
	} else {
		setproctitle("-sluiced: supervisor");
		log_threshold(cfg->global.log_level);
		code = supervisor_run(cfg, &user, o.new_region);
	}
	config_free(cfg);
	free(o.config);
	return code;
}
