/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl - what the commands of sluicectl share
 *
 * DESCRIPTION
 *	Each command is one row of commands.def and one function ctl_NAME().
 *	argv[0] is the command's name; `--help` and the global options (--config,
 *	--runtime-dir, --state-dir, --json) are taken out before the function is
 *	called, wherever they stood (--json is ctl->is_json), except behind "--"
 *	and in commands that pass their words through.  A command reads its own
 *	options with getopt_long(3); optind is reset for it.
 *
 *	What a command says on stderr is one line that a person can act on; its
 *	result goes to stdout.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only at most.
 */
#ifndef DAEMON_CTL_H
#define DAEMON_CTL_H

#include "common/config.h"
#include "workers/text.h"

#include <stdbool.h>
#include <stddef.h>

struct region;

/* Exit codes of every command. */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAILED = 1,
	CTL_FINDINGS = 2,	/* it worked, and what it found is not well */
	CTL_USAGE = 64,
	CTL_UNAVAILABLE = 69,	/* no daemon answers and no region is there */
};

/* Which parts of struct ctl a command wants filled (column of commands.def). */
enum ctl_needs {
	CTL_NEEDS_NOTHING = 0,
	CTL_NEEDS_DIRS,	  /* runtime_dir, state_dir, journal_dir */
};

struct ctl {
	const char *config_path;
	bool is_config_named; /* by -c or the environment: it has to be there */
	const struct config *cfg; /* NULL: no file was read; the folders below are filled anyway */
	char runtime_dir[CONFIG_PATH_SIZE];
	char state_dir[CONFIG_PATH_SIZE];
	char journal_dir[CONFIG_PATH_SIZE]; /* journal.path, or state_dir/journal */
	bool is_json;
};

/* Returns an exit code. */
typedef int (*ctl_command_fn)(struct ctl *ctl, int argc, char **argv);

struct ctl_command {
	const char *name;
	ctl_command_fn run;
	enum ctl_needs needs;
	bool is_raw;		/* words behind the name are passed through as they are */
	const char *arguments;	/* "[--json] [STAGE]"; "" for none */
	const char *help;	/* one line */
	const char *text;	/* sentences for the manual and --help */
	const char *exits;	/* what the codes mean here, "" when nothing special */
};

/* Every row of commands.def; *n becomes how many. */
const struct ctl_command *ctl_table(size_t *n);
const struct ctl_command *ctl_find(const char *name);

#define CTL_COMMAND(name, function, needs, raw, arguments, help, text, exits)                      \
	int function(struct ctl *ctl, int argc, char **argv);
#include "daemon/commands.def"
#undef CTL_COMMAND

/* One line on stderr, "sluicectl: " before it. */
void ctl_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The usage line of a command on stderr, after what was wrong; returns CTL_USAGE. */
int ctl_usage(const char *command, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same for a word that is no command, with the one that may have been meant. */
int ctl_unknown(const char *word);

/*
 * Ask a line socket: sends `line` and gathers the answers until the peer
 * closes.  0, or -1 with errno (ETIMEDOUT when nothing came for timeout_ms).
 */
int ctl_ask(const char *path, const char *line, int timeout_ms, struct text_out *answer);

/* Ask the stats socket, or else shared memory, and print the answer. */
int ctl_show_line(struct ctl *ctl, const char *line);

/* Map the region under ctl->runtime_dir read-only.  CTL_OK, or an exit code
 * after having said why; region_close() is the caller's. */
int ctl_region(const struct ctl *ctl, struct region *region);

/* The COMMANDS section of sluicectl(1) in mdoc, and all of sluice-counters(7). */
void ctl_doc_commands(void);
void ctl_doc_counters(void);

#endif
