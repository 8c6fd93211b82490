/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	deadletter_format - the bytes of a dead-letter file
 *
 * PROCESS
 *	Sinks, the deadletter stage, sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/deadletter_format.h"

#include "common/crc32c.h"
#include "common/panic.h"

#include <stdio.h>
#include <stdlib.h>

#define CRC_FROM 8

static size_t
strings_len(const struct deadletter_head *h)
{
	return bytes_round_up((size_t)h->stage_len + h->code_len + h->text_len, 8);
}

static struct deadletter_head
head_of(const struct deadletter_info *info, size_t frame_len)
{
	struct deadletter_head h = {
	    .magic = DEADLETTER_MAGIC,
	    .version = DEADLETTER_VERSION,
	    .header_len = sizeof h,
	    .first_ns = info->first_ns,
	    .last_ns = info->last_ns,
	    .pos = info->pos,
	    .seq = info->seq,
	    .stream = info->stream,
	    .attempts = info->attempts,
	    .frame_len = (uint32_t)frame_len,
	    .stage_len = (uint16_t)strnlen(info->stage, sizeof info->stage - 1),
	    .code_len = (uint16_t)strnlen(info->code, sizeof info->code - 1),
	    .text_len = (uint16_t)strnlen(info->text, sizeof info->text - 1),
	};

	assert_that(frame_len <= FRAME_MAX_LEN);
	h.record_len = (uint32_t)(sizeof h + strings_len(&h) + bytes_round_up(frame_len, 8));
	return h;
}

size_t
deadletter_format_len(const struct deadletter_info *info, size_t frame_len)
{
	return head_of(info, frame_len).record_len;
}

void
deadletter_format_put(uint8_t *at, const struct deadletter_info *info, struct bytes frame)
{
	struct deadletter_head h = head_of(info, frame.len);
	uint8_t *to = at + sizeof h;

	memset(at, 0, h.record_len);
	memcpy(at, &h, sizeof h);
	memcpy(to, info->stage, h.stage_len);
	memcpy(to + h.stage_len, info->code, h.code_len);
	memcpy(to + h.stage_len + h.code_len, info->text, h.text_len);
	if (frame.len > 0)
		memcpy(to + strings_len(&h), frame.ptr, frame.len);
}

static uint32_t
crc_of(const uint8_t *at, uint32_t len, uint64_t salt)
{
	return crc32c(crc32c(0, &salt, sizeof salt), at + CRC_FROM, len - CRC_FROM);
}

size_t
deadletter_format_seal(uint8_t *at, uint64_t salt)
{
	struct deadletter_head h;

	memcpy(&h, at, sizeof h);
	h.crc = crc_of(at, h.record_len, salt);
	memcpy(at, &h, sizeof h);
	return h.record_len;
}

static bool
lengths_fit(const struct deadletter_head *h)
{
	return h->magic == DEADLETTER_MAGIC && h->version == DEADLETTER_VERSION &&
	       h->header_len == sizeof *h && h->frame_len <= FRAME_MAX_LEN &&
	       h->stage_len < sizeof((struct deadletter_info *)0)->stage &&
	       h->code_len < DEADLETTER_CODE_SIZE && h->text_len < DEADLETTER_TEXT_SIZE &&
	       h->record_len <= DEADLETTER_MAX_LEN &&
	       h->record_len ==
		   sizeof *h + strings_len(h) + bytes_round_up((size_t)h->frame_len, 8);
}

enum deadletter_format_result
deadletter_format_check(
    const uint8_t *at, size_t avail, uint64_t salt, struct deadletter_record *out, size_t *need)
{
	struct deadletter_head h;
	const uint8_t *from;

	*need = sizeof h;
	if (avail < sizeof h)
		return DEADLETTER_FORMAT_SHORT;
	memcpy(&h, at, sizeof h);
	if (!lengths_fit(&h))
		return DEADLETTER_FORMAT_BAD;
	*need = h.record_len;
	if (avail < h.record_len)
		return DEADLETTER_FORMAT_SHORT;
	if (crc_of(at, h.record_len, salt) != h.crc)
		return DEADLETTER_FORMAT_BAD;
	*out = (struct deadletter_record){.len = h.record_len};
	from = at + sizeof h;
	memcpy(out->info.stage, from, h.stage_len);
	memcpy(out->info.code, from + h.stage_len, h.code_len);
	memcpy(out->info.text, from + h.stage_len + h.code_len, h.text_len);
	out->info.attempts = h.attempts;
	out->info.first_ns = h.first_ns;
	out->info.last_ns = h.last_ns;
	out->info.stream = h.stream;
	out->info.pos = h.pos;
	out->info.seq = h.seq;
	out->frame = bytes_of(from + strings_len(&h), h.frame_len);
	return DEADLETTER_FORMAT_OK;
}

/*---------------------------------------------------------------------------*
 * Files and names
 *---------------------------------------------------------------------------*/

static uint32_t
file_crc(const struct deadletter_file_head *h)
{
	return crc32c(0, &h->salt, sizeof h->salt + sizeof h->created_ns);
}

void
deadletter_format_file(struct deadletter_file_head *h, uint64_t salt, uint64_t created_ns)
{
	*h = (struct deadletter_file_head){.magic = DEADLETTER_FILE_MAGIC,
	    .version = DEADLETTER_VERSION,
	    .salt = salt,
	    .created_ns = created_ns};
	h->crc = file_crc(h);
}

bool
deadletter_format_is_file(const struct deadletter_file_head *h)
{
	return h->magic == DEADLETTER_FILE_MAGIC && h->version == DEADLETTER_VERSION &&
	       h->crc == file_crc(h);
}

void
deadletter_format_name(uint32_t number, char name[DEADLETTER_NAME_LEN])
{
	assert_that(number > 0 && number <= 99999999);
	(void)snprintf(name, DEADLETTER_NAME_LEN, "%08u.dead", number);
}

uint32_t
deadletter_format_number(const char *name)
{
	if (strspn(name, "0123456789") != 8 || strcmp(name + 8, ".dead") != 0)
		return 0;
	return (uint32_t)strtoul(name, NULL, 10);
}

void
deadletter_format_id(const char *stage, uint32_t file, uint64_t off, char id[DEADLETTER_ID_SIZE])
{
	(void)snprintf(
	    id, DEADLETTER_ID_SIZE, "%.39s-%u-%llu", stage, file, (unsigned long long)off);
}

static bool
parse_number(const char *from, const char *to, uint64_t max, uint64_t *out)
{
	uint64_t value = 0;

	if (from == to || to - from > 19 || (*from == '0' && to - from > 1))
		return false;
	for (; from < to; from++) {
		if (*from < '0' || *from > '9')
			return false;
		value = value * 10 + (uint64_t)(*from - '0');
	}
	*out = value;
	return value <= max;
}

/* A stage's name may have hyphens: from the right. */
bool
deadletter_format_parse_id(const char *id, char stage[40], uint32_t *file, uint64_t *off)
{
	size_t len = strnlen(id, DEADLETTER_ID_SIZE);
	const char *last, *before;
	uint64_t number;

	if (len == DEADLETTER_ID_SIZE || (last = memrchr(id, '-', len)) == NULL ||
	    (before = memrchr(id, '-', (size_t)(last - id))) == NULL)
		return false;
	if (before == id || before - id >= 40 ||
	    !parse_number(last + 1, id + len, UINT64_MAX, off) ||
	    !parse_number(before + 1, last, 99999999, &number) || number == 0)
		return false;
	*file = (uint32_t)number;
	(void)snprintf(stage, 40, "%.*s", (int)(before - id), id);
	return true;
}
