/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	crash_rig - a daemon under load, killed again and again, then called to account
 *
 * DESCRIPTION
 *	crash_rig SLUICED SLUICECTL MODE KILLS ACK
 *
 *	MODE	stages	    kill -9 a random stage, KILLS times
 *		group	    kill -9 the supervisor and all stages at once, start again
 *		supervisor  kill -9 the supervisor alone, start again
 *		point:NAME  run with SLUICE_CRASH=NAME:n (a build with crash points);
 *			    KILLS deaths of acceptors are waited for
 *	ACK	memory or durable
 *
 *	Eight connections send events in batches of one to twenty; connections
 *	2i and 2i+1 send the same events at the same time.  Every event is sent
 *	until it is answered accepted or duplicate, and noted.  At the end every
 *	noted event must be in the log once, byte for byte, nothing may be there
 *	twice, and the ledger of every stream must balance.
 *
 *	DISCARD=1: leave no folders behind, whatever is found.
 *
 *	Exit 0: so it is.  1: it is not.  2: the rig itself failed.
 */
#include "common/clock.h"
#include "shm/lock.h"
#include "shm/region.h"
#include "shm/word.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONNS	 8
#define USERS	 (CONNS / 2)
#define EVENTS	 (1u << 20) /* per user, at most */
#define BATCH	 20
#define BODY_MAX 512

struct notes {
	_Atomic uint64_t stop;
	_Atomic uint64_t acked_total;
	_Atomic uint64_t duplicates;
	_Atomic uint64_t unknown;
	_Atomic uint64_t broken; /* connections that had to be made again */
	_Atomic uint64_t bad;	 /* answers that make no sense */
	_Atomic uint64_t at[CONNS]; /* the event each connection is about to send */
	uint8_t acked[USERS][EVENTS];
};

static char dir[256], runtime[256], state[256], config[300];
static unsigned port;
static const char *sluiced_path, *ctl_path, *ack;
static struct notes *notes;

static void remove_place(void);

static void
die(const char *what)
{
	fprintf(stderr, "crash_rig: %s: %s\n", what, strerror(errno));
	if (getenv("DISCARD") != NULL)
		remove_place();
	exit(2);
}

/* The one body of event n of a user: what a torn or mixed frame would not equal. */
static size_t
body_of(char *buf, unsigned user, unsigned n)
{
	unsigned pad = (n * 37u) % 200u;
	int len = snprintf(buf, BODY_MAX,
	    "{\"userId\":\"u%u\",\"eventType\":\"crash\",\"timestamp\":%u,\"metadata\":{\"pad\":\"",
	    user, n + 1);

	for (unsigned i = 0; i < pad; i++)
		buf[len++] = (char)('a' + (n + i) % 26);
	memcpy(buf + len, "\"}}", 3);
	return (size_t)len + 3;
}

static unsigned
free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd == -1 || bind(fd, (struct sockaddr *)&a, sizeof a) == -1 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) == -1)
		die("free port");
	close(fd);
	return ntohs(a.sin_port);
}

static void
make_place(void)
{
	FILE *f;

	(void)snprintf(dir, sizeof dir, "/tmp/sluice-crash.%d", (int)getpid());
	(void)snprintf(runtime, sizeof runtime, "/dev/shm/sluice-crash.%d", (int)getpid());
	(void)snprintf(state, sizeof state, "%.200s/state", dir);
	(void)snprintf(config, sizeof config, "%.200s/sluice.conf", dir);
	if (mkdir(dir, 0700) == -1 || mkdir(runtime, 0700) == -1 ||
	    (f = fopen(config, "w")) == NULL)
		die("private folder");
	port = free_port();
	fprintf(f,
	    "global\n state-dir %s\n runtime-dir %s\n ring 1m\n drain-time 5s\n hang-time 20s\n"
	    "listen t\n bind 127.0.0.1:%u\n processes 2\n max-event 32k\n max-body 1m\n"
	    "journal\n segment 4m\n commit-max 1m\ndedup\n table 16m\n"
	    "admin\n bind 127.0.0.1:%u\n",
	    state, runtime, port, free_port());
	fclose(f);
}

static void
remove_place(void)
{
	char cmd[3][300];
	pid_t pid = fork();

	(void)snprintf(cmd[0], sizeof cmd[0], "%s", dir);
	(void)snprintf(cmd[1], sizeof cmd[1], "%s", runtime);
	if (pid == 0) {
		execlp("rm", "rm", "-rf", "--", cmd[0], cmd[1], (char *)NULL);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
}

/*---------------------------------------------------------------------------*
 * The daemon
 *---------------------------------------------------------------------------*/

static pid_t
start_daemon(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		/* Its own group, so that all of it can be killed at once. */
		(void)setpgid(0, 0);
		execl(sluiced_path, "sluiced", "-c", config, (char *)NULL);
		_exit(127);
	}
	(void)setpgid(pid, pid);
	return pid;
}

static struct region *
look_at_region(void)
{
	static struct region r;
	char path[300], text[512];
	static uint64_t generation;

	(void)snprintf(path, sizeof path, "%s/region", runtime);
	for (int i = 0; i < 2000; i++) {
		if (r.header != NULL)
			region_close(&r);
		if (region_open(&r, path, false, text, sizeof text) == REGION_OK) {
			if (generation != 0 && r.header->generation != generation)
				fprintf(stderr, "the region was made anew\n");
			generation = r.header->generation;
			return &r;
		}
		usleep(5000);
	}
	fprintf(stderr, "%s\n", text);
	die("no region");
	return NULL;
}

/* The page of a role and number that a living process holds, or -1. */
static int
page_of(struct region *r, enum layout_role role, unsigned number)
{
	for (uint32_t i = 0; i < r->pages; i++) {
		const struct layout_assignment *a = &r->header->page[i];

		if (word_load(&a->role) == role && word_load(&a->number) == number &&
		    word_load(&a->assigned) != 0 &&
		    word_load(&a->assigned) == word_load(&r->page[i]->active) &&
		    word_load(&r->page[i]->state) == LAYOUT_STATE_READY)
			return (int)i;
	}
	return -1;
}

static int
wait_ready(struct region *r, enum layout_role role, unsigned number, pid_t not_pid)
{
	uint64_t until = clock_mono_ns() + 60 * CLOCK_NS_PER_S;

	for (;;) {
		int page = page_of(r, role, number);

		if (page != -1 && (pid_t)word_load(&r->page[page]->pid) != not_pid)
			return page;
		if (clock_mono_ns() > until)
			return -1;
		usleep(500);
	}
}

static void
wait_all_ready(struct region *r)
{
	if (wait_ready(r, LAYOUT_ROLE_JOURNAL, 0, 0) == -1 ||
	    wait_ready(r, LAYOUT_ROLE_HTTP, 0, 0) == -1 ||
	    wait_ready(r, LAYOUT_ROLE_HTTP, 1, 0) == -1 ||
	    wait_ready(r, LAYOUT_ROLE_ADMIN, 0, 0) == -1)
		die("a stage is not ready within a minute");
}

/*---------------------------------------------------------------------------*
 * The load: one process a connection
 *---------------------------------------------------------------------------*/

static int
dial(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) },
		.sin_port = htons((uint16_t)port) };
	struct timeval patience = { .tv_sec = 10 };
	int one = 1, fd;

	for (;;) {
		fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd == -1)
			return -1;
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
			return fd;
		close(fd);
		usleep(2000);
	}
}

/* One request and its whole answer into buf; its length, or -1. */
static ssize_t
exchange(int fd, const char *out, size_t len, char *buf, size_t size)
{
	size_t got = 0, want = SIZE_MAX;

	for (size_t done = 0; done < len;) {
		ssize_t n = send(fd, out + done, len - done, MSG_NOSIGNAL);

		if (n <= 0)
			return -1;
		done += (size_t)n;
	}
	while (got < want && got < size - 1) {
		ssize_t n = recv(fd, buf + got, size - 1 - got, 0);
		char *end, *cl;

		if (n <= 0)
			return -1;
		got += (size_t)n;
		buf[got] = '\0';
		if (want != SIZE_MAX || (end = strstr(buf, "\r\n\r\n")) == NULL)
			continue;
		cl = strcasestr(buf, "content-length:");
		want = cl == NULL || cl > end
		    ? (size_t)(end + 4 - buf)
		    : (size_t)(end + 4 - buf) + strtoul(cl + 15, NULL, 10);
	}
	return (ssize_t)got;
}

/* Which events of the batch are settled by this answer; clears their bit. */
static uint32_t
read_verdicts(const char *answer, unsigned user, unsigned first, uint32_t open, unsigned n)
{
	const char *at = strstr(answer, "\"results\":[");

	if (at == NULL)
		return open; /* 503 as a whole */
	for (unsigned i = 0, sent = 0; i < n; i++) {
		if ((open & 1u << i) == 0)
			continue;
		sent++;
		(void)sent;
		at = strstr(at, "{\"status\":\"");
		if (at == NULL) {
			notes->bad++;
			return open;
		}
		at += 11;
		if (strncmp(at, "accepted", 8) == 0 || strncmp(at, "duplicate", 9) == 0) {
			notes->duplicates += at[0] == 'd';
			notes->acked[user][first + i] = 1;
			notes->acked_total++;
			open &= ~(1u << i);
		} else if (strncmp(at, "unknown", 7) == 0) {
			notes->unknown++;
		} else if (strncmp(at, "retry", 5) != 0) {
			notes->bad++;
		}
	}
	return open;
}

static size_t
make_request(char *out, unsigned user, unsigned first, uint32_t open, unsigned n)
{
	static char bodies[BATCH * BODY_MAX];
	size_t len = 0, head;

	for (unsigned i = 0; i < n; i++)
		if (open & 1u << i) {
			len += body_of(bodies + len, user, first + i);
			bodies[len++] = '\n';
		}
	head = (size_t)sprintf(out,
	    "POST /events/batch?ack=%s HTTP/1.1\r\nHost: x\r\n"
	    "Content-Type: application/x-ndjson\r\nContent-Length: %zu\r\n\r\n",
	    ack, len);
	memcpy(out + head, bodies, len);
	return head + len;
}

static void
load(unsigned conn)
{
	static char out[BATCH * BODY_MAX + 512], answer[65536];
	unsigned user = conn / 2, n = 0, i = 0;
	unsigned rnd = conn / 2 + 1; /* both of a pair cut their batches alike */
	int fd = dial();

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (notes->stop == 0 && n + BATCH < EVENTS) {
		unsigned count = 1 + (rnd = rnd * 1103515245u + 12345u) / 65536u % BATCH;
		uint32_t open = (1u << count) - 1;

		/* The pair goes side by side, so that equal events do meet; but
		 * one whose acceptor was killed is not waited for long. */
		notes->at[conn] = n;
		for (i = 0; i < 200 && notes->at[conn ^ 1] < n && notes->stop == 0; i++)
			usleep(20);
		while (open != 0) {
			size_t len = make_request(out, user, n, open, count);
			ssize_t got = exchange(fd, out, len, answer, sizeof answer);

			if (got == -1 || strstr(answer, "onnection: close") != NULL) {
				close(fd);
				fd = dial();
				notes->broken += got == -1;
			}
			if (got == -1)
				continue;
			open = read_verdicts(answer, user, n, open, count);
			if (open != 0)
				usleep(2000);
		}
		n += count;
	}
	_exit(0);
}

/*---------------------------------------------------------------------------*
 * The kills
 *---------------------------------------------------------------------------*/

static uint64_t back_ns[4096];
static unsigned backs;

static int
by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void
wait_for_acks(uint64_t more)
{
	uint64_t target = notes->acked_total + more;
	uint64_t until = clock_mono_ns() + 60 * CLOCK_NS_PER_S;

	while (notes->acked_total < target) {
		if (clock_mono_ns() > until)
			die("no event was acknowledged for a minute");
		usleep(200);
	}
}

/* A fresh connection is served though one stage is being killed. */
static void
ask_health(unsigned *failures)
{
	static char answer[8192];
	static const char rq[] = "GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
	int fd = dial();

	/* The victim may have taken the connection just before it died; the
	 * second one is in the queue of those who live. */
	if (exchange(fd, rq, sizeof rq - 1, answer, sizeof answer) == -1) {
		close(fd);
		fd = dial();
		if (exchange(fd, rq, sizeof rq - 1, answer, sizeof answer) == -1)
			(*failures)++;
	}
	close(fd);
}

static void
kill_stages(unsigned kills)
{
	static const struct {
		enum layout_role role;
		unsigned number;
	} stage[] = { { LAYOUT_ROLE_HTTP, 0 }, { LAYOUT_ROLE_HTTP, 1 }, { LAYOUT_ROLE_JOURNAL, 0 },
		{ LAYOUT_ROLE_HTTP, 0 }, { LAYOUT_ROLE_HTTP, 1 }, { LAYOUT_ROLE_JOURNAL, 0 },
		{ LAYOUT_ROLE_ADMIN, 0 } };
	struct region *r = look_at_region();
	unsigned unanswered = 0;

	for (unsigned i = 0; i < kills; i++) {
		unsigned pick = (unsigned)random() % 7;
		int page = wait_ready(r, stage[pick].role, stage[pick].number, 0);
		pid_t pid;
		uint64_t then;

		wait_for_acks(1 + (uint64_t)random() % 400);
		if (page == -1)
			die("a stage did not come back within a minute");
		pid = (pid_t)word_load(&r->page[page]->pid);
		then = clock_mono_ns();
		if (kill(pid, SIGKILL) == -1)
			continue;
		if (stage[pick].role == LAYOUT_ROLE_HTTP)
			ask_health(&unanswered);
		if (wait_ready(r, stage[pick].role, stage[pick].number, pid) == -1)
			die("a stage did not come back within a minute");
		if (stage[pick].role == LAYOUT_ROLE_HTTP && backs < 4096)
			back_ns[backs++] = clock_mono_ns() - then;
	}
	printf("kills %u, fresh connections unanswered %u\n", kills, unanswered);
	if (unanswered > 0)
		exit(1);
}

static pid_t
kill_all(pid_t daemon, unsigned kills, bool only_supervisor)
{
	for (unsigned i = 0; i < kills; i++) {
		struct region *r = look_at_region();

		wait_all_ready(r);
		wait_for_acks(50 + (uint64_t)random() % 2000);
		if (kill(only_supervisor ? daemon : -daemon, SIGKILL) == -1)
			die("kill");
		waitpid(daemon, NULL, 0);
		daemon = start_daemon();
	}
	wait_all_ready(look_at_region());
	return daemon;
}

static void
wait_for_deaths(unsigned kills)
{
	struct region *r = look_at_region();
	uint64_t until = clock_mono_ns() + 120 * CLOCK_NS_PER_S;
	uint64_t restarts;

	do {
		restarts = 0;
		for (uint32_t i = 0; i < r->pages; i++)
			restarts += word_load(&r->header->page[i].restarts);
		if (clock_mono_ns() > until)
			die("the crash point was not visited often enough in two minutes");
		usleep(1000);
	} while (restarts < kills);
	printf("deaths at the point: %lu\n", (unsigned long)restarts);
}

/*---------------------------------------------------------------------------*
 * The account
 *---------------------------------------------------------------------------*/

static unsigned
check_log(void)
{
	static uint8_t seen[USERS][EVENTS];
	static char line[65536], expect[BODY_MAX];
	uint64_t frames = 0, torn = 0, twice = 0, lost = 0, acked = 0;
	char cmd[1024];
	FILE *f;

	(void)snprintf(cmd, sizeof cmd, "%s -c %s cat --from oldest", ctl_path, config);
	f = popen(cmd, "r");
	if (f == NULL)
		die("sluicectl cat");
	while (fgets(line, sizeof line, f) != NULL) {
		unsigned user, stamp;
		size_t len;

		frames++;
		if (sscanf(line, "{\"userId\":\"u%u\",\"eventType\":\"crash\",\"timestamp\":%u,", &user,
			&stamp) != 2 ||
		    user >= USERS || stamp == 0 || stamp > EVENTS) {
			torn++;
			continue;
		}
		len = body_of(expect, user, stamp - 1);
		torn += strlen(line) != len + 1 || memcmp(line, expect, len) != 0;
		twice += seen[user][stamp - 1]++ != 0;
	}
	if (pclose(f) != 0) {
		printf("sluicectl cat failed\n");
		return 1;
	}
	for (unsigned u = 0; u < USERS; u++)
		for (unsigned n = 0; n < EVENTS; n++) {
			acked += notes->acked[u][n];
			lost += notes->acked[u][n] && !seen[u][n];
		}
	printf("frames %lu, acknowledged %lu (answered duplicate %lu, unknown %lu, connections "
	       "broken %lu): lost %lu, twice %lu, torn %lu, senseless answers %lu\n",
	    (unsigned long)frames, (unsigned long)acked, (unsigned long)notes->duplicates,
	    (unsigned long)notes->unknown, (unsigned long)notes->broken, (unsigned long)lost,
	    (unsigned long)twice, (unsigned long)torn, (unsigned long)notes->bad);
	return lost + twice + torn + notes->bad > 0 || acked == 0;
}

static unsigned
check_ledger(void)
{
	struct region *r = look_at_region();
	unsigned bad = 0;

	for (uint32_t i = 0; i < r->slots; i++) {
		const _Atomic uint64_t *c = r->slot[i]->counter;
		uint64_t pos, seq, put, sum, received = counters_get(c, COUNTER_STREAM_received);

		if (counters_get(c, COUNTER_STREAM_takeovers) == 0)
			continue;
		if (!cursor_load(&r->slot[i]->ring.tail, &pos, &seq)) {
			printf("stream %u: damaged tail\n", i);
			bad++;
			continue;
		}
		put = seq - word_load(&r->slot[i]->base_seq);
		sum = put + counters_get(c, COUNTER_STREAM_duplicate) +
		    counters_get(c, COUNTER_STREAM_invalid) +
		    counters_get(c, COUNTER_STREAM_retry) +
		    counters_get(c, COUNTER_STREAM_interrupted);
		printf("stream %u: received %lu = put %lu + duplicate %lu + invalid %lu + retry "
		       "%lu + interrupted %lu%s\n",
		    i, (unsigned long)received, (unsigned long)put,
		    (unsigned long)counters_get(c, COUNTER_STREAM_duplicate),
		    (unsigned long)counters_get(c, COUNTER_STREAM_invalid),
		    (unsigned long)counters_get(c, COUNTER_STREAM_retry),
		    (unsigned long)counters_get(c, COUNTER_STREAM_interrupted),
		    sum == received ? "" : "  DOES NOT BALANCE");
		bad += sum != received;
		if (cursor_pos(&r->journal->stream[i].durable) != pos) {
			printf("stream %u: not all of it is in the log\n", i);
			bad++;
		}
	}
	return bad;
}

int
main(int argc, char **argv)
{
	pid_t daemon, client[CONNS];
	unsigned kills, bad;
	int status;

	if (argc != 6) {
		fprintf(stderr, "usage: crash_rig SLUICED SLUICECTL MODE KILLS memory|durable\n");
		return 2;
	}
	sluiced_path = argv[1];
	ctl_path = argv[2];
	kills = (unsigned)strtoul(argv[4], NULL, 10);
	ack = argv[5];
	srandom(getenv("SEED") != NULL ? (unsigned)strtoul(getenv("SEED"), NULL, 10) : 1);
	make_place();
	notes = mmap(NULL, sizeof *notes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
	    0);
	if (notes == MAP_FAILED)
		die("mmap");
	if (strncmp(argv[3], "point:", 6) == 0)
		(void)setenv("SLUICE_CRASH", argv[3] + 6, 1);
	daemon = start_daemon();
	(void)unsetenv("SLUICE_CRASH");
	wait_ready(look_at_region(), LAYOUT_ROLE_JOURNAL, 0, 0);
	for (unsigned i = 0; i < CONNS; i++)
		if ((client[i] = fork()) == 0)
			load(i);
	if (strcmp(argv[3], "stages") == 0)
		kill_stages(kills);
	else if (strcmp(argv[3], "group") == 0)
		daemon = kill_all(daemon, kills, false);
	else if (strcmp(argv[3], "supervisor") == 0)
		daemon = kill_all(daemon, kills, true);
	else
		wait_for_deaths(kills);
	notes->stop = 1;
	for (unsigned i = 0; i < CONNS; i++)
		waitpid(client[i], NULL, 0);
	kill(daemon, SIGTERM);
	if (waitpid(daemon, &status, 0) != daemon || !WIFEXITED(status) ||
	    WEXITSTATUS(status) != 0) {
		printf("sluiced did not end well: status %d\n", status);
		return 1;
	}
	bad = check_ledger() + check_log();
	if (backs > 0) {
		qsort(back_ns, backs, sizeof back_ns[0], by_number);
		printf("an acceptor is back after: median %.1f ms, p90 %.1f ms, max %.1f ms\n",
		    (double)back_ns[backs / 2] / 1e6, (double)back_ns[backs * 9 / 10] / 1e6,
		    (double)back_ns[backs - 1] / 1e6);
	}
	if (bad == 0 || getenv("DISCARD") != NULL)
		remove_place();
	else
		printf("kept: %s %s\n", dir, runtime);
	return bad == 0 ? 0 : 1;
}
