/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	ctl_send - feed a file of events over HTTP, and know what became of each
 *
 * DESCRIPTION
 *	Lines become batches (ctl_send_input), batches travel over connections
 *	(ctl_send_conn), an answer decides each line of its batch
 *	(ctl_send_answer): accepted, duplicate and invalid are final; what is
 *	retry or unknown makes a new batch of the same bytes.  One poll(2) loop
 *	(ctl_send) moves it all.
 *
 *	Nothing grows with the file: as many batches as twice the connections
 *	are alive, and no new line is read before they have shrunk.
 *
 * PROCESS
 *	sluicectl.
 *
 * SHARED STATE
 *	None.
 */
#ifndef DAEMON_CTL_SEND_H
#define DAEMON_CTL_SEND_H

#include "common/bytes.h"

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define CTL_SEND_CONNS_MAX	256
#define CTL_SEND_BATCH_MAX	100000
#define CTL_SEND_BATCH_BYTES	(1u << 20) /* a batch is closed beyond; one line may be more */
#define CTL_SEND_LINE_MAX	(8u << 20)
#define CTL_SEND_SHOWN		10 /* invalid events that are described */

/*---------------------------------------------------------------------------*
 * Batches and where they come from
 *---------------------------------------------------------------------------*/

struct ctl_send_line {
	uint64_t number; /* in the input, from 1 */
	uint32_t off, len;
};

struct ctl_send_batch {
	struct ctl_send_batch *next;
	uint8_t *bytes; /* lines, each with its newline */
	size_t len, size;
	struct ctl_send_line *line;
	uint32_t n, room;
	unsigned tries;
	bool is_half; /* of one that was too large: it has not been sent as it is */
	uint64_t not_before_ns;
};

/* Never NULL (fatal when there is no memory). */
struct ctl_send_batch *ctl_send_batch_new(uint32_t room);
void ctl_send_batch_add(struct ctl_send_batch *b, uint64_t number, struct bytes line);
void ctl_send_batch_free(struct ctl_send_batch *b);

struct ctl_send_input {
	int fd;
	bool at_end;
	uint8_t *buf;
	size_t len, off, size;
	uint64_t lines;	     /* read so far */
	uint64_t bytes;	     /* taken so far */
	uint64_t total;	     /* of a regular file, else 0 */
	int error;	     /* errno of a read that failed */
	uint64_t long_line;  /* number of a line beyond CTL_SEND_LINE_MAX, else 0 */
	bool is_begun;	     /* a line that is not blank was taken */
	bool is_document;    /* it was what an array or pretty-printed JSON begins with */
};

/* fd is the caller's.  Blank lines are counted and not sent. */
void ctl_send_input_open(struct ctl_send_input *in, int fd);
void ctl_send_input_close(struct ctl_send_input *in);
/* Nothing will come any more. */
bool ctl_send_input_is_done(const struct ctl_send_input *in);
/* Up to max lines; NULL: nothing now.  Does not block. */
struct ctl_send_batch *ctl_send_input_take(struct ctl_send_input *in, uint32_t max);
/* How many lines nobody took: reads a file to its end, from a pipe what comes
 * within max_ns; ctl_send_input_is_done() says whether that was all. */
uint64_t ctl_send_input_rest(struct ctl_send_input *in, uint64_t max_ns);

/*---------------------------------------------------------------------------*
 * Connections
 *---------------------------------------------------------------------------*/

struct ctl_send_target {
	struct addrinfo *addresses; /* NULL: unix */
	struct sockaddr_storage unix_address;
	char host[300];	/* for the Host field */
	char path[64];	/* "/events/batch?ack=memory" */
};

/* "http://HOST:PORT" or "unix:PATH".  0, or -1 with why (a sentence). */
int ctl_send_target_open(struct ctl_send_target *t, const char *url, const char *ack,
    const char **why);
void ctl_send_target_close(struct ctl_send_target *t);

enum ctl_send_state {
	CTL_SEND_DOWN = 0,
	CTL_SEND_CONNECTING,
	CTL_SEND_IDLE,
	CTL_SEND_WRITING,
	CTL_SEND_READING,
};

struct ctl_send_conn {
	enum ctl_send_state state;
	int fd;
	const struct addrinfo *address; /* of the last try */
	struct ctl_send_batch *batch;
	char head[640];
	size_t head_len, sent;
	uint8_t *in;
	size_t in_len, in_size, in_max;
	uint64_t not_before_ns; /* DOWN: when to try again */
	uint64_t active_ns;
	unsigned failures; /* in a row */
	int error;	   /* errno of the last one, 0: the peer closed */
};

struct ctl_send_answer {
	unsigned status;
	unsigned retry_after_s;
	bool must_close;
	struct bytes body; /* in the connection's buffer, until its next request */
};

enum ctl_send_event {
	CTL_SEND_PENDING = 0,
	CTL_SEND_ANSWERED, /* *answer is there, the connection is IDLE or DOWN */
	CTL_SEND_BROKEN,   /* the connection is DOWN; its batch is undecided */
	CTL_SEND_NO_HTTP,  /* the peer does not speak HTTP/1.1, or more than it may */
};

void ctl_send_conn_dial(struct ctl_send_conn *c, const struct ctl_send_target *t, uint64_t now_ns);
/* IDLE only; the batch becomes the connection's. */
void ctl_send_conn_start(struct ctl_send_conn *c, const struct ctl_send_target *t,
    struct ctl_send_batch *b, uint64_t now_ns);
/* What poll(2) found (revents, or 0); also ends what has stood still too long. */
enum ctl_send_event ctl_send_conn_step(struct ctl_send_conn *c, short revents, uint64_t now_ns,
    struct ctl_send_answer *answer);
short ctl_send_conn_events(const struct ctl_send_conn *c);
void ctl_send_conn_close(struct ctl_send_conn *c);

/* The head of an answer at buf: its length, 0: not whole yet, -1: no HTTP/1.1.
 * *body_len is the length of the body; answer's status, retry_after_s and must_close are set. */
int ctl_send_conn_head(const uint8_t *buf, size_t len, size_t *body_len,
    struct ctl_send_answer *answer);

/*---------------------------------------------------------------------------*
 * Answers
 *---------------------------------------------------------------------------*/

enum ctl_send_verdict {
	CTL_SEND_ACCEPTED = 0,
	CTL_SEND_DUPLICATE,
	CTL_SEND_INVALID,
	CTL_SEND_RETRY,
	CTL_SEND_UNKNOWN,
	CTL_SEND_VERDICTS,
};

struct ctl_send_result {
	enum ctl_send_verdict verdict;
	struct bytes code, message, pointer; /* of invalid; JSON strings without quotes */
};

/* One for each event of the batch.  0, or -1: the body is not the answer to n
 * events.  Memory is kept between calls. */
int ctl_send_answer_results(struct bytes body, uint32_t n, struct ctl_send_result *out);
/* What an error answer says: "code: message", or the start of its body; returns buf. */
const char *ctl_send_answer_error(struct bytes body, char *buf, size_t size);
/* The word of "ack", or empty. */
struct bytes ctl_send_answer_ack(struct bytes body);

#endif
