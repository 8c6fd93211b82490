/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	instance - who this installation is, kept in the state directory
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	STATE/instance.
 */
#include "daemon/instance.h"

#include "common/panic.h"
#include "common/siphash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define FILE_MAX_BYTES 1024
#define PATH_BYTES     512

void
instance_uuid_text(const uint8_t uuid[16], char text[INSTANCE_UUID_TEXT])
{
	char *at = text;

	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*at++ = '-';
		at += snprintf(at, 3, "%02x", uuid[i]);
	}
}

void
instance_key_check(const uint8_t key[16], uint8_t check[8])
{
	static const char text[] = "sluice dedup key check";
	struct siphash h = siphash_128(key, text, sizeof text - 1);

	memcpy(check, &h.lo, 8);
}

void
instance_make(struct instance *out)
{
	*out = (struct instance){.generation = 0};
	if (getrandom(out->uuid, sizeof out->uuid, 0) != (ssize_t)sizeof out->uuid ||
	    getrandom(out->dedup_key, sizeof out->dedup_key, 0) != (ssize_t)sizeof out->dedup_key)
		fatal("the kernel gives no random bytes: %s", strerror(errno));
	out->uuid[6] = (uint8_t)((out->uuid[6] & 0x0f) | 0x40);
	out->uuid[8] = (uint8_t)((out->uuid[8] & 0x3f) | 0x80);
}

/* 32 hexadecimal digits, hyphens between them allowed, then the end. */
static bool
parse_hex16(const char *text, uint8_t out[16])
{
	static const char digits[] = "0123456789abcdef";
	int n = 0;

	memset(out, 0, 16);
	for (; *text != '\0'; text++) {
		const char *d = strchr(digits, *text);

		if (*text == '-')
			continue;
		if (d == NULL || n == 32)
			return false;
		out[n / 2] = (uint8_t)(out[n / 2] << 4 | (d - digits));
		n++;
	}
	return n == 32;
}

enum instance_result
instance_parse(const char *bytes, size_t len, struct instance *out)
{
	enum { UUID = 1, GENERATION = 2, KEY = 4, END = 8 };
	char copy[FILE_MAX_BYTES + 1], *rest = copy, *line;
	int seen = 0;

	if (len == 0 || len > FILE_MAX_BYTES || memchr(bytes, '\0', len) != NULL)
		return INSTANCE_BAD;
	memcpy(copy, bytes, len);
	copy[len] = '\0';
	*out = (struct instance){.generation = 0};
	while ((line = strsep(&rest, "\n")) != NULL) {
		char *end;

		if (*line == '\0' || *line == '#')
			continue;
		if (strncmp(line, "uuid ", 5) == 0 && parse_hex16(line + 5, out->uuid)) {
			seen |= UUID;
		} else if (strncmp(line, "dedup-key ", 10) == 0 &&
			   parse_hex16(line + 10, out->dedup_key)) {
			seen |= KEY;
		} else if (strncmp(line, "generation ", 11) == 0 && line[11] >= '0' &&
			   line[11] <= '9') {
			errno = 0;
			out->generation = strtoull(line + 11, &end, 10);
			if (*end != '\0' || errno != 0)
				return INSTANCE_BAD;
			seen |= GENERATION;
		} else if (strcmp(line, "end") == 0) {
			seen |= END;
		} else {
			return INSTANCE_BAD;
		}
	}
	return seen == (UUID | GENERATION | KEY | END) ? INSTANCE_OK : INSTANCE_BAD;
}

enum instance_result
instance_load(const char *state_dir, struct instance *out, char *text, size_t size)
{
	char path[PATH_BYTES], bytes[FILE_MAX_BYTES + 1];
	ssize_t len;
	int fd;

	(void)snprintf(path, sizeof path, "%s/instance", state_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd == -1) {
		(void)snprintf(text, size, "%s: %s", path, strerror(errno));
		return errno == ENOENT ? INSTANCE_ABSENT : INSTANCE_ERROR;
	}
	len = read(fd, bytes, sizeof bytes);
	if (len == -1) {
		(void)snprintf(text, size, "%s: %s", path, strerror(errno));
		close(fd);
		return INSTANCE_ERROR;
	}
	close(fd);
	if (instance_parse(bytes, (size_t)len, out) != INSTANCE_OK) {
		(void)snprintf(text, size,
		    "%s: not an instance file, or cut short: restore it from a backup; without it "
		    "receipts and the memory of events that were seen are lost",
		    path);
		return INSTANCE_BAD;
	}
	return INSTANCE_OK;
}

static int
write_durably(const char *path, const char *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int saved;

	if (fd == -1)
		return -1;
	if (write(fd, bytes, len) == (ssize_t)len && fsync(fd) == 0)
		return close(fd);
	saved = errno == 0 ? EIO : errno;
	close(fd);
	errno = saved;
	return -1;
}

static int
sync_folder(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc;

	if (fd == -1)
		return -1;
	rc = fsync(fd);
	close(fd);
	return rc;
}

int
instance_save(const char *state_dir, const struct instance *i, char *text, size_t size)
{
	char path[PATH_BYTES], new_path[PATH_BYTES], bytes[FILE_MAX_BYTES];
	char uuid[INSTANCE_UUID_TEXT], key[INSTANCE_UUID_TEXT];
	int len;

	(void)snprintf(path, sizeof path, "%s/instance", state_dir);
	(void)snprintf(new_path, sizeof new_path, "%s/instance.new", state_dir);
	instance_uuid_text(i->uuid, uuid);
	instance_uuid_text(i->dedup_key, key);
	len = snprintf(bytes, sizeof bytes,
	    "# Who this sluice is.  Keep it with the journal; keep it secret.\n"
	    "uuid %s\ngeneration %llu\ndedup-key %s\nend\n",
	    uuid, (unsigned long long)i->generation, key);
	if (write_durably(new_path, bytes, (size_t)len) == -1 || rename(new_path, path) == -1 ||
	    sync_folder(state_dir) == -1) {
		(void)snprintf(text, size, "%s: cannot be written: %s", path, strerror(errno));
		return -1;
	}
	return 0;
}
