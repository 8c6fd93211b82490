/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_receipt - sluicectl receipt: what became of one event
 *
 * DESCRIPTION
 *	Asks the deadletter stage; when it does not answer, looks into the shared
 *	memory, the log and the dead letters itself.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	Mapped read-only.
 */
#include "daemon/ctl.h"

#include "common/json.h"
#include "shm/region.h"
#include "workers/deadletter_marks.h"
#include "workers/log_dir.h"
#include "workers/receipt.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 2000

static bool
ask(const struct ctl *ctl, uint32_t stream, uint64_t pos, struct text_out *out)
{
	char path[CONFIG_PATH_SIZE + 64], line[96];

	(void)snprintf(path, sizeof path, "%s/stage/deadletter.sock", ctl->runtime_dir);
	(void)snprintf(line, sizeof line, "receipt %" PRIu32 " %" PRIu64 " json\n", stream, pos);
	if (ctl_ask(path, line, ASK_MS, out) == -1 || out->buf[0] != '{') {
		text_free(out);
		return false;
	}
	while (out->len > 0 && out->buf[out->len - 1] == '\n')
		out->buf[--out->len] = '\0';
	return true;
}

static int
look(const struct ctl *ctl, const struct region *region, uint32_t stream, uint64_t pos,
    struct text_out *out)
{
	static const struct config none;
	struct deadletter_index dead;
	static struct receipt r;
	int log = log_dir_open(ctl->journal_dir, false);

	if (log == -1) {
		ctl_say("%s: %s", ctl->journal_dir, strerror(errno));
		return CTL_UNAVAILABLE;
	}
	deadletter_index_init(&dead, ctl->state_dir);
	if (deadletter_index_refresh(&dead) == -1 || deadletter_marks_load(&dead, NULL, NULL) == -1)
		ctl_say("%s/deadletter: %s: dead letters may be missing below", ctl->state_dir,
		    strerror(errno));
	receipt_open(&r, region, ctl->cfg != NULL ? ctl->cfg : &none, ctl->state_dir, log);
	receipt_note_begin(&r, false);
	receipt_json(&r, &dead, stream, pos, out);
	receipt_close(&r);
	deadletter_index_free(&dead);
	(void)close(log);
	return CTL_OK;
}

static int
code_of(const char *word)
{
	static const char *const bad[] = {"dead", "expired", "corrupt", "lost"};

	if (strcmp(word, "unknown") == 0 || strcmp(word, "unreadable") == 0)
		return CTL_FAILED;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		if (strcmp(word, bad[i]) == 0)
			return CTL_FINDINGS;
	return CTL_OK;
}

/* A line for each member; the worst word's exit code. */
static int
print(struct json_value object, bool is_quiet)
{
	struct json_iter it = json_iter(object);
	struct json_value value;
	struct bytes name, text;
	int rc = CTL_OK, one;

	while (json_next_member(&it, &name, &value)) {
		if (json_is(value, JSON_TYPE_OBJECT)) {
			one = print(value, is_quiet);
		} else {
			text = json_string(value);
			if (!is_quiet)
				(void)printf("%-16.*s %.*s\n", (int)name.len,
				    (const char *)name.ptr, (int)text.len, (const char *)text.ptr);
			one = code_of((const char *)text.ptr);
		}
		if (one == CTL_FAILED || rc == CTL_OK)
			rc = one;
	}
	return rc;
}

static int
show(const struct ctl *ctl, struct text_out *out)
{
	static const char padding[JSON_PADDING];
	struct json_parser *parser = json_parser_new(1u << 20, 16);
	struct json_value root;
	size_t len = out->len;
	int rc = CTL_FAILED;

	if (ctl->is_json)
		(void)puts(out->buf);
	text_add_bytes(out, padding, sizeof padding);
	if (json_parse(parser, bytes_of(out->buf, len), &root) == JSON_OK)
		rc = print(root, ctl->is_json);
	else
		ctl_say("the deadletter stage gave an answer that is not understood");
	json_parser_free(parser);
	return rc;
}

int
ctl_receipt(struct ctl *ctl, int argc, char **argv)
{
	static struct region region;
	char instance[9], ours[9];
	struct text_out out;
	uint32_t stream;
	uint64_t pos;
	int rc;

	if (argc != 2 || !receipt_parse(argv[1], instance, &stream, &pos))
		return ctl_usage("receipt", "say a receipt, such as 5f0c2a11:0:4096");
	if ((rc = ctl_region(ctl, &region)) != CTL_OK)
		return rc;
	receipt_instance(&region, ours);
	text_init(&out, 1u << 20);
	if (strcmp(instance, ours) != 0) {
		ctl_say("%s: not of this node, whose receipts begin with %s", argv[1], ours);
		rc = CTL_FAILED;
	} else if (!ask(ctl, stream, pos, &out)) {
		rc = look(ctl, &region, stream, pos, &out);
	}
	if (rc == CTL_OK)
		rc = show(ctl, &out);
	text_free(&out);
	region_close(&region);
	return rc;
}
