/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	sluicectl - look at a Sluice, feed it, read its events back
 *
 * DESCRIPTION
 *	Finds the command in commands.def, takes the global options out of its
 *	words, finds the folders, and runs it.  Needs no more rights than the
 *	files and sockets it touches.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl.h"

#include "common/log.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DEFAULT_CONFIG  "/etc/sluice/sluice.conf"
#define DEFAULT_RUNTIME "/run/sluice"
#define DEFAULT_STATE   "/var/lib/sluice"

struct options {
	const char *config, *runtime_dir, *state_dir;
	bool is_json, wants_help, wants_version;
};

/* Is argv[i] this long option?  Its value, and how many words it took. */
static bool
is_option(int argc, char **argv, int i, const char *name, const char **value, int *words)
{
	size_t len = strlen(name);

	if (strncmp(argv[i], name, len) != 0)
		return false;
	if (argv[i][len] == '=') {
		*value = argv[i] + len + 1;
		*words = 1;
		return true;
	}
	if (argv[i][len] != '\0')
		return false;
	*value = i + 1 < argc ? argv[i + 1] : NULL;
	*words = 2;
	return true;
}

/* Take what is global at argv[i]; how many words, 0: not global, -1: no value. */
static int
take_global(struct options *o, int argc, char **argv, int i)
{
	const char *value = NULL;
	int words;

	if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
		o->wants_help = true;
		return 1;
	}
	if (strcmp(argv[i], "--json") == 0) {
		o->is_json = true;
		return 1;
	}
	if (is_option(argc, argv, i, "--config", &value, &words))
		o->config = value;
	else if (is_option(argc, argv, i, "--runtime-dir", &value, &words))
		o->runtime_dir = value;
	else if (is_option(argc, argv, i, "--state-dir", &value, &words))
		o->state_dir = value;
	else
		return 0;
	return value == NULL || *value == '\0' ? -1 : words;
}

/* Take all of them from argv[from, *argc); the rest moves up. */
static int
take_globals(struct options *o, int from, int *argc, char **argv)
{
	int to = from, words;

	for (int i = from; i < *argc; i += words) {
		if (strcmp(argv[i], "--") == 0) {
			while (i < *argc)
				argv[to++] = argv[i++];
			break;
		}
		words = take_global(o, *argc, argv, i);
		if (words == -1)
			return ctl_usage("", "%s needs a value", argv[i]);
		if (words == 0) {
			argv[to++] = argv[i];
			words = 1;
		}
	}
	argv[to] = NULL;
	*argc = to;
	return CTL_OK;
}

/* "-c FILE" before the command; the index of the command. */
static int
take_leading(struct options *o, int argc, char **argv, int *command)
{
	int i = 1, words;

	while (i < argc && argv[i][0] == '-') {
		if (strcmp(argv[i], "-c") == 0) {
			if (i + 1 == argc)
				return ctl_usage("", "-c needs a file");
			o->config = argv[i + 1];
			i += 2;
			continue;
		}
		if (strcmp(argv[i], "--version") == 0) {
			o->wants_version = true;
			i++;
			continue;
		}
		words = take_global(o, argc, argv, i);
		if (words == -1)
			return ctl_usage("", "%s needs a value", argv[i]);
		if (words == 0)
			return ctl_usage("", "unknown option %s", argv[i]);
		i += words;
	}
	*command = i;
	return CTL_OK;
}

/* The folders: what was said, else what the configuration says. */
static int
find_dirs(struct ctl *ctl, const struct options *o)
{
	const char *runtime = o->runtime_dir, *state = o->state_dir, *path = ctl->config_path;
	struct config_errors errors = {0};
	struct config *cfg = NULL;

	/* With both given the file has nothing to say; and where nobody named
	 * one and none is, the defaults hold. */
	if ((runtime == NULL || state == NULL) &&
	    !(o->config == NULL && access(path, F_OK) == -1 && errno == ENOENT)) {
		if (config_load(path, &cfg, &errors) != CONFIG_OK) {
			ctl_say("%s%s; mend it, or say --runtime-dir and --state-dir",
			    errors.text[0],
			    errors.n > 1 ? " (sluiced -n shows all errors)" : "");
			config_errors_free(&errors);
			return CTL_FAILED;
		}
		ctl->cfg = cfg;
	}
	if (runtime == NULL)
		runtime = cfg != NULL ? cfg->global.runtime_dir : DEFAULT_RUNTIME;
	(void)snprintf(ctl->runtime_dir, sizeof ctl->runtime_dir, "%s", runtime);
	if (state == NULL && cfg != NULL)
		(void)snprintf(ctl->journal_dir, sizeof ctl->journal_dir, "%s", cfg->journal.path);
	if (state == NULL)
		state = cfg != NULL ? cfg->global.state_dir : DEFAULT_STATE;
	if (strlen(runtime) >= sizeof ctl->runtime_dir ||
	    strlen(state) + sizeof "/journal" > sizeof ctl->state_dir) {
		ctl_say(
		    "the path is too long: %s", strlen(state) > strlen(runtime) ? state : runtime);
		return CTL_FAILED;
	}
	(void)snprintf(ctl->state_dir, sizeof ctl->state_dir, "%s", state);
	if (ctl->journal_dir[0] == '\0')
		(void)snprintf(ctl->journal_dir, sizeof ctl->journal_dir, "%.240s/journal", state);
	return CTL_OK;
}

static int
run(const struct ctl_command *c, const struct options *o, int argc, char **argv)
{
	struct ctl ctl = {
	    .config_path = o->config, .is_config_named = o->config != NULL, .is_json = o->is_json};
	char *help[] = {(char *)"help", argv[0], NULL};
	int rc;

	if (o->wants_help)
		return ctl_help(&ctl, 2, help);
	if (ctl.config_path == NULL)
		ctl.config_path = DEFAULT_CONFIG;
	if (c->needs == CTL_NEEDS_DIRS && (rc = find_dirs(&ctl, o)) != CTL_OK)
		return rc;
	optind = 0; /* glibc: begin anew, all of its state */
	opterr = 0; /* each command says it in its own line */
	rc = c->run(&ctl, argc, argv);
	if ((fflush(stdout) == EOF || ferror(stdout)) && errno != EPIPE) {
		ctl_say("cannot write the output: %s", strerror(errno));
		rc = CTL_FAILED;
	}
	config_free((struct config *)(uintptr_t)ctl.cfg);
	return rc;
}

int
main(int argc, char **argv)
{
	struct options o = {.config = getenv("SLUICE_CONF")};
	const struct ctl_command *c;
	int at = 1, rc;

	log_name("sluicectl");
	if (o.config != NULL && o.config[0] == '\0')
		o.config = NULL;
	/* For those who make the manual. */
	if (argc == 3 && strcmp(argv[1], "--doc") == 0 && strcmp(argv[2], "commands") == 0)
		return ctl_doc_commands(), CTL_OK;
	if (argc == 3 && strcmp(argv[1], "--doc") == 0 && strcmp(argv[2], "counters") == 0)
		return ctl_doc_counters(), CTL_OK;
	if ((rc = take_leading(&o, argc, argv, &at)) != CTL_OK)
		return rc;
	if (o.wants_version)
		return ctl_version(&(struct ctl){.is_json = o.is_json}, 1, argv);
	if (at == argc) {
		if (o.wants_help)
			return ctl_help(NULL, 1, argv);
		return ctl_usage("", "a command is missing");
	}
	if ((c = ctl_find(argv[at])) == NULL)
		return ctl_unknown(argv[at]);
	argc -= at;
	argv += at;
	if (!c->is_raw && (rc = take_globals(&o, 1, &argc, argv)) != CTL_OK)
		return rc;
	if (c->is_raw && argc == 2 && strcmp(argv[1], "--help") == 0)
		o.wants_help = true;
	return run(c, &o, argc, argv);
}
