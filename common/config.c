/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config - the configuration, as one object that never changes
 *
 * PROCESS
 *	Loaded by the supervisor; read by all.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config.h"

#include "common/config_check.h"
#include "common/config_errors.h"
#include "common/config_parse.h"
#include "common/panic.h"

#include <stdlib.h>

static struct config_parser *
begin(struct config_errors *errs)
{
	struct config_parser *p = xcalloc(1, sizeof *p);

	/* xcalloc: padding must be zero, objects are compared by memcmp(). */
	config_parse_init(p, xcalloc(1, sizeof(struct config)), errs);
	return p;
}

/* `errs` may hold lines of an earlier load; `had` is their number. */
static enum config_result
finish(struct config_parser *p, const char *name, int had, struct config **out)
{
	enum config_result result = CONFIG_OK;

	/* A file that could not be read has no name here and nothing to check. */
	if (p->names_n > 0)
		config_check(p, name);
	*out = p->cfg;
	if (p->errs->n > had || p->errs->unlisted > 0) {
		config_free(p->cfg);
		*out = NULL;
		result = CONFIG_INVALID;
	}
	config_parse_done(p);
	free(p);
	return result;
}

enum config_result
config_load(const char *path, struct config **out, struct config_errors *errs)
{
	struct config_parser *p = begin(errs);
	int had = errs->n;

	p->may_include = true;
	config_parse_file(p, path);
	return finish(p, path, had, out);
}

enum config_result
config_parse_memory(
    const char *name, const char *text, size_t len, struct config **out, struct config_errors *errs)
{
	struct config_parser *p = begin(errs);
	int had = errs->n;

	config_parse_text(p, name, text, len);
	return finish(p, name, had, out);
}

void
config_free(struct config *cfg)
{
	free(cfg);
}

const char *
config_ack_word(enum config_ack ack)
{
	const struct config_word *w;

	for (w = config_table_words(CONFIG_TYPE_ACK); w->word != NULL; w++)
		if (w->value == (int)ack)
			return w->word;
	PANIC("no such ack: %d", (int)ack);
}

const char *
config_sink_kind_word(enum config_sink_kind kind)
{
	const struct config_word *w;

	for (w = config_table_words(CONFIG_TYPE_SINK_KIND); w->word != NULL; w++)
		if (w->value == (int)kind)
			return w->word;
	PANIC("no such kind of sink: %d", (int)kind);
}

int
config_claim_sink(const struct config *cfg)
{
	int i;

	for (i = 0; i < cfg->sinks; i++)
		if (cfg->sink[i].kind == CONFIG_SINK_REDIS)
			return i;
	return -1;
}
