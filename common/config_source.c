/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	config_source - the files a configuration is read from
 *
 * PROCESS
 *	Those that load a configuration.
 *
 * SHARED STATE
 *	None.
 */
#include "common/config_source.h"

#include "common/config_errors.h"
#include "common/panic.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* `where` is the line of the include, or the file itself when it is the first. */
static void
complain(struct config_parser *p, const char *what, const char *path, const char *why)
{
	if (p->source != NULL)
		config_errors_add(p->errs, "%s:%d: include: %s%s: %s", p->source->name,
		    p->source->line, what, path, why);
	else
		config_errors_add(p->errs, "%s: %s%s", path, what, why);
}

/* The whole file, or -1 with `why` filled.  At most one byte more than is
 * allowed is read, so that an endless file ends here. */
static ssize_t
read_all(int fd, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len < size) {
		if ((n = read(fd, buf + len, size - len)) == -1) {
			if (errno == EINTR)
				continue;
			return -1;
		}
		if (n == 0)
			break;
		len += (size_t)n;
	}
	return (ssize_t)len;
}

static bool
is_inside_itself(const struct config_parser *p, const struct stat *st)
{
	const struct config_source *s;

	for (s = p->source; s != NULL; s = s->outer)
		if (s->dev == st->st_dev && s->ino == st->st_ino)
			return true;
	return false;
}

void
config_parse_file(struct config_parser *p, const char *path)
{
	struct config_source source = {.name = path};
	char *buf = NULL;
	struct stat st;
	ssize_t len;
	int fd;

	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) == -1 || fstat(fd, &st) == -1) {
		complain(p, "cannot be read: ", path, strerror(errno));
		goto out;
	}
	if (S_ISDIR(st.st_mode)) {
		complain(p, "", path, "is a folder, not a file");
		goto out;
	}
	if (is_inside_itself(p, &st)) {
		complain(p, "", path, "the file would include itself");
		goto out;
	}
	if (p->names_n == CONFIG_INCLUDE_FILES_MAX) {
		complain(p, "", path, "too many files are included");
		goto out;
	}
	buf = xcalloc(1, CONFIG_FILE_MAX_BYTES + 1);
	if ((len = read_all(fd, buf, CONFIG_FILE_MAX_BYTES + 1)) == -1) {
		complain(p, "cannot be read: ", path, strerror(errno));
		goto out;
	}
	if (len > CONFIG_FILE_MAX_BYTES) {
		complain(p, "", path, "has more than 1 MiB: this is no configuration");
		goto out;
	}
	source.dev = st.st_dev;
	source.ino = st.st_ino;
	config_parse_source(p, &source, buf, (size_t)len);
out:
	if (fd != -1)
		(void)close(fd);
	free(buf);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void
include_pattern(struct config_parser *p, const char *pattern)
{
	glob_t found = {0};
	size_t i;
	int rc;

	rc = glob(pattern, GLOB_ERR | GLOB_NOSORT, NULL, &found);
	if (rc == GLOB_ABORTED)
		complain(p, "the folder cannot be read: ", pattern, strerror(errno));
	else if (rc == GLOB_NOSPACE)
		complain(p, "", pattern, "out of memory");
	if (rc == 0) {
		/* By bytes: the order must not depend on anybody's language. */
		qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, by_name);
		for (i = 0; i < found.gl_pathc; i++) {
			p->section = CONFIG_SECTIONS;
			config_parse_file(p, found.gl_pathv[i]);
		}
	}
	globfree(&found);
}

void
config_source_include(struct config_parser *p)
{
	const char *word = p->lex->word[1], *name = p->source->name, *slash;
	char *path;

	if (!p->may_include) {
		config_errors_add(
		    p->errs, "%s:%d: include: not possible here", name, p->source->line);
		return;
	}
	if (p->lex->n != 2 || word[0] == '\0') {
		config_errors_add(p->errs,
		    "%s:%d: include: takes one file or pattern (try include "
		    "/etc/sluice/conf.d/*.conf)",
		    name, p->source->line);
		return;
	}
	if (p->source->depth == CONFIG_INCLUDE_DEPTH_MAX) {
		config_errors_add(p->errs,
		    "%s:%d: include: files are included %d deep, no more is "
		    "possible",
		    name, p->source->line, CONFIG_INCLUDE_DEPTH_MAX);
		return;
	}
	/* A relative path starts where the file that says it lies. */
	slash = strrchr(name, '/');
	if (word[0] == '/' || slash == NULL)
		path = xstrdup(word);
	else
		path = xasprintf("%.*s/%s", (int)(slash - name), name, word);
	if (strpbrk(path, "*?[") != NULL)
		include_pattern(p, path);
	else
		config_parse_file(p, path);
	free(path);
}
