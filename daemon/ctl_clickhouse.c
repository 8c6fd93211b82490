/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_clickhouse - sluicectl clickhouse-ddl: the table that a sink's configuration wants
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl.h"

#include "workers/clickhouse_table.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

#define DDL_MAX (512u * 1024)

static int
print_ddl(const struct config_sink *cfg, const struct clickhouse_features *f)
{
	struct text_out out;
	char why[256];
	struct clickhouse_table *t = clickhouse_table_from_config(cfg, why, sizeof why);

	if (t == NULL) {
		ctl_say("sink %s: column: %s", cfg->name, why);
		return CTL_FAILED;
	}
	text_init(&out, DDL_MAX);
	clickhouse_table_create_database(t, &out);
	text_add(&out, ";\n");
	clickhouse_table_create(t, f, &out);
	(void)printf("%s;\n", out.buf);
	text_free(&out);
	clickhouse_table_free(t);
	return CTL_OK;
}

int
ctl_clickhouse_ddl(struct ctl *ctl, int argc, char **argv)
{
	static const struct option options[] = {{"sink", required_argument, NULL, 's'},
	    {"old", no_argument, NULL, 'o'}, {NULL, 0, NULL, 0}};
	static const struct clickhouse_features old; /* an old server has none of them */
	const struct clickhouse_features *f = NULL;
	const char *name = NULL;
	int c, found = 0, rc = CTL_OK;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 's')
			name = optarg;
		else if (c == 'o')
			f = &old;
		else
			return ctl_usage(argv[0], "--sink NAME and --old are all there is");
	}
	if (optind != argc)
		return ctl_usage(argv[0], "what is %s?", argv[optind]);
	if (ctl->cfg == NULL) {
		ctl_say("no configuration file was read: give --config");
		return CTL_FAILED;
	}
	for (int i = 0; i < ctl->cfg->sinks; i++) {
		const struct config_sink *s = &ctl->cfg->sink[i];

		if (s->kind != CONFIG_SINK_CLICKHOUSE ||
		    (name != NULL && strcmp(name, s->name) != 0))
			continue;
		if (found++ > 0)
			(void)putchar('\n');
		if (print_ddl(s, f) != CTL_OK)
			rc = CTL_FAILED;
	}
	if (found > 0)
		return rc;
	if (name != NULL)
		ctl_say("the configuration has no sink %s of kind clickhouse", name);
	else
		ctl_say("the configuration has no sink of kind clickhouse");
	return CTL_FAILED;
}
