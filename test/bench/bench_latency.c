/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	bench_latency - how long single events wait for their answer at a given rate
 *
 * DESCRIPTION
 *	bench_latency --port N --rate R [--ack durable] [--connections 128]
 *	    [--seconds 5] [--base 1000000000000] [--data test/data/clickstream.ndjson]
 *	    [--sleep no]
 *
 *	Open loop: event i is due at start + i / R whatever the answers do, and
 *	its latency counts from when it was due, so a server that stalls is
 *	charged for every event that had to wait, not for one per connection.
 *	It polls without sleeping, on a processor of its own, so that its own
 *	waking up is not measured; with --sleep yes it sleeps until the next event
 *	is due, for a machine where it must be given a real-time priority.
 *
 *	Prints: events N rate R bad B late_p99 US p50 US p99 US p999 US max US
 *	where late is how long after an event was due the bench came to look at
 *	the clock: more than a few microseconds says that the bench itself was
 *	kept from its processor, and the rest is worth little.
 *
 * PROCESS
 *	A program of its own.
 *
 * SHARED STATE
 *	None.
 */
#include "test/bench/bench_client.h"
#include "test/bench/bench_histogram.h"

#include <fcntl.h>
#include <sys/epoll.h>

#define CONNS_MAX   1024
#define REQUEST_MAX 4096
#define ANSWER_MAX  8192
#define POLL_MAX    64

struct conn {
	int fd;
	uint64_t due_ns;
	uint8_t answer[ANSWER_MAX];
	size_t got;
	bool is_busy;
};

/* One prepared request for each event of the sample. */
struct request {
	uint8_t *bytes;
	size_t len, stamp_at;
};

static struct conn conns[CONNS_MAX];
static struct conn *idle[CONNS_MAX];
static size_t n_idle;
static struct request *requests;
static size_t n_requests;
static struct bench_histogram latency, late;
static unsigned long bad;

static void
prepare(const struct bench_events *in, const char *ack, const char *port)
{
	n_requests = in->n;
	requests = xcalloc(in->n, sizeof *requests);
	for (size_t i = 0; i < in->n; i++) {
		struct request *r = &requests[i];
		int head;

		if (in->line[i].len > REQUEST_MAX - 512)
			fatal("event %zu is too long for this bench", i);
		r->bytes = xcalloc(1, REQUEST_MAX);
		head = snprintf((char *)r->bytes, 512,
		    "POST /events?ack=%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n"
		    "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		    ack, port, in->line[i].len);
		memcpy(r->bytes + head, in->line[i].ptr, in->line[i].len);
		r->len = (size_t)head + in->line[i].len;
		r->stamp_at = (size_t)head + in->stamp_off[i];
	}
}

static void
send_one(struct conn *c, uint64_t i, uint64_t base, uint64_t due_ns)
{
	struct request *r = &requests[i % n_requests];

	bench_stamp(r->bytes + r->stamp_at, base + i);
	c->due_ns = due_ns;
	c->got = 0;
	c->is_busy = true;
	if (write(c->fd, r->bytes, r->len) != (ssize_t)r->len)
		fatal("a request did not go out whole: %s", strerror(errno));
}

static void
take(struct conn *c, uint64_t now_ns)
{
	ssize_t n = read(c->fd, c->answer + c->got, ANSWER_MAX - 1 - c->got);
	size_t body_off;
	int status;

	if (n == -1 && errno == EAGAIN)
		return;
	if (n <= 0)
		fatal("the server closed a connection");
	c->got += (size_t)n;
	c->answer[c->got] = '\0';
	if (!c->is_busy || bench_answer(c->answer, c->got, &status, &body_off) == 0)
		return;
	if (status != 202 && bad++ == 0)
		(void)fprintf(stderr, "first bad answer: %s\n", (const char *)c->answer);
	bench_histogram_add(&latency, now_ns - c->due_ns);
	c->is_busy = false;
	idle[n_idle++] = c;
}

/* Until an answer comes or the next event is due. */
static int
look(int epoll_fd, struct epoll_event *ready, bool sleeps, uint64_t now_ns, uint64_t due_ns)
{
	struct timespec wait = { 0, 1000000 };

	if (!sleeps || due_ns <= now_ns)
		return epoll_wait(epoll_fd, ready, POLL_MAX, 0);
	if (due_ns - now_ns < 1000000)
		wait.tv_nsec = (long)(due_ns - now_ns);
	return epoll_pwait2(epoll_fd, ready, POLL_MAX, &wait, NULL);
}

int
main(int argc, char **argv)
{
	bool had_idle = true;
	bool sleeps = strcmp(bench_option(argc, argv, "--sleep", "no"), "yes") == 0;
	const char *port = bench_option(argc, argv, "--port", NULL);
	double rate = strtod(bench_option(argc, argv, "--rate", "0"), NULL);
	double seconds = strtod(bench_option(argc, argv, "--seconds", "5"), NULL);
	uint64_t base = strtoull(bench_option(argc, argv, "--base", "1000000000000"), NULL, 10);
	size_t n_conns = strtoul(bench_option(argc, argv, "--connections", "128"), NULL, 10);
	int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	struct bench_events in;
	uint64_t began, now, looked, total, sent = 0;

	if (port == NULL || rate <= 0 || n_conns == 0 || n_conns > CONNS_MAX)
		fatal("usage: bench_latency --port N --rate EVENTS_PER_SECOND ...");
	bench_events_load(&in, bench_option(argc, argv, "--data", "test/data/clickstream.ndjson"),
	    1000);
	prepare(&in, bench_option(argc, argv, "--ack", "durable"), port);
	for (size_t i = 0; i < n_conns; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &conns[i] };

		conns[i].fd = bench_connect(port);
		(void)fcntl(conns[i].fd, F_SETFL, O_NONBLOCK);
		if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, conns[i].fd, &ev) == -1)
			fatal("epoll_ctl: %s", strerror(errno));
		idle[n_idle++] = &conns[i];
	}
	total = (uint64_t)(rate * seconds);
	began = now = looked = clock_mono_ns();
	while (latency.n < total) {
		struct epoll_event ready[POLL_MAX];
		uint64_t due = UINT64_MAX;
		int n;

		while (n_idle > 0 && sent < total) {
			due = began + (uint64_t)((double)sent / rate * 1e9);

			if (due > now)
				break;
			/* Waiting for a connection is the server's doing. */
			if (had_idle)
				bench_histogram_add(&late, due > looked || sleeps ? now - due : 0);
			send_one(idle[--n_idle], sent++, base, due);
		}
		had_idle = n_idle > 0;
		n = look(epoll_fd, ready, sleeps, now, n_idle > 0 ? due : UINT64_MAX);
		looked = now;
		now = clock_mono_ns();
		for (int i = 0; i < n; i++)
			take(ready[i].data.ptr, now);
		if (now > began + (uint64_t)((seconds + 20) * 1e9))
			fatal("answers are missing: %llu of %llu", (unsigned long long)latency.n,
			    (unsigned long long)total);
	}
	(void)printf("events %llu rate %.0f bad %lu late_p99 %.1f ", (unsigned long long)total,
	    (double)total / ((double)(now - began) / 1e9), bad,
	    (double)bench_histogram_at(&late, 0.99) / 1e3);
	bench_histogram_print(&latency);
	return bad > 0;
}
