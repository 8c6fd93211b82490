/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_files - can the files that a configuration names be read?
 *
 * PROCESS
 *	sluiced -n.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_files.h"

#include "common/config_errors.h"
#include "common/kafka_option.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int
check(struct config_errors *errs, const char *where, const char *key, const char *path)
{
	int fd, error = 0;
	char byte;

	if (path[0] == '\0')
		return 0;
	/* Not to wait for whoever writes into a pipe. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1 || read(fd, &byte, 1) == -1)
		error = errno;
	if (fd != -1)
		(void)close(fd);
	if (error == 0)
		return 0;
	config_errors_add(errs, "%s: %s: %s cannot be read: %s%s", where, key, path,
	    strerror(error),
	    error == EACCES && geteuid() != 0 ? " (check as the user who starts sluiced)" : "");
	return 1;
}

static int
check_options(struct config_errors *errs, const char *where, const struct config_list *option)
{
	int n = 0;

	for (int i = 0; i < option->n; i++) {
		const char *line = option->at[i], *value;
		size_t len = strcspn(line, " \t");
		char key[CONFIG_LIST_TEXT + 8];

		value = line + len + strspn(line + len, " \t");
		/* "probe" is a word of librdkafka, not a file. */
		if (kafka_option_text_of(line, len) == NULL || *value != '/')
			continue;
		(void)snprintf(key, sizeof key, "option %.*s", (int)len, line);
		n += check(errs, where, key, value);
	}
	return n;
}

int
config_files_check(const struct config *cfg, struct config_errors *errs)
{
	char where[CONFIG_NAME_SIZE + 8];
	int n = 0;

	for (int i = 0; i < cfg->sinks; i++) {
		const struct config_sink *s = &cfg->sink[i];

		(void)snprintf(where, sizeof where, "sink %s", s->name);
		n += check(errs, where, "password-file", s->password_file);
		n += check(errs, where, "secret-file", s->secret_file);
		n += check(errs, where, "ca-file", s->ca_file);
		n += check_options(errs, where, &s->option);
	}
	n += check(errs, "deadletter", "copy-redis-password-file",
	    cfg->deadletter.copy_redis_password_file);
	return n;
}
