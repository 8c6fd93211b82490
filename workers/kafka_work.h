/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_work - calls that block, off the event loop
 *
 * DESCRIPTION
 *	librdkafka has calls that wait for a broker (the transactions', the end
 *	of a producer).  One thread runs them, one at a time, and writes to an
 *	eventfd when it has finished; the loop goes on beating its heart.  What a
 *	job points at belongs to the thread from kafka_work_post() until
 *	kafka_work_finished() has said true.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None with other processes.
 */
#ifndef WORKERS_KAFKA_WORK_H
#define WORKERS_KAFKA_WORK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef void (*kafka_work_fn)(void *arg);

struct kafka_work {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	kafka_work_fn job; /* NULL: none */
	void *arg;
	bool has_finished;
	bool is_ending;
	bool is_cancelled; /* the job */
	bool is_busy;      /* the loop's own: posted and not yet seen finished */
	int fd;            /* eventfd, readable when a job has finished */
};

/* Starts the thread, all its signals blocked; fatal() when there is none to be had. */
void kafka_work_start(struct kafka_work *w);
/* Only when !is_busy. */
void kafka_work_post(struct kafka_work *w, kafka_work_fn job, void *arg);
/* True once for each job. */
bool kafka_work_finished(struct kafka_work *w);
/* Nobody waits for the job any more: it ends at its next chance. */
void kafka_work_cancel(struct kafka_work *w);
/* For jobs that go on and on: it was cancelled, or the stage ends. */
bool kafka_work_is_ending(struct kafka_work *w);
/* Tells the job to end and waits at most that long; false: it did not. */
bool kafka_work_stop(struct kafka_work *w, int64_t wait_ms);

#endif
