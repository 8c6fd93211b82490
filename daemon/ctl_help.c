/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_help - help and version, and the parts of the manual made from tables
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl.h"
#include "shm/layout.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static void
list_commands(void)
{
	const struct ctl_command *c;
	size_t n;

	(void)printf(
	    "usage: sluicectl [-c FILE] [--runtime-dir DIR] [--state-dir DIR] COMMAND ...\n");
	c = ctl_table(&n);
	for (size_t i = 0; i < n; i++)
		(void)printf("  %-8s %s\n", c[i].name, c[i].help);
	(void)printf(
	    "sluicectl COMMAND --help says more; the configuration is %s or SLUICE_CONF.\n",
	    "/etc/sluice/sluice.conf");
}

int
ctl_help(struct ctl *ctl, int argc, char **argv)
{
	const struct ctl_command *c;

	(void)ctl;
	if (argc < 2) {
		list_commands();
		return CTL_OK;
	}
	if ((c = ctl_find(argv[1])) == NULL)
		return ctl_unknown(argv[1]);
	(void)printf("usage: sluicectl %s%s%s\n%s.\n%s%s", c->name,
	    c->arguments[0] == '\0' ? "" : " ", c->arguments, c->help, c->text,
	    c->exits[0] == '\0' ? "" : "Exit code: ");
	(void)fputs(c->exits, stdout);
	return CTL_OK;
}

int
ctl_version(struct ctl *ctl, int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		return ctl_usage("version", "version takes no argument");
	if (ctl->is_json)
		(void)printf(
		    "{\"version\":\"%s\",\"layout\":%d}\n", SLUICE_VERSION, LAYOUT_VERSION);
	else
		(void)printf(
		    "sluice %s, shared memory layout %d\n", SLUICE_VERSION, LAYOUT_VERSION);
	return CTL_OK;
}

/*---------------------------------------------------------------------------*
 * mdoc
 *---------------------------------------------------------------------------*/

/* Sentences, a line each; what roff would act on is escaped. */
static void
print_sentences(const char *text)
{
	bool at_start = true;

	for (; *text != '\0'; text++) {
		if (*text == '\\')
			(void)fputs("\\e", stdout);
		else if (at_start && (*text == '.' || *text == '\''))
			(void)printf("\\&%c", *text);
		else if (text[0] == '-')
			(void)fputs("\\-", stdout);
		else
			(void)putchar(*text);
		at_start = *text == '\n';
	}
}

/* One word of a usage line without its brackets: `--json`, `FILE`, `-AGE`. */
static void
print_word(const char *word, size_t len)
{
	bool is_option = len > 2 && word[0] == '-' && word[1] == '-';
	bool is_argument = isupper((unsigned char)word[word[0] == '-' && len > 1]);

	(void)fputs(is_option ? " Fl " : is_argument ? " Ar " : " Cm ", stdout);
	for (size_t i = is_option; i < len; i++) {
		if (word[i] == '-')
			(void)fputs("\\-", stdout);
		else
			(void)putchar(is_argument ? tolower((unsigned char)word[i]) : word[i]);
	}
}

/* "[--all | --typed] [STAGE]" as mdoc macros: an .It's own line takes them all. */
static void
print_arguments(const char *s)
{
	size_t len;

	while (*s != '\0') {
		if (*s == ' ') {
			s++;
		} else if (*s == '[') {
			(void)fputs(" Oo", stdout);
			s++;
		} else if (*s == ']') {
			(void)fputs(" Oc", stdout);
			s++;
		} else if (*s == '|') {
			(void)fputs(" |", stdout);
			s++;
		} else if (strncmp(s, "...", 3) == 0) {
			(void)fputs(" ...", stdout);
			s += 3;
		} else {
			len = strcspn(s, " []|");
			print_word(s, len);
			s += len;
		}
	}
}

void
ctl_doc_commands(void)
{
	const struct ctl_command *c;
	size_t n;

	(void)printf(".Sh COMMANDS\n.Bl -tag -width Ds\n");
	c = ctl_table(&n);
	for (size_t i = 0; i < n; i++) {
		(void)printf(".It Cm %s", c[i].name);
		print_arguments(c[i].arguments);
		(void)printf("\n%c", toupper((unsigned char)c[i].help[0]));
		print_sentences(c[i].help + 1);
		(void)printf(".\n");
		print_sentences(c[i].text);
		if (c[i].exits[0] != '\0') {
			(void)printf("Exit code: ");
			print_sentences(c[i].exits);
		}
	}
	(void)printf(".El\n");
}

static void
doc_owner(enum counter_owner owner, const char *title, const char *where)
{
	const struct counter_row *row;
	size_t n;

	(void)printf(".Ss %s\n%s\n.Bl -tag -width Ds\n", title, where);
	row = counters_table(&n);
	for (size_t i = 0; i < n; i++) {
		if (row[i].owner != owner)
			continue;
		(void)printf(".It Cm %s Pq %s , %s\n%c", row[i].name,
		    counters_nature_name(row[i].nature), row[i].unit,
		    toupper((unsigned char)row[i].help[0]));
		print_sentences(row[i].help + 1);
		(void)printf(".\n");
	}
	(void)printf(".El\n");
}

void
ctl_doc_counters(void)
{
	(void)printf(".\\\" SPDX-License-Identifier: ISC\n"
		     ".\\\" Made from counters.def by sluicectl --doc counters.\n"
		     ".Dd November 21, 2026\n.Dt SLUICE-COUNTERS 7\n.Os\n"
		     ".Sh NAME\n.Nm sluice-counters\n.Nd the numbers that Sluice keeps\n"
		     ".Sh DESCRIPTION\n"
		     "Every counter has one writer and lies in shared memory, so it can be read\n"
		     "while its process hangs, and its successor goes on from it.\n"
		     "They are shown by\n.Xr sluicectl 1\nand, for Prometheus, by\n.Pa /metrics\n"
		     "of the admin port, where a counter of a stream is called\n"
		     ".Li sluice_NAME ,\none of the journal\n.Li sluice_journal_NAME ,\n"
		     "one of a process\n.Li sluice_process_NAME ,\n"
		     "and one of a sink\n.Li sluice_sink_NAME .\n"
		     ".Pp\nThe nature of a counter says how it is added up over its owners:\n"
		     ".Bl -tag -width gauge\n"
		     ".It count\nOnly grows; sums.\nIts metric ends in\n.Li _total .\n"
		     ".It gauge\nA level now; sums.\n"
		     ".It max\nThe greatest ever seen; the greatest.\n"
		     ".It age\nThe time of an act in nanoseconds since 1970; the newest.\n"
		     "Its metric ends in\n.Li _time_seconds .\n.El\n"
		     ".Pp\nThe ledger of a stream is\n"
		     ".Dl received = put + duplicate + invalid + retry + interrupted\n"
		     "where put is the number of events in the stream since the region was made.\n"
		     "That of a sink is\n"
		     ".Dl put = delivered + dead + skipped + late + expired + corrupt "
		     "+ pending\n"
		     "where put is the number of events of all streams since the sink began in\n"
		     "this region.\n"
		     "Its terms are no counters: they stand in the cursors of the sink, and are\n"
		     "shown beside its counters.\n"
		     "Metrics have them as\n.Li sluice_sink_events_total\nwith the label\n"
		     ".Li outcome ,\nand beside it\n.Li sluice_sink_ready ,\n"
		     ".Li sluice_sink_breaker\n(0 closed, 1 open, 2 half-open),\n"
		     ".Li sluice_sink_pending_events ,\n.Li sluice_sink_lag_bytes ,\n"
		     ".Li sluice_sink_lag_seconds ,\n.Li sluice_sink_stops_intake\nand\n"
		     ".Li sluice_sink_ledger_wrong .\n"
		     ".Sh COUNTERS\n");
	doc_owner(COUNTER_OWNER_STREAM, "Of each stream",
	    "Written by the acceptor that holds the stream.");
	doc_owner(COUNTER_OWNER_JOURNAL, "Of the journal", "Written by the journal.");
	doc_owner(COUNTER_OWNER_PROCESS, "Of each process", "Written by each process itself.");
	doc_owner(COUNTER_OWNER_SINK, "Of each sink", "Written by the sink.");
	(void)printf(".Sh EXAMPLES\nEvery counter of one acceptor:\n"
		     ".Pp\n.Dl $ sluicectl stat \\-\\-typed http\\-0\n"
		     ".Sh SEE ALSO\n.Xr sluicectl 1 ,\n.Xr sluiced 8\n");
}
