/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	stats_command - from a line of the stats socket to its answer
 *
 * PROCESS
 *	admin, sluicectl.
 *
 * SHARED STATE
 *	None: the table.
 */
#include "workers/stats_sink.h"

#include <string.h>

typedef void (*show_fn)(struct stats *s, const char *arg, struct text_out *out);

static const struct {
	const char *words;
	show_fn show;
	const char *arguments;
	const char *help;
} commands[] = {
#define STATS_COMMAND(words, function, arguments, help) {words, function, arguments, help},
#include "workers/stats_commands.def"
#undef STATS_COMMAND
};

#define COMMANDS (sizeof commands / sizeof commands[0])

/* What follows `words` in `line`, blanks skipped; NULL when it begins otherwise. */
static const char *
after_words(const char *line, const char *words)
{
	for (; *words != '\0'; words++) {
		if (*words == ' ') {
			if (*line != ' ' && *line != '\t')
				return NULL;
			line += strspn(line, " \t");
		} else if (*line++ != *words) {
			return NULL;
		}
	}
	if (*line != '\0' && *line != ' ' && *line != '\t')
		return NULL;
	return line + strspn(line, " \t");
}

static void
help(struct text_out *out)
{
	text_add(out, "%-36s %s\n", "help", "this list");
	for (size_t i = 0; i < COMMANDS; i++) {
		int pad = (int)(36 - strlen(commands[i].words) - strlen(commands[i].arguments) - 1);

		text_add(out, "%s %s%*s %s\n", commands[i].words, commands[i].arguments,
		    pad > 0 ? pad : 0, "", commands[i].help);
	}
	text_add(out, "%-36s %s\n", "quit", "close the connection");
	text_add(out, "; joins commands, an empty line ends each answer\n");
}

bool
stats_command(struct stats *s, const char *line, struct text_out *out)
{
	const char *arg;

	if (strcmp(line, "help") == 0) {
		help(out);
		return true;
	}
	for (size_t i = 0; i < COMMANDS; i++) {
		if ((arg = after_words(line, commands[i].words)) == NULL)
			continue;
		if (*arg != '\0' && commands[i].arguments[0] == '\0') {
			text_add(out, "%s takes no argument\n", commands[i].words);
			return true;
		}
		stats_look(s);
		commands[i].show(s, arg, out);
		return true;
	}
	return false;
}
