/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	worker_command - the socket of each stage
 *
 * DESCRIPTION
 *	What every stage answers: help, show info, show memory, show errors,
 *	log [LEVEL].  The rest is the stage's.
 *
 * PROCESS
 *	Every stage.
 *
 * SHARED STATE
 *	Writes usage counters of its own page.
 */
#include "workers/worker_parts.h"

#include "common/log.h"
#include "common/panic.h"
#include "shm/page.h"
#include "shm/word.h"
#include "workers/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static const struct {
	const char *word;
	enum log_level level;
} levels[] = {{"error", LOG_LEVEL_ERR}, {"err", LOG_LEVEL_ERR}, {"warning", LOG_LEVEL_WARN},
    {"warn", LOG_LEVEL_WARN}, {"notice", LOG_LEVEL_NOTICE}, {"info", LOG_LEVEL_INFO},
    {"debug", LOG_LEVEL_DEBUG}};

#define LEVELS (sizeof levels / sizeof levels[0])

static uint64_t
resident_kb(void)
{
	char text[64] = "";
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	const char *second;

	if (fd == -1)
		return 0;
	if (read(fd, text, sizeof text - 1) == -1)
		text[0] = '\0';
	close(fd);
	second = strchr(text, ' ');
	return second == NULL ? 0
			      : strtoull(second, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

void
worker_command_usage(struct process_page *page)
{
	_Atomic uint64_t *c = page->counter;
	struct rusage u;
	uint64_t rss = resident_kb();

	if (getrusage(RUSAGE_SELF, &u) == 0) {
		counters_set(c, counter_id(PROCESS, cpu_user_us),
		    (uint64_t)u.ru_utime.tv_sec * 1000000 + (uint64_t)u.ru_utime.tv_usec);
		counters_set(c, counter_id(PROCESS, cpu_system_us),
		    (uint64_t)u.ru_stime.tv_sec * 1000000 + (uint64_t)u.ru_stime.tv_usec);
	}
	counters_set(c, counter_id(PROCESS, rss_kb), rss);
	counters_max(c, counter_id(PROCESS, rss_max_kb), rss);
}

static void
show_info(struct worker *w, struct text_out *out)
{
	const struct process_page *p = w->page;
	uint64_t started = counters_get(p->counter, counter_id(PROCESS, started));

	text_add(out, "name: %s\nversion: %s\npid: %d\n", p->title, SLUICE_VERSION, (int)getpid());
	text_add(out, "state: %s\n", layout_state_name((enum layout_state)word_load(&p->state)));
	text_add(out, "generation: %llu\npage: %d\nslot: %d\n",
	    (unsigned long long)w->job->generation, w->job->page, w->job->slot);
	text_add(out, "uptime_s: %llu\n",
	    (unsigned long long)((clock_wall_ns() - started) / CLOCK_NS_PER_S));
	text_add(out, "supervisor: %s\n", w->orphaned ? "gone" : "alive");
}

static void
show_memory(struct worker *w, struct text_out *out)
{
	struct mallinfo2 m = mallinfo2();

	worker_command_usage(w->page);
	text_add(out, "rss_kb: %llu\nrss_max_kb: %llu\n",
	    (unsigned long long)counters_get(w->page->counter, counter_id(PROCESS, rss_kb)),
	    (unsigned long long)counters_get(w->page->counter, counter_id(PROCESS, rss_max_kb)));
	text_add(out, "heap_bytes: %zu\nheap_used_bytes: %zu\nheap_mapped_bytes: %zu\n", m.arena,
	    m.uordblks, m.hblkhd);
}

static void
show_errors(struct worker *w, struct text_out *out)
{
	char text[sizeof w->page->error[0].text];
	uint64_t count, first_ns, last_ns;

	for (int i = 0; i < LAYOUT_ERRORS; i++)
		if (page_error_read(w->page, i, text, sizeof text, &count, &first_ns, &last_ns))
			text_add(out, "%llu %s\n", (unsigned long long)count, text);
}

static void
set_log(const char *word, struct text_out *out)
{
	const char *now = "critical";

	while (*word == ' ')
		word++;
	for (size_t i = 0; i < LEVELS; i++)
		if (strcmp(word, levels[i].word) == 0) {
			log_threshold(levels[i].level);
			word = "";
		}
	if (*word != '\0')
		text_add(out, "error: no such level (error, warning, notice, info, debug)\n");
	for (size_t i = 0; i < LEVELS; i++)
		if (levels[i].level == log_threshold_now())
			now = levels[i].word;
	text_add(out, "log: %s\n", now);
}

static void
show_help(struct worker *w, struct text_out *out)
{
	text_add(out, "help\t\tthis list\n"
		      "show info\twho this process is\n"
		      "show memory\twhat it holds\n"
		      "show errors\twhat went wrong, and how often\n"
		      "log [LEVEL]\tshow or set the log level of this process\n"
		      "quit\t\tclose the connection\n");
	if (w->ops->help != NULL)
		text_add(out, "%s", w->ops->help);
}

static bool
answer(void *ctx, const char *line, struct text_out *out)
{
	struct worker *w = ctx;

	worker_woke(w);
	counters_add(w->page->counter, counter_id(PROCESS, commands), 1);
	if (strcmp(line, "help") == 0)
		show_help(w, out);
	else if (strcmp(line, "show info") == 0)
		show_info(w, out);
	else if (strcmp(line, "show memory") == 0)
		show_memory(w, out);
	else if (strcmp(line, "show errors") == 0)
		show_errors(w, out);
	else if (strcmp(line, "log") == 0 || strcmp(line, "show log") == 0)
		set_log("", out);
	else if (strncmp(line, "log ", 4) == 0)
		set_log(line + 4, out);
	else if (strncmp(line, "show log ", 9) == 0)
		set_log(line + 9, out);
	else
		return w->ops->command != NULL && w->ops->command(w, line, out);
	return true;
}

int
worker_command_bind(const struct worker_env *env, const char *name)
{
	char path[CONFIG_PATH_SIZE + WORKER_NAME_SIZE + 16], file[WORKER_NAME_SIZE];
	bool drops = worker_rights_will_drop(env);
	uid_t uid = drops ? env->uid : (uid_t)-1;
	gid_t gid = env->socket_gid != (gid_t)-1 ? env->socket_gid : drops ? env->gid : (gid_t)-1;
	int fd;

	(void)snprintf(file, sizeof file, "%s", name);
	for (char *c = file; *c != '\0'; c++)
		if (*c == ' ')
			*c = '-';
	(void)snprintf(path, sizeof path, "%s/stage/%s.sock", env->runtime_dir, file);
	fd = lines_bind(path, env->cfg->admin.socket_mode);
	if (fd == -1)
		fatal("%s: cannot listen: %s: is the directory there and ours?", path,
		    strerror(errno));
	if ((uid != (uid_t)-1 || gid != (gid_t)-1) && lchown(path, uid, gid) == -1)
		fatal("%s: cannot give it to its group: %s: check `socket-group`", path,
		    strerror(errno));
	return fd;
}

struct lines *
worker_command_serve(struct worker *w, int fd)
{
	struct lines *l = lines_new(w->base, fd, answer, w);

	if (l == NULL)
		fatal("cannot serve the stage's socket: %s", strerror(errno));
	return l;
}
