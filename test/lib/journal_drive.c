/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	journal_drive - the real journal stage under one deterministic acceptor
 *
 * DESCRIPTION
 *	journal_drive run DIR K [WORD ...]
 *		Makes DIR/state and DIR/run (a region of two slots) unless they are
 *		there, plays the acceptor of both slots in this process, and runs the
 *		journal in a child: the first one as `WORD ... journal_drive journal
 *		DIR`, its successors without the words.  Puts K events in groups and
 *		waits after each group until it is durable; then appends a line
 *		"STREAM POS KEY" for each to DIR/acks.  Stops the journal, verifies.
 *	journal_drive journal DIR
 *		Only the journal stage, in this process.
 *	journal_drive verify DIR [ACKFILE]
 *		Every acknowledged event is in the log exactly once, whole, at its
 *		position, and no position was given out twice.
 *
 *	journal_drive load DIR PER_SECOND SECONDS
 *		Puts events that nobody waits for, and says what the journal's
 *		processor time was for each.
 *
 *	DRIVE_LOSE=1 removes the region before a run: the machine was switched off.
 *	DRIVE_SEGMENT, DRIVE_BODY: bytes of a segment and of a body.
 *
 *	Exit: 0 well, 1 not, 2 usage or set-up.
 */
#include "common/clock.h"
#include "common/panic.h"
#include "shm/lock.h"
#include "shm/word.h"
#include "workers/journal.h"
#include "workers/log_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SLOTS      2
#define GENERATION 1
#define RUN_SHIFT  32
#define PATIENCE_S 120

static struct drive {
	char dir[200], state[220], run[220], region_dir[240], journal_dir[240], acks[240];
	struct config *cfg;
	struct region region;
	int journal_bell, slot_bell[SLOTS];
	char **words;
	int n_words;
	const char *self;
	pid_t journal;
	unsigned starts;
	struct ring_in in[SLOTS];
	uint64_t run_number;
} d;

static void
die(const char *what)
{
	(void)fprintf(stderr, "journal_drive: %s: %s\n", what, strerror(errno));
	if (d.journal > 0)
		(void)kill(d.journal, SIGKILL);
	exit(2);
}

static void
name_dirs(const char *dir)
{
	(void)snprintf(d.dir, sizeof d.dir, "%s", dir);
	(void)snprintf(d.state, sizeof d.state, "%s/state", dir);
	(void)snprintf(d.run, sizeof d.run, "%s/run", dir);
	(void)snprintf(d.region_dir, sizeof d.region_dir, "%s/run/region", dir);
	(void)snprintf(d.journal_dir, sizeof d.journal_dir, "%s/state/journal", dir);
	(void)snprintf(d.acks, sizeof d.acks, "%s/acks", dir);
}

static const char *
setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return value != NULL ? value : otherwise;
}

static void
load_config(void)
{
	struct config_errors errs = {0};
	char text[2048];

	(void)snprintf(text, sizeof text,
	    "global\nstate-dir '%s'\nruntime-dir '/run/drive'\nstream-slots %d\nring %s\n"
	    "listen a\nbind 127.0.0.1:1\nmax-event 16k\nmax-body 64k\n"
	    "journal\nsegment %s\ncommit-max %s\ncommit-linger %s\nretain %s\n%s"
	    "dedup\ntable 64k\nwindow %s\n",
	    d.state, SLOTS, setting("DRIVE_RING", "256k"), setting("DRIVE_SEGMENT", "1m"),
	    setting("DRIVE_COMMIT", "128k"), setting("DRIVE_LINGER", "10ms"),
	    setting("DRIVE_RETAIN", "1h"), setting("DRIVE_MORE", ""),
	    setting("DRIVE_WINDOW", "1h"));
	if (config_parse_memory("drive", text, strlen(text), &d.cfg, &errs) != CONFIG_OK) {
		(void)fprintf(stderr, "journal_drive: %s\n", errs.n > 0 ? errs.text[0] : "config");
		exit(2);
	}
}

static void
make_dirs(void)
{
	char stage[260];

	(void)snprintf(stage, sizeof stage, "%s/stage", d.run);
	if ((mkdir(d.dir, 0700) == -1 && errno != EEXIST) ||
	    (mkdir(d.state, 0700) == -1 && errno != EEXIST) ||
	    (mkdir(d.run, 0700) == -1 && errno != EEXIST) ||
	    (mkdir(stage, 0700) == -1 && errno != EEXIST))
		die(d.dir);
}

static uint64_t
count_up(const char *name)
{
	char path[300], text[32] = "";
	uint64_t n;
	FILE *f;

	(void)snprintf(path, sizeof path, "%s/%s", d.state, name);
	f = fopen(path, "r");
	if (f != NULL) {
		(void)!fgets(text, sizeof text, f);
		(void)fclose(f);
	}
	n = strtoull(text, NULL, 10) + 1;
	f = fopen(path, "w");
	if (f == NULL)
		die(path);
	(void)fprintf(f, "%" PRIu64 "\n", n);
	(void)fclose(f);
	return n;
}

static void
open_region(bool make)
{
	struct region_params p = {.slots = SLOTS,
	    .pages = 2,
	    .ring_capacity = d.cfg->global.ring_bytes,
	    .dedup_bytes = 64 << 10,
	    .dedup_window_ms = (uint64_t)d.cfg->dedup.window_ms,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1};
	char text[512];
	enum region_result r;

	memset(p.instance, 0xd1, sizeof p.instance);
	r = region_open(&d.region, d.region_dir, true, text, sizeof text);
	if (r != REGION_OK && make) {
		region_close(&d.region);
		p.generation = count_up("generation");
		if (region_create(d.region_dir, &p, text, sizeof text) != REGION_OK)
			goto fail;
		r = region_open(&d.region, d.region_dir, true, text, sizeof text);
	}
	for (uint32_t i = 0; make && r == REGION_OK && i < SLOTS; i++)
		r = region_prepare_slot(&d.region, i, text, sizeof text);
	if (r == REGION_OK)
		return;
fail:
	(void)fprintf(stderr, "journal_drive: %s\n", text);
	exit(2);
}

static void
run_journal(void)
{
	static struct worker_env env;
	struct worker_job job = {.role = LAYOUT_ROLE_JOURNAL,
	    .page = 0,
	    .slot = -1,
	    .listen = -1,
	    .generation = GENERATION};
	const char *bells = getenv("DRIVE_BELLS");

	env = (struct worker_env){.cfg = d.cfg,
	    .region = &d.region,
	    .lifeline_fd = -1,
	    .runtime_dir = d.run,
	    .state_dir = d.state,
	    .stats_fd = -1,
	    .uid = (uid_t)-1,
	    .gid = (gid_t)-1,
	    .socket_gid = (gid_t)-1};
	memset(env.instance, 0xd1, sizeof env.instance);
	if (bells == NULL || sscanf(bells, "%d,%d,%d", &env.journal_bell, &env.slot_bell[0],
				 &env.slot_bell[1]) != 3) {
		env.journal_bell = bell_new();
		env.slot_bell[0] = bell_new();
		env.slot_bell[1] = bell_new();
	}
	worker_main(&env, &job, &journal_ops);
}

static void
start_journal(void)
{
	char *argv[64];
	int n = 0;

	for (int i = 0; d.starts == 0 && i < d.n_words; i++)
		argv[n++] = d.words[i];
	argv[n++] = (char *)(uintptr_t)d.self;
	argv[n++] = (char *)(uintptr_t) "journal";
	argv[n++] = d.dir;
	argv[n] = NULL;
	d.starts++;
	d.journal = fork();
	if (d.journal == -1)
		die("fork");
	if (d.journal != 0)
		return;
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)execvp(argv[0], argv);
	die(argv[0]);
}

/* Restart the journal when it is gone. */
static void
look_after_journal(void)
{
	int status;

	if (waitpid(d.journal, &status, WNOHANG) == d.journal)
		start_journal();
}

static bool
is_late(uint64_t since_ns)
{
	return clock_mono_ns() - since_ns > PATIENCE_S * CLOCK_NS_PER_S;
}

/* What slot_owner.c does, for one that never dies. */
static void
take_slots(void)
{
	const struct journal_part *part = d.region.journal;
	uint64_t since = clock_mono_ns();

	while (word_load(&part->ready_generation) != d.region.header->generation) {
		if (is_late(since)) {
			errno = ETIMEDOUT;
			die("the journal is not ready");
		}
		look_after_journal();
		(void)poll(NULL, 0, 1);
	}
	for (uint32_t i = 0; i < SLOTS; i++) {
		struct slot_page *slot = d.region.slot[i];
		const struct ring ring = region_ring(&d.region, i);
		char path[REGION_PATH_MAX];
		int fd;

		if (lock_take(region_slot_lock(&d.region, i, path), &fd, NULL) != LOCK_OK)
			die(path);
		if (counters_get(slot->counter, counter_id(STREAM, takeovers)) == 0) {
			ring_start(&ring, word_load(&part->stream[i].start),
			    word_load(&part->stream[i].start_seq));
			word_store(&slot->base_seq, word_load(&part->stream[i].start_seq));
		}
		if (ring_in_open(&d.in[i], &ring, &part->stream[i].durable) != RING_OK)
			die("a ring is damaged");
		counters_add(slot->counter, counter_id(STREAM, takeovers), 1);
	}
}

static void
wait_durable(uint32_t i)
{
	struct slot_page *slot = d.region.slot[i];
	const struct cursor *durable = &d.region.journal->stream[i].durable;
	uint64_t since = clock_mono_ns();

	word_store(&slot->durable_wanted, d.in[i].tail);
	while (cursor_pos(durable) != d.in[i].tail) {
		struct pollfd p = {.fd = d.slot_bell[i], .events = POLLIN};

		if (is_late(since)) {
			errno = ETIMEDOUT;
			die("an event does not become durable");
		}
		(void)bell_ring(d.journal_bell, &d.region.journal->sleeping, true);
		bell_doze(&slot->sleeping, LAYOUT_ASLEEP);
		if (cursor_pos(durable) != d.in[i].tail)
			(void)poll(&p, 1, 5);
		bell_clear(d.slot_bell[i]);
		look_after_journal();
	}
	bell_wake(&slot->sleeping);
}

struct group {
	uint64_t pos, key;
	uint32_t stream;
};

static bool
put(struct group *g, uint32_t stream, uint64_t n)
{
	struct ring_in *in = &d.in[stream];
	uint64_t key = d.run_number << RUN_SHIFT | n;
	size_t extra = (size_t)strtoul(setting("DRIVE_BODY", "40"), NULL, 10);
	char body[16384];
	int len = snprintf(body, sizeof body, "{\"n\":%" PRIu64 ",\"x\":\"", key);
	enum ring_result why;
	struct frame_header h = {.type = FRAME_EVENT,
	    .stream = stream,
	    .pos = in->tail,
	    .seq = in->seq,
	    .recv_ns = clock_wall_ns(),
	    .hash_lo = key * 0x9e3779b97f4a7c15ull,
	    .hash_hi = key * 0xc2b2ae3d27d4eb4full,
	    .content_type = FRAME_CONTENT_JSON};
	uint8_t *at;

	extra = extra * (n % 7 + 1) / 4;
	if (extra > sizeof body - 100)
		extra = sizeof body - 100;
	memset(body + len, 'a' + (int)(n % 26), extra);
	len += (int)extra;
	len += snprintf(body + len, sizeof body - (size_t)len, "\"}");
	at = ring_reserve(in, frame_len_for(0, (size_t)len), &why);
	if (at == NULL)
		return false;
	memcpy(at, &h, sizeof h);
	memcpy(at + sizeof h, body, (size_t)len);
	frame_seal(at, 0, (uint32_t)len);
	*g = (struct group){.pos = in->tail, .key = key, .stream = stream};
	ring_put(in, frame_len_for(0, (size_t)len), true);
	return true;
}

static void
play(uint64_t events)
{
	int acks = open(d.acks, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	struct group group[4];
	uint64_t done = 0;

	if (acks == -1)
		die(d.acks);
	while (done < events) {
		size_t n = done % 4 + 1;
		char line[100];

		for (size_t i = 0; i < n; i++)
			if (!put(&group[i], (uint32_t)((done + i) % 3 == 2), done + i))
				die("a ring is full");
		for (uint32_t i = 0; i < SLOTS; i++)
			wait_durable(i);
		for (size_t i = 0; i < n; i++) {
			int len = snprintf(line, sizeof line, "%u %" PRIu64 " %" PRIu64 "\n",
			    group[i].stream, group[i].pos, group[i].key);

			if (write(acks, line, (size_t)len) != len)
				die(d.acks);
		}
		done += n;
	}
	close(acks);
}

/*---------------------------------------------------------------------------*
 * verify
 *---------------------------------------------------------------------------*/

static int
by_place(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->stream != y->stream)
		return x->stream < y->stream ? -1 : 1;
	return x->pos < y->pos ? -1 : x->pos > y->pos;
}

struct list {
	struct group *at;
	size_t n, room;
};

static void
add(struct list *l, struct group g)
{
	if (l->n == l->room) {
		l->room = l->room == 0 ? 1024 : l->room * 2;
		l->at = reallocarray(l->at, l->room, sizeof *l->at);
		if (l->at == NULL)
			die("memory");
	}
	l->at[l->n++] = g;
}

static void
read_acks(struct list *acks, const char *path)
{
	FILE *f = fopen(path, "r");
	struct group g;

	if (f == NULL)
		die(path);
	while (fscanf(f, "%u %" SCNu64 " %" SCNu64 "\n", &g.stream, &g.pos, &g.key) == 3)
		add(acks, g);
	(void)fclose(f);
	qsort(acks->at, acks->n, sizeof *acks->at, by_place);
}

/* What retention removed is nobody's loss. */
static void
note_oldest(struct log_reader *r, uint64_t oldest[SLOTS])
{
	enum log_format_result why;

	if (r->chain.n == 0 ||
	    log_dir_read_header(r->dirfd, r->chain.at[0].number, r->header, &why) != 0)
		return;
	for (uint32_t i = 0; i < SLOTS; i++)
		oldest[i] = r->header->stream[i].end;
}

static void
read_log(struct list *log, uint64_t *bad, uint64_t oldest[SLOTS])
{
	int dirfd = log_dir_open(d.journal_dir, false);
	struct log_reader r;
	struct log_item item;

	if (dirfd == -1 || log_reader_open(&r, dirfd, 0) == -1)
		die(d.journal_dir);
	note_oldest(&r, oldest);
	while (log_reader_next(&r, &item) != LOG_ITEM_END) {
		struct bytes body;
		struct group g = {.stream = item.stream, .pos = item.from};

		if (item.kind == LOG_ITEM_ERROR)
			die("read");
		*bad += item.kind == LOG_ITEM_CORRUPT;
		if (item.kind != LOG_ITEM_FRAME)
			continue;
		body = frame_body(item.at, &item.h);
		*bad += item.h.pos != item.from || body.len < 12;
		g.key = strtoull((const char *)body.ptr + 5, NULL, 10);
		add(log, g);
	}
	*bad += r.stats.bad_headers;
	log_reader_close(&r);
	close(dirfd);
	qsort(log->at, log->n, sizeof *log->at, by_place);
}

static int
verify(const char *path)
{
	struct list acks = {0}, log = {0};
	uint64_t bad = 0, missing = 0, twice = 0, reused = 0, expired = 0, oldest[SLOTS] = {0};
	size_t k = 0;

	read_acks(&acks, path);
	read_log(&log, &bad, oldest);
	for (size_t i = 1; i < log.n; i++)
		twice += by_place(&log.at[i - 1], &log.at[i]) == 0;
	for (size_t i = 1; i < acks.n; i++)
		reused += by_place(&acks.at[i - 1], &acks.at[i]) == 0;
	for (size_t i = 0; i < acks.n; i++) {
		if (acks.at[i].pos < oldest[acks.at[i].stream]) {
			expired++;
			continue;
		}
		while (k < log.n && by_place(&log.at[k], &acks.at[i]) < 0)
			k++;
		missing += k == log.n || by_place(&log.at[k], &acks.at[i]) != 0 ||
			   log.at[k].key != acks.at[i].key;
	}
	/* The same event at two places. */
	for (size_t i = 0; i < log.n; i++)
		log.at[i] = (struct group){.pos = log.at[i].key};
	qsort(log.at, log.n, sizeof *log.at, by_place);
	for (size_t i = 1; i < log.n; i++)
		twice += by_place(&log.at[i - 1], &log.at[i]) == 0;
	(void)printf("acked=%zu in_log=%zu missing=%" PRIu64 " twice=%" PRIu64 " reused=%" PRIu64
		     " bad=%" PRIu64 " expired=%" PRIu64 " starts=%u\n",
	    acks.n, log.n, missing, twice, reused, bad, expired, d.starts);
	free(acks.at);
	free(log.at);
	return missing + twice + reused + bad == 0 ? 0 : 1;
}

/* Kept over exec, unlike bell_new()'s. */
static int
inherited_bell(void)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	if (fd == -1)
		die("eventfd");
	return fd;
}

/* A ring of the journal's bell as acceptors do it: not while it lingers. */
static void
load(uint64_t per_second, uint64_t seconds)
{
	uint64_t begun = clock_mono_ns(), n = 0, full = 0;
	struct group g;

	while (clock_mono_ns() - begun < seconds * CLOCK_NS_PER_S) {
		uint64_t due = (clock_mono_ns() - begun) / 1000 * per_second / 1000000;

		for (; n < due; n++)
			full += put(&g, (uint32_t)(n & 1), n) ? 0 : 1;
		(void)bell_ring(d.journal_bell, &d.region.journal->sleeping,
		    ring_in_backlog(&d.in[0]) > d.region.ring_capacity / 4);
		(void)poll(NULL, 0, 1);
	}
	(void)printf("put=%" PRIu64 " full=%" PRIu64 " ", n, full);
	for (uint32_t i = 0; i < SLOTS; i++)
		wait_durable(i);
}

static int
report_load(const struct rusage *u)
{
	const _Atomic uint64_t *c = d.region.journal->counter;
	uint64_t us = ((uint64_t)u->ru_utime.tv_sec + (uint64_t)u->ru_stime.tv_sec) * 1000000 +
		      (uint64_t)u->ru_utime.tv_usec + (uint64_t)u->ru_stime.tv_usec;
	uint64_t frames = counters_get(c, counter_id(JOURNAL, frames));
	uint64_t commits = counters_get(c, counter_id(JOURNAL, commits));

	(void)printf("frames=%" PRIu64 " commits=%" PRIu64 " bytes=%" PRIu64 " sync_us=%" PRIu64
		     " cpu_us=%" PRIu64 " cpu_ns_per_event=%" PRIu64 "\n",
	    frames, commits, counters_get(c, counter_id(JOURNAL, bytes)),
	    counters_get(c, counter_id(JOURNAL, sync_ns)) / 1000 / (commits == 0 ? 1 : commits), us,
	    us * 1000 / (frames == 0 ? 1 : frames));
	return 0;
}

static int
run(uint64_t events, uint64_t seconds)
{
	char bells[64];
	struct rusage usage;
	uint64_t since;
	int status;

	make_dirs();
	if (getenv("DRIVE_LOSE") != NULL)
		(void)region_remove(d.region_dir);
	open_region(true);
	d.run_number = count_up("runs");
	d.journal_bell = inherited_bell();
	for (uint32_t i = 0; i < SLOTS; i++)
		d.slot_bell[i] = inherited_bell();
	(void)snprintf(
	    bells, sizeof bells, "%d,%d,%d", d.journal_bell, d.slot_bell[0], d.slot_bell[1]);
	(void)setenv("DRIVE_BELLS", bells, 1);
	start_journal();
	take_slots();
	if (seconds != 0)
		load(events, seconds);
	else
		play(events);
	/* A tracer may stand between: the journal's own pid is in the region. */
	since = clock_mono_ns();
	while (wait4(d.journal, &status, WNOHANG, &usage) == 0) {
		pid_t pid = (pid_t)word_load(&d.region.journal->pid);

		if (word_load(&d.region.journal->active) != 0 && pid > 1)
			(void)kill(pid, SIGTERM);
		if (is_late(since)) {
			errno = ETIMEDOUT;
			die("the journal does not stop");
		}
		(void)poll(NULL, 0, 5);
	}
	return seconds != 0 ? report_load(&usage) : verify(d.acks);
}

int
main(int argc, char **argv)
{
	if (argc < 3)
		goto usage;
	d.self = argv[0];
	name_dirs(argv[2]);
	load_config();
	if (strcmp(argv[1], "run") == 0 && argc >= 4) {
		d.words = argv + 4;
		d.n_words = argc - 4 < 60 ? argc - 4 : 60;
		return run(strtoull(argv[3], NULL, 10), 0);
	}
	if (strcmp(argv[1], "load") == 0 && argc == 5)
		return run(strtoull(argv[3], NULL, 10), strtoull(argv[4], NULL, 10));
	if (strcmp(argv[1], "journal") == 0) {
		open_region(false);
		run_journal();
	}
	if (strcmp(argv[1], "verify") == 0)
		return verify(argc > 3 ? argv[3] : d.acks);
usage:
	(void)fprintf(stderr,
	    "usage: journal_drive run DIR K [WORD ...] | journal DIR | verify DIR [ACKFILE]\n");
	return 2;
}
