/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_work - calls that block, off the event loop
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None with other processes.
 */
#include "workers/kafka_work.h"

#include "common/panic.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

static void *
run(void *arg)
{
	struct kafka_work *w = arg;

	pthread_mutex_lock(&w->lock);
	while (!w->is_ending) {
		uint64_t one = 1;

		if (w->job == NULL || w->has_finished) {
			pthread_cond_wait(&w->wake, &w->lock);
			continue;
		}
		pthread_mutex_unlock(&w->lock);
		w->job(w->arg);
		pthread_mutex_lock(&w->lock);
		w->has_finished = true;
		pthread_cond_broadcast(&w->wake);
		/* The counter cannot be full, and a lost wake-up costs one tick. */
		if (write(w->fd, &one, sizeof one) == -1)
			continue;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

void
kafka_work_start(struct kafka_work *w)
{
	sigset_t all, old;
	int e;

	memset(w, 0, sizeof *w);
	w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->fd == -1)
		fatal("no eventfd for the Kafka sink: %s", strerror(errno));
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	e = pthread_create(&w->thread, NULL, run, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (e != 0)
		fatal("no thread for the Kafka sink: %s", strerror(e));
}

void
kafka_work_post(struct kafka_work *w, kafka_work_fn job, void *arg)
{
	assert_that(!w->is_busy);
	pthread_mutex_lock(&w->lock);
	w->job = job;
	w->arg = arg;
	w->has_finished = w->is_cancelled = false;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	w->is_busy = true;
}

bool
kafka_work_finished(struct kafka_work *w)
{
	uint64_t n;
	bool has;

	if (read(w->fd, &n, sizeof n) == -1 && errno != EAGAIN)
		PANIC("the worker thread's eventfd: %s", strerror(errno));
	if (!w->is_busy)
		return false;
	pthread_mutex_lock(&w->lock);
	has = w->has_finished;
	pthread_mutex_unlock(&w->lock);
	if (has)
		w->is_busy = false;
	return has;
}

void
kafka_work_cancel(struct kafka_work *w)
{
	pthread_mutex_lock(&w->lock);
	w->is_cancelled = true;
	pthread_mutex_unlock(&w->lock);
}

bool
kafka_work_is_ending(struct kafka_work *w)
{
	bool is;

	pthread_mutex_lock(&w->lock);
	is = w->is_ending || w->is_cancelled;
	pthread_mutex_unlock(&w->lock);
	return is;
}

bool
kafka_work_stop(struct kafka_work *w, int64_t wait_ms)
{
	struct timespec until;
	bool has_ended;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += wait_ms / 1000;
	until.tv_nsec += wait_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_mutex_lock(&w->lock);
	w->is_ending = true;
	pthread_cond_broadcast(&w->wake);
	pthread_mutex_unlock(&w->lock);
	has_ended = pthread_timedjoin_np(w->thread, NULL, &until) == 0;
	if (has_ended)
		close(w->fd);
	return has_ended;
}
