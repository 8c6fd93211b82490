/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_send_report - how sending goes and how it went
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef DAEMON_CTL_SEND_REPORT_H
#define DAEMON_CTL_SEND_REPORT_H

#include "common/clock.h"
#include "daemon/ctl_send.h"

#define CTL_SEND_SAMPLES   11
#define CTL_SEND_SAMPLE_NS (CLOCK_NS_PER_S / 2)

struct ctl_send_report {
	uint64_t sent;	 /* events, each once */
	uint64_t resent; /* events, each time again */
	uint64_t split;	 /* batches the listener found too large */
	uint64_t broken; /* requests whose connection broke */
	uint64_t verdict[CTL_SEND_VERDICTS]; /* answers; retry and unknown are not final */
	uint64_t undecided;
	uint64_t undelivered; /* events of the input that were never sent */
	bool has_more;	      /* at least so many: it did not end */
	uint64_t start_ns, end_ns, said_ns;
	struct {
		uint64_t at_ns, decided;
	} recent[CTL_SEND_SAMPLES]; /* the newest first */
	unsigned samples;
	bool has_line; /* a progress line stands on the terminal */
	char ack[16];
	unsigned shown;
	struct {
		uint64_t line;
		char code[64], message[160], pointer[80];
	} invalid[CTL_SEND_SHOWN];
};

void ctl_send_report_invalid(struct ctl_send_report *r, uint64_t line, struct bytes code,
    struct bytes message, struct bytes pointer);
/* The weakest level that an answer named is kept. */
void ctl_send_report_ack(struct ctl_send_report *r, struct bytes ack);
/* Events decided a second in the last five seconds, or since the start; to be
 * called at least twice a second. */
double ctl_send_report_rate(struct ctl_send_report *r, uint64_t now_ns);
/* A line on stderr that is written over on a terminal, else one every five seconds. */
void ctl_send_report_progress(struct ctl_send_report *r, const struct ctl_send_input *in,
    uint64_t now_ns);
/* The summary on stdout. */
void ctl_send_report_print(struct ctl_send_report *r, bool is_json);

#endif
