/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_config - any bytes are a configuration or a list of mistakes
 *
 * DESCRIPTION
 *	What loads must print, load again and print the same; what does not
 *	load must say why.
 *
 * PROCESS
 *	A fuzzer.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config.h"
#include "common/panic.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *
print(const struct config *cfg, size_t *len)
{
	char *text = NULL;
	FILE *to = open_memstream(&text, len);

	assert_that(to != NULL);
	config_print(cfg, to);
	(void)fclose(to);
	return text;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errs = {0};
	struct config *first, *second;
	char *once, *twice;
	size_t once_len, twice_len;

	if (config_parse_memory("fuzz", (const char *)data, size, &first, &errs) != CONFIG_OK) {
		assert_that(first == NULL && errs.n > 0);
		config_errors_free(&errs);
		return 0;
	}
	assert_that(errs.n == 0 && first->listens > 0 && first->stream_slots >= first->processes);
	once = print(first, &once_len);
	if (config_parse_memory("again", once, once_len, &second, &errs) != CONFIG_OK) {
		config_errors_print(&errs, stderr);
		PANIC("what was printed does not load");
	}
	twice = print(second, &twice_len);
	assert_that(once_len == twice_len && memcmp(once, twice, once_len) == 0);
	assert_that(memcmp(first, second, sizeof *first) == 0);
	free(once);
	free(twice);
	config_free(first);
	config_free(second);
	return 0;
}
