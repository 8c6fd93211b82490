/* SPDX-License-Identifier: ISC */
/*
 * NAME
 *	kafka_parts - what the Kafka sink's own files share
 *
 * DESCRIPTION
 *	One producer at a time.  What is in flight is known by ticket
 *	(kafka_window.h), so a producer can be thrown away at any moment and
 *	another one sends what was not answered, in order.
 *
 *		    attempt()		    (exactly-once: init, read back)
 *	CLOSED ------------------> OPENING ------------------> RUNNING <--+
 *	  ^			      |				|  |	  | committed
 *	  |			      v error		  error |  +--> COMMITTING
 *	CLOSING <------------------ BREAKING <------------------+---------+
 *
 *	BREAKING waits a little for what is on its way, so that fewer events are
 *	sent twice.  Without exactly-once OPENING takes no time.
 *
 * PROCESS
 *	Kafka sinks.
 *
 * SHARED STATE
 *	None but what the skeleton writes.
 */
#ifndef WORKERS_KAFKA_PARTS_H
#define WORKERS_KAFKA_PARTS_H

#include "common/pick.h"
#include "common/template.h"
#include "workers/kafka_class.h"
#include "workers/kafka_conf.h"
#include "workers/kafka_positions.h"
#include "workers/kafka_topics.h"
#include "workers/kafka_window.h"
#include "workers/kafka_work.h"
#include "workers/sink.h"

#include <librdkafka/rdkafka.h>

#define KAFKA_TEXT_SIZE    512
#define KAFKA_BREAK_NS     (3 * CLOCK_NS_PER_S) /* for what is on its way */
#define KAFKA_AWAY_NS      CLOCK_NS_PER_S       /* a reconnection takes no longer */
#define KAFKA_AGAIN_BUDGET 2000                 /* events sent again in one turn */
#define KAFKA_CALL_MS      1000                 /* one blocking call of the helper thread */

enum kafka_state {
	KAFKA_CLOSED = 0, /* no producer: attempt() makes one */
	KAFKA_OPENING,    /* transactions: fencing predecessors, reading positions */
	KAFKA_RUNNING,
	KAFKA_COMMITTING, /* a transaction ends */
	KAFKA_BREAKING,   /* nothing new is sent; answers on their way are waited for */
	KAFKA_CLOSING,    /* the producer ends */
};

/* What a job of the helper thread works on and says. */
struct kafka_job {
	rd_kafka_t *producer;
	rd_kafka_conf_t *consumer_conf; /* its own copy, or NULL */
	char topic[KAFKA_TOPIC_NAME_SIZE];
	struct kafka_work *work;
	enum kafka_class class;
	char text[KAFKA_TEXT_SIZE];
	struct kafka_positions positions; /* read back */
	bool has_positions;
};

struct kafka_stats { /* of librdkafka, every 10 s */
	uint64_t at_ns;
	uint64_t messages, bytes;       /* waiting in the producer */
	uint64_t tx_bytes, tx_messages; /* sent, since it was made */
	uint64_t requests;
};

struct kafka {
	struct sink *s;
	const struct config_sink *cfg;
	rd_kafka_conf_t *conf; /* copied for each producer */
	rd_kafka_conf_t *consumer_conf;
	rd_kafka_t *producer;
	rd_kafka_queue_t *queue;
	struct event *queue_event, *work_event;
	int queue_fd;
	enum kafka_state state;
	struct kafka_work work;
	struct kafka_job job;

	/* How a message is made. */
	struct template *topic;
	char fixed_topic[KAFKA_TOPIC_NAME_SIZE]; /* "": made for each event */
	struct kafka_topics topics;
	struct pick *pick; /* the key's pointer; NULL: no key, or userId */
	bool is_user_key;
	char *scratch; /* unescaped key and eventType */
	size_t scratch_size;

	/* What is in flight. */
	struct kafka_window window;
	uint64_t outstanding; /* messages without a report, the positions record too */
	uint64_t progress_ns; /* CLOCK_MONOTONIC of the last report, or of waiting's begin */
	uint64_t run_events, run_bytes; /* reports of this turn */
	bool is_again;                  /* the window holds what is to be sent again */
	uint64_t again_at;              /* from this ticket on */
	bool is_alone;                  /* a suspect is on its way, and nothing else */
	bool is_reported;               /* one failure is said for each attempt */
	bool has_failed;                /* and no success since */
	bool wants_open;                /* open as soon as closed */
	bool is_renewing;               /* all is well; the producer is worn */
	uint64_t break_until_ns;

	/* Transactions. */
	char transactional_id[80]; /* "": none */
	char positions_topic[KAFKA_TOPIC_NAME_SIZE];
	char *positions_text;
	bool in_tx, is_committed;
	uint64_t tx_events, tx_bytes;
	struct kafka_positions next;  /* with what was taken */
	struct kafka_positions known; /* committed */
	bool has_barrier;             /* a dead letter must be durable before positions pass it */
	uint32_t barrier_stream;
	uint64_t barrier_end;

	/* For people. */
	/* What librdkafka said when it had lost all brokers, and not again while they are
	 * away; "" since a success. */
	char away[KAFKA_TEXT_SIZE];
	char last_error[KAFKA_TEXT_SIZE];
	char last_log[KAFKA_TEXT_SIZE];
	uint64_t last_error_ns; /* wall clock */
	uint64_t opened, broken, committed, aborted, resent, suspects;
	struct pick *stats_pick;
	struct kafka_stats stats;
};

static inline bool
kafka_has_tx(const struct kafka *k)
{
	return k->transactional_id[0] != '\0';
}

/* kafka_producer.c: a producer's life. */

/* A new producer; RUNNING, or OPENING.  Failure is reported to the skeleton. */
void kafka_producer_open(struct kafka *k);
/* Something went wrong: report it, stop sending, begin to close. */
void kafka_producer_break(struct kafka *k, enum kafka_class class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* An error that needs no new producer. */
void kafka_producer_trouble(struct kafka *k, enum kafka_class class, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Go on with breaking, closing, renewing, sending again: after reports, jobs and ticks. */
void kafka_producer_settle(struct kafka *k, uint64_t now_ns);
/* The helper thread has finished its job. */
void kafka_producer_job_done(struct kafka *k);
/* Blocks for at most two seconds: the stage ends. */
void kafka_producer_stop(struct kafka *k);

/* kafka_send.c: an event becomes a message. */

enum kafka_send {
	KAFKA_SEND_OK = 0,
	KAFKA_SEND_FULL,    /* the producer's queue is */
	KAFKA_SEND_REFUSED, /* this event can never be sent; *error says why */
	KAFKA_SEND_BROKEN,  /* the producer cannot; kafka_producer_break() was called */
};
/* Fatal when the section makes no sense. */
void kafka_send_start(struct kafka *k);
enum kafka_send kafka_send_event(
    struct kafka *k, const struct sink_event *e, rd_kafka_resp_err_t *error);

/* kafka_again.c: what was not answered, once more and in order. */
void kafka_again_start(struct kafka *k);
void kafka_again_go_on(struct kafka *k);

/* kafka_report.c: what the producer says. */
void kafka_report_serve(struct kafka *k);
/* Finished tickets leave the window. */
void kafka_report_finish(struct kafka *k);

/* kafka_tx.c: exactly once. */
void kafka_tx_start(struct kafka *k);
/* Open one if there is none; false: the producer was broken. */
bool kafka_tx_begin(struct kafka *k);
void kafka_tx_note(struct kafka *k, const struct sink_event *e);
/* Send the positions and commit. */
void kafka_tx_end(struct kafka *k);
/* After the commit and all reports. */
void kafka_tx_finish(struct kafka *k);
/* The job of OPENING; runs in the helper thread. */
void kafka_tx_open_job(void *arg);
/* What was read back decides about tickets whose transaction's end is not known. */
void kafka_tx_decide(struct kafka *k);
/* Positions must not pass a dead letter that is not durable yet. */
void kafka_tx_bar(struct kafka *k, uint32_t stream, uint64_t end);
bool kafka_tx_is_barred(struct kafka *k);

/* kafka_show.c */
void kafka_show_start(struct kafka *k);
bool kafka_show_command(struct kafka *k, const char *line, struct text_out *out);
void kafka_show_stats(struct kafka *k, const char *json);
const char *kafka_show_state(enum kafka_state state);

#endif
