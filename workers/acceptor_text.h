/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	acceptor_text - how answers about events are written, and read back
 *
 * DESCRIPTION
 *	The marks at which the text of a waiting answer is taken apart again
 *	when it turned out otherwise, and what stands behind a batch's results.
 *
 * PROCESS
 *	Acceptors.
 *
 * SHARED STATE
 *	None.
 */
#ifndef WORKERS_ACCEPTOR_TEXT_H
#define WORKERS_ACCEPTOR_TEXT_H

#include "common/config.h"
#include "workers/admit.h"
#include "workers/http_answer.h"

/* Each result begins so, and so does the answer. */
#define ACCEPTOR_TEXT_OPEN   "{\"status\":\""
#define ACCEPTOR_TEXT_COUNTS "],\"accepted\":"

struct acceptor_tally {
	uint64_t n[VERDICTS];
};

/* The verdict of this word. */
enum verdict acceptor_text_verdict(struct bytes word);
/* The counts, the level, the time, and the end of a batch's answer. */
void acceptor_text_end(struct http_out *out, const struct acceptor_tally *t, enum config_ack ack);

#endif
