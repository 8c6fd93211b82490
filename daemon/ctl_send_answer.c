/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_send_answer - what the daemon said about each event of a batch
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#include "common/panic.h"
#include "common/split.h"
#include "daemon/ctl_send.h"

#include <stdio.h>
#include <stdlib.h>

#define MEMBERS 32

/* The value of a member, as sent; empty when there is none. */
static struct bytes
member(struct bytes object, const char *name)
{
	struct split_member m[MEMBERS];
	size_t n;

	if (object.len == 0 || split_members(object, MEMBERS, m, &n) != SPLIT_OK)
		return bytes_of(NULL, 0);
	for (size_t i = 0; i < n; i++)
		if (bytes_is(m[i].name, bytes_str(name)))
			return m[i].value;
	return bytes_of(NULL, 0);
}

/* Without its quotes; empty when it is no string. */
static struct bytes
unquoted(struct bytes value)
{
	if (value.len < 2 || value.ptr[0] != '"' || value.ptr[value.len - 1] != '"')
		return bytes_of(NULL, 0);
	return bytes_of(value.ptr + 1, value.len - 2);
}

static struct bytes
string_member(struct bytes object, const char *name)
{
	return unquoted(member(object, name));
}

static int
read_result(struct bytes object, struct ctl_send_result *r)
{
	static const char *const words[CTL_SEND_VERDICTS] = {
	    "accepted", "duplicate", "invalid", "retry", "unknown"};
	struct bytes word = string_member(object, "status"), error;

	*r = (struct ctl_send_result){0};
	for (int v = 0; v < CTL_SEND_VERDICTS; v++) {
		if (!bytes_is(word, bytes_str(words[v])))
			continue;
		r->verdict = (enum ctl_send_verdict)v;
		if (v != CTL_SEND_INVALID)
			return 0;
		error = member(object, "error");
		r->code = string_member(error, "code");
		r->message = string_member(error, "message");
		r->pointer = string_member(error, "pointer");
		return 0;
	}
	return -1;
}

int
ctl_send_answer_results(struct bytes body, uint32_t n, struct ctl_send_result *out)
{
	static struct bytes *elements;
	static uint32_t room;
	struct bytes results = member(split_trim(body), "results");
	size_t found = 0;

	if (results.len == 0)
		return -1;
	if (room < n) {
		free(elements);
		elements = xcalloc(n, sizeof *elements);
		room = n;
	}
	if (split_array(results, n, elements, &found) != SPLIT_OK || found != n)
		return -1;
	for (uint32_t i = 0; i < n; i++)
		if (read_result(elements[i], &out[i]) == -1)
			return -1;
	return 0;
}

struct bytes
ctl_send_answer_ack(struct bytes body)
{
	return string_member(split_trim(body), "ack");
}

const char *
ctl_send_answer_error(struct bytes body, char *buf, size_t size)
{
	struct bytes error = member(split_trim(body), "error");
	struct bytes code = string_member(error, "code"), text = string_member(error, "message");

	if (code.len > 0)
		(void)snprintf(
		    buf, size, "%.*s: %.*s", (int)code.len, code.ptr, (int)text.len, text.ptr);
	else
		(void)snprintf(buf, size, "%.*s", (int)(body.len > 200 ? 200 : body.len),
		    body.len == 0 ? "" : (const char *)body.ptr);
	for (char *p = buf; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = ' ';
	return buf;
}
