/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_positions - the record that says how far a transaction went
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None.
 */
#include "workers/kafka_positions.h"

#include <stdio.h>

#define HEAD "sluice-positions 1\n"

size_t
kafka_positions_print(const struct kafka_positions *p, char buf[KAFKA_POSITIONS_SIZE])
{
	size_t len = sizeof HEAD - 1;

	memcpy(buf, HEAD, len);
	for (unsigned i = 0; i < KAFKA_POSITIONS_STREAMS; i++) {
		int n;

		if (p->at[i].pos == 0)
			continue;
		n = snprintf(buf + len, KAFKA_POSITIONS_SIZE - len, "%u %llu %llu\n", i,
		    (unsigned long long)p->at[i].pos, (unsigned long long)p->at[i].seq);
		len += (size_t)n;
	}
	return len;
}

/* A number and the byte behind it; false: no number, or another byte. */
static bool
number(struct bytes *text, uint64_t *value, char behind)
{
	uint64_t v = 0;
	size_t i = 0;

	for (; i < text->len && text->ptr[i] >= '0' && text->ptr[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(text->ptr[i] - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (i == 0 || i >= text->len || text->ptr[i] != (uint8_t)behind)
		return false;
	*text = bytes_of(text->ptr + i + 1, text->len - i - 1);
	*value = v;
	return true;
}

bool
kafka_positions_read(struct kafka_positions *p, struct bytes text)
{
	uint64_t stream, pos, seq;

	memset(p, 0, sizeof *p);
	if (text.len < sizeof HEAD - 1 || memcmp(text.ptr, HEAD, sizeof HEAD - 1) != 0)
		return false;
	text = bytes_of(text.ptr + sizeof HEAD - 1, text.len - (sizeof HEAD - 1));
	while (text.len > 0) {
		if (!number(&text, &stream, ' ') || stream >= KAFKA_POSITIONS_STREAMS ||
		    !number(&text, &pos, ' ') || !number(&text, &seq, '\n')) {
			memset(p, 0, sizeof *p);
			return false;
		}
		p->at[stream] = (struct kafka_place){pos, seq};
	}
	return true;
}
