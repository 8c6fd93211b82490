/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	instance - who this installation is, kept in the state directory
 *
 * DESCRIPTION
 *	STATE/instance is a small text file (0600): the UUID that receipts
 *	begin with, the generation of the region, and the secret key of the
 *	dedup hash.  It is replaced as a whole: a temporary file, fsync, rename,
 *	fsync of the folder.  The generation grows before each new region, so
 *	that no two regions ever share one.
 *
 * PROCESS
 *	The supervisor.
 *
 * SHARED STATE
 *	The file; the supervisor that holds STATE/sluiced.lock writes it.
 */
#ifndef DAEMON_INSTANCE_H
#define DAEMON_INSTANCE_H

#include <stddef.h>
#include <stdint.h>

#define INSTANCE_UUID_TEXT 37

struct instance {
	uint8_t uuid[16];
	uint8_t dedup_key[16];
	uint64_t generation;
};

enum instance_result {
	INSTANCE_OK = 0,
	INSTANCE_ABSENT,
	INSTANCE_BAD,   /* the file says something else: see the text */
	INSTANCE_ERROR, /* a system call failed: see the text */
};

/* text (size bytes) says what went wrong, ready for a log line. */
enum instance_result instance_load(const char *state_dir, struct instance *out, char *text,
    size_t size) __attribute__((warn_unused_result));
/* Durable when it returns 0; -1 with the text. */
int instance_save(const char *state_dir, const struct instance *i, char *text, size_t size)
    __attribute__((warn_unused_result));
/* A new UUID (version 4) and key, generation 0. */
void instance_make(struct instance *out);

/* The file's bytes; len without the NUL.  False: not an instance file. */
enum instance_result instance_parse(const char *bytes, size_t len, struct instance *out)
    __attribute__((warn_unused_result));
void instance_uuid_text(const uint8_t uuid[16], char text[INSTANCE_UUID_TEXT]);
/* What the region keeps of the key: enough to see that it is another. */
void instance_key_check(const uint8_t key[16], uint8_t check[8]);

#endif
