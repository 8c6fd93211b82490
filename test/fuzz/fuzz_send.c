/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	fuzz_send - any bytes as the answer to a batch
 *
 * DESCRIPTION
 *	What sluicectl send makes of a server that answers anything: head, body
 *	and the result of each event, from allocations of exactly the size.
 *
 * PROCESS
 *	A test program.
 *
 * SHARED STATE
 *	None.
 */
#include "daemon/ctl_send.h"

#include <stdlib.h>
#include <string.h>

#define EVENTS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool is_true)
{
	if (!is_true)
		abort();
}

static bool
lies_in(struct bytes view, const uint8_t *buf, size_t len)
{
	return view.len == 0 || (view.ptr >= buf && view.ptr + view.len <= buf + len);
}

static void
read_body(const uint8_t *data, size_t size)
{
	struct ctl_send_result r[EVENTS] = { 0 };
	uint8_t *body = malloc(size + 1);
	struct bytes view = bytes_of(body, size);
	char text[64];

	memcpy(body, data, size);
	for (uint32_t n = 1; n <= EVENTS; n++) {
		if (ctl_send_answer_results(view, n, r) != 0)
			continue;
		for (uint32_t i = 0; i < n; i++) {
			check(r[i].verdict < CTL_SEND_VERDICTS);
			check(lies_in(r[i].code, body, size) && lies_in(r[i].message, body, size) &&
			    lies_in(r[i].pointer, body, size));
		}
	}
	check(strlen(ctl_send_answer_error(view, text, sizeof text)) < sizeof text);
	check(lies_in(ctl_send_answer_ack(view), body, size));
	free(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *buf = malloc(size + 1);
	struct ctl_send_answer answer;
	size_t body_len = 0;
	int head;

	memcpy(buf, data, size);
	head = ctl_send_conn_head(buf, size, &body_len, &answer);
	check(head >= -1 && head <= (int)size);
	if (head > 0)
		check(answer.status >= 100 && answer.status <= 999 && answer.retry_after_s <= 60);
	read_body(data + (head > 0 ? head : 0), size - (head > 0 ? (size_t)head : 0));
	free(buf);
	return 0;
}
