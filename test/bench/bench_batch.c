/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_batch - send batches of real events, each event with a fresh key
 *
 * DESCRIPTION
 *	bench_batch --port N [--form ndjson|array] [--ack memory|durable]
 *	    [--connections 4] [--seconds 5] [--rate 0] [--base 1000000000000]
 *	    [--data test/data/clickstream.ndjson]
 *
 *	Each connection holds one request of 1000 events and sends it again as
 *	soon as its answer is whole; --rate bounds the events per second (0: as
 *	fast as answers come).  Every answer must say that all its events were
 *	accepted: anything else is counted and makes the exit status 1.
 *
 *	Prints: events N seconds S rate R bad B duplicate D retry T
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include "test/bench/bench_client.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define BATCH	   1000
#define ANSWER_MAX (4u << 20)
#define CONNS_MAX  64

struct conn {
	int fd;
	uint8_t *request;
	size_t request_len, sent;
	size_t stamp_at[BATCH];
	uint8_t *answer;
	size_t got;
	bool is_busy;
};

static struct conn conns[CONNS_MAX];
static uint64_t next_stamp;
static unsigned long batches, bad, duplicates, retries;
static int epoll_fd;

static void
prepare(struct conn *c, const struct bench_events *in, bool is_array, const char *ack,
    const char *port)
{
	size_t body_len = is_array ? 1 : 0;
	uint8_t *at;

	for (size_t i = 0; i < BATCH; i++)
		body_len += in->line[i % in->n].len + 1;
	c->request = xcalloc(1, body_len + 512);
	at = c->request;
	at += snprintf((char *)at, 512,
	    "POST /events/batch?ack=%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nContent-Type: %s\r\n"
	    "Content-Length: %zu\r\n\r\n",
	    ack, port, is_array ? "application/json" : "application/x-ndjson", body_len);
	if (is_array)
		*at++ = '[';
	for (size_t i = 0; i < BATCH; i++) {
		struct bytes line = in->line[i % in->n];

		memcpy(at, line.ptr, line.len);
		c->stamp_at[i] = (size_t)(at - c->request) + in->stamp_off[i % in->n];
		at += line.len;
		*at++ = !is_array ? '\n' : i + 1 < BATCH ? ',' : ']';
	}
	c->request_len = (size_t)(at - c->request);
	c->answer = xcalloc(1, ANSWER_MAX);
}

static void
go_on(struct conn *c)
{
	while (c->sent < c->request_len) {
		ssize_t n = write(c->fd, c->request + c->sent, c->request_len - c->sent);

		if (n == -1 && errno == EAGAIN)
			return;
		if (n == -1)
			fatal("write: %s", strerror(errno));
		c->sent += (size_t)n;
	}
}

static void
begin(struct conn *c)
{
	for (size_t i = 0; i < BATCH; i++)
		bench_stamp(c->request + c->stamp_at[i], next_stamp++);
	c->sent = c->got = 0;
	c->is_busy = true;
	go_on(c);
}

static void
judge(struct conn *c, int status, size_t body_off, size_t len)
{
	const uint8_t *body = c->answer + body_off;

	batches++;
	if (status >= 300 ||
	    bench_number_behind(body, len - body_off, "],\"accepted\":") != BATCH) {
		long d = bench_number_behind(body, len - body_off, ",\"duplicate\":");
		long r = bench_number_behind(body, len - body_off, ",\"retry\":");

		if (bad++ == 0)
			(void)fprintf(stderr, "first bad answer: %d ...%.*s\n", status,
			    (int)(len < 300 ? len : 300),
			    (const char *)c->answer + (len < 300 ? 0 : len - 300));
		duplicates += d > 0 ? (unsigned long)d : 0;
		retries += r > 0 ? (unsigned long)r : 0;
	}
	c->is_busy = false;
}

static void
take(struct conn *c)
{
	int status;
	size_t body_off, len;

	for (;;) {
		ssize_t n = read(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got);

		if (n == -1 && errno == EAGAIN)
			break;
		if (n <= 0)
			fatal("the server closed a connection: %s", n == 0 ? "end" : strerror(errno));
		c->got += (size_t)n;
	}
	c->answer[c->got] = '\0';
	len = c->is_busy ? bench_answer(c->answer, c->got, &status, &body_off) : 0;
	if (len > 0)
		judge(c, status, body_off, len);
}

int
main(int argc, char **argv)
{
	const char *port = bench_option(argc, argv, "--port", NULL);
	bool is_array = strcmp(bench_option(argc, argv, "--form", "ndjson"), "array") == 0;
	size_t n_conns = strtoul(bench_option(argc, argv, "--connections", "4"), NULL, 10);
	double seconds = strtod(bench_option(argc, argv, "--seconds", "5"), NULL);
	double rate = strtod(bench_option(argc, argv, "--rate", "0"), NULL);
	struct bench_events in;
	uint64_t began, now, end;
	unsigned long started = 0, busy = 0;

	if (port == NULL || n_conns == 0 || n_conns > CONNS_MAX)
		fatal("usage: bench_batch --port N [--connections 1..%d] ...", CONNS_MAX);
	bench_events_load(&in, bench_option(argc, argv, "--data", "test/data/clickstream.ndjson"), BATCH);
	next_stamp = strtoull(bench_option(argc, argv, "--base", "1000000000000"), NULL, 10);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (size_t i = 0; i < n_conns; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET,
			.data.ptr = &conns[i] };

		prepare(&conns[i], &in, is_array,
		    bench_option(argc, argv, "--ack", "memory"), port);
		conns[i].sent = conns[i].request_len;
		conns[i].fd = bench_connect(port);
		(void)fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conns[i].fd, &ev) == -1)
			fatal("epoll_ctl: %s", strerror(errno));
	}
	began = now = clock_mono_ns();
	end = began + (uint64_t)(seconds * 1e9);
	while (now < end || busy > 0) {
		struct epoll_event ready[CONNS_MAX];
		int n, wait_ms = 1000;

		busy = 0;
		for (size_t i = 0; i < n_conns; i++) {
			bool may = rate == 0 ||
			    (double)started * BATCH < (double)(now - began) / 1e9 * rate;

			if (!conns[i].is_busy && now < end && may) {
				begin(&conns[i]);
				started++;
			}
			busy += conns[i].is_busy;
		}
		if (rate != 0 && busy < n_conns && now < end)
			wait_ms = 1;
		n = epoll_wait(epoll_fd, ready, CONNS_MAX, busy == 0 && now >= end ? 0 : wait_ms);
		for (int i = 0; i < n; i++) {
			go_on(ready[i].data.ptr);
			take(ready[i].data.ptr);
		}
		now = clock_mono_ns();
		if (now > end + 10 * CLOCK_NS_PER_S)
			fatal("answers are missing: %lu batches", busy);
	}
	seconds = (double)(now - began) / 1e9;
	(void)printf("events %lu seconds %.3f rate %.0f bad %lu duplicate %lu retry %lu\n",
	    batches * BATCH, seconds, (double)batches * BATCH / seconds, bad, duplicates, retries);
	return bad > 0;
}
