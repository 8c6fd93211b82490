/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_format - the bytes of a dead-letter file
 *
 * DESCRIPTION
 *	A file begins with struct deadletter_file_head; records follow, each a
 *	multiple of 8 bytes long:
 *
 *	struct deadletter_head | stage, code, text, zeros to 8 | frame, zeros to 8
 *
 *	The CRC covers everything from byte 8 on and begins with the file's
 *	salt: a producer cannot put into an event what would pass for a record.
 *	All integers are little-endian.
 *
 * PROCESS
 *	Written by sinks and the deadletter stage; read by that and sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_DEADLETTER_FORMAT_H
#define WORKERS_DEADLETTER_FORMAT_H

#include "shm/frame.h"
#include "workers/deadletter.h"

#define DEADLETTER_MAGIC      0x314c4453u /* "SDL1" */
#define DEADLETTER_FILE_MAGIC 0x31454c4944414544ull /* "DEADILE1" */
#define DEADLETTER_VERSION    1
#define DEADLETTER_NAME_LEN   14 /* NNNNNNNN.dead and NUL */
/* No record is longer, whatever a file says. */
#define DEADLETTER_MAX_LEN (FRAME_MAX_LEN + 4096u)

struct deadletter_file_head {
	uint64_t magic;
	uint32_t version;
	uint32_t crc; /* of what follows */
	uint64_t salt;
	uint64_t created_ns;
};

struct deadletter_head {
	uint32_t magic;
	uint32_t crc;
	uint32_t record_len; /* all of it, padding included */
	uint16_t version;
	uint16_t header_len;
	uint64_t first_ns, last_ns;
	uint64_t pos, seq;
	uint32_t stream;
	uint32_t attempts;
	uint32_t frame_len;
	uint16_t stage_len, code_len, text_len;
	uint16_t reserved[3];
};

_Static_assert(sizeof(struct deadletter_file_head) == 32, "head of a file");
_Static_assert(sizeof(struct deadletter_head) == 72, "head of a record");

/* A record that was read. */
struct deadletter_record {
	struct deadletter_info info;
	struct bytes frame; /* may be empty; not yet checked */
	uint32_t len;
};

enum deadletter_format_result {
	DEADLETTER_FORMAT_OK = 0,
	DEADLETTER_FORMAT_SHORT, /* *need bytes have to be there */
	DEADLETTER_FORMAT_BAD,
};

/* Bytes that a record of these parts takes. */
size_t deadletter_format_len(const struct deadletter_info *info, size_t frame_len);
/* The record without its CRC into `at` (deadletter_format_len() bytes). */
void deadletter_format_put(uint8_t *at, const struct deadletter_info *info, struct bytes frame);
/* Its CRC for the file of this salt; returns the record's length. */
size_t deadletter_format_seal(uint8_t *at, uint64_t salt);

/*
 * Is there a whole record in these bytes?  They may be hostile and need not be
 * aligned.  out->frame points into them.
 */
enum deadletter_format_result deadletter_format_check(const uint8_t *at, size_t avail,
    uint64_t salt, struct deadletter_record *out, size_t *need) __attribute__((warn_unused_result));

void deadletter_format_file(struct deadletter_file_head *h, uint64_t salt, uint64_t created_ns);
bool deadletter_format_is_file(const struct deadletter_file_head *h);

void deadletter_format_name(uint32_t number, char name[DEADLETTER_NAME_LEN]);
/* The number in a file's name; 0: no dead-letter file. */
uint32_t deadletter_format_number(const char *name);

/* "STAGE-file-offset"; false: no id. */
void deadletter_format_id(const char *stage, uint32_t file, uint64_t off,
    char id[DEADLETTER_ID_SIZE]);
bool deadletter_format_parse_id(const char *id, char stage[40], uint32_t *file, uint64_t *off);

#endif
